"""Layer normalization: each example is normalized by itself, over its features."""

import numpy as np


def layernorm_forward(x, gamma, beta, ln_param):
    """Normalize each example over its features, then scale and shift each feature.

    The mean and the biased (1/D) variance of an example's own D features normalize it, so that training and
    test are the same and nothing is remembered from batch to batch.

    Parameters
    ----------
    x : ndarray of shape (N, D), float32 or float64
        N examples of D features. Not modified.
    gamma, beta : ndarray of shape (D,)
        Scale and shift of each feature. Not modified.
    ln_param : dict
        eps : float, default 1e-5, is added to the variance under the root

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : object
        Whatever your backward pass needs.

    References
    ----------
    Ba, Kiros and Hinton (2016), section 3.
    """
    eps = ln_param.get("eps", 1e-5)

    mu = x.mean(axis=1, keepdims=True)  # (N, 1)
    var = ((x - mu) ** 2).mean(axis=1, keepdims=True)  # (N, 1)
    inv_std = 1 / np.sqrt(var + eps)  # (N, 1)
    x_hat = (x - mu) * inv_std  # (N, D)
    out = gamma * x_hat + beta  # (N, D)
    cache = (x_hat, inv_std, gamma)
    return out, cache


def layernorm_backward(dout, cache):
    """Carry the gradient back through layer normalization.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
        Gradient of the loss with respect to out. Not modified.
    cache : object
        What the forward pass returned beside out. Not modified.

    Returns
    -------
    dx : ndarray of shape (N, D)
        Gradient of the loss with respect to x.
    dgamma, dbeta : ndarray of shape (D,)
        Gradients of the loss with respect to gamma and beta.
    """
    x_hat, inv_std, gamma = cache

    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)

    dx_hat = dout * gamma  # (N, D)
    along_ones = dx_hat.mean(axis=1, keepdims=True)  # (N, 1)
    along_x_hat = (dx_hat * x_hat).mean(axis=1, keepdims=True)  # (N, 1)
    dx = inv_std * (dx_hat - along_ones - x_hat * along_x_hat)
    return dx, dgamma, dbeta
