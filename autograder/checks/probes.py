"""Construct the inputs of checks, so that each known mistake shows and rounding does not."""

import hashlib

import numpy as np

from autograder.bn_helper.probes import Probe


def generator(*names: str) -> np.random.Generator:
    """Return a random generator that is determined by the names, such as a secret, an assignment and a part."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def construct(rng: np.random.Generator, N: int, D: int, eps: float, momentum: float) -> Probe:
    """Construct a probe whose spreads, means, scales and projections are set, and whose rest is noise.

    The variances lie about `eps`, so that a lost or misplaced eps changes every output; they differ between
    columns, so that a statistic over the wrong axis shows; gamma holds both signs and no one; dout has a mean
    and a projection on x_hat in every column, so that no path of the backward pass is idle.

    Parameters
    ----------
    rng : Generator
    N, D : int
        Batch size and number of features; N odd, at least 5, and different from D.
    eps, momentum : float

    Returns
    -------
    Probe
    """
    z = _standard_columns(rng, N, D)
    return Probe(
        x=_column_values(rng, 0.4, 1.2, D) + _spreads(rng, D, eps) * z,
        x_next=_column_values(rng, 0.5, 1.5, D) + _spreads(rng, D, eps) * _standard_columns(rng, N, D),
        gamma=_column_values(rng, 0.55, 0.9, D) * rng.choice([1.0, 2.0], size=D),
        beta=_column_values(rng, 0.3, 0.9, D),
        dout=_column_values(rng, 0.4, 0.8, D) + _column_values(rng, 0.5, 0.9, D) * z + _noise(rng, z),
        running_mean=_column_values(rng, 2.0, 3.0, D),
        running_var=rng.permutation(np.linspace(1.5, 3.5, D)) * eps * 4,
        eps=eps,
        momentum=momentum,
    )


def _standard_columns(rng: np.random.Generator, N: int, D: int) -> np.ndarray:
    """Draw noise of which each column has mean 0 and variance 1."""
    z = rng.standard_normal((N, D))
    z -= z.mean(axis=0)
    return z / np.sqrt((z**2).mean(axis=0))


def _column_values(rng: np.random.Generator, low: float, high: float, D: int) -> np.ndarray:
    """Draw one number for each column, of both signs, with magnitudes spread over [low, high]."""
    signs = rng.permutation(np.where(np.arange(D) % 2, -1.0, 1.0))
    return rng.permutation(np.linspace(low, high, D)) * signs


def _spreads(rng: np.random.Generator, D: int, eps: float) -> np.ndarray:
    """Draw standard deviations such that the variances run from 0.6 to 4 times eps."""
    return np.sqrt(eps * rng.permutation(np.geomspace(0.6, 4.0, D)))


def _noise(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Draw noise that is orthogonal, column by column, to the constant vector and to z."""
    noise = _standard_columns(rng, *z.shape)
    noise -= z * (z * noise).mean(axis=0)
    return 0.7 * noise / np.sqrt((noise**2).mean(axis=0))
