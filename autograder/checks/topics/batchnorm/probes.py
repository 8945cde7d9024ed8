"""Construct the inputs of checks, so that each known mistake shows and rounding does not."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator, noise, spreads, standard_columns


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
    z = standard_columns(rng, N, D)
    inputs = {
        "x": column_values(rng, 0.4, 1.2, D) + spreads(rng, D, eps) * z,
        "x_next": column_values(rng, 0.5, 1.5, D) + spreads(rng, D, eps) * standard_columns(rng, N, D),
        "gamma": column_values(rng, 0.55, 0.9, D) * rng.choice([1.0, 2.0], size=D),
        "beta": column_values(rng, 0.3, 0.9, D),
        "dout": column_values(rng, 0.4, 0.8, D) + column_values(rng, 0.5, 0.9, D) * z + noise(rng, z),
        "running_mean": column_values(rng, 2.0, 3.0, D),
        "running_var": rng.permutation(np.append(0.2, np.linspace(6.0, 14.0, D - 1))) * eps,
        "eps": eps,
        "momentum": momentum,
    }
    return Probe(f"N={N}, D={D}", f"eps={eps:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "7")
    return (construct(rng, N=7, D=4, eps=0.1, momentum=0.7), construct(rng, N=5, D=3, eps=0.02, momentum=0.85))


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, N=9, D=4, eps=float(rng.uniform(0.08, 0.15)), momentum=float(rng.uniform(0.6, 0.8))),
        construct(rng, N=5, D=7, eps=float(rng.uniform(0.03, 0.05)), momentum=float(rng.uniform(0.25, 0.4))),
        construct(rng, N=11, D=3, eps=float(rng.uniform(0.15, 0.25)), momentum=float(rng.uniform(0.8, 0.87))),
    )
