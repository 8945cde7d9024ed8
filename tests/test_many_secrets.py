"""Under whatever secret, everybody gets the same: what is right, the catalogue, and the mistakes outside of it."""

import gc
from functools import _lru_cache_wrapper

import pytest
import right_implementations
import wrong_implementations
from graded import graded, losing, named, names_found
from right_implementations import functions_of
from wrong_implementations import SECOND

import solutions
from autograder.checks import expectations, trial
from autograder.checks.topics import TOPICS

pytestmark = [
    pytest.mark.soak,
    pytest.mark.filterwarnings("ignore:this function is under construction"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered in log"),  # of the notebook that warns
]

RIGHT = {name: module.RIGHT for name, module in vars(right_implementations).items() if hasattr(module, "RIGHT")}
OUTSIDE = {name: module.OUTSIDE for name, module in vars(wrong_implementations).items() if hasattr(module, "OUTSIDE")}


@pytest.fixture(scope="module", params=range(200))
def secret(request):
    """Give a secret; forget afterwards what was worked out for it."""
    yield f"soak {request.param}"
    for module in (expectations, trial):
        for function in vars(module).values():
            if isinstance(function, _lru_cache_wrapper):
                function.cache_clear()
    gc.collect()


@pytest.mark.parametrize("topic", TOPICS)
def test_the_catalogue_loses_the_declared_parts_and_is_named(topic, secret):
    for entry in TOPICS[topic].catalogue:
        verdicts = graded(entry.functions, secret)
        assert losing(verdicts) == set(entry.breaks), entry.name
        assert names_found(verdicts) == {entry.name}


@pytest.mark.parametrize("topic", TOPICS)
def test_the_second_implementations_do_likewise(topic, secret):
    for entry in TOPICS[topic].catalogue:
        verdicts = graded(SECOND[entry.name], secret)
        assert losing(verdicts) == set(entry.breaks) & set(verdicts), entry.name
        assert names_found(verdicts) == {entry.name}


@pytest.mark.parametrize("module", OUTSIDE)
def test_other_mistakes_lose_marks_and_get_no_name(module, secret):
    for name, functions in OUTSIDE[module].items():
        verdicts = graded(functions, secret)
        assert losing(verdicts), name
        assert not any(named(verdict) for verdict in verdicts.values()), name


@pytest.mark.parametrize("module", RIGHT)
def test_what_is_right_gets_every_point(module, secret):
    for name, notebook in RIGHT[module].items():
        assert not losing(graded(functions_of(notebook), secret)), name


def test_the_solutions_get_every_point(secret):
    functions = {name: getattr(solutions, name) for name in solutions.__all__ if callable(getattr(solutions, name))}
    assert not losing(graded(functions, secret))
