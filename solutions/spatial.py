"""Batch normalization of feature maps: one mean and one variance for each channel."""

from solutions.batchnorm import batchnorm_backward, batchnorm_forward


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
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(N * H * W, C)  # the channels must be last before they can be columns
    out, cache = batchnorm_forward(rows, gamma, beta, bn_param)  # (N * H * W, C)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


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
    N, C, H, W = dout.shape
    rows = dout.transpose(0, 2, 3, 1).reshape(N * H * W, C)
    dx, dgamma, dbeta = batchnorm_backward(rows, cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta
