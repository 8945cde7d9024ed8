"""A hidden layer with batch normalization: its forward and its backward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, array, ask, several

INPUTS = ("x", "W", "gamma", "beta")
_RETURNS = "(dx, dW, dgamma, dbeta)"


def forward(call: Call, inputs: list[np.ndarray], eps: float) -> tuple[np.ndarray, Handle, Reply]:
    """Call `hidden_forward` in train mode."""
    reply = ask(call, "hidden_forward", *inputs, {"mode": "train", "eps": eps})
    out, _ = several(reply, "hidden_forward", "(out, cache)", 2)
    return array(out, "out"), reply.kept[1], reply


def inputs_of(probe: Probe) -> list[np.ndarray]:
    return [getattr(probe, name) for name in INPUTS]


def forward_values(call: Call, probe: Probe) -> Notes:
    return {"out": forward(call, inputs_of(probe), probe.eps)[0]}


def forward_float32(call: Call, probe: Probe) -> Notes:
    single = [value.astype(np.float32) for value in inputs_of(probe)]
    return {"out": forward(call, single, probe.eps)[0].astype(np.float64)}


def forward_keeps(call: Call, probe: Probe) -> Notes:
    reply = forward(call, inputs_of(probe), probe.eps)[2]
    names = [kept(name) for name in INPUTS]
    return {name: array(value, name) for name, value in zip(names, reply.arguments, strict=False)}


def kept(name: str) -> str:
    return f"{name} after the call, which should not change it,"


def _not_between_zero_and_one(probe: Probe, name: str, out: np.ndarray) -> str:
    return "The output of a sigmoid lies between 0 and 1." if (out < 0).any() or (out > 1).any() else ""


def _gradients(call: Call, probe: Probe) -> tuple[tuple[Any, ...], Handle, Reply]:
    cache = forward(call, inputs_of(probe), probe.eps)[1]
    reply = ask(call, "hidden_backward", probe.dout, cache)
    return several(reply, "hidden_backward", _RETURNS, 4), cache, reply


def _gradient(place: int) -> Callable[[Call, Probe], Notes]:
    name = f"d{INPUTS[place]}"

    def script(call: Call, probe: Probe) -> Notes:
        return {name: array(_gradients(call, probe)[0][place], name)}

    return script


def gradient_keeps(call: Call, probe: Probe) -> Notes:
    return {kept("dout"): array(_gradients(call, probe)[2].arguments[0], kept("dout"))}


def gradient_again(call: Call, probe: Probe) -> Notes:
    gradients, cache = _gradients(call, probe)[:2]
    again = several(ask(call, "hidden_backward", probe.dout, cache), "hidden_backward", _RETURNS, 4)
    first, second = array(gradients[0], "dx"), array(again[0], "dx")
    same = first.shape == second.shape and np.allclose(first, second, rtol=1e-9, atol=1e-12)
    return {"a second call gives the same dx": bool(same)}


# Where the forward pass is wrong itself: the gradient that belongs to it. It is asked in a few directions.

_STEP = 1e-6
_AGREE = 1e-6


def belongs(
    gradients: list[np.ndarray], out: Callable[[list[np.ndarray]], np.ndarray], at: list[np.ndarray], dout: np.ndarray
) -> bool:
    """Tell whether gradients are those of sum(out(values) * dout), along directions that are drawn at random."""
    if [gradient.shape for gradient in gradients] != [value.shape for value in at]:
        return False
    rng = np.random.default_rng(5)
    told, asked = [], []
    for _ in range(4):
        ways = [rng.standard_normal(value.shape) for value in at]
        there, back = (out([v + step * w for v, w in zip(at, ways, strict=True)]) for step in (_STEP, -_STEP))
        if there.shape != dout.shape:
            return False
        asked.append(((there - back) / (2 * _STEP) * dout).sum())
        told.append(sum((g * w).sum() for g, w in zip(gradients, ways, strict=True)))
    size = np.abs(asked).max()
    return bool(size > 1e-3 and np.abs(np.subtract(told, asked)).max() <= _AGREE * size)


def _belongs_to_forward(place: int) -> Callable[[Call, Probe], bool]:
    def holds(call: Call, probe: Probe) -> bool:
        inputs = inputs_of(probe)

        def out(values: list[np.ndarray], at: int = place) -> np.ndarray:
            return forward(call, [*inputs[:at], *values, *inputs[at + 1 :]], probe.eps)[0]

        others_turned = np.concatenate([probe.x[:1], probe.x[1:] * -2])
        if not (np.abs(out([others_turned], 0)[0] - out([probe.x], 0)[0]) > 1e-3).any():
            return False  # where the examples of a batch do not touch each other, nothing is normalized
        gradient = array(_gradients(call, probe)[0][place], "")
        return belongs([gradient], out, [inputs[place]], probe.dout)

    return holds


def _backward_part(place: int, section: str, *more: Claim) -> Part:
    name = f"d{INPUTS[place]}"
    value = Claim(
        f"{name} agrees with the numerical gradient",
        _gradient(place),
        1.0 - sum(claim.share for claim in more),
        core=True,
        on_own=_belongs_to_forward(place),
    )
    return Part(f"hidden_backward-{name}", "hidden_backward", section, (value, *more))


PARTS = (
    Part(
        "hidden_forward-value",
        "hidden_forward",
        "sec-beyond-place",
        (
            Claim("out is right", forward_values, 0.75, core=True, broken=_not_between_zero_and_one),
            Claim("out is right in float32", forward_float32, 0.125, tolerance=1e-4),
            Claim("x, W, gamma and beta are not modified", forward_keeps, 0.125),
        ),
    ),
    _backward_part(
        0,
        "sec-network-gradient",
        Claim("dout is not modified", gradient_keeps, 0.125),
        Claim("a second call gives the same", gradient_again, 0.125, betrays=("hidden cache overwritten", "")),
    ),
    _backward_part(1, "sec-network-gradient"),
    _backward_part(2, "sec-backward-parameters"),
    _backward_part(3, "sec-backward-parameters"),
)
