"""Run a claim with functions of this process: the reference's, a misconception's."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from autograder.bn_helper.calls import Call, LocalCall
from autograder.bn_helper.parts.claims import Claim, Notes, Unusable
from autograder.bn_helper.probes import Probe
from autograder.checks.topic import Functions


class _One:
    """A thing that is equal to itself alone, and stays as long as it is remembered."""

    def __init__(self, of: Any):
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _One) and self.of is other.of

    def __hash__(self) -> int:
        return id(self.of)


def notes_of(functions: Functions, claim: Claim, probes: Sequence[Probe]) -> tuple[Notes, ...] | None:
    """Run a claim's script with given functions; None if it cannot be run to the end.

    Claims that share a script share its run.
    """
    return _notes_of(
        tuple((name, _One(functions[name])) for name in sorted(functions)), claim.script, *map(_One, probes)
    )


@lru_cache(maxsize=512)
def _notes_of(
    functions: tuple[tuple[str, _One], ...], script: Callable[[Call, Probe], Notes], *probes: _One
) -> tuple[Notes, ...] | None:
    call = LocalCall({name: function.of for name, function in functions})
    try:
        with np.errstate(all="ignore"):
            return tuple(script(call, probe.of) for probe in probes)
    except Unusable:
        return None
