"""What right functions answer: forward values of `solutions`, and numerical gradients of that forward pass."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from solutions import batchnorm_forward, numerical_gradient

Array = np.ndarray
Cache = tuple[Any, ...]


def batchnorm_gradients(
    dout: Array, cache: Cache, forward: Callable[..., Any] = batchnorm_forward
) -> tuple[Array, Array, Array]:
    """Differentiate a forward pass in train mode numerically, in float64.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
    cache : what the forward pass returned
    forward : callable
        `solutions.batchnorm_forward`, or a wrong one made from it.

    Returns
    -------
    dx, dgamma, dbeta : ndarray of shapes (N, D), (D,), (D,)
    """
    x, gamma = (np.asarray(cache[i], dtype=np.float64) for i in (0, 5))
    beta, dout, eps = np.zeros_like(gamma), np.asarray(dout, dtype=np.float64), cache[6]

    def out(x: Array, gamma: Array, beta: Array) -> Array:
        return np.asarray(forward(x.copy(), gamma, beta, {"mode": "train", "eps": eps})[0])

    dx = numerical_gradient(lambda v: out(v, gamma, beta), x, dout)
    dgamma = numerical_gradient(lambda v: out(x, v, beta), gamma, dout)
    dbeta = numerical_gradient(lambda v: out(x, gamma, v), beta, dout)
    return dx, dgamma, dbeta


# The nodes of the graph: x_hat of (x, mu, var), var of (x, mu), mu of x, each differentiated alone.


def _x_hat(x: Array, mu: Array, var: Array, eps: float) -> Array:
    return (x - mu) / np.sqrt(var + eps)


def _var(x: Array, mu: Array) -> Array:
    return ((x - mu) ** 2).mean(axis=0)


def _mu(x: Array) -> Array:
    return x.mean(axis=0)


def backward_x_hat(dout: Array, gamma: Array) -> Array:
    return numerical_gradient(lambda v: gamma * v, np.zeros_like(dout), dout)


def backward_var(dx_hat: Array, x: Array, mu: Array, var: Array, eps: float) -> Array:
    # A variance is small, and the root bends sharply there: a step of its own size would be felt.
    return numerical_gradient(lambda v: _x_hat(x, mu, v, eps), var, dx_hat, h=1e-6)


def backward_mu(dx_hat: Array, dvar: Array, x: Array, mu: Array, var: Array, eps: float) -> Array:
    through_x_hat = numerical_gradient(lambda v: _x_hat(x, v, var, eps), mu, dx_hat)
    return through_x_hat + numerical_gradient(lambda v: _var(x, v), mu, dvar)


def backward_x(dx_hat: Array, dvar: Array, dmu: Array, x: Array, mu: Array, var: Array, eps: float) -> Array:
    through_x_hat = numerical_gradient(lambda v: _x_hat(v, mu, var, eps), x, dx_hat)
    through_var = numerical_gradient(lambda v: _var(v, mu), x, dvar)
    return through_x_hat + through_var + numerical_gradient(_mu, x, dmu)


def reference_on(functions: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return the reference whose gradients belong to another forward pass, with a cache of the same kind."""
    forward = functions["batchnorm_forward"]
    gradients = partial(batchnorm_gradients, forward=forward)
    backward = dict.fromkeys(("batchnorm_backward", "batchnorm_backward_alt"), gradients)
    return {**REFERENCE, **backward, "batchnorm_forward": forward}


REFERENCE: dict[str, Callable[..., Any]] = {
    "batchnorm_forward": batchnorm_forward,
    "backward_x_hat": backward_x_hat,
    "backward_var": backward_var,
    "backward_mu": backward_mu,
    "backward_x": backward_x,
    "batchnorm_backward": batchnorm_gradients,
    "batchnorm_backward_alt": batchnorm_gradients,
}
