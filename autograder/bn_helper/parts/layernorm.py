"""Layer normalization: each example by itself, forward and backward.

A mistake of broadcasting raises an error for N != D and goes unseen for N = D, so that each pass is tried on both;
first on as many examples as features, where its numbers tell what it is.
"""

from dataclasses import replace

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, array, ask, same_without, several
from .gradients import Layer
from .offset import beside_offset, offset_claim

FORWARD = "layernorm_forward"


def _forward(call: Call, x: np.ndarray, probe: Probe) -> tuple[np.ndarray, Handle, Reply]:
    parameters = probe.gamma.astype(x.dtype), probe.beta.astype(x.dtype)
    reply = ask(call, FORWARD, x, *parameters, {"eps": probe.eps})
    return _out(reply), reply.kept[1], reply


def _out(reply: Reply) -> np.ndarray:
    return array(several(reply, FORWARD, "(out, cache)", 2)[0], "out")


def constant_example(x: np.ndarray) -> np.ndarray:
    """Return a copy of x of which the first row is 2 everywhere."""
    x = x.copy()
    x[0] = 2.0
    return x


def _square(probe: Probe) -> Probe:
    """Return the probe with as many examples as features."""
    return replace(probe, inputs={**probe.inputs, "x": probe.x_square, "dout": probe.dout_square})


def values_square(call: Call, probe: Probe) -> Notes:
    return {"out for N = D": _forward(call, probe.x_square, probe)[0]}


def values(call: Call, probe: Probe) -> Notes:
    return {
        "out": _forward(call, probe.x, probe)[0],
        "out of an example alone": _forward(call, probe.x[:1], probe)[0],
    }


def values_constant_example(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, constant_example(probe.x), probe)[0]}


def values_float32(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, probe.x.astype(np.float32), probe)[0].astype(np.float64)}


def values_offset(call: Call, probe: Probe) -> Notes:
    return beside_offset(lambda x: _forward(call, x, probe)[0], probe.x, probe.x[:, ::-1].copy(), axis=1)


def default_eps(call: Call, probe: Probe) -> Notes:
    args = (probe.x, probe.gamma, probe.beta)
    return {"without eps in ln_param, it is 1e-5": same_without(call, FORWARD, args, {"eps": 1e-5}, "eps", _out)}


def keeps(call: Call, probe: Probe) -> Notes:
    arguments = _forward(call, probe.x, probe)[2].arguments
    names = [f"{name} after the call, which should not change it," for name in ("x", "gamma", "beta")]
    return {name: array(value, name) for name, value in zip(names, arguments, strict=False)}


def lacking(probe: Probe, name: str, dx: np.ndarray) -> str:
    """Name the sums of dx that are not zero: over the features, for each example."""
    if name != "dx" or not (np.abs(dx.sum(axis=1)) > 1e-6 * np.abs(dx).sum(axis=1)).any():
        return ""
    return "Over the features, each row of dx sums to zero; yours does not."


BACKWARD = Layer(
    backward="layernorm_backward",
    cache=lambda call, probe, x: _forward(call, x, probe)[1],
    constant=constant_example,
    constant_where="an example",
    broken=lacking,
    overwrites=("dout of layers overwritten", "cache of examples overwritten"),
    section="sec-beyond-layer",
)


def dx_square(call: Call, probe: Probe) -> Notes:
    return BACKWARD.gradient(0, "dx for N = D")(call, _square(probe))


PARTS = (
    Part(
        f"{FORWARD}-value",
        FORWARD,
        "sec-beyond-layer",
        (
            Claim("out is right for as many examples as features", values_square, 0.25, core=True),
            Claim("out is right", values, 0.375, core=True),
            Claim("eps has its default", default_eps, 0.0625),
            Claim("out is right where an example is constant", values_constant_example, 0.0625),
            Claim("out is right in float32", values_float32, 0.0625, tolerance=1e-4),
            offset_claim(values_offset, 0.0625, ("mean of squares of examples", "")),
            Claim("x, gamma and beta are not modified", keeps, 0.125),
        ),
    ),
    *BACKWARD.parts(Claim("dx is right for as many examples as features", dx_square, 0.125, core=True)),
)
