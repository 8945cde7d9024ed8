"""The verdict that counts: a part tried on the visible and the hidden probes of a course."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autograder.bn_helper.calls import Call, Reply
from autograder.bn_helper.judge import Judge, Verdict
from autograder.bn_helper.parts import PARTS
from autograder.checks.expectations import grading_expectations, hidden_probes, visible_probes
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

    def tried(call: Call) -> Verdict:
        return Judge(
            call,
            lambda name: visible_probes(name) + hidden_probes(secret, assignment, name),
            lambda name: grading_expectations(secret, assignment, name),
            visible=len(visible_probes(part)),
        ).verdict(part)

    own = tried(call)
    topic = topic_with(part)
    if own.passed or PARTS[part].function not in topic.needs:
        return own
    given = tried(Renamed(call, topic.given))
    if given.share > own.share:
        return replace(given, remarks=("Tried with the given batchnorm_forward; with yours it loses more.",))
    if given.findings != own.findings:  # the forward pass in force is not the given one
        return replace(own, remarks=("Tried with your batchnorm_forward; with the given one it earns no more.",))
    return own
