"""The numerical gradient of a function, and the relative error of two gradients."""

from collections.abc import Callable

import numpy as np

from ..calls import Call, Function, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, array, ask, number

Differentiable = Callable[[np.ndarray], np.ndarray]

_STEEP = 3e4  # with h = 1e-5 the difference of its sine is off by 1.5 %, with another h by another share

# The numerical gradient


def _mixed(probe: Probe) -> Differentiable:
    """Return a bent function whose every output depends on all inputs of its row."""

    def f(x: np.ndarray) -> np.ndarray:
        return np.tanh(x @ probe.W)

    return f


def _gradient(call: Call, f: Differentiable, *args: object, writes: bool = False) -> tuple[np.ndarray, Reply]:
    reply = ask(call, "numerical_gradient", Function(f, writes=writes), *args)
    return array(reply.result, "dx"), reply


def gradient_values(call: Call, probe: Probe) -> Notes:
    return {"dx": _gradient(call, _mixed(probe), probe.x, probe.df, probe.h)[0]}


def gradient_default(call: Call, probe: Probe) -> Notes:
    return {"dx where no h is given": _gradient(call, lambda x: np.sin(_STEEP * x), probe.x, probe.df)[0]}


def gradient_shapes(call: Call, probe: Probe) -> Notes:
    """Try x with one axis and with three, and an f whose result has another shape than x."""
    flat, deep = probe.x.ravel(), probe.x.T[:, None, :]
    row = probe.df[:1]  # (1, D)
    return {
        "dx for x with one axis": _gradient(call, np.sin, flat, probe.df.ravel(), probe.h)[0],
        "dx for x with three axes": _gradient(call, np.sin, deep, probe.df.T[:, None, :], probe.h)[0],
        "dx for an f with a result of another shape": _gradient(
            call, lambda x: np.prod(np.cos(x), axis=0, keepdims=True), probe.x, row, probe.h
        )[0],
    }


def _depends(call: Call, probe: Probe) -> Notes:
    """Note whether dx depends on x, so that nothing is earned by an answer that is always the same."""
    first, second = (_gradient(call, _mixed(probe), x, probe.df, probe.h)[0] for x in (probe.x, probe.x_next))
    different = first.shape == second.shape == probe.x.shape and bool(np.abs(first - second).max() > 1e-6)
    return {"dx depends on x": different}


def gradient_keeps(call: Call, probe: Probe) -> Notes:
    kept = "x after the call, which should not change it,"
    reply = _gradient(call, _mixed(probe), probe.x, probe.df, probe.h)[1]
    return _depends(call, probe) | {kept: array(reply.arguments[1], kept)}


def gradient_overwritten(call: Call, probe: Probe) -> Notes:
    def overwriting(x: np.ndarray) -> np.ndarray:
        out = np.sin(x)
        x.fill(7.0)
        return out

    return _depends(call, probe) | {
        "dx stays the same if f overwrites the array that it gets": _same(call, probe, np.sin, overwriting)
    }


def gradient_returned(call: Call, probe: Probe) -> Notes:
    return _depends(call, probe) | {
        "dx stays the same if f returns the array that it gets": _same(call, probe, np.positive, lambda x: x)
    }


def _same(call: Call, probe: Probe, f: Differentiable, g: Differentiable) -> bool:
    one = _gradient(call, f, probe.x, probe.df, probe.h)[0]
    other = _gradient(call, g, probe.x, probe.df, probe.h, writes=True)[0]
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-6)


# The relative error


def _error(call: Call, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return number(ask(call, "relative_error", a, b).result, "the relative error")


def error_values(call: Call, probe: Probe) -> Notes:
    a, b = probe.a, probe.b
    return {
        "the relative error of a and b": _error(call, a, b),
        "the relative error of b and a": _error(call, b, a),
        "the relative error of -a and -b with one axis": _error(call, -a.ravel(), -b.ravel()),
        "the relative error of a and -a": _error(call, a, -a),
    }


def error_keeps(call: Call, probe: Probe) -> Notes:
    reply = ask(call, "relative_error", probe.a, probe.b)
    names = [f"{name} after the call, which should not change it," for name in ("a", "b")]
    return {name: array(value, name) for name, value in zip(names, reply.arguments, strict=False)}


def error_zeros(call: Call, probe: Probe) -> Notes:
    """Ask what holds for quotients of any kind, so that another mistake in the value does not cost this part too."""
    zero, two, three = np.zeros(1), np.full(1, 2.0), np.full(1, 3.0)
    beside = _error(call, np.append(zero, two), np.append(zero, three))
    alone = max(float(_error(call, zero, three)), float(_error(call, three, zero)))
    tiny = _error(call, 1e-100 * two, 1e-100 * three)
    return {
        "the relative error of zeros and zeros": _error(call, np.zeros((2, 3)), np.zeros((2, 3))),
        "the relative error is a number if both hold a zero in one place": bool(np.isfinite(beside)),
        "the relative error of 0 and 3 is not small": alone > 0.99,
        "the relative error of 2e-100 and 3e-100 is that of 2 and 3": np.allclose(tiny, _error(call, two, three)),
    }


def error_nan(call: Call, probe: Probe) -> Notes:
    holds_nan = probe.a.copy(), probe.a.copy()
    holds_nan[0][0, 0] = holds_nan[1][-1, -1] = np.nan
    notes: Notes = {"the relative error is a number if no entry is NaN": np.isfinite(_error(call, probe.a, probe.b))}
    for place, a in zip(("first", "last"), holds_nan, strict=True):
        for name, pair in (("a", (a, probe.b)), ("b", (probe.b, a))):
            notes[f"the relative error is NaN if the {place} entry of {name} is"] = np.isnan(_error(call, *pair))
    return {name: bool(holds) for name, holds in notes.items()}


PARTS = (
    Part(
        "numerical_gradient-value",
        "numerical_gradient",
        "sec-gradcheck-difference",
        (
            Claim("dx is the central difference of sum(f(x) * df)", gradient_values, 0.5, core=True),
            Claim("h is 1e-5 where none is given", gradient_default, 0.25),
            Claim("x and f(x) may have any shape", gradient_shapes, 0.25),
        ),
    ),
    Part(
        "numerical_gradient-keeps",
        "numerical_gradient",
        "sec-gradcheck-difference",
        (
            Claim("x is not modified", gradient_keeps, 0.5),
            Claim("f may overwrite what it gets", gradient_overwritten, 0.25),
            Claim("f may hand back what it gets", gradient_returned, 0.25),
        ),
    ),
    Part(
        "relative_error-value",
        "relative_error",
        "sec-gradcheck-error",
        (
            Claim("the relative error is right", error_values, 0.75, core=True),
            Claim("a and b are not modified", error_keeps, 0.25),
        ),
    ),
    Part(
        "relative_error-zeros",
        "relative_error",
        "sec-gradcheck-error",
        (Claim("zeros and tiny numbers are compared too", error_zeros, 1.0),),
    ),
    Part(
        "relative_error-nan",
        "relative_error",
        "sec-gradcheck-error",
        (Claim("a NaN is not passed over", error_nan, 1.0),),
    ),
)
