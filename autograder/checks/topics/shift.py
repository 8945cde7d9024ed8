"""The percentiles of a unit's input: their reference, their inputs, their misconceptions."""

import numpy as np

from autograder.bn_helper.probes import Probe
from autograder.checks.draw import column_values, generator
from autograder.checks.topic import Functions, Misconception, Topic
from solutions import shift_percentiles

REFERENCE: Functions = {"shift_percentiles": shift_percentiles}


# ---- inputs ----


def construct(rng: np.random.Generator, T: int, N: int) -> Probe:
    """Construct a history whose rows differ in place and width and lean to one side, in no order.

    The mean lies off the median, and the places of the percentiles off those of the values.
    """
    ranks = rng.permuted(np.tile(np.linspace(0, 1, N), (T, 1)), axis=1)
    leaning = ranks**2.5 + 0.03 * rng.uniform(size=(T, N))  # apart, and dense at the low end
    place, width = column_values(rng, 1.0, 3.0, T), rng.permutation(np.linspace(1.5, 3.5, T))
    return Probe(f"T={T}, N={N}", "", {"history": place[:, None] + width[:, None] * leaning})


def visible() -> tuple[Probe, ...]:
    """Return the probes that students hold."""
    rng = generator("visible", "shift")
    return construct(rng, T=5, N=9), construct(rng, T=4, N=16)


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the probes that only the grader holds."""
    return construct(rng, T=6, N=12), construct(rng, T=7, N=25), construct(rng, T=5, N=18)


# ---- misconceptions ----

VALUE = "shift_percentiles-value"
_RIGHT = "np.percentile(history, [15, 50, 85], axis=1)"


def _entry(name: str, sentence: str, new: str) -> Misconception:
    change = ("shift_percentiles", f"return {_RIGHT}", new)
    return Misconception(name, sentence, "sec-shift-measured", (VALUE,), (change,), "hidden_layer")


# fmt: off
CATALOGUE = (
    _entry("percentiles over the steps", "the percentiles are taken over the steps and not over the examples",
           "return np.percentile(history, [15, 50, 85], axis=0)"),
    _entry("percentiles of the whole history", "the percentiles are taken over all steps and examples together",
           "return np.percentile(history, [15, 50, 85])"),
    _entry("fractions for percent", "the percentages are written as fractions of one",
           "return np.percentile(history, [0.15, 0.5, 0.85], axis=1)"),
    _entry("quartiles", "the outer rows are the 25th and the 75th percentile",
           "return np.percentile(history, [25, 50, 75], axis=1)"),
    _entry("tenth and ninetieth", "the outer rows are the 10th and the 90th percentile",
           "return np.percentile(history, [10, 50, 90], axis=1)"),
    _entry("one standard deviation to each side",
           "the rows are the mean, and one standard deviation to each side of it",
           "centre, width = history.mean(axis=1), history.std(axis=1)\n"
           "    return np.stack([centre - width, centre, centre + width])"),
    _entry("mean for the median", "the middle row is the mean and not the median",
           f"rows = {_RIGHT}\n    rows[1] = history.mean(axis=1)\n    return rows"),
    _entry("a row for each step", "each step has a row and each percentile a column", f"return {_RIGHT}.T"),
    _entry("percentiles from high to low", "the 85th percentile comes first",
           "return np.percentile(history, [85, 50, 15], axis=1)"),
    _entry("percentiles of the output", "the percentiles are those of the sigmoid's output and not of its input",
           "return np.percentile(sigmoid_forward(history)[0], [15, 50, 85], axis=1)"),
    _entry("percentiles without interpolation", "the value below is taken where a percentile lies between two values",
           'return np.percentile(history, [15, 50, 85], axis=1, method="lower")'),
    _entry("shift from the first step", "the percentiles of the first step are subtracted",
           f"rows = {_RIGHT}\n    return rows - rows[:, :1]"),
    _entry("history sorted in place", "history is sorted in place", f"history.sort(axis=1)\n    return {_RIGHT}"),
)
# fmt: on

TOPIC = Topic(REFERENCE, CATALOGUE, visible(), hidden)
