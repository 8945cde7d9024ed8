"""Draw what your functions do: how far each gradient is off, and a batch before and after a layer."""

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from .calls import LocalCall
from .judge import scale_of
from .parts import PARTS, topic_of
from .parts.claims import Claim, Unusable
from .probes import Probe
from .tables import Tables

_BEFORE, _AFTER, _AXIS = "#0072B2", "#D55E00", "#767676"
_SMALLEST, _LARGEST = 1e-17, 1e3


def draw_before_and_after(x: np.ndarray, out: np.ndarray) -> None:
    """Draw a histogram of each feature, on the left before a layer, on the right after it.

    Parameters
    ----------
    x, out : ndarray of shape (N, D)
    """
    _, axes = plt.subplots(
        x.shape[1], 2, figsize=(8, 2 * x.shape[1]), sharex="col", layout="constrained", squeeze=False
    )
    for feature, (left, right) in enumerate(axes):
        left.hist(x[:, feature], bins=30, color=_BEFORE)
        right.hist(out[:, feature], bins=30, color=_AFTER)
        left.set_ylabel(f"feature {feature}")
    axes[0, 0].set_title("before")
    axes[0, 1].set_title("after")
    plt.show()


def draw_deviations(function: str, functions: Mapping[str, Callable[..., Any]], tables: Tables) -> None:
    """Draw a bar for each result of a function: how far it is off on the inputs of the checks that you see.

    Parameters
    ----------
    function : str
        Such as "batchnorm_backward".
    functions : mapping from names to functions
        Where to find it, and what it needs.
    tables : Tables
        Holds the inputs and the right results.

    Raises
    ------
    ValueError
        If no part of this assignment tries the function.
    """
    parts = [PARTS[name] for name in tables.expected if PARTS[name].function == function]
    if not parts:
        asked = dict.fromkeys(PARTS[name].function for name in tables.expected)
        raise ValueError(f"no part of this assignment tries {function!r}; the functions are {', '.join(asked)}")
    bars = []
    for part in parts:
        claim = part.claims[0]
        right = tables.expected[part.id][claim.text].notes
        bars += _bars(claim, LocalCall(functions), tables.probes[topic_of(part.id)], right)
    _, axis = plt.subplots(figsize=(8, 1.2 + 0.3 * len(bars)), layout="constrained")
    for row, (_, deviation, tolerance) in enumerate(bars):
        if np.isnan(deviation):
            end, told = _SMALLEST, "could not be compared"
        else:
            end, wrong = np.clip(deviation, _SMALLEST, _LARGEST), deviation > tolerance
            told = f"{deviation:.1e}, {'wrong' if wrong else 'right'}"
            axis.barh(row, end, left=_SMALLEST, color=_AFTER if wrong else _BEFORE, hatch="//" if wrong else None)
        axis.annotate(told, (end, row), xytext=(4, 0), textcoords="offset points", va="center")
    tolerance = max(tolerance for *_, tolerance in bars)
    axis.axvline(tolerance, color=_AXIS, linestyle="dashed")
    axis.set(
        xscale="log",
        xlim=(_SMALLEST, _LARGEST * 1e6),
        ylim=(-0.6, len(bars) - 0.4),
        yticks=range(len(bars)),
        yticklabels=[name for name, *_ in bars],
        xlabel="largest deviation, relative to the largest value",
        title=f"{function}: left of the dashed line is rounding",
    )
    axis.set_xticks([1e-16, 1e-12, 1e-8, 1e-4, 1])
    axis.invert_yaxis()
    plt.show()


def _bars(claim: Claim, call: LocalCall, probes: Any, right: Any) -> list[tuple[str, float, float]]:
    """Return of each note, on each visible probe, its name, its deviation (nan without one), and the tolerance."""
    bars = []
    for probe, rights in zip(probes, right, strict=True):
        notes = _notes(claim, call, probe)
        for name, value in rights.items():
            if not isinstance(value, np.ndarray):
                continue
            mine = notes.get(name)
            deviation = np.nan
            if isinstance(mine, np.ndarray) and mine.shape == value.shape:
                deviation = float((np.abs(mine - value) / scale_of(value)).max(initial=0.0))
            bars.append((f"{name} ({probe.sizes})", deviation, claim.tolerance))
    return bars


def _notes(claim: Claim, call: LocalCall, probe: Probe) -> dict[str, Any]:
    try:
        with np.errstate(all="ignore"):
            return claim.script(call, probe)
    except Unusable:
        return {}
