"""Line up right and wrong layers, mixed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograder.bn_helper.parts.check_gradients import HIDDEN, SIBLINGS, WRONG, right_note, wrong_note
from autograder.bn_helper.probes import Probe
from autograder.bn_helper.siblings import Pair
from autograder.checks.draw import generator
from autograder.checks.topics.check_gradients import layers

LineUp = dict[str, Sequence[Sequence[Any]]]


def visible() -> tuple[Probe, ...]:
    """Return the line-ups that students hold: siblings by their names."""
    rng = generator("visible", "check_gradients")
    rights = [(right_note(layer), name) for layer, name in SIBLINGS.items()]
    return (_probe("a layer of bn_helper", rng, rights, lambda name: name),)


def hidden(rng: np.random.Generator) -> tuple[Probe, ...]:
    """Draw the line-ups that only the grader holds, in orders of their own, each layer scaled by numbers of its own.

    There are two, with all mistakes in both and half of the right layers in each: who guesses has to guess twice.
    """

    def drawn(make: Callable[[], Pair]) -> Callable[[], Pair]:
        return layers.dressed(make, float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.5, 2.0)))

    plain = HIDDEN[0]  # as it is: a test that knows batch normalization alone accepts it
    rights = [
        (right_note(name), layers.RIGHTS[name] if name == plain else drawn(layers.RIGHTS[name])) for name in HIDDEN
    ]
    return tuple(_probe("", rng, half, lambda name: drawn(layers.WRONG[name])) for half in (rights[::2], rights[1::2]))


def _probe(
    settings: str, rng: np.random.Generator, rights: Sequence[tuple[str, Any]], made_by: Callable[[str], Any]
) -> Probe:
    line_up: LineUp = {}
    for part, mistakes in WRONG.items():
        tried = [*rights, *((wrong_note(part, name), made_by(name)) for name in mistakes)]
        line_up[part] = [list(tried[place]) for place in rng.permutation(len(tried))]
    return Probe("", settings, {"layers": line_up})
