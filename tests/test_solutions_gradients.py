"""Every backward pass agrees with the numerical gradient of its forward pass, on inputs where a mistake would show."""

from functools import partial

import numpy as np
import pytest
from constructed import constructed_inputs, deviation

from solutions import (
    backward_mu,
    backward_var,
    backward_x,
    backward_x_hat,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    gradient_norms,
    layernorm_backward,
    layernorm_forward,
    numerical_gradient,
    sigmoid_backward,
    sigmoid_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

SEEDS = pytest.mark.parametrize("seed", range(5))
SHAPES = pytest.mark.parametrize(("N", "D"), [(5, 4), (7, 4), (9, 5)])
EPS = pytest.mark.parametrize("eps", [1e-3, 0.07])


def out_of(forward, x, gamma, beta, param):
    return forward(x, gamma, beta, dict(param))[0]


def assert_backward_agrees(forward, backward, x, gamma, beta, dout, param):
    """Compare the three gradients of a layer with numerical ones, each feature on its own scale."""
    _, cache = forward(x, gamma, beta, dict(param))
    dx, dgamma, dbeta = backward(dout, cache)
    want = numerical_gradient(lambda x: out_of(forward, x, gamma, beta, param), x, dout)
    assert deviation(dx.reshape(len(x), -1), want.reshape(len(x), -1)) < 1e-7
    want = numerical_gradient(lambda gamma: out_of(forward, x, gamma, beta, param), gamma, dout)
    assert deviation(dgamma, want, scale=np.abs(want).max()) < 1e-8
    want = numerical_gradient(lambda beta: out_of(forward, x, gamma, beta, param), beta, dout)
    assert deviation(dbeta, want, scale=np.abs(want).max()) < 1e-8


@SEEDS
@SHAPES
@EPS
@pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])
def test_batchnorm_gradients_are_the_numerical_ones(backward, N, D, eps, seed):
    inputs = constructed_inputs(np.random.default_rng(seed), N, D)
    assert_backward_agrees(batchnorm_forward, backward, *inputs, {"mode": "train", "eps": eps})


@SEEDS
@SHAPES
@EPS
def test_each_node_of_the_graph_is_the_numerical_gradient_of_what_lies_above_it(N, D, eps, seed):
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(seed), N, D)
    mu, var = x.mean(axis=0), x.var(axis=0)

    def out_from_x_hat(x_hat):
        return gamma * x_hat + beta

    def out_from_var(var, x=x, mu=mu):
        return out_from_x_hat((x - mu) / np.sqrt(var + eps))

    def out_from_mu(mu, x=x):
        return out_from_var(np.mean((x - mu) ** 2, axis=0), x, mu)

    def out_from_x(x):
        return out_from_mu(np.mean(x, axis=0), x)

    dx_hat = backward_x_hat(dout, gamma)
    dvar = backward_var(dx_hat, x, mu, var, eps)
    dmu = backward_mu(dx_hat, dvar, x, mu, var, eps)
    dx = backward_x(dx_hat, dvar, dmu, x, mu, var, eps)
    nodes = [(dx_hat, out_from_x_hat, (x - mu) / np.sqrt(var + eps)), (dvar, out_from_var, var)]
    for got, f, at in [*nodes, (dmu, out_from_mu, mu), (dx, out_from_x, x)]:
        assert deviation(got, numerical_gradient(f, at, dout)) < 1e-7


@SEEDS
@EPS
def test_spatial_batchnorm_gradients_are_the_numerical_ones(eps, seed):
    N, C, H, W = 5, 3, 4, 2
    x, gamma, beta, dout = constructed_inputs(np.random.default_rng(seed), N * H * W, C)
    x, dout = (a.reshape(N, H, W, C).transpose(0, 3, 1, 2) for a in (x, dout))
    param = {"mode": "train", "eps": eps}
    assert_backward_agrees(spatial_batchnorm_forward, spatial_batchnorm_backward, x, gamma, beta, dout, param)


@SEEDS
@SHAPES
@EPS
def test_layernorm_gradients_are_the_numerical_ones(N, D, eps, seed):
    inputs = constructed_inputs(np.random.default_rng(seed), N, D)
    assert_backward_agrees(layernorm_forward, layernorm_backward, *inputs, {"eps": eps})


@SEEDS
def test_sigmoid_gradient_is_the_numerical_one(seed):
    rng = np.random.default_rng(seed)
    x, dout = rng.uniform(-8, 8, size=(7, 4)), rng.normal(size=(7, 4))
    got = sigmoid_backward(dout, sigmoid_forward(x)[1])
    want = numerical_gradient(lambda x: sigmoid_forward(x)[0], x, dout)
    np.testing.assert_allclose(got, want, rtol=1e-6)


@SEEDS
def test_gradient_norms_are_those_of_numerical_gradients_at_every_layer(seed):
    rng = np.random.default_rng(seed)
    x, dout = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    weights = [rng.normal(size=shape) for shape in [(4, 5), (5, 3), (3, 2)]]

    def run(x, layers):
        for W in layers:
            x = sigmoid_forward(x @ W)[0]
        return x

    want = []
    for start in range(3):
        layer_input = run(x, weights[:start])
        want.append(np.linalg.norm(numerical_gradient(partial(run, layers=weights[start:]), layer_input, dout)))
    np.testing.assert_allclose(gradient_norms(x, weights, dout), want, rtol=1e-7)
