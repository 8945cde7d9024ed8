"""The inputs on which feature maps, layer normalization, folding and converting are tried keep their promises."""

import numpy as np
import pytest

from autograder.checks.draw import generator
from autograder.checks.topics import TOPICS


def drawn(name):
    topic = TOPICS[name]
    hidden = [probe for seed in range(50) for probe in topic.hidden(generator("promise", name, str(seed)))]
    return [*topic.visible, *hidden]


@pytest.fixture(scope="module")
def maps():
    return drawn("spatial")


@pytest.fixture(scope="module")
def layers():
    return drawn("layernorm")


@pytest.fixture(scope="module")
def trained():
    return drawn("inference")


def test_the_shapes_of_maps_separate_all_axes(maps):
    for probe in maps:
        N, C, H, W = probe.x.shape
        assert N % 2 == 1
        assert N > 1
        assert len({N, C, H}) == len({C, H, W}) == 3
        assert probe.gamma.shape == probe.running_mean.shape == (C,)


def test_channels_differ_in_mean_and_width_and_eps_is_of_the_size_of_their_variances(maps):
    for probe in maps:
        means, variances = probe.x.mean(axis=(0, 2, 3)), probe.x.var(axis=(0, 2, 3))
        assert np.abs(np.subtract.outer(means, means))[~np.eye(len(means), dtype=bool)].min() > 0.05
        assert 0.5 * probe.eps < variances.min() < variances.max() < 5 * probe.eps
        assert variances.max() / variances.min() > 2


def test_pixels_and_images_of_a_channel_have_statistics_of_their_own(maps):
    for probe in maps:
        means = probe.x.mean(axis=(0, 2, 3), keepdims=True)
        width = probe.x.std(axis=(0, 2, 3), keepdims=True)
        for axes in (0, (2, 3)):
            assert np.abs((probe.x.mean(axis=axes, keepdims=True) - means) / width).max() > 0.15


def test_the_upstream_gradient_of_each_channel_has_a_mean_and_a_projection_on_x_hat(maps):
    for probe in maps:
        axes = (0, 2, 3)
        z = (probe.x - probe.x.mean(axis=axes, keepdims=True)) / probe.x.std(axis=axes, keepdims=True)
        assert np.abs(probe.dout.mean(axis=axes)).min() > 0.39
        assert np.abs((probe.dout * z).mean(axis=axes)).min() > 0.49


def test_examples_are_tried_with_more_and_with_fewer_features_and_with_as_many(layers):
    assert {np.sign(len(probe.x) - probe.x.shape[1]) for probe in layers} == {-1, 1}
    assert all(len(probe.x_square) == probe.x_square.shape[1] == len(probe.gamma) for probe in layers)


def test_no_path_of_the_gradient_of_an_example_is_idle(layers):
    for probe in layers:
        for x, dout in ((probe.x, probe.dout), (probe.x_square, probe.dout_square)):
            z = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
            dx_hat = dout * probe.gamma
            assert np.abs(dx_hat.mean(axis=1)).min() > 0.39
            assert np.abs((dx_hat * z).mean(axis=1)).min() > 0.49
            assert 0.5 * probe.eps < x.var(axis=1).min() < x.var(axis=1).max() < 5 * probe.eps


def test_gamma_differs_between_features_in_sign_and_size_and_is_never_one(maps, layers, trained):
    for probe in [*maps, *layers, *trained]:
        assert {-1, 1} == set(np.sign(probe.gamma))
        assert np.abs(np.abs(probe.gamma) - 1).min() > 0.05
        assert np.abs(probe.beta).min() > 0.25


def test_weights_to_be_folded_are_tried_square_and_not(trained):
    for probe in trained:
        D_in, D_out = probe.W.shape
        assert D_in != D_out
        assert probe.W_square.shape == (D_out, D_out)


def test_a_lost_eps_a_lost_root_and_a_lost_mean_show_in_what_is_folded(trained):
    for probe in trained:
        assert (probe.running_var < 5 * probe.eps).all()
        assert np.abs(probe.running_var + probe.eps - 1).max() > 0.1
        assert np.abs(probe.running_mean).min() > 1.9
        assert np.abs(probe.b).min() > 0.5


def test_momentum_has_two_sides_and_the_two_variances_differ_by_percents(maps, trained):
    assert all(abs(probe.momentum - 0.5) > 0.09 and abs(probe.momentum - 0.9) > 0.02 for probe in [*maps, *trained])
    assert all(4 <= probe.n <= 30 for probe in trained)
