"""Planted mistakes: what is wrong in a known way is noticed, and what is right in another style is not."""

from types import SimpleNamespace

import numpy as np
import pytest
from constructed import constructed_inputs, deviation

from solutions import (
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    check_gradients,
    layernorm_backward,
    layernorm_forward,
    numerical_gradient,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)


def forward(x, gamma, beta, bn_param):
    """Compute batchnorm_forward, with a cache that holds everything that a right or wrong backward may want."""
    c = SimpleNamespace(x=x, gamma=gamma, N=len(x), eps=bn_param["eps"], mu=x.mean(axis=0), var=x.var(axis=0))
    c.running_mean, c.running_var = np.array(bn_param["running_mean"]), np.array(bn_param["running_var"])
    c.inv_std = 1 / np.sqrt(c.var + c.eps)
    c.x_hat = (x - c.mu) * c.inv_std
    c.out, c.right_cache = batchnorm_forward(x, gamma, beta, bn_param)
    return c.out, c


def paths(dout, c):
    """Return the three parts of dx: through x_hat, through the variance, through the mean."""
    dx_hat = c.gamma * dout
    dvar = (dx_hat * (c.x - c.mu)).sum(axis=0) * -0.5 * c.inv_std**3
    dmu = -dx_hat.sum(axis=0) * c.inv_std
    return dx_hat * c.inv_std, dvar * 2 * (c.x - c.mu) / c.N, dmu / c.N + np.zeros_like(dout)


def closed_form(dout, c, gamma=None, inv_std=None, x_hat=None, n=None):
    """Return dx by the closed form, in which a mistake replaces one ingredient."""
    gamma = c.gamma if gamma is None else gamma
    inv_std = c.inv_std if inv_std is None else inv_std
    x_hat = c.x_hat if x_hat is None else x_hat
    n = c.N if n is None else n
    return gamma * inv_std * (dout - dout.sum(axis=0) / n - x_hat * (dout * x_hat).sum(axis=0) / n)


def not_summed(dout, c):
    """Return dx of a graph in which dvar and dmu keep an entry per example."""
    dx_hat = c.gamma * dout
    dvar = dx_hat * (c.x - c.mu) * -0.5 * c.inv_std**3
    dmu = -dx_hat * c.inv_std
    return dx_hat * c.inv_std + dvar * 2 * (c.x - c.mu) / c.N + dmu / c.N


def running(c):
    return 1 / np.sqrt(c.running_var + c.eps)


WRONG_DX = {
    "mean and variance taken as constants": lambda dout, c: paths(dout, c)[0],
    "the path through the mean missing": lambda dout, c: sum(paths(dout, c)[:2]),
    "the path through the variance missing": lambda dout, c: sum(paths(dout, c)[::2]),
    "dvar and dmu not summed over the batch": not_summed,
    "gamma forgotten": lambda dout, c: closed_form(dout, c, gamma=1),
    "the absolute value of gamma": lambda dout, c: closed_form(dout, c, gamma=abs(c.gamma)),
    "the factor 1/2 lost": lambda dout, c: paths(dout, c)[0] + 2 * paths(dout, c)[1] + paths(dout, c)[2],
    "the factor 2 lost": lambda dout, c: paths(dout, c)[0] + paths(dout, c)[1] / 2 + paths(dout, c)[2],
    "N - 1 for N": lambda dout, c: closed_form(dout, c, n=c.N - 1),
    "1/N dropped": lambda dout, c: closed_form(dout, c, n=1),
    "the sign of the variance path": lambda dout, c: paths(dout, c)[0] - paths(dout, c)[1] + paths(dout, c)[2],
    "the sign of the mean path": lambda dout, c: paths(dout, c)[0] + paths(dout, c)[1] - paths(dout, c)[2],
    "eps dropped": lambda dout, c: closed_form(
        dout, c, inv_std=1 / np.sqrt(c.var), x_hat=(c.x - c.mu) / np.sqrt(c.var)
    ),
    "eps a constant of its own": lambda dout, c: closed_form(dout, c, inv_std=1 / np.sqrt(c.var + 1e-5)),
    "eps outside the root": lambda dout, c: closed_form(dout, c, inv_std=1 / (np.sqrt(c.var) + c.eps)),
    "not divided by the standard deviation": lambda dout, c: closed_form(dout, c, inv_std=1),
    "divided by the variance": lambda dout, c: closed_form(dout, c, inv_std=c.inv_std**2),
    "the running variance used": lambda dout, c: closed_form(dout, c, inv_std=running(c)),
    "the running statistics used": lambda dout, c: closed_form(
        dout, c, inv_std=running(c), x_hat=(c.x - c.running_mean) * running(c)
    ),
    "x for x_hat": lambda dout, c: closed_form(dout, c, x_hat=c.x),
    "zero": lambda dout, c: np.zeros_like(dout),
    "dout": lambda dout, c: dout,
    "not a number": lambda dout, c: np.full_like(dout, np.nan),
}

WRONG_DGAMMA = {
    "x for x_hat": lambda dout, c: (dout * c.x).sum(axis=0),
    "x - mu for x_hat": lambda dout, c: (dout * (c.x - c.mu)).sum(axis=0),
    "out for x_hat": lambda dout, c: (dout * c.out).sum(axis=0),
    "divided by N": lambda dout, c: (dout * c.x_hat).mean(axis=0),
    "multiplied by gamma": lambda dout, c: c.gamma * (dout * c.x_hat).sum(axis=0),
    "summed to a scalar": lambda dout, c: (dout * c.x_hat).sum(),
    "summed over the features": lambda dout, c: (dout * c.x_hat).sum(axis=1),
    "of shape (1, D)": lambda dout, c: (dout * c.x_hat).sum(axis=0, keepdims=True),
    "not summed": lambda dout, c: dout * c.x_hat,
}

WRONG_DBETA = {
    "divided by N": lambda dout, c: dout.mean(axis=0),
    "multiplied by gamma": lambda dout, c: c.gamma * dout.sum(axis=0),
    "summed to a scalar": lambda dout, c: dout.sum(),
    "of shape (1, D)": lambda dout, c: dout.sum(axis=0, keepdims=True),
    "the opposite sign": lambda dout, c: -dout.sum(axis=0),
}

PLANTED = [
    pytest.param(position, wrong, id=f"{name}: {mistake}")
    for position, (name, mistakes) in enumerate([("dx", WRONG_DX), ("dgamma", WRONG_DGAMMA), ("dbeta", WRONG_DBETA)])
    for mistake, wrong in mistakes.items()
]


def with_mistake(position, wrong):
    """Return a backward pass whose result is right except at one position."""

    def backward(dout, c):
        gradients = list(batchnorm_backward(dout, c.right_cache))
        gradients[position] = wrong(dout, c)
        return tuple(gradients)

    return backward


@pytest.mark.parametrize(("position", "wrong"), PLANTED)
def test_check_gradients_complains_about(position, wrong):
    assert check_gradients(forward, with_mistake(position, wrong)) is False


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("position", "wrong"), PLANTED)
def test_on_constructed_inputs_a_mistake_lies_100_tolerances_away(position, wrong, seed):
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(seed), 7, 4)
    bn_param = {"mode": "train", "eps": 0.07, "running_mean": np.full(4, 3.0), "running_var": np.full(4, 5.0)}
    _, c = forward(x, gamma, beta, bn_param)
    got, want = wrong(dout, c), batchnorm_backward(dout, c.right_cache)[position]
    if np.shape(got) == want.shape:
        assert not deviation(got, want) < 1e-4


@pytest.mark.parametrize(
    "backward",
    [
        pytest.param(lambda dout, c: 1 / 0, id="raises"),
        pytest.param(lambda dout, c: None, id="returns nothing"),
        pytest.param(lambda dout, c: batchnorm_backward(dout, c.right_cache)[:2], id="returns two of three"),
        pytest.param(lambda dout, c: (dout, None, dout), id="returns no array"),
        pytest.param(lambda dout, c: batchnorm_backward(dout, c.right_cache)[::-1], id="returns another order"),
    ],
)
def test_check_gradients_is_false_and_not_an_error_if_backward(backward):
    assert check_gradients(forward, backward) is False


def by_loops(dout, c):
    """Differentiate feature by feature, by the Jacobian of the column."""
    dx = np.zeros_like(dout)
    for d in range(dout.shape[1]):
        x_hat = c.x_hat[:, d]
        jacobian = c.inv_std[d] * (np.eye(c.N) - 1 / c.N - np.outer(x_hat, x_hat) / c.N)
        dx[:, d] = jacobian @ dout[:, d] * c.gamma[d]
    return dx, np.einsum("nd,nd->d", dout, c.x_hat), np.ones(c.N) @ dout


def overwriting(dout, c):
    """Compute the right gradients in the arrays that were handed over."""
    dbeta, dgamma = dout.sum(axis=0), (dout * c.x_hat).sum(axis=0)
    dout -= dbeta / c.N
    dout -= c.x_hat * dgamma / c.N
    dout *= c.gamma * c.inv_std
    return [dout, dgamma, dbeta]


@pytest.mark.parametrize(
    "backward",
    [
        pytest.param(lambda dout, c: batchnorm_backward(dout, c.right_cache), id="the graph"),
        pytest.param(lambda dout, c: batchnorm_backward_alt(dout, c.right_cache), id="the closed form"),
        pytest.param(lambda dout, c: (sum(paths(dout, c)), *by_loops(dout, c)[1:]), id="the sum of three paths"),
        by_loops,
        overwriting,
    ],
)
def test_check_gradients_accepts_every_right_backward(backward):
    assert check_gradients(forward, backward) is True


def unbiased_forward(x, gamma, beta, bn_param):
    inv_std = 1 / np.sqrt(x.var(axis=0, ddof=1) + bn_param["eps"])
    x_hat = (x - x.mean(axis=0)) * inv_std
    return gamma * x_hat + beta, (x_hat, inv_std, gamma)


def unbiased_backward(dout, cache):
    x_hat, inv_std, gamma = cache
    N = len(dout)
    dgamma = (dout * x_hat).sum(axis=0)
    return gamma * inv_std * (dout - dout.mean(axis=0) - x_hat * dgamma / (N - 1)), dgamma, dout.sum(axis=0)


def test_check_gradients_cannot_see_a_wrong_forward_pass():
    assert check_gradients(unbiased_forward, unbiased_backward) is True
    assert check_gradients(unbiased_forward, lambda dout, _: unbiased_backward(dout * 1.001, _)) is False


def test_check_gradients_sees_a_backward_pass_that_belongs_to_another_forward_pass():
    def mixed(x, gamma, beta, bn_param):
        return unbiased_forward(x, gamma, beta, bn_param)[0], batchnorm_forward(x, gamma, beta, bn_param)[1]

    assert check_gradients(mixed, batchnorm_backward) is False


def test_check_gradients_sees_a_mistake_of_one_part_in_ten_thousand():
    def scaled(dout, cache):
        dx, dgamma, dbeta = batchnorm_backward(dout, cache)
        return dx * 1.0001, dgamma, dbeta

    assert check_gradients(batchnorm_forward, batchnorm_backward) is True
    assert check_gradients(batchnorm_forward, scaled) is False


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_check_gradients_compares_relative_to_the_size_of_the_gradients(size):
    def resized(x, gamma, beta, bn_param):
        out, cache = batchnorm_forward(x, gamma, beta, bn_param)
        return size * out, cache

    assert check_gradients(resized, lambda dout, cache: batchnorm_backward(size * dout, cache)) is True
    assert check_gradients(resized, lambda dout, cache: batchnorm_backward(1.001 * size * dout, cache)) is False


def test_an_exception_of_the_forward_pass_is_not_hidden():
    def broken(x, gamma, beta, bn_param):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        check_gradients(broken, batchnorm_backward)


def test_a_check_with_ones_upstream_would_accept_a_backward_pass_that_returns_zero():
    x, gamma, beta, _ = constructed_inputs(np.random.default_rng(0), 7, 4)

    def out(x):
        return batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": 0.1})[0]

    np.testing.assert_allclose(numerical_gradient(out, x, np.ones((7, 4))), 0, atol=1e-9)


# --- the mistakes of feature maps and of layer normalization --------------------------------------------------------


def maps_without_transpose(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    out, cache = batchnorm_forward(x.reshape(N * H * W, C), gamma, beta, bn_param)
    return out.reshape(N, C, H, W), cache


def test_feature_maps_reshaped_without_a_transpose_pass_their_own_gradient_check_and_differ_from_the_right_ones():
    rng = np.random.default_rng(0)
    x, gamma, beta, dout = rng.normal(size=(5, 3, 4, 2)), np.array([1.5, -0.7, 0.4]), np.ones(3), rng.normal(size=120)
    x, dout = x * np.array([0.2, 0.4, 0.6])[:, None, None], dout.reshape(x.shape)
    out, cache = maps_without_transpose(x, gamma, beta, {"mode": "train"})
    dx = batchnorm_backward(dout.reshape(40, 3), cache)[0].reshape(x.shape)
    own = numerical_gradient(lambda x: maps_without_transpose(x, gamma, beta, {"mode": "train"})[0], x, dout)
    np.testing.assert_allclose(dx, own, atol=1e-7)

    right, right_cache = spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})
    assert np.abs(out - right).max() > 0.5
    assert np.abs(dx - spatial_batchnorm_backward(dout, right_cache)[0]).max() > 0.5


def test_layernorm_with_the_statistics_of_the_batch_differs_from_the_right_one():
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(0), 7, 4)
    out, cache = layernorm_forward(x, gamma, beta, {"eps": 0.07})
    wrong, wrong_cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": 0.07})
    assert deviation(wrong, out) > 0.1
    assert deviation(batchnorm_backward(dout, wrong_cache)[0], layernorm_backward(dout, cache)[0]) > 0.1
