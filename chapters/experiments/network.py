"""Experiments of the chapter on a network: deep sigmoid networks on the digits, with and without normalization."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np

from solutions import Network, batchnorm_backward_alt, batchnorm_forward, saturated_fraction, train

from .covariate_shift import test_set, training_set

LAYERS, WIDTH = 5, 50
BATCH_SIZE = 60
STEPS = 300


class Run(NamedTuple):
    """What was seen while a network was trained.

    Attributes
    ----------
    losses : ndarray of shape (steps,)
        nan after a loss that overflows.
    seen_at : ndarray of shape (times,)
        Numbers of steps after which the network was looked at.
    accuracies : ndarray of shape (times,)
        Share of right answers on the test part, in test mode. Chance is about 0.1.
    saturated : ndarray of shape (times, LAYERS)
        Saturated fraction of the sigmoids of each hidden layer, over a batch.
    gradients : ndarray of shape (times, LAYERS)
        Norm of the gradient of the loss with respect to the output of each hidden layer's linear part.
    network : Network
    """

    losses: np.ndarray
    seen_at: np.ndarray
    accuracies: np.ndarray
    saturated: np.ndarray
    gradients: np.ndarray
    network: Network


def make_network(batchnorm, weight_scale=1.0, seed=0, **options):
    """Return an untrained sigmoid network; the same seed gives the same weights with and without normalization."""
    rng = np.random.default_rng([seed, 0])
    return Network((64, *(WIDTH,) * LAYERS, 10), "sigmoid", batchnorm, rng, weight_scale, **options)


def run(batchnorm, learning_rate, weight_scale=1.0, seed=0, steps=STEPS, batch_size=BATCH_SIZE, look_at=(), **options):
    """Train a network on the digits, and look at it after some of its steps.

    Parameters
    ----------
    batchnorm : bool
    learning_rate, weight_scale : float
    seed : int
        Of weights and batches; both are the same with and without batch normalization.
    steps, batch_size : int
    look_at : sequence of int
        Numbers of steps, the last step excepted. What is seen at 0 is the untrained network on the first batch.
    **options
        Passed to `Network`.

    Returns
    -------
    seen : Run
    """
    x, labels = training_set()
    x_test, labels_test = test_set()
    network = make_network(batchnorm, weight_scale, seed, **options)
    seen_at, accuracies, saturated, gradients = [], [], [], []

    def after_step(step, trace, grads):
        if step not in look_at:
            return
        seen_at.append(step)
        accuracies.append(network.accuracy(x_test, labels_test))
        saturated.append([saturated_fraction(at["pre_activation"]) for at in trace[:-1]])
        gradients.append([np.linalg.norm(d["linear"]) for d in grads[:-1]])

    losses = train(network, x, labels, steps, batch_size, learning_rate, np.random.default_rng([seed, 1]), after_step)
    return Run(losses, *(np.array(values) for values in (seen_at, accuracies, saturated, gradients)), network)


def accuracy(network, mode="test"):
    """Return the share of test digits that a network gets right; in train mode the test part is one batch."""
    return network.accuracy(*test_set(), mode)


def accuracy_map(batchnorm, rates, scales, steps=150):
    """Train from every weight scale at every learning rate, one run each.

    Returns
    -------
    accuracies : ndarray of shape (len(scales), len(rates))
        On the test part, in test mode.
    """
    return np.array(
        [[accuracy(run(batchnorm, rate, scale, steps=steps).network) for rate in rates] for scale in scales]
    )


def batch_sizes(batchnorm, sizes, rates, weight_scale, seeds=(0, 1), steps=STEPS):
    """Train with batches of several sizes, the same number of steps each, at the best of several learning rates.

    Returns
    -------
    accuracies : ndarray of shape (len(sizes), len(seeds))
        On the test part, in test mode, at the rate whose average over the seeds is best.
    """
    best = []
    for size in sizes:
        tried = [
            [accuracy(run(batchnorm, rate, weight_scale, seed, steps, size).network) for seed in seeds]
            for rate in rates
        ]
        best.append(max(tried, key=np.mean))
    return np.array(best)


# --- train mode and test mode, mixed up ------------------------------------------------------------------------------


def accuracy_in_batches(network, batch_size, order="mixed"):
    """Test a network with the statistics of test batches, as if the switch to test mode had been forgotten.

    Parameters
    ----------
    network : Network
        Not modified.
    batch_size : int
    order : 'mixed' or 'sorted'
        Whether the digits of a batch are drawn at random, or come sorted by label.

    Returns
    -------
    share : float
    """
    x, labels = test_set()
    chosen = np.random.default_rng(0).permutation(len(x))
    if order == "sorted":
        chosen = np.argsort(labels, kind="stable")
    batches = [chosen[start : start + batch_size] for start in range(0, len(x), batch_size)]
    return float(sum(network.accuracy(x[batch], labels[batch], "train") * len(batch) for batch in batches) / len(x))


def after_seeing(network, digit, batches=10):
    """Feed all test images of one digit through a copy in train mode, several times; return the copy's accuracy.

    The accuracy is that on the whole test part in test mode. The weights stay; the running averages move.
    """
    moved = deepcopy(network)
    x, labels = test_set()
    for _ in range(batches):
        moved.forward(x[labels == digit], "train")
    return accuracy(moved)


def rescaled(network, factor):
    """Return a copy whose first weights are multiplied by a factor; its running averages are those of before."""
    changed = deepcopy(network)
    changed.params[0]["W"] *= factor
    return changed


def constant_statistics(freeze_after):
    """Return a normalization that trains with running averages, and takes them as constants on the way back.

    Up to a number of steps it is batch normalization. After that, it normalizes a batch in train mode as in test mode.

    Parameters
    ----------
    freeze_after : int
        Number of steps.

    Returns
    -------
    forward, backward : callables
        With the contract of `batchnorm_forward` and `batchnorm_backward`. Steps are counted in `bn_param['step']`.
    """

    def forward(x, gamma, beta, bn_param):
        if bn_param["mode"] == "test":
            return batchnorm_forward(x, gamma, beta, bn_param)
        step = bn_param["step"] = bn_param.get("step", 0) + 1
        if step <= freeze_after:
            out, cache = batchnorm_forward(x, gamma, beta, bn_param)
            return out, ("batch", cache)
        held = {**bn_param, "mode": "test"}
        out, _ = batchnorm_forward(x, gamma, beta, held)
        ones, zeros = np.ones_like(gamma), np.zeros_like(beta)
        x_hat, _ = batchnorm_forward(x, ones, zeros, held)
        slope = batchnorm_forward(np.ones((1, len(gamma))), gamma, zeros, {**held, "running_mean": zeros})[0]
        return out, ("held", (x_hat, slope))

    def backward(dout, cache):
        kind, cache = cache
        if kind == "batch":
            return batchnorm_backward_alt(dout, cache)
        x_hat, slope = cache
        return slope * dout, np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)

    return forward, backward


def trained_with_constants(freeze_after, learning_rate, seed=0, steps=STEPS):
    """Train a network whose mode switch stays at 'test' after some steps, and return its `Run`."""
    return run(True, learning_rate, seed=seed, steps=steps, normalization=constant_statistics(freeze_after))
