"""The sigmoid forward and backward, the share of saturated entries, and gradient norms through a sigmoid network."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, Unusable, array, ask, describe, number, several

# The forward pass


def _forward(call: Call, x: np.ndarray) -> tuple[np.ndarray, Handle, Reply]:
    reply = ask(call, "sigmoid_forward", x)
    out, _ = several(reply, "sigmoid_forward", "(out, cache)", 2)
    return array(out, "out"), reply.kept[1], reply


def forward_values(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, probe.x)[0]}


def forward_shapes(call: Call, probe: Probe) -> Notes:
    return {f"out for x {where}": _forward(call, x)[0] for where, x in _shapes(probe.x).items()}


def forward_float32(call: Call, probe: Probe) -> Notes:
    return {"out": _forward(call, probe.x.astype(np.float32))[0].astype(np.float64)}


def forward_keeps(call: Call, probe: Probe) -> Notes:
    return {_kept("x"): array(_forward(call, probe.x)[2].arguments[0], _kept("x"))}


def _forward_large(dtype: type) -> Callable[[Call, Probe], Notes]:
    """Look at each side alone, because the two ways of writing the sigmoid overflow on different sides."""

    def script(call: Call, probe: Probe) -> Notes:
        large = probe.large[probe.large < np.finfo(dtype).max / 10].astype(dtype)
        notes: Notes = {}
        for side, sign in _SIDES:
            with np.errstate(over="warn", invalid="warn", divide="warn"):
                out, _, reply = _forward(call, dtype(sign) * large)
            warned = any(f"{trouble} encountered" in text for text in reply.warnings for trouble in _TROUBLES)
            notes[f"out for large {side} entries"] = out
            notes[f"large {side} entries cause no overflow and no warning"] = not warned
        return notes

    return script


_SIDES = (("negative", -1), ("positive", 1))
_TROUBLES = ("overflow", "invalid value", "divide by zero")


def _shapes(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the entries of x in arrays with one axis and with three."""
    return {"with one axis": x.ravel(), "with three axes": x.T[:, None, :]}


def _kept(name: str) -> str:
    return f"{name} after the call, which should not change it,"


def _not_between_zero_and_one(probe: Probe, name: str, out: np.ndarray) -> str:
    return "out lies between 0 and 1; yours does not everywhere." if ((out < 0) | (out > 1)).any() else ""


# The backward pass


def _backward(call: Call, x: np.ndarray, dout: np.ndarray) -> tuple[np.ndarray, Handle, Reply]:
    cache = _forward(call, x)[1]
    reply = ask(call, "sigmoid_backward", dout.astype(x.dtype), cache)
    return array(reply.result, "dx"), cache, reply


def backward_values(call: Call, probe: Probe) -> Notes:
    return {"dx": _backward(call, probe.x, probe.dout)[0]}


def backward_shapes(call: Call, probe: Probe) -> Notes:
    shaped = zip(_shapes(probe.x).items(), _shapes(probe.dout).values(), strict=True)
    return {f"dx for x {where}": _backward(call, x, dout)[0] for (where, x), dout in shaped}


def backward_float32(call: Call, probe: Probe) -> Notes:
    return {"dx": _backward(call, probe.x.astype(np.float32), probe.dout)[0].astype(np.float64)}


def backward_large(call: Call, probe: Probe) -> Notes:
    x = probe.large
    return {f"dx for large {side} entries": _backward(call, s * x, probe.dout_large)[0] for side, s in _SIDES}


def backward_keeps(call: Call, probe: Probe) -> Notes:
    return {_kept("dout"): array(_backward(call, probe.x, probe.dout)[2].arguments[0], _kept("dout"))}


def backward_again(call: Call, probe: Probe) -> Notes:
    _, cache, _ = _backward(call, probe.x, probe.dout)
    return {"dx of a second call": array(ask(call, "sigmoid_backward", probe.dout, cache).result, "dx")}


def _steeper_than_a_quarter(probe: Probe, name: str, dx: np.ndarray) -> str:
    if dx.shape == probe.dout.shape and (np.abs(dx) > np.abs(probe.dout) * 0.2501).any():
        return "No entry of dx can be larger than a quarter of its dout; yours is."
    return ""


# The saturated fraction


def _fraction(call: Call, *args: Any) -> np.ndarray:
    return number(ask(call, "saturated_fraction", *args).result, "fraction")


def fraction_values(call: Call, probe: Probe) -> Notes:
    return {"fraction": _fraction(call, probe.z)}


def fraction_shapes(call: Call, probe: Probe) -> Notes:
    single = probe.z.astype(np.float32)
    arrays = _shapes(probe.z) | {"in float32": single}
    return {f"fraction of entries {where}": _fraction(call, z) for where, z in arrays.items()}


def fraction_large(call: Call, probe: Probe) -> Notes:
    return {
        f"fraction of entries with large {side} ones": _fraction(call, np.append(probe.z, s * probe.large))
        for side, s in _SIDES
    }


def fraction_keeps(call: Call, probe: Probe) -> Notes:
    return {_kept("x"): array(ask(call, "saturated_fraction", probe.z).arguments[0], _kept("x"))}


def fraction_tol(call: Call, probe: Probe) -> Notes:
    return {f"fraction for {probe.tol_in_words}": _fraction(call, probe.z, probe.tol)}


def fraction_strict(call: Call, probe: Probe) -> Notes:
    """The derivative at 0 is 1/4 to the last digit, however it is computed."""
    return {"fraction for tol=0.25": _fraction(call, probe.z, 0.25)}


def _outside_zero_and_one(probe: Probe, name: str, fraction: np.ndarray) -> str:
    return "A share lies between 0 and 1." if not 0 <= fraction <= 1 else ""


# Gradient norms


_MOST_LAYERS = 100  # of the networks tried: what is longer is not looked at


def _norms(call: Call, x: np.ndarray, weights: list[np.ndarray], dout: np.ndarray) -> tuple[np.ndarray, Reply]:
    dtype = x.dtype
    reply = ask(call, "gradient_norms", x, [W.astype(dtype) for W in weights], dout.astype(dtype))
    norms = reply.result
    listed = issubclass(type(norms), list | tuple) or (issubclass(type(norms), np.ndarray) and norms.ndim == 1)
    if not listed or len(norms) > _MOST_LAYERS:
        brief = "gradient_norms should return a list of numbers, one for each layer"
        raise Unusable(f"{brief}, and returned {describe(norms)}.", f"{brief}.")
    return np.array([number(norm, "each of the norms") for norm in norms], dtype=np.float64), reply


def norms_values(call: Call, probe: Probe) -> Notes:
    """Sorted: their order is a claim of its own."""
    return {
        "norms from the smallest to the largest": np.sort(_norms(call, probe.x0, probe.weights, probe.dout_last)[0])
    }


def norms_order(call: Call, probe: Probe) -> Notes:
    return {"norms": _norms(call, probe.x0, probe.weights, probe.dout_last)[0]}


def norms_one_layer(call: Call, probe: Probe) -> Notes:
    return {"norms for one layer": _norms(call, probe.x_last, probe.weights[-1:], probe.dout_last)[0]}


def norms_float32(call: Call, probe: Probe) -> Notes:
    norms, _ = _norms(call, probe.x0.astype(np.float32), probe.weights, probe.dout_last)
    return {"norms from the smallest to the largest": np.sort(norms)}


def norms_keeps(call: Call, probe: Probe) -> Notes:
    x, weights, dout = _norms(call, probe.x0, probe.weights, probe.dout_last)[1].arguments
    if type(weights) is not list or len(weights) != len(probe.weights):
        raise Unusable("weights should be the same list after the call.")
    named = {"x": x, "dout": dout} | {f"weights[{layer}]": W for layer, W in enumerate(weights)}
    return {_kept(name): array(value, _kept(name)) for name, value in named.items()}


def _part(name: str, function: str, section: str, *claims: Claim) -> Part:
    return Part(f"{function}-{name}", function, f"sec-saturation-{section}", claims)


def _claim(text: str, script: Callable[[Call, Probe], Notes], share: float, **more: Any) -> Claim:
    return Claim(text, script, share, **more)


PARTS = (
    _part(
        "value",
        "sigmoid_forward",
        "derivative",
        _claim("out is right", forward_values, 0.625, core=True, broken=_not_between_zero_and_one),
        _claim("out is right whatever the shape of x", forward_shapes, 0.125),
        _claim("out is right in float32", forward_float32, 0.125, tolerance=1e-4),
        _claim("x is not modified", forward_keeps, 0.125),
    ),
    _part(
        "stable",
        "sigmoid_forward",
        "stable",
        _claim("large entries cause no overflow and no warning", _forward_large(np.float64), 0.75, core=True),
        _claim("nor do they in float32", _forward_large(np.float32), 0.25, tolerance=1e-4),
    ),
    _part(
        "dx",
        "sigmoid_backward",
        "derivative",
        _claim(
            "dx agrees with the numerical gradient", backward_values, 0.5, core=True, broken=_steeper_than_a_quarter
        ),
        _claim("dx is right whatever the shape of x", backward_shapes, 0.0625),
        _claim("dx is right in float32", backward_float32, 0.0625, tolerance=1e-4),
        _claim("dx is right for large entries", backward_large, 0.125),
        _claim("dout is not modified", backward_keeps, 0.125),
        _claim("a second call gives the same", backward_again, 0.125, betrays=("sigmoid cache overwritten", "")),
    ),
    _part(
        "value",
        "saturated_fraction",
        "fraction",
        _claim(
            "the fraction is right for the default tol", fraction_values, 0.625, core=True, broken=_outside_zero_and_one
        ),
        _claim("the fraction is right whatever the shape and type of x", fraction_shapes, 0.125),
        _claim("the fraction is right with large entries", fraction_large, 0.125),
        _claim("x is not modified", fraction_keeps, 0.125),
    ),
    _part(
        "tol",
        "saturated_fraction",
        "fraction",
        _claim("the fraction is right for another tol", fraction_tol, 0.5, core=True, broken=_outside_zero_and_one),
        _claim("an entry whose derivative is equal to tol does not count", fraction_strict, 0.5),
    ),
    _part(
        "value",
        "gradient_norms",
        "depth",
        _claim("the norms are right, whatever their order", norms_values, 0.5, core=True),
        _claim("a network of one layer has one norm", norms_one_layer, 0.125),
        _claim("the norms are right in float32", norms_float32, 0.125, tolerance=3e-4),
        _claim("x, weights and dout are not modified", norms_keeps, 0.25),
    ),
    _part(
        "order",
        "gradient_norms",
        "depth",
        _claim("the first layer's norm stands first", norms_order, 1.0, core=True),
    ),
)
