"""The convention table of the forward-pass chapter says what its sources do."""

import numpy as np
import pytest

from solutions import batchnorm_forward
from solutions.conventions import CONVENTIONS


def two_batches():
    rng = np.random.default_rng(0)
    return [rng.normal(3.0, 2.0, (7, 4)) for _ in range(2)]


def run(convention, batches):
    """Return the running mean and variance after the batches, from the convention's own start."""
    running_mean, running_var = convention.start(batches[0].shape[1])
    for step, x in enumerate(batches, start=1):
        running_mean, running_var = convention.update(running_mean, running_var, x, step)
    return running_mean, running_var


def test_row_of_this_book_is_what_batchnorm_forward_does():
    book, batches = CONVENTIONS["book"], two_batches()
    bn_param = {"mode": "train"}
    for x in batches:
        out, _ = batchnorm_forward(x, np.ones(4), np.zeros(4), bn_param)
    running_mean, running_var = run(book, batches)
    np.testing.assert_allclose(running_mean, bn_param["running_mean"], rtol=1e-12)
    np.testing.assert_allclose(running_var, bn_param["running_var"], rtol=1e-12)
    mean, var = book.statistics(batches[-1])
    np.testing.assert_allclose((batches[-1] - mean) / np.sqrt(var + book.eps), out, rtol=1e-10)


def test_row_of_the_paper_is_the_plain_average_of_unbiased_variances():
    batches = two_batches()
    running_mean, running_var = run(CONVENTIONS["paper"], batches)
    np.testing.assert_allclose(running_mean, np.mean([x.mean(axis=0) for x in batches], axis=0))
    N = len(batches[0])
    np.testing.assert_allclose(running_var, N / (N - 1) * np.mean([x.var(axis=0) for x in batches], axis=0))


def test_row_of_pytorch_is_the_update_rule_of_its_documentation():
    # "x_new = (1 - momentum) * x_old + momentum * x_observed", stored with correction=1, from 0 and 1
    first, second = two_batches()
    momentum = 0.1
    expected_mean = (1 - momentum) * momentum * first.mean(axis=0) + momentum * second.mean(axis=0)
    expected_var = (1 - momentum) * ((1 - momentum) + momentum * first.var(axis=0, ddof=1))
    expected_var += momentum * second.var(axis=0, ddof=1)
    running_mean, running_var = run(CONVENTIONS["pytorch"], [first, second])
    np.testing.assert_allclose(running_mean, expected_mean)
    np.testing.assert_allclose(running_var, expected_var)


def test_pytorchs_momentum_is_one_minus_this_books():
    book, pytorch = CONVENTIONS["book"], CONVENTIONS["pytorch"]
    assert pytorch.momentum == pytest.approx(1 - book.momentum)
    assert pytorch.weight_of_batch(1) == pytest.approx(book.weight_of_batch(1))


def test_row_of_keras_is_what_keras_3_does(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    keras_row = CONVENTIONS["keras"]
    batches = [x.astype(np.float32) for x in two_batches()]

    layer = keras.layers.BatchNormalization()
    layer.build((None, 4))
    assert (layer.momentum, layer.epsilon) == (keras_row.momentum, keras_row.eps)
    np.testing.assert_array_equal((layer.moving_mean, layer.moving_variance), keras_row.start(4))

    for x in batches:
        mean, var = keras_row.statistics(x)
        expected = (x - mean) / np.sqrt(var + keras_row.eps)
        np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    np.testing.assert_allclose((layer.moving_mean, layer.moving_variance), run(keras_row, batches), rtol=1e-5)


def test_all_four_normalize_a_batch_by_its_biased_variance():
    x = two_batches()[0]
    for convention in CONVENTIONS.values():
        np.testing.assert_array_equal(convention.statistics(x)[1], x.var(axis=0))


def test_update_does_not_modify_the_running_averages():
    x = two_batches()[0]
    for convention in CONVENTIONS.values():
        running_mean, running_var = convention.start(4)
        kept = running_mean.copy(), running_var.copy()
        convention.update(running_mean, running_var, x, step=1)
        np.testing.assert_array_equal((running_mean, running_var), kept)
