"""The checks of the sigmoid: inputs keep their promises, odd answers cost what they should, predictions come out."""

import ast
import math
import re
import warnings
from itertools import pairwise

import numpy as np
import pytest
from graded import graded, losing, named
from right_implementations import functions_of, sigmoid
from wrong_implementations.sigmoid import notebook as wrong

import solutions
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.parts.claims import Unusable, number
from autograder.builder.text import read_text
from autograder.checks.draw import generator
from autograder.checks.topics import CATALOGUE, TOPICS
from autograder.checks.topics.sigmoid.probes import construct
from autograder.course import ASSIGNMENTS

RIGHT = functions_of(sigmoid.RIGHT["masks_for_the_two_sides"])
SENTENCES = {entry.name: entry.sentence for entry in CATALOGUE}


# ---- constructed inputs keep their promises ----


SHAPES = [(7, 6, 0.12, (4, 6, 3)), (9, 5, 0.2, (6, 3, 5)), (7, 8, 0.06, (5, 7, 4)), (11, 5, 0.19, (7, 3, 6))]


@pytest.fixture(scope="module")
def drawn():
    return [construct(generator("promise", str(seed)), *shape) for seed in range(50) for shape in SHAPES]


def slope(x):
    """Return the sigmoid's derivative, computed otherwise than in `solutions`."""
    return 0.25 / np.cosh(x / 2) ** 2


def test_entries_are_moderate_and_every_column_holds_both_signs_and_steep_places(drawn):
    for probe in drawn:
        assert np.abs(probe.x).max() <= 8
        assert (probe.x.max(axis=0) > 2).all()
        assert (probe.x.min(axis=0) < -2).all()
        assert (slope(probe.x).max(axis=0) > 0.22).all()


def test_no_weight_matrix_is_square_and_n_and_d_differ(drawn):
    for probe in [*drawn, *TOPICS["sigmoid"].visible]:
        assert len(probe.x) % 2 == 1
        assert probe.x.shape[0] != probe.x.shape[1]
        assert all(W.shape[0] != W.shape[1] for W in probe.weights)


def test_norms_neither_rise_nor_fall_throughout_and_lie_apart(drawn):
    for probe in drawn:
        steps = [b / a for a, b in pairwise(solutions.gradient_norms(probe.x0, probe.weights, probe.dout_last))]
        assert min(steps) < 1 < max(steps)
        assert all(max(step, 1 / step) > 1.2 for step in steps)


def test_the_number_of_layers_is_not_the_same_in_all_networks():
    probes = (*TOPICS["sigmoid"].visible, *TOPICS["sigmoid"].hidden(generator("any")))
    assert len({len(probe.weights) for probe in probes}) > 1


def test_no_entry_lies_near_a_tolerance_but_those_at_zero_do_exactly(drawn):
    for probe in drawn:
        for tol in (0.01, probe.tol):
            assert np.abs(slope(probe.z) / tol - 1).min() > 1e-3
        assert np.count_nonzero(probe.z == 0) == 2
        assert np.abs(probe.z[probe.z != 0]).min() > 0.1


def test_every_way_of_counting_gives_another_share(drawn):
    for probe in drawn:
        out, steep = solutions.sigmoid_forward(probe.z)[0], slope(probe.z)
        for tol in (0.01, probe.tol):
            low, high = np.mean(out < tol), np.mean(out > 1 - tol)
            assert low > 0
            assert high > 0
            assert np.mean(steep < tol) > low + high


# ---- what is a number ----


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), np.int64(1)])
def test_a_number_may_be_pythons_or_numpys(value):
    assert number(value, "fraction").shape == ()
    assert number(value, "fraction") == float(value)


@pytest.mark.parametrize("value", [None, True, "1", 1j, [0.5], np.array([0.5]), np.bool_(True), np.array(1j), 10**400])
def test_what_is_no_real_number_is_refused_in_a_sentence(value):
    with pytest.raises(Unusable, match=r"^fraction should be a number, and is .+\.$"):
        number(value, "fraction")


# ---- odd answers ----


def shares(**replaced):
    verdicts = graded(RIGHT | replaced)
    return {part: verdict.share for part, verdict in verdicts.items() if verdict.share < 1}, verdicts


def sentences(verdicts):
    return " ".join(finding.sentence for verdict in verdicts.values() for finding in verdict.findings)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x, tol=0.01: None, "fraction should be a number, and is nothing (None)."),
        (lambda x, tol=0.01: [0.5], "fraction should be a number, and is a list of 1."),
        (lambda x, tol=0.01: np.mean(x, axis=0), "fraction should be a number, and is an array of shape (6,)"),
        (lambda x, tol=0.01: 1j, "fraction should be a number, and is a value of type complex."),
        (lambda x, tol=0.01: math.nan, "fraction is nan, not a finite number"),
        (lambda x: 0.0, "saturated_fraction cannot be called with the arguments of its contract"),
    ],
)
def test_a_fraction_that_is_no_number_costs_its_two_parts(answer, sentence):
    lost, verdicts = shares(saturated_fraction=answer)
    assert set(lost) <= {"saturated_fraction-value", "saturated_fraction-tol"}
    assert lost["saturated_fraction-tol"] == 0
    assert sentence in sentences(verdicts)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            lambda *args: None,
            "gradient_norms should return a list of numbers, one for each layer, and returned nothing (None).",
        ),
        (lambda *args: 3.0, "one for each layer, and returned a value of type float."),
        (lambda *args: [0.5] * 3_000_000, "one for each layer, and returned a list of 3000000."),
        (lambda *args: {}, "one for each layer, and returned a value of type dict."),
        (lambda x, weights, dout: np.zeros((2, 2)), "and returned an array of shape (2, 2)"),
        (lambda x, weights, dout: [x for _ in weights], "each of the norms should be a number, and is an array"),
        (
            lambda x, weights, dout: [],
            "norms from the smallest to the largest has shape (0,) and should have shape (3,)",
        ),
        (lambda x, weights, dout: (norm for norm in [1.0]), "and returned a value of type generator."),
    ],
)
def test_norms_that_are_no_list_of_numbers_cost_their_two_parts(answer, sentence):
    lost, verdicts = shares(gradient_norms=answer)
    assert lost == {"gradient_norms-value": 0, "gradient_norms-order": 0}
    assert sentence in sentences(verdicts)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_norms_may_be_a_list_a_tuple_or_an_array(kind):
    lost, _ = shares(gradient_norms=lambda *args: kind(RIGHT["gradient_norms"](*args)))
    assert not lost


def test_weights_that_are_emptied_cost_a_share_and_no_crash():
    def emptying(x, weights, dout):
        norms = RIGHT["gradient_norms"](x, list(weights), dout)
        weights.clear()
        return norms

    lost, verdicts = shares(gradient_norms=emptying)
    assert lost == {"gradient_norms-value": 0.75}
    assert "weights should be the same list after the call." in sentences(verdicts)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x: None, "should return (out, cache), and returned nothing (None)"),
        (lambda x: 1 / (1 + np.exp(-x)), "should return (out, cache), and returned an array of shape (7, 6)"),
        (lambda x: (x > 0, None), "out should hold real numbers, and is an array of shape (7, 6) and dtype bool"),
    ],
)
def test_a_forward_pass_without_out_and_cache_costs_all_that_calls_it(answer, sentence):
    lost, verdicts = shares(sigmoid_forward=answer)
    assert {"sigmoid_forward-value", "sigmoid_forward-stable", "sigmoid_backward-dx"} <= set(lost)
    assert sentence in sentences(verdicts)


def test_an_error_in_the_exponential_of_a_large_number_is_told_with_its_line():
    def scalar(x):
        out = np.array([1 / (1 + math.exp(-value)) for value in x.flat]).reshape(x.shape)
        return out, (x, out)

    lost, verdicts = shares(sigmoid_forward=scalar)
    assert lost["sigmoid_forward-stable"] == 0
    assert "sigmoid_forward-value" not in lost
    assert "sigmoid_forward raised OverflowError in your line" in sentences(verdicts)


# ---- the one mark for a warning ----


def test_an_overflow_costs_the_one_part_that_is_about_it():
    verdicts = graded(wrong(out=lambda x: 1 / (1 + np.exp(-x))))
    assert losing(verdicts) == {"sigmoid_forward-stable"}
    message = verdicts["sigmoid_forward-stable"].message()
    assert "It should hold that large negative entries cause no overflow and no warning" in message
    assert SENTENCES["sigmoid overflows"] in message


@pytest.mark.filterwarnings("ignore:under construction")
def test_another_warning_costs_nothing():
    def warning(x):
        warnings.warn("under construction", stacklevel=1)
        return RIGHT["sigmoid_forward"](x)

    assert not shares(sigmoid_forward=warning)[0]


def test_a_setting_of_numpy_in_force_changes_no_verdict():
    for setting in ("ignore", "warn"):
        with np.errstate(all=setting):
            assert losing(graded(wrong(out=lambda x: 1 / (1 + np.exp(-x))))) == {"sigmoid_forward-stable"}
            assert not losing(graded(RIGHT))


# ---- messages ----


@pytest.mark.parametrize(
    ("change", "part", "sentence"),
    [
        (
            {"out": lambda x: 2 / (1 + np.exp(-np.clip(x, -500, 500)))},
            "sigmoid_forward-value",
            "out lies between 0 and 1",
        ),
        ({"dx": lambda dout, c: dout * 4 * c["out"] * (1 - c["out"])}, "sigmoid_backward-dx", "a quarter of its dout"),
        ({"fraction": lambda s, c, tol: float(np.sum(s))}, "saturated_fraction-value", "between 0 and 1"),
    ],
)
def test_a_message_names_the_property_that_is_broken(change, part, sentence):
    message = graded(wrong(**change))[part].message()
    assert sentence in message
    assert "This is what one gets" not in message


def test_a_message_about_a_number_shows_both_and_of_a_hidden_one_neither_them_nor_the_tolerance():
    message = graded(wrong(fraction=lambda s, c, tol: float(np.mean(s < 0.02))))["saturated_fraction-tol"].message()
    assert re.search(r"fraction for tol=0\.12 is 0\.\d+ and should be 0\.\d+ \(N=7, D=6, 3 layers\)", message)

    def wrong_where_hidden(s, c, tol):
        return float(np.mean(s < tol)) / (1 if tol in (0.01, 0.12, 0.2, 0.25) else 2)

    message = graded(wrong(fraction=wrong_where_hidden))["saturated_fraction-tol"].message()
    assert "fraction for another tol deviates by 50 % of the right value (a hidden test, N=7, D=8, 3 layers)" in message


def test_two_mistakes_in_functions_that_do_not_touch_are_both_named():
    functions = wrong(fraction=lambda s, c, tol: float(np.mean(c["out"] < tol)), finish=lambda norms, dout: norms[::-1])
    verdicts = graded(functions)
    assert losing(verdicts) == {"saturated_fraction-value", "saturated_fraction-tol", "gradient_norms-order"}
    assert {name for verdict in verdicts.values() for name in named(verdict)} == {
        "lower tail alone",
        "last layer first",
    }


# ---- the notebook ----


TEXT = read_text(ASSIGNMENTS / "saturation.md")


def test_the_points_of_the_assignment_are_twenty_and_one_of_them_is_for_large_entries():
    points = {block.name: block.points for block in TEXT.blocks if block.kind == "check"}
    assert sum(points.values()) == 20
    assert points["sigmoid_forward-stable"] == 1
    assert set(points) == {part.id for part in PARTS.values() if part.function in RIGHT}


def cells():
    return [block.content for block in TEXT.blocks if block.kind in ("setup", "code-cell")]


def constants(name):
    """Return what a cell of the notebook gives to a name, computed by NumPy."""
    for cell in cells():
        for node in ast.parse(cell).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return eval(compile(ast.Expression(node.value), "<cell>", "eval"), {"np": np})
    raise LookupError(name)


def test_the_predictions_about_the_small_batch_come_out_even():
    small, dout = constants("small"), np.array([[4, 16, -100], [25, 32, 10000.0]])
    out, cache = solutions.sigmoid_forward(small)
    np.testing.assert_allclose(out, [[1 / 2, 3 / 4, 9 / 10], [1 / 5, 1 / 4, 99 / 100]], rtol=1e-12)
    np.testing.assert_allclose(solutions.sigmoid_backward(dout, cache), [[1, 3, -9], [4, 6, 99]], rtol=1e-12)
    assert [solutions.saturated_fraction(small, tol) for tol in (0.01, 0.1, 0.25)] == [1 / 6, 2 / 6, 5 / 6]


def test_the_predictions_about_the_two_networks_come_out_even():
    W_1, W_2 = constants("W_1"), constants("W_2")
    dx_1 = np.array([[3, 4.0]]) @ W_2.T
    assert np.array_equal(dx_1, [[8, 6]])
    assert np.array_equal(dx_1 @ W_1.T, [[6, -6, 7]])
    assert solutions.gradient_norms(np.zeros((1, 2)), constants("layers"), np.array([[16, 4.0]])) == [5.0, 8.0]


def test_the_balance_lies_well_above_four_and_not_one_unit_is_saturated_at_one():
    rng = np.random.default_rng(3)
    x, dout = rng.normal(size=(2, 16, 100))
    drawn = [rng.normal(size=(100, 100)) / 10 for _ in range(10)]
    factors = {}
    for c in (1, 4, 20):
        norms = solutions.gradient_norms(x, [c * W for W in drawn], dout)
        factors[c] = (norms[0] / np.linalg.norm(dout)) ** 0.1
    assert factors[1] < factors[4] < 0.8 < 1 < factors[20]
    assert solutions.saturated_fraction(x @ drawn[0]) == 0
