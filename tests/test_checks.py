"""The checks know what is right and what is wrong: declared parts, names, margins, constructed inputs."""

import ast
import dataclasses
import inspect
import itertools
import re

import numpy as np
import pytest
from graded import (
    SECRETS,
    assignment_of,
    expected_of,
    graded,
    losing,
    named,
    names_found,
    parts_of,
    worst_deviation,
)
from right_implementations import RIGHT, functions_of
from wrong_implementations import OUTSIDE, SECOND
from wrong_implementations.batchnorm import forward, forward_with_cache, jacobian, moments, notebook

import solutions
from autograder.bn_helper.parts import PARTS
from autograder.checks import expectations
from autograder.checks.draw import generator
from autograder.checks.expectations import hidden_probes, visible_probes
from autograder.checks.separation import too_close
from autograder.checks.topics import CATALOGUE, TOPICS, topic_with
from autograder.checks.topics.batchnorm.catalogue import FORWARD
from autograder.checks.topics.batchnorm.probes import construct
from autograder.checks.topics.batchnorm.reference import REFERENCE
from autograder.sections import TITLES

ENTRIES = {entry.name: entry for entry in CATALOGUE}
by_name = pytest.mark.parametrize("name", list(ENTRIES))


# ---- the catalogue ----


def test_every_misconception_has_a_name_of_its_own_and_a_sentence_of_its_own():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    assert len({entry.sentence for entry in CATALOGUE}) == len(CATALOGUE)


def test_every_misconception_sends_to_a_section_of_the_book():
    assert {entry.section for entry in CATALOGUE} <= set(TITLES)
    assert {part.section for part in PARTS.values()} <= set(TITLES)


def test_every_misconception_breaks_a_part_and_every_part_is_broken_by_one():
    assert all(entry.breaks and set(entry.breaks) <= set(PARTS) for entry in CATALOGUE)
    assert {part for entry in CATALOGUE for part in entry.breaks} == set(PARTS)


def test_a_sentence_states_what_the_numbers_show_and_no_code():
    for entry in CATALOGUE:
        assert re.fullmatch(r"([a-z]|W |Keras|PyTorch).*[^.]", entry.sentence), entry.name
        assert not re.search(r"\bnp\.|axis=0|==|\bsum\(", entry.sentence), entry.name


def test_the_shares_of_a_part_add_up_to_one():
    for part in PARTS.values():
        assert sum(claim.share for claim in part.claims) == pytest.approx(1.0, abs=1e-12), part.id


@by_name
@pytest.mark.parametrize("secret", SECRETS)
def test_it_loses_marks_in_exactly_the_declared_parts_and_is_the_only_one_named(name, secret):
    entry = ENTRIES[name]
    verdicts = graded(entry.functions, secret)
    assert losing(verdicts) == set(entry.breaks)
    assert names_found(verdicts) == {name}


@by_name
def test_a_second_implementation_in_another_style_loses_the_same_parts_and_is_named_too(name):
    entry = ENTRIES[name]
    for secret in SECRETS[:2]:
        verdicts = graded(SECOND[name], secret)
        assert losing(verdicts) == set(entry.breaks) & set(verdicts)
        assert names_found(verdicts) == {name}


def test_the_second_implementations_share_no_statement_with_the_catalogue():
    source = inspect.getsource(inspect.getmodule(forward))
    statements = {ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)}
    for entry in CATALOGUE:
        assert not statements & {new.strip() for _, _, new in entry.changes}, entry.name


@pytest.mark.parametrize("name", list(OUTSIDE))
def test_a_mistake_outside_the_catalogue_loses_marks_and_gets_no_name(name):
    for secret in SECRETS[:2]:
        verdicts = graded(OUTSIDE[name], secret)
        assert losing(verdicts)
        assert {part: named(verdict) for part, verdict in verdicts.items() if named(verdict)} == {}


def test_there_are_at_least_twenty_mistakes_outside_the_catalogue():
    assert len(OUTSIDE) >= 20


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("momentum swapped", "batch statistics in test mode"),
        ("eps stored", "no eps in test mode"),
        ("never updated", "mode not named"),
        ("standard deviation stored", "batch variance in test mode"),
        ("mode has a default", "updated in test mode"),
        ("momentum of maps swapped", "batch statistics of maps in test mode"),
        ("means of maps divided by N", "dgamma of maps from the scaled output"),
        ("gamma outside of the means", "layer gradients averaged"),
        ("variance not converted", "unknown convention not named"),
    ],
)
def test_two_mistakes_that_break_different_parts_are_both_named(first, second):
    one, other = ENTRIES[first], ENTRIES[second]
    both = dataclasses.replace(one, changes=one.changes + other.changes)
    verdicts = graded(both.functions)
    assert losing(verdicts) == {*one.breaks, *other.breaks}
    for entry in (one, other):
        assert {name for part in entry.breaks for name in named(verdicts[part])} == {entry.name}


def test_a_misconception_that_would_have_failed_the_core_claim_is_not_named_in_another():
    def batchnorm_backward(dout, cache):
        gradients = solutions.batchnorm_backward_alt(dout, cache)
        cache[4][:] = 1.0  # a second call is then the one that does not divide by the standard deviation
        return gradients

    functions = {"batchnorm_forward": solutions.batchnorm_forward, "batchnorm_backward": batchnorm_backward}
    verdict = graded(functions)["batchnorm_backward-dx"]
    assert verdict.share == 0.875
    assert named(verdict) == {"cache overwritten"}


class OwnCache(tuple):
    """A cache that the given forward pass does not make."""


def on_wrong_forward(forward, backward):
    """Return a notebook whose forward pass is wrong, and whose backward pass reads no other cache."""

    def batchnorm_forward(*args):
        out, cache = forward["batchnorm_forward"](*args)
        return out, OwnCache(cache)

    def batchnorm_backward(dout, cache):
        assert type(cache) is OwnCache
        return backward["batchnorm_backward"](dout, cache)

    return {"batchnorm_forward": batchnorm_forward, "batchnorm_backward": batchnorm_backward}


WRONG_FORWARD = ["variance over N-1", "eps outside the root", "no eps", "eps added twice", "beta forgotten"]


@pytest.mark.parametrize("forward", WRONG_FORWARD)
@pytest.mark.parametrize("backward", ["divided by the variance in backward", "1/N dropped", "N-1 in the means"])
def test_a_backward_pass_is_diagnosed_on_top_of_the_forward_pass_as_diagnosed(forward, backward):
    verdicts = graded(on_wrong_forward(ENTRIES[forward].functions, ENTRIES[backward].functions))
    verdict = verdicts["batchnorm_backward-dx"]
    assert verdict.share == 0
    assert named(verdict) == {backward}
    if forward != "beta forgotten":  # of which dx knows nothing
        assert ENTRIES[forward].sentence in verdict.message()


@pytest.mark.parametrize("forward", WRONG_FORWARD[:-1])
def test_right_formulas_fed_by_a_wrong_forward_pass_are_told_so(forward):
    verdict = graded(
        on_wrong_forward(ENTRIES[forward].functions, {"batchnorm_backward": solutions.batchnorm_backward_alt})
    )
    message = verdict["batchnorm_backward-dx"].message()
    assert ENTRIES[forward].sentence in message
    assert "fed with the numbers of another one" in message or "to that one your gradient belongs" in message
    assert not any(entry.sentence in message for entry in CATALOGUE if entry.name != forward)


def test_a_gradient_that_is_right_for_a_wrong_forward_pass_is_told_so_and_gets_no_name():
    def with_ddof(x, gamma, beta, bn_param):
        _, c = forward_with_cache(x, gamma, beta, bn_param)
        c.std = np.sqrt(x.var(axis=0, ddof=1) + c.eps)
        c.hat = (x - c.mu) / c.std
        return gamma * c.hat + beta, c

    own = notebook(dx=lambda dout, c: jacobian(dout, c, hats=c.N / (c.N - 1)))
    verdict = graded(own | {"batchnorm_forward": with_ddof})["batchnorm_backward-dx"]
    assert verdict.share == 0
    assert not named(verdict)
    assert "to that one your gradient belongs" in verdict.message()


@pytest.mark.parametrize(
    "variance",
    [
        lambda x: np.diag(x.T @ x) / len(x) - x.mean(0) ** 2,
        lambda x: (np.sum(x**2, 0) - np.sum(x, 0) ** 2 / len(x)) / len(x),
        lambda x: (np.ascontiguousarray(x.T) ** 2).mean(1) - np.ascontiguousarray(x.T).mean(1) ** 2,
    ],
    ids=["a product of matrices", "sums first", "rows"],
)
def test_the_mean_of_squares_is_named_however_it_is_summed(variance):
    verdicts = graded(forward(moments=lambda x: (x.mean(0), variance(x))))
    assert losing(verdicts) == {"batchnorm_forward-offset"}
    assert named(verdicts["batchnorm_forward-offset"]) == {"mean of squares"}


def test_no_hint_is_given_beside_a_name_that_explains_the_numbers():
    message = graded(SECOND["mean of squares"])["batchnorm_forward-offset"].message()
    assert ENTRIES["mean of squares"].sentence in message
    assert "large squares" not in message


@pytest.mark.parametrize(
    "out",
    [
        lambda x: np.zeros(x.shape),
        lambda x: np.arange(x.size, dtype=float).reshape(x.shape),
        lambda x: np.random.default_rng(0).normal(size=x.shape),
    ],
    ids=["zeros", "numbers in a row", "noise"],
)
def test_what_does_not_depend_on_x_gets_no_point_for_its_accuracy(out):
    verdicts = graded({"batchnorm_forward": lambda x, gamma, beta, bn_param: (out(x), None)})
    assert {verdict.share for verdict in verdicts.values()} <= {0.0, 0.125, 0.25}
    assert verdicts["batchnorm_forward-offset"].share == 0


def test_an_untouched_function_gets_no_point():
    def untouched(*args):
        raise NotImplementedError

    functions = {part.function: untouched for part in PARTS.values()}
    for part, verdict in graded(functions).items():
        assert verdict.share == 0, part
        assert "not written yet" in verdict.message()
        assert not named(verdict)


def test_a_function_that_is_not_there_gets_no_point():
    for part, verdict in graded({}, parts=list(PARTS)).items():
        assert verdict.share == 0, part
        assert "is not defined" in verdict.message()


def test_the_verdict_is_the_same_on_a_second_run():
    for name in ("no eps", "dgamma from x"):
        first, second = graded(ENTRIES[name].functions), graded(ENTRIES[name].functions)
        assert {p: v.message() for p, v in first.items()} == {p: v.message() for p, v in second.items()}


# ---- the reference ----


def test_the_reference_gets_everything():
    for secret in SECRETS:
        assert not losing(graded(REFERENCE, secret))


@pytest.mark.parametrize("part", list(PARTS))
def test_the_numerical_reference_agrees_with_the_analytic_solutions(part):
    for secret in SECRETS:
        for claim in PARTS[part].claims:
            bound = 1e-8 if claim.tolerance == 1e-6 else claim.tolerance / 100
            assert worst_deviation(_analytic(), claim, part, secret) < bound, claim.text


def _analytic():
    return {part.function: getattr(solutions, part.function) for part in PARTS.values()}


# ---- margins: right code two decades below the tolerance, wrong code two decades above ----


def _margins(part, claim):
    rights = [functions_of(notebook) for notebook in RIGHT.values()]
    rights = [functions for functions in rights if PARTS[part].function in functions]
    right = max(worst_deviation(functions, claim, part, secret) for functions in rights for secret in SECRETS)
    wrongs = [entry.functions for entry in CATALOGUE if part in entry.breaks]
    deviations = [worst_deviation(functions, claim, part, secret) for functions in wrongs for secret in SECRETS]
    return right, min((value for value in deviations if value > claim.tolerance), default=np.inf)


CLAIMS = [pytest.param(part, claim, id=f"{part}: {claim.text}") for part in PARTS for claim in PARTS[part].claims]


@pytest.mark.filterwarnings("ignore:this function is under construction")
@pytest.mark.parametrize(("part", "claim"), CLAIMS)
def test_right_and_wrong_lie_two_decades_from_the_tolerance(part, claim):
    right, wrong = _margins(part, claim)
    assert right <= claim.tolerance / 100
    assert wrong >= claim.tolerance * 100


def test_no_wrong_implementation_hides_within_the_tolerance_of_a_part_that_it_breaks():
    for entry, secret in itertools.product(CATALOGUE, SECRETS):
        for part in entry.breaks:
            worst = max(
                worst_deviation(entry.functions, claim, part, secret) / claim.tolerance for claim in PARTS[part].claims
            )
            assert worst >= 100, (entry.name, part)


# ---- misconceptions lie apart, or the inputs are drawn again ----


@pytest.mark.parametrize("part", list(PARTS))
def test_on_the_inputs_that_count_no_two_misconceptions_nearly_coincide(part):
    for secret in SECRETS:
        probes = visible_probes(part) + hidden_probes(secret, assignment_of(part), part)
        assert not too_close(topic_with(part), PARTS[part], probes)


def test_two_misconceptions_that_nearly_coincide_are_seen():
    topic, part = TOPICS["batchnorm"], PARTS["batchnorm_forward-test"]
    large = [
        dataclasses.replace(probe, inputs={**probe.inputs, "running_var": np.full_like(probe.running_var, 40.0)})
        for probe in topic.visible
    ]
    assert ("no eps", "constant eps") in too_close(topic, part, large)


def test_a_draw_on_which_misconceptions_nearly_coincide_is_drawn_again(monkeypatch):
    topic, part = TOPICS["batchnorm"], "batchnorm_forward-test"
    draws = []

    def hidden(rng):
        draws.append(rng.random())
        return topic.hidden(rng)

    monkeypatch.setattr(expectations, "topic_with", lambda part: dataclasses.replace(topic, hidden=hidden))
    monkeypatch.setattr(expectations, "too_close", lambda *_: [("a", "b")] * (len(draws) < 3))
    expectations.hidden_probes.__wrapped__("a secret", "forward", part)
    assert len(set(draws)) == 3
    monkeypatch.setattr(expectations, "too_close", lambda *_: [("a", "b")])
    with pytest.raises(AssertionError, match="nearly coincide"):
        expectations.hidden_probes.__wrapped__("a secret", "forward", part)


# ---- constructed inputs keep their promises ----


SHAPES = [(9, 4, 0.12, 0.7), (5, 7, 0.04, 0.3), (11, 3, 0.2, 0.85), (7, 4, 0.1, 0.7), (5, 3, 0.02, 0.85)]


@pytest.fixture(scope="module")
def drawn():
    return [construct(generator("promise", str(seed)), *shape) for seed in range(200) for shape in SHAPES]


def x_hat_of(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def test_variances_lie_about_eps_and_differ_between_columns(drawn):
    for probe in drawn:
        for x in (probe.x, probe.x_next):
            ratio = np.sort(x.var(axis=0) / probe.eps)
            assert ratio[0] >= 0.59
            assert ratio[-1] <= 4.01
            assert np.diff(ratio).min() > 0.1


def test_column_means_lie_away_from_zero_with_both_signs(drawn):
    for probe in drawn:
        mu = probe.x.mean(axis=0)
        assert np.abs(mu).min() > 0.39
        assert (mu < 0).any()
        assert (mu > 0).any()


def test_gamma_has_both_signs_and_is_never_near_one(drawn):
    for probe in drawn:
        assert (probe.gamma < 0).any()
        assert (probe.gamma > 0).any()
        assert np.abs(np.abs(probe.gamma) - 1).min() > 0.05
        assert np.abs(probe.gamma).min() > 0.5


def test_beta_is_away_from_zero_and_from_gamma(drawn):
    assert all(np.abs(probe.beta).min() > 0.29 for probe in drawn)
    assert all(np.abs(probe.beta - probe.gamma).max() > 0.1 for probe in drawn)


def test_dout_has_a_component_along_the_ones_along_x_hat_and_along_neither(drawn):
    for probe in drawn:
        x_hat = x_hat_of(probe.x)
        along_ones, along_x_hat = probe.dout.mean(axis=0), (probe.dout * x_hat).mean(axis=0)
        rest = probe.dout - along_ones - along_x_hat * x_hat
        assert np.abs(along_ones).min() > 0.39
        assert np.abs(along_x_hat).min() > 0.49
        assert np.sqrt((rest**2).mean(axis=0)).min() > 0.6


def test_running_averages_lie_far_from_the_statistics_of_the_batch(drawn):
    for probe in drawn:
        assert np.abs(probe.running_mean - probe.x.mean(axis=0)).min() > 0.5
        assert np.abs(np.log(probe.running_var / probe.x.var(axis=0))).min() > np.log(1.4)
        assert probe.running_var.min() < 0.25 * probe.eps  # so that no eps and a small constant one differ


def test_the_shapes_of_the_probes_separate_the_axes():
    for part in (part for part in PARTS if topic_with(part) is TOPICS["batchnorm"]):
        probes = visible_probes(part) + hidden_probes("a secret", assignment_of(part), part)
        for probe in probes:
            N, D = probe.x.shape
            assert N % 2 == 1
            assert N >= 5
            assert N != D
            assert probe.momentum not in (0.5, 0.9)
        assert len({probe.eps for probe in probes}) >= 2
        assert len({probe.momentum for probe in probes}) >= 2


def test_hidden_inputs_follow_from_secret_assignment_and_part_and_from_nothing_else():
    first = hidden_probes.__wrapped__("s", "forward", "batchnorm_forward-train")
    again = hidden_probes.__wrapped__("s", "forward", "batchnorm_forward-train")
    others = [
        hidden_probes("t", "forward", "batchnorm_forward-train"),
        hidden_probes("s", "backward", "batchnorm_forward-train"),
        hidden_probes("s", "forward", "batchnorm_forward-test"),
    ]
    assert all(np.array_equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(first[0].x, other[0].x) for other in others)


def test_names_that_run_into_each_other_draw_different_inputs():
    assert generator("ab", "c").random() != generator("a", "bc").random()


def test_the_expected_outputs_are_all_finite():
    for part in PARTS:
        for expected in expected_of(part, SECRETS[0]).values():
            for notes in expected.notes:
                assert all(np.isfinite(value).all() for value in notes.values() if isinstance(value, np.ndarray))


def test_a_probe_survives_the_file_exactly():
    for probe in (probe for topic in TOPICS.values() for probe in topic.visible):
        again = type(probe).from_json(probe.to_json())
        assert again.to_json() == probe.to_json()
        assert list(map(str, again.inputs.values())) == list(map(str, probe.inputs.values()))


def test_the_moments_of_the_second_implementations_are_right():
    x = TOPICS["batchnorm"].visible[0].x
    np.testing.assert_allclose(moments(x), (x.mean(0), x.var(0)), rtol=1e-12)
    assert parts_of(SECOND["no eps"]) == [part for part in PARTS if assignment_of(part) == "forward"]
    assert len(FORWARD) + 20 < len(SECOND)
