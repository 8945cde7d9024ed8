"""A hidden layer with batch normalization: its reference, its inputs, its misconceptions."""

from typing import Any

import numpy as np

from autograder.bn_helper.parts.hidden_layer import INPUTS
from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator, noise, spreads, standard_columns
from autograder.checks.topic import Functions, Misconception, Topic
from solutions import hidden_forward, numerical_gradient

Array = np.ndarray

# ---- what is right: the forward pass of `solutions`, and its numerical gradients ----


def _forward(x: Array, W: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, Any]:
    inputs = [value.copy() for value in (x, W, gamma, beta)]
    return hidden_forward(x, W, gamma, beta, bn_param)[0], (inputs, bn_param["eps"])


def _backward(dout: Array, cache: Any) -> tuple[Array, ...]:
    inputs: list[Array] = cache[0]
    eps: float = cache[1]

    def gradient(place: int) -> Array:
        def out(value: Array) -> Array:
            x, W, gamma, beta = (value if at == place else other for at, other in enumerate(inputs))
            return np.asarray(hidden_forward(x, W, gamma, beta, {"mode": "train", "eps": eps})[0])

        return numerical_gradient(out, inputs[place], dout)

    return tuple(gradient(place) for place in range(len(INPUTS)))


REFERENCE: Functions = {"hidden_forward": _forward, "hidden_backward": _backward}


# ---- inputs ----


def weights(rng: np.random.Generator, x: Array, D_out: int, eps: float) -> Array:
    """Draw weights after which the variances lie about `eps`, and differ from unit to unit."""
    W = rng.standard_normal((x.shape[1], D_out))
    linear = x @ W
    return W * spreads(rng, D_out, eps) / linear.std(axis=0)


def construct(rng: np.random.Generator, N: int, D_in: int, D_out: int, eps: float) -> Probe:
    """Construct a probe on which no step of the layer is idle, and no sigmoid is flat.

    The variances behind the weights lie about `eps`, so that a normalization with another eps or in another place
    shows; gamma holds both signs and no one; dout has a mean and a projection in every column.
    """
    x = column_values(rng, 0.4, 1.2, D_in) + 0.6 * standard_columns(rng, N, D_in)
    z = standard_columns(rng, N, D_out)
    inputs = {
        "x": x,
        "W": weights(rng, x, D_out, eps),
        "gamma": column_values(rng, 1.3, 2.1, D_out),
        "beta": column_values(rng, 0.3, 0.9, D_out),
        "dout": 2 * column_values(rng, 0.4, 0.8, D_out) + column_values(rng, 1.0, 1.8, D_out) * z + noise(rng, z),
        "eps": eps,
    }
    return Probe(f"N={N}, D_in={D_in}, D_out={D_out}", f"eps={eps:g}", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "hidden layer")
    return (construct(rng, N=7, D_in=4, D_out=3, eps=0.1), construct(rng, N=5, D_in=3, D_out=4, eps=0.03))


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, N=9, D_in=3, D_out=5, eps=float(rng.uniform(0.08, 0.15))),
        construct(rng, N=5, D_in=6, D_out=3, eps=float(rng.uniform(0.03, 0.05))),
        construct(rng, N=7, D_in=5, D_out=4, eps=float(rng.uniform(0.15, 0.25))),
    )


# ---- misconceptions ----

VALUE = "hidden_forward-value"
DX, DW, DGAMMA, DBETA = (f"hidden_backward-{name}" for name in ("dx", "dW", "dgamma", "dbeta"))
GRADIENTS = (DX, DW, DGAMMA, DBETA)


def _entry(
    name: str, sentence: str, section: str, breaks: tuple[str, ...], *changes: tuple[str, str, str]
) -> Misconception:
    return Misconception(name, sentence, section, breaks, changes, "hidden_layer")


_F, _B = "hidden_forward", "hidden_backward"

# Lines of the reference that the changes below replace.
_LINEAR = "linear = x @ W"
_NORMALIZE = "pre_activation, bn_cache = batchnorm_forward(linear, gamma, beta, bn_param)"
_SIGMOID = "out, sigmoid_cache = sigmoid_forward(pre_activation)"
_CACHE = "cache = (x, W, bn_cache, sigmoid_cache)"
_SLOPE = "dpre_activation = sigmoid_backward(dout, sigmoid_cache)"
_BACK = "dlinear, dgamma, dbeta = batchnorm_backward(dpre_activation, bn_cache)"
_DX, _DW = "dx = dlinear @ W.T", "dW = x.T @ dlinear"
_RETURN = "return dx, dW, dgamma, dbeta"

# fmt: off
CATALOGUE = (
    # forward; where the backward pass is made to fit, it keeps its marks
    _entry("normalized behind the sigmoid", "the normalization stands behind the sigmoid and not before it",
           "sec-beyond-place", (VALUE,),
           (_F, _NORMALIZE, "activation, sigmoid_cache = sigmoid_forward(linear)"),
           (_F, _SIGMOID, "out, bn_cache = batchnorm_forward(activation, gamma, beta, bn_param)"),
           (_B, _SLOPE, "dpre_activation, dgamma, dbeta = batchnorm_backward(dout, bn_cache)"),
           (_B, _BACK, "dlinear = sigmoid_backward(dpre_activation, sigmoid_cache)")),
    _entry("normalized before the linear part", "the normalization stands before the linear part and not behind it",
           "sec-beyond-place", (VALUE,),
           (_F, _LINEAR, "one, zero = np.ones(len(W)), np.zeros(len(W))\n"
            "    x, inner = batchnorm_forward(x, one, zero, bn_param)\n    linear = x @ W"),
           (_F, _NORMALIZE, "pre_activation, bn_cache = gamma * linear + beta, (inner, linear, gamma)"),
           (_B, _BACK, "inner, linear, gamma = bn_cache\n    dlinear = dpre_activation * gamma\n"
            "    dgamma, dbeta = (dpre_activation * linear).sum(axis=0), dpre_activation.sum(axis=0)"),
           (_B, _DX, "dx = batchnorm_backward(dlinear @ W.T, inner)[0]")),
    _entry("sigmoid forgotten", "the sigmoid is left out", "sec-beyond-place", (VALUE,),
           (_F, _SIGMOID, "out, sigmoid_cache = pre_activation, None"), (_B, _SLOPE, "dpre_activation = dout")),
    _entry("not normalized", "the layer scales and shifts without normalizing", "sec-beyond-place", (VALUE, *GRADIENTS),
           (_F, _NORMALIZE, "pre_activation, bn_cache = gamma * linear + beta, (linear, gamma)"),
           (_B, _BACK, "linear, gamma = bn_cache\n    dlinear = dpre_activation * gamma\n"
            "    dgamma, dbeta = (dpre_activation * linear).sum(axis=0), dpre_activation.sum(axis=0)")),
    _entry("gamma and beta swapped in the layer", "gamma and beta have changed places in the call of batchnorm_forward",
           "sec-forward-scale-shift", (VALUE,),
           (_F, _NORMALIZE, "pre_activation, bn_cache = batchnorm_forward(linear, beta, gamma, bn_param)"),
           (_B, _BACK, "dlinear, dbeta, dgamma = batchnorm_backward(dpre_activation, bn_cache)")),
    _entry("scale and shift left out", "gamma is one and beta is zero, whatever the layer is given",
           "sec-forward-scale-shift", (VALUE, DGAMMA, DBETA),
           (_F, _NORMALIZE, "one, zero = np.ones_like(gamma), np.zeros_like(beta)\n"
            "    pre_activation, bn_cache = batchnorm_forward(linear, one, zero, bn_param)")),
    _entry("scale and shift behind the sigmoid", "gamma and beta act behind the sigmoid and not before it",
           "sec-forward-scale-shift", (VALUE,),
           (_F, _NORMALIZE, "one, zero = np.ones_like(gamma), np.zeros_like(beta)\n"
            "    pre_activation, bn_cache = batchnorm_forward(linear, one, zero, bn_param)"),
           (_F, _SIGMOID, "squashed, inner = sigmoid_forward(pre_activation)\n"
            "    out, sigmoid_cache = gamma * squashed + beta, (inner, squashed, gamma)"),
           (_B, _SLOPE, "inner, squashed, gamma = sigmoid_cache\n"
            "    dpre_activation = sigmoid_backward(dout * gamma, inner)"),
           (_B, _BACK, "dlinear, _, dbeta = batchnorm_backward(dpre_activation, bn_cache)\n"
            "    dgamma, dbeta = (dout * squashed).sum(axis=0), dout.sum(axis=0)")),
    _entry("beta added twice", "beta is added a second time, as a bias behind the normalization",
           "sec-forward-scale-shift", (VALUE,),
           (_F, _SIGMOID, "out, sigmoid_cache = sigmoid_forward(pre_activation + beta)"),
           (_B, _RETURN, "return dx, dW, dgamma, 2 * dbeta")),
    _entry("bn_param not handed on", "bn_param is not handed on, so that eps is 1e-5", "sec-forward-normalize",
           (VALUE,),
           (_F, _NORMALIZE,
            'pre_activation, bn_cache = batchnorm_forward(linear, gamma, beta, {"mode": "train"})')),
    _entry("tanh in the hidden layer", "tanh takes the place of the sigmoid in the layer", "sec-saturation-relatives",
           (VALUE,),
           (_F, _SIGMOID, "out = np.tanh(pre_activation)\n    sigmoid_cache = out"),
           (_B, _SLOPE, "dpre_activation = dout * (1 - sigmoid_cache**2)")),
    # backward
    _entry("slope of the sigmoid forgotten", "the slope of the sigmoid is left out on the way back",
           "sec-saturation-depth", GRADIENTS, (_B, _SLOPE, "dpre_activation = dout")),
    _entry("slope at the linear part", "the slope of the sigmoid is taken at the linear part, before the normalization",
           "sec-saturation-derivative", GRADIENTS,
           (_F, _CACHE, "cache = (x, W, bn_cache, sigmoid_forward(linear)[1])")),
    _entry("slope at the output", "the slope of the sigmoid is taken at the sigmoid's output and not at its input",
           "sec-saturation-derivative", GRADIENTS,
           (_F, _CACHE, "cache = (x, W, bn_cache, sigmoid_forward(out)[1])")),
    _entry("normalization skipped on the way back", "the gradient passes the normalization as it is",
           "sec-backward-weights", (DX, DW),
           (_B, _BACK, "_, dgamma, dbeta = batchnorm_backward(dpre_activation, bn_cache)\n"
            "    dlinear = dpre_activation")),
    _entry("sigmoid and normalization in the forward order", "the gradient passes the normalization before the sigmoid",
           "sec-saturation-depth", GRADIENTS,
           (_B, _SLOPE, "dpre_activation, dgamma, dbeta = batchnorm_backward(dout, bn_cache)"),
           (_B, _BACK, "dlinear = sigmoid_backward(dpre_activation, sigmoid_cache)")),
    _entry("gamma twice on the way back", "gamma is multiplied in once more, before batchnorm_backward does it",
           "sec-backward-nodes", GRADIENTS,
           (_F, _CACHE, "cache = (x, W, (bn_cache, gamma), sigmoid_cache)"),
           (_B, _BACK, "inner, gamma = bn_cache\n"
            "    dlinear, dgamma, dbeta = batchnorm_backward(dpre_activation * gamma, inner)")),
    _entry("dW averaged", "dW is a mean over the batch and not a sum", "sec-backward-weights", (DW,),
           (_B, _DW, "dW = x.T @ dlinear / len(x)")),
    _entry("dW transposed", "dW is transposed", "sec-backward-weights", (DW,), (_B, _DW, "dW = dlinear.T @ x")),
    _entry("dW before the normalization's gradient",
           "dW is made of the gradient behind the normalization and not of that before it",
           "sec-backward-weights", (DW,), (_B, _DW, "dW = x.T @ dpre_activation")),
    _entry("dx before the normalization's gradient",
           "dx is made of the gradient behind the normalization and not of that before it",
           "sec-saturation-depth", (DX,), (_B, _DX, "dx = dpre_activation @ W.T")),
    _entry("linear part skipped on the way back", "dx is the gradient at the linear part's output, without the weights",
           "sec-saturation-depth", (DX,), (_B, _DX, "dx = dlinear")),
    _entry("dgamma and dbeta of the layer swapped", "dgamma and dbeta have changed places in what the layer returns",
           "sec-backward-parameters", (DGAMMA, DBETA), (_B, _RETURN, "return dx, dW, dbeta, dgamma")),
    _entry("dgamma and dbeta behind the sigmoid",
           "dgamma and dbeta are made of dout, without the slope of the sigmoid", "sec-backward-parameters",
           (DGAMMA, DBETA), (_B, _BACK, _BACK + "\n    _, dgamma, dbeta = batchnorm_backward(dout, bn_cache)")),
    _entry("dgamma from the linear part", "dgamma is summed with the linear part in the place of x_hat",
           "sec-backward-parameters", (DGAMMA,),
           (_B, _RETURN, "return dx, dW, (dpre_activation * (x @ W)).sum(axis=0), dbeta")),
    _entry("dbeta behind the linear part", "dbeta is summed before the normalization, where every column sums to zero",
           "sec-backward-parameters", (DBETA,), (_B, _RETURN, "return dx, dW, dgamma, dlinear.sum(axis=0)")),
    _entry("dgamma and dbeta of the layer averaged", "dgamma and dbeta of the layer are means over the batch",
           "sec-backward-parameters", (DGAMMA, DBETA),
           (_B, _RETURN, "return dx, dW, dgamma / len(x), dbeta / len(x)")),
    _entry("dout of the layer overwritten", "the slope of the sigmoid is multiplied into dout itself",
           "sec-saturation-depth", (DX,),
           (_B, _SLOPE, "dout *= sigmoid_backward(np.ones_like(dout), sigmoid_cache)\n    dpre_activation = dout")),
    _entry("hidden cache overwritten", "the cache is changed by the first call", "sec-saturation-depth", (DX,),
           (_B, _RETURN, "W *= 0.5\n    return dx, dW, dgamma, dbeta")),
)
# fmt: on

TOPIC = Topic(REFERENCE, CATALOGUE, visible(), hidden)
