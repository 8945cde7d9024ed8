"""The experiments of the chapter on the backward pass show what the chapter says that they show."""

import numpy as np
import pytest

from chapters.experiments import backward_pass as experiment
from chapters.figures import backward_pass as figures
from solutions import batchnorm_backward, batchnorm_forward, check_gradients, numerical_gradient


@pytest.fixture(scope="module")
def layer():
    """An input, its parameters and an upstream gradient, with eps of the size of the variances."""
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 7, 3))
    return x, rng.normal(size=3), rng.normal(size=3), dout, 0.5


@pytest.fixture(scope="module")
def shallow():
    return {kind: experiment.run(kind, depth=2, learning_rate=0.3) for kind in experiment.KINDS}


@pytest.fixture(scope="module")
def deep():
    return {kind: experiment.run(kind, depth=8, learning_rate=0.3) for kind in experiment.KINDS}


def test_the_held_gradient_is_that_of_a_layer_with_constant_statistics(layer):
    x, gamma, beta, dout, eps = layer
    bn_param = {"mode": "train", "eps": eps, "momentum": 0.0}
    out, cache = experiment.held_forward(x, gamma, beta, bn_param)
    np.testing.assert_array_equal(out, batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})[0])

    held = bn_param | {"mode": "test"}
    expected = numerical_gradient(lambda x: batchnorm_forward(x, gamma, beta, dict(held))[0], x, dout)
    np.testing.assert_allclose(experiment.held_backward(dout, cache)[0], expected, rtol=1e-7)


def test_the_held_gradient_fails_the_gradient_check():
    assert not check_gradients(experiment.held_forward, experiment.held_backward)


def test_the_three_paths_add_up_to_the_gradient(layer):
    x, gamma, beta, dout, eps = layer
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    expected, _, _ = batchnorm_backward(dout, cache)
    np.testing.assert_allclose(sum(figures.paths(*layer)), expected, atol=1e-12)
    np.testing.assert_allclose(figures.nodes(*layer)["dx"], expected, atol=1e-12)


def test_the_jacobian_is_symmetric_with_the_eigenvalues_that_the_chapter_derives():
    x, eps = np.random.default_rng(0).normal(size=(8, 1)), 0.3
    inv_std = 1 / np.sqrt(x.var() + eps)
    J = figures.jacobian(x, np.ones(1), eps) / inv_std
    np.testing.assert_allclose(J, J.T, atol=1e-15)
    np.testing.assert_allclose(np.linalg.eigvalsh(J), [0, eps / (x.var() + eps), *[1] * 6], atol=1e-12)


def test_the_wrong_gradient_lowers_the_loss_almost_as_the_right_one_does(shallow):
    last = {kind: run.losses[-20:].mean() for kind, run in shallow.items()}
    assert last["right"] < last["held"] < last["plain"] / 2


def test_biases_grow_with_the_wrong_gradient_and_stay_with_the_right_one(shallow):
    held, right = shallow["held"].biases, shallow["right"].biases
    assert held[149] > 1.3 * held[74] > 0.2
    assert right.max() < 1e-12


def test_running_averages_come_after_the_means_that_the_wrong_gradient_moves(deep):
    assert deep["held"].lag > 4 * deep["right"].lag
    assert deep["held"].train_mode_accuracy > 0.8 > 0.3 > deep["held"].accuracy
    assert deep["right"].accuracy > 0.9


@pytest.mark.parametrize(
    ("depth", "rate", "order"),
    [(4, 0.1, ("plain", "held", "right")), (6, 0.03, ("plain", "held", "right")), (2, 10, ("held", "plain", "right"))],
)
def test_the_map_has_a_place_for_each_order(depth, rate, order):
    accuracy = [experiment.run(kind, depth, rate).accuracy for kind in order]
    assert accuracy[0] + 0.1 < accuracy[1] < accuracy[2] - 0.1


def test_the_same_seed_gives_the_same_run(shallow):
    again = experiment.run("held", depth=2, learning_rate=0.3)
    np.testing.assert_array_equal(again.losses, shallow["held"].losses)


@pytest.mark.parametrize("factor", [0.1, 10, 1000])
def test_the_gradient_of_the_first_weights_shrinks_as_they_grow(factor):
    one, scaled = (experiment.gradients("right", 2, a, eps=0.0) for a in (1, factor))
    np.testing.assert_allclose(factor * scaled, one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 8])
def test_both_gradients_point_nearly_the_same_way_at_the_start(depth):
    held, right = (experiment.gradients(kind, depth) for kind in ("held", "right"))
    assert 0.9 < experiment.cosine(held, right) < 1


def test_a_batch_of_two_passes_on_the_predicted_share_and_a_nearly_constant_column_the_most():
    stds, eps = np.array([1e-6, 0.1, 1.0]), 1e-3
    np.testing.assert_allclose(experiment.gains(2, stds, eps), eps / (stds**2 + eps) ** 1.5, rtol=1e-6)
    assert experiment.gains(8, stds, eps)[0] == pytest.approx(1 / np.sqrt(eps))


def test_the_projection_takes_two_directions_of_all_from_a_random_upstream_gradient():
    gain = experiment.gains(8, np.array([1.0]), 1e-12)[0]
    assert gain**2 == pytest.approx(6 / 7, rel=0.02)  # dout is centred: 7 directions, of which 6 are left
