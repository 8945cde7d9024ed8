"""What is right on given probes, and what each misconception does there."""

from collections.abc import Mapping, Sequence
from functools import cache

from autograder.bn_helper.judge import Expected, Suspect, first_difference, same_signature, signature
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.parts.claims import Claim, Notes, Part
from autograder.bn_helper.probes import Probe
from autograder.checks.draw import generator
from autograder.checks.separation import too_close
from autograder.checks.topic import Functions, Misconception
from autograder.checks.topics import topic_with
from autograder.checks.trial import notes_of

_MOST_DRAWS = 50
_MISMATCH = "the formulas that belong to the right forward pass are fed with the numbers of another one"


def visible_probes(part: str) -> tuple[Probe, ...]:
    """Return the probes of a part that students hold; the same in every course."""
    return topic_with(part).visible


@cache
def hidden_probes(secret: str, assignment: str, part: str) -> tuple[Probe, ...]:
    """Return the probes of a part that only the grader holds: determined by the course's secret.

    A draw on which two misconceptions nearly coincide is drawn again.
    """
    topic = topic_with(part)
    for draw in range(_MOST_DRAWS):
        probes = topic.hidden(generator(secret, assignment, part, *([str(draw)] if draw else [])))
        pairs = too_close(topic, PARTS[part], visible_probes(part) + probes)
        if not pairs:
            return probes
    raise AssertionError(f"{part}: on every draw some misconceptions nearly coincide, such as {pairs[0]}")


def expectations(part: Part, probes: Sequence[Probe], base: Misconception | None = None) -> dict[str, Expected]:
    """Run every claim of a part with the reference, and with each misconception that breaks the part.

    With a base, all of them stand on that misconception's version of the functions that are otherwise given.
    """
    return {claim.text: _expected(part, claim, probes, base) for claim in part.claims}


@cache
def visible_expectations(part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible probes."""
    return expectations(PARTS[part], visible_probes(part))


@cache
def grading_expectations(secret: str, assignment: str, part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on the visible and the hidden probes of a course."""
    return expectations(PARTS[part], visible_probes(part) + hidden_probes(secret, assignment, part))


@cache
def expectations_on(base: Misconception, secret: str, assignment: str, part: str) -> Mapping[str, Expected]:
    """Return what is right for a part on top of functions that hold a misconception."""
    return expectations(PARTS[part], visible_probes(part) + hidden_probes(secret, assignment, part), base)


def _expected(part: Part, claim: Claim, probes: Sequence[Probe], base: Misconception | None) -> Expected:
    topic = topic_with(part.id)
    below: Functions = {}
    reference = topic.reference
    if base is not None and topic.reference_on is not None:
        diagnosed = PARTS[topic.diagnosed_by].function
        below = {diagnosed: base.functions[diagnosed]}
        reference = topic.reference_on(below)
    right = notes_of(reference, claim, probes)
    if right is None:
        raise AssertionError(f"the reference cannot be tried for {part.id}: {claim.text}")
    tried = [(entry, entry.functions) for entry in topic.catalogue if part.id in entry.breaks]
    if base is not None:  # what is right in itself comes first
        mismatch = Misconception(_MISMATCH, _MISMATCH, base.section, (part.id,), (), base.module)
        tried = [(mismatch, formulas) for formulas in topic.formulas] + tried
    known: list[Suspect] = []
    for entry, functions in tried:
        suspect = _suspect(entry, {**functions, **below}, claim, probes, right)
        mismatches = [one for one in known if one.name == _MISMATCH]
        if suspect and not any(same_signature(suspect.signature, one.signature) for one in mismatches):
            known.append(suspect)
    return Expected(right, tuple(known))


def _suspect(
    entry: Misconception, functions: Functions, claim: Claim, probes: Sequence[Probe], right: tuple[Notes, ...]
) -> Suspect | None:
    told = (entry.name, entry.sentence, entry.section, entry.breaks)
    notes = notes_of(functions, claim, probes)
    if notes is None:
        return Suspect(*told, (), entry.raises) if entry.raises else None
    if all(first_difference(a, claim.asked(b), claim.tolerance) is None for a, b in zip(notes, right, strict=True)):
        return None
    return Suspect(*told, signature(notes, right))
