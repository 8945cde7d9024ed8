"""The reference implementation agrees with others that share no code with it: JAX, Keras, the ONNX standard, PyTorch.

JAX differentiates forward passes of its own, in float64, whatever the dtype here. Vectors of the ONNX standard and
of PyTorch (as exported by it) come with the onnx package.
"""

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import references
from onnx import numpy_helper
from onnx.backend.test.case.node import _NodeTestCases as onnx_cases
from onnx.backend.test.case.node import batch_normalization, layernormalization, sigmoid  # noqa: F401 (they register)

from solutions import (
    backward_mu,
    backward_var,
    backward_x,
    backward_x_hat,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    convert_running,
    gradient_norms,
    layernorm_backward,
    layernorm_forward,
    sigmoid_backward,
    sigmoid_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

SHAPES = [(1, 1), (1, 4), (2, 1), (2, 3), (3, 2), (4, 4), (5, 1), (5, 3), (6, 7), (7, 4), (8, 8), (9, 5), (11, 6)]
SHAPES += [(13, 1), (16, 3), (17, 9), (31, 10), (33, 2), (64, 20), (101, 7), (256, 33), (1000, 3)]
MAPS = [(1, 1, 1, 1), (1, 1, 2, 3), (1, 3, 1, 1), (1, 2, 3, 4), (2, 1, 1, 5), (2, 3, 1, 1), (2, 3, 4, 5), (3, 1, 4, 2)]
MAPS += [(3, 2, 2, 2), (3, 4, 1, 5), (3, 5, 4, 2), (4, 4, 4, 4), (4, 3, 2, 1), (5, 2, 3, 4), (5, 3, 4, 2), (6, 1, 3, 3)]
MAPS += [(7, 6, 2, 3), (8, 3, 6, 5), (9, 2, 1, 7), (10, 8, 7, 6), (16, 4, 8, 8)]

EPS = pytest.mark.parametrize("eps", [1e-5, 0.1])
DTYPE = pytest.mark.parametrize("dtype", [np.float32, np.float64])
TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}


def shape_id(shape):
    return "x".join(map(str, shape))


def inputs_of(shape, dtype, channels=1):
    """Draw x, gamma, beta, dout; channels is the axis of x that gamma runs along, and its spreads are unequal."""
    rng = np.random.default_rng(0)
    C = shape[channels]
    along = (C,) + (1,) * (len(shape) - 1 - channels)
    x = rng.uniform(0.2, 2.0, along) * rng.normal(size=shape) + rng.normal(size=along)
    gamma, beta = rng.normal(size=C), rng.normal(size=C)
    dout = rng.normal(size=shape) + rng.normal(size=along)
    return tuple(a.astype(dtype) for a in (x, gamma, beta, dout))


def assert_agrees(got, want, scale):
    """Compare to TOLERANCE of what the terms of `got` can be as large as, so that cancellation counts as rounding."""
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= TOLERANCE[got.dtype] * max(float(np.max(scale)), 1e-30)


def assert_layer_agrees(reference, forward, backward, inputs, param, inv_std):
    x, gamma, beta, dout = inputs
    out, cache = forward(x, gamma, beta, dict(param))
    dx, dgamma, dbeta = backward(dout, cache)
    assert {array.dtype for array in (out, dx, dgamma, dbeta)} == {x.dtype}
    want, gradients = references.value_and_gradients(reference, (x, gamma, beta), dout, param["eps"])
    assert_agrees(out, want, np.abs(want))
    assert_agrees(dx, gradients[0], np.abs(gamma).max() * np.max(inv_std) * np.abs(dout).max())
    assert_agrees(dgamma, gradients[1], np.abs(dout).sum() / len(gamma))
    assert_agrees(dbeta, gradients[2], np.abs(dout).sum() / len(gamma))


# --- JAX: forward passes from the papers, gradients by automatic differentiation ------------------------------------


@EPS
@DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
@pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])
def test_batchnorm_agrees_with_jax(backward, shape, dtype, eps):
    inputs = inputs_of(shape, dtype)
    inv_std = 1 / np.sqrt(inputs[0].var(axis=0) + eps)
    param = {"mode": "train", "eps": eps}
    assert_layer_agrees(references.batchnorm, batchnorm_forward, backward, inputs, param, inv_std)


@EPS
@DTYPE
@pytest.mark.parametrize("shape", MAPS, ids=shape_id)
def test_spatial_batchnorm_agrees_with_jax(shape, dtype, eps):
    inputs = inputs_of(shape, dtype)
    inv_std = 1 / np.sqrt(inputs[0].var(axis=(0, 2, 3)) + eps)
    layer = spatial_batchnorm_forward, spatial_batchnorm_backward
    assert_layer_agrees(references.spatial_batchnorm, *layer, inputs, {"mode": "train", "eps": eps}, inv_std)


@EPS
@DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
def test_layernorm_agrees_with_jax(shape, dtype, eps):
    inputs = inputs_of(shape, dtype)
    inv_std = 1 / np.sqrt(inputs[0].var(axis=1) + eps)
    assert_layer_agrees(references.layernorm, layernorm_forward, layernorm_backward, inputs, {"eps": eps}, inv_std)


@EPS
@DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
def test_nodes_of_the_graph_agree_with_jax(shape, dtype, eps):
    """Every input is a variable of its own: mu is off the mean of x, so that no term is zero."""
    x, gamma, dvar, dout = inputs_of(shape, dtype)
    dmu = -gamma[::-1]
    mu, var = x.mean(axis=0) + gamma, x.var(axis=0) + abs(dvar)
    inv_std, largest = 1 / np.sqrt(var + eps), np.abs(x - mu).max() + 1e-30
    dx_hat = backward_x_hat(dout, gamma)
    np.testing.assert_allclose(dx_hat, gamma * dout)
    want = references.nodes(dx_hat, dvar, dmu, x, mu, var, eps)
    total = np.abs(dx_hat).sum(axis=0)
    assert_agrees(backward_var(dx_hat, x, mu, var, eps), want["var"], total * largest * inv_std**3)
    assert_agrees(backward_mu(dx_hat, dvar, x, mu, var, eps), want["mu"], total * inv_std + abs(dvar) * largest)
    scale = np.abs(dx_hat) * inv_std + abs(dvar) * largest + abs(dmu)
    assert_agrees(backward_x(dx_hat, dvar, dmu, x, mu, var, eps), want["x"], scale)


@DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
def test_sigmoid_agrees_with_jax(shape, dtype):
    rng = np.random.default_rng(0)
    x, dout = rng.uniform(-30, 30, size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    out, cache = sigmoid_forward(x)
    want, (want_dx,) = references.value_and_gradients(references.sigmoid, (x,), dout)
    np.testing.assert_allclose(out, want, rtol=10 * np.finfo(dtype).eps)
    assert_agrees(sigmoid_backward(dout, cache), want_dx, np.abs(dout) / 4)


@DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=shape_id)
def test_gradient_norms_agree_with_jax(shape, dtype):
    rng = np.random.default_rng(0)
    widths = [shape[1], 5, 3, 4]
    weights = [rng.normal(size=pair).astype(dtype) for pair in pairwise(widths)]
    x, dout = rng.normal(size=shape).astype(dtype), rng.normal(size=(shape[0], 4)).astype(dtype)
    want = [np.linalg.norm(gradient) for gradient in references.sigmoid_network_gradients(x, weights, dout)]
    np.testing.assert_allclose(gradient_norms(x, weights, dout), want, rtol=TOLERANCE[x.dtype])


# --- Keras, which computes in float32 whatever the dtype of its layers ----------------------------------------------


@pytest.fixture(scope="module")
def keras():
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as environment:
        warnings.simplefilter("ignore", DeprecationWarning)
        environment.setenv("KERAS_BACKEND", "jax")
        import keras
    return keras


def keras_batchnorm(keras, inputs, momentum, eps):
    """Return a layer of Keras with our gamma and beta, and running averages that start at 0 as ours do."""
    x, gamma, beta, _ = inputs
    layer = keras.layers.BatchNormalization(axis=1, momentum=momentum, epsilon=eps, moving_variance_initializer="zeros")
    layer.build(x.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return layer


@EPS
@pytest.mark.parametrize("shape", [(7, 4), (2, 3), (64, 20), (5, 3, 4, 2), (2, 3, 1, 1)], ids=shape_id)
def test_two_batches_and_a_test_agree_with_keras(keras, shape, eps):
    x, gamma, beta, other = inputs = inputs_of(shape, np.float32)
    layer = keras_batchnorm(keras, inputs, 0.7, eps)
    forward = batchnorm_forward if len(shape) == 2 else spatial_batchnorm_forward
    bn_param = {"eps": eps, "momentum": 0.7}
    for batch, mode in [(x, "train"), (other, "train"), (x, "test")]:
        bn_param["mode"] = mode
        out, _ = forward(batch, gamma, beta, bn_param)
        np.testing.assert_allclose(out, np.asarray(layer(batch, training=mode == "train")), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(bn_param["running_mean"], np.asarray(layer.moving_mean), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(bn_param["running_var"], np.asarray(layer.moving_variance), rtol=1e-5, atol=1e-5)


def test_what_keras_keeps_converts_to_what_the_book_keeps(keras):
    x, gamma, beta, _ = inputs = inputs_of((7, 4), np.float32)
    layer = keras_batchnorm(keras, inputs, 0.7, 1e-3)
    layer(x, training=True)
    kept = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    mean, var, momentum = convert_running(*kept, 7, layer.momentum, "keras", "book")
    bn_param = {"mode": "train", "momentum": momentum}
    batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(mean, bn_param["running_mean"], rtol=1e-5)
    np.testing.assert_allclose(var, bn_param["running_var"], rtol=1e-5)


@EPS
@pytest.mark.parametrize("shape", [(7, 4), (2, 3), (64, 20)], ids=shape_id)
def test_layernorm_agrees_with_keras(keras, shape, eps):
    x, gamma, beta, _ = inputs_of(shape, np.float32)
    layer = keras.layers.LayerNormalization(epsilon=eps)
    layer.build(x.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    out, _ = layernorm_forward(x, gamma, beta, {"eps": eps})
    np.testing.assert_allclose(out, np.asarray(layer(x)), rtol=1e-5, atol=1e-5)


# --- the vectors of the ONNX standard -------------------------------------------------------------------------------


def cases_of(operator, wanted=lambda case: True):
    cases = [case for case in onnx_cases if case.model.graph.node[0].op_type == operator and wanted(case)]
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def attributes(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


@cases_of("BatchNormalization")
def test_batchnorm_computes_the_vectors_of_the_onnx_standard(case):
    """In training mode, too: the standard's running averages use the book's momentum side and the biased variance."""
    given = attributes(case.model.graph.node[0])
    mode = "train" if given.get("training_mode") else "test"
    for (x, scale, bias, mean, var), expected in case.data_sets:
        bn_param = {"mode": mode, "momentum": given.get("momentum", 0.9), "running_mean": mean, "running_var": var}
        if "epsilon" in given:
            bn_param["eps"] = given["epsilon"]
        out, _ = spatial_batchnorm_forward(x, scale, bias, bn_param)
        computed = [out, bn_param["running_mean"], bn_param["running_var"]]
        for got, want in zip(computed, expected, strict=mode == "train"):
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_the_standard_has_vectors_for_both_modes():
    modes = [attributes(c.model.graph.node[0]).get("training_mode", 0) for c in onnx_cases if "batchnorm" in c.name]
    assert sorted(modes) == [0, 0, 1, 1]


def normalizes_the_last_axis_alone(case):
    x, scale, _ = case.data_sets[0][0]
    return "expanded" not in case.name and scale.shape == x.shape[-1:]


@cases_of("LayerNormalization", normalizes_the_last_axis_alone)
def test_layernorm_computes_the_vectors_of_the_onnx_standard(case):
    given = attributes(case.model.graph.node[0])
    for (x, scale, bias), (want, *_) in case.data_sets:
        out, _ = layernorm_forward(x.reshape(-1, x.shape[-1]), scale, bias, {"eps": given.get("epsilon", 1e-5)})
        np.testing.assert_allclose(out.reshape(x.shape), want, rtol=1e-5, atol=1e-6)


@cases_of("Sigmoid")
def test_sigmoid_computes_the_vectors_of_the_onnx_standard(case):
    for (x,), (want,) in case.data_sets:
        np.testing.assert_allclose(sigmoid_forward(x)[0], want, rtol=1e-6)


# --- vectors computed by PyTorch, in the onnx package ---------------------------------------------------------------

PYTORCH = Path(onnx.__file__).parent / "backend" / "test" / "data" / "pytorch-converted"


def pytorch_case(name):
    """Return the only node of a model that PyTorch exported, its stored parameters, an input and PyTorch's output."""
    model = onnx.load(PYTORCH / name / "model.onnx")
    stored = [numpy_helper.to_array(array).copy() for array in model.graph.initializer]
    x, out = (
        numpy_helper.to_array(onnx.load_tensor(PYTORCH / name / "test_data_set_0" / file)).copy()
        for file in ("input_0.pb", "output_0.pb")
    )
    assert model.producer_name == "pytorch"
    return attributes(model.graph.node[0]), stored, x, out


@pytest.mark.parametrize("name", sorted(path.name for path in PYTORCH.glob("test_BatchNorm*")))
def test_test_mode_computes_what_pytorch_computed(name):
    given, (gamma, beta, mean, var), x, want = pytorch_case(name)
    N, C, *positions = x.shape
    bn_param = {"mode": "test", "eps": given["epsilon"], "running_mean": mean, "running_var": var}
    out, _ = spatial_batchnorm_forward(x.reshape(N, C, -1, 1), gamma, beta, bn_param)
    np.testing.assert_allclose(out.reshape(N, C, *positions), want, rtol=1e-5, atol=1e-6)


def test_pytorch_writes_its_default_momentum_of_0_1_as_the_book_s_0_9():
    given, (_, _, mean, var), _, _ = pytorch_case("test_BatchNorm2d_eval")
    assert given["momentum"] == pytest.approx(convert_running(mean, var, 8, 0.1, "pytorch", "book")[2])


def test_sigmoid_computes_what_pytorch_computed():
    _, _, x, want = pytorch_case("test_Sigmoid")
    np.testing.assert_allclose(sigmoid_forward(x)[0], want, rtol=1e-6)
