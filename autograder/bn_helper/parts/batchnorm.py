"""Batch normalization: the forward pass, the nodes of the backward pass, and the backward pass."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, Unusable, array, ask, same_without, several
from .gradients import Layer
from .offset import beside_offset, offset_claim

# The forward pass


def _forward(call: Call, x: np.ndarray, probe: Probe, param: dict[str, Any]) -> tuple[np.ndarray, Handle, Reply]:
    dtype = x.dtype
    reply = ask(call, "batchnorm_forward", x, probe.gamma.astype(dtype), probe.beta.astype(dtype), param)
    return _out(reply), reply.kept[1], reply


def _out(reply: Reply) -> np.ndarray:
    return array(several(reply, "batchnorm_forward", "(out, cache)", 2)[0], "out")


def _train(probe: Probe, **more: Any) -> dict[str, Any]:
    start = {"running_mean": np.zeros_like(probe.gamma), "running_var": np.zeros_like(probe.gamma)}
    return {"mode": "train", "eps": probe.eps, "momentum": probe.momentum, **start, **more}


def _test(probe: Probe) -> dict[str, Any]:
    return {
        "mode": "test",
        "eps": probe.eps,
        "momentum": probe.momentum,
        "running_mean": probe.running_mean,
        "running_var": probe.running_var,
    }


def train_values(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, probe.x, probe, _train(probe))[0]}


def train_float32(call: Call, probe: Probe) -> Notes:
    zeros = np.zeros(probe.gamma.shape, dtype=np.float32)
    param = _train(probe, running_mean=zeros, running_var=zeros)
    return {"out": _forward(call, probe.x.astype(np.float32), probe, param)[0].astype(np.float64)}


def train_constant_column(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, constant_column(probe.x), probe, _train(probe))[0]}


def train_default_eps(call: Call, probe: Probe) -> Notes:
    args, param = (probe.x, probe.gamma, probe.beta), _train(probe, eps=1e-5)
    same = same_without(call, "batchnorm_forward", args, param, "eps", _out)
    return {"without eps in bn_param, it is 1e-5": same}


def train_keeps(call: Call, probe: Probe) -> Notes:
    return _kept(_forward(call, probe.x, probe, _train(probe))[2])


def offset_values(call: Call, probe: Probe) -> Notes:
    return beside_offset(lambda x: _forward(call, x, probe, _train(probe))[0], probe.x, probe.x_next, axis=0)


def _kept(reply: Reply) -> Notes:
    names = [f"{name} after the call, which should not change it," for name in ("x", "gamma", "beta")]
    return {name: array(value, name) for name, value in zip(names, reply.arguments, strict=False)}


def _running(param: Any, name: str, mode: str = "train") -> np.ndarray:
    if type(param) is not dict:
        raise Unusable(f"bn_param cannot be read after a call in {mode} mode; its keys should be names.")
    if name not in param:
        raise Unusable(f"bn_param['{name}'] is missing after a call in {mode} mode.")
    return array(param[name], f"bn_param['{name}']")


def _running_after(name: str) -> Callable[[Call, Probe], Notes]:
    def script(call: Call, probe: Probe) -> Notes:
        param = _train(probe, running_mean=probe.running_mean, running_var=probe.running_var)
        first = _forward(call, probe.x, probe, param)[2].arguments[3]
        once = _running(first, name)
        second = _forward(call, probe.x_next, probe, first)[2].arguments[3]
        return {f"{name} after one batch": once, f"{name} after two batches": _running(second, name)}

    return script


def running_start(call: Call, probe: Probe) -> Notes:
    param = {"mode": "train", "eps": probe.eps, "momentum": probe.momentum}
    after = _forward(call, probe.x, probe, param)[2].arguments[3]
    names = ("running_mean", "running_var")
    started = {f"{name} after one batch, with no start given,": _running(after, name) for name in names}

    def mean(reply: Reply) -> np.ndarray:
        return _running(reply.arguments[3], "running_mean")

    args, param = (probe.x, probe.gamma, probe.beta), _train(probe, momentum=0.9)
    same = same_without(call, "batchnorm_forward", args, param, "momentum", mean)
    return started | {"without momentum in bn_param, it is 0.9": same}


def test_values(call: Call, probe: Probe) -> Notes:
    return {
        "out": _forward(call, probe.x, probe, _test(probe))[0],
        "out of a batch of one": _forward(call, probe.x_next[:1], probe, _test(probe))[0],
    }


def test_keeps(call: Call, probe: Probe) -> Notes:
    reply = _forward(call, probe.x, probe, _test(probe))[2]
    param = reply.arguments[3]
    return _kept(reply) | {name: _running(param, name, "test") for name in ("running_mean", "running_var")}


def _refusal(call: Call, probe: Probe, param: dict[str, Any]) -> Reply:
    _forward(call, probe.x, probe, _train(probe))  # a function that raises always refuses nothing
    return call("batchnorm_forward", probe.x, probe.gamma, probe.beta, param)


def mode_unknown(call: Call, probe: Probe) -> Notes:
    error = _refusal(call, probe, _train(probe, mode="predict")).error
    return {
        "mode 'predict' is refused": error is not None,
        "mode 'predict' raises a ValueError": error is not None and "ValueError" in error.kinds,
        "the message names the mode": error is not None and "predict" in error.text,
    }


def mode_missing(call: Call, probe: Probe) -> Notes:
    param = _train(probe)
    del param["mode"]
    error = _refusal(call, probe, param).error
    allowed = {"KeyError", "ValueError"}
    return {"a missing mode raises a KeyError or a ValueError": error is not None and bool(allowed & {*error.kinds})}


# The backward pass


def _statistics(probe: Probe) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return probe.x, np.mean(probe.x, axis=0), np.var(probe.x, axis=0)


def _single(call: Call, name: str, result: str, *args: Any) -> Notes:
    return {result: array(ask(call, name, *args).result, result)}


# dx_hat, dvar and dmu are inputs of a node here: any values serve, and none needs the nodes before it.


def node_x_hat(call: Call, probe: Probe) -> Notes:
    return _single(call, "backward_x_hat", "dx_hat", probe.dout, probe.gamma)


def node_var(call: Call, probe: Probe) -> Notes:
    return _single(call, "backward_var", "dvar", probe.dout, *_statistics(probe), probe.eps)


def node_mu(call: Call, probe: Probe) -> Notes:
    return _single(call, "backward_mu", "dmu", probe.dout, probe.gamma, *_statistics(probe), probe.eps)


def node_x(call: Call, probe: Probe) -> Notes:
    return _single(call, "backward_x", "dx", probe.dout, probe.gamma, probe.beta, *_statistics(probe), probe.eps)


def lacking(probe: Probe, name: str, dx: np.ndarray) -> str:
    """Name the identities of dx that do not hold: its sum over the batch, and its sum against x_hat."""
    if name != "dx":
        return ""
    # sum(dx * x_hat) = gamma * eps * inv_std**3 * dgamma, both sides times the standard deviation
    centred = probe.x - probe.x.mean(axis=0)
    left = np.einsum("nd,nd->d", dx, centred)
    right = probe.gamma * probe.eps * (probe.x.var(axis=0) + probe.eps) ** -1.5 * (probe.dout * centred).sum(axis=0)
    sentences = []
    if (np.abs(dx.sum(axis=0)) > 1e-6 * np.abs(dx).sum(axis=0)).any():
        sentences.append("Over the batch, each column of dx sums to zero; yours does not.")
    if (np.abs(left - right) > 1e-6 * np.abs(dx * centred).sum(axis=0)).any():
        sentences.append("Over the batch, dx * x_hat sums to gamma * eps * inv_std**3 * dgamma; yours does not.")
    return " ".join(sentences)


def constant_column(x: np.ndarray) -> np.ndarray:
    """Return a copy of x of which the first column is 2 everywhere."""
    x = x.copy()
    x[:, 0] = 2.0
    return x


def _node(name: str, script: Callable[[Call, Probe], Notes], section: str) -> Part:
    return Part(f"{name}-value", name, section, (Claim("agrees with the numerical gradient", script, 1.0, core=True),))


def _backward(name: str, section: str) -> Layer:
    return Layer(
        backward=name,
        cache=lambda call, probe, x: _forward(call, x, probe, _train(probe))[1],
        constant=constant_column,
        constant_where="a column",
        broken=lacking,
        overwrites=("", "cache overwritten"),
        section=section,
        of_parameters="sec-backward-parameters",
        manners=0.125,
    )


PARTS = (
    Part(
        "batchnorm_forward-train",
        "batchnorm_forward",
        "sec-forward-normalize",
        (
            Claim("out is right in train mode", train_values, 0.6875, core=True),
            Claim("eps has its default", train_default_eps, 0.0625),
            Claim("out is right where a column of x is constant", train_constant_column, 0.0625),
            Claim("out is right in float32", train_float32, 0.0625, tolerance=1e-4),
            Claim("x, gamma and beta are not modified", train_keeps, 0.125),
        ),
    ),
    Part(
        "batchnorm_forward-running",
        "batchnorm_forward",
        "sec-forward-running",
        (
            Claim("the running mean is right", _running_after("running_mean"), 0.4),
            Claim("the running variance is right", _running_after("running_var"), 0.4),
            Claim("running averages that are not given start at zero", running_start, 0.2),
        ),
    ),
    Part(
        "batchnorm_forward-test",
        "batchnorm_forward",
        "sec-forward-inference",
        (
            Claim("out is right in test mode", test_values, 0.75, core=True),
            Claim("a call in test mode changes nothing", test_keeps, 0.25),
        ),
    ),
    Part(
        "batchnorm_forward-mode",
        "batchnorm_forward",
        "sec-forward-inference",
        (
            Claim("an unknown mode is refused by name", mode_unknown, 0.5),
            Claim("a missing mode is refused", mode_missing, 0.5),
        ),
    ),
    Part(
        "batchnorm_forward-offset",
        "batchnorm_forward",
        "sec-forward-accuracy",
        (offset_claim(offset_values, 1.0, ("mean of squares", "batchnorm_forward-train"), core=True),),
    ),
    _node("backward_x_hat", node_x_hat, "sec-backward-nodes"),
    _node("backward_var", node_var, "sec-backward-nodes"),
    _node("backward_mu", node_mu, "sec-backward-nodes"),
    _node("backward_x", node_x, "sec-backward-nodes"),
    *_backward("batchnorm_backward", "sec-backward-paths").parts(),
    *_backward("batchnorm_backward_alt", "sec-backward-closed-form").parts(),
)
