"""Right implementations in every style get every point, whatever the secret, and are right by other measures too."""

import numpy as np
import pytest
from constructed import constructed_inputs, deviation
from graded import SECRETS, graded, losing, parts_of
from right_implementations import RIGHT, batchnorm, functions_of, source_of

import solutions
from autograder.bn_helper.given import batchnorm_forward as given

pytestmark = [
    pytest.mark.filterwarnings("ignore:this function is under construction"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered in log"),  # of the notebook that warns
]


@pytest.fixture(params=RIGHT.values(), ids=list(RIGHT))
def notebook(request):
    return request.param


def test_there_are_at_least_thirty_and_each_says_which_freedom_it_takes():
    freedoms = [notebook.__doc__ for notebook in RIGHT.values()]
    assert len(set(freedoms)) == len(freedoms) >= 30


@pytest.mark.parametrize("secret", SECRETS)
def test_every_part_gets_every_point(notebook, secret):
    functions = functions_of(notebook)
    verdicts = graded(functions, secret)
    assert len(verdicts) >= 5
    assert not losing(verdicts), [v.message() for v in verdicts.values() if not v.passed]
    assert all(verdict.share == 1.0 for verdict in verdicts.values())


def test_the_solutions_get_every_point_of_all_assignments():
    functions = {name: getattr(solutions, name) for name in solutions.__all__ if callable(getattr(solutions, name))}
    verdicts = graded(functions)
    assert not losing(verdicts)


@pytest.mark.parametrize("name", list(batchnorm.RIGHT))
def test_batch_normalization_agrees_with_the_solutions_on_other_inputs(name):
    functions = functions_of(RIGHT[name])
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(0), 13, 6)
    param = {"eps": 0.03, "momentum": 0.8, "running_mean": np.full(6, 0.5), "running_var": np.full(6, 2.0)}
    right, cache = solutions.batchnorm_forward(x, gamma, beta, {"mode": "train", **param})
    mine, own_cache = functions["batchnorm_forward"](x, gamma, beta, {"mode": "train", **_copied(param)})
    assert deviation(mine, right) < 1e-12
    if "batchnorm_backward" in functions:
        gradients = functions["batchnorm_backward"](dout, own_cache)
        for got, want in zip(gradients, solutions.batchnorm_backward(dout, cache), strict=True):
            assert deviation(got, want) < 1e-11
    tested, _ = functions["batchnorm_forward"](x, gamma, beta, {"mode": "test", **_copied(param)})
    assert deviation(tested, solutions.batchnorm_forward(x, gamma, beta, {"mode": "test", **param})[0]) < 1e-12


def _copied(param):
    return {name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in param.items()}


def test_its_source_as_a_cell_defines_the_same_functions(notebook):
    names = {"__name__": "cell"}
    exec(compile(source_of(notebook), notebook.__name__, "exec"), names)
    assert {*parts_of(functions_of(notebook))} == {*parts_of(names)}


def backward_for_the_given_cache(dout, cache):
    _, x_hat, _, _, inv_std, gamma, _ = cache
    dgamma = (dout * x_hat).sum(axis=0)
    return gamma * inv_std * (dout - dout.mean(axis=0) - x_hat * dgamma / len(dout)), dgamma, dout.sum(axis=0)


@pytest.mark.parametrize("target", ["batchnorm_backward", "batchnorm_backward_alt"])
def test_the_given_forward_pass_serves_a_backward_pass_written_for_it(target):
    functions = {"batchnorm_forward": given, target: backward_for_the_given_cache}
    assert not losing(graded(functions, parts=parts_of({target})))


@pytest.mark.parametrize("target", ["batchnorm_backward", "batchnorm_backward_alt"])
def test_a_wrong_forward_pass_of_ones_own_costs_a_backward_pass_for_the_given_cache_nothing(target):
    def forward(x, gamma, beta, bn_param):
        return x, (x, x, x, x, x, gamma, 1.0)

    verdicts = graded({"batchnorm_forward": forward, target: backward_for_the_given_cache}, parts=parts_of({target}))
    assert not losing(verdicts)
    assert "given batchnorm_forward" in " ".join(verdicts[f"{target}-dx"].remarks)
