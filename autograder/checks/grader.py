"""The verdict that counts: a part tried on the visible and the hidden probes of a course."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from autograder.bn_helper.calls import Call, Reply
from autograder.bn_helper.judge import Judge, Verdict
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.probes import Probe
from autograder.checks.expectations import expectations_on, grading_expectations, hidden_probes, visible_probes
from autograder.checks.topic import Misconception, Topic
from autograder.checks.topics import topic_with


@dataclass(frozen=True)
class Renamed:
    """Calls functions under other names."""

    call: Call
    names: Mapping[str, str]

    def __call__(self, name: str, *args: Any) -> Reply:
        return self.call(self.names.get(name, name), *args)


def verdict(part: str, call: Call, secret: str, assignment: str) -> Verdict:
    """Try a part as it counts.

    A backward pass is tried with the forward pass that the notebook has; if that loses marks, with the given
    one too, and the better result counts.
    Where none is given, it may be the gradient of a wrong forward pass that the topic carries.

    Parameters
    ----------
    part : str
        A key of `PARTS`.
    call : Call
        Reaches the student's functions.
    secret, assignment : str
        Determine the hidden probes.

    Returns
    -------
    Verdict
    """

    def judge(call: Call, base: Misconception | None = None) -> Judge:
        expected = partial(expectations_on, base) if base is not None else grading_expectations
        probes = partial(_probes, secret, assignment)
        return Judge(call, probes, partial(expected, secret, assignment), len(visible_probes(part)))

    own = judge(call).verdict(part)
    topic = topic_with(part)
    if own.passed or PARTS[part].function not in topic.needs:
        return own
    if topic.given:
        given, names = judge(Renamed(call, topic.given)).verdict(part), " and ".join(topic.given)
        if given.share > own.share:
            return replace(given, remarks=(f"Tried with the given {names}; with yours it loses more.",))
        if given.findings == own.findings:  # the forward pass in force is the given one
            return own
        own = replace(own, remarks=(f"Tried with your {names}; with the given one it earns no more.",))
    base = _diagnosed(topic, judge(call))
    told = any(finding.suspects for finding in own.findings)
    if base is None or (base.name not in topic.carried if topic.carried else told):
        return own
    on_top = judge(call, base).verdict(part)
    forward = f"Your {PARTS[topic.diagnosed_by].function} gives what one gets when {base.sentence}"
    if base.name in topic.carried and on_top.share > own.share:
        return replace(on_top, remarks=(f"{forward}; this is tried as the gradient of that one.",))
    return own if told else _explained(own, on_top, forward)


def _probes(secret: str, assignment: str, part: str) -> tuple[Probe, ...]:
    return visible_probes(part) + hidden_probes(secret, assignment, part)


def _diagnosed(topic: Topic, judge: Judge) -> Misconception | None:
    """Return the one misconception that a student's own version of what is given holds, if it is known."""
    findings = judge.verdict(topic.diagnosed_by).findings
    names = {suspect.name for finding in findings for suspect in finding.suspects}
    return next((entry for entry in topic.catalogue if names == {entry.name}), None)


def _explained(own: Verdict, on_top: Verdict, forward: str) -> Verdict:
    """Say what is wrong on top of a forward pass that is wrong itself; the marks stay."""
    named = {finding.claim: finding.suspects for finding in on_top.findings}
    if not any(finding.claim in named for finding in own.findings):
        return replace(own, remarks=(f"{forward}; to that one your gradient belongs. Mend it first.",))
    findings = tuple(replace(f, suspects=named.get(f.claim, ())) for f in own.findings)
    return replace(own, findings=findings, remarks=(f"{forward}; this is looked at on top of it.",))
