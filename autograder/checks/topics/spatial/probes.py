"""Construct feature maps on which each known mistake shows and rounding does not."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator, noise, spreads, standard_columns

Shape = tuple[int, int, int, int]


def construct(rng: np.random.Generator, shape: Shape, eps: float, momentum: float) -> Probe:
    """Construct a probe: the columns of batch normalization, whose rows are the pixels of all maps.

    Channel means differ by more than the spreads, so that a channel whose values land in another one shows. The other
    promises are those of the probes of batch normalization.

    Parameters
    ----------
    rng : Generator
    shape : N, C, H, W
        N odd; C, H and W different.
    eps, momentum : float

    Returns
    -------
    Probe
    """
    N, C, H, W = shape
    n = N * H * W

    def maps(rows: np.ndarray) -> np.ndarray:
        """Lay rows of C channels out as maps."""
        return np.moveaxis(rows.reshape(N, H, W, C), 3, 1).copy()

    z = standard_columns(rng, n, C)
    inputs = {
        "x": maps(column_values(rng, 0.4, 1.2, C) + spreads(rng, C, eps) * z),
        "x_next": maps(column_values(rng, 0.5, 1.5, C) + spreads(rng, C, eps) * standard_columns(rng, n, C)),
        "gamma": column_values(rng, 0.55, 0.9, C) * rng.choice([1.0, 2.0], size=C),
        "beta": column_values(rng, 0.3, 0.9, C),
        "dout": maps(column_values(rng, 0.4, 0.8, C) + column_values(rng, 0.5, 0.9, C) * z + noise(rng, z)),
        "running_mean": column_values(rng, 2.0, 3.0, C),
        "running_var": rng.permutation(np.append(0.2, np.linspace(6.0, 14.0, C - 1))) * eps,
        "eps": eps,
        "momentum": momentum,
    }
    return Probe(f"N={N}, C={C}, H={H}, W={W}", f"eps={eps:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "spatial")
    return (
        construct(rng, (5, 3, 4, 2), eps=0.1, momentum=0.7),
        construct(rng, (3, 4, 2, 5), eps=0.02, momentum=0.85),
    )


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, (3, 5, 2, 4), eps=float(rng.uniform(0.08, 0.15)), momentum=float(rng.uniform(0.6, 0.8))),
        construct(rng, (5, 4, 2, 3), eps=float(rng.uniform(0.03, 0.05)), momentum=float(rng.uniform(0.25, 0.4))),
        construct(rng, (7, 4, 3, 2), eps=float(rng.uniform(0.15, 0.25)), momentum=float(rng.uniform(0.8, 0.87))),
    )
