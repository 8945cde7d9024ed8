"""What the chapter on well-scaled inputs claims, its experiments show."""

import numpy as np
import pytest

from chapters.experiments.scaled_inputs import (
    best_rate,
    condition_number,
    descend,
    excess_loss,
    hessian,
    layer_inputs,
    measured_features,
    measured_steps,
    predicted_root_mean_square,
    predicted_steps,
    preparations,
    root_mean_square,
    standardize,
    steepest_share,
    steps_to,
    whiten,
    with_bias,
)
from solutions import numerical_gradient

CORNERS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])


def features(N=40, D=4):
    """Return features with unequal means and spreads, and correlated."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) + rng.normal(size=D)


def test_the_hessian_is_the_derivative_of_the_gradient_of_the_loss():
    x, t = features(), np.random.default_rng(1).normal(size=40)
    w = np.array([0.3, -1, 2, 0.5])

    def gradient(w):
        return x.T @ (x @ w - t) / len(x)

    rows = [numerical_gradient(gradient, w, unit) for unit in np.eye(4)]
    np.testing.assert_allclose(rows, hessian(x), rtol=1e-6, atol=1e-6)


def test_a_step_of_descent_follows_the_gradient_of_the_loss():
    x, t = features(), np.random.default_rng(1).normal(size=40)
    path = descend(x, t, 0.01, 1)
    slope = numerical_gradient(lambda w: ((x @ w - t) ** 2).mean() / 2, path[0], np.array(1.0))
    np.testing.assert_allclose(path[1], -0.01 * slope, rtol=1e-6)


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_descent_converges_below_two_over_the_largest_eigenvalue_and_not_above(share):
    x, minimum = CORNERS * [1, 3], np.ones(2)
    rate = share * 2 / np.linalg.eigvalsh(hessian(x))[-1]
    distance = np.linalg.norm(descend(x, x @ minimum, rate, 1500) - minimum, axis=1)
    assert (distance[-1] < 1e-6) == (share < 1)
    assert (distance[-1] > 1e6) == (share > 1)


@pytest.mark.parametrize("condition", [2, 10, 77, 1000])
def test_counted_steps_are_the_predicted_ones_rounded_up(condition):
    x = CORNERS * [1, np.sqrt(condition)]
    assert measured_steps(x) == np.ceil(predicted_steps(condition))


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_no_other_learning_rate_is_faster_from_the_worst_start(factor):
    x, minimum = CORNERS * [1, 5], np.ones(2)
    other = steps_to(descend(x, x @ minimum, factor * best_rate(x), 1000), minimum)
    assert other is None or other > measured_steps(x)


@pytest.mark.parametrize("ratio", [1, 5, 1000])
def test_unequal_scales_square_their_ratio(ratio):
    assert condition_number(CORNERS * [1, ratio]) == pytest.approx(ratio**2)


def test_the_condition_number_is_at_least_the_ratio_of_the_mean_squares():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(30, 5)) @ rng.normal(size=(5, 5)) + rng.normal(size=5)
        squares = (x**2).mean(axis=0)
        assert condition_number(x) >= squares.max() / squares.min()


@pytest.mark.parametrize("D", [1, 2, 6])
def test_a_mean_far_from_zero_gives_the_derived_condition_number(D):
    mu = np.arange(1.0, D + 1)
    m = np.linalg.norm(mu)
    moved = whiten(features(D=D)) + mu
    assert condition_number(with_bias(moved)) == pytest.approx((m / 2 + np.sqrt(1 + m**2 / 4)) ** 4)
    if D > 1:
        assert condition_number(moved) == pytest.approx(1 + m**2)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.8])
def test_correlation_gives_the_derived_condition_number(rho):
    x = CORNERS @ np.array([[1, rho], [0, np.sqrt(1 - rho**2)]])
    assert condition_number(x) == pytest.approx((1 + abs(rho)) / (1 - abs(rho)))


def test_standardizing_leaves_the_correlations():
    x = features()
    np.testing.assert_allclose(hessian(standardize(x)), np.corrcoef(x.T), atol=1e-12)


def test_white_inputs_are_learned_in_one_step():
    x = whiten(features())
    np.testing.assert_allclose(hessian(x), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(descend(x, x @ np.arange(4.0), 1.0, 1)[1], np.arange(4.0), atol=1e-12)


def test_a_step_on_white_inputs_is_a_step_of_newtons_method():
    x = features()
    x = x - x.mean(axis=0)
    t = np.random.default_rng(1).normal(size=40)
    A = np.linalg.lstsq(x, whiten(x), rcond=None)[0]
    newton = np.linalg.solve(hessian(x), x.T @ t / len(x))
    np.testing.assert_allclose(A @ descend(whiten(x), t, 1.0, 1)[1], newton)


def test_each_preparation_is_faster_than_the_one_before():
    x, t = measured_features()
    conditions, left = zip(
        *((condition_number(with_bias(z)), excess_loss(with_bias(z), t, 10)[-1]) for z in preparations(x).values()),
        strict=True,
    )
    assert list(conditions) == sorted(conditions, reverse=True)
    assert list(left) == sorted(left, reverse=True)
    assert conditions[-1] == pytest.approx(1)


@pytest.mark.parametrize("scale", [0.5, 1.0, np.sqrt(2), 2.0])
def test_relu_layers_multiply_the_scale_by_that_of_the_weights_over_the_root_of_two(scale):
    np.testing.assert_allclose(
        predicted_root_mean_square("relu", scale), (scale / np.sqrt(2)) ** np.arange(11), rtol=1e-9
    )
    measured = [root_mean_square(a) for a in layer_inputs("relu", scale)]
    np.testing.assert_allclose(measured, (scale / np.sqrt(2)) ** np.arange(11), rtol=0.4)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_tanh_layers_keep_to_the_predicted_scale(scale):
    measured = np.array([root_mean_square(a) for a in layer_inputs("tanh", scale)])
    np.testing.assert_allclose(measured, predicted_root_mean_square("tanh", scale), rtol=0.1)
    assert (measured <= np.maximum(scale, 1) ** np.arange(11)).all()


def test_one_axis_carries_a_third_of_the_curvature_behind_a_relu_layer():
    shares = [steepest_share(a) for a in layer_inputs("relu", np.sqrt(2))]
    assert shares[0] < 0.03
    assert 1 / np.pi < shares[1] < 0.4
    assert shares[10] > 0.8


def test_weights_ten_percent_larger_multiply_through_relu_layers():
    small, large = (root_mean_square(layer_inputs("relu", s)[10]) for s in (0.5, 0.55))
    assert large / small == pytest.approx(1.1**10)


@pytest.mark.parametrize(("scale", "least"), [(0.1, 0.99), (1, 0.8), (100, 0.5)])
def test_behind_sigmoids_one_axis_carries_most_of_the_curvature(scale, least):
    behind = layer_inputs("sigmoid", scale, layers=1)[1]
    assert behind.mean() == pytest.approx(0.5, abs=0.01)
    assert steepest_share(behind) > least
