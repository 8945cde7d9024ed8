"""What an assignment gives is right to the last digits, says what it lacks, and reads its data."""

import numpy as np
import pytest
from conftest import ROOT

import solutions
from autograder.bn_helper.given import digits
from autograder.bn_helper.given.backward_pass import batchnorm_backward
from autograder.bn_helper.given.forward_pass import batchnorm_forward
from autograder.bn_helper.given.sigmoid import saturated_fraction, sigmoid_backward, sigmoid_forward
from autograder.course import Problem


def off_by(mine, right):
    return float(np.abs(mine - right).max() / np.abs(right).max())


@pytest.mark.parametrize(("N", "D", "eps"), [(7, 4, 0.1), (40, 25, 1e-5), (1, 3, 1e-5), (2, 2, 1e-3)])
def test_the_given_backward_pass_is_right_to_1e_10(N, D, eps):
    rng = np.random.default_rng(0)
    x, dout = 3 * rng.normal(size=(N, D)) + 1, rng.normal(size=(N, D))
    gamma, beta = rng.normal(size=(2, D))
    out, cache = batchnorm_forward(x, gamma, beta, {"eps": eps})
    right, right_cache = solutions.batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    np.testing.assert_allclose(out, right, rtol=1e-10, atol=1e-12)
    got, want = batchnorm_backward(dout, cache), solutions.batchnorm_backward_alt(dout, right_cache)
    for mine, true in zip(got, want, strict=True):
        assert mine.shape == true.shape
        np.testing.assert_allclose(mine, true, rtol=0, atol=1e-10 * max(np.abs(true).max(), 1))


def test_the_given_sigmoid_and_its_gradient_are_right_where_it_does_not_overflow():
    x, dout = np.linspace(-30, 30, 61), np.linspace(1, 2, 61)
    out, cache = sigmoid_forward(x)
    right, right_cache = solutions.sigmoid_forward(x)
    np.testing.assert_allclose(out, right, rtol=1e-14)
    np.testing.assert_allclose(
        sigmoid_backward(dout, cache), solutions.sigmoid_backward(dout, right_cache), rtol=1e-2
    )  # whose 1 - out loses digits
    near = abs(x) < 8
    assert off_by(sigmoid_backward(dout, cache)[near], solutions.sigmoid_backward(dout, right_cache)[near]) < 1e-14


def test_the_given_saturated_fraction_is_the_share_of_slopes_below_one_hundredth():
    x = np.random.default_rng(1).normal(scale=5, size=(200, 30))
    assert saturated_fraction(x) == solutions.saturated_fraction(x)
    assert 0.2 < saturated_fraction(x) < 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_dtype_of_dout_and_nothing_is_modified(dtype):
    rng = np.random.default_rng(2)
    x, dout, gamma, beta = (rng.normal(size=shape).astype(dtype) for shape in ((5, 3), (5, 3), 3, 3))
    kept = x.copy(), dout.copy()
    _, cache = batchnorm_forward(x, gamma, beta, {})
    assert [gradient.dtype for gradient in batchnorm_backward(dout, cache)] == [dtype] * 3
    assert sigmoid_backward(dout, sigmoid_forward(x)[1]).dtype == dtype
    np.testing.assert_equal((x, dout), kept)


def test_the_digits_are_those_of_the_book(monkeypatch):
    from chapters.experiments.covariate_shift import test_set, training_set

    monkeypatch.setattr(digits, "FILE", ROOT / "assets" / "data" / "digits.csv.gz")
    np.testing.assert_equal(digits.load_digits(), (*training_set(), *test_set()))


def test_missing_digits_are_one_sentence_that_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.csv.gz")
    with pytest.raises(FileNotFoundError, match=r"digits\.csv\.gz is missing in bn_helper: download"):
        digits.load_digits()


def test_source_and_licence_of_the_digits_travel_with_them():
    assert "https://doi.org/10.24432/C50P49" in digits.__doc__
    assert "Creative Commons Attribution 4.0" in digits.__doc__


def test_what_an_assignment_asks_for_cannot_be_given(tmp_path, monkeypatch):
    from autograder.builder import build
    from autograder.builder.text import read_text
    from autograder.course import Course

    text = tmp_path / "greedy.md"
    text.write_text(
        "---\ntitle: A title\nminutes: 5\n---\n"
        "```{setup}\nimport numpy as np\nfrom bn_helper import batchnorm_forward, check\n```\n"
        "```{solution} batchnorm_forward\n```\n```{check} batchnorm_forward-train\n:points: 1\n```\n"
    )
    monkeypatch.setattr(build, "ASSIGNMENTS", tmp_path)
    monkeypatch.setattr(build, "assignment_names", lambda: ["greedy"])
    assert read_text(text)
    with pytest.raises(Problem, match=r"greedy\.md:5: batchnorm_forward is asked for"):
        build.build(Course(tmp_path / "course"), ["greedy"])
