"""What is right on given probes, and what each misconception does there."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.judge import Expected, Suspect, first_difference, signature
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.parts.claims import Claim, Notes, Part, Unusable
from autograder.bn_helper.probes import Probe
from autograder.checks.draw import generator
from autograder.checks.topic import Functions, Misconception
from autograder.checks.topics import topic_with


def visible_probes(part: str) -> tuple[Probe, ...]:
    """Return the probes of a part that students hold; the same in every course."""
    return topic_with(part).visible


@cache
def hidden_probes(secret: str, assignment: str, part: str) -> tuple[Probe, ...]:
    """Return the probes of a part that only the grader holds: determined by the course's secret."""
    return topic_with(part).hidden(generator(secret, assignment, part))


def expectations(part: Part, probes: Sequence[Probe]) -> dict[str, Expected]:
    """Run every claim of a part with the reference, and with each misconception that breaks the part."""
    return {claim.text: _expected(part, claim, probes) for claim in part.claims}


@cache
def visible_expectations(part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible probes."""
    return expectations(PARTS[part], visible_probes(part))


@cache
def grading_expectations(secret: str, assignment: str, part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible and the hidden probes of a course."""
    return expectations(PARTS[part], visible_probes(part) + hidden_probes(secret, assignment, part))


def notes_of(functions: Functions, claim: Claim, probes: Sequence[Probe]) -> tuple[Notes, ...] | None:
    """Run a claim's script with given functions; None if it cannot be run to the end."""
    call = LocalCall(functions)
    try:
        with np.errstate(all="ignore"):
            return tuple(claim.script(call, probe) for probe in probes)
    except Unusable:
        return None


def _expected(part: Part, claim: Claim, probes: Sequence[Probe]) -> Expected:
    topic = topic_with(part.id)
    right = notes_of(topic.reference, claim, probes)
    if right is None:
        raise AssertionError(f"the reference cannot be tried for {part.id}: {claim.text}")
    suspects = (_suspect(entry, claim, probes, right) for entry in topic.catalogue if part.id in entry.breaks)
    return Expected(right, tuple(suspect for suspect in suspects if suspect))


def _suspect(entry: Misconception, claim: Claim, probes: Sequence[Probe], right: tuple[Notes, ...]) -> Suspect | None:
    told = (entry.name, entry.sentence, entry.section, entry.breaks)
    notes = notes_of(entry.functions, claim, probes)
    if notes is None:
        return Suspect(*told, (), entry.raises) if entry.raises else None
    if all(first_difference(a, b, claim.tolerance) is None for a, b in zip(notes, right, strict=True)):
        return None
    return Suspect(*told, signature(notes, right))
