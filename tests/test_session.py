"""A submission's process, at its interface: cells give outputs, functions answer calls, and what dies comes back."""

import select
import shutil
import time

import numpy as np
import pytest
from conftest import missing
from graded import SECRETS, assignment_of, parts_of
from right_implementations import IMPORTS, RIGHT, functions_of, source_of

from autograder.bn_helper.parts import PARTS
from autograder.checks import grader
from autograder.engine.files import helper_files, work_files
from autograder.engine.jail import EngineFailure, Jail
from autograder.engine.session import Limits, Session

QUICK = Limits(cell=1.0, call=0.5)
RIGHT_FORWARD = source_of(RIGHT["order_of_the_paper"])


@pytest.fixture(scope="module", params=[True, False], ids=["in the jail", "without isolation"])
def jail(request):
    if request.param and shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail(isolated=request.param)
    yield jail
    jail.close()


@pytest.fixture(scope="module")
def strict_jail():
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail()
    yield jail
    jail.close()


@pytest.fixture
def session(jail):
    with Session(jail, limits=QUICK) as session:
        yield session


def texts(result):
    return "".join(output.get("text", "") for output in result.outputs)


def error_of(result):
    return next((output["ename"] for output in result.outputs if output["output_type"] == "error"), None)


def share(session, part):
    return grader.verdict(part, session.call, SECRETS[0], assignment_of(part)).share


def told(session, part):
    return grader.verdict(part, session.call, SECRETS[0], assignment_of(part)).message()


# ---- cells ----


def test_a_cell_gives_what_it_prints_and_its_last_value(session):
    result = session.run_cell("import sys\nprint('a')\nprint('b', file=sys.stderr)\n6 * 7")
    kinds = [output["output_type"] for output in result.outputs]
    assert texts(result).replace("\n", "") in ("ab", "ba")
    assert kinds[-1] == "execute_result"
    assert result.outputs[-1]["data"]["text/plain"] == "42"


def test_a_cell_that_raises_gives_its_error_and_the_next_one_runs(session):
    result = session.run_cell("x = 1\n1 / 0")
    assert error_of(result) == "ZeroDivisionError"
    assert not result.died
    assert session.run_cell("x").outputs[0]["data"]["text/plain"] == "1"


@pytest.mark.parametrize("source", ["def f(:", "%no_such_magic", "raise SystemExit", "exit()", "?", "\0"])
def test_a_cell_that_is_no_python_or_asks_to_leave_hurts_nothing(session, source):
    assert not session.run_cell(source).died
    assert texts(session.run_cell("print('still here')")).strip() == "still here"


def test_a_plot_is_a_picture_in_the_outputs(jail):
    with Session(jail) as session:
        result = session.run_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert any("image/png" in output.get("data", {}) for output in result.outputs)


def test_an_endless_cell_is_stopped_and_the_next_one_runs(session):
    start = time.monotonic()
    result = session.run_cell("print('before', flush=True)\nwhile True: pass")
    assert result.late
    assert "did not finish" in result.outputs[-1]["evalue"]
    assert texts(session.run_cell("print(1)")).strip() == "1"
    assert time.monotonic() - start < 10


def test_a_cell_that_catches_everything_is_stopped_too(session):
    result = session.run_cell("while True:\n    try:\n        while True: pass\n    except BaseException: pass")
    assert result.late
    assert texts(session.run_cell("print(1)")).strip() == "1"


def test_a_cell_that_ends_the_process_says_so_and_the_cells_before_it_run_again(session):
    session.run_cell("value = 5")
    result = session.run_cell("import os\nos._exit(0)")
    assert result.died
    assert "ended" in result.outputs[-1]["evalue"]
    assert session.run_cell("value").outputs[0]["data"]["text/plain"] == "5"


# ---- calls ----


def test_a_function_that_ends_the_process_loses_its_marks_and_the_rest_goes_on(session):
    session.run_cell(RIGHT_FORWARD)
    session.run_cell("import os\ndef backward_x_hat(dout, gamma):\n    os._exit(1)")
    assert "ended the process" in told(session, "backward_x_hat-value")
    assert share(session, "batchnorm_forward-train") == 1.0


def test_a_function_that_always_ends_the_process_is_told_so_every_time(session):
    session.run_cell("import os\ndef batchnorm_forward(*args):\n    os._exit(1)")
    for part in ("train", "running", "test", "mode"):
        assert "ended the process" in told(session, f"batchnorm_forward-{part}")


def test_an_endless_function_costs_seconds_and_the_rest_goes_on(session):
    session.run_cell(RIGHT_FORWARD)
    session.run_cell("def batchnorm_backward(dout, cache):\n    while True: pass")
    start = time.monotonic()
    for part in ("dx", "dgamma", "dbeta"):
        assert "did not finish in time" in told(session, f"batchnorm_backward-{part}")
    assert time.monotonic() - start < 15
    assert share(session, "batchnorm_backward_alt-dx") == 1.0


def test_what_a_function_prints_during_a_call_appears_nowhere(session):
    session.run_cell(
        "import sys, os\ndef batchnorm_forward(x, *args):\n    print('SEEN', x)\n    print('SEEN', file=sys.stderr)\n"
        "    os.write(1, b'SEEN')\n    sys.__stdout__.write('SEEN')\n    raise ValueError('SEEN')"
    )
    message = told(session, "batchnorm_forward-train")
    assert "SEEN" not in message.replace("raise ValueError('SEEN')", "")
    assert "SEEN" not in str(session.run_cell("1").outputs)


def test_arguments_come_back_as_they_are_afterwards(session):
    session.run_cell("def f(x, d):\n    x += 1\n    d['new'] = x\n    return x")
    reply = session.call("f", np.zeros(3), {"a": 1})
    assert np.array_equal(reply.arguments[0], np.ones(3))
    assert np.array_equal(reply.arguments[1]["new"], np.ones(3))
    assert np.array_equal(reply.result, np.ones(3))


def test_a_warning_costs_nothing_and_is_passed_on(session):
    session.run_cell("import warnings\ndef f():\n    warnings.warn('careful')\n    return 1.0")
    reply = session.call("f")
    assert (reply.result, reply.error) == (1.0, None)
    assert "careful" in reply.warnings[0]


def test_an_object_of_a_submissions_own_stays_on_its_side_and_can_be_handed_back(session):
    session.run_cell("class Cache: value = 3\ndef f():\n    return 1, Cache()\ndef g(cache):\n    return cache.value")
    reply = session.call("f")
    assert type(reply.result[1]).__name__ == "Opaque"
    assert session.call("g", reply.kept[1]).result == 3


def test_an_exception_is_told_with_its_type_and_the_line_of_the_submission(session):
    session.run_cell("import numpy as np\ndef f():\n    return np.zeros(3) @ np.zeros(4)")
    error = session.call("f").error
    assert error.kind == "ValueError"
    assert error.line == "return np.zeros(3) @ np.zeros(4)"


# ---- what lies around it ----


@pytest.mark.parametrize("module", ["solutions", "autograder", "autograder.checks.topics", "nbgrader"])
def test_the_reference_and_the_grader_cannot_be_imported(strict_jail, module):
    with Session(strict_jail, limits=QUICK) as session:
        result = session.run_cell(f"import {module}")
        assert error_of(result) in ("ModuleNotFoundError", "ImportError")


def test_files_beside_the_notebook_hide_nothing(jail, tmp_path, built_course):
    for name in ("numpy.py", "solutions.py", "autograder.py", "json.py"):
        (tmp_path / name).write_text("raise RuntimeError('hidden')\n")
    (tmp_path / "bn_helper").mkdir()
    (tmp_path / "bn_helper" / "__init__.py").write_text("raise RuntimeError('hidden')\n")
    (tmp_path / "own.py").write_text("value = 7\n")
    (tmp_path / "data.txt").write_text("8")
    files, _ = work_files(tmp_path, built_course.source("backward") / "bn_helper")
    with Session(jail, files, QUICK) as session:
        assert error_of(session.run_cell("import numpy, json, bn_helper\nassert numpy.zeros(3).sum() == 0")) is None
        assert texts(session.run_cell("import own\nprint(own.value, open('data.txt').read())")).strip() == "7 8"
        assert error_of(session.run_cell("import solutions")) == "ModuleNotFoundError"
        assert error_of(session.run_cell("from bn_helper import batchnorm_forward, check")) is None


# ---- right code is right on the other side of the wire too ----


@pytest.mark.parametrize("name", list(RIGHT))
def test_a_right_implementation_gets_every_point_across_the_wire(strict_jail, built_course, name):
    files = helper_files(built_course.source("network") / "bn_helper")
    with Session(strict_jail, files) as session:
        result = session.run_cell(f"from bn_helper import *\n{source_of(RIGHT[name])}")
        assert result.outputs == []
        for part in parts_of(functions_of(RIGHT[name])):
            assert share(session, part) == 1.0, told(session, part)


RETURNS = {
    "a named tuple": "namedtuple('Result', 'out cache')(*result)",
    "a matrix": "(np.asmatrix(result[0]), result[1])",
    "a masked array": "(np.ma.masked_array(result[0]), result[1])",
    "long doubles": "(result[0].astype(np.longdouble), result[1])",
    "the other byte order": "(result[0].astype('>f8'), result[1])",
}


@pytest.mark.parametrize("name", list(RETURNS))
def test_what_is_taken_at_home_is_taken_when_it_counts(strict_jail, name):
    wrapped = f"def batchnorm_forward(*args):\n    result = _forward(*args)\n    return {RETURNS[name]}"
    with Session(strict_jail) as session:
        session.run_cell(f"{RIGHT_FORWARD}\n_forward = batchnorm_forward\n{wrapped}")
        assert share(session, "batchnorm_forward-train") == 1.0


CACHES = {
    "contains itself": "cache = [x]\n    cache.append(cache)",
    "is nested a hundred deep": "cache = (x,)\n    for _ in range(100): cache = (cache,)",
    "has keys that are numbers": "cache = {0: x, 1: gamma}",
    "refuses every question": "cache = Refusing()",
    "is a generator": "cache = (i for i in range(3))",
}


@pytest.mark.parametrize("name", list(CACHES))
def test_a_cache_that(strict_jail, name):
    refusing = "class Refusing:\n    def __getattribute__(self, name): raise RuntimeError\n"
    body = f"{CACHES[name]}\n    return _forward(x, gamma, beta, bn_param)[0], cache"
    wrapped = f"def batchnorm_forward(x, gamma, beta, bn_param):\n    {body}"
    with Session(strict_jail) as session:
        session.run_cell(f"{RIGHT_FORWARD}\n{refusing}\n_forward = batchnorm_forward\n{wrapped}")
        assert share(session, "batchnorm_forward-train") == 1.0, told(session, "batchnorm_forward-train")
        assert share(session, "batchnorm_forward-running") == 1.0


ODD = {
    "None": "None",
    "an int": "3",
    "an object equal to everything": "type('E', (), {'__eq__': lambda s, o: True})()",
    "a huge array": "(np.zeros(4_000_000), None)",
    "an array too large for the wire": "(np.zeros(20_000_000), None)",
    "an array that takes no memory": "(np.broadcast_to(0.0, (1 << 40,)), None)",
    "a million objects": "(x, [None] * 1_000_000)",
    "an exception": "(_ for _ in ()).throw(RecursionError)",
    "an exception that cannot be printed": "(_ for _ in ()).throw(type('E', (Exception,), {'__str__': 3})())",
    "sys.exit": "sys.exit(1)",
    "a deep recursion": "batchnorm_forward(x, gamma, beta, bn_param)",
    "bn_param emptied": "(x, bn_param.clear())",
    "bn_param with other keys": "(x, bn_param.update({1: 2}))",
    "x turned into text": "(x, setattr(x, 'dtype', 'S8'))",
}


@pytest.mark.parametrize("name", list(ODD))
def test_one_sentence_about_a_function_that_returns(strict_jail, name):
    body = f"import sys\ndef batchnorm_forward(x, gamma, beta, bn_param):\n    return {ODD[name]}"
    with Session(strict_jail, limits=QUICK) as session:
        session.run_cell(f"{IMPORTS}\n{body}")
        for part in (part for part in PARTS if part.startswith("batchnorm_forward-")):
            verdict = grader.verdict(part, session.call, SECRETS[0], "forward")
            assert verdict.share < 1
            assert all(len(finding.sentence) < 250 for finding in verdict.findings)
        assert texts(session.run_cell("print(1)")).strip() == "1"


# ---- when the jail itself ends ----


@pytest.mark.parametrize("way", ["cell", "call", "after another has begun"])
def test_the_end_of_the_jail_is_not_the_submissions_doing(way):
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail()
    try:
        with Session(jail, limits=QUICK) as session:
            session.run_cell("def f():\n    return 1")
            jail._process.kill()
            jail._process.wait()
            select.select([session._student.descriptor], [], [], 10)  # which the kernel ends soon after
            if way == "after another has begun":
                Session(jail, limits=QUICK).close()
            with pytest.raises(EngineFailure, match="the jail ended"):
                session.call("f") if way == "call" else session.run_cell("2")
    finally:
        jail.close()
