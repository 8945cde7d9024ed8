"""The network learns by gradients that are right, can be measured everywhere, and is the same for the same seed."""

import copy

import numpy as np
import pytest
import references

import solutions.network as network_module
from solutions import (
    Network,
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
    numerical_gradient,
    softmax_cross_entropy,
    train,
)

ACTIVATION = pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
BATCHNORM = pytest.mark.parametrize("batchnorm", [False, True], ids=["plain", "batchnorm"])


def network_and_batch(sizes, N, activation, batchnorm, eps=0.05, seed=0):
    """Return a network whose parameters all differ from their initial values, a batch and its labels."""
    rng = np.random.default_rng(seed)
    network = Network(sizes, activation, batchnorm, rng, eps=eps)
    for layer in network.params:
        for name in layer.keys() - {"W"}:
            layer[name] += rng.normal(size=layer[name].shape)
    return network, rng.normal(size=(N, sizes[0])), rng.integers(0, sizes[-1], size=N)


def blobs(rng, N):
    """Draw three classes of points that a straight line cannot separate."""
    labels = rng.integers(0, 3, size=N)
    radius, angle = labels + 0.5 + 0.1 * rng.normal(size=N), rng.uniform(0, 2 * np.pi, size=N)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


# --- the loss -------------------------------------------------------------------------------------------------------


def test_loss_of_equal_logits_is_the_logarithm_of_the_number_of_classes():
    loss, _ = softmax_cross_entropy(np.full((4, 10), 3.0), np.array([0, 3, 9, 9]))
    assert loss == pytest.approx(np.log(10))


def test_loss_of_huge_logits_is_finite_and_warns_of_nothing():
    loss, dlogits = softmax_cross_entropy(np.array([[1e4, -1e4], [1e4, -1e4]]), np.array([0, 1]))
    assert loss == 1e4
    np.testing.assert_array_equal(dlogits, [[0, 0], [0.5, -0.5]])


def test_gradient_of_the_loss_is_the_numerical_one_and_sums_to_zero_in_every_row():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 4)), rng.integers(0, 4, size=5)
    _, dlogits = softmax_cross_entropy(logits, labels)
    want = numerical_gradient(lambda z: np.array(softmax_cross_entropy(z, labels)[0]), logits, np.array(1.0))
    np.testing.assert_allclose(dlogits, want, atol=1e-9)
    np.testing.assert_allclose(dlogits.sum(axis=1), 0, atol=1e-15)


# --- the gradients --------------------------------------------------------------------------------------------------


@ACTIVATION
@BATCHNORM
def test_gradient_of_every_parameter_is_the_numerical_one(activation, batchnorm):
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, activation, batchnorm)
    logits, trace = network.forward(x)
    grads = network.backward(softmax_cross_entropy(logits, labels)[1], trace)

    for layer, gradients in zip(network.params, grads, strict=True):
        for name, value in list(layer.items()):

            def loss(changed, layer=layer, name=name, value=value):
                layer[name] = changed
                logits, _ = network.forward(x)
                layer[name] = value
                return np.array(softmax_cross_entropy(logits, labels)[0])

            want = numerical_gradient(loss, value, np.array(1.0))
            np.testing.assert_allclose(gradients[name], want, atol=1e-8, err_msg=name)


@ACTIVATION
@BATCHNORM
@pytest.mark.parametrize(
    ("sizes", "N"), [((3, 2), 5), ((4, 6, 5, 3), 7), ((5, 4, 4, 4, 4, 2), 9), ((8, 16, 10), 33), ((64, 20, 20, 10), 50)]
)
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_loss_and_gradients_of_all_parameters_agree_with_jax(activation, batchnorm, sizes, N, eps):
    network, x, labels = network_and_batch(sizes, N, activation, batchnorm, eps)
    want_loss, want = references.network_gradients(network.params, x, labels, activation, eps)
    logits, trace = network.forward(x)
    loss, dlogits = softmax_cross_entropy(logits, labels)
    grads = network.backward(dlogits, trace)
    assert loss == pytest.approx(want_loss, rel=1e-12)
    for got_layer, want_layer in zip(grads, want, strict=True):
        for name, gradient in want_layer.items():
            np.testing.assert_allclose(got_layer[name], gradient, rtol=1e-8, atol=1e-12, err_msg=name)


@BATCHNORM
def test_every_quantity_of_the_trace_has_a_gradient_of_its_shape(batchnorm):
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "tanh", batchnorm)
    logits, trace = network.forward(x)
    grads = network.backward(softmax_cross_entropy(logits, labels)[1], trace)
    for at, gradients in zip(trace, grads, strict=True):
        for name in {"input", "linear", "pre_activation", "activation"} & at.keys():
            assert gradients[name].shape == at[name].shape
    np.testing.assert_array_equal(trace[0]["input"], x)
    np.testing.assert_array_equal(trace[-1]["linear"], logits)


def test_gradient_at_the_input_is_the_numerical_one():
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "sigmoid", True)
    logits, trace = network.forward(x)
    grads = network.backward(softmax_cross_entropy(logits, labels)[1], trace)
    want = numerical_gradient(
        lambda x: np.array(softmax_cross_entropy(network.forward(x)[0], labels)[0]), x, np.array(1.0)
    )
    np.testing.assert_allclose(grads[0]["input"], want, atol=1e-9)


def test_a_bias_before_batchnorm_is_dead():
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "sigmoid", True)
    before, trace = network.forward(x)
    grads = network.backward(softmax_cross_entropy(before, labels)[1], trace)
    np.testing.assert_allclose(grads[0]["b"], 0, atol=1e-15)
    network.params[0]["b"] += 5
    np.testing.assert_allclose(network.forward(x)[0], before, rtol=1e-12)


# --- what the network is --------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_with_and_without_batchnorm():
    plain, normalized = (Network((4, 6, 3), "relu", on, np.random.default_rng(3)) for on in (False, True))
    for a, b in zip(plain.params, normalized.params, strict=True):
        np.testing.assert_array_equal(a["W"], b["W"])


def test_weights_have_standard_deviation_weight_scale_over_root_of_the_layers_inputs():
    network = Network((400, 300, 200), "relu", False, np.random.default_rng(0), weight_scale=2.0)
    assert network.params[0]["W"].std() == pytest.approx(2.0 / np.sqrt(400), rel=0.02)
    assert network.params[1]["W"].std() == pytest.approx(2.0 / np.sqrt(300), rel=0.02)


def test_without_a_word_weight_scale_is_1_eps_1e_minus_5_and_momentum_0_9():
    network = Network((400, 300, 200), "relu", True, np.random.default_rng(0))
    assert network.params[0]["W"].std() == pytest.approx(1 / np.sqrt(400), rel=0.02)
    assert network.bn_params == [{"eps": 1e-5, "momentum": 0.9}]


def test_relu_passes_no_gradient_at_zero():
    forward, backward = network_module.ACTIVATIONS["relu"]
    out, cache = forward(np.array([-1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(out, [0, 0, 2])
    np.testing.assert_array_equal(backward(np.ones(3), cache), [0, 0, 1])


def test_only_hidden_layers_are_normalized_and_only_on_demand():
    plain, normalized = (Network((4, 6, 5, 3), "relu", on, np.random.default_rng(3)) for on in (False, True))
    assert [sorted(layer) for layer in plain.params] == [["W", "b"]] * 3
    assert [sorted(layer) for layer in normalized.params] == [["W", "b", "beta", "gamma"]] * 2 + [["W", "b"]]


def test_normalized_pre_activations_have_mean_zero_and_variance_one_at_the_start():
    network = Network((4, 6, 5, 3), "sigmoid", True, np.random.default_rng(0), weight_scale=50.0)
    _, trace = network.forward(np.random.default_rng(1).normal(size=(30, 4)))
    for at in trace[:-1]:
        np.testing.assert_allclose(at["pre_activation"].mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(at["pre_activation"].var(axis=0), 1, rtol=1e-3)


def test_an_unknown_activation_is_named_in_the_error():
    with pytest.raises(ValueError, match="'swish'"):
        Network((4, 3), "swish", False, np.random.default_rng(0))


def test_a_pass_in_test_mode_moves_no_running_average_and_has_no_backward_pass():
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "sigmoid", True)
    network.forward(x)
    before = copy.deepcopy(network.bn_params)
    logits, trace = network.forward(x[:1], mode="test")
    for now, was in zip(network.bn_params, before, strict=True):
        np.testing.assert_equal(now, {**was, "mode": "test"})
    np.testing.assert_allclose(logits[0], network.forward(x, mode="test")[0][0], rtol=1e-12)
    with pytest.raises(ValueError, match="mode 'train'"):
        network.backward(softmax_cross_entropy(logits, labels[:1])[1], trace)


def test_a_plain_network_is_the_same_in_both_modes():
    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "sigmoid", False)
    logits, trace = network.forward(x, mode="test")
    np.testing.assert_array_equal(logits, network.forward(x, mode="train")[0])
    assert len(network.backward(softmax_cross_entropy(logits, labels)[1], trace)) == 3


@pytest.mark.parametrize("mode", ["train", "test"])
def test_accuracy_is_the_share_of_right_largest_logits_and_measuring_it_changes_nothing(mode):
    network, x, _ = network_and_batch((4, 6, 5, 3), 7, "sigmoid", True)
    labels = network.forward(x, mode)[0].argmax(axis=1)
    labels[:2] = (labels[:2] + 1) % 3
    before = copy.deepcopy((network.params, network.bn_params))
    assert network.accuracy(x, labels, mode) == 5 / 7
    np.testing.assert_equal((network.params, network.bn_params), before)


def test_another_normalization_can_take_the_place_of_batchnorm():
    rng = np.random.default_rng(0)
    network = Network((4, 6, 3), "tanh", True, rng, normalization=(layernorm_forward, layernorm_backward))
    _, trace = network.forward(rng.normal(size=(7, 4)))
    np.testing.assert_allclose(trace[0]["pre_activation"].mean(axis=1), 0, atol=1e-12)


# --- training -------------------------------------------------------------------------------------------------------


@ACTIVATION
@BATCHNORM
def test_training_learns_what_a_linear_model_cannot(activation, batchnorm):
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 300)
    network = Network((2, 20, 20, 3), activation, batchnorm, rng, weight_scale=2.0)
    losses = train(network, x, labels, steps=600, batch_size=50, learning_rate=0.5, rng=rng)
    assert losses[-20:].mean() < 0.4 * losses[0]
    assert network.accuracy(x, labels) > 0.9


def test_batchnorm_trains_a_deep_sigmoid_network_on_which_plain_training_stands_still():
    x, labels = blobs(np.random.default_rng(0), 300)
    final = {}
    for batchnorm in (False, True):
        rng = np.random.default_rng(1)
        network = Network((2,) + (20,) * 8 + (3,), "sigmoid", batchnorm, rng)
        final[batchnorm] = train(network, x, labels, 600, 50, 0.5, rng)[-20:].mean()
    assert final[False] > 1.0  # log(3) = 1.0986 is the loss of guessing
    assert final[True] < 0.6


def test_training_is_the_same_for_the_same_seed():
    def run():
        rng = np.random.default_rng(7)
        x, labels = blobs(rng, 100)
        return train(Network((2, 5, 3), "tanh", True, rng), x, labels, 20, 10, 0.1, rng)

    np.testing.assert_array_equal(run(), run())


def test_after_every_step_its_trace_and_gradients_can_be_measured():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 100)
    seen = []

    def measure(step, trace, grads):
        seen.append((step, trace[0]["pre_activation"].shape, np.linalg.norm(grads[0]["W"]) > 0))

    train(Network((2, 5, 3), "tanh", True, rng), x, labels, 3, 10, 0.1, rng, after_step=measure)
    assert seen == [(0, (10, 5), True), (1, (10, 5), True), (2, (10, 5), True)]


def test_a_batch_holds_no_example_twice():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 40)

    def measure(step, trace, grads):
        assert len(np.unique(trace[0]["input"], axis=0)) == 40

    train(Network((2, 5, 3), "tanh", True, rng), x, labels, 3, 40, 0.1, rng, after_step=measure)


def test_a_run_that_diverges_ends_in_nan_without_a_warning():
    rng = np.random.default_rng(0)
    x, labels = blobs(rng, 100)
    network = Network((2, 20, 20, 3), "relu", False, rng)
    losses = train(network, x, labels, 60, 20, 1e30, rng)
    assert np.isfinite(losses[0])
    assert np.isnan(losses[-1])
    assert 0 <= network.accuracy(x, labels) <= 1


def test_one_step_moves_every_parameter_against_its_gradient():
    network, x, labels = network_and_batch((4, 6, 3), 7, "sigmoid", True)
    before = copy.deepcopy(network.params)
    logits, trace = network.forward(x)
    grads = network.backward(softmax_cross_entropy(logits, labels)[1], trace)
    network.step(grads, learning_rate=0.3)
    for was, now, gradients in zip(before, network.params, grads, strict=True):
        for name in was:
            np.testing.assert_allclose(now[name], was[name] - 0.3 * gradients[name], rtol=1e-12)


# --- planted mistakes -----------------------------------------------------------------------------------------------


def test_a_backward_pass_that_holds_mean_and_variance_constant_does_not_agree_with_jax():
    def constant_statistics(dout, cache):
        _, x_hat, _, _, inv_std, gamma, _ = cache
        return dout * gamma * inv_std, (dout * x_hat).sum(axis=0), dout.sum(axis=0)

    network, x, labels = network_and_batch((4, 6, 5, 3), 7, "sigmoid", True)
    network.normalize_forward, network.normalize_backward = batchnorm_forward, constant_statistics
    logits, trace = network.forward(x)
    dlogits = softmax_cross_entropy(logits, labels)[1]
    wrong = network.backward(dlogits, trace)
    _, want = references.network_gradients(network.params, x, labels, "sigmoid", 0.05)
    assert np.abs(wrong[0]["W"] - want[0]["W"]).max() > 0.1 * np.abs(want[0]["W"]).max()
    network.normalize_backward = batchnorm_backward_alt
    np.testing.assert_allclose(network.backward(dlogits, trace)[0]["W"], want[0]["W"], rtol=1e-9, atol=1e-14)
