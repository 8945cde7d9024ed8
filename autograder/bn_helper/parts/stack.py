"""A stack of hidden layers: its forward and its backward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, Unusable, array, ask, describe, failure, several
from .hidden_layer import belongs, forward, kept

PARAMETERS = ("W", "gamma", "beta")
_SMALL = 1e-9

Layers = list[dict[str, np.ndarray]]


def _ask(call: Call, name: str, *args: Any) -> Reply:
    """Call a function of the stack; where it stops at a layer's that is not written yet, say so of that one."""
    try:
        return ask(call, name, *args)
    except Unusable as reason:
        below = name.replace("stack", "hidden")
        unwritten = "NotImplementedError"
        if reason.error is not None and reason.error.kind == unwritten:
            error = call(below, *_ANY[below]).error
            if error is not None and error.kind == unwritten:
                raise Unusable(failure(below, error), error=error) from None
        raise


_ANY = {
    "hidden_forward": (np.ones((2, 2)), np.ones((2, 2)), np.ones(2), np.ones(2), {"mode": "train"}),
    "hidden_backward": (np.ones((2, 2)), None),
}


def _stack(call: Call, x: np.ndarray, layers: Layers, eps: list[float]) -> tuple[np.ndarray, Handle, Reply]:
    copies = [{name: value.copy() for name, value in layer.items()} for layer in layers]
    reply = _ask(call, "stack_forward", x, copies, [{"mode": "train", "eps": value} for value in eps])
    out, _ = several(reply, "stack_forward", "(out, caches)", 2)
    return array(out, "out"), reply.kept[1], reply


def forward_values(call: Call, probe: Probe) -> Notes:
    return {"out": _stack(call, probe.x, probe.layers, probe.eps)[0]}


def forward_widths(call: Call, probe: Probe) -> Notes:
    out = _stack(call, probe.x_wide, probe.layers_wide, probe.eps)[0]
    return {"out of layers of different widths": out}


def forward_keeps(call: Call, probe: Probe) -> Notes:
    x, layers, _ = _stack(call, probe.x, probe.layers, probe.eps)[2].arguments
    notes = {kept("x"): array(x, kept("x"))}
    if type(layers) is not list or len(layers) != len(probe.layers):
        raise Unusable("layers should be the same list after the call.")
    for number, layer in enumerate(layers):
        for name in PARAMETERS:
            note = kept(f"layers[{number}]['{name}']")
            notes[note] = array(layer.get(name) if type(layer) is dict else None, note)
    return notes


def _backward(call: Call, probe: Probe) -> tuple[np.ndarray, Any]:
    caches = _stack(call, probe.x, probe.layers, probe.eps)[1]
    dx, grads = several(_ask(call, "stack_backward", probe.dout, caches), "stack_backward", "(dx, grads)", 2)
    return dx, grads


def backward_input(call: Call, probe: Probe) -> Notes:
    return {"dx": array(_backward(call, probe)[0], "dx")}


def backward_parameters(call: Call, probe: Probe) -> Notes:
    grads = _listed(_backward(call, probe)[1])
    notes: Notes = {"grads holds one dict for each layer": len(grads) == len(probe.layers)}
    for number in range(len(probe.layers)):
        for name in PARAMETERS:
            there = number < len(grads)
            notes[f"d{name} of layer {number}"] = (
                array(grads[number][name], f"grads[{number}]['{name}']") if there else np.zeros(0)
            )
    return notes


def _listed(grads: Any) -> list[Mapping[str, Any]]:
    """Take grads for a list of dicts of the three gradients; `Unusable` if it is none."""
    brief = "grads should be a list of dicts, one a layer"
    if not issubclass(type(grads), list | tuple):
        raise Unusable(f"{brief}, and is {describe(grads)}.", f"{brief}.")
    for number, layer in enumerate(grads):
        missing = [name for name in PARAMETERS if type(layer) is not dict or name not in layer]
        if missing:
            raise Unusable(f"grads[{number}] should be a dict with 'W', 'gamma' and 'beta'; it lacks '{missing[0]}'.")
    return list(grads)


# Where the functions of a layer are wrong themselves: what one gets when they are called layer by layer.


def _by_layers(call: Call, x: np.ndarray, layers: Layers, eps: list[float]) -> tuple[np.ndarray, list[Handle]]:
    caches = []
    for layer, value in zip(layers, eps, strict=True):
        x, cache, _ = forward(call, [x, *(layer[name] for name in PARAMETERS)], value)
        caches.append(cache)
    return x, caches


def _depends_on_all(call: Call, probe: Probe) -> bool:
    """Tell whether the layers hand on what they are given: a function that returns a constant is no layer."""
    out, _ = _by_layers(call, probe.x, probe.layers, probe.eps)
    others = [_by_layers(call, probe.x[::-1], probe.layers, probe.eps)[0]]
    for number, layer in enumerate(probe.layers):
        changed = [*probe.layers[:number], layer | {"W": layer["W"][::-1]}, *probe.layers[number + 1 :]]
        others.append(_by_layers(call, probe.x, changed, probe.eps)[0])
    return all(other.shape == out.shape and (np.abs(other - out) > 1e-4).any() for other in others)


def _same(mine: np.ndarray, right: np.ndarray) -> bool:
    return mine.shape == right.shape and bool((np.abs(mine - right) <= _SMALL * np.abs(right).max(initial=0.0)).all())


def _forward_on_layers(call: Call, probe: Probe) -> bool:
    composed, _ = _by_layers(call, probe.x, probe.layers, probe.eps)
    return _same(_stack(call, probe.x, probe.layers, probe.eps)[0], composed) and _depends_on_all(call, probe)


def _widths_on_layers(call: Call, probe: Probe) -> bool:
    composed, _ = _by_layers(call, probe.x_wide, probe.layers_wide, probe.eps)
    return _same(_stack(call, probe.x_wide, probe.layers_wide, probe.eps)[0], composed)


def _composed(call: Call, probe: Probe) -> tuple[np.ndarray, Layers]:
    dout, grads = probe.dout, []
    for cache in _by_layers(call, probe.x, probe.layers, probe.eps)[1][::-1]:
        reply = ask(call, "hidden_backward", dout, cache)
        dout, *rest = (array(value, "") for value in several(reply, "hidden_backward", "", 4))
        grads.append(dict(zip(PARAMETERS, rest, strict=True)))
    return dout, grads[::-1]


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    """Put arrays and their shapes into one vector, so that a gradient that is zero but for rounding equals another."""
    return np.concatenate([np.append(value.ravel(), np.array(value.shape) * 1e-3) for value in arrays])


def _as_composed(call: Call, probe: Probe, mine: list[np.ndarray], of: Callable[[Any], list[np.ndarray]]) -> bool:
    try:
        composed = of(_composed(call, probe))
    except Unusable:
        return False
    nonzero = max(np.abs(value).max(initial=0.0) for value in composed) > _SMALL
    return nonzero and _same(_joined(mine), _joined(composed)) and _depends_on_all(call, probe)


def _input_on_own(call: Call, probe: Probe) -> bool:
    dx = array(_backward(call, probe)[0], "")
    if _as_composed(call, probe, [dx], lambda gradients: [gradients[0]]):
        return True

    def out(values: list[np.ndarray]) -> np.ndarray:
        return _stack(call, values[0], probe.layers, probe.eps)[0]

    return belongs([dx], out, [probe.x], probe.dout)


def _parameters_on_own(call: Call, probe: Probe) -> bool:
    grads = _listed(_backward(call, probe)[1])
    mine = [array(layer[name], "") for layer in grads for name in PARAMETERS]
    if _as_composed(
        call, probe, mine, lambda gradients: [layer[name] for layer in gradients[1] for name in PARAMETERS]
    ):
        return True

    def out(values: list[np.ndarray]) -> np.ndarray:
        left = iter(values)
        layers = [{name: next(left) for name in PARAMETERS} for _ in probe.layers]
        return _stack(call, probe.x, layers, probe.eps)[0]

    return belongs(mine, out, [layer[name] for layer in probe.layers for name in PARAMETERS], probe.dout)


_SECTION = "sec-network-gradient"

PARTS = (
    Part(
        "stack_forward-value",
        "stack_forward",
        _SECTION,
        (
            Claim("out is right", forward_values, 0.75, core=True, on_own=_forward_on_layers),
            Claim("layers may differ in width", forward_widths, 0.125, on_own=_widths_on_layers),
            Claim("x and layers are not modified", forward_keeps, 0.125),
        ),
    ),
    Part(
        "stack_backward-dx",
        "stack_backward",
        _SECTION,
        (Claim("dx agrees with the numerical gradient", backward_input, 1.0, core=True, on_own=_input_on_own),),
    ),
    Part(
        "stack_backward-grads",
        "stack_backward",
        _SECTION,
        (
            Claim(
                "the gradients of all layers agree with the numerical ones",
                backward_parameters,
                1.0,
                core=True,
                on_own=_parameters_on_own,
            ),
        ),
    ),
)
