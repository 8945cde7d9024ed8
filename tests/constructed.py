"""Inputs of a batch normalization layer on which a wrong implementation cannot look right."""

import numpy as np


def constructed_inputs(rng, N, D):
    """Draw x, gamma, beta, dout whose telling properties are set, and noise in the rest; N must be at least 5.

    Column spreads are about 0.3 and unequal, means about 1, |gamma| between 0.5 and 2 with both signs, beta is not 0,
    and every column of dout has set components along the constant vector, along x_hat and along neither.
    """
    z = standardized(rng.normal(size=(N, D)))
    rest = rng.normal(size=(N, D))
    rest = standardized(rest - z * (rest * z).mean(axis=0))
    rest = standardized(rest - z * (rest * z).mean(axis=0))  # the second time for rounding

    x = rng.uniform(0.8, 1.2, D) * signs(rng, D) + z * rng.permutation(np.linspace(0.2, 0.45, D))
    gamma = rng.permutation(np.linspace(0.5, 2.0, D) + 0.013) * signs(rng, D)
    beta = rng.uniform(0.5, 1.5, D) * signs(rng, D)
    along_ones, along_z = rng.uniform(0.6, 1.2, (2, D)) * signs(rng, (2, D))
    dout = along_ones + along_z * z + rng.uniform(0.6, 1.2, D) * rest
    return x, gamma, beta, dout


def standardized(x):
    """Give every column mean 0 and mean square 1."""
    x = x - x.mean(axis=0)
    return x / np.sqrt((x**2).mean(axis=0))


def signs(rng, shape):
    """Draw signs, both of them at least once if there is more than one column."""
    drawn = rng.choice([-1.0, 1.0], size=shape)
    drawn[..., :2] = [-1.0, 1.0][: drawn.shape[-1]]
    return drawn


def deviation(got, want, scale=None):
    """Return max |got - want| of each feature, relative to max |want| or to scale; the largest of all features."""
    got, want = np.atleast_2d(got), np.atleast_2d(want)
    scale = np.abs(want).max(axis=0) if scale is None else scale
    return float(np.max(np.abs(got - want).max(axis=0) / scale))
