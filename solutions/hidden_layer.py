"""A hidden layer that normalizes between its linear part and its sigmoid, a stack of such layers, and their shift."""

import numpy as np

from solutions.batchnorm import batchnorm_backward, batchnorm_forward
from solutions.sigmoid import sigmoid_backward, sigmoid_forward


def hidden_forward(x, W, gamma, beta, bn_param):
    """Compute a hidden layer: linear without a bias, then batch normalization, then the sigmoid.

    Parameters
    ----------
    x : ndarray of shape (N, D_in), float32 or float64
        N examples of what comes from the layer below. Not modified.
    W : ndarray of shape (D_in, D_out)
        Weights. Not modified.
    gamma, beta : ndarray of shape (D_out,)
        Scale and shift of each unit. Not modified.
    bn_param : dict
        Is handed to `batchnorm_forward` as it is.

    Returns
    -------
    out : ndarray of shape (N, D_out)
        What the layer hands on, between 0 and 1.
    cache : object
        Whatever your backward pass needs.

    References
    ----------
    Ioffe and Szegedy (2015), section 3.2: the normalization stands right before the nonlinearity, and the bias can go.
    """
    linear = x @ W  # (N, D_out)
    pre_activation, bn_cache = batchnorm_forward(linear, gamma, beta, bn_param)  # what the sigmoid receives
    out, sigmoid_cache = sigmoid_forward(pre_activation)
    cache = (x, W, bn_cache, sigmoid_cache)
    return out, cache


def hidden_backward(dout, cache):
    """Carry the gradient back through a hidden layer, to its input and its three parameters.

    Neither dout nor the cache is modified.

    Parameters
    ----------
    dout : ndarray of shape (N, D_out)
        Gradient of the loss with respect to out.
    cache : object
        What `hidden_forward` in train mode returned beside out.

    Returns
    -------
    dx : ndarray of shape (N, D_in)
        Gradient of the loss with respect to x.
    dW : ndarray of shape (D_in, D_out)
        Gradient of the loss with respect to W.
    dgamma, dbeta : ndarray of shape (D_out,)
        Gradients of the loss with respect to gamma and beta.
    """
    x, W, bn_cache, sigmoid_cache = cache
    dpre_activation = sigmoid_backward(dout, sigmoid_cache)  # (N, D_out)
    dlinear, dgamma, dbeta = batchnorm_backward(dpre_activation, bn_cache)
    dx = dlinear @ W.T  # (N, D_out) @ (D_out, D_in)
    dW = x.T @ dlinear  # (D_in, N) @ (N, D_out)
    return dx, dW, dgamma, dbeta


def stack_forward(x, layers, bn_params):
    """Compute hidden layers on top of each other: the output of each is the input of the next.

    Parameters
    ----------
    x : ndarray of shape (N, D_0)
        Input of the first layer. Not modified.
    layers : list of dict
        The parameters of each layer, the first layer's first: 'W' (D_in, D_out), 'gamma' and 'beta' (D_out,).
        Not modified.
    bn_params : list of dict
        The `bn_param` of each layer, as long as layers.

    Returns
    -------
    out : ndarray of shape (N, D_L)
        Output of the last layer.
    caches : object
        Whatever your backward pass needs.
    """
    caches = []
    for layer, bn_param in zip(layers, bn_params, strict=True):
        x, cache = hidden_forward(x, layer["W"], layer["gamma"], layer["beta"], bn_param)
        caches.append(cache)
    return x, caches


def stack_backward(dout, caches):
    """Carry the gradient back through all layers of a stack.

    Neither dout nor the caches are modified.

    Parameters
    ----------
    dout : ndarray of shape (N, D_L)
        Gradient of the loss with respect to the output of the last layer.
    caches : object
        What `stack_forward` in train mode returned beside out.

    Returns
    -------
    dx : ndarray of shape (N, D_0)
        Gradient of the loss with respect to the input of the first layer.
    grads : list of dict
        The gradients of the parameters of each layer, the first layer's first: 'W', 'gamma' and 'beta', each of the
        shape of what it belongs to.
    """
    grads = []
    for cache in reversed(caches):
        dout, dW, dgamma, dbeta = hidden_backward(dout, cache)
        grads.append({"W": dW, "gamma": dgamma, "beta": dbeta})
    return dout, grads[::-1]


def shift_percentiles(history):
    """Summarize how the distribution of what one unit receives moves over the steps.

    The p-th percentile of N sorted values is the one at the place p/100 of the way from the first to the last; between
    two values it is interpolated linearly, as NumPy does by default.

    Parameters
    ----------
    history : ndarray of shape (T, N)
        Each row what one unit receives for N examples, seen at one of T steps. Not modified.

    Returns
    -------
    percentiles : ndarray of shape (3, T)
        The 15th, the 50th and the 85th percentile over the examples, a row each, for each of the T steps.

    References
    ----------
    Ioffe and Szegedy (2015), figure 1 (b, c), which shows these three.
    """
    return np.percentile(history, [15, 50, 85], axis=1)
