"""Numerical gradients, and the comparison of a gradient with one."""

import numpy as np


def numerical_gradient(f, x, df, h=1e-5):
    """Differentiate sum(f(x) * df) with respect to x by central differences.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of x and returns an array of the shape of df.
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
        The maximum of abs(a - b) / max(abs(a), abs(b)), where two zeros count as equal.
    """
    distance = np.abs(a - b)
    scale = np.maximum(np.abs(a), np.abs(b))
    return float(np.max(np.divide(distance, scale, out=np.zeros_like(distance), where=scale > 0)))
