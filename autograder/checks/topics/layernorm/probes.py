"""Construct examples on which each known mistake of layer normalization shows and rounding does not."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator, noise, spreads, standard_columns


def construct(rng: np.random.Generator, N: int, D: int, eps: float) -> Probe:
    """Construct a probe whose rows have set means, spreads and projections, and whose rest is noise.

    Here the examples are what the columns are for batch normalization: their variances lie about `eps`, their means
    differ, and each row of dx_hat = gamma * dout has a mean and a projection on x_hat. gamma and beta belong to
    features.

    Parameters
    ----------
    rng : Generator
    N, D : int
        Batch size and number of features, both at least 4, and different.
    eps : float

    Returns
    -------
    Probe
    """
    gamma = column_values(rng, 0.55, 0.9, D) * rng.choice([1.0, 2.0], size=D)

    def rows(N: int) -> tuple[np.ndarray, np.ndarray]:
        z = standard_columns(rng, D, N)
        x = column_values(rng, 0.4, 1.2, N) + spreads(rng, N, eps) * z
        dx_hat = column_values(rng, 0.4, 0.8, N) + column_values(rng, 0.5, 0.9, N) * z + noise(rng, z)
        return x.T.copy(), dx_hat.T / gamma

    x, dout = rows(N)
    x_square, dout_square = rows(D)
    inputs = {
        "x": x,
        "x_square": x_square,
        "gamma": gamma,
        "beta": column_values(rng, 0.3, 0.9, D),
        "dout": dout,
        "dout_square": dout_square,
        "eps": eps,
    }
    return Probe(f"N={N}, D={D}", f"eps={eps:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "layernorm")
    return construct(rng, N=7, D=5, eps=0.1), construct(rng, N=5, D=6, eps=0.02)


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, N=5, D=7, eps=float(rng.uniform(0.08, 0.15))),
        construct(rng, N=9, D=4, eps=float(rng.uniform(0.03, 0.05))),
        construct(rng, N=5, D=9, eps=float(rng.uniform(0.15, 0.25))),
    )
