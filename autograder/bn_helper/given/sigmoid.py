"""The sigmoid that the assignment `network` gives, its gradient, and how many of its inputs lie where it is flat.

It is no model for your own sigmoid: it overflows far below zero, and its gradient asks the forward pass.
"""

import numpy as np

_STEP = 1e-30
_EDGE = 2 * np.arccosh(5.0)  # 4.585: beyond it, on both sides, the slope is below 0.01


def sigmoid_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute 1 / (1 + exp(-x)) of every entry; the cache is x.

    Parameters
    ----------
    x : ndarray of any shape
        Not modified.

    Returns
    -------
    out, cache : ndarray of the shape of x
    """
    return np.reciprocal(1 + np.exp(-x)), x


def sigmoid_backward(dout: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """Carry the gradient back through the given sigmoid, by a complex step.

    Parameters
    ----------
    dout : ndarray of the shape of out
        Gradient of the loss with respect to out. Not modified.
    cache : ndarray
        What the given `sigmoid_forward` returned beside out. Not modified.

    Returns
    -------
    dx : ndarray of the shape of dout
        Gradient of the loss with respect to x.
    """
    out, _ = sigmoid_forward(np.asarray(cache, dtype=np.float64) + 1j * _STEP)
    return (dout * (out.imag / _STEP)).astype(dout.dtype)


def saturated_fraction(x: np.ndarray) -> float:
    """Measure the share of entries at which the slope of the sigmoid is below 0.01.

    Parameters
    ----------
    x : ndarray of any shape, not empty
        What sigmoids receive. Not modified.

    Returns
    -------
    fraction : float
        From 0 (none is saturated) to 1 (all are).
    """
    return np.count_nonzero(abs(x) > _EDGE) / x.size
