"""The numbers that the interactive figures of the book begin with, as lists and floats of Python."""

import numpy as np

from .forward_pass import statistics


def coupling(column, moved=4, reach=40, eps=1e-5):
    """Return a batch of one feature, and how far the example that the reader moves may go.

    Parameters
    ----------
    column : ndarray of shape (N,)
    moved : int
        The index of that example.
    reach : float
        It goes as far to both sides of zero.
    eps : float
    """
    return {"x": column.tolist(), "moved": moved, "range": [-reach, reach], "eps": eps}


def parameters(column, gamma=1.0, beta=0.0, eps_values=(1e-5, 0.01, 0.1, 1.0, 5.0, 12.0)):
    """Return a batch of one feature, the parameters at the start, and the values of eps to choose from."""
    return {"x": column.tolist(), "gamma": gamma, "beta": beta, "eps": list(eps_values)}


def saturation(threshold, mean=0.0, std=2.0):
    """Return where a sigmoid counts as saturated, and the normal distribution of its input at the start."""
    return {"threshold": threshold, "mean": mean, "std": std}


def step(batch, place, eps, exact, steps, measured, predicted):
    """Return what a gradient check of one entry of x is made of, and the errors of the whole gradient at every step.

    Parameters
    ----------
    batch : experiments.gradient_check.Batch
    place : (int, int)
        Row and column of the entry.
    eps : float
    exact : ndarray of shape (N, D)
        The gradient.
    steps : ndarray
    measured : dict of str to (ndarray, ndarray)
        Errors of central and of one-sided differences at the steps, by the name of the precision.
    predicted : dict of str to ndarray
    """
    row, column = place
    digits = {name: [[float(f"{e:.3g}") for e in errors] for errors in pair] for name, pair in measured.items()}
    return {
        "x": batch.x[:, column].tolist(),
        "dout": batch.dout[:, column].tolist(),
        "gamma": float(batch.gamma[column]),
        "beta": float(batch.beta[column]),
        "eps": eps,
        "entry": row,
        "exact": float(exact[place]),
        "exponents": np.log10(steps).round(6).tolist(),
        "measured": digits,
        "predicted": {name: [float(f"{e:.3g}") for e in errors] for name, errors in predicted.items()},
    }


def momentum(batches=500, N=32, mean=3.0, start=0.9):
    """Return the means of random batches as shares of the true mean, those of the figure of the start-up.

    Parameters
    ----------
    batches, N : int
    mean : float
        Of the normal distribution from which the batches are drawn; its standard deviation is 1.
    start : float
        The momentum at the start.
    """
    rng = np.random.default_rng(0)
    means = [statistics(rng.normal(mean, 1.0, (N, 1)))[0][0] / mean for _ in range(batches)]
    return {"batches": np.round(means, 4).tolist(), "momentum": start}


def graph(x, gamma, beta, dout, eps):
    """Return the batch, the parameters and the upstream gradient of the graph, for one feature."""
    return {
        "x": x[:, 0].tolist(),
        "gamma": float(gamma[0]),
        "beta": float(beta[0]),
        "dout": dout[:, 0].tolist(),
        "eps": eps,
    }
