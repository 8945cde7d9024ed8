"""Construct the inputs on which numerical gradients and relative errors are tried."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator


def construct(rng: np.random.Generator, N: int, D: int, h: float) -> Probe:
    """Construct a probe on which no two schemes of differences, and no two relative errors, give the same.

    The step is so large that a difference to one side, or with another step, is off by percents; f bends at every
    entry of x. The entries of a and b differ by 10 to 50 percent and are of unequal size, so that it shows by what a
    difference is divided.

    Parameters
    ----------
    rng : Generator
    N, D : int
        Shape of x, df, a and b; N differs from D.
    h : float
    """
    x = column_values(rng, 0.3, 0.9, D) + 0.2 * rng.uniform(-1, 1, size=(N, D))
    x_next = column_values(rng, 0.3, 0.9, D) + 0.2 * rng.uniform(-1, 1, size=(N, D))
    W = np.eye(D) + 0.4 * rng.uniform(-1, 1, size=(D, D))
    df = column_values(rng, 0.6, 1.4, D) + 0.3 * rng.uniform(-1, 1, size=(N, D))
    a = rng.permutation(np.geomspace(0.5, 4.0, N * D)).reshape(N, D) * rng.choice([-1.0, 1.0], size=(N, D))
    change = rng.permutation(np.linspace(0.1, 0.5, N * D)) * rng.choice([-1.0, 1.0], size=N * D)
    b = a * (1 + change.reshape(N, D))
    inputs = {"x": x, "x_next": x_next, "W": W, "df": df, "h": h, "a": a, "b": b}
    return Probe(f"arrays of shape ({N}, {D})", f"h={h:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "gradcheck")
    return (construct(rng, N=4, D=3, h=0.2), construct(rng, N=2, D=5, h=0.1))


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, N=3, D=4, h=float(rng.uniform(0.1, 0.3))),
        construct(rng, N=5, D=2, h=float(rng.uniform(0.1, 0.3))),
        construct(rng, N=1, D=6, h=float(rng.uniform(0.1, 0.3))),
    )
