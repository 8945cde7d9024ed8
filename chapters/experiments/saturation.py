"""Experiments of the chapter on sigmoids: slopes, saturated units, and gradients through deep random networks."""

import math
from typing import NamedTuple

import numpy as np

from solutions import Network, saturated_fraction, sigmoid_forward, train
from solutions.network import ACTIVATIONS

from . import digits


def slope(z, activation="sigmoid"):
    """Return the derivative of an activation at every entry of z, as the backward pass of `solutions` has it."""
    activate_forward, activate_backward = ACTIVATIONS[activation]
    out, cache = activate_forward(z)
    return activate_backward(np.ones_like(out), cache)


def first_one(dtype):
    """Find the smallest number of a floating-point format at which the sigmoid is exactly 1, by bisection."""
    below, one = dtype(0), dtype(100)
    while (middle := (below + one) / dtype(2)) not in (below, one):
        out, _ = sigmoid_forward(np.array([middle]))
        below, one = (below, middle) if out[0] == 1 else (middle, one)
    return one


def threshold(tol=0.01):
    """Return the positive x at which the sigmoid's derivative is tol, from s(x) (1 - s(x)) = tol."""
    p = (1 + math.sqrt(1 - 4 * tol)) / 2
    return math.log(p / (1 - p))


def normal_fraction(std, mean=0.0, tol=0.01):
    """Predict the saturated fraction of normal pre-activations, an ndarray of the shape of std."""
    a = threshold(tol)
    upper_tail = np.vectorize(lambda x: math.erfc(x / math.sqrt(2)) / 2)
    std = np.asarray(std, dtype=float)
    return upper_tail((a - mean) / std) + upper_tail((a + mean) / std)


def measured_fraction(std, mean=0.0, size=200_000):
    """Draw normal pre-activations and count the saturated ones, as a share."""
    return saturated_fraction(np.random.default_rng(0).normal(mean, std, size))


class Signals(NamedTuple):
    """What a gradient leaves behind on its way back through a random network of several layers.

    Attributes
    ----------
    norms : ndarray of shape (layers + 1,)
        Norms of the gradient at the input of each layer, and at the output of the last one.
    saturated : ndarray of shape (layers,)
        Share of each layer's pre-activations at which the derivative of the activation is below 0.01.
    carriers : ndarray of shape (layers,)
        Smallest share of the entries of each layer's gradient, taken at the pre-activations, that holds half of its
        squared norm. For independent normal entries it is 0.12.
    """

    norms: np.ndarray
    saturated: np.ndarray
    carriers: np.ndarray

    def factor(self):
        """Return the geometric mean of the factors by which the layers change the norm, the first layer left out."""
        return (self.norms[1] / self.norms[-1]) ** (1 / (len(self.norms) - 2))


def carriers(gradient):
    """Return the smallest share of all entries that holds half of the squared norm of a gradient."""
    squares = np.sort(gradient.ravel() ** 2)[::-1]
    return (np.searchsorted(np.cumsum(squares), squares.sum() / 2) + 1) / squares.size


def random_network(activation, batchnorm, weight_scale, centred=False, layers=10, width=100, N=128):
    """Send normal data forward and a normal gradient back through a network at its random start.

    Parameters
    ----------
    activation : 'sigmoid', 'tanh' or 'relu'
    batchnorm : bool
        Whether each layer normalizes its pre-activations.
    weight_scale : float
        Weights are normal with standard deviation weight_scale / sqrt(width).
    centred : bool
        Whether biases take away the part of the pre-activations that comes from the mean 1/2 of sigmoids.
    layers, width, N : int

    Returns
    -------
    signals : Signals
    """
    rng = np.random.default_rng(0)
    network = Network((width,) * (layers + 2), activation, batchnorm, rng, weight_scale)
    if centred:
        for layer in network.params[1:]:
            layer["b"] = -layer["W"].sum(axis=0) / 2
    _, trace = network.forward(rng.normal(size=(N, width)))
    grads = network.backward(rng.normal(size=(N, width)), trace)
    return Signals(
        np.array([np.linalg.norm(d["input"]) for d in grads]),
        np.array([np.mean(slope(at["pre_activation"], activation) < 0.01) for at in trace[:-1]]),
        np.array([carriers(d["pre_activation"]) for d in grads[:-1]]),
    )


def normal_mean(f, std=1.0):
    """Integrate f(z) over z from a normal distribution with mean 0, finely enough for a sigmoid and std up to 1000."""
    z = np.linspace(-8, 8, 20_001)
    density = np.exp(-(z**2) / 2)
    return np.sum(density * f(std * z)) / np.sum(density)


def predicted_factors(activation, weight_scale, layers=10):
    """Predict the factor of each layer without normalization, as if weights and gradient were independent.

    Returns
    -------
    factors : ndarray of shape (layers,)
        weight_scale * sqrt(mean of the squared derivative), the pre-activations being normal.
    """
    activate_forward, _ = ACTIVATIONS[activation]
    mean_square, factors = 1.0, []  # of the layer's input
    for _ in range(layers):
        std = weight_scale * math.sqrt(mean_square)
        factors.append(weight_scale * math.sqrt(normal_mean(lambda z: slope(z, activation) ** 2, std)))
        mean_square = normal_mean(lambda z: activate_forward(z)[0] ** 2, std)
    return np.array(factors)


def predicted_factor(activation, weight_scale):
    """Return the geometric mean of the predicted factors of ten layers, the first layer left out."""
    return float(np.exp(np.mean(np.log(predicted_factors(activation, weight_scale)[1:]))))


def predicted_normalized_factor(activation):
    """Predict the factor of a layer with batch normalization, sqrt(E f'(z)^2 / Var f(z)) for a standard normal z."""
    activate_forward, _ = ACTIVATIONS[activation]
    mean = normal_mean(lambda z: activate_forward(z)[0])
    variance = normal_mean(lambda z: (activate_forward(z)[0] - mean) ** 2)
    return math.sqrt(normal_mean(lambda z: slope(z, activation) ** 2) / variance)


def trained_accuracy(batchnorm, weight_scale, seed, layers=10, width=50, steps=200, batch_size=32, learning_rate=0.1):
    """Train a deep sigmoid network on the digits for a few steps, and measure its accuracy on the test part.

    Parameters
    ----------
    batchnorm : bool
    weight_scale : float
    seed : int
        Of the weights and the batches; both are the same with and without batch normalization.
    layers, width, steps, batch_size : int
    learning_rate : float

    Returns
    -------
    accuracy : float
        Chance is about 0.1.
    """
    x, labels, training, test = digits.load()
    spread = x[training].std(axis=0)
    x = (x - x[training].mean(axis=0)) / np.where(spread > 0, spread, 1)  # some pixels are never inked
    sizes = (x.shape[1], *(width,) * layers, 10)
    network = Network(sizes, "sigmoid", batchnorm, np.random.default_rng([seed, 0]), weight_scale)
    rng = np.random.default_rng([seed, 1])
    train(network, x[training], labels[training], steps, batch_size, learning_rate, rng)
    return network.accuracy(x[test], labels[test])


def trained_accuracies(weight_scales, seeds):
    """Train with and without batch normalization from every weight scale.

    Returns
    -------
    accuracies : dict of bool to ndarray of shape (len(weight_scales), len(seeds))
        The key says whether the network normalizes.
    """
    return {
        batchnorm: np.array([[trained_accuracy(batchnorm, scale, seed) for seed in seeds] for scale in weight_scales])
        for batchnorm in (False, True)
    }
