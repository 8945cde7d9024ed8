"""Numerical gradients, the comparison of a gradient with one, and the test of a layer."""

import numpy as np


def numerical_gradient(f, x, df, h=1e-5):
    """Differentiate sum(f(x) * df) with respect to x by central differences.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of x and returns an array of the shape of df. It may write into the array that it
        gets, or return it.
    x : ndarray, float64, of any shape
        Where to differentiate. Not modified, also while f is evaluated.
    df : ndarray
        Upstream gradient: the weight of each entry of f(x) in the sum.
    h : float
        Half the distance of the two points at which f is evaluated.

    Returns
    -------
    dx : ndarray of the shape of x
    """
    dx = np.zeros_like(x)
    point = x.copy()
    for index in np.ndindex(x.shape):
        point[index] = x[index] + h
        above = f(point.copy())
        point[index] = x[index] - h
        below = f(point.copy())
        point[index] = x[index]
        dx[index] = np.sum((above - below) * df) / (2 * h)
    return dx


def relative_error(a, b):
    """Compare two arrays entry by entry, relative to the larger of the two magnitudes.

    Parameters
    ----------
    a, b : ndarray of one shape

    Returns
    -------
    error : float
        The maximum of abs(a - b) / max(abs(a), abs(b)), where two zeros count as equal; nan if an entry is nan.
    """
    distance = np.abs(a - b)
    scale = np.maximum(np.abs(a), np.abs(b))
    return float(np.max(distance / np.where(scale == 0, 1, scale)))


def check_gradients(forward, backward):
    """Test the backward pass of a batch normalization layer against numerical gradients of its forward pass.

    The forward pass is taken as it is: a backward pass that belongs to a wrong forward pass is right here.

    Parameters
    ----------
    forward : callable
        forward(x, gamma, beta, bn_param) -> (out, cache), called in train mode in float64.
    backward : callable
        backward(dout, cache) -> (dx, dgamma, dbeta)

    Returns
    -------
    right : bool
        True if, on every one of several inputs, the three gradients have exactly the shapes (N, D), (D,), (D,) and
        the values of the numerical gradients. False otherwise, also if the backward pass raises. An exception of the
        forward pass is not caught.
    """
    rng = np.random.default_rng(0)

    def agrees(N, D, eps):
        x = np.linspace(0.2, 0.6, D) * rng.normal(size=(N, D)) + rng.normal(size=D)  # unequal spreads, far from 1
        gamma = np.linspace(-1.6, 2.2, D)  # negative and positive, none 0 or 1
        beta = rng.uniform(0.5, 1.5, size=D)
        dout = rng.normal(size=(N, D)) + np.linspace(1.0, 2.0, D)  # column means far from 0
        running = {"running_mean": rng.normal(size=D), "running_var": rng.uniform(2.0, 4.0, size=D)}

        def layer(x, gamma, beta):
            bn_param = {"mode": "train", "eps": eps, "momentum": 0.7} | {k: v.copy() for k, v in running.items()}
            return forward(x.copy(), gamma.copy(), beta.copy(), bn_param)

        _, cache = layer(x, gamma, beta)
        try:
            dx, dgamma, dbeta = backward(dout.copy(), cache)
        except Exception:
            return False
        pairs = [
            (dx, numerical_gradient(lambda x: layer(x, gamma, beta)[0], x, dout)),
            (dgamma, numerical_gradient(lambda gamma: layer(x, gamma, beta)[0], gamma, dout)),
            (dbeta, numerical_gradient(lambda beta: layer(x, gamma, beta)[0], beta, dout)),
        ]
        return all(
            np.shape(got) == want.shape and np.allclose(got, want, rtol=0, atol=1e-6 * np.max(np.abs(want)))
            for got, want in pairs
        )

    # eps as large as the variances shows where it went; another value of it shows one that is a constant
    return all(agrees(N, D, eps) for N, D, eps in [(5, 3, 0.1), (7, 4, 0.01)])
