"""The percentiles that show how the distribution of a unit's input shifts."""

import numpy as np

from ..calls import Call
from ..probes import Probe
from .claims import Claim, Notes, Part, array, ask

_NAME = "shift_percentiles"


def _percentiles(call: Call, history: np.ndarray) -> np.ndarray:
    return array(ask(call, _NAME, history).result, "percentiles")


def values(call: Call, probe: Probe) -> Notes:
    return {"percentiles": _percentiles(call, probe.history)}


def one_step(call: Call, probe: Probe) -> Notes:
    return {"percentiles of one step": _percentiles(call, probe.history[1:2])}


def keeps(call: Call, probe: Probe) -> Notes:
    name = "history after the call, which should not change it,"
    return {name: array(ask(call, _NAME, probe.history).arguments[0], name)}


def _out_of_order(probe: Probe, name: str, percentiles: np.ndarray) -> str:
    wrong = percentiles.ndim == 2 and (np.diff(percentiles, axis=0) < 0).any()
    return "From row to row, the percentiles of a step grow; yours do not." if wrong else ""


PARTS = (
    Part(
        f"{_NAME}-value",
        _NAME,
        "sec-shift-measured",
        (
            Claim("the percentiles are right", values, 0.75, core=True, broken=_out_of_order),
            Claim("a history of one step has one column", one_step, 0.125),
            Claim("history is not modified", keeps, 0.125),
        ),
    ),
)
