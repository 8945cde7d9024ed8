"""What is right on given probes, and what each misconception does there."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.judge import Expected, Suspect, first_difference, signature
from autograder.bn_helper.parts import PARTS, Claim, Notes, Part, Unusable
from autograder.bn_helper.probes import Probe
from autograder.checks.catalogue import CATALOGUE, Functions, Misconception
from autograder.checks.probes import construct, generator
from autograder.checks.reference import REFERENCE

_VISIBLE = ("visible", "7")  # seed of the probes that students hold


@cache
def visible_probes() -> tuple[Probe, ...]:
    """Return the probes that students hold; the same in every course."""
    rng = generator(*_VISIBLE)
    return (construct(rng, N=7, D=4, eps=0.1, momentum=0.7), construct(rng, N=5, D=3, eps=0.02, momentum=0.85))


@cache
def hidden_probes(secret: str, assignment: str, part: str) -> tuple[Probe, ...]:
    """Return the probes of a part that only the grader holds: determined by the course's secret."""
    rng = generator(secret, assignment, part)
    return (
        construct(rng, N=9, D=4, eps=float(rng.uniform(0.08, 0.15)), momentum=float(rng.uniform(0.6, 0.8))),
        construct(rng, N=5, D=7, eps=float(rng.uniform(0.03, 0.05)), momentum=float(rng.uniform(0.25, 0.4))),
        construct(rng, N=11, D=3, eps=float(rng.uniform(0.15, 0.25)), momentum=float(rng.uniform(0.8, 0.87))),
    )


def expectations(part: Part, probes: Sequence[Probe]) -> dict[str, Expected]:
    """Run every claim of a part with the reference, and with each misconception that breaks the part."""
    return {claim.text: _expected(part, claim, probes) for claim in part.claims}


@cache
def visible_expectations(part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible probes."""
    return expectations(PARTS[part], visible_probes())


@cache
def grading_expectations(secret: str, assignment: str, part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible and the hidden probes of a course."""
    return expectations(PARTS[part], visible_probes() + hidden_probes(secret, assignment, part))


def notes_of(functions: Functions, claim: Claim, probes: Sequence[Probe]) -> tuple[Notes, ...] | None:
    """Run a claim's script with given functions; None if it cannot be run to the end."""
    call = LocalCall(functions)
    try:
        with np.errstate(all="ignore"):
            return tuple(claim.script(call, probe) for probe in probes)
    except Unusable:
        return None


def _expected(part: Part, claim: Claim, probes: Sequence[Probe]) -> Expected:
    right = notes_of(REFERENCE, claim, probes)
    if right is None:
        raise AssertionError(f"the reference cannot be tried for {part.id}: {claim.text}")
    suspects = (_suspect(entry, part, claim, probes, right) for entry in CATALOGUE if part.id in entry.breaks)
    return Expected(right, tuple(suspect for suspect in suspects if suspect))


def _suspect(
    entry: Misconception, part: Part, claim: Claim, probes: Sequence[Probe], right: tuple[Notes, ...]
) -> Suspect | None:
    notes = notes_of(entry.functions, claim, probes)
    if notes is None or all(first_difference(a, b, claim.tolerance) is None for a, b in zip(notes, right, strict=True)):
        return None
    return Suspect(entry.name, entry.sentence, entry.section, entry.breaks, signature(notes, right))
