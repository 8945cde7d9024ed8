"""Draw the numbers of which probes are constructed."""

import hashlib

import numpy as np


def generator(*names: str) -> np.random.Generator:
    """Return a random generator that is determined by the names, such as a secret, an assignment and a part."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def standard_columns(rng: np.random.Generator, N: int, D: int) -> np.ndarray:
    """Draw noise of which each column has mean 0 and variance 1."""
    z = rng.standard_normal((N, D))
    z -= z.mean(axis=0)
    return z / np.sqrt((z**2).mean(axis=0))


def column_values(rng: np.random.Generator, low: float, high: float, D: int) -> np.ndarray:
    """Draw one number for each column, of both signs, with magnitudes spread over [low, high]."""
    signs = rng.permutation(np.where(np.arange(D) % 2, -1.0, 1.0))
    return rng.permutation(np.linspace(low, high, D)) * signs


def spreads(rng: np.random.Generator, D: int, eps: float) -> np.ndarray:
    """Draw standard deviations such that the variances run from 0.6 to 4 times eps."""
    return np.sqrt(eps * rng.permutation(np.geomspace(0.6, 4.0, D)))


def noise(rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
    """Draw noise that is orthogonal, column by column, to the constant vector and to z."""
    noise = standard_columns(rng, *z.shape)
    noise -= z * (z * noise).mean(axis=0)
    return 0.7 * noise / np.sqrt((noise**2).mean(axis=0))
