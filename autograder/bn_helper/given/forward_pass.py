"""The forward pass that the assignments `backward` and `network` give, in train mode, written with matrices.

It is no model for your own forward pass: it has no test mode and keeps no running averages.
"""

from typing import Any

import numpy as np


def batchnorm_forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]) -> tuple[Any, ...]:
    """Normalize each column of x in train mode, then scale and shift it.

    Centring is the matrix C = I - 11^T / N, and the variances are the diagonal of x^T C x / N.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    gamma, beta : ndarray of shape (D,)
    bn_param : dict
        eps : float, default 1e-5. The rest is ignored, and nothing is written.

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : tuple
        (x, x_hat, mu, var, inv_std, gamma, eps): two of shape (N, D), four of shape (D,), one number.
    """
    N = x.shape[0]
    eps = bn_param.get("eps", 1e-5)
    ones = np.ones(N, dtype=x.dtype)
    centring = np.eye(N, dtype=x.dtype) - np.outer(ones, ones) / N
    centred = centring @ x
    mu = (ones @ x) / N
    var = np.einsum("nd,nd->d", x, centred) / N
    inv_std = (var + eps) ** -0.5
    x_hat = centred @ np.diag(inv_std)
    out = x_hat @ np.diag(gamma) + np.outer(ones, beta)
    return out, (x, x_hat, mu, var, inv_std, gamma, eps)
