"""A small change to the reference loses marks, or is no mistake: `make mutants` tries all, this a seeded sample."""

import numpy as np
import pytest

from autograder.bn_helper.parts import PARTS
from benchmarks import mutants
from benchmarks.equivalent_mutants import EQUIVALENT, reason

ASKED = sorted({part.function for part in PARTS.values()})


@pytest.fixture(scope="module")
def every():
    return list(mutants.mutants(ASKED))


def test_there_are_many_mutants_of_every_function(every):
    assert len(every) > 800
    assert {mutant.function for mutant in every} >= set(ASKED) - {"backward_x_hat"}


def test_a_sample_of_mutants_is_caught_or_no_mistake(every):
    sample = np.random.default_rng(0).choice(len(every), 60, replace=False)
    survivors = [every[i].name for i in sample if mutants.survives(every[i])]
    assert [name for name in survivors if reason(name) is None] == []


def test_what_is_said_to_be_no_mistake_is_a_mutant_and_keeps_every_point(every):
    by_name = {mutant.name: mutant for mutant in every}
    assert set(EQUIVALENT) <= set(by_name)
    cheap = [name for name in EQUIVALENT if not name.startswith(("check_gradients", "numerical_gradient"))]
    assert all(mutants.survives(by_name[name]) for name in cheap)


def test_the_reference_itself_survives(every):
    unchanged = mutants.Mutant(every[0].module, every[0].function, "", "", "from solutions.batchnorm import *")
    assert mutants.survives(unchanged)


def test_an_unknown_function_is_refused_in_a_sentence(capsys):
    assert mutants.main(["batchnorm_sideways"]) == 2
    assert "No part tries 'batchnorm_sideways'" in capsys.readouterr().err


def test_the_committed_summary_leaves_none_uncaught():
    total = mutants.SUMMARY.read_text(encoding="utf-8").splitlines()[-1]
    assert total.startswith("| **all** |")
    assert total.endswith("| **0** |")
