"""Run a claim with functions of this process: the reference's, a misconception's."""

from collections.abc import Sequence

import numpy as np

from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.parts.claims import Claim, Notes, Unusable
from autograder.bn_helper.probes import Probe
from autograder.checks.topic import Functions


def notes_of(functions: Functions, claim: Claim, probes: Sequence[Probe]) -> tuple[Notes, ...] | None:
    """Run a claim's script with given functions; None if it cannot be run to the end."""
    call = LocalCall(functions)
    try:
        with np.errstate(all="ignore"):
            return tuple(claim.script(call, probe) for probe in probes)
    except Unusable:
        return None
