"""What the chapter on internal covariate shift says about its experiments is what they measure."""

import copy

import numpy as np
import pytest

from chapters.experiments import covariate_shift as experiment
from solutions import Network, batchnorm_forward, numerical_gradient, softmax_cross_entropy


@pytest.fixture(scope="module")
def runs():
    """One run of each kind, with percentiles."""
    return {kind: experiment.run(kind, every=20) for kind in experiment.KINDS}


def early(seen):
    return seen.losses[:100].mean()


# --- the layer whose output is moved ---------------------------------------------------------------------------------


def moved(strength, memory, seed=0):
    return experiment.moving_normalization(strength, memory, np.random.default_rng(seed))


def test_the_backward_pass_of_the_moved_layer_is_the_numerical_gradient_for_the_same_draws():
    rng = np.random.default_rng(0)
    x, dout = rng.normal(2, 3, (7, 4)), rng.normal(size=(7, 4))
    gamma, beta = rng.normal(size=4), rng.normal(size=4)

    def out(x, gamma, beta):
        return moved(0.7, 0.0)[0](x, gamma, beta, {"mode": "train", "eps": 0.05})[0]

    forward, backward = moved(0.7, 0.0)
    _, cache = forward(x, gamma, beta, {"mode": "train", "eps": 0.05})
    dx, dgamma, dbeta = backward(dout, cache)
    np.testing.assert_allclose(dx, numerical_gradient(lambda v: out(v, gamma, beta), x, dout), atol=1e-8)
    np.testing.assert_allclose(dgamma, numerical_gradient(lambda v: out(x, v, beta), gamma, dout), atol=1e-8)
    np.testing.assert_allclose(dbeta, numerical_gradient(lambda v: out(x, gamma, v), beta, dout), atol=1e-8)


def test_the_moved_layer_is_batch_normalization_in_test_mode():
    rng = np.random.default_rng(0)
    x, gamma, beta = rng.normal(size=(7, 4)), rng.normal(size=4), rng.normal(size=4)
    got, _ = moved(0.7, 0.0)[0](x, gamma, beta, {"mode": "test"})
    want, _ = batchnorm_forward(x, gamma, beta, {"mode": "test"})
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_offsets_have_the_strength_as_their_width_and_remember_as_told(memory):
    forward, _ = moved(2.0, memory)
    bn_param = {"mode": "train"}
    x, ones = np.random.default_rng(1).normal(size=(3, 4000)), np.ones(4000)
    offsets = []
    for _ in range(6):
        forward(x, ones, 0 * ones, bn_param)
        offsets.append(2.0 * bn_param["moved"][0])
    assert np.std(offsets[-1]) == pytest.approx(2.0, rel=0.05)
    assert np.corrcoef(offsets[-2], offsets[-1])[0, 1] == pytest.approx(memory, abs=0.05)


def test_the_same_seed_gives_every_kind_the_same_weights():
    networks = [experiment.make_network(kind, seed=3) for kind in experiment.KINDS]
    for network in networks[1:]:
        np.testing.assert_array_equal(network.params[0]["W"], networks[0].params[0]["W"])


def test_looking_at_a_network_changes_nothing():
    x, labels = experiment.training_set()
    network = experiment.make_network("batchnorm", 0)
    network.forward(x[:60])
    before = copy.deepcopy((network.params, network.bn_params))
    experiment.inputs_of_units(network, x)
    experiment.loss_and_gradients(network, x, labels)
    np.testing.assert_equal((network.params, network.bn_params), before)
    plain = experiment.run("plain", steps=30)
    watched = experiment.run("plain", steps=30, every=5)
    np.testing.assert_array_equal(watched.losses, plain.losses)


# --- the shift -------------------------------------------------------------------------------------------------------


def test_the_mean_of_a_batch_scatters_as_derived():
    means, mean, std = experiment.batch_means((15, 60, 240), draws=2000)
    for N, values in means.items():
        predicted = std * np.sqrt((1437 - N) / 1436 / N)
        assert values.std() == pytest.approx(predicted, rel=0.06)
        assert values.mean() == pytest.approx(mean, abs=4 * predicted / np.sqrt(2000))


def test_inputs_drift_by_widths_without_batchnorm_and_hardly_at_all_with_it(runs):
    assert np.median(experiment.drift(runs["plain"])) > 1.5
    assert experiment.drift(runs["batchnorm"]).max() < 0.5


def test_with_batchnorm_the_mean_of_every_batch_is_beta(runs):
    x, _ = experiment.training_set()
    network = runs["batchnorm"].network
    received = experiment.inputs_of_units(network, x)
    layer = network.params[experiment.LAST]
    np.testing.assert_allclose(received.mean(axis=0), layer["beta"], atol=1e-12)
    np.testing.assert_allclose(received.std(axis=0), np.abs(layer["gamma"]), rtol=1e-3)


def test_the_typical_unit_has_the_median_drift(runs):
    widths = experiment.drift(runs["plain"])
    assert 48 <= np.sum(widths < widths[experiment.typical_unit(runs["plain"])]) <= 51


def test_more_shift_than_in_the_plain_network_leaves_training_faster_than_it(runs):
    assert experiment.shift_per_step(runs["noisy"]) > 1.4 * experiment.shift_per_step(runs["plain"])
    at_its_own_rate = experiment.run("plain", learning_rate=0.3, steps=200)
    assert early(runs["batchnorm"]) < early(runs["noisy"]) < 0.7 * min(early(runs["plain"]), early(at_its_own_rate))


def test_the_noisy_network_ends_with_the_highest_loss(runs):
    last = {kind: seen.losses[-50:].mean() for kind, seen in runs.items()}
    assert last["noisy"] > 1.2 * max(last["plain"], last["batchnorm"])


def test_more_strength_is_more_shift_and_a_higher_loss():
    seen = [experiment.run("noisy", steps=200, strength=strength) for strength in (0.25, 0.5, 1, 2)]
    assert np.all(np.diff([experiment.shift_per_step(run) for run in seen]) > 0)
    assert np.all(np.diff([run.losses.mean() for run in seen]) > 0)


def test_noise_that_remembers_drifts_and_slows_training_down_late(runs):
    drifting = experiment.run("noisy", strength=2, memory=0.99, every=20)
    assert np.median(experiment.drift(drifting)) > 2 * np.median(experiment.drift(runs["noisy"]))
    assert early(drifting) < early(runs["plain"])
    assert drifting.losses[-50:].mean() > 2 * runs["plain"].losses[-50:].mean()


# --- gradients and the landscape -------------------------------------------------------------------------------------


def test_the_gradient_shift_is_smaller_with_batchnorm_in_this_network():
    plain, batchnorm = (np.median(experiment.gradient_shift(kind)) for kind in ("plain", "batchnorm"))
    assert batchnorm < 0.5 * plain


def test_the_loss_is_smoother_with_batchnorm_also_where_it_is_equally_low():
    sizes = 0.3 * np.array([0.5, 1, 2, 4])
    plain, batchnorm = (experiment.landscape(kind, sizes) for kind in ("plain", "batchnorm"))
    rough = [np.median(seen.roughness[(seen.losses > 0.2) & (seen.losses < 0.5)]) for seen in (plain, batchnorm)]
    assert rough[0] > 2 * rough[1]
    late = plain.seen_at >= 50
    assert np.median(plain.cosines[late, 1]) < 0.6
    assert np.median(batchnorm.cosines[late, 1]) > 0.9


@pytest.mark.parametrize("kind", ["plain", "batchnorm"])
def test_a_step_below_two_over_the_roughness_lowers_the_loss(kind):
    sizes = 0.3 * np.array([0.25, 0.5, 1, 2, 4])
    seen = experiment.landscape(kind, sizes, steps=100)
    safe = sizes < 0.9 * np.minimum(2 / seen.roughness, sizes[-1])[:, None]
    assert safe.any()
    assert np.all((seen.along < seen.losses[:, None])[safe])


def test_roughness_of_a_parabola_is_its_curvature(monkeypatch):
    def parabola(network, x, labels):
        w = network.params[0]["W"]
        return 1.5 * np.sum(w**2), [{"W": 3 * w}]

    network = Network((2, 3), "sigmoid", False, np.random.default_rng(0))
    del network.params[0]["b"]
    monkeypatch.setattr(experiment, "loss_and_gradients", parabola)
    monkeypatch.setattr(experiment, "make_network", lambda kind, seed: network)
    monkeypatch.setattr(experiment, "train", lambda *args: args[-1](0, None, None))
    seen = experiment.landscape("plain", (0.1, 0.2))
    np.testing.assert_allclose(seen.roughness, 3)
    np.testing.assert_allclose(seen.along[0] / seen.losses[0], [0.7**2, 0.4**2])
    np.testing.assert_allclose(seen.cosines, 1)


def test_a_network_that_learns_nothing_has_the_smoothest_loss():
    sizes = 0.3 * np.array([0.5, 1, 2, 4])
    options = {"learning_rate": 1.0, "steps": 101, "weight_scale": 1.0}
    plain, batchnorm = (experiment.landscape(kind, sizes, **options) for kind in ("plain", "batchnorm"))
    assert np.median(plain.roughness) < 0.5 * np.median(batchnorm.roughness)
    assert plain.losses[-1] > 2.2


def test_batchnorm_prefers_a_larger_rate_and_is_better_at_the_plain_networks_best_rate():
    rates = (0.1, 0.3, 1, 3)
    plain, batchnorm = (experiment.sweep(kind, rates) for kind in ("plain", "batchnorm"))
    assert rates[np.argmin(plain)] == 0.3
    assert rates[np.argmin(batchnorm)] == 1
    assert batchnorm[1] < plain[1]


def test_a_run_that_overflows_counts_as_infinite(monkeypatch):
    stopped = experiment.run("plain", steps=5)._replace(losses=np.array([2.3, 9.0, np.nan, np.nan, np.nan]))
    monkeypatch.setattr(experiment, "run", lambda *args: stopped)
    assert experiment.sweep("plain", [1e9])[0] == np.inf


# --- depth -----------------------------------------------------------------------------------------------------------


def test_predicted_growth_of_relu_is_pi_over_pi_minus_one():
    assert experiment.predicted_growth("relu") == pytest.approx(np.pi / (np.pi - 1), rel=1e-6)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gradients_grow_with_depth_as_predicted(activation):
    gradients = experiment.gradients_by_layer(activation, batchnorm=True)
    predicted = experiment.predicted_growth(activation)
    assert predicted > 1
    assert experiment.growth_per_layer(gradients) == pytest.approx(predicted, rel=0.03)


@pytest.mark.parametrize("weight_scale", [0.1, 10.0])
def test_the_growth_does_not_depend_on_the_scale_of_the_weights(weight_scale):
    growth = experiment.growth_per_layer(experiment.gradients_by_layer("relu", True, weight_scale))
    assert growth == pytest.approx(experiment.growth_per_layer(experiment.gradients_by_layer("relu", True)), rel=0.01)


def test_without_batchnorm_relu_keeps_the_gradient_and_the_sigmoid_loses_it():
    relu = experiment.growth_per_layer(experiment.gradients_by_layer("relu", False, np.sqrt(2)))
    assert relu == pytest.approx(1, abs=0.05)
    assert experiment.growth_per_layer(experiment.gradients_by_layer("sigmoid", False)) < 0.1


def test_a_small_gamma_tames_tanh_and_not_relu():
    assert experiment.predicted_growth("tanh", gamma=0.1) == pytest.approx(1, abs=1e-3)
    assert experiment.predicted_growth("relu", gamma=0.1) == pytest.approx(np.pi / (np.pi - 1))
    gradients = experiment.gradients_by_layer("tanh", True, gamma=0.1)
    assert experiment.growth_per_layer(gradients) == pytest.approx(1, abs=0.03)


def test_the_loss_of_a_batch_and_its_gradients_are_those_of_the_network():
    x, labels = experiment.training_set()
    network = experiment.make_network("plain", 0)
    loss, grads = experiment.loss_and_gradients(network, x[:20], labels[:20])
    assert loss == softmax_cross_entropy(network.forward(x[:20])[0], labels[:20])[0]
    assert len(experiment.as_vector(network, grads)) == sum(v.size for layer in network.params for v in layer.values())
