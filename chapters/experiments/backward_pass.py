"""Experiments of the chapter on the backward pass: gradients with a path left out, and what training does with them."""

from typing import NamedTuple

import numpy as np

from solutions import Network, batchnorm_backward_alt, batchnorm_forward, train
from solutions.network import softmax_cross_entropy

from . import digits


def held_forward(x, gamma, beta, bn_param):
    """Normalize as usual, and keep for the backward pass the slope that the layer would have with held statistics.

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : object
        That of `batchnorm_forward`, and the slope gamma * inv_std of shape (D,).
    """
    out, cache = batchnorm_forward(x, gamma, beta, bn_param)
    D = x.shape[1]
    held = {
        "mode": "test",
        "eps": bn_param.get("eps", 1e-5),
        "running_mean": np.zeros(D),
        "running_var": x.var(axis=0),
    }
    slope = batchnorm_forward(np.ones((1, D)), gamma, np.zeros(D), held)[0][0]
    return out, (cache, slope)


def held_backward(dout, cache):
    """Carry the gradient back as if mean and variance were constants: wrong in dx, right in dgamma and dbeta."""
    cache, slope = cache
    _, dgamma, dbeta = batchnorm_backward_alt(dout, cache)
    return slope * dout, dgamma, dbeta


KINDS = {
    "plain": {"batchnorm": False},
    "held": {"batchnorm": True, "normalization": (held_forward, held_backward)},
    "right": {"batchnorm": True},
}
"""What a network does between linear part and activation: nothing, or normalize with a wrong or a right gradient."""


class Run(NamedTuple):
    """A network's training.

    Attributes
    ----------
    losses : ndarray of shape (steps,)
        nan after a loss that overflows.
    biases : ndarray of shape (steps,)
        Norm of the biases of the first hidden layer after each step; nan as above.
    accuracy : float
        Share of right answers on the test part, running averages in use. Chance is about 0.1.
    train_mode_accuracy : float
        The same with the statistics of the test part as one batch.
    lag : float
        How far the running means are from the means of the last batch, in standard deviations of that batch; average
        over all units. A network that stands still has a lag too, because of the chance in the choice of the batch.
    """

    losses: np.ndarray
    biases: np.ndarray
    accuracy: float
    train_mode_accuracy: float
    lag: float


def run(kind, depth, learning_rate, seed=0, steps=150, width=40, batch_size=32, activation="sigmoid"):
    """Train a network on the digits; the same seed gives the same weights and batches to every kind.

    Parameters
    ----------
    kind : 'plain', 'held' or 'right'
    depth : int
        Number of hidden layers.
    learning_rate : float
    seed, steps, width, batch_size : int
    activation : 'sigmoid', 'tanh' or 'relu'

    Returns
    -------
    run : Run
    """
    x, labels, training, test = digits.load()
    spread = x[training].std(axis=0)
    x = (x - x[training].mean(axis=0)) / np.where(spread > 0, spread, 1)  # some pixels are never inked
    sizes = (x.shape[1], *(width,) * depth, 10)
    network = Network(sizes, activation, rng=np.random.default_rng([seed, 0]), **KINDS[kind])
    biases, lags = np.full((2, steps), np.nan)

    def measure(step, trace, grads):
        biases[step] = np.linalg.norm(network.params[0]["b"])
        if network.batchnorm:
            lags[step] = np.mean([distance(at["linear"], bn) for at, bn in zip(trace, network.bn_params, strict=False)])

    rng = np.random.default_rng([seed, 1])
    losses = train(network, x[training], labels[training], steps, batch_size, learning_rate, rng, measure)
    in_mode = [network.accuracy(x[test], labels[test], mode) for mode in ("test", "train")]
    return Run(losses, biases, *in_mode, float(lags[-1]))


def distance(x, bn_param):
    """Return the mean distance of the running means from the means of a batch, in its standard deviations."""
    return float(np.mean(np.abs(x.mean(axis=0) - bn_param["running_mean"]) / x.std(axis=0)))


def gradients(kind, depth, factor=1.0, eps=1e-5, width=40, N=256):
    """Compute the gradient of the loss with respect to the first weights of a sigmoid network at its random start.

    Parameters
    ----------
    kind : 'plain', 'held' or 'right'
    depth : int
        Number of hidden layers.
    factor : float
        Multiplies the first weights, before the gradient is taken.
    eps : float
    width, N : int

    Returns
    -------
    dW : ndarray of shape (64, width)
    """
    rng = np.random.default_rng(0)
    network = Network((64, *(width,) * depth, 10), "sigmoid", rng=rng, eps=eps, **KINDS[kind])
    network.params[0]["W"] *= factor
    x, labels = rng.normal(size=(N, 64)), rng.integers(10, size=N)
    logits, trace = network.forward(x)
    _, dlogits = softmax_cross_entropy(logits, labels)
    return network.backward(dlogits, trace)[0]["W"]


def gains(N, stds, eps, columns=2000):
    """Measure how large dx is beside the centred dout, root mean square, for columns of several spreads.

    Parameters
    ----------
    N : int
        Examples in the batch.
    stds : ndarray
        Standard deviations of the columns, exact.
    eps : float
    columns : int
        Random columns, each with a random dout, for each spread.

    Returns
    -------
    gains : ndarray of the shape of stds
    """
    x, dout = np.random.default_rng(0).normal(size=(2, N, columns))
    x, dout = (x - x.mean(axis=0)) / x.std(axis=0), dout - dout.mean(axis=0)
    gamma, beta = np.ones(columns), np.zeros(columns)
    sizes = []
    for std in stds:
        _, cache = batchnorm_forward(std * x, gamma, beta, {"mode": "train", "eps": eps})
        sizes.append(np.linalg.norm(batchnorm_backward_alt(dout, cache)[0]))
    return np.array(sizes) / np.linalg.norm(dout)


def cosine(a, b):
    """Return the cosine of the angle between two arrays of one shape."""
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))
