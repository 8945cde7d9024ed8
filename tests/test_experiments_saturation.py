"""The experiments of the chapter on sigmoids show what the chapter says that they show."""

import numpy as np
import pytest

from chapters.experiments import saturation as measure
from solutions import gradient_norms

ACTIVATIONS = ("sigmoid", "tanh", "relu")


@pytest.mark.parametrize(("dtype", "digits"), [(np.float32, 24), (np.float64, 53)])
def test_the_sigmoid_is_one_from_as_many_powers_of_two_on_as_the_format_has_digits(dtype, digits):
    one = measure.first_one(dtype)
    assert isinstance(one, dtype)
    assert one == pytest.approx(digits * np.log(2), rel=1e-6)
    assert measure.slope(np.array([one])) == 0
    assert measure.slope(np.array([np.nextafter(one, dtype(0))])) > 0


def test_the_slope_is_at_most_a_quarter_and_within_its_bounds():
    x = np.linspace(-20, 20, 4001)
    slope = measure.slope(x)
    assert slope.max() == 0.25
    assert x[slope.argmax()] == pytest.approx(0, abs=1e-12)
    assert np.all(slope <= np.exp(-np.abs(x)) * (1 + 1e-6))
    assert np.all(slope >= np.exp(-np.abs(x)) / 4 * (1 - 1e-6))


@pytest.mark.parametrize("tol", [0.2, 0.01, 1e-6])
def test_the_slope_has_fallen_to_the_tolerance_at_the_threshold(tol):
    assert measure.slope(np.array([measure.threshold(tol)])) == pytest.approx(tol)


@pytest.mark.parametrize("mean", [0, 4, -8])
@pytest.mark.parametrize("std", [0.5, 2, 8, 50])
def test_the_saturated_fraction_of_normal_numbers_is_as_predicted(std, mean):
    assert measure.measured_fraction(std, mean) == pytest.approx(float(measure.normal_fraction(std, mean)), abs=0.004)


@pytest.mark.parametrize("weight_scale", [0.3, 3, 30])
def test_the_network_measures_what_gradient_norms_measures(weight_scale):
    rng = np.random.default_rng(0)
    weights = [rng.normal(scale=weight_scale / 10, size=(100, 100)) for _ in range(11)]
    x, dlogits = rng.normal(size=(128, 100)), rng.normal(size=(128, 100))
    expected = gradient_norms(x, weights[:-1], dlogits @ weights[-1].T)
    norms = measure.random_network("sigmoid", False, weight_scale).norms
    np.testing.assert_allclose(norms[:-1], expected, rtol=1e-10)


@pytest.mark.parametrize("weight_scale", [0.1, 1, 10, 100])
def test_the_gradient_stays_below_the_bound(weight_scale):
    rng = np.random.default_rng(0)
    weights = [rng.normal(scale=weight_scale / 5, size=(25, 25)) for _ in range(5)]
    x, dout = rng.normal(size=(2, 32, 25))
    bound = 0.25**5 * np.prod([np.linalg.norm(W, 2) for W in weights]) * np.linalg.norm(dout)
    assert 0 < gradient_norms(x, weights, dout)[0] < bound


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("weight_scale", [0.1, 1, 10, 100])
def test_the_factor_of_a_layer_is_as_predicted(activation, weight_scale):
    factor = measure.random_network(activation, False, weight_scale).factor()
    assert factor == pytest.approx(measure.predicted_factor(activation, weight_scale), rel=0.1)


def test_small_and_large_weight_scales_follow_the_limits_worked_out_by_hand():
    assert measure.predicted_factor("sigmoid", 0.01) == pytest.approx(0.01 / 4, rel=0.01)
    assert measure.predicted_factor("sigmoid", 300) == pytest.approx(np.sqrt(300 / (6 * np.sqrt(np.pi))), rel=0.01)


def test_a_gradient_vanishes_without_saturation_and_saturation_comes_without_a_vanishing_gradient():
    small, large = (measure.random_network("sigmoid", False, scale) for scale in (1, 30))
    assert small.saturated.max() == 0
    assert small.norms[0] < 1e-5 * small.norms[-1]
    assert large.saturated.mean() > 0.8
    assert large.norms[0] > 10 * large.norms[-1]


def test_few_entries_carry_the_gradient_where_most_units_are_saturated():
    shares = [measure.random_network("sigmoid", False, scale).carriers.mean() for scale in (1, 10, 100)]
    assert shares[0] == pytest.approx(0.12, abs=0.02)
    assert shares[0] > 4 * shares[1] > 8 * shares[2]


def test_equal_entries_carry_half_by_half_and_one_entry_alone_by_itself():
    assert measure.carriers(np.ones((4, 5))) == 0.5
    assert measure.carriers(np.eye(1, 10)) == 0.1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_batch_normalization_takes_the_weight_scale_out_of_the_gradient(activation):
    factors = [measure.random_network(activation, True, scale).factor() for scale in (0.1, 1, 100)]
    np.testing.assert_allclose(factors, factors[-1], rtol=3e-3)  # up to eps
    predicted = measure.predicted_normalized_factor(activation)
    assert predicted > 1
    assert factors[-1] == pytest.approx(predicted, rel=0.02)


def test_the_normalized_relu_grows_at_the_rate_that_the_chapter_derives():
    assert measure.predicted_normalized_factor("relu") == pytest.approx(np.sqrt(np.pi / (np.pi - 1)), rel=1e-3)


def test_no_unit_is_saturated_behind_batch_normalization():
    assert measure.random_network("sigmoid", True, 100).saturated.max() < 1e-4


def test_centred_sigmoids_with_weights_of_four_pass_the_gradient_as_tanh_does():
    sigmoid, tanh = measure.random_network("sigmoid", False, 4, centred=True), measure.random_network("tanh", False, 1)
    assert sigmoid.factor() == pytest.approx(tanh.factor(), rel=0.03)
    assert measure.random_network("sigmoid", False, 4).factor() < 0.7


def test_the_normalized_network_learns_where_the_plain_one_stays_at_chance():
    assert measure.trained_accuracy(False, 1, seed=0) < 0.2
    assert measure.trained_accuracy(True, 1, seed=0) > 0.9


def test_near_the_scale_that_keeps_the_gradient_the_plain_network_learns_something():
    accuracies = measure.trained_accuracies((1, 6, 30), seeds=(1, 2))[False].mean(axis=1)
    assert accuracies[1] > 2 * max(accuracies[0], accuracies[2])
