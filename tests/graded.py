"""What several tests of the grader do: try functions as it does, and measure how far they are off."""

import contextlib
import io
import warnings
from functools import cache

import numpy as np

from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.given import batchnorm_forward as given
from autograder.bn_helper.judge import scale_of
from autograder.bn_helper.parts import PARTS
from autograder.builder.text import read_text
from autograder.checks import grader
from autograder.checks.expectations import grading_expectations, hidden_probes, visible_probes
from autograder.checks.trial import notes_of
from autograder.course import ASSIGNMENTS

SECRETS = ("one secret", "another secret", "a third secret")


@cache
def _asked():
    """Return which assignment asks for which function."""
    texts = [read_text(path) for path in sorted(ASSIGNMENTS.glob("*.md"))]
    return {block.name: text.path.stem for text in texts for block in text.blocks if block.kind == "solution"}


def assignment_of(part):
    return _asked()[PARTS[part].function]


def parts_of(functions):
    """Return the parts that try one of the functions."""
    return [name for name, part in PARTS.items() if part.function in functions]


def graded(functions, secret=SECRETS[0], parts=None):
    """Grade functions of this process; return the verdict of each part that tries one of them."""
    call = LocalCall({**functions, "bn_helper.batchnorm_forward": given})
    with contextlib.redirect_stdout(io.StringIO()):
        return {
            part: grader.verdict(part, call, secret, assignment_of(part))
            for part in (parts_of(functions) if parts is None else parts)
        }


def losing(verdicts):
    return {part for part, verdict in verdicts.items() if verdict.share < 1 or not verdict.passed}


def named(verdict):
    return {suspect.name for finding in verdict.findings for suspect in finding.suspects}


def hindered(verdict):
    """Tell whether a function ended with an error, so that there are no numbers from which a mistake could be named."""
    return not named(verdict) and any(" raised " in finding.sentence for finding in verdict.findings)


def names_found(verdicts):
    """Return the misconceptions that are named; every part that loses marks names one, if it could be tried."""
    assert all(named(verdicts[part]) or hindered(verdicts[part]) for part in losing(verdicts))
    return {name for verdict in verdicts.values() for name in named(verdict)}


def probes_of(part, secret):
    return visible_probes(part) + hidden_probes(secret, assignment_of(part), part)


def expected_of(part, secret):
    return grading_expectations(secret, assignment_of(part), part)


def worst_deviation(functions, claim, part, secret):
    """Return by how much functions differ from what is right in a claim; inf for anything but wrong numbers."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        seen = notes_of(functions, claim, probes_of(part, secret))
    if seen is None:
        return np.inf
    right = expected_of(part, secret)[claim.text].notes
    return max(_deviation(a, b) for a, b in zip(seen, right, strict=True))


def _deviation(mine, right):
    worst = 0.0
    for name, value in right.items():
        if not isinstance(value, np.ndarray):
            if mine[name] != value:
                return np.inf
        elif mine[name].shape != value.shape or not np.isfinite(mine[name]).all():
            return np.inf
        else:
            worst = max(worst, float((np.abs(mine[name] - value) / scale_of(value)).max(initial=0)))
    return worst
