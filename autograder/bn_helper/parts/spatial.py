"""Batch normalization of feature maps: one mean and one variance for each channel, forward and backward."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, Unusable, array, ask, same_without, several
from .gradients import Layer
from .offset import beside_offset, offset_claim

FORWARD = "spatial_batchnorm_forward"


def _param(probe: Probe, mode: str, dtype: Any = np.float64) -> dict[str, Any]:
    """Return bn_param with running values; float32 maps come with float32 running values."""
    running = {name: getattr(probe, name).astype(dtype) for name in ("running_mean", "running_var")}
    return {"mode": mode, "eps": probe.eps, "momentum": probe.momentum, **running}


def _forward(call: Call, x: np.ndarray, probe: Probe, param: dict[str, Any]) -> tuple[np.ndarray, Handle, Reply]:
    reply = ask(call, FORWARD, x, probe.gamma.astype(x.dtype), probe.beta.astype(x.dtype), param)
    return _out(reply), reply.kept[1], reply


def _out(reply: Reply) -> np.ndarray:
    return array(several(reply, FORWARD, "(out, cache)", 2)[0], "out")


def _in_train_mode(call: Call, probe: Probe, x: np.ndarray) -> tuple[np.ndarray, Handle, Reply]:
    return _forward(call, x, probe, _param(probe, "train", x.dtype))


def constant_channel(x: np.ndarray) -> np.ndarray:
    """Return a copy of x of which the first channel is 2 everywhere."""
    x = x.copy()
    x[:, 0] = 2.0
    return x


def train_values(call: Call, probe: Probe) -> Notes:
    return {"out": _in_train_mode(call, probe, probe.x)[0]}


def train_constant_channel(call: Call, probe: Probe) -> Notes:
    return {"out": _in_train_mode(call, probe, constant_channel(probe.x))[0]}


def train_float32(call: Call, probe: Probe) -> Notes:
    return {"out": _in_train_mode(call, probe, probe.x.astype(np.float32))[0].astype(np.float64)}


def train_default_eps(call: Call, probe: Probe) -> Notes:
    args, param = (probe.x, probe.gamma, probe.beta), {**_param(probe, "train"), "eps": 1e-5}
    return {"without eps in bn_param, it is 1e-5": same_without(call, FORWARD, args, param, "eps", _out)}


def train_offset(call: Call, probe: Probe) -> Notes:
    return beside_offset(lambda x: _in_train_mode(call, probe, x)[0], probe.x, probe.x_next, axis=(0, 2, 3))


def _kept(reply: Reply) -> Notes:
    names = [f"{name} after the call, which should not change it," for name in ("x", "gamma", "beta")]
    return {name: array(value, name) for name, value in zip(names, reply.arguments, strict=False)}


def train_keeps(call: Call, probe: Probe) -> Notes:
    return _kept(_in_train_mode(call, probe, probe.x)[2])


def _after(reply: Reply, name: str) -> np.ndarray:
    param = reply.arguments[3]
    if type(param) is not dict or name not in param:
        raise Unusable(f"bn_param['{name}'] is missing after the call.")
    return array(param[name], f"bn_param['{name}']")


def _running(name: str) -> Callable[[Call, Probe], Notes]:
    def script(call: Call, probe: Probe) -> Notes:
        first = _in_train_mode(call, probe, probe.x)[2]
        once = _after(first, name)
        twice = _after(_forward(call, probe.x_next, probe, first.arguments[3])[2], name)
        return {f"{name} after one batch": once, f"{name} after two batches": twice}

    return script


def running_start(call: Call, probe: Probe) -> Notes:
    param = {"mode": "train", "eps": probe.eps, "momentum": probe.momentum}
    reply = _forward(call, probe.x, probe, param)[2]
    names = ("running_mean", "running_var")
    started = {f"{name} after one batch, with no start given,": _after(reply, name) for name in names}

    def mean(reply: Reply) -> np.ndarray:
        return _after(reply, "running_mean")

    args, param = (probe.x, probe.gamma, probe.beta), {**_param(probe, "train"), "momentum": 0.9}
    same = same_without(call, FORWARD, args, param, "momentum", mean)
    return started | {"without momentum in bn_param, it is 0.9": same}


def test_values(call: Call, probe: Probe) -> Notes:
    return {
        "out": _forward(call, probe.x, probe, _param(probe, "test"))[0],
        "out of a batch of one": _forward(call, probe.x_next[:1], probe, _param(probe, "test"))[0],
    }


def test_keeps(call: Call, probe: Probe) -> Notes:
    reply = _forward(call, probe.x, probe, _param(probe, "test"))[2]
    return _kept(reply) | {name: _after(reply, name) for name in ("running_mean", "running_var")}


def test_refuses(call: Call, probe: Probe) -> Notes:
    _in_train_mode(call, probe, probe.x)  # a function that raises always refuses nothing
    error = call(FORWARD, probe.x, probe.gamma, probe.beta, _param(probe, "predict")).error
    return {
        "mode 'predict' is refused with a ValueError": error is not None and "ValueError" in error.kinds,
        "the message names the mode": error is not None and "predict" in error.text,
    }


def lacking(probe: Probe, name: str, dx: np.ndarray) -> str:
    """Name the sums of dx that are not zero: over the batch and all positions, for each channel."""
    axes = (0, 2, 3)
    if name != "dx" or not (np.abs(dx.sum(axis=axes)) > 1e-6 * np.abs(dx).sum(axis=axes)).any():
        return ""
    return "Over the batch and all positions, each channel of dx sums to zero; yours does not."


BACKWARD = Layer(
    backward="spatial_batchnorm_backward",
    cache=lambda call, probe, x: _in_train_mode(call, probe, x)[1],
    constant=constant_channel,
    constant_where="a channel",
    broken=lacking,
    overwrites=("dout of maps overwritten", "cache of maps overwritten"),
    section="sec-beyond-spatial",
)

PARTS = (
    Part(
        f"{FORWARD}-train",
        FORWARD,
        "sec-beyond-spatial",
        (
            Claim("out is right in train mode", train_values, 0.625, core=True),
            Claim("eps has its default", train_default_eps, 0.0625),
            Claim("out is right where a channel of x is constant", train_constant_channel, 0.0625),
            Claim("out is right in float32", train_float32, 0.0625, tolerance=1e-4),
            offset_claim(train_offset, 0.0625, ("mean of squares of maps", "")),
            Claim("x, gamma and beta are not modified", train_keeps, 0.125),
        ),
    ),
    Part(
        f"{FORWARD}-running",
        FORWARD,
        "sec-forward-running",
        (
            Claim("the running mean is right", _running("running_mean"), 0.4),
            Claim("the running variance is right", _running("running_var"), 0.4),
            Claim("running averages that are not given start at zero", running_start, 0.2),
        ),
    ),
    Part(
        f"{FORWARD}-test",
        FORWARD,
        "sec-forward-inference",
        (
            Claim("out is right in test mode", test_values, 0.625, core=True),
            Claim("an unknown mode is refused by name", test_refuses, 0.125),
            Claim("a call in test mode changes nothing", test_keeps, 0.25),
        ),
    ),
    *BACKWARD.parts(),
)
