"""The experiments of the chapter on gradient checks show what the chapter says that they show."""

import math

import numpy as np
import pytest

from chapters.experiments import gradient_check as trial
from solutions import batchnorm_forward, check_gradients

UNIT = trial.careful_batch(spread=1.0)
SMALL = trial.careful_batch()
WRONG = [name for name in trial.PATHS if name != "right"]


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_a_careful_batch_has_the_spread_that_is_asked_for(spread):
    np.testing.assert_allclose(trial.careful_batch(spread=spread).x.std(axis=0), spread)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_best_step_and_its_error_are_those_predicted(dtype):
    steps = np.logspace(-9, 0, 37)
    errors = trial.measured_errors(UNIT, 1e-5, steps, dtype)
    parts = trial.coefficients(UNIT, 1e-5)
    best = trial.best_step(parts, dtype)
    assert best / 3 < steps[errors.argmin()] < best * 3
    assert 1 / 5 < errors.min() / trial.predicted_errors(parts, best, dtype) < 1.2


def test_central_differences_are_of_second_order_and_one_sided_ones_of_first():
    steps = np.array([1e-2, 1e-3])
    central = trial.measured_errors(UNIT, 1e-5, steps)
    one_sided = trial.measured_errors(UNIT, 1e-5, steps, method=trial.one_sided)
    assert central[0] / central[1] == pytest.approx(100, rel=0.01)
    assert one_sided[0] / one_sided[1] == pytest.approx(10, rel=0.01)


def test_the_best_step_grows_with_the_spread():
    steps = np.logspace(-9, 0, 37)
    best = [
        steps[trial.measured_errors(trial.careful_batch(spread=s), 1e-5 * s**2, steps).argmin()] for s in (1e-3, 1.0)
    ]
    assert best[1] / best[0] == pytest.approx(1000, rel=0.8)


def test_dx_is_zero_for_an_upstream_gradient_that_is_constant_in_each_column():
    constant = np.ones_like(SMALL.dout) * [1, -2, 3, 0.5]
    assert np.abs(trial.right(SMALL, 0.1, constant)).max() < 1e-14


def test_dx_of_the_square_loss_is_the_formula_of_the_chapter():
    eps, var = 0.1, SMALL.x.var(axis=0)
    x_hat = (SMALL.x - SMALL.x.mean(axis=0)) / np.sqrt(var + eps)
    expected = 2 * SMALL.gamma**2 / np.sqrt(var + eps) * eps / (var + eps) * x_hat
    dx = trial.right(SMALL, eps, 2 * trial.forward(SMALL, eps)[0])
    np.testing.assert_allclose(dx, expected, rtol=1e-10)


def test_upstream_gradients_let_through_what_the_chapter_says():
    verdicts = trial.verdicts(trial.usual_batch(), 1e-5)
    passed = {column: {name for name in WRONG if verdicts[name][column]} for column in verdicts["right"]}
    assert all(verdicts["right"].values())
    assert passed == {
        "ones": {"all zeros", "variance constant", "gamma forgotten", "sign of gamma lost", "eps forgotten"},
        "2 out": {"all zeros", "gamma forgotten", "sign of gamma lost", "eps forgotten"},
        "centred": {"mean constant", "eps forgotten"},
        "random": {"eps forgotten"},
    }


@pytest.mark.parametrize("name", WRONG)
def test_the_careful_check_catches_every_wrong_backward_pass(name):
    expected = trial.numerical(SMALL, 0.1, SMALL.dout)
    assert trial.deviation(trial.PATHS[name](SMALL, 0.1, SMALL.dout), expected) > 0.1


def test_the_careful_check_accepts_the_right_backward_pass():
    for seed in range(50):
        batch = trial.careful_batch(seed=seed)
        right = trial.right(batch, 0.1, batch.dout)
        assert trial.deviation(right, trial.numerical(batch, 0.1, batch.dout)) < trial.CAREFUL / 100


def test_mistakes_with_eps_grow_in_proportion_to_eps_while_it_is_small():
    deviations = trial.deviations(SMALL, [1e-5, 1e-4])
    for name in ("eps forgotten", "eps added twice", "eps outside the root"):
        assert deviations[name][1] / deviations[name][0] == pytest.approx(10, rel=0.01)


def test_a_constant_eps_is_right_at_its_own_value_alone():
    at_home, elsewhere = trial.deviations(SMALL, [1e-5, 0.1])["eps always 1e-5"]
    assert at_home < 1e-9
    assert elsewhere > 0.1


def test_a_faithful_gradient_of_the_wrong_layer_passes_and_its_values_do_not():
    assert check_gradients(trial.unbiased_forward, trial.unbiased_backward)
    arguments = SMALL.x, SMALL.gamma, SMALL.beta
    out, _ = trial.unbiased_forward(*arguments, {"mode": "train", "eps": 0.1})
    x_hat = (SMALL.x - SMALL.x.mean(axis=0)) / np.sqrt(SMALL.x.var(axis=0, ddof=1) + 0.1)
    np.testing.assert_allclose(out, SMALL.gamma * x_hat + SMALL.beta)
    assert trial.deviation(out, batchnorm_forward(*arguments, {"mode": "train", "eps": 0.1})[0]) > 0.02


def test_a_direction_of_ones_sees_nothing_and_a_random_one_sees_the_mistake():
    ones, v = np.ones_like(SMALL.x), np.random.default_rng(1).normal(size=SMALL.x.shape)
    dx = trial.no_variance_path(SMALL, 0.1, SMALL.dout)
    assert abs(trial.along(SMALL, 0.1, ones) - dx.sum()) < 1e-9
    assert abs(trial.along(SMALL, 0.1, v) - (v * dx).sum()) > 0.1


def test_random_directions_let_through_as_many_as_the_formula_says():
    exact = trial.right(SMALL, 0.1, SMALL.dout)
    dx = trial.no_variance_path(SMALL, 0.1, SMALL.dout)
    ratio = np.linalg.norm(exact) / np.linalg.norm(dx - exact)
    share = trial.share_let_through(dx, exact, [0.01, 0.1], directions=20_000)
    np.testing.assert_allclose(share, [math.erf(tol * ratio / math.sqrt(2)) for tol in (0.01, 0.1)], rtol=0.1)


def test_the_worst_entry_of_many_batches_is_far_off_and_the_worst_feature_is_not():
    entrywise, by_feature = trial.errors_over_batches(50)
    assert entrywise.max() > 50 * np.median(by_feature)
    assert by_feature.max() < 20 * np.median(by_feature)


def test_the_layer_that_divides_by_one_less_agrees_with_itself_and_is_too_narrow():
    sizes = np.array([2, 5, 17])
    deviations, stds = trial.unbiased_layer(sizes)
    assert deviations.max() < trial.CAREFUL / 100
    np.testing.assert_allclose(stds, np.sqrt((sizes - 1) / sizes), rtol=1e-9)
