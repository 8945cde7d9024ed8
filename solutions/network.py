"""A fully connected classifier with hand-written gradients, small enough to read and open enough to measure."""

from copy import deepcopy
from itertools import pairwise

import numpy as np

from solutions.batchnorm import batchnorm_backward_alt, batchnorm_forward
from solutions.sigmoid import sigmoid_backward, sigmoid_forward


def tanh_forward(x):
    """Squash every entry to the interval from -1 to 1; the cache is out."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout, cache):
    """Carry the gradient back through tanh, whose derivative is 1 - out**2."""
    out = cache
    return dout * (1 - out**2)


def relu_forward(x):
    """Replace every negative entry by 0; the cache is x."""
    return np.maximum(x, 0), x


def relu_backward(dout, cache):
    """Carry the gradient back through ReLU, whose derivative is taken as 0 at 0."""
    x = cache
    return dout * (x > 0)


ACTIVATIONS = {
    "sigmoid": (sigmoid_forward, sigmoid_backward),
    "tanh": (tanh_forward, tanh_backward),
    "relu": (relu_forward, relu_backward),
}


def softmax_cross_entropy(logits, labels):
    """Measure how badly logits predict labels, and in which direction they should move.

    Parameters
    ----------
    logits : ndarray of shape (N, K)
        Not modified.
    labels : ndarray of shape (N,), integer, from 0 to K - 1

    Returns
    -------
    loss : float
        Mean over the batch of -log(softmax(logits)[label]).
    dlogits : ndarray of shape (N, K)
        Gradient of the loss with respect to logits.
    """
    N = len(labels)
    shifted = logits - logits.max(axis=1, keepdims=True)  # softmax stays the same, exp cannot overflow
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (N, K)
    loss = -log_softmax[np.arange(N), labels].mean()
    dlogits = np.exp(log_softmax)
    dlogits[np.arange(N), labels] -= 1
    return float(loss), dlogits / N


class Network:
    """Stack layers of linear, batch normalization (if wanted) and activation, and a linear layer on top.

    Hidden layer l computes, from the activation below it (x for l = 0)::

        linear = input @ W + b
        pre_activation = gamma * x_hat + beta, normalized from linear   (linear itself without batchnorm)
        activation = sigmoid, tanh or relu of pre_activation

    and the last layer computes logits = input @ W + b. Everything is float64.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the input to the logits: (64, 100, 100, 10) has two hidden layers.
    activation : 'sigmoid', 'tanh' or 'relu'
    batchnorm : bool
        Whether to normalize between the linear part and the activation of each hidden layer.
    rng : numpy.random.Generator
        Draws the weights, and nothing else; the same seed gives the same weights with and without batchnorm.
    weight_scale : float
        Weights are normal with standard deviation weight_scale / sqrt(D_in). Biases start at 0, gamma at 1, beta at 0.
    eps, momentum : float
        Of every batch normalization.
    normalization : pair of callables
        The forward and the backward pass that batchnorm=True uses; an experiment puts others of the same contract here.

    Attributes
    ----------
    params : list of dict
        One dict a layer: 'W' (D_in, D_out), 'b' (D_out,) and, in a normalized layer, 'gamma' and 'beta' (D_out,).
    bn_params : list of dict
        One `bn_param` a hidden layer, with its running averages after the first forward pass in train mode.

    Raises
    ------
    ValueError
        If the activation is another name; the message names it.
    """

    def __init__(
        self,
        sizes,
        activation,
        batchnorm,
        rng,
        weight_scale=1.0,
        eps=1e-5,
        momentum=0.9,
        normalization=(batchnorm_forward, batchnorm_backward_alt),
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}, not {activation!r}")
        self.batchnorm = batchnorm
        self.activate_forward, self.activate_backward = ACTIVATIONS[activation]
        self.normalize_forward, self.normalize_backward = normalization

        self.params = []
        for D_in, D_out in pairwise(sizes):
            W = rng.normal(scale=weight_scale / np.sqrt(D_in), size=(D_in, D_out))
            self.params.append({"W": W, "b": np.zeros(D_out)})
        if batchnorm:
            for layer, D_out in zip(self.params[:-1], sizes[1:-1], strict=True):
                layer |= {"gamma": np.ones(D_out), "beta": np.zeros(D_out)}
        self.bn_params = [{"eps": eps, "momentum": momentum} for _ in self.params[:-1]]

    def forward(self, x, mode="train"):
        """Compute the logits of a batch, and keep what happens on the way.

        Parameters
        ----------
        x : ndarray of shape (N, D)
            Not modified.
        mode : 'train' or 'test'
            Of every batch normalization; train mode also moves the running averages.

        Returns
        -------
        logits : ndarray of shape (N, K)
        trace : list of dict
            One dict a layer. A hidden layer has 'input' (N, D_in), 'linear', 'pre_activation', 'activation'
            (N, D_out) and the caches of the backward pass; the last layer has 'input' and 'linear'.
        """
        trace = []
        for layer, bn_param in zip(self.params[:-1], self.bn_params, strict=True):
            at = {"input": x, "linear": x @ layer["W"] + layer["b"], "mode": mode}
            at["pre_activation"] = at["linear"]
            if self.batchnorm:
                bn_param["mode"] = mode
                at["pre_activation"], at["normalize_cache"] = self.normalize_forward(
                    at["linear"], layer["gamma"], layer["beta"], bn_param
                )
            at["activation"], at["activate_cache"] = self.activate_forward(at["pre_activation"])
            trace.append(at)
            x = at["activation"]

        logits = x @ self.params[-1]["W"] + self.params[-1]["b"]
        trace.append({"input": x, "linear": logits, "mode": mode})
        return logits, trace

    def backward(self, dlogits, trace):
        """Carry the gradient back from the logits to every parameter and every quantity of the trace.

        Parameters
        ----------
        dlogits : ndarray of shape (N, K)
            Gradient of the loss with respect to the logits. Not modified.
        trace : list of dict
            What the forward pass returned beside the logits, in train mode if the network normalizes. Not modified.

        Returns
        -------
        grads : list of dict
            One dict a layer: the gradient of the loss with respect to what `params` ('W', 'b', 'gamma', 'beta') and
            the trace ('input', 'linear', 'pre_activation', 'activation') hold by the same name.

        Raises
        ------
        ValueError
            If the network normalizes and the trace was made in test mode.
        """
        if self.batchnorm and trace[-1]["mode"] != "train":
            raise ValueError("backward needs the trace of a forward pass in mode 'train', not 'test'")

        grads: list[dict] = []
        d = {"linear": dlogits}
        for layer, at in zip(reversed(self.params), reversed(trace), strict=True):
            if "activation" in at:  # a hidden layer
                d = {"activation": grads[-1]["input"]}
                d["pre_activation"] = self.activate_backward(d["activation"], at["activate_cache"])
                d["linear"] = d["pre_activation"]
                if self.batchnorm:
                    d["linear"], d["gamma"], d["beta"] = self.normalize_backward(
                        d["pre_activation"], at["normalize_cache"]
                    )
            d["W"] = at["input"].T @ d["linear"]
            d["b"] = d["linear"].sum(axis=0)
            d["input"] = d["linear"] @ layer["W"].T
            grads.append(d)
        return grads[::-1]

    def step(self, grads, learning_rate):
        """Move every parameter against its gradient, in place: one step of SGD.

        Parameters
        ----------
        grads : list of dict
            What the backward pass returned.
        learning_rate : float
        """
        for layer, d in zip(self.params, grads, strict=True):
            for name, value in layer.items():
                value -= learning_rate * d[name]

    def accuracy(self, x, labels, mode="test"):
        """Measure the share of examples whose largest logit is that of the label.

        Parameters
        ----------
        x : ndarray of shape (N, D)
        labels : ndarray of shape (N,), integer
        mode : 'train' or 'test'
            The running averages are left as they are in both modes.

        Returns
        -------
        share : float
        """
        kept = deepcopy(self.bn_params)
        with np.errstate(over="ignore", invalid="ignore"):  # also of a network that a large learning rate has ruined
            logits, _ = self.forward(x, mode)
        self.bn_params = kept
        return float(np.mean(logits.argmax(axis=1) == labels))


def train(network, x, labels, steps, batch_size, learning_rate, rng, after_step=None):
    """Train a network by SGD on random batches, and keep the loss of every step.

    Parameters
    ----------
    network : Network
        Its parameters and running averages are modified.
    x : ndarray of shape (N, D)
    labels : ndarray of shape (N,), integer
    steps, batch_size : int
        Each batch is drawn without replacement, anew from all N examples.
    learning_rate : float
    rng : numpy.random.Generator
        Draws the batches.
    after_step : callable, optional
        after_step(step, trace, grads) is called after each step with what its batch left behind, to be measured.

    Returns
    -------
    losses : ndarray of shape (steps,)
        Loss of each batch before its step. A run whose loss overflows ends there; what is left of losses is nan.
    """
    losses = np.full(steps, np.nan)
    for step in range(steps):
        batch = rng.choice(len(x), batch_size, replace=False)
        with np.errstate(over="ignore", invalid="ignore"):  # too large a learning rate is a result, not an accident
            logits, trace = network.forward(x[batch], mode="train")
            loss, dlogits = softmax_cross_entropy(logits, labels[batch])
            if not np.isfinite(loss):
                break
            grads = network.backward(dlogits, trace)
            network.step(grads, learning_rate)
        losses[step] = loss
        if after_step is not None:
            after_step(step, trace, grads)
    return losses
