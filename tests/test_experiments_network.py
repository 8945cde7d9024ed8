"""The experiments of the chapter on a network show what the chapter says that they show."""

import numpy as np
import pytest

from chapters.experiments import network as experiment
from solutions import batchnorm_forward, numerical_gradient


@pytest.fixture(scope="module")
def trained():
    return experiment.run(True, 1).network


def test_the_scale_of_the_weights_and_the_bias_do_not_reach_the_logits_of_a_normalized_network():
    x, _ = experiment.test_set()
    network = experiment.make_network(True, seed=0)
    changed = experiment.rescaled(network, 100)
    changed.params[0]["b"] += 7
    np.testing.assert_allclose(changed.forward(x)[0], network.forward(x)[0], atol=0.02)


def test_normalization_learns_faster_than_a_good_start_and_a_small_start_never_learns():
    normalized, good, small = (experiment.run(*at, look_at=(100,)) for at in ((True, 1, 1), (False, 1, 4), (False, 1)))
    assert normalized.accuracies[0] > good.accuracies[0] + 0.1
    assert experiment.accuracy(good.network) > 0.9
    assert experiment.accuracy(small.network) < 0.2


def test_the_map_is_wide_with_normalization_and_its_edge_is_slanted():
    rates, scales = (0.03, 10), (0.3, 10)
    normalized = experiment.accuracy_map(True, rates, scales)
    plain = experiment.accuracy_map(False, rates, scales)
    assert (normalized > plain + 0.1).all()
    assert normalized[0, 0] > normalized[0, 1]
    assert normalized[1, 0] < normalized[1, 1]


def test_gradients_are_level_with_normalization_and_fall_towards_the_input_without():
    normalized, good, small = (
        experiment.run(*at, steps=1, look_at=(0,)) for at in ((True, 1, 1), (False, 1, 4), (False, 1, 1))
    )
    ratios = [run.gradients[0, -1] / run.gradients[0, 0] for run in (normalized, good, small)]
    assert ratios[0] < 4 < ratios[1] < 40 < ratios[2]
    assert normalized.saturated.max() == small.saturated.max() == 0
    assert good.saturated.max() > 0.1


def test_batches_of_two_turn_the_order_round():
    plain = experiment.batch_sizes(False, (2, 60), (0.3, 1), 4).mean(axis=1)
    normalized = experiment.batch_sizes(True, (2, 60), (0.3, 1), 1).mean(axis=1)
    assert normalized[0] < plain[0]
    assert normalized[1] > plain[1]


def test_batch_statistics_at_test_time_depend_on_the_other_images(trained):
    assert experiment.accuracy(trained) > 0.95
    assert experiment.accuracy_in_batches(trained, 60) > 0.9
    assert experiment.accuracy_in_batches(trained, 60, "sorted") < 0.7
    assert experiment.accuracy_in_batches(trained, 1) < 0.2


def test_an_evaluation_in_train_mode_changes_the_network_but_not_the_original(trained):
    before = experiment.accuracy(trained)
    assert experiment.after_seeing(trained, 4) < before - 0.1
    assert experiment.accuracy(trained) == before


def test_constant_statistics_collapse_at_a_large_rate_and_do_no_harm_at_a_small_one():
    fast, slow = (experiment.trained_with_constants(100, rate) for rate in (1, 0.1))
    assert experiment.accuracy(fast.network) < 0.2
    assert experiment.accuracy(slow.network) > 0.95
    assert slow.losses[-20:].mean() < experiment.run(True, 0.1).losses[-20:].mean()


def test_the_gradient_with_constant_statistics_is_the_one_of_the_layer_in_test_mode():
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 7, 3))
    gamma, beta = rng.normal(size=(2, 3))
    held = {"mode": "train", "eps": 0.5, "running_mean": rng.normal(size=3), "running_var": rng.uniform(1, 2, 3)}
    forward, backward = experiment.constant_statistics(0)
    _, cache = forward(x, gamma, beta, dict(held))
    test = held | {"mode": "test"}
    for value, gradient, layer in zip(
        (x, gamma, beta),
        backward(dout, cache),
        (
            lambda x: batchnorm_forward(x, gamma, beta, dict(test))[0],
            lambda gamma: batchnorm_forward(x, gamma, beta, dict(test))[0],
            lambda beta: batchnorm_forward(x, gamma, beta, dict(test))[0],
        ),
        strict=True,
    ):
        np.testing.assert_allclose(gradient, numerical_gradient(layer, value, dout), rtol=1e-6)


def test_the_same_seed_gives_the_same_run():
    np.testing.assert_array_equal(*(experiment.run(True, 1, steps=5).losses for _ in range(2)))
