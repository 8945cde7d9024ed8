"""The sigmoid, its gradient, and two measurements of its saturation."""

import numpy as np


def sigmoid_forward(x):
    """Squash every entry to the interval from 0 to 1: out = 1 / (1 + exp(-x)).

    No finite entry, however large, causes an overflow or a warning.

    Parameters
    ----------
    x : ndarray of any shape, float32 or float64
        Not modified.

    Returns
    -------
    out : ndarray of the shape and dtype of x
    cache : object
        Whatever your backward pass needs.
    """
    e = np.exp(-np.abs(x))  # in [0, 1]: exp of a negative number cannot overflow
    out = np.where(x >= 0, 1, e) / (1 + e)  # for x < 0 both sides of the fraction are multiplied by exp(x)
    cache = out
    return out, cache


def sigmoid_backward(dout, cache):
    """Carry the gradient back through the sigmoid.

    Parameters
    ----------
    dout : ndarray of the shape of out
        Gradient of the loss with respect to out = 1 / (1 + exp(-x)). Not modified.
    cache : object
        What the forward pass returned beside out. Not modified.

    Returns
    -------
    dx : ndarray of the shape and dtype of dout
        Gradient of the loss with respect to x.
    """
    out = cache
    return dout * out * (1 - out)


def saturated_fraction(x, tol=0.01):
    """Measure the share of entries at which the sigmoid is flat: its derivative is below tol.

    Parameters
    ----------
    x : ndarray of any shape, not empty
        Inputs of a sigmoid. Not modified.
    tol : float
        The derivative of the sigmoid, at most 1/4, below which an entry counts as saturated.

    Returns
    -------
    fraction : float
        From 0 (none is saturated) to 1 (all are).
    """
    _, cache = sigmoid_forward(x)
    slope = sigmoid_backward(np.ones_like(x), cache)
    return float(np.mean(slope < tol))


def gradient_norms(x, weights, dout):
    """Measure how large the gradient is at the input of each layer of a sigmoid network.

    Layer l computes sigmoid(x @ weights[l]), without a bias, and its output is the x of layer l + 1.

    Parameters
    ----------
    x : ndarray of shape (N, D_0)
        Input of the first layer. Not modified.
    weights : list of ndarray, weights[l] of shape (D_l, D_{l+1})
        One matrix a layer, the first layer's first. Not modified.
    dout : ndarray of shape (N, D_L)
        Gradient of the loss with respect to the output of the last layer. Not modified.

    Returns
    -------
    norms : list of float, as long as weights
        norms[l] is the square root of the sum of squares of the gradient of the loss with respect to the input of
        layer l: norms[0] belongs to x, norms[-1] to the input of the last layer. The norm of dout is not among them.
    """
    caches = []
    for W in weights:
        x, cache = sigmoid_forward(x @ W)  # (N, D_{l+1})
        caches.append(cache)

    norms = []
    for W, cache in zip(reversed(weights), reversed(caches), strict=True):
        dout = sigmoid_backward(dout, cache) @ W.T  # (N, D_l): now the gradient at this layer's input
        norms.append(float(np.linalg.norm(dout)))
    return norms[::-1]
