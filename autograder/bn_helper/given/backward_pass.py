"""The backward pass that belongs to the given forward pass: it asks that one for every derivative.

It is no model for your own backward pass: it runs the forward pass once for each example of the batch, and once for
each parameter.
"""

from typing import Any

import numpy as np

from .forward_pass import batchnorm_forward

_STEP = 1e-30  # a complex step subtracts nothing, so it may be as small as one likes


def batchnorm_backward(dout: np.ndarray, cache: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differentiate the given forward pass by complex steps: f'(x) is the imaginary part of f(x + ih) / h.

    A step is taken in all features of one example at once, because the features of a batch do not mix.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
        Gradient of the loss with respect to out. Not modified.
    cache : tuple
        What the given `batchnorm_forward` returned beside out. Not modified.

    Returns
    -------
    dx : ndarray of shape (N, D)
    dgamma, dbeta : ndarray of shape (D,)
        Gradients of the loss with respect to x, gamma and beta.
    """
    x, gamma, eps = (np.asarray(cache[place], dtype=np.float64) for place in (0, 5, 6))
    beta = np.zeros(gamma.shape)

    def slope(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
        out, _ = batchnorm_forward(x, gamma, beta, {"eps": eps})
        return np.einsum("nd,nd->d", dout, out.imag) / _STEP

    steps = 1j * _STEP * np.eye(len(x))  # (N, N), a row for each example
    dx = np.array([slope(x + step[:, None], gamma, beta) for step in steps])
    dgamma, dbeta = slope(x, gamma + 1j * _STEP, beta), slope(x, gamma, beta + 1j * _STEP)
    return dx.astype(dout.dtype), dgamma.astype(dout.dtype), dbeta.astype(dout.dtype)
