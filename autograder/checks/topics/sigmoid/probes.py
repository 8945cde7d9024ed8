"""Construct the inputs of checks, so that each known mistake shows and rounding does not."""

import math
from itertools import pairwise
from typing import Any

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator
from solutions import gradient_norms

_DEFAULT = 0.01  # of saturated_fraction's tol


def construct(
    rng: np.random.Generator, N: int, D: int, tol: float, widths: tuple[int, ...], told: bool = False
) -> Probe:
    """Construct a probe for every part of the topic.

    Parameters
    ----------
    rng : Generator
    N, D : int
        Number of examples and of features; N odd, at least 7, and different from D.
    tol : float
        For `saturated_fraction`, between 0.05 and 0.2.
    widths : tuple of int
        Of the outputs of the layers of a sigmoid network with D inputs; no two neighbours are equal.
    told : bool
        Whether messages may tell the tolerance.

    Returns
    -------
    Probe
        Of the inputs, x has entries of at most 8, and in each column some of both signs and some near 0; z has
        entries in every range in which two ways of counting differ (see `bands`), a different number in each; the
        network's norms neither rise nor fall from layer to layer throughout.
    """
    inputs = {
        "x": _entries(rng, N, D),
        "dout": column_values(rng, 0.1, 0.3, D) + rng.choice([-1.0, 1.0], (N, D)) * rng.uniform(1.0, 1.5, (N, D)),
        "large": rng.permutation([1.0, 30.0, 720.0, *10.0 ** rng.uniform(2.9, 30.0, size=4), 1e300]),
        "dout_large": rng.choice([-1.0, 1.0], 8) * rng.uniform(0.5, 1.5, 8),
        "z": _shuffled_bands(rng, N, D, tol),
        "tol": tol,
        "tol_in_words": f"tol={tol:g}" if told else "another tol",
        **_network(rng, N, (D, *widths)),
    }
    return Probe(f"N={N}, D={D}, {len(widths)} layers", "", inputs)


def _entries(rng: np.random.Generator, N: int, D: int) -> np.ndarray:
    """Draw columns of unequal spread: each with entries near 0, and with large ones of both signs."""
    x = np.empty((N, D))
    for column, most in enumerate(rng.permutation(np.linspace(3.0, 8.0, D)) * rng.uniform(0.9, 1.0, D)):
        ends = [most, -0.8 * most] if column % 2 else [0.8 * most, -most]
        middle = rng.choice([-1.0, 1.0], 2) * rng.uniform(0.2, 0.6, size=2)
        x[:, column] = rng.permutation([*ends, *middle, *rng.uniform(-most, most, size=N - 4)])
    return x


def bands(tol: float) -> list[tuple[float, float]]:
    """Return ranges of positive inputs such that within one range all known ways of counting agree.

    The derivative falls below a tolerance earlier than 1 - out does; between the two the ways differ. Narrow ranges on
    both sides of these two make a count that comes from another threshold show. Each range keeps clear of its ends by
    far more than rounding.
    """
    slope, distance = _ends(tol)
    ends = [0.1, slope - 0.1, slope, distance, distance + 0.1, *_ends(_DEFAULT), 8.0]
    return [(a + (b - a) / 4, b - (b - a) / 4) for a, b in pairwise(ends)]


def _ends(tol: float) -> tuple[float, float]:
    """Return where the derivative is tol, and where 1 - out is."""
    p = (1 + math.sqrt(1 - 4 * tol)) / 2
    return math.log(p / (1 - p)), math.log((1 - tol) / tol)


def _shuffled_bands(rng: np.random.Generator, N: int, D: int, tol: float) -> np.ndarray:
    ranges = [(sign * low, sign * high) for low, high in bands(tol) for sign in (1, -1)]
    counts = rng.permutation([1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5])
    zeros = 2
    counts[-1] += N * D - counts.sum() - zeros
    values = [rng.uniform(min(ends), max(ends), size=n) for ends, n in zip(ranges, counts, strict=True)]
    return rng.permutation(np.concatenate([np.zeros(zeros), *values])).reshape(N, D)


def _network(rng: np.random.Generator, N: int, widths: tuple[int, ...]) -> dict[str, Any]:
    while True:
        scales = rng.permutation(np.geomspace(2.0, 9.0, len(widths) - 1))
        shapes = zip(scales, pairwise(widths), strict=True)
        weights = [scale / np.sqrt(a) * rng.standard_normal((a, b)) for scale, (a, b) in shapes]
        drawn = {
            "x0": rng.standard_normal((N, widths[0])),
            "x_last": rng.standard_normal((N, widths[-2])),
            "weights": weights,
            "dout_last": 0.5 + rng.standard_normal((N, widths[-1])),
        }
        norms = gradient_norms(drawn["x0"], weights, drawn["dout_last"])
        steps = [b / a for a, b in pairwise(norms)]
        clear = all(max(step, 1 / step) > 1.2 for step in steps) and max(norms) < 30 * min(norms)
        if clear and min(steps) < 1 < max(steps):
            return drawn


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible sigmoid")
    return (
        construct(rng, N=7, D=6, tol=0.12, widths=(4, 6, 3), told=True),
        construct(rng, N=9, D=5, tol=0.2, widths=(6, 3, 5), told=True),
    )


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, N=7, D=8, tol=float(rng.uniform(0.06, 0.1)), widths=(5, 7, 4)),
        construct(rng, N=9, D=4, tol=float(rng.uniform(0.1, 0.14)), widths=(3, 6, 5, 7)),
        construct(rng, N=11, D=5, tol=float(rng.uniform(0.15, 0.19)), widths=(7, 3, 6)),
    )
