"""What students hold: the same checks at home, messages that help, and nothing that gives the solution away."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest
from graded import assignment_of, graded, losing, named
from right_implementations import RIGHT, functions_of
from test_no_answers import renamed, simple_statements, size
from wrong_implementations import OUTSIDE, SECOND
from wrong_implementations.batchnorm import notebook

import solutions
from autograder.bn_helper import judge, pictures
from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.tables import Tables
from autograder.checks import expectations
from autograder.checks.expectations import hidden_probes
from autograder.checks.topics import CATALOGUE, TOPICS
from autograder.course import FOLDER, assignment_names

HELPER = FOLDER / "bn_helper"
SOURCES = sorted(HELPER.rglob("*.py"))
FORWARD_PARTS = [part for part in PARTS if part.startswith("batchnorm_forward-")]
RIGHT_FORWARD = functions_of(RIGHT["order_of_the_paper"])["batchnorm_forward"]


@pytest.fixture
def at_home(built_course, monkeypatch):
    """Import `bn_helper` as a student does: the copy beside the released notebook."""
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)

    def imported(assignment):
        for name in [name for name in sys.modules if name.partition(".")[0] == "bn_helper"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(built_course.release(assignment))
        return importlib.import_module("bn_helper")

    yield imported
    for name in [name for name in sys.modules if name.partition(".")[0] == "bn_helper"]:
        del sys.modules[name]


@pytest.fixture
def helper(at_home):
    return at_home("forward")


# ---- check, in a notebook ----


@pytest.mark.parametrize("part", FORWARD_PARTS)
def test_check_prints_that_right_code_is_right(helper, capsys, part):
    helper.check(part, {"batchnorm_forward": RIGHT_FORWARD})
    assert capsys.readouterr().out == f"{part}: right.\n"


def test_check_of_the_backward_notebook_tries_what_the_notebook_defines(at_home, capsys):
    helper = at_home("backward")
    helper.check("batchnorm_backward-dx", functions_of(RIGHT["einsum_for_every_sum"]))
    assert capsys.readouterr().out == "batchnorm_backward-dx: right.\n"


@pytest.mark.parametrize("part", FORWARD_PARTS)
def test_check_prints_and_does_not_raise_so_that_run_all_goes_on(helper, capsys, part):
    helper.check(part, {"batchnorm_forward": lambda *args: None})
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{part}: not right yet.\n")
    assert "nothing (None)" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("part", FORWARD_PARTS)
def test_check_raises_with_the_message_under_nbgrader_validate(helper, capsys, monkeypatch, part):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(helper.CheckFailed, match="not right yet") as caught:
        helper.check(part, {"batchnorm_forward": lambda *args: None})
    assert "nothing (None)" in str(caught.value)
    assert capsys.readouterr().out == ""
    helper.check(part, {"batchnorm_forward": RIGHT_FORWARD})
    assert "right." in capsys.readouterr().out


def test_check_refuses_to_stand_in_for_the_grader(helper, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(RuntimeError, match=r"nbgrader_config\.py"):
        helper.check(FORWARD_PARTS[0], {})


def test_check_of_an_unknown_part_names_the_parts(helper):
    with pytest.raises(ValueError, match=r"no part 'dx'.*batchnorm_forward-train"):
        helper.check("dx", {})


def test_check_of_a_part_of_another_assignment_says_so_in_a_sentence(helper):
    with pytest.raises(ValueError, match=r"there is no part 'backward_x-value'"):
        helper.check("backward_x-value", {})


def test_check_says_what_is_missing_when_its_data_file_is(helper, monkeypatch, tmp_path):
    read_tables = sys.modules["bn_helper.tables"].read_tables
    monkeypatch.setattr(read_tables, "__defaults__", (tmp_path / "expected.json",))
    helper._tables.cache_clear()
    with pytest.raises(FileNotFoundError, match=r"expected\.json.*download"):
        helper.check(FORWARD_PARTS[0], {"batchnorm_forward": RIGHT_FORWARD})


def test_check_names_a_function_that_is_not_defined(helper, capsys):
    helper.check(FORWARD_PARTS[0], {})
    assert "batchnorm_forward is not defined when it is tried" in capsys.readouterr().out


def test_check_takes_the_functions_of_the_notebook_itself(built_course):
    code = "from bn_helper import check\ndef batchnorm_forward(*a): return 1, 2, 3\ncheck('batchnorm_forward-train')"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=built_course.release("forward"), capture_output=True, text=True, timeout=60
    )
    assert "returned a tuple of 3" in run.stdout
    assert run.stderr == ""


# ---- messages ----


@pytest.mark.parametrize(
    "name", ["eps outside the root", "variance over N-1", "momentum swapped", "no eps in test mode"]
)
def test_the_message_names_the_misconception_shows_both_numbers_and_says_where_to_read(helper, capsys, name):
    entry = next(entry for entry in CATALOGUE if entry.name == name)
    helper.check(entry.breaks[0], SECOND[name])
    message = capsys.readouterr().out
    assert f"This is what one gets when {entry.sentence}." in message
    assert re.search(r"\][\w ]* is -?\d\S* and should be -?\d\S* \(N=\d, D=\d, eps=\S+\)", message)
    assert re.search(r"Read: The forward pass, '.+' \(\S+\)", message)


@pytest.mark.parametrize("name", list(SECOND))
def test_every_misconception_is_named_at_home_too(at_home, capsys, name):
    entry = next(entry for entry in CATALOGUE if entry.name == name)
    seen = False
    for part in entry.breaks:
        if PARTS[part].function in SECOND[name]:
            at_home(assignment_of(part)).check(part, SECOND[name])
            message = capsys.readouterr().out
            if part == "batchnorm_forward-offset":
                continue  # digits of rounding noise
            if part.startswith("check_gradients-") and message == f"{part}: right.\n":
                continue  # it shows in batch normalization alone, which students do not hold
            seen = True
            assert entry.sentence in message or " raised " in message, part
    assert seen or entry.breaks == ("batchnorm_forward-offset",)


@pytest.mark.parametrize("name", list(OUTSIDE))
def test_what_is_not_in_the_catalogue_gets_no_name_at_home(at_home, capsys, name):
    for part in PARTS:
        if PARTS[part].function in OUTSIDE[name]:
            at_home(assignment_of(part)).check(part, OUTSIDE[name])
    assert "This is what one gets" not in capsys.readouterr().out


def test_a_gradient_that_breaks_a_property_is_told_which(at_home, capsys):
    at_home("backward").check("batchnorm_backward-dx", OUTSIDE["dx is dout"])
    assert "Over the batch, each column of dx sums to zero; yours does not." in capsys.readouterr().out
    at_home("backward").check("batchnorm_backward-dx", SECOND["variance path missing"])
    assert "sums to zero" not in capsys.readouterr().out


def wrong_on_hidden_probes_only(change):
    known = {probe.x.shape for probe in TOPICS["batchnorm"].visible}

    def batchnorm_forward(x, gamma, beta, bn_param):
        out, cache = RIGHT_FORWARD(x, gamma, beta, bn_param)
        return (out if x.shape in known or x.shape[0] == 1 else change(out, x)), cache

    return {"batchnorm_forward": batchnorm_forward}


def numbers_of(secret="one secret"):
    probes = hidden_probes(secret, "forward", "batchnorm_forward-train")
    arrays = [getattr(probe, name) for probe in probes for name in ("x", "gamma", "beta")]
    for probe in probes:
        param = {"mode": "train", "eps": probe.eps}
        arrays.append(solutions.batchnorm_forward(probe.x, probe.gamma, probe.beta, param)[0])
    return {f"{abs(value):.4g}" for array in arrays for value in array.ravel()}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda out, x: out + 0.5, id="values"),
        pytest.param(lambda out, x: out * np.nan, id="nan"),
        pytest.param(lambda out, x: out[:, :1], id="shape"),
        pytest.param(lambda out, x: x, id="the input"),
        pytest.param(lambda out, x: np.zeros(int(x[0, 0] ** 2 * 1e4)), id="a shape made of the input"),
        pytest.param(lambda out, x: [[float(x[0, 0])]], id="a list"),
        pytest.param(lambda out, x: type(f"T{x[0, 0]}", (), {})(), id="a type named by the input"),
        pytest.param(lambda out, x: (_ for _ in ()).throw(ValueError(str(x))), id="an exception that quotes the input"),
        pytest.param(
            lambda out, x: (_ for _ in ()).throw(type(f"E{x[0, 0]}", (Exception,), {})()), id="an exception named by it"
        ),
    ],
)
def test_a_message_about_hidden_inputs_shows_no_value_of_either_side(change):
    verdict = graded(wrong_on_hidden_probes_only(change), "one secret", ["batchnorm_forward-train"])
    verdict = verdict["batchnorm_forward-train"]
    assert not verdict.passed
    message = verdict.message()
    shown = {f"{abs(float(text)):.4g}" for text in re.findall(r"\d+\.\d+(?:e[-+]?\d+)?", message)}
    assert not shown & numbers_of()
    assert "should be" not in message or "should be an array" in message
    assert "x[0, 0]" not in message or "your line" in message


def test_a_message_about_hidden_inputs_still_says_how_far_off_and_where():
    verdicts = graded(wrong_on_hidden_probes_only(lambda out, x: out + 0.5), parts=["batchnorm_forward-train"])
    message = verdicts["batchnorm_forward-train"].message()
    assert re.search(r"out\[\d+, \d+\] deviates by [\d.]+ %.*\(a hidden test, N=\d+, D=\d+\)", message)


# ---- odd results: one clear sentence, and the marks that the rest deserves ----


class EqualToAll:
    def __eq__(self, other):
        return True

    __hash__ = None


class Trap:
    def __getattribute__(self, name):
        raise RuntimeError(name)


class Unspeakable(Exception):
    def __str__(self):
        raise TypeError


class OwnArithmetic(np.ndarray):
    def __array_ufunc__(self, *args, **kwargs):
        raise RuntimeError

    def __eq__(self, other):
        return True

    __hash__ = None


def returning(value):
    return lambda x, gamma, beta, bn_param: value


def out_changed(change):
    def batchnorm_forward(x, gamma, beta, bn_param):
        out, cache = RIGHT_FORWARD(x, gamma, beta, bn_param)
        return change(out), cache

    return batchnorm_forward


def raising(error):
    def batchnorm_forward(x, gamma, beta, bn_param):
        raise error

    return batchnorm_forward


def also(action):
    def batchnorm_forward(x, gamma, beta, bn_param):
        result = RIGHT_FORWARD(x, gamma, beta, bn_param)
        action(x, gamma, beta, bn_param)
        return result

    return batchnorm_forward


def recursing(*args):
    return recursing(*args)


def set_type(x, gamma, beta, bn_param):
    x.dtype = "S8"


NOTHING = {"train": 0.0, "running": 0.0, "test": 0.0, "mode": 0.0, "offset": 0.0}
RUNNING_AND_MODE = NOTHING | {"running": 1.0, "mode": 1.0}
ACCURATE_TOO = RUNNING_AND_MODE | {"offset": 1.0}
ALL = dict.fromkeys(NOTHING, 1.0)

ODD = {
    "returns None": (returning(None), NOTHING, "should return (out, cache), and returned nothing (None)"),
    "returns an int": (returning(3), NOTHING, "returned a value of type int"),
    "returns text": (returning("ab"), NOTHING, "returned a value of type str"),
    "returns a generator": (returning(i for i in (1, 2)), NOTHING, "returned a value of type generator"),
    "returns three values": (returning((1, 2, 3)), NOTHING, "returned a tuple of 3"),
    "returns out alone": (lambda x, *rest: x, NOTHING, "returned an array of shape (7, 4)"),
    "returns an object equal to everything": (returning(EqualToAll()), NOTHING, "returned a value of a type"),
    "returns objects equal to everything": (returning((EqualToAll(), 1)), NOTHING, "out should be an array"),
    "returns an object that refuses every question": (returning(Trap()), NOTHING, "should return (out, cache)"),
    "returns two of them": (returning((Trap(), Trap())), NOTHING, "out should be an array"),
    "returns lists in lists": (out_changed(np.ndarray.tolist), NOTHING, "out should be an array, and is a list of 7"),
    "returns a float": (out_changed(lambda out: 1.0), NOTHING, "out should be an array, and is a value of type float"),
    "returns complex numbers": (out_changed(lambda out: out + 0j), NOTHING, "real numbers, and is an array of"),
    "returns truth values": (out_changed(lambda out: out > 0), NOTHING, "dtype bool"),
    "returns an array of objects": (out_changed(lambda out: out.astype(object)), NOTHING, "dtype object"),
    "returns an array of text": (out_changed(lambda out: out.astype(str)), NOTHING, "should hold real numbers"),
    "returns records": (out_changed(lambda out: np.zeros(2, "f8,f8")), NOTHING, "should hold real numbers"),
    "returns dates": (out_changed(lambda out: np.zeros(2, "M8[s]")), NOTHING, "should hold real numbers"),
    "returns integers": (out_changed(lambda out: out.astype(int)), ACCURATE_TOO, "is 0 and should be 0.972186"),
    "returns the transpose": (out_changed(np.transpose), RUNNING_AND_MODE, "has shape (4, 7) and should have shape"),
    "returns a row": (out_changed(lambda out: out[:1]), RUNNING_AND_MODE, "has shape (1, 4) and should have shape"),
    "returns a number": (out_changed(np.sum), RUNNING_AND_MODE, "has shape () and should have shape (7, 4)"),
    "returns nothing at all in an array": (out_changed(lambda out: out[:0]), RUNNING_AND_MODE, "has shape (0, 4)"),
    "returns NaN": (out_changed(lambda out: out * np.nan), RUNNING_AND_MODE, "is nan, not a finite number"),
    "returns infinity": (out_changed(lambda out: out * np.inf), RUNNING_AND_MODE, "inf, not a finite number"),
    "returns the largest float": (out_changed(lambda out: out * 1e307), ACCURATE_TOO, "should be"),
    "returns a huge array": (out_changed(lambda out: np.zeros(3_000_000)), RUNNING_AND_MODE, "(3000000,)"),
    "returns a huge array that takes no memory": (
        out_changed(lambda out: np.broadcast_to(np.int8(0), (30_000_000,))), RUNNING_AND_MODE, "(30000000,)"),
    "returns its input": (lambda x, *rest: (x, x), NOTHING, "should be"),
    "returns a view of its input": (lambda x, *rest: (x[:, :], None), NOTHING, "should be"),
    "returns half precision": (out_changed(lambda out: out.astype("f2")), ACCURATE_TOO, "should be"),
    "returns an array with arithmetic of its own": (out_changed(lambda out: out.view(OwnArithmetic)), ALL, None),
    "returns an array that cannot be written": (out_changed(lambda out: np.broadcast_to(out, out.shape)), ALL, None),
    "raises": (raising(ZeroDivisionError("x")), NOTHING, "raised ZeroDivisionError in your line `raise error`"),
    "raises what cannot be printed": (raising(Unspeakable()), NOTHING, "raised "),
    "raises a group": (raising(ExceptionGroup("g", [ValueError()])), NOTHING, "raised ExceptionGroup"),
    "ends the program": (raising(SystemExit(1)), NOTHING, "raised SystemExit in your line"),
    "raises a bare BaseException": (raising(BaseException("x")), NOTHING, "raised BaseException"),
    "is out of memory": (raising(MemoryError()), NOTHING, "raised MemoryError"),
    "is not written": (raising(NotImplementedError()), NOTHING, "is not written yet"),
    "recurses without end": (recursing, NOTHING, "raised RecursionError"),
    "takes too few arguments": (lambda x: x, NOTHING, "keep the first line of its definition"),
    "takes keywords only": (lambda *, x: x, NOTHING, "keep the first line of its definition"),
    "is a number": (3, NOTHING, "is not defined when it is tried"),
    "is None": (None, NOTHING, "is not defined when it is tried"),
    "prints": (also(lambda *args: print("noise")), ALL, None),
    "warns": (also(lambda *args: warnings.warn("noise", stacklevel=1)), ALL, None),
    "overwrites x": (also(lambda x, *rest: x.fill(0)), ALL | {"train": 0.875, "test": 0.75}, "x[0, 0] after the call"),
    "overwrites gamma": (also(lambda x, gamma, *rest: gamma.fill(0)), ALL | {"train": 0.875, "test": 0.75}, "gamma["),
    "changes the shape of x": (
        also(lambda x, *rest: setattr(x, "shape", x.shape[::-1])), ALL | {"train": 0.875, "test": 0.75}, "x after"),
    "makes x read-only": (also(lambda x, *rest: x.setflags(write=False)), ALL, None),
    "empties bn_param": (
        also(lambda x, g, b, param: param.clear()), ALL | {"running": 0.0, "test": 0.75}, "is missing after a call"),
    "stores running averages as lists": (
        also(lambda x, g, b, param: param.update(running_mean=[1, 2])), ALL | {"running": 0.0, "test": 0.75},
        "should be an array, and is a list of 2"),
    "stores a lock in bn_param": (also(lambda x, g, b, param: param.update(a=threading.Lock())), ALL, None),
    "stores a module in bn_param": (also(lambda x, g, b, param: param.update(a=types)), ALL, None),
    "stores bn_param in itself": (also(lambda x, g, b, param: param.update(a=param)), ALL, None),
    "stores a trap in bn_param": (also(lambda x, g, b, param: param.update(a=Trap())), ALL, None),
    "makes NumPy raise": (also(lambda *args: np.seterr(all="raise")), ALL, None),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:noise")
@pytest.mark.parametrize("name", list(ODD))
def test_a_function_that(name, recwarn):
    function, shares, sentence = ODD[name]
    with np.errstate():
        verdicts = graded({"batchnorm_forward": function}, parts=FORWARD_PARTS)
    assert {part.rpartition("-")[2]: verdict.share for part, verdict in verdicts.items()} == shares
    found = [finding.sentence for verdict in verdicts.values() for finding in verdict.findings]
    if sentence is None:
        assert found == []
    else:
        assert any(sentence in text for text in found), found
    assert all(len(text) < 250 and "\n" not in text for text in found)
    assert not recwarn.list


def test_an_array_of_another_type_put_into_x_is_a_change_of_x_and_no_crash():
    verdicts = graded({"batchnorm_forward": also(set_type)}, parts=FORWARD_PARTS)
    assert verdicts["batchnorm_forward-train"].share < 1
    assert verdicts["batchnorm_forward-running"].share == 1


def test_the_students_own_interrupt_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        graded({"batchnorm_forward": raising(KeyboardInterrupt())}, parts=FORWARD_PARTS)


@pytest.mark.parametrize(
    ("gradients", "sentence"),
    [
        (lambda dout, cache: None, "should return (dx, dgamma, dbeta), and returned nothing (None)"),
        (lambda dout, cache: (dout, dout), "returned a tuple of 2"),
        (lambda dout, cache: {"dx": dout}, "returned a value of type dict"),
        (lambda dout, cache: dout, "returned an array of shape (7, 4)"),
        (lambda dout, cache: cache[99], "raised "),
        (lambda dout: dout, "keep the first line of its definition"),
    ],
)
def test_a_backward_pass_that_returns_something_else_is_told_so(gradients, sentence):
    functions = notebook() | {"batchnorm_backward": gradients}
    verdicts = graded(functions)
    message = verdicts["batchnorm_backward-dx"].message()
    assert sentence in message
    assert losing(verdicts) == {f"batchnorm_backward-{part}" for part in ("dx", "dgamma", "dbeta")}
    assert not any(named(verdict) for verdict in verdicts.values())


def test_one_gradient_that_is_no_array_costs_that_gradient_alone():
    wrong = notebook(dgamma=lambda dout, cache: None)
    assert losing(graded(wrong)) == {"batchnorm_backward-dgamma", "batchnorm_backward_alt-dgamma"}


def test_a_large_array_takes_neither_time_nor_memory():
    probe = TOPICS["batchnorm"].visible[0]
    right = {"out": np.ones((7, 4))}
    large = {"out": np.broadcast_to(np.int8(1), (60_000_000,))}
    assert len(judge.signature([large], [right])) == len(judge.signature([right], [right]))
    difference = judge.first_difference(large, right, 1e-6)
    assert "(60000000,)" in difference.sentence(probe, visible=True)


# ---- what the package holds ----


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_helper_imports_nothing_but_numpy_and_the_standard_library(path):
    allowed = sys.stdlib_module_names | {"__main__", "numpy", "matplotlib"}
    inside = range(1, len(path.relative_to(HELPER).parts) + 1)  # as many dots as lead out of no package but its own
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in allowed for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level in inside or (node.level == 0 and node.module.partition(".")[0] in allowed)


def test_the_helper_runs_without_the_project(built_course):
    code = "import sys, bn_helper; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=built_course.release("forward"), capture_output=True, text=True, timeout=60
    )
    loaded = set(ast.literal_eval(run.stdout))
    assert not loaded & {"solutions", "autograder", "nbgrader", "nbformat", "yaml", "hypothesis"}


def test_the_helper_is_python_that_runs_wherever_the_bundle_does():
    for path in SOURCES:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))


def test_the_helper_holds_no_statement_of_a_solution():
    solved = {}
    for name in solutions.__all__:
        function = getattr(solutions, name)
        if inspect.isfunction(function):
            for statement in simple_statements(ast.parse(inspect.getsource(function))):
                if not isinstance(statement, ast.Expr) and size(statement) > 6:  # not the reading of eps
                    solved[renamed(statement)] = f"{name}: {ast.unparse(statement)}"
    for path in SOURCES:
        for statement in simple_statements(ast.parse(path.read_text(encoding="utf-8"))):
            assert renamed(statement) not in solved, (path.name, solved.get(renamed(statement)))


def test_the_helper_holds_nothing_of_the_catalogue(built_course):
    texts = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    for entry in CATALOGUE:
        assert entry.sentence not in texts
        for _, _, new in entry.changes:
            assert len(new) < 25 or new not in texts, entry.name


@pytest.mark.parametrize("assignment", assignment_names())
def test_the_data_file_holds_numbers_and_sentences_and_no_code(built_course, assignment):
    path = built_course.release(assignment) / "bn_helper" / "expected.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(content) == {"sections", "probes", "expected"}
    text = path.read_text(encoding="utf-8")
    for word in ("np.", "axis=0", "def ", "return ", "lambda", "secret"):
        assert word not in text
    for entry in CATALOGUE:
        assert all(new not in text for _, _, new in entry.changes if "=" in new), entry.name
    signatures = [
        s["signature"] for claims in content["expected"].values() for e in claims.values() for s in e["suspects"]
    ]
    assert signatures
    assert all(len(numbers) <= 8 for numbers in signatures)  # a projection from which no output can be restored


def test_the_data_file_holds_no_hidden_input(built_course):
    content = json.loads((built_course.release("forward") / "bn_helper" / "expected.json").read_text(encoding="utf-8"))
    visible = {"batchnorm": [probe.to_json() for probe in TOPICS["batchnorm"].visible]}
    assert content["probes"] == json.loads(json.dumps(visible))
    assert set(content["expected"]) == set(FORWARD_PARTS)


@pytest.fixture
def tables():
    parts = [name for name, part in PARTS.items() if part.function.startswith("batchnorm_")]
    expected = {part: expectations.visible_expectations(part) for part in parts}
    return Tables({}, {"batchnorm": TOPICS["batchnorm"].visible}, expected)


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(pictures.plt, "show", lambda: figures.append(pictures.plt.gcf()))
    yield figures
    pictures.plt.close("all")


def test_a_bar_for_each_gradient_tells_right_from_wrong_by_more_than_its_colour(tables, drawn):
    entry = next(entry for entry in CATALOGUE if entry.name == "dgamma from x")
    pictures.draw_deviations("batchnorm_backward", entry.functions, tables)
    axis = drawn[0].axes[0]
    told = {
        label.get_text(): text.get_text().partition(", ")[2]
        for label, text in zip(axis.get_yticklabels(), axis.texts, strict=True)
    }
    assert told == {
        f"{name} ({sizes})": "wrong" if name == "dgamma" else "right"
        for name in ("dx", "dgamma", "dbeta")
        for sizes in ("N=7, D=4", "N=5, D=3")
    }
    hatched = [bar.get_hatch() is not None for bar in axis.patches]
    assert hatched == [False, False, True, True, False, False]


def test_what_is_not_written_yet_is_drawn_without_a_bar(tables, drawn):
    pictures.draw_deviations("batchnorm_backward", {}, tables)
    assert {text.get_text() for text in drawn[0].axes[0].texts} == {"could not be compared"}
    assert not drawn[0].axes[0].patches


def test_a_function_that_is_not_asked_for_is_refused_by_name(tables):
    with pytest.raises(ValueError, match="no part of this assignment tries 'sideways'; the functions are"):
        pictures.draw_deviations("sideways", {}, tables)


def test_before_and_after_each_feature_has_a_histogram_on_each_side(drawn):
    x = np.random.default_rng(0).normal(size=(50, 3))
    pictures.draw_before_and_after(x, x - x.mean(axis=0))
    assert len(drawn[0].axes) == 6


def test_the_data_file_is_small(built_course):
    for assignment in assignment_names():
        assert (built_course.release(assignment) / "bn_helper" / "expected.json").stat().st_size < 300_000


@pytest.mark.parametrize(
    ("assignment", "modules"),
    [
        ("forward", set()),
        ("backward", {"forward_pass"}),
        ("network", {"forward_pass", "backward_pass", "sigmoid", "digits"}),
    ],
)
def test_an_assignment_gives_what_its_notebook_imports_and_nothing_else(built_course, assignment, modules):
    given = built_course.release(assignment) / "bn_helper" / "given"
    assert {path.stem for path in given.glob("*.py")} == {"__init__", *modules}
