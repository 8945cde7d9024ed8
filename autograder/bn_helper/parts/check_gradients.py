"""The student's own test of a layer: it has to accept right layers and to refuse wrong ones.

A part tries all its layers in one run, right and wrong ones mixed, so that an answer can follow from nothing but the
layer. A layer of which students may know is given by its name among the siblings, any other by a function.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..calls import Call, Function
from ..probes import Probe
from ..siblings import LAYERS
from .claims import Claim, Notes, Part, Unusable, ask, describe

_NAME = "check_gradients"

# What is wrong with a layer, for each part: a short name, and what the test refuses.
WRONG: dict[str, dict[str, str]] = {
    "dx": {
        "mean": "a dx that lacks the way through the mean",
        "spread": "a dx that lacks the way through the spread",
        "zero": "a dx of zeros",
        "gamma": "a dx without gamma",
        "sign": "a dx that takes the magnitude of gamma",
        "running": "a dx from the running averages",
        "example": "a dx that is wrong in the last example alone",
        "percent": "a dx that is half a percent too large",
    },
    "parameters": {
        "early": "a dgamma from x before it was normalized",
        "out": "a dgamma from out",
        "scaled dgamma": "a dgamma times gamma",
        "feature": "a dgamma that is wrong in the last feature alone",
        "averaged": "a dgamma and a dbeta that are means over the batch",
        "scaled dbeta": "a dbeta times gamma",
    },
    "eps": {
        "no eps": "gradients without eps",
        "own eps": "a dx with an eps of 1e-5 whatever the layer has",
        "eps twice": "a dx with twice the eps",
        "eps elsewhere": "a dx with eps in another place",
        "eps in dgamma": "a dgamma without eps",
        "first eps": "a dx with the eps of the layer's first call",
    },
    "shapes": {
        "row": "a dgamma and a dbeta of shape (1, D)",
        "not summed": "a dgamma and a dbeta of shape (N, D)",
        "number": "a dgamma and a dbeta that are one number",
        "D for N": "a dx that divides by D in place of N",
        "whole mean": "a dx with one mean over all features",
        "first N": "a dx with the batch size of the layer's first call",
        "raises": "a backward pass that raises",
        "dx alone": "a backward pass that returns dx alone",
    },
}


def right_note(layer: str) -> str:
    """Name what is noted of a right layer."""
    return f"{_NAME} accepts a layer that is right, {layer}"


def wrong_note(part: str, mistake: str) -> str:
    """Name what is noted of a wrong layer."""
    return f"{_NAME} refuses {WRONG[part][mistake]}"


# The right layers that are tried, by what a message says of them: siblings, and those that only the grader holds.
SIBLINGS = {
    "which centres each feature": "centre",
    "which divides each feature by its mean square": "power",
    "which adds a sine to each entry": "bend",
}
HIDDEN = (
    "batch normalization node by node",
    "batch normalization in closed form",
    "batch normalization one feature after the other",
    "a batch normalization with N - 1 in forward and backward",
    "a batch normalization with eps outside the root in forward and backward",
    "a layer that shifts before it scales",
    "a layer that normalizes each example",
    "a batch normalization whose gradients are rounded to nine digits",
)


def _answer(call: Call, forward: Callable[..., Any], backward: Callable[..., Any]) -> bool:
    answer = ask(call, _NAME, Function(forward, hidden=(1,)), Function(backward)).result
    kind = type(answer)
    truth = kind is bool or (issubclass(kind, np.ndarray | np.bool_) and answer.dtype == bool and answer.shape == ())
    if not truth:
        brief = f"{_NAME} should return True or False"
        raise Unusable(f"{brief}, and returned {describe(answer)}.", f"{brief}.")
    return bool(answer)


def _run(part: str) -> Callable[[Call, Probe], Notes]:
    def script(call: Call, probe: Probe) -> Notes:
        notes: Notes = {}
        for note, made_by in probe.layers[part]:
            forward, backward = (LAYERS[made_by] if isinstance(made_by, str) else made_by)()
            try:
                notes[note] = _answer(call, forward, backward) is (" accepts " in note)
            except Unusable as reason:
                notes[note] = reason
        return notes

    return script


def _part(part: str, section: str) -> Part:
    script = _run(part)
    rights = tuple(right_note(layer) for layer in (*SIBLINGS, *HIDDEN))
    mistakes = WRONG[part]
    return Part(
        f"{_NAME}-{part}",
        _NAME,
        section,
        (
            Claim("accepts layers that are right", script, 0.0, core=True, about=rights),
            *(
                Claim(f"refuses {text}", script, 1 / len(mistakes), about=(wrong_note(part, mistake),))
                for mistake, text in mistakes.items()
            ),
        ),
    )


PARTS = (
    _part("dx", "sec-gradcheck-upstream"),
    _part("parameters", "sec-gradcheck-upstream"),
    _part("eps", "sec-gradcheck-eps"),
    _part("shapes", "sec-gradcheck-shapes"),
)
