"""What batch normalization is: the properties that the book proves, each checked on the reference."""

import numpy as np
import pytest
from constructed import constructed_inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from solutions import (
    backward_mu,
    backward_var,
    backward_x,
    backward_x_hat,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    convert_running,
    fold_batchnorm,
    gradient_norms,
    layernorm_backward,
    layernorm_forward,
    numerical_gradient,
    relative_error,
    saturated_fraction,
    sigmoid_backward,
    sigmoid_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

BACKWARDS = pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])
EPS = pytest.mark.parametrize("eps", [1e-5, 0.1])


def normalized(x, eps=1e-5):
    """Return batch normalization of x with gamma = 1 and beta = 0."""
    D = x.shape[1]
    return batchnorm_forward(x, np.ones(D), np.zeros(D), {"mode": "train", "eps": eps})[0]


# --- the forward pass in train mode -------------------------------------------------------------------------------


@EPS
def test_normalized_columns_have_mean_zero(eps):
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 6))
    np.testing.assert_allclose(normalized(x, eps).mean(axis=0), 0, atol=1e-14)


@EPS
def test_normalized_columns_have_variance_var_over_var_plus_eps(eps):
    x = np.random.default_rng(0).normal(3.0, [0.1, 0.3, 1.0, 5.0], size=(50, 4))
    var = x.var(axis=0)
    np.testing.assert_allclose(normalized(x, eps).var(axis=0), var / (var + eps), rtol=1e-12)


@EPS
def test_beta_is_the_mean_of_the_output_and_gamma_scales_its_spread(eps):
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 9, 4)
    out, _ = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    np.testing.assert_allclose(out.mean(axis=0), beta, rtol=1e-12)
    np.testing.assert_allclose(out.std(axis=0), abs(gamma) * normalized(x, eps).std(axis=0), rtol=1e-12)


@EPS
def test_a_shift_of_the_input_changes_nothing(eps):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 4))
    np.testing.assert_allclose(normalized(x + rng.normal(size=4), eps), normalized(x, eps), atol=1e-14)


def test_a_positive_scale_of_the_input_changes_nothing_if_eps_is_zero():
    x = np.random.default_rng(0).normal(size=(9, 4))
    np.testing.assert_allclose(normalized(7 * x, eps=0), normalized(x, eps=0), atol=1e-14)
    assert np.max(np.abs(normalized(7 * x, eps=0.1) - normalized(x, eps=0.1))) > 0.05


def test_a_negative_scale_of_the_input_flips_the_sign():
    x = np.random.default_rng(0).normal(size=(9, 4))
    np.testing.assert_allclose(normalized(-7 * x, eps=0), -normalized(x, eps=0), atol=1e-14)


@EPS
def test_gamma_and_beta_can_restore_the_input(eps):
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(9, 4))
    out, _ = batchnorm_forward(x, np.sqrt(x.var(axis=0) + eps), x.mean(axis=0), {"mode": "train", "eps": eps})
    np.testing.assert_allclose(out, x, rtol=1e-13)


def test_moving_one_example_moves_every_other_output_of_its_column_and_no_other_column():
    x = np.random.default_rng(0).normal(size=(5, 3))
    moved = x.copy()
    moved[0, 1] += 1
    change = normalized(moved) - normalized(x)
    assert np.all(np.abs(change[:, 1]) > 1e-3)
    np.testing.assert_array_equal(change[:, [0, 2]], 0)


def test_the_order_of_the_examples_does_not_matter():
    rng = np.random.default_rng(0)
    x, order = rng.normal(size=(9, 4)), rng.permutation(9)
    np.testing.assert_allclose(normalized(x[order]), normalized(x)[order], atol=1e-14)


def test_a_column_far_from_zero_keeps_its_accuracy():
    x = np.random.default_rng(0).normal(size=(101, 4))
    far = x + 1e7
    near = far - 1e7  # exact: what is left of x after rounding to the grid around 1e7
    np.testing.assert_allclose(normalized(far), normalized(near), atol=1e-8)


@pytest.mark.parametrize("value", [2.0, 0.1, -1e6])
def test_a_constant_column_becomes_beta(value):
    out, _ = batchnorm_forward(np.full((7, 2), value), np.array([3.0, -2.0]), np.array([0.5, -1.5]), {"mode": "train"})
    np.testing.assert_allclose(out, np.tile([0.5, -1.5], (7, 1)), atol=1e-6)


def test_a_batch_of_one_becomes_beta():
    beta = np.array([0.5, -1.5])
    out, _ = batchnorm_forward(np.array([[4.0, -9.0]]), np.array([3.0, 2.0]), beta, {"mode": "train"})
    np.testing.assert_array_equal(out, beta[None])


def test_missing_eps_and_momentum_are_1e_minus_5_and_0_9():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)
    short, long = {"mode": "train"}, {"mode": "train", "eps": 1e-5, "momentum": 0.9}
    np.testing.assert_array_equal(
        batchnorm_forward(x, gamma, beta, short)[0], batchnorm_forward(x, gamma, beta, long)[0]
    )
    np.testing.assert_array_equal(short["running_var"], long["running_var"])


# --- running averages and test mode -------------------------------------------------------------------------------


def test_running_averages_after_two_batches_are_decaying_sums_of_mean_and_biased_variance():
    rng = np.random.default_rng(0)
    first, second = rng.normal(2.0, 3.0, size=(2, 7, 4))
    bn_param = {"mode": "train", "momentum": 0.7, "eps": 0.1}
    for batch in (first, second):
        batchnorm_forward(batch, np.full(4, 2.0), np.ones(4), bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], 0.7 * 0.3 * first.mean(0) + 0.3 * second.mean(0))
    np.testing.assert_allclose(bn_param["running_var"], 0.7 * 0.3 * first.var(0) + 0.3 * second.var(0))


def test_running_averages_continue_from_the_given_ones():
    x = np.random.default_rng(0).normal(size=(7, 2))
    bn_param = {"mode": "train", "momentum": 0.7, "running_mean": np.array([5.0, -5.0]), "running_var": np.ones(2)}
    batchnorm_forward(x, np.ones(2), np.zeros(2), bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], 0.7 * np.array([5.0, -5.0]) + 0.3 * x.mean(0))
    np.testing.assert_allclose(bn_param["running_var"], 0.7 + 0.3 * x.var(0))


def test_running_averages_of_one_repeated_batch_fall_short_by_momentum_to_the_steps():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(7, 4))
    bn_param = {"mode": "train", "momentum": 0.8}
    for _ in range(10):
        batchnorm_forward(x, np.ones(4), np.zeros(4), bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], (1 - 0.8**10) * x.mean(axis=0))
    np.testing.assert_allclose(bn_param["running_var"], (1 - 0.8**10) * x.var(axis=0))


def test_train_mode_does_not_normalize_with_the_running_averages():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)
    far = {"mode": "train", "running_mean": np.full(4, 50.0), "running_var": np.full(4, 9.0)}
    np.testing.assert_array_equal(
        batchnorm_forward(x, gamma, beta, far)[0], batchnorm_forward(x, gamma, beta, {"mode": "train"})[0]
    )


def test_test_mode_normalizes_with_the_running_averages_and_keeps_them():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)
    mean, var = np.array([5.0, -3.0, 2.0, 8.0]), np.array([0.5, 2.0, 0.1, 1.0])
    bn_param = {"mode": "test", "eps": 0.5, "running_mean": mean.copy(), "running_var": var.copy()}
    out, _ = batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(out, gamma * (x - mean) / np.sqrt(var + 0.5) + beta, rtol=1e-12)
    np.testing.assert_array_equal(bn_param["running_mean"], mean)
    np.testing.assert_array_equal(bn_param["running_var"], var)


def test_in_test_mode_a_row_does_not_depend_on_the_rest_of_its_batch():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)
    bn_param = {"mode": "test", "running_mean": np.full(4, 2.0), "running_var": np.full(4, 3.0)}
    together, _ = batchnorm_forward(x, gamma, beta, bn_param)
    alone = [batchnorm_forward(x[i : i + 1], gamma, beta, bn_param)[0] for i in range(7)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


def test_test_mode_without_running_averages_takes_zeros():
    x = np.random.default_rng(0).normal(size=(7, 4))
    out, _ = batchnorm_forward(x, np.ones(4), np.zeros(4), {"mode": "test", "eps": 0.25})
    np.testing.assert_allclose(out, x / 0.5)


@pytest.mark.parametrize("forward", [batchnorm_forward, spatial_batchnorm_forward])
def test_an_unknown_mode_is_named_in_the_error(forward):
    x = np.zeros((2, 3)) if forward is batchnorm_forward else np.zeros((2, 3, 2, 2))
    with pytest.raises(ValueError, match="'validation'"):
        forward(x, np.ones(3), np.zeros(3), {"mode": "validation"})
    with pytest.raises(KeyError, match="mode"):
        forward(x, np.ones(3), np.zeros(3), {})


# --- the backward pass --------------------------------------------------------------------------------------------


def layer(N, D, eps, seed=0):
    """Return (x, x_hat, inv_std, gamma, dout, cache) of a layer in train mode."""
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(seed), N, D)
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    return x, normalized(x, eps), 1 / np.sqrt(x.var(axis=0) + eps), gamma, dout, cache


@BACKWARDS
@EPS
def test_gradient_of_every_column_sums_to_zero(backward, eps):
    *_, dout, cache = layer(9, 4, eps)
    dx, _, _ = backward(dout, cache)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-13)


@BACKWARDS
@EPS
def test_gradient_along_x_hat_is_what_eps_leaves_of_it(backward, eps):
    _, x_hat, inv_std, gamma, dout, cache = layer(9, 4, eps)
    dx, dgamma, _ = backward(dout, cache)
    np.testing.assert_allclose((dx * x_hat).sum(axis=0), gamma * eps * inv_std**3 * dgamma, rtol=1e-9)


@BACKWARDS
@EPS
def test_a_constant_upstream_gradient_gives_zero(backward, eps):
    *_, cache = layer(9, 4, eps)
    dx, _, _ = backward(np.tile([1.0, -2.0, 3.0, 0.5], (9, 1)), cache)
    np.testing.assert_allclose(dx, 0, atol=1e-13)


@BACKWARDS
@EPS
def test_a_batch_of_one_has_no_gradient(backward, eps):
    rng = np.random.default_rng(0)
    _, cache = batchnorm_forward(rng.normal(size=(1, 4)), rng.normal(size=4), rng.normal(size=4), {"mode": "train"})
    dx, dgamma, dbeta = backward(dout := rng.normal(size=(1, 4)), cache)
    np.testing.assert_allclose(dx, 0, atol=1e-12)
    np.testing.assert_array_equal(dgamma, np.zeros(4))
    np.testing.assert_array_equal(dbeta, dout[0])


@BACKWARDS
@EPS
def test_of_a_batch_of_two_only_the_share_of_eps_comes_through(backward, eps):
    rng = np.random.default_rng(0)
    x, dout, gamma = rng.normal(size=(2, 4)), rng.normal(size=(2, 4)), rng.normal(size=4)
    _, cache = batchnorm_forward(x, gamma, np.zeros(4), {"mode": "train", "eps": eps})
    var = x.var(axis=0)
    want = gamma / np.sqrt(var + eps) * (dout - dout.mean(axis=0)) * eps / (var + eps)
    np.testing.assert_allclose(backward(dout, cache)[0], want, rtol=1e-8, atol=1e-13)


@BACKWARDS
@EPS
def test_a_constant_column_amplifies_the_gradient_by_one_over_root_eps(backward, eps):
    gamma, dout = np.array([3.0, -2.0]), np.random.default_rng(0).normal(size=(7, 2))
    _, cache = batchnorm_forward(np.full((7, 2), 2.0), gamma, np.zeros(2), {"mode": "train", "eps": eps})
    np.testing.assert_allclose(backward(dout, cache)[0], gamma / np.sqrt(eps) * (dout - dout.mean(axis=0)), rtol=1e-12)


def test_one_over_root_of_the_default_eps_is_316():
    assert round(1 / np.sqrt(1e-5)) == 316


@EPS
def test_graph_and_closed_form_agree(eps):
    *_, dout, cache = layer(9, 4, eps)
    for a, b in zip(batchnorm_backward(dout, cache), batchnorm_backward_alt(dout, cache), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@BACKWARDS
def test_backward_is_linear_in_the_upstream_gradient(backward):
    *_, dout, cache = layer(9, 4, 0.1)
    other = np.random.default_rng(1).normal(size=dout.shape)
    both = backward(2 * dout - 3 * other, cache)
    for ab, a, b in zip(both, backward(dout, cache), backward(other, cache), strict=True):
        np.testing.assert_allclose(ab, 2 * a - 3 * b, atol=1e-12)


@BACKWARDS
def test_gradient_shapes_are_those_of_the_inputs(backward):
    *_, dout, cache = layer(9, 4, 0.1)
    assert [gradient.shape for gradient in backward(dout, cache)] == [(9, 4), (4,), (4,)]


def test_the_nodes_in_a_row_are_the_backward_pass():
    x, _, _, gamma, dout, cache = layer(9, 4, 0.1)
    mu, var, eps = x.mean(axis=0), x.var(axis=0), 0.1
    dx_hat = backward_x_hat(dout, gamma)
    dvar = backward_var(dx_hat, x, mu, var, eps)
    dmu = backward_mu(dx_hat, dvar, x, mu, var, eps)
    assert dvar.shape == dmu.shape == (4,)
    dx = backward_x(dx_hat, dvar, dmu, x, mu, var, eps)
    np.testing.assert_allclose(dx, batchnorm_backward(dout, cache)[0], rtol=1e-12)


def test_the_variance_passes_nothing_on_to_the_mean():
    x, _, _, gamma, dout, _ = layer(9, 4, 0.1)
    mu, var = x.mean(axis=0), x.var(axis=0)
    dx_hat = backward_x_hat(dout, gamma)
    with_var = backward_mu(dx_hat, np.full(4, 100.0), x, mu, var, 0.1)
    np.testing.assert_allclose(with_var, backward_mu(dx_hat, np.zeros(4), x, mu, var, 0.1), rtol=1e-12)


@pytest.mark.parametrize("a", [0.1, 10.0])
def test_before_batchnorm_the_weights_gradient_is_orthogonal_to_them_and_shrinks_as_they_grow(a):
    rng = np.random.default_rng(0)
    inputs, W, dout = rng.normal(size=(9, 5)), rng.normal(size=(5, 4)), rng.normal(size=(9, 4))

    def weight_gradient(W):
        _, cache = batchnorm_forward(inputs @ W, np.ones(4), np.zeros(4), {"mode": "train", "eps": 0.0})
        return inputs.T @ batchnorm_backward(dout, cache)[0]

    np.testing.assert_allclose((weight_gradient(W) * W).sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(weight_gradient(a * W), weight_gradient(W) / a, rtol=1e-9)


# --- the sigmoid --------------------------------------------------------------------------------------------------


@settings(derandomize=True, database=None, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_sigmoid_of_any_finite_number_is_between_0_and_1_without_a_warning(x):
    out, _ = sigmoid_forward(np.array([x]))
    assert 0 <= out[0] <= 1
    assert (out[0] >= 0.5) == (x >= 0 or out[0] == 0.5)


@settings(derandomize=True, database=None, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_sigmoid_of_any_finite_float32_is_a_float32_without_a_warning(x):
    out, cache = sigmoid_forward(np.array([x], dtype=np.float32))
    dx = sigmoid_backward(np.ones(1, dtype=np.float32), cache)
    assert out.dtype == dx.dtype == np.float32
    assert 0 <= dx[0] <= 0.25


def test_sigmoid_is_symmetric_about_one_half():
    x = np.linspace(-30, 30, 601)
    np.testing.assert_allclose(sigmoid_forward(x)[0] + sigmoid_forward(-x)[0], 1, rtol=1e-15)


def test_sigmoid_of_a_very_negative_number_keeps_its_digits():
    x = np.array([-40.0, -300.0, -700.0])
    np.testing.assert_allclose(sigmoid_forward(x)[0], np.exp(x), rtol=1e-15)


@pytest.mark.parametrize(("dtype", "edge"), [(np.float64, 36.74), (np.float32, 16.64)])
def test_sigmoid_is_exactly_one_beyond_the_edge_of_its_precision(dtype, edge):
    out, _ = sigmoid_forward(np.array([edge - 0.01, edge], dtype=dtype))
    assert out[0] < 1
    assert out[1] == 1


def test_derivative_of_the_sigmoid_is_largest_at_zero_and_one_quarter_there():
    x = np.linspace(-8, 8, 1601)
    slope = sigmoid_backward(np.ones_like(x), sigmoid_forward(x)[1])
    assert slope.max() == 0.25
    assert x[slope.argmax()] == pytest.approx(0, abs=1e-12)


def test_sigmoid_keeps_the_shape_of_its_input():
    for shape in [(), (3,), (2, 3), (2, 3, 4)]:
        assert sigmoid_forward(np.zeros(shape))[0].shape == shape


def test_saturated_fraction_counts_slopes_below_tol():
    edge = np.log((0.5 + np.sqrt(0.25 - 0.01)) / (0.5 - np.sqrt(0.25 - 0.01)))  # sigmoid'(edge) = 0.01
    x = np.array([[0.0, edge - 1e-6, edge + 1e-6], [-edge + 1e-6, -edge - 1e-6, 1e9]])
    assert saturated_fraction(x) == 0.5
    assert saturated_fraction(x, tol=0.26) == 1.0
    assert saturated_fraction(x, tol=0.0) == 0.0
    assert isinstance(saturated_fraction(x.astype(np.float32)), float)


def test_gradient_norms_of_one_layer_are_the_norm_of_one_gradient():
    rng = np.random.default_rng(0)
    x, W, dout = rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    out = 1 / (1 + np.exp(-x @ W))
    assert gradient_norms(x, [W], dout) == [pytest.approx(np.linalg.norm((dout * out * (1 - out)) @ W.T))]


def test_gradient_norms_shrink_by_a_quarter_of_the_weights_norm_in_every_layer():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in [(4, 8), (8, 6), (6, 6), (6, 3)]]
    dout = rng.normal(size=(5, 3))
    norms = gradient_norms(rng.normal(size=(5, 4)), weights, dout)
    assert len(norms) == 4
    assert all(isinstance(norm, float) for norm in norms)
    for below, above, W in zip(norms, [*norms[1:], np.linalg.norm(dout)], weights, strict=True):
        assert below <= above * np.linalg.norm(W, 2) / 4


def test_gradient_norms_come_input_first():
    rng = np.random.default_rng(0)
    weights = [rng.normal(scale=0.3, size=(10, 10)) for _ in range(6)]
    norms = gradient_norms(rng.normal(size=(5, 10)), weights, rng.normal(size=(5, 10)))
    assert norms == sorted(norms)


def test_a_network_without_layers_has_no_gradient_norms():
    assert gradient_norms(np.zeros((5, 4)), [], np.zeros((5, 4))) == []


# --- feature maps, and examples by themselves ---------------------------------------------------------------------


def feature_maps():
    """Return x, gamma, beta, dout of a spatial layer with N, C, H, W all different and channels of unequal spread."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 3, 4, 2)) * np.array([0.2, 0.4, 0.6])[:, None, None] + rng.normal(size=(3, 1, 1))
    return x, np.array([1.5, -0.7, 0.4]), np.array([0.3, -1.0, 0.6]), rng.normal(size=x.shape) + 0.5


@EPS
def test_every_channel_is_normalized_as_one_long_column(eps):
    x, gamma, beta, dout = feature_maps()
    out, cache = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    dx, dgamma, dbeta = spatial_batchnorm_backward(dout, cache)
    for c in range(3):
        column, dcolumn = x[:, c].reshape(-1, 1), dout[:, c].reshape(-1, 1)
        parameters = gamma[c : c + 1], beta[c : c + 1], {"mode": "train", "eps": eps}
        want_out, want_cache = batchnorm_forward(column, *parameters)
        want_dx, want_dgamma, want_dbeta = batchnorm_backward(dcolumn, want_cache)
        np.testing.assert_allclose(out[:, c].reshape(-1, 1), want_out, rtol=1e-12)
        np.testing.assert_allclose(dx[:, c].reshape(-1, 1), want_dx, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose([dgamma[c], dbeta[c]], [want_dgamma[0], want_dbeta[0]], rtol=1e-12)


def test_running_averages_of_feature_maps_have_one_entry_per_channel():
    x, gamma, beta, _ = feature_maps()
    bn_param = {"mode": "train", "momentum": 0.7}
    spatial_batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(bn_param["running_mean"], 0.3 * x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(bn_param["running_var"], 0.3 * x.var(axis=(0, 2, 3)))


def test_feature_maps_in_test_mode_keep_the_running_averages():
    x, gamma, beta, _ = feature_maps()
    mean, var = np.array([1.0, -2.0, 3.0]), np.array([0.5, 1.0, 2.0])
    bn_param = {"mode": "test", "eps": 0.1, "running_mean": mean, "running_var": var}
    out, _ = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    for c in range(3):
        np.testing.assert_allclose(out[:, c], gamma[c] * (x[:, c] - mean[c]) / np.sqrt(var[c] + 0.1) + beta[c])


def test_maps_of_one_pixel_are_feature_vectors():
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(0), 7, 4)
    maps, cache = spatial_batchnorm_forward(x[:, :, None, None], gamma, beta, {"mode": "train"})
    out, flat_cache = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    np.testing.assert_allclose(maps[:, :, 0, 0], out, rtol=1e-12)
    dx, _, _ = spatial_batchnorm_backward(dout[:, :, None, None], cache)
    np.testing.assert_allclose(dx[:, :, 0, 0], batchnorm_backward(dout, flat_cache)[0], rtol=1e-9)


@EPS
def test_layernorm_is_batchnorm_of_the_transpose(eps):
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(5, 8))
    out, _ = layernorm_forward(x, np.ones(8), np.zeros(8), {"eps": eps})
    np.testing.assert_allclose(out, normalized(x.T, eps).T, rtol=1e-12)


def test_layernorm_of_an_example_does_not_depend_on_the_rest_of_its_batch():
    rng = np.random.default_rng(0)
    x, gamma, beta, dout = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=8), rng.normal(size=(5, 8))
    out, cache = layernorm_forward(x, gamma, beta, {})
    out_alone, cache_alone = layernorm_forward(x[2:3], gamma, beta, {})
    np.testing.assert_allclose(out[2:3], out_alone, rtol=1e-12)
    np.testing.assert_array_equal(
        layernorm_backward(dout, cache)[0][2:3], layernorm_backward(dout[2:3], cache_alone)[0]
    )


@EPS
def test_layernorm_gradient_of_every_example_sums_to_zero(eps):
    rng = np.random.default_rng(0)
    x, gamma, beta, dout = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=8), rng.normal(size=(5, 8))
    _, cache = layernorm_forward(x, gamma, beta, {"eps": eps})
    dx, dgamma, dbeta = layernorm_backward(dout, cache)
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-13)
    assert dgamma.shape == dbeta.shape == (8,)


def test_layernorm_keeps_its_accuracy_far_from_zero():
    x = np.random.default_rng(0).normal(size=(4, 101))
    far = x + 1e7
    near = far - 1e7
    ones, zeros = np.ones(101), np.zeros(101)
    np.testing.assert_allclose(
        layernorm_forward(far, ones, zeros, {})[0], layernorm_forward(near, ones, zeros, {})[0], atol=1e-8
    )


def test_layernorm_without_eps_takes_1e_minus_5():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)
    np.testing.assert_array_equal(
        layernorm_forward(x, gamma, beta, {})[0], layernorm_forward(x, gamma, beta, {"eps": 1e-5})[0]
    )


# --- inference ----------------------------------------------------------------------------------------------------


@EPS
def test_the_folded_layer_computes_what_the_two_layers_computed(eps):
    rng = np.random.default_rng(0)
    W, b, x = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=(7, 5))
    gamma, beta, mean, var = np.array([1.5, -2.0, 0.0]), rng.normal(size=3), rng.normal(size=3), rng.uniform(size=3)
    bn_param = {"mode": "test", "eps": eps, "running_mean": mean, "running_var": var}
    want, _ = batchnorm_forward(x @ W + b, gamma, beta, bn_param)
    folded_W, folded_b = fold_batchnorm(W, b, gamma, beta, mean, var, eps)
    np.testing.assert_allclose(x @ folded_W + folded_b, want, rtol=1e-11, atol=1e-12)


def run_convention(batches, momentum, convention):
    """Return the running averages that a framework keeps, by the formula in its documentation, starting at 0."""
    mean = var = np.zeros(batches.shape[2])
    for x in batches:
        if convention == "pytorch":
            mean = (1 - momentum) * mean + momentum * x.mean(axis=0)
            var = (1 - momentum) * var + momentum * x.var(axis=0, ddof=1)
        else:
            mean = momentum * mean + (1 - momentum) * x.mean(axis=0)
            var = momentum * var + (1 - momentum) * x.var(axis=0)
    return mean, var


CONVENTIONS = ["book", "pytorch", "keras"]


@pytest.mark.parametrize("source", CONVENTIONS)
@pytest.mark.parametrize("target", CONVENTIONS)
def test_converted_running_averages_are_those_that_the_target_would_have_kept(source, target):
    batches = np.random.default_rng(0).normal(2.0, 3.0, size=(4, 5, 3))
    kept = {"book": 0.7, "keras": 0.7, "pytorch": 0.3}
    mean, var = run_convention(batches, kept[source], source)
    new_mean, new_var, momentum = convert_running(mean, var, 5, kept[source], source, target)
    want_mean, want_var = run_convention(batches, kept[target], target)
    np.testing.assert_allclose(new_mean, want_mean, rtol=1e-13)
    np.testing.assert_allclose(new_var, want_var, rtol=1e-13)
    assert momentum == pytest.approx(kept[target])
    assert not np.shares_memory(new_mean, mean)
    assert not np.shares_memory(new_var, var)


def test_there_and_back_again_is_no_conversion():
    mean, var = np.array([1.0, -2.0]), np.array([3.0, 4.0])
    back = convert_running(*convert_running(mean, var, 9, 0.1, "pytorch", "keras")[:2], 9, 0.9, "keras", "pytorch")
    np.testing.assert_allclose(back[0], mean)
    np.testing.assert_allclose(back[1], var)


@pytest.mark.parametrize(("source", "target"), [("caffe", "book"), ("book", "Torch"), ("pytorch", None)])
def test_an_unknown_convention_is_named_in_the_error(source, target):
    unknown = {"caffe", "Torch", None} & {source, target}
    with pytest.raises(ValueError, match=f"not {unknown.pop()!r}"):
        convert_running(np.zeros(2), np.ones(2), 8, 0.9, source, target)


@pytest.mark.parametrize(("source", "target"), [("pytorch", "book"), ("keras", "pytorch"), ("pytorch", "pytorch")])
def test_one_value_has_no_unbiased_variance(source, target):
    with pytest.raises(ValueError, match="n = 1"):
        convert_running(np.zeros(2), np.ones(2), 1, 0.9, source, target)


def test_two_values_have_an_unbiased_variance_twice_the_biased_one():
    _, var, momentum = convert_running(np.zeros(2), np.array([1.0, 3.0]), 2, 0.75, "book", "pytorch")
    np.testing.assert_array_equal(var, [2.0, 6.0])
    assert momentum == 0.25


def test_one_value_is_enough_between_biased_conventions():
    mean, var, momentum = convert_running(np.zeros(2), np.ones(2), 1, 0.9, "keras", "book")
    np.testing.assert_array_equal([mean, var], [np.zeros(2), np.ones(2)])
    assert momentum == 0.9


# --- the gradient check's own tools -------------------------------------------------------------------------------


def test_numerical_gradient_of_a_quadratic_is_exact_up_to_rounding():
    rng = np.random.default_rng(0)
    x, df = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    np.testing.assert_allclose(numerical_gradient(lambda x: x**2, x, df), 2 * x * df, atol=1e-9)


def test_numerical_gradient_of_a_constant_is_zero():
    np.testing.assert_array_equal(numerical_gradient(lambda x: np.ones(3), np.ones((2, 2)), np.ones(3)), 0)


def test_numerical_gradient_of_a_matrix_product_is_the_transpose_rule():
    rng = np.random.default_rng(0)
    x, W, df = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
    np.testing.assert_allclose(numerical_gradient(lambda x: x @ W, x, df), df @ W.T, atol=1e-9)


def test_numerical_gradient_is_off_by_the_third_derivative_times_h_squared_over_six():
    x = np.array([0.5])
    error = numerical_gradient(np.exp, x, np.ones(1), h=1e-2) - np.exp(x)
    np.testing.assert_allclose(error, np.exp(x) * 1e-2**2 / 6, rtol=1e-4)


def test_numerical_gradient_survives_a_function_that_overwrites_its_argument():
    def f(x):
        x *= 2
        return x

    x = np.array([1.0, 2.0])
    np.testing.assert_allclose(numerical_gradient(f, x, np.array([1.0, 3.0])), [2.0, 6.0], atol=1e-9)
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_numerical_gradient_of_the_loss_sum_of_squares_needs_a_large_eps_to_see_a_lost_path():
    """The true dx for dout = 2 * x_hat is a share eps / (var + eps) of the naive one: it hides at a small eps."""
    x = constructed_inputs(np.random.default_rng(0), 7, 4)[0]
    share = {}
    for eps in (1e-5, 0.1):
        dx = numerical_gradient(lambda x, eps=eps: normalized(x, eps), x, 2 * normalized(x, eps))
        naive = 2 * normalized(x, eps) / np.sqrt(x.var(axis=0) + eps)
        share[eps] = np.linalg.norm(dx) / np.linalg.norm(naive)
    assert share[1e-5] < 1e-3
    assert share[0.1] > 0.3


def test_relative_error_is_the_largest_of_all_entries():
    assert relative_error(np.array([1.0, 100.0]), np.array([1.0, 99.0])) == pytest.approx(0.01)
    assert relative_error(np.array([1e-9, 1.0]), np.array([2e-9, 1.0])) == pytest.approx(0.5)


def test_relative_error_is_symmetric_and_at_most_two():
    a, b = np.random.default_rng(0).normal(size=(2, 50))
    assert relative_error(a, b) == relative_error(b, a) <= 2
    assert relative_error(np.ones(2), -np.ones(2)) == 2


def test_two_zeros_are_equal_and_zero_is_far_from_anything_else():
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros(3), np.array([0.0, 0.0, 1e-300])) == 1


def test_nan_agrees_with_nothing():
    assert not relative_error(np.array([np.nan, 1.0]), np.ones(2)) < 1
