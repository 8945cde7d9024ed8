"""Construct feature maps on which each known mistake shows and rounding does not."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import generator
from autograder.checks.topics.batchnorm import probes as batchnorm

Shape = tuple[int, int, int, int]


def construct(rng: np.random.Generator, shape: Shape, eps: float, momentum: float) -> Probe:
    """Construct a probe: the columns of batch normalization, whose rows are the pixels of all maps.

    What those promise holds for channels: means and spreads differ, eps is as large as the variances, no path is idle.

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

    columns = batchnorm.construct(rng, n, C, eps, momentum)
    inputs = {**columns.inputs, **{name: maps(columns.inputs[name]) for name in ("x", "x_next", "dout")}}
    return Probe(f"N={N}, C={C}, H={H}, W={W}", columns.settings, inputs)


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
