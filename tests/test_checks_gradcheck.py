"""The checks of numerical gradients and of the student's own test: nothing is earned by guessing, or by remembering."""

import re

import numpy as np
import pytest
from graded import assignment_of, graded, losing, named, probes_of
from right_implementations import functions_of, gradcheck
from wrong_implementations.gradcheck import careless, gradient

import solutions
from autograder.bn_helper.given.line_up import line_up
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.parts.check_gradients import HIDDEN, SIBLINGS, WRONG
from autograder.bn_helper.siblings import LAYERS
from autograder.builder.text import read_text
from autograder.checks.draw import generator
from autograder.checks.expectations import hidden_probes
from autograder.checks.topics.check_gradients import layers
from autograder.checks.topics.check_gradients.probes import hidden
from autograder.course import ASSIGNMENTS

RIGHT = functions_of(gradcheck.RIGHT["sums_of_unit_arrays"])
TESTS = [part for part in PARTS if part.startswith("check_gradients-")]


def tried(function):
    """Grade a test of a layer under two secrets; return the shares of its parts."""
    verdicts = [graded({"check_gradients": function}, secret) for secret in ("one secret", "another secret")]
    return [verdict.share for parts in verdicts for verdict in parts.values()]


# ---- a test earns by what it catches, and by nothing else ----


@pytest.mark.parametrize("answer", [True, False])
def test_a_constant_answer_earns_nothing(answer):
    assert set(tried(lambda forward, backward: answer)) == {0.0}


@pytest.mark.parametrize("chance", [0.3, 0.5, 0.7])
def test_a_guess_earns_nothing(chance):
    rng = np.random.default_rng(0)
    assert set(tried(lambda forward, backward: bool(rng.random() < chance))) == {0.0}


@pytest.mark.parametrize("refused", [1, 2, 3, 5, 8, 11])
def test_who_knows_the_visible_layers_and_guesses_the_others_earns_next_to_nothing(refused):
    rng, earned = np.random.default_rng(0), []
    for number in range(400):
        said_wrong = None  # the mistakes that are refused in both line-ups
        for probe in hidden(generator("guess", str(number))):
            notes = np.array([note for note, _ in probe.layers["dx"]])
            refusals = set(rng.permutation(notes)[:refused])
            if any(" accepts " in note for note in refusals):
                said_wrong = set()
            said_wrong = refusals if said_wrong is None else said_wrong & refusals
        earned.append(len(said_wrong) / len(WRONG["dx"]))
    assert np.mean(earned) < 0.02


def test_what_came_before_tells_nothing_of_a_layer():
    seen = {}

    def check_gradients(forward, backward):
        x = np.linspace(-1, 1, 15).reshape(5, 3) ** 2
        out, _ = forward(x, np.array([2.0, -1.0, 0.5]), np.ones(3), {"mode": "train", "eps": 0.1})
        seen.setdefault(np.round(out, 6).tobytes(), len(seen))
        return seen[np.round(out, 6).tobytes()] >= 0

    for part in TESTS:
        for _, made_by in line_up_of(part):
            check_gradients(made_by()[0], None)
    plain = len(TESTS)  # one layer comes as it is in each part
    assert len(seen) == sum(len(line_up_of(part)) for part in TESTS) - plain + 1


def line_up_of(part):
    drawn = hidden_probes("one secret", "gradcheck", part)
    return [layer for probe in drawn for layer in probe.layers[part.rpartition("-")[2]]]


def test_the_order_follows_from_the_secret_and_mixes_right_and_wrong_layers():
    line_ups = [probe.layers["dx"] for n in range(200) for probe in hidden(generator("order", str(n)))]
    orders = [tuple(" accepts " in note for note, _ in line_up) for line_up in line_ups]
    assert len(set(orders)) > 200
    assert np.ptp(np.mean(orders, axis=0)) < 0.15  # at no place a right layer is likelier


@pytest.mark.parametrize("part", TESTS)
def test_every_part_tries_all_right_layers_and_a_layer_for_every_claim(part):
    visible, *drawn = [
        [note for note, _ in probe.layers[part.rpartition("-")[2]]] for probe in probes_of(part, "one secret")
    ]
    notes = [*visible, *drawn[0], *drawn[1]]
    assert sum(" accepts " in note for note in notes) == len(SIBLINGS) + len(HIDDEN)
    for claim in PARTS[part].claims:
        assert claim.core or all(claim.about[0] in line_up for line_up in (visible, *drawn))
    assert set(notes) == {note for claim in PARTS[part].claims for note in claim.about}


def test_a_visible_layer_is_given_by_its_name_and_a_hidden_one_is_not():
    visible, *drawn = probes_of(TESTS[0], "one secret")
    assert all(type(made_by) is str for line in visible.layers.values() for _, made_by in line)
    assert not any(type(made_by) is str for probe in drawn for line in probe.layers.values() for _, made_by in line)
    assert {name for mistakes in WRONG.values() for name in mistakes} == set(layers.WRONG)
    assert set(layers.WRONG) == set(LAYERS) - set(SIBLINGS.values())


def test_every_layer_looks_the_same_to_the_test():
    looks = set()

    def check_gradients(forward, backward):
        out, cache = forward(np.eye(4)[:, :3], np.ones(3), np.ones(3), {"mode": "train"})
        looks.add((type(out), out.shape, out.dtype, type(cache), repr(cache), forward.__name__, backward.__name__))
        return True

    tried(check_gradients)
    assert len(looks) == 1


def test_a_test_that_refuses_one_right_layer_earns_nothing():
    def refuses_layers_that_see_an_order_of_features(forward, backward):
        x = np.random.default_rng(0).normal(size=(5, 3))
        outs = [forward(v, np.ones(3), np.zeros(3), {"mode": "train", "eps": 0.1})[0] for v in (x, x + np.eye(3)[0])]
        return RIGHT["check_gradients"](forward, backward) and np.allclose(outs[0][:, 1:], outs[1][:, 1:])

    verdicts = graded({"check_gradients": refuses_layers_that_see_an_order_of_features})
    assert {verdict.share for verdict in verdicts.values()} == {0.0}
    assert all("a layer that normalizes each example (a hidden test)" in v.message() for v in verdicts.values())


@pytest.mark.parametrize("part", WRONG)
def test_a_layer_that_is_let_through_costs_half_a_point_and_is_told(part):
    parts = {block.name: block.points for block in read_text(ASSIGNMENTS / "gradcheck.md").blocks if block.points}
    assert parts[f"check_gradients-{part}"] == len(WRONG[part]) / 2
    verdict = graded(careless(near=lambda got, want: True, shapes=False, looked_at=()))[f"check_gradients-{part}"]
    told = verdict.message()
    caught = [text for text in WRONG[part].values() if f"refuses {text} " not in told]
    assert verdict.share == pytest.approx(len(caught) / len(WRONG[part]))


# ---- odd answers ----


@pytest.mark.parametrize(
    "answer", [lambda good: np.bool_(good), lambda good: np.array(good), lambda good: good], ids=["np", "array", "bool"]
)
def test_true_and_false_may_be_numpys(answer):
    def check_gradients(forward, backward):
        return answer(bool(RIGHT["check_gradients"](forward, backward)))

    assert not losing(graded({"check_gradients": check_gradients}))


@pytest.mark.parametrize("answer", [None, 1, 0.0, "True", [True], np.array([True]), (True, "why"), np.array(1.0)])
def test_another_answer_is_told_in_a_sentence(answer):
    verdicts = graded({"check_gradients": lambda forward, backward: answer})
    assert {verdict.share for verdict in verdicts.values()} == {0.0}
    assert all("check_gradients should return True or False" in verdict.message() for verdict in verdicts.values())
    assert not any(named(verdict) for verdict in verdicts.values())


def test_an_exception_costs_the_layers_where_it_comes():
    def check_gradients(forward, backward):
        dout, layer = np.ones((5, 3)), forward(np.eye(5)[:, :3], np.ones(3), np.ones(3), {"mode": "train"})
        _, _, _ = backward(dout, layer[1])
        return RIGHT["check_gradients"](forward, backward)

    verdicts = graded({"check_gradients": check_gradients})
    assert losing(verdicts) == {"check_gradients-shapes"}
    assert verdicts["check_gradients-shapes"].share == pytest.approx(6 / 8)
    message = verdicts["check_gradients-shapes"].message()
    assert "check_gradients raised KeyError" in message
    assert "check_gradients raised ValueError" in message


def test_an_endless_number_of_calls_is_refused():
    def check_gradients(forward, backward):
        while True:
            forward(np.eye(3), np.ones(3), np.ones(3), {"mode": "train"})

    verdict = graded({"check_gradients": check_gradients}, parts=["check_gradients-eps"])["check_gradients-eps"]
    assert verdict.share == 0
    assert "raised RuntimeError" in verdict.message()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (None, "dx should be an array, and is nothing (None)."),
        ([1.0], "dx should be an array, and is a list of 1."),
        (np.zeros((2, 2)), "dx has shape (2, 2) and should have shape (4, 3)"),
        (np.zeros((4, 3), dtype=complex), "dx should hold real numbers"),
        (np.full((4, 3), np.nan), "dx[0, 0] is nan, not a finite number"),
    ],
)
def test_a_gradient_that_is_none_is_told_in_a_sentence(answer, sentence):
    verdicts = graded({"numerical_gradient": lambda f, x, df, h=1e-5: answer})
    assert sentence in verdicts["numerical_gradient-value"].message()
    assert {verdict.share for verdict in verdicts.values()} == {0.0}


@pytest.mark.parametrize("answer", [None, [0.5], np.array([0.5]), "0.5", 0.5j, True])
def test_an_error_that_is_no_number_is_told_in_a_sentence(answer):
    verdicts = graded({"relative_error": lambda a, b: answer})
    assert "the relative error should be a number" in verdicts["relative_error-value"].message()
    assert verdicts["relative_error-value"].share == 0


@pytest.mark.parametrize("answer", [0, 1, 0.5, np.float32(2), np.nan])
def test_an_error_that_is_always_the_same_earns_nothing(answer):
    assert {v.share for v in graded({"relative_error": lambda a, b: answer}).values()} <= {0.0}


def test_a_gradient_that_is_always_the_same_earns_nothing():
    verdicts = graded({"numerical_gradient": lambda f, x, df, h=1e-5: np.ones(x.shape)})
    assert {verdict.share for verdict in verdicts.values()} == {0.0}


def test_an_array_that_f_writes_or_returns_costs_nothing_else():
    def numerical_gradient(f, x, df, h=1e-5):
        dx, point = np.zeros(x.shape), x.copy()
        for index in np.ndindex(x.shape):
            point[index] += h
            above = f(point)
            point[index] -= 2 * h
            below = f(point)
            point[index] += h
            dx[index] = np.sum((above - below) * df) / (2 * h)
        return dx

    verdicts = graded({"numerical_gradient": numerical_gradient})
    assert losing(verdicts) == {"numerical_gradient-keeps"}
    assert verdicts["numerical_gradient-keeps"].share == 0.5
    assert named(verdicts["numerical_gradient-keeps"]) == {"f gets the array that is moved"}


def test_a_wrong_value_costs_nothing_where_only_the_arrays_are_looked_at():
    assert losing(graded(gradient(divisor=lambda h: h))) == {"numerical_gradient-value"}


# ---- the notebook ----


def test_of_the_line_up_three_are_right_and_the_letters_hide_which():
    right = [letter for letter, pair in line_up().items() if solutions.check_gradients(*pair)]
    assert right == ["B", "D", "G"]
    assert list(line_up()) == list("ABCDEFGH")


def dx_errors(x, gamma, beta, dout, eps):
    errors = {}
    for letter, (forward, backward) in line_up().items():
        _, cache = forward(x, gamma, beta, {"mode": "train", "eps": eps})

        def out(v, forward=forward):
            return forward(v, gamma, beta, {"mode": "train", "eps": eps})[0]

        errors[letter] = solutions.relative_error(backward(dout, cache)[0], solutions.numerical_gradient(out, x, dout))
    return "".join(letter for letter, error in errors.items() if error > 1e-3)


def test_the_trials_of_the_line_up_bring_to_light_what_the_text_says():
    rng = np.random.default_rng(1)
    usual, z = 5 * rng.normal(size=(7, 4)) + 12, rng.normal(size=(7, 4))
    ones, zeros, gamma = np.ones(4), np.zeros(4), np.array([-1.5, 0.5, 2.0, -0.7])
    assert dx_errors(usual, ones, zeros, np.ones((7, 4)), 1e-5) == "ABCEH"
    assert dx_errors(usual, ones, zeros, z, 1e-5) == "CH"
    assert dx_errors(usual, ones, zeros, z - z.mean(axis=0), 1e-5) == "C"
    assert dx_errors(usual, ones, zeros, z + 1, 1e-5) == "CH"
    assert dx_errors(usual, gamma, zeros, z + 1, 1e-5) == "CEH"
    assert dx_errors(0.5 * rng.normal(size=(7, 4)) + 1, gamma, zeros, z + 1, 0.1) == "CEFH"


def test_the_predictions_come_out():
    f = np.array([1.0, 8.0, 27.0])
    assert [f[2] - f[1], f[1] - f[0], (f[2] - f[0]) / 2] == [19, 7, 13]
    gradients = [
        solutions.numerical_gradient(lambda x: x**2, np.array([1.0, 2, 3]), np.array([1.0, 10, 100])),
        solutions.numerical_gradient(lambda x: x.sum(), np.array([1.0, 2, 3]), np.array(5.0)),
        solutions.numerical_gradient(lambda x: x - x.mean(), np.array([4.0, 0, 2]), np.array([1.0, 2, 6])),
    ]
    np.testing.assert_allclose(gradients, [[2, 40, 600], [5, 5, 5], [-2, -1, 3]], atol=1e-7)


def test_no_text_of_the_notebook_holds_a_gradient_of_batch_normalization():
    text = "\n".join(block.content for block in read_text(ASSIGNMENTS / "gradcheck.md").blocks)
    assert not re.search(r"x_hat|inv_std|sqrt\(var", text)
    assert assignment_of("check_gradients-dx") == "gradcheck"
