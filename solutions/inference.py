"""A trained batch normalization layer in use: folded into the layer before it, moved to another framework."""

import numpy as np


def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
    """Merge batch normalization in test mode into the linear layer before it.

    The two layers compute out = gamma * (x @ W + b - running_mean) / sqrt(running_var + eps) + beta.
    One linear layer with the returned weights computes the same out for every x.

    Parameters
    ----------
    W : ndarray of shape (D_in, D_out)
        Weights of the linear layer x @ W + b. Not modified.
    b : ndarray of shape (D_out,)
        Not modified.
    gamma, beta, running_mean, running_var : ndarray of shape (D_out,)
        Parameters and running averages of the batch normalization behind it. Not modified.
    eps : float

    Returns
    -------
    W : ndarray of shape (D_in, D_out)
    b : ndarray of shape (D_out,)
        New arrays, with out = x @ W + b.
    """
    scale = gamma / np.sqrt(running_var + eps)  # (D_out,)
    return W * scale, (b - running_mean) * scale + beta


def convert_running(mean, var, n, momentum, source, target):
    """Translate running averages and their momentum from one framework's convention to another's.

    Each convention is known by its name; batch_mean and batch_var are those of one batch.

    ========= ======================================================== ============================
    name      step of a running average                                batch_var divides by
    ========= ======================================================== ============================
    'book'    running = momentum * running + (1 - momentum) * batch    n (biased)
    'keras'   running = momentum * running + (1 - momentum) * batch    n (biased)
    'pytorch' running = (1 - momentum) * running + momentum * batch    n - 1 (unbiased)
    ========= ======================================================== ============================

    Parameters
    ----------
    mean, var : ndarray of shape (D,)
        Running averages kept by the source's convention. Not modified.
    n : int
        Number of values per feature in a batch: N, or N * H * W for feature maps.
    momentum : float
        In the source's convention.
    source, target : str
        'book', 'keras' or 'pytorch'.

    Returns
    -------
    mean, var : ndarray of shape (D,)
        New arrays, in the target's convention.
    momentum : float

    Raises
    ------
    ValueError
        If source or target is another name; the message names it. If one of them is 'pytorch' and n is 1,
        for which an unbiased variance does not exist.

    Notes
    -----
    All batches have the same n. The share of the running variance that still comes from its initial value is
    translated like the rest.
    """
    for name in (source, target):
        if name not in ("book", "keras", "pytorch"):
            raise ValueError(f"a convention must be 'book', 'keras' or 'pytorch', not {name!r}")
    if "pytorch" in (source, target) and n < 2:
        raise ValueError(f"the unbiased variance of 'pytorch' needs at least 2 values per feature, not n = {n}")

    if source != "pytorch" and target == "pytorch":
        return mean.copy(), var * (n / (n - 1)), 1 - momentum
    if source == "pytorch" and target != "pytorch":
        return mean.copy(), var * ((n - 1) / n), 1 - momentum
    return mean.copy(), var.copy(), momentum
