"""Functions that the checks lend to a submission: they serve it, in one call, on copies, and tell nothing else.

Every claim holds at home, where a function is called in the same process, and across the wire.
"""

import inspect
import math
import shutil
import textwrap
import time

import numpy as np
import pytest
from conftest import missing

from autograder.bn_helper import lending
from autograder.bn_helper.calls import Function, LocalCall
from autograder.engine.jail import Jail
from autograder.engine.session import Limits, Session
from autograder.engine.student_side import policy
from solutions import batchnorm_backward, batchnorm_forward, check_gradients, numerical_gradient

QUICK = Limits(cell=2.0, call=0.5, lent=0.3)


@pytest.fixture(scope="module")
def jail():
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail()
    yield jail
    jail.close()


class Home:
    """Runs cells in this process, as a notebook does."""

    def __init__(self):
        self.names = {"__name__": "notebook"}
        self.call = LocalCall(self.names)

    def run_cell(self, source):
        exec(source, self.names)


@pytest.fixture(params=["at home", "across the wire"])
def side(request):
    if request.param == "at home":
        yield Home()
    else:
        with Session(request.getfixturevalue("jail"), limits=QUICK) as session:
            yield session


@pytest.fixture
def session(jail):
    with Session(jail, limits=QUICK) as session:
        yield session


def tried(side, body, *args):
    """Call a function of two lent functions with this body; return its result."""
    source = f"import copy, pickle\nimport numpy as np\ndef tried(f, g=None, x=None):\n{textwrap.indent(body, '    ')}"
    side.run_cell(source)
    reply = side.call("tried", *args)
    assert reply.error is None, reply.error
    return reply.result


def raised(side, body, *args):
    """Call it where it raises; return the error."""
    side.run_cell(f"import numpy as np\ndef tried(f, g=None, x=None):\n{textwrap.indent(body, '    ')}")
    reply = side.call("tried", *args)
    assert reply.error is not None
    return reply.error


def layer(x, gamma, beta, bn_param):
    return batchnorm_forward(x, gamma, beta, bn_param)


FORWARD = Function(layer, hidden=(1,))
BACKWARD = Function(batchnorm_backward)
SQUARE = Function(np.square)


# ---- what it is for ----


def test_a_numerical_gradient_is_the_same_as_without_a_loan(side):
    x, df = np.random.default_rng(0).normal(size=(2, 4, 3))
    side.run_cell("import numpy as np\n" + inspect.getsource(numerical_gradient))
    reply = side.call("numerical_gradient", Function(np.tanh), x, df)
    assert np.array_equal(reply.result, numerical_gradient(np.tanh, x, df))
    assert np.array_equal(reply.arguments[1], x)


@pytest.mark.parametrize("scale", [1.0, 1.01])
def test_a_test_of_a_layer_judges_a_lent_layer(side, scale):
    def backward(dout, cache):
        dx, dgamma, dbeta = batchnorm_backward(dout, cache)
        return scale * dx, dgamma, dbeta

    side.run_cell(
        "import numpy as np\n" + inspect.getsource(numerical_gradient) + "\n" + inspect.getsource(check_gradients)
    )
    reply = side.call("check_gradients", FORWARD, Function(backward))
    assert reply.error is None
    assert reply.result is (scale == 1.0)


# ---- what crosses ----

RESULTS = {
    "an array": np.arange(6.0).reshape(2, 3),
    "a transposed array": np.arange(6.0).reshape(2, 3).T,
    "a float": 0.1,
    "a number of numpy's": np.float32(0.1),
    "an int": 3,
    "nothing": None,
    "a tuple of them": (np.zeros(2), 1.5, None),
    "a list of them": [np.ones((2, 2), dtype=np.int8)],
}


@pytest.mark.parametrize("name", list(RESULTS))
def test_a_result_arrives_as_it_is_if_it_is(side, name):
    got, want = tried(side, "return f()", Function(lambda: RESULTS[name])), RESULTS[name]
    assert type(got) is type(want)
    for a, b in zip(got, want, strict=True) if isinstance(want, tuple | list) else [(got, want)]:
        assert type(a) is type(b)
        assert np.array_equal(a, b) if b is not None else a is None
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)


ARGUMENTS = {
    "an array": "np.arange(3.0)",
    "a view": "np.arange(12.0).reshape(3, 4)[::2, ::-1]",
    "a masked array": "np.ma.masked_array([[1.0, 2.0]])",
    "a complex array": "np.array([1j])",
    "integers": "np.arange(3)",
    "a number": "0.25",
    "a number of numpy's": "np.float32(0.25)",
    "a truth value": "True",
    "a text": "'train'",
    "nothing": "None",
    "a dict": "{'mode': 'train', 'eps': 0.1, 'running_mean': np.zeros(3)}",
}


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_a_lent_function_gets(side, name):
    got = []
    tried(side, f"f({ARGUMENTS[name]}, key={ARGUMENTS[name]})", Function(lambda a, key: got.extend((a, key))))
    want = eval(ARGUMENTS[name], {"np": np})
    for value in got:
        assert type(value) is (np.ndarray if isinstance(want, np.ndarray) else type(want))
        if isinstance(want, dict):
            assert list(value) == list(want)
        else:
            assert np.array_equal(value, want)


def test_neither_side_sees_what_the_other_does_to_an_array(side):
    mine = np.zeros(3)

    def function(x):
        x += 1
        return mine

    assert tried(side, "x = np.zeros(3)\nr = f(x)\nr += 5\nreturn float(x.sum() + f(x).sum())", Function(function)) == 0
    assert not mine.any()


def test_a_function_that_writes_does_so_in_the_students_array(side):
    def function(x, y):
        x *= 2
        return x + y

    body = "x = np.ones(3)\ny = np.ones(2)\nr = f(x[1:], y)\nreturn x, y, r, f(1.0, y=2)"
    x, y, r, number = tried(side, body, Function(function, writes=True))
    assert np.array_equal(x, [1, 2, 2])
    assert np.array_equal(y, np.ones(2))
    assert np.array_equal(r, [3, 3])
    assert number == 4


def test_an_array_that_comes_back_is_the_students_own(side):
    body = "x = np.zeros(3)\nr = f(x)\nx += 1\nreturn r, r is x, g(x) is x"
    r, same, other = tried(side, body, Function(lambda x: x, writes=True), Function(lambda x: x))
    assert np.array_equal(r, np.ones(3))
    assert same
    assert not other


def test_an_array_that_cannot_be_written_stays_as_it_is(side):
    body = "x = np.zeros(3)\nx.flags.writeable = False\nreturn f(x), x"
    r, x = tried(side, body, Function(lambda x: np.add(x, 1, out=x), writes=True))
    assert np.array_equal(r, np.ones(3))
    assert np.array_equal(x, np.zeros(3))


def test_a_dict_is_updated_as_by_a_function_of_ones_own(side):
    def function(param):
        param["running_mean"] = param["running_mean"] + 1
        param["new"] = 7
        del param["old"]

    body = "p = {'running_mean': np.zeros(2), 'old': 1, 'mode': 'train'}\nf(p)\nf({**p, 'old': 1})\nreturn p"
    param = tried(side, body, Function(function))
    assert sorted(param) == ["mode", "new", "running_mean"]
    assert np.array_equal(param["running_mean"], np.ones(2))


def test_a_running_average_moves_as_in_the_notebook(side):
    x = np.random.default_rng(0).normal(size=(5, 3))
    body = "p = {'mode': 'train'}\nf(x, np.ones(3), np.zeros(3), p)\nreturn p['running_mean']"
    assert np.allclose(tried(side, body, FORWARD, None, x), 0.1 * x.mean(axis=0))


# ---- what does not cross ----


def test_a_cache_can_be_passed_on_and_not_looked_into(side):
    secret = {"weights": np.arange(3.0)}
    forward = Function(lambda x: (2 * x, secret))
    backward = Function(lambda dout, cache: dout * cache["weights"])
    body = """
    out, cache = f(np.ones(3))
    told = [repr(cache), str(cache), type(cache).__name__, str([n for n in dir(cache) if not n.startswith('__')])]
    for way in (vars, len, iter, pickle.dumps, list, np.asarray, lambda c: c[0], lambda c: setattr(c, 'a', 1)):
        try:
            told.append(repr(way(cache)))
        except Exception as error:
            told.append(type(error).__name__)
    same = [copy.copy(cache) is cache, copy.deepcopy((cache, 1))[0] is cache, cache == cache, cache != f(out)[1]]
    return out, told, same, g(np.full(3, 2.0), cache), g(np.full(3, 2.0), copy.deepcopy(cache))
    """
    out, told, same, one, other = tried(side, textwrap.dedent(body), forward, backward)
    assert np.array_equal(out, np.full(3, 2.0))
    assert told[:4] == ["<kept>", "<kept>", "Kept", "[]"]
    assert "weights" not in str(told)
    assert all(same)
    assert np.array_equal(one, [0, 2, 4])
    assert np.array_equal(one, other)


@pytest.mark.parametrize("cache", [None, 3.0, np.zeros(2), "text", [np.zeros(2)], (1, 2), {"a": 1}, object()])
def test_what_is_hidden_looks_the_same_whatever_it_is(side, cache):
    body = "c = f()[1]\nreturn repr(c), type(c).__name__, str(dir(c)), g(c)"
    got = []
    *looks, _ = tried(side, body, Function(lambda: (0, cache), hidden=(1,)), Function(got.append))
    *others, _ = tried(side, body, Function(lambda: (0, [1]), hidden=(1,)), Function(lambda c: None))
    assert looks == others
    assert got == [cache] if not isinstance(cache, np.ndarray) else got[0] is cache


def test_right_and_wrong_layers_look_the_same(side):
    def wrong_by_ddof(x, gamma, beta, bn_param, ddof=1):
        """Is wrong."""

    wrong_by_ddof.hint = "wrong"
    body = (
        "import inspect\n"
        "looks = [(str(type(h)), h.__name__, h.__qualname__, h.__module__, str(h.__doc__), str(inspect.signature(h)),\n"
        "          str(vars(h)), str(h.__defaults__), h.__code__.co_name, str(h.__annotations__)) for h in (f, g)]\n"
        "return looks[0] == looks[1], repr(f).split(' at ')[0] == repr(g).split(' at ')[0], str(looks)"
    )
    same, same_repr, looks = tried(side, body, FORWARD, Function(wrong_by_ddof))
    assert same
    assert same_repr
    assert "ddof" not in looks


# ---- what goes wrong ----


class OwnError(np.linalg.LinAlgError):
    pass


class Unknown(Exception):
    pass


ERRORS = {
    ValueError("shapes (3,) and (4,)"): "ValueError",
    OwnError("singular"): "ValueError",
    KeyError("mode"): "KeyError",
    IndexError("5"): "IndexError",
    ZeroDivisionError("by zero"): "ZeroDivisionError",
    UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"): "ValueError",
    Unknown("what"): "RuntimeError",
    NotImplementedError(): "NotImplementedError",
    StopIteration(3): "RuntimeError",
    MemoryError("x" * 100_000): "MemoryError",
    RecursionError("deep"): "RecursionError",
}


@pytest.mark.parametrize("error", list(ERRORS), ids=[type(error).__name__ for error in ERRORS])
def test_an_exception_arrives_as_a_built_in_one_without_a_past(side, error):
    def function(x):
        raise error

    body = """
    try:
        f(1)
    except Exception as error:
        frames, trace = [], error.__traceback__
        while trace is not None:
            frames.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        module = type(error).__module__
        return type(error).__name__, module, str(error), str(error.__cause__), str(error.__context__), frames
    """
    kind, module, text, *past, frames = tried(side, textwrap.dedent(body), Function(function))
    assert (kind, module) == (ERRORS[error], "builtins")
    assert len(text) <= 1002
    assert past == ["None", "None"]
    assert "function" not in frames[2:]


def test_the_line_that_is_told_is_the_students(side):
    error = raised(side, "y = x\nreturn f(y)", Function(lambda x: x @ np.zeros(5)), None, np.zeros(3))
    assert error.kind == "ValueError"
    assert error.line in ("return f(y)", "")  # at home the source of a cell is the notebook's to know


def test_the_name_of_a_lent_function_is_not_in_the_message_about_its_arguments(side):
    def wrong_by_ddof(x):
        return x

    for arguments in ("", "1, 2", "1, y=2"):
        error = raised(side, f"f({arguments})", Function(wrong_by_ddof))
        assert error.kind == "TypeError"
        assert "ddof" not in error.text


REFUSED = {
    "a function": "len",
    "itself": "f",
    "a list": "[1.0]",
    "a set": "{1}",
    "an object": "object()",
    "a dict in a dict": "{'a': {}}",
    "a dict with numbers as keys": "{1: 2}",
    "a long text": "'x' * 100_000",
    "texts in an array": "np.array(['a'])",
    "objects in an array": "np.array([None])",
    "dates": "np.datetime64('2020-01-01')",
    "a pretender": "type('P', (float,), {'__class__': property(lambda s: float)})(1.0)",
    "a trap": "type('T', (), {'__getattribute__': lambda s, n: 1 / 0})()",
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_lent_function_does_not_take(side, name):
    called = []
    error = raised(side, f"f({REFUSED[name]})", Function(called.append))
    assert error.kind == "TypeError"
    assert not called


LARGE = {
    "a giant array": "np.zeros(1 << 21)",
    "an array that takes no memory": "np.broadcast_to(0.0, (1 << 34,))",
    "two arrays that would make a giant one": "np.zeros((4000, 1)), np.zeros(4000)",
    "three in a dict": "{'a': np.zeros((1000, 1, 1)), 'b': np.zeros((1000, 1)), 'c': np.zeros(1000)}",
}


@pytest.mark.parametrize("name", list(LARGE))
def test_too_large_for_a_lent_function_is(side, name):
    called = []
    assert raised(side, f"f({LARGE[name]})", Function(called.append)).kind == "MemoryError"
    assert not called


def test_a_number_of_a_million_digits_is_refused(side):
    assert raised(side, "f(1 << 4_000_000)", SQUARE).kind == "OverflowError"


def test_what_is_kept_is_bounded(side, monkeypatch):
    monkeypatch.setattr(lending, "MOST_KEPT", 1_000_000)
    body = "for n in range(10_000):\n    try: f(x)\n    except MemoryError: return n"
    assert 10 < tried(side, body, Function(lambda x: (x, [])), None, np.zeros(100)) < 2000


def test_after_its_budget_a_lent_function_says_so(side):
    called = []
    body = "for n in range(100):\n    try: f(n)\n    except RuntimeError as error: return n, str(error), g(1)"
    n, text, other = tried(side, body, Function(called.append, most=30), SQUARE)
    assert n == len(called) == 30
    assert "too often" in text
    assert other == 1


def test_a_warning_of_a_lent_function_is_not_the_submissions(side):
    side.run_cell("def tried(f, x):\n    return f(x)")
    reply = side.call("tried", Function(np.log), np.array([-1.0, 0.0]))
    assert reply.warnings == ()
    assert math.isnan(reply.result[0])


# ---- when it does not serve ----


def test_after_the_call_it_serves_no_more(side):
    called = []
    side.run_cell("def keep(f):\n    global kept\n    kept = f\n    return f(1)\ndef late(g):\n    return kept(2)")
    assert side.call("keep", Function(lambda x: called.append(x) or x)).result == 1
    for _ in range(2):
        error = side.call("late", SQUARE).error
        assert error.kind == "RuntimeError"
        assert "serves only the call" in error.text
    assert called == [1]


def test_a_cache_of_an_earlier_call_is_refused(side):
    side.run_cell("def keep(f):\n    global cache\n    cache = f(1)[1]\ndef late(f, g):\n    f(1)\n    return g(cache)")
    forward = Function(lambda x: (x, []))
    assert side.call("keep", forward).error is None
    assert side.call("late", forward, Function(len)).error.kind == "TypeError"


def test_in_another_thread_it_does_not_serve(side):
    body = """
    import threading
    told = []
    def other():
        try: told.append(f(1))
        except RuntimeError as error: told.append(str(error))
    thread = threading.Thread(target=other)
    thread.start(); thread.join()
    return told[0], f(2)
    """
    told, served = tried(side, textwrap.dedent(body), SQUARE)
    assert "serves only the call" in told
    assert served == 4


# ---- across the wire, where it may be meant ----


def test_endless_calls_end_the_call_and_the_rest_goes_on(session):
    session.run_cell(
        "def tried(f):\n    while True:\n        try: f(1.0)\n        except Exception: pass\ndef g(): return 1"
    )
    begun = time.monotonic()
    assert session.call("tried", SQUARE).error.kind == "timeout"
    assert time.monotonic() - begun < 10
    assert session.call("g").result == 1


def test_a_slow_function_of_the_checks_does_not_keep_the_grader(jail):
    def slow(x):
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    body = "def tried(f):\n    for n in range(1000):\n        try: f(n)\n        except RuntimeError: return n"
    with Session(jail, limits=Limits(call=20.0, lent=0.3)) as session:
        session.run_cell(body)
        assert session.call("tried", Function(slow)).result <= 1 + 0.3 / 0.05


def test_time_that_runs_out_while_the_grader_works_leaves_the_wire_in_order(session):
    session.run_cell("def tried(f):\n    while True: f(1)\ndef g(f): return f(3)")
    reply = session.call("tried", Function(lambda x: time.sleep(0.01)))
    assert reply.error.kind == "timeout"
    session.next_part()
    assert session.call("g", SQUARE).result == 9
    assert (
        session.call("tried", Function(lambda x: time.sleep(policy.PATIENCE * QUICK.call + 0.3))).error.kind
        == "timeout"
    )
    assert session.call("g", SQUARE).result == 9


# A submission that has found its end of the wire, and says there what it likes.
TAKEN_OVER = """
import gc, socket, struct, sys
import numpy as np
student, wire = sys.modules["student_side.student"], sys.modules["student_side.wire"]

def connection():
    return next(b._connection for b in gc.get_objects() if type(b).__name__ == "Borrowed" and b._open)

def number():
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["request"]["number"]

def say(**more):
    asked = {"ask": 0, "turn": 0, "args": [{"value": 2.0}], "named": {}, "number": number(), **more}
    wire.send(connection(), {key: value for key, value in asked.items() if value is not ...})

def after(): return 1
"""
FORGED = {
    "another number": "say(number=1)",
    "no number": "say(number=...)",
    "an array as its number": "say(number=np.arange(3))",
    "a place that is none": "say(ask=7)",
    "a place below zero": "say(ask=-1)",
    "a place that is no number": "say(ask=True)",
    "another turn": "say(turn=5)",
    "no turn": "say(turn=...)",
    "no arguments": "say(args=...)",
    "arguments that are no list": "say(args=np.zeros(3))",
    "names that are no dict": "say(named=[1])",
    "an argument that is not wrapped": "say(args=[2.0])",
    "an argument that is two things": "say(args=[{'value': 1, 'kept': 0}])",
    "something kept that is not": "say(args=[{'kept': 0}])",
    "something kept below zero": "f(1)\n    say(args=[{'kept': -1}], turn=1)",
    "something kept in a named argument": "say(named={'a': {'kept': 10**30}})",
    "noise": "connection().sendall(bytes(range(256)) * 10)",
    "half a frame": "connection().sendall(struct.pack('!Q', 1000) + b'N')\n    while True: pass",
    "a huge frame": "connection().sendall(struct.pack('!Q', 1 << 62))",
    "many at once": "say()\n    say()\n    say(turn=1)",
}


@pytest.mark.parametrize("name", list(FORGED))
def test_the_process_dies_of_a_request_with(session, name):
    session.run_cell(f"{TAKEN_OVER}\ndef tried(f):\n    {FORGED[name]}\n    return 1.0")
    called = []
    reply = session.call("tried", Function(lambda x: called.append(x) or (x, [])))
    assert reply.error.kind in ("died", "timeout")
    assert reply.result is None
    assert len(called) <= 2
    assert session.call("after").result == 1


def test_a_request_where_nothing_is_lent_is_the_end_of_the_process(session):
    session.run_cell(f"{TAKEN_OVER}\ndef tried():\n    say()\n    return 1.0")
    assert session.call("tried").error.kind == "died"
    assert session.call("after").result == 1


def test_requests_in_place_of_a_cells_outputs_are_the_end_of_the_process(session):
    result = session.run_cell(
        f"{TAKEN_OVER}\nwire.send(next(c for c in gc.get_objects() if type(c).__name__ == "
        "'Calls').connection, {'ask': 0, 'turn': 0, 'args': [], 'named': {}, 'number': number()})"
    )
    assert result.died


def test_unread_answers_do_not_keep_the_grader_waiting(session):
    body = "turn = 0\n    while True:\n        say(turn=turn)\n        turn += 1"
    session.run_cell(f"{TAKEN_OVER}\ndef tried(f):\n    {body}")
    begun = time.monotonic()
    reply = session.call("tried", Function(lambda x: np.zeros(100_000), most=10**9))
    assert reply.error.kind in ("timeout", "died")
    assert time.monotonic() - begun < 12


def test_what_a_call_may_take_of_the_graders_memory_is_bounded(jail):
    tracked = []

    def forward(x):
        tracked.append(x.nbytes)
        return x, [x.copy() for _ in range(8)]

    with Session(jail, limits=QUICK) as session:
        session.run_cell(
            "import numpy as np\ndef tried(f):\n    x = np.zeros(60_000)\n    for n in range(10_000):\n"
            "        try: f(x)\n        except MemoryError: return n"
        )
        reply = session.call("tried", Function(forward, hidden=(1,)))
    assert reply.error is None
    assert 8 * sum(tracked[: reply.result]) <= lending.MOST_KEPT
