"""A stack of hidden layers: its reference, its inputs, its misconceptions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.bn_helper.parts.stack import PARAMETERS
from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator, standard_columns
from autograder.checks.topic import Functions, Misconception, Topic
from autograder.checks.topics.hidden_layer import weights
from solutions import hidden_forward, numerical_gradient, stack_forward

Array = np.ndarray
Layers = list[dict[str, Array]]

# ---- what is right: the forward pass of `solutions`, and its numerical gradients ----


def _forward(x: Array, layers: Layers, bn_params: list[dict[str, Any]]) -> tuple[Array, Any]:
    return stack_forward(x, layers, bn_params)[0], (x, layers, [param["eps"] for param in bn_params])


def _backward(dout: Array, caches: Any) -> tuple[Array, Layers]:
    x, layers, eps = caches

    def out(x: Array, layers: Layers) -> Array:
        return stack_forward(x, layers, [{"mode": "train", "eps": value} for value in eps])[0]

    def gradient(number: int, name: str) -> Array:
        def changed(value: Array) -> Array:
            return out(x, [layer | {name: value} if n == number else layer for n, layer in enumerate(layers)])

        return _gradient(changed, layers[number][name], dout)

    grads = [{name: gradient(number, name) for name in PARAMETERS} for number in range(len(layers))]
    return _gradient(lambda value: out(value, layers), x, dout), grads


def _gradient(f: Callable[[Array], Array], x: Array, df: Array) -> Array:
    """Take central differences with two steps, and of both what the error of second order cancels in.

    Through several sigmoids a gradient becomes so small that no single step leaves enough digits.
    """
    near, far = (numerical_gradient(f, x, df, h=h) for h in (1e-4, 2e-4))
    return np.asarray((4 * near - far) / 3)


REFERENCE: Functions = {"stack_forward": _forward, "stack_backward": _backward}


# ---- inputs ----


def _layers(rng: np.random.Generator, x: Array, widths: tuple[int, ...], eps: list[float]) -> Layers:
    layers = []
    for D, value in zip(widths, eps, strict=True):
        gamma, beta = column_values(rng, 1.5, 2.5, D), column_values(rng, 0.3, 0.9, D)
        layer = {"W": weights(rng, x, D, value), "gamma": gamma, "beta": beta}
        x = hidden_forward(x, layer["W"], gamma, beta, {"mode": "train", "eps": value})[0]
        layers.append(layer)
    return layers


def construct(rng: np.random.Generator, N: int, D: int, wide: tuple[int, ...], eps: list[float]) -> Probe:
    """Construct a stack of equal widths, on which layers can be mistaken for each other, and one of different widths.

    Each layer has an eps of its own, about which its variances lie, so that layers which share one show.
    """
    x = column_values(rng, 0.4, 1.2, D) + 0.6 * standard_columns(rng, N, D)
    x_wide = column_values(rng, 0.4, 1.2, wide[0]) + 0.6 * standard_columns(rng, N, wide[0])
    inputs = {
        "x": x,
        "layers": _layers(rng, x, (D,) * len(eps), eps),
        "x_wide": x_wide,
        "layers_wide": _layers(rng, x_wide, wide[1:], eps),
        "dout": 3 * column_values(rng, 0.4, 0.9, D) + 3 * standard_columns(rng, N, D),
        "eps": eps,
    }
    return Probe(f"N={N}, {len(eps)} layers of width {D}", "", inputs)


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "stack")
    return (
        construct(rng, N=7, D=4, wide=(3, 5, 2, 4), eps=[0.1, 0.04, 0.2]),
        construct(rng, N=5, D=3, wide=(4, 3, 6), eps=[0.05, 0.15]),
    )


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return (
        construct(rng, 9, 4, (5, 2, 3), [float(rng.uniform(0.03, 0.05)), float(rng.uniform(0.1, 0.2))]),
        construct(
            rng, 7, 3, (2, 4, 3, 5),
            [float(rng.uniform(0.1, 0.15)), float(rng.uniform(0.2, 0.3)), float(rng.uniform(0.04, 0.06))],
        ),
    )  # fmt: skip


# ---- misconceptions ----

VALUE, DX, GRADS = "stack_forward-value", "stack_backward-dx", "stack_backward-grads"
_SECTION = "sec-network-gradient"
_F, _B = "stack_forward", "stack_backward"

# Lines of the reference that the changes below replace.
_ZIP = "zip(layers, bn_params, strict=True)"
_CALL = 'x, cache = hidden_forward(x, layer["W"], layer["gamma"], layer["beta"], bn_param)'
_REVERSED = "reversed(caches)"
_STEP = "dout, dW, dgamma, dbeta = hidden_backward(dout, cache)"
_APPEND = 'grads.append({"W": dW, "gamma": dgamma, "beta": dbeta})'
_RETURN = "return dout, grads[::-1]"


def _entry(
    name: str, sentence: str, breaks: tuple[str, ...], *changes: tuple[str, str, str], section: str = _SECTION
) -> Misconception:
    return Misconception(name, sentence, section, breaks, changes, "hidden_layer")


# fmt: off
CATALOGUE = (
    _entry("every layer gets the input of the stack",
           "every layer gets the input of the stack and not the output of the layer before", (VALUE, DX, GRADS),
           (_F, _CALL, _CALL.replace("x, cache", "out, cache")), (_F, "return x, caches", "return out, caches")),
    _entry("one bn_param for all layers", "all layers use the bn_param of the first", (VALUE,),
           (_F, _CALL, _CALL.replace("bn_param)", "bn_params[0])")), section="sec-forward-running"),
    _entry("gamma and beta of the first layer for all", "all layers use the gamma and the beta of the first",
           (VALUE, GRADS), (_F, _CALL, _CALL.replace('layer["gamma"], layer[', 'layers[0]["gamma"], layers[0]['))),
    _entry("parameters of the first layer for all", "all layers use the parameters of the first", (VALUE, GRADS),
           (_F, _CALL, _CALL.replace("layer[", "layers[0]["))),
    _entry("last layer left out", "the last layer is left out", (VALUE, GRADS),
           (_F, _ZIP, "zip(layers[:-1], bn_params, strict=False)")),
    _entry("first layer left out", "the first layer is left out", (VALUE, GRADS),
           (_F, _ZIP, "zip(layers[1:], bn_params[1:], strict=True)")),
    _entry("layers from the last to the first", "the last layer comes first on the way forward", (VALUE, GRADS),
           (_F, _ZIP, "zip(layers[::-1], bn_params[::-1], strict=True)")),
    _entry("layers walked forward", "the gradient passes the first layer first", (DX, GRADS),
           (_B, _REVERSED, "caches"), (_B, _RETURN, "return dout, grads")),
    _entry("grads from the last layer first", "grads begins with the last layer", (GRADS,),
           (_B, _RETURN, "return dout, grads")),
    _entry("the same dout for every layer", "every layer gets the dout of the last", (DX, GRADS),
           (_B, _STEP, _STEP.replace("dout, dW", "dx, dW")), (_B, _RETURN, "return dx, grads[::-1]")),
    _entry("cache of the last layer for all", "every layer gets the cache of the last", (DX, GRADS),
           (_B, _STEP, _STEP.replace("cache)", "caches[-1])"))),
    _entry("cache of the first layer for all", "every layer gets the cache of the first", (DX, GRADS),
           (_B, _STEP, _STEP.replace("cache)", "caches[0])"))),
    _entry("gradient at the last layer's input",
           "dx belongs to the input of the last layer and not to that of the first",
           (DX,), (_B, "grads = []", "grads, top = [], dout"),
           (_B, _RETURN, "return hidden_backward(top, caches[-1])[0], grads[::-1]")),
    _entry("gamma and beta from the last layer first", "the gradients of gamma and beta stand at the wrong layers",
           (GRADS,), (_B, _RETURN, 'return dout, [{**g, "W": h["W"]} for g, h in zip(grads, grads[::-1])]')),
    _entry("one dict over and over", "grads holds the same dict for every layer, and each layer overwrites it",
           (GRADS,),
           (_B, "grads = []", "grads, g = [], {}"),
           (_B, _APPEND, 'g.update({"W": dW, "gamma": dgamma, "beta": dbeta})\n        grads.append(g)')),
)
# fmt: on

TOPIC = Topic(REFERENCE, CATALOGUE, visible(), hidden)
