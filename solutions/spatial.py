"""Batch normalization of feature maps: one mean and one variance for each channel."""

import numpy as np


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    """Normalize each channel of a mini-batch of feature maps, then scale and shift it.

    The statistics of a channel run over the examples and over all positions of its map: in train mode
    the mean and the biased variance of N * H * W values.

    Parameters
    ----------
    x : ndarray of shape (N, C, H, W), float32 or float64
        N examples, each with C maps of H by W. Not modified.
    gamma, beta : ndarray of shape (C,)
        Scale and shift of each channel. Not modified.
    bn_param : dict
        mode : 'train' or 'test', required
        eps : float, default 1e-5, is added to the variance under the root
        momentum : float, default 0.9, is the share of the old running average that is kept
        running_mean, running_var : ndarray of shape (C,), default zeros; train mode replaces both,
        the variance biased and without eps; test mode normalizes with them and keeps their values

    Returns
    -------
    out : ndarray of shape (N, C, H, W)
    cache : object
        Whatever your backward pass needs.

    Raises
    ------
    KeyError
        If `bn_param` has no 'mode'.
    ValueError
        If the mode is neither 'train' nor 'test'; the message names it.

    References
    ----------
    Ioffe and Szegedy (2015), section 3.2.
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))

    if mode == "train":
        mu = x.mean(axis=(0, 2, 3))  # (C,)
        var = ((x - mu[:, None, None]) ** 2).mean(axis=(0, 2, 3))  # (C,)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        mu, var = running_mean, running_var
    else:
        raise ValueError(f"bn_param['mode'] must be 'train' or 'test', not {mode!r}")

    inv_std = 1 / np.sqrt(var + eps)  # (C,)
    x_hat = (x - mu[:, None, None]) * inv_std[:, None, None]  # (C, 1, 1) broadcasts against (N, C, H, W)
    out = gamma[:, None, None] * x_hat + beta[:, None, None]
    cache = (x_hat, inv_std, gamma)
    return out, cache


def spatial_batchnorm_backward(dout, cache):
    """Carry the gradient back through batch normalization of feature maps.

    Parameters
    ----------
    dout : ndarray of shape (N, C, H, W)
        Gradient of the loss with respect to out. Not modified.
    cache : object
        What the forward pass in train mode returned beside out.

    Returns
    -------
    dx : ndarray of shape (N, C, H, W)
        Gradient of the loss with respect to x.
    dgamma, dbeta : ndarray of shape (C,)
        Gradients of the loss with respect to gamma and beta.
    """
    x_hat, inv_std, gamma = cache
    n = dout[:, 0].size  # N * H * W values share a mean

    dbeta = dout.sum(axis=(0, 2, 3))  # (C,)
    dgamma = (dout * x_hat).sum(axis=(0, 2, 3))  # (C,)
    along_ones, along_x_hat = dbeta[:, None, None] / n, dgamma[:, None, None] / n
    dx = (gamma * inv_std)[:, None, None] * (dout - along_ones - x_hat * along_x_hat)
    return dx, dgamma, dbeta
