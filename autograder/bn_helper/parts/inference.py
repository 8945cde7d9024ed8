"""A trained layer in use: batch normalization folded into the layer before it, running averages converted."""

from typing import Any

import numpy as np

from ..calls import Call, CallError, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, Unusable, array, ask, describe, several

FOLD, CONVERT = "fold_batchnorm", "convert_running"
NAMES = ("book", "keras", "pytorch")


# Folding


def _fold(call: Call, probe: Probe, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, Reply]:
    parameters = probe.b, probe.gamma, probe.beta, probe.running_mean, probe.running_var
    reply = ask(call, FOLD, W, *parameters, probe.eps)
    folded = several(reply, FOLD, "(W, b)", 2)
    return array(folded[0], "W"), array(folded[1], "b"), reply


def fold_square(call: Call, probe: Probe) -> Notes:
    return {"W of as many inputs as outputs": _fold(call, probe, probe.W_square)[0]}


def fold_weights(call: Call, probe: Probe) -> Notes:
    return {"W": _fold(call, probe, probe.W)[0]}


def fold_bias(call: Call, probe: Probe) -> Notes:
    return {"b": _fold(call, probe, probe.W)[1]}


def fold_keeps(call: Call, probe: Probe) -> Notes:
    arguments = _fold(call, probe, probe.W)[2].arguments
    names = ("W", "b", "gamma", "beta", "running_mean", "running_var")
    kept = [f"{name} after the call, which should not change it," for name in names]
    return {name: array(value, name) for name, value in zip(kept, arguments, strict=False)}


# Converting


def _convert(call: Call, probe: Probe, source: str, target: str) -> tuple[Any, Reply]:
    reply = ask(call, CONVERT, probe.mean, probe.var, probe.n, probe.momentum, source, target)
    return several(reply, CONVERT, "(mean, var, momentum)", 3), reply


def _between(source: str, target: str) -> str:
    return f"from '{source}' to '{target}'"


def convert_mean(call: Call, probe: Probe) -> Notes:
    pairs = [(s, t) for s in NAMES for t in NAMES]
    return {f"mean {_between(*pair)}": array(_convert(call, probe, *pair)[0][0], "mean") for pair in pairs}


def convert_var(call: Call, probe: Probe) -> Notes:
    pairs = [(s, t) for s in NAMES for t in NAMES]
    return {f"var {_between(*pair)}": array(_convert(call, probe, *pair)[0][1], "var") for pair in pairs}


def convert_keeps(call: Call, probe: Probe) -> Notes:
    notes: Notes = {}
    for source, target in (("book", "pytorch"), ("pytorch", "keras")):
        arguments = _convert(call, probe, source, target)[1].arguments
        for name, value in zip(("mean", "var"), arguments, strict=False):
            notes[f"{name} after a call {_between(source, target)}, which should not change it,"] = array(value, name)
    return notes


def convert_momentum(call: Call, probe: Probe) -> Notes:
    notes: Notes = {}
    for source in NAMES:
        for target in NAMES:
            momentum = _convert(call, probe, source, target)[0][2]
            if not issubclass(type(momentum), float | np.floating | np.ndarray):
                brief = "momentum should be a number"
                raise Unusable(f"{brief}, and is {describe(momentum)}.", f"{brief}.")
            notes[f"momentum {_between(source, target)}"] = array(np.asarray(momentum), "momentum")
    return notes


def _error(call: Call, probe: Probe, n: int, source: str, target: str) -> CallError:
    """Return how a call fails; an error of no kind if it does not."""
    mean, var, _ = _convert(call, probe, "book", "keras")[0]
    array(mean, "mean"), array(var, "var")  # a function that always raises, or that converts nothing, refuses nothing
    return call(CONVERT, probe.mean, probe.var, n, probe.momentum, source, target).error or CallError("")


def refuse_unknown(call: Call, probe: Probe) -> Notes:
    source = _error(call, probe, probe.n, "caffe", "book")
    target = _error(call, probe, probe.n, "book", "theano")
    both = _error(call, probe, probe.n, "caffe", "caffe")
    return {
        "the source 'caffe' is refused with a ValueError": "ValueError" in source.kinds,
        "the target 'theano' is refused with a ValueError": "ValueError" in target.kinds,
        "'caffe' is refused as source and target at once": "ValueError" in both.kinds,
        "the message names 'caffe', the unknown source": "caffe" in source.text,
        "the message names 'theano', the unknown target": "theano" in target.text,
    }


def refuse_single(call: Call, probe: Probe) -> Notes:
    return {
        "n = 1 is refused with a ValueError on the way to 'pytorch'": "ValueError"
        in _error(call, probe, 1, "book", "pytorch").kinds,
        "n = 1 is refused with a ValueError on the way from 'pytorch'": "ValueError"
        in _error(call, probe, 1, "pytorch", "keras").kinds,
    }


def accept_single(call: Call, probe: Probe) -> Notes:
    return {
        "n = 1 is accepted between 'book' and 'keras'": _error(call, probe, 1, "book", "keras").kind == "",
        "n = 2 is accepted on the way to 'pytorch'": _error(call, probe, 2, "book", "pytorch").kind == "",
        "n = 2 is accepted on the way from 'pytorch'": _error(call, probe, 2, "pytorch", "keras").kind == "",
    }


PARTS = (
    Part(
        f"{FOLD}-value",
        FOLD,
        "sec-beyond-folding",
        (
            Claim("W is right for as many inputs as outputs", fold_square, 0.125),
            Claim("W is right", fold_weights, 0.25),
            Claim("b is right", fold_bias, 0.5),
            Claim("the arguments are not modified", fold_keeps, 0.125),
        ),
    ),
    Part(
        f"{CONVERT}-statistics",
        CONVERT,
        "sec-forward-conventions",
        (
            Claim("the running mean is right", convert_mean, 0.25),
            Claim("the running variance is right", convert_var, 0.5),
            Claim("the arguments are not modified", convert_keeps, 0.25),
        ),
    ),
    Part(
        f"{CONVERT}-momentum",
        CONVERT,
        "sec-forward-conventions",
        (Claim("momentum is right", convert_momentum, 1.0, core=True),),
    ),
    Part(
        f"{CONVERT}-errors",
        CONVERT,
        "sec-forward-conventions",
        (
            Claim("an unknown convention is refused by name", refuse_unknown, 0.5),
            Claim("n = 1 is refused where one of the two is 'pytorch'", refuse_single, 0.25),
            Claim("n = 1 is fine between the other two", accept_single, 0.25),
        ),
    ),
)
