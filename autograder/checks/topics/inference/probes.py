"""Construct trained layers on which each known mistake of folding and converting shows and rounding does not."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator


def construct(rng: np.random.Generator, D_in: int, D: int, eps: float, n: int, momentum: float) -> Probe:
    """Construct a layer to be folded and running averages to be converted.

    The running variances lie about `eps` and not about one, biases and running means are far from zero and from each
    other, gamma holds both signs. `n` is small, so that a variance over n and one over n - 1 differ.

    Parameters
    ----------
    rng : Generator
    D_in, D : int
        Number of inputs and outputs of the linear layer; different.
    eps : float
    n : int
        Number of values in a batch.
    momentum : float
        Not 0.5, so that its sides differ.

    Returns
    -------
    Probe
    """
    inputs = {
        "W": rng.uniform(0.5, 1.5, (D_in, D)) * rng.choice([-1.0, 1.0], (D_in, D)),
        "W_square": rng.uniform(0.5, 1.5, (D, D)) * rng.choice([-1.0, 1.0], (D, D)),
        "b": column_values(rng, 0.6, 1.4, D),
        "gamma": column_values(rng, 0.55, 0.9, D) * rng.choice([1.0, 2.0], size=D),
        "beta": column_values(rng, 0.3, 0.9, D),
        "running_mean": column_values(rng, 2.0, 3.0, D),
        "running_var": rng.permutation(np.geomspace(0.6, 4.0, D)) * eps,
        "eps": eps,
        "mean": column_values(rng, 0.5, 2.0, D),
        "var": rng.permutation(np.linspace(0.5, 3.0, D)),
        "n": n,
        "momentum": momentum,
    }
    return Probe(f"D_in={D_in}, D_out={D}", f"eps={eps:g}, n={n}, momentum={momentum:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "inference")
    return (
        construct(rng, D_in=5, D=3, eps=0.1, n=5, momentum=0.8),
        construct(rng, D_in=2, D=4, eps=0.02, n=12, momentum=0.3),
    )


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""

    def drawn(D_in: int, D: int, eps: tuple[float, float], momentum: tuple[float, float]) -> Probe:
        n = int(rng.integers(4, 30))
        return construct(rng, D_in, D, float(rng.uniform(*eps)), n, float(rng.uniform(*momentum)))

    return (
        drawn(3, 5, (0.08, 0.15), (0.6, 0.8)),
        drawn(7, 4, (0.03, 0.05), (0.25, 0.4)),
        drawn(2, 3, (0.15, 0.25), (0.8, 0.87)),
    )
