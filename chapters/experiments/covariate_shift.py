"""Experiments of the chapter on internal covariate shift: what a layer receives while the layers below it learn."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np

from solutions import Network, batchnorm_backward_alt, batchnorm_forward, softmax_cross_entropy, train
from solutions.network import ACTIVATIONS

from . import digits

SIZES = (64, 100, 100, 100, 10)
LAST = 2  # index of the last hidden layer
WEIGHT_SCALE = 4.0  # makes up for the sigmoid's slope of 1/4: a good start for the network without normalization
BATCH_SIZE = 60
LEARNING_RATE = 1.0
STEPS = 400

KINDS = ("plain", "batchnorm", "noisy")


def training_set():
    """Return the training digits with pixels between -1 and 1, of shape (1437, 64), and their labels."""
    data = digits.load()
    return data.x[data.train] / 8 - 1, data.labels[data.train]


def test_set():
    """Return the test digits with pixels between -1 and 1, of shape (360, 64), and their labels."""
    data = digits.load()
    return data.x[data.test] / 8 - 1, data.labels[data.test]


def moving_normalization(strength, memory, rng):
    """Return a batch normalization whose output is moved and stretched anew in every pass in train mode.

    Each feature of the output is multiplied by a factor and moved by an offset, both random. The offset is normal with
    standard deviation `strength`, the logarithm of the factor with a quarter of it. Each entry also gets an offset of
    its own, with a tenth of the standard deviation of x_hat. The layer does not know of any of this, and learns on.

    Parameters
    ----------
    strength : float
    memory : float
        Correlation of a feature's offset (and factor) with that of the pass before. At 0 every pass draws anew.
    rng : numpy.random.Generator

    Returns
    -------
    forward, backward : callables
        With the contract of `batchnorm_forward` and `batchnorm_backward`. The state is kept in `bn_param['moved']`.
    """

    def forward(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        if bn_param["mode"] == "test":
            return out, None
        moved = rng.normal(size=(2, x.shape[1]))
        if "moved" in bn_param:
            moved = memory * bn_param["moved"] + np.sqrt(1 - memory**2) * moved
        bn_param["moved"] = moved
        offset, factor = strength * moved[0], np.exp(strength / 4 * moved[1])  # (D,)
        return factor * out + offset + rng.normal(scale=0.1, size=out.shape), (cache, factor)

    def backward(dout, cache):
        cache, factor = cache
        return batchnorm_backward_alt(factor * dout, cache)

    return forward, backward


def make_network(kind, seed, weight_scale=WEIGHT_SCALE, strength=0.5, memory=0.0):
    """Return an untrained sigmoid network; the same seed gives the same weights for every kind.

    Parameters
    ----------
    kind : 'plain', 'batchnorm' or 'noisy'
    seed : int
    weight_scale : float
    strength, memory : float
        Of `moving_normalization`; for 'noisy' only.
    """
    options = {}
    if kind == "noisy":
        options["normalization"] = moving_normalization(strength, memory, np.random.default_rng([seed, 1]))
    return Network(SIZES, "sigmoid", kind != "plain", np.random.default_rng(seed), weight_scale, **options)


def inputs_of_units(network, x, layer=LAST):
    """Return what the sigmoids of a hidden layer receive for all of x in train mode, of shape (N, D).

    The running averages are left as they are.
    """
    kept = deepcopy(network.bn_params)
    _, trace = network.forward(x, mode="train")
    network.bn_params = kept
    return trace[layer]["pre_activation"]


class Run(NamedTuple):
    """What was seen while a network was trained.

    Attributes
    ----------
    losses : ndarray of shape (steps,)
    means, stds : ndarray of shape (steps, 100)
        Of the input of each unit of the last hidden layer over the mini-batch of that step.
    seen_at : ndarray of shape (times,)
        The numbers of steps after which the whole training set was fed through the network.
    percentiles : ndarray of shape (times, 3, 100)
        The 15th, 50th and 85th percentile of the input of each of these units over the training set.
    network : Network
    """

    losses: np.ndarray
    means: np.ndarray
    stds: np.ndarray
    seen_at: np.ndarray
    percentiles: np.ndarray
    network: Network

    def first(self, steps):
        """Return the losses, means and stds of the first steps, without the rest."""
        return self._replace(losses=self.losses[:steps], means=self.means[:steps], stds=self.stds[:steps])


def run(kind, seed=0, learning_rate=LEARNING_RATE, steps=STEPS, every=0, **options):
    """Train a network of `make_network` on the digits, and watch the inputs of its last hidden layer.

    Parameters
    ----------
    kind, seed, **options
        As in `make_network`. The same seed also gives the same mini-batches for every kind.
    learning_rate : float
    steps : int
    every : int
        After how many steps percentiles over the whole training set are taken; 0 for never.

    Returns
    -------
    seen : Run
        A run that overflows has nan for the losses, means and stds that are missing.
    """
    x, labels = training_set()
    network = make_network(kind, seed, **options)
    means = np.full((steps, SIZES[LAST + 1]), np.nan)
    stds = means.copy()
    seen_at, percentiles = [], []

    def look(step):
        if every and step % every == 0:
            seen_at.append(step)
            percentiles.append(np.percentile(inputs_of_units(network, x), [15, 50, 85], axis=0))

    def after_step(step, trace, grads):
        received = trace[LAST]["pre_activation"]
        means[step], stds[step] = received.mean(axis=0), received.std(axis=0)
        look(step + 1)

    look(0)
    rng = np.random.default_rng([seed, 2])
    losses = train(network, x, labels, steps, BATCH_SIZE, learning_rate, rng, after_step)
    return Run(losses, means, stds, np.array(seen_at), np.array(percentiles), network)


def shift_per_step(seen):
    """Measure how far the mean of a unit's input moves from batch to batch, in widths of the distribution.

    Returns
    -------
    shift : float
        Average over steps and units of abs(mean[t + 1] - mean[t]) / std[t].
    """
    return float(np.mean(np.abs(np.diff(seen.means, axis=0)) / seen.stds[:-1]))


def drift(seen):
    """Measure how far each unit's median has moved from the start to where it was farthest from it.

    Returns
    -------
    widths : ndarray of shape (100,)
        In units of the distance between the 15th and the 85th percentile at the start.
    """
    low, median, high = np.moveaxis(seen.percentiles, 1, 0)  # (times, 100) each
    return np.abs(median - median[0]).max(axis=0) / (high[0] - low[0])


def typical_unit(seen):
    """Return the index of the unit whose drift is the median of all drifts of the layer."""
    widths = drift(seen)
    return int(np.argsort(widths)[len(widths) // 2])


def batch_means(sizes, draws=400, seed=0):
    """Draw mini-batches of several sizes for one and the same untrained plain network.

    Returns
    -------
    means : dict of int to ndarray of shape (draws,)
        For each size N, the mean of the input of one unit over each mini-batch of N training examples.
    mean, std : float
        Of that input over the whole training set.
    """
    x, _ = training_set()
    rng = np.random.default_rng(seed)
    received = inputs_of_units(make_network("plain", seed), x)[:, 0]  # (1437,)
    means = {N: np.array([rng.choice(received, N, replace=False).mean() for _ in range(draws)]) for N in sizes}
    return means, float(received.mean()), float(received.std())


# --- gradients -------------------------------------------------------------------------------------------------------


def loss_and_gradients(network, x, labels):
    """Return the loss of a batch and the gradients of all parameters; the running averages are left as they are."""
    kept = deepcopy(network.bn_params)
    logits, trace = network.forward(x)
    network.bn_params = kept
    loss, dlogits = softmax_cross_entropy(logits, labels)
    return loss, network.backward(dlogits, trace)


def as_vector(network, grads):
    """Return the gradients of all parameters as one vector."""
    return np.concatenate([d[name].ravel() for layer, d in zip(network.params, grads, strict=True) for name in layer])


def cosine(a, b):
    return float(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))


def gradient_shift(kind, seed=0, learning_rate=LEARNING_RATE, steps=300, every=20):
    """Measure how much the step of the layers below changes the gradient of the last hidden layer's weights.

    At intervals, on a fixed batch of 200: the gradient of W before, and after a step of all lower layers alone.

    Returns
    -------
    change : ndarray of shape (times,)
        Norm of the difference, divided by the norm of the gradient before.
    """
    x, labels = training_set()
    network = make_network(kind, seed)
    change = []

    def after_step(step, trace, grads):
        if step % every:
            return
        _, before = loss_and_gradients(network, x[:200], labels[:200])
        kept = deepcopy(network.params)
        for layer, d in zip(network.params[:LAST], before, strict=False):
            for name, value in layer.items():
                value -= learning_rate * d[name]
        _, after = loss_and_gradients(network, x[:200], labels[:200])
        network.params = kept
        W, moved = before[LAST]["W"], after[LAST]["W"]
        change.append(np.linalg.norm(moved - W) / np.linalg.norm(W))

    train(network, x, labels, steps, BATCH_SIZE, learning_rate, np.random.default_rng([seed, 2]), after_step)
    return np.array(change)


class Landscape(NamedTuple):
    """The loss and its gradient along the direction of the gradient, at several times of a training run.

    Attributes
    ----------
    seen_at : ndarray of shape (times,)
    losses : ndarray of shape (times,)
        At the point itself.
    along : ndarray of shape (times, sizes)
        Loss after a step of each size against the gradient.
    cosines : ndarray of shape (times, sizes)
        Of the gradient there and the gradient at the point.
    roughness : ndarray of shape (times,)
        Largest change of the gradient divided by the distance moved.
    """

    seen_at: np.ndarray
    losses: np.ndarray
    along: np.ndarray
    cosines: np.ndarray
    roughness: np.ndarray


def landscape(kind, step_sizes, seed=0, learning_rate=0.3, steps=200, every=10, **options):
    """Walk from points of a training run along the gradient, and see how well it foretells what comes.

    Loss and gradient are those of a fixed batch of 200 training examples.

    Parameters
    ----------
    kind, seed, **options
        As in `make_network`.
    step_sizes : sequence of float
        Each is tried from the same point.

    Returns
    -------
    seen : Landscape
    """
    x, labels = training_set()
    network = make_network(kind, seed, **options)
    rows = []

    def after_step(step, trace, grads):
        if step % every:
            return
        loss, here = loss_and_gradients(network, x[:200], labels[:200])
        g = as_vector(network, here)
        kept = deepcopy(network.params)
        along, cosines, rough = [], [], []
        for size in step_sizes:
            network.params = deepcopy(kept)
            network.step(here, size)
            loss_there, there = loss_and_gradients(network, x[:200], labels[:200])
            g_there = as_vector(network, there)
            along.append(loss_there)
            cosines.append(cosine(g, g_there))
            rough.append(np.linalg.norm(g_there - g) / (size * np.linalg.norm(g)))
        network.params = kept
        rows.append((step, loss, along, cosines, max(rough)))

    train(network, x, labels, steps, BATCH_SIZE, learning_rate, np.random.default_rng([seed, 2]), after_step)
    return Landscape(*(np.array(column) for column in zip(*rows, strict=True)))


def sweep(kind, rates, seeds=(0,), steps=200):
    """Train at several learning rates.

    Returns
    -------
    losses : ndarray of shape (rates,)
        Mean loss over all steps and seeds: low if the loss falls early and far. Infinite for a run that overflows.
    """
    mean = [np.mean([run(kind, seed, rate, steps).losses for seed in seeds]) for rate in rates]
    return np.nan_to_num(np.array(mean), nan=np.inf)


# --- depth -----------------------------------------------------------------------------------------------------------


def gradients_by_layer(activation, batchnorm, weight_scale=1.0, depth=40, width=200, N=128, seed=0, gamma=1.0):
    """Measure the gradient through a deep untrained network, for random inputs and a random gradient on top.

    Returns
    -------
    mean_square : ndarray of shape (depth,)
        Of the gradient with respect to the output of each layer's linear part, first layer first.
    """
    rng = np.random.default_rng(seed)
    network = Network((width,) * (depth + 1) + (10,), activation, batchnorm, rng, weight_scale)
    for layer in network.params[:-1]:
        if batchnorm:
            layer["gamma"] *= gamma
    logits, trace = network.forward(rng.normal(size=(N, width)))
    grads = network.backward(rng.normal(size=logits.shape), trace)
    return np.array([np.mean(d["linear"] ** 2) for d in grads[:-1]])


def growth_per_layer(mean_square, skip=5):
    """Return the factor by which the mean square grows per layer on the way down, without the layers at both ends."""
    middle = np.log(mean_square[skip:-skip])
    return float(np.exp((middle[0] - middle[-1]) / (len(middle) - 1)))


def predicted_growth(activation, gamma=1.0):
    """Return E[f'(z)**2] / Var[f(z)] for f(z) = activation(gamma z), z normal: {eq}`eq-shift-growth`.

    The integrals are sums over a fine grid.
    """
    z = np.linspace(-10, 10, 40_002)  # no point at 0, where ReLU has no derivative
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    forward, backward = ACTIVATIONS[activation]
    value, cache = forward(gamma * z)
    slope = gamma * backward(np.ones_like(z), cache)
    return float(weight @ slope**2 / (weight @ value**2 - (weight @ value) ** 2))
