"""What right functions answer: values of `solutions`, and numerical gradients of its forward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from solutions import numerical_gradient, saturated_fraction, sigmoid_forward

Array = np.ndarray


def forward(x: Array) -> tuple[Array, Array]:
    """Run `solutions.sigmoid_forward`, with x as the cache."""
    return sigmoid_forward(x)[0], x


def backward(dout: Array, cache: Array) -> Array:
    """Differentiate `solutions.sigmoid_forward` numerically, in float64.

    Parameters
    ----------
    dout : ndarray of any shape
    cache : ndarray of that shape
        The x of the forward pass.

    Returns
    -------
    dx : ndarray of that shape
    """
    x, dout = (np.asarray(a, dtype=np.float64) for a in (cache, dout))
    one_by_one = zip(x.ravel(), dout.ravel(), strict=True)  # a sum over all entries would round like its largest
    dx = [numerical_gradient(_out, np.array(value), np.array(weight)) for value, weight in one_by_one]
    return np.array(dx).reshape(x.shape)


def gradient_norms(x: Array, weights: list[Array], dout: Array) -> list[float]:
    """Differentiate the rest of the network numerically at the input of each layer, in float64.

    Parameters
    ----------
    x : ndarray of shape (N, D_0)
    weights : list of ndarray
    dout : ndarray of shape (N, D_L)

    Returns
    -------
    norms : list of float, as long as weights
    """
    x, dout, *weights = (np.asarray(a, dtype=np.float64) for a in (x, dout, *weights))
    norms = []
    for layer, W in enumerate(weights):
        norms.append(float(np.linalg.norm(numerical_gradient(_network(weights[layer:]), x, dout))))
        x = _out(x @ W)
    return norms


def _out(x: Array) -> Array:
    return np.asarray(sigmoid_forward(x)[0])


def _network(weights: list[Array]) -> Callable[[Array], Array]:
    def network(x: Array) -> Array:
        for W in weights:
            x = _out(x @ W)
        return x

    return network


REFERENCE: dict[str, Callable[..., Any]] = {
    "sigmoid_forward": forward,
    "sigmoid_backward": backward,
    "saturated_fraction": saturated_fraction,  # a count; a numerical derivative would miss that 1/4 is exactly 1/4
    "gradient_norms": gradient_norms,
}
