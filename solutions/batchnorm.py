"""Batch normalization of a mini-batch of feature vectors: forward, the nodes of the backward graph, backward."""

import numpy as np


def batchnorm_forward(x, gamma, beta, bn_param):
    """Normalize each feature of a mini-batch, then scale and shift it.

    In train mode the mean and the biased (1/N) variance of the batch normalize, and the running
    averages take one step towards them:
    ``running = momentum * running + (1 - momentum) * batch``.
    In test mode the running averages normalize and keep their values.

    Implements {eq}`eq-mean` to {eq}`eq-scale-shift` (train), {eq}`eq-running` and {eq}`eq-inference` (test).

    Parameters
    ----------
    x : ndarray of shape (N, D), float32 or float64
        N examples of D features. Not modified.
    gamma, beta : ndarray of shape (D,)
        Scale and shift of each feature. Not modified.
    bn_param : dict
        mode : 'train' or 'test', required
        eps : float, default 1e-5, is added to the variance under the root
        momentum : float, default 0.9, is the share of the old running average that is kept
        running_mean, running_var : ndarray of shape (D,), default zeros; train mode replaces both,
        the variance biased and without eps

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : object
        Whatever your backward pass needs.

    Raises
    ------
    KeyError
        If `bn_param` has no 'mode'.
    ValueError
        If the mode is neither 'train' nor 'test'; the message names it.

    Notes
    -----
    The variance must stay accurate for a feature whose mean is far larger than its spread:
    subtract the mean before you square.

    References
    ----------
    Ioffe and Szegedy (2015), Algorithm 1 (train) and Algorithm 2 (test).
    """
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))

    if mode == "train":
        mu = x.mean(axis=0)  # (D,)
        var = ((x - mu) ** 2).mean(axis=0)  # (D,)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        mu, var = running_mean, running_var
    else:
        raise ValueError(f"bn_param['mode'] must be 'train' or 'test', not {mode!r}")

    inv_std = 1 / np.sqrt(var + eps)  # (D,)
    x_hat = (x - mu) * inv_std  # (N, D)
    out = gamma * x_hat + beta  # (N, D)
    cache = (x, x_hat, mu, var, inv_std, gamma, eps)
    return out, cache


def backward_x_hat(dout, gamma):
    """Carry the gradient through scale and shift, back to the normalized input.

    Implements {eq}`eq-backward-x-hat`.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
        Gradient of the loss with respect to out = gamma * x_hat + beta. Not modified.
    gamma : ndarray of shape (D,)

    Returns
    -------
    dx_hat : ndarray of shape (N, D)
        Gradient of the loss with respect to x_hat.
    """
    return dout * gamma


def backward_var(dx_hat, x, mu, var, eps):
    """Collect the gradient that reaches the variance of each feature.

    Here x_hat = (x - mu) / sqrt(var + eps), and var is taken as a variable of its own.
    Implements {eq}`eq-backward-var`.

    Parameters
    ----------
    dx_hat : ndarray of shape (N, D)
        Gradient of the loss with respect to x_hat.
    x : ndarray of shape (N, D)
    mu, var : ndarray of shape (D,)
        Mean and biased variance of x over the batch.
    eps : float

    Returns
    -------
    dvar : ndarray of shape (D,)
        Gradient of the loss with respect to var.
    """
    return (dx_hat * (x - mu)).sum(axis=0) * -0.5 * (var + eps) ** -1.5


def backward_mu(dx_hat, dvar, x, mu, var, eps):
    """Collect the gradient that reaches the mean of each feature, directly and through the variance.

    Here x_hat = (x - mu) / sqrt(var + eps) and var = mean((x - mu)**2).
    Implements {eq}`eq-backward-mu`.

    Parameters
    ----------
    dx_hat : ndarray of shape (N, D)
        Gradient of the loss with respect to x_hat.
    dvar : ndarray of shape (D,)
        Gradient of the loss with respect to var.
    x : ndarray of shape (N, D)
    mu, var : ndarray of shape (D,)
        Mean and biased variance of x over the batch.
    eps : float

    Returns
    -------
    dmu : ndarray of shape (D,)
        Gradient of the loss with respect to mu.
    """
    through_x_hat = -dx_hat.sum(axis=0) / np.sqrt(var + eps)  # (D,)
    through_var = dvar * -2 * (x - mu).mean(axis=0)  # (D,), zero up to rounding
    return through_x_hat + through_var


def backward_x(dx_hat, dvar, dmu, x, mu, var, eps):
    """Add up the three paths by which x reaches the loss: through x_hat, the variance and the mean.

    Here x_hat = (x - mu) / sqrt(var + eps), var = mean((x - mu)**2) and mu = mean(x).
    Implements {eq}`eq-backward-x`.

    Parameters
    ----------
    dx_hat : ndarray of shape (N, D)
        Gradient of the loss with respect to x_hat.
    dvar, dmu : ndarray of shape (D,)
        Gradients of the loss with respect to var and mu, everything behind them included.
    x : ndarray of shape (N, D)
    mu, var : ndarray of shape (D,)
        Mean and biased variance of x over the batch.
    eps : float

    Returns
    -------
    dx : ndarray of shape (N, D)
        Gradient of the loss with respect to x.
    """
    N = x.shape[0]
    through_x_hat = dx_hat / np.sqrt(var + eps)  # (N, D)
    through_var = dvar * 2 * (x - mu) / N  # (N, D)
    through_mu = dmu / N  # (D,)
    return through_x_hat + through_var + through_mu


def batchnorm_backward(dout, cache):
    """Carry the gradient back through batch normalization, node by node.

    Implements {eq}`eq-backward-x-hat` to {eq}`eq-backward-x`, {eq}`eq-backward-dgamma` and
    {eq}`eq-backward-dbeta`. Neither dout nor the cache is modified.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
        Gradient of the loss with respect to out.
    cache : object
        What the forward pass in train mode returned beside out.

    Returns
    -------
    dx : ndarray of shape (N, D)
        Gradient of the loss with respect to x.
    dgamma, dbeta : ndarray of shape (D,)
        Gradients of the loss with respect to gamma and beta.

    References
    ----------
    Ioffe and Szegedy (2015), section 3.
    """
    x, x_hat, mu, var, _, gamma, eps = cache

    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)

    dx_hat = backward_x_hat(dout, gamma)
    dvar = backward_var(dx_hat, x, mu, var, eps)
    dmu = backward_mu(dx_hat, dvar, x, mu, var, eps)
    dx = backward_x(dx_hat, dvar, dmu, x, mu, var, eps)
    return dx, dgamma, dbeta


def batchnorm_backward_alt(dout, cache):
    """Carry the gradient back through batch normalization by the closed form.

    Implements {eq}`eq-backward-dx`, {eq}`eq-backward-dgamma` and {eq}`eq-backward-dbeta`.
    Neither dout nor the cache is modified.

    Parameters
    ----------
    dout : ndarray of shape (N, D)
        Gradient of the loss with respect to out.
    cache : object
        What the forward pass in train mode returned beside out.

    Returns
    -------
    dx : ndarray of shape (N, D)
        Gradient of the loss with respect to x.
    dgamma, dbeta : ndarray of shape (D,)
        Gradients of the loss with respect to gamma and beta.
    """
    _, x_hat, _, _, inv_std, gamma, _ = cache
    N = dout.shape[0]

    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx = gamma * inv_std * (dout - dbeta / N - x_hat * dgamma / N)
    return dx, dgamma, dbeta
