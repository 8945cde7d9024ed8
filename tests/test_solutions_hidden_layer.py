"""The hidden layer, the stack and the percentiles: right gradients, and the same as the network of the book."""

import itertools

import numpy as np
import pytest

from solutions import (
    Network,
    hidden_backward,
    hidden_forward,
    numerical_gradient,
    relative_error,
    shift_percentiles,
    stack_backward,
    stack_forward,
)

SIZES = (4, 5, 3, 4)


def drawn(rng):
    """Return an input, the layers and the bn_params of a stack, and an upstream gradient."""
    layers = [
        {"W": rng.normal(size=(D_in, D_out)), "gamma": rng.normal(size=D_out), "beta": rng.normal(size=D_out)}
        for D_in, D_out in itertools.pairwise(SIZES)
    ]
    bn_params = [{"mode": "train", "eps": 0.1 * (1 + number)} for number in range(len(layers))]
    return rng.normal(size=(7, SIZES[0])), layers, bn_params, rng.normal(size=(7, SIZES[-1]))


def test_the_gradients_of_a_layer_agree_with_the_numerical_ones():
    x, layers, bn_params, _ = drawn(np.random.default_rng(0))
    dout = np.random.default_rng(1).normal(size=(7, SIZES[1]))
    arguments = [x, *layers[0].values()]
    _, cache = hidden_forward(*arguments, bn_params[0])
    for position, computed in enumerate(hidden_backward(dout, cache)):

        def out(value, position=position):
            changed = [value if n == position else a for n, a in enumerate(arguments)]
            return hidden_forward(*changed, bn_params[0])[0]

        assert relative_error(computed, numerical_gradient(out, arguments[position], dout)) < 1e-7


def test_the_gradients_of_a_stack_agree_with_the_numerical_ones():
    x, layers, bn_params, dout = drawn(np.random.default_rng(2))
    _, caches = stack_forward(x, layers, bn_params)
    dx, grads = stack_backward(dout, caches)
    assert relative_error(dx, numerical_gradient(lambda v: stack_forward(v, layers, bn_params)[0], x, dout)) < 1e-6
    for number, name in ((n, name) for n in range(len(layers)) for name in ("W", "gamma", "beta")):

        def out(value, number=number, name=name):
            changed = [layer | {name: value} if n == number else layer for n, layer in enumerate(layers)]
            return stack_forward(x, changed, bn_params)[0]

        numerical = numerical_gradient(out, layers[number][name], dout)
        assert relative_error(grads[number][name], numerical) < 1e-6, (number, name)


def test_a_stack_is_the_hidden_part_of_the_network_of_the_book():
    network = Network((6, 5, 5, 3), "sigmoid", True, np.random.default_rng(3))
    x, dlogits = np.random.default_rng(4).normal(size=(9, 6)), np.random.default_rng(5).normal(size=(9, 3))
    _, trace = network.forward(x)
    grads = network.backward(dlogits, trace)
    out, caches = stack_forward(x, network.params[:-1], network.bn_params)
    np.testing.assert_allclose(out, trace[-1]["input"], rtol=1e-12)
    dx, own = stack_backward(grads[-1]["input"], caches)
    np.testing.assert_allclose(dx, grads[0]["input"], rtol=1e-9, atol=1e-15)
    for mine, theirs in zip(own, grads[:-1], strict=True):
        for name, value in mine.items():
            np.testing.assert_allclose(value, theirs[name], rtol=1e-9, atol=1e-15)


def test_a_bias_before_the_normalization_changes_nothing():
    x, layers, bn_params, _ = drawn(np.random.default_rng(6))
    W, gamma, beta = layers[0].values()
    with_bias = np.column_stack([x, np.ones(len(x))]), np.vstack([W, np.random.default_rng(7).normal(size=SIZES[1])])
    out, _ = hidden_forward(x, W, gamma, beta, bn_params[0])
    np.testing.assert_allclose(hidden_forward(*with_bias, gamma, beta, bn_params[0])[0], out, rtol=1e-12)


def test_every_layer_keeps_its_own_running_averages():
    x, layers, bn_params, _ = drawn(np.random.default_rng(8))
    stack_forward(x, layers, bn_params)
    assert [len(bn_param["running_mean"]) for bn_param in bn_params] == list(SIZES[1:])


@pytest.mark.parametrize(("row", "place"), [(0, 3), (1, 10), (2, 17)])
def test_of_21_values_the_three_percentiles_are_values_themselves(row, place):
    history = np.random.default_rng(9).permuted(np.tile(np.arange(21.0), (4, 1)) ** 2, axis=1)
    assert shift_percentiles(history)[row].tolist() == [place**2] * 4
