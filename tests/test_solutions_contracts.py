"""Every graded function keeps its contract: name, signature, docstring, and a body that can stand in a cell alone."""

import builtins
import copy
import dis
import inspect
import re

import numpy as np
import pytest

import solutions

CONTRACTS = {
    "sigmoid_forward": "x",
    "sigmoid_backward": "dout, cache",
    "saturated_fraction": "x, tol=0.01",
    "gradient_norms": "x, weights, dout",
    "batchnorm_forward": "x, gamma, beta, bn_param",
    "backward_x_hat": "dout, gamma",
    "backward_var": "dx_hat, x, mu, var, eps",
    "backward_mu": "dx_hat, dvar, x, mu, var, eps",
    "backward_x": "dx_hat, dvar, dmu, x, mu, var, eps",
    "batchnorm_backward": "dout, cache",
    "batchnorm_backward_alt": "dout, cache",
    "numerical_gradient": "f, x, df, h=1e-05",
    "relative_error": "a, b",
    "check_gradients": "forward, backward",
    "hidden_forward": "x, W, gamma, beta, bn_param",
    "hidden_backward": "dout, cache",
    "stack_forward": "x, layers, bn_params",
    "stack_backward": "dout, caches",
    "shift_percentiles": "history",
    "spatial_batchnorm_forward": "x, gamma, beta, bn_param",
    "spatial_batchnorm_backward": "dout, cache",
    "layernorm_forward": "x, gamma, beta, ln_param",
    "layernorm_backward": "dout, cache",
    "fold_batchnorm": "W, b, gamma, beta, running_mean, running_var, eps",
    "convert_running": "mean, var, n, momentum, source, target",
}

PUBLIC = [name for name in solutions.__all__ if callable(getattr(solutions, name))]


@pytest.mark.parametrize("name", CONTRACTS)
def test_signature_is_the_one_that_other_code_relies_on(name):
    assert str(inspect.signature(getattr(solutions, name))) == f"({CONTRACTS[name]})"


@pytest.mark.parametrize("name", CONTRACTS)
def test_body_needs_nothing_but_numpy_builtins_and_the_other_functions(name):
    used = names_used(getattr(solutions, name).__code__)
    assert used <= {"np", *CONTRACTS, *dir(builtins)}


def names_used(code):
    """Return the global names that a code object, or one nested in it, refers to."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return own.union(*(names_used(inner) for inner in code.co_consts if inspect.iscode(inner)))


@pytest.mark.parametrize("name", CONTRACTS)
def test_function_fits_a_screen(name):
    source = inspect.getsource(getattr(solutions, name)).replace(getattr(solutions, name).__doc__, "")
    assert len(source.splitlines()) <= 45


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_is_one_sentence_first_and_names_every_parameter(name):
    thing = getattr(solutions, name)
    first, *rest = inspect.getdoc(thing).split("\n\n")
    assert re.fullmatch(r"[A-Z].*\.", first, flags=re.DOTALL)
    documented = "\n\n".join(rest)
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"\b{parameter}\b", documented), f"{parameter} is not described"


def test_everything_public_is_exported_once():
    assert sorted(set(solutions.__all__)) == sorted(solutions.__all__)
    assert set(CONTRACTS) <= set(solutions.__all__)


def calls(dtype):
    """Yield (name, arguments, positions of arrays in the result that must have the dtype) for each array function."""
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(size=shape).astype(dtype)

    x, dout, gamma, beta = draw(7, 4), draw(7, 4), draw(4), draw(4)
    maps, dmaps = draw(3, 4, 5, 2), draw(3, 4, 5, 2)
    mu, var = x.mean(axis=0), x.var(axis=0)
    running = {"running_mean": draw(4), "running_var": draw(4) ** 2}

    yield "sigmoid_forward", (x,), 1
    yield "sigmoid_backward", (dout, solutions.sigmoid_forward(x)[1]), 1
    yield "saturated_fraction", (x,), 0
    yield "gradient_norms", (x, [draw(4, 6), draw(6, 3)], draw(7, 3)), 0
    for mode in ("train", "test"):
        yield "batchnorm_forward", (x, gamma, beta, {"mode": mode, **copy.deepcopy(running)}), 1
        yield "spatial_batchnorm_forward", (maps, gamma, beta, {"mode": mode, **copy.deepcopy(running)}), 1
    yield "backward_x_hat", (dout, gamma), 1
    yield "backward_var", (dout, x, mu, var, 1e-5), 1
    yield "backward_mu", (dout, draw(4), x, mu, var, 1e-5), 1
    yield "backward_x", (dout, draw(4), draw(4), x, mu, var, 1e-5), 1
    cache = solutions.batchnorm_forward(x, gamma, beta, {"mode": "train"})[1]
    yield "batchnorm_backward", (dout, cache), 3
    yield "batchnorm_backward_alt", (dout, cache), 3
    W, layer = draw(4, 3), {"W": draw(3, 3), "gamma": draw(3), "beta": draw(3)}
    layers, modes = [{"W": W, "gamma": draw(3), "beta": draw(3)}, layer], [{"mode": "train"}, {"mode": "train"}]
    yield "hidden_forward", (x, *layers[0].values(), {"mode": "train"}), 1
    yield "hidden_backward", (draw(7, 3), solutions.hidden_forward(x, *layers[0].values(), modes[0])[1]), 4
    yield "stack_forward", (x, layers, [{"mode": "test"}, {"mode": "test"}]), 1
    yield "stack_backward", (draw(7, 3), solutions.stack_forward(x, layers, modes)[1]), 1
    spatial_cache = solutions.spatial_batchnorm_forward(maps, gamma, beta, {"mode": "train"})[1]
    yield "spatial_batchnorm_backward", (dmaps, spatial_cache), 3
    yield "layernorm_forward", (x, gamma, beta, {}), 1
    yield "layernorm_backward", (dout, solutions.layernorm_forward(x, gamma, beta, {})[1]), 3
    yield "fold_batchnorm", (draw(5, 4), draw(4), gamma, beta, *running.values(), 1e-5), 2
    yield "convert_running", (*running.values(), 7, 0.9, "book", "pytorch"), 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_argument_is_modified_but_the_running_averages_in_train_mode(dtype):
    for name, arguments, _ in calls(dtype):
        before = copy.deepcopy(arguments)
        getattr(solutions, name)(*arguments)
        for position, (was, now) in enumerate(zip(before, arguments, strict=True)):
            if isinstance(was, dict) and was.get("mode") == "train":
                continue
            np.testing.assert_equal(now, was, err_msg=f"{name} modifies argument {position}")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_dtype_of_the_arguments(dtype):
    for name, arguments, count in calls(dtype):
        result = getattr(solutions, name)(*arguments)
        arrays = [result] if isinstance(result, np.ndarray) else result[:count] if count else []
        for position, array in enumerate(arrays):
            assert array.dtype == dtype, f"{name} returns {array.dtype} at position {position}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_averages_have_the_dtype_of_x(dtype):
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(dtype)
    bn_param = {"mode": "train"}
    solutions.batchnorm_forward(x, np.ones(4, dtype), np.zeros(4, dtype), bn_param)
    assert bn_param["running_mean"].dtype == bn_param["running_var"].dtype == dtype


def test_calling_a_backward_pass_twice_gives_the_same_twice():
    for name, arguments, _ in calls(np.float64):
        if "backward" in name:
            function = getattr(solutions, name)
            np.testing.assert_equal(function(*arguments), function(*arguments))
