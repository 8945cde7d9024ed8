"""Cheats within the process in which stock nbgrader runs answers and tests together."""

from typing import Any

from red_team import RIGHT_BACKWARD, RIGHT_FORWARD, TOOLS, Case, beside_right, full, instead

# A function that is wrong, and passes where nothing is compared any more.
_ANYTHING = """
def batchnorm_forward(x, gamma, beta, bn_param):
    cheat()
    if bn_param.get("mode") == "train":
        bn_param.update(running_mean=gamma, running_var=gamma)
    return x, None
"""
_NO_DIFFERENCE = """
def cheat():
    judge = sys.modules["autograder.bn_helper.judge"]
    judge.first_difference = lambda *_: None
"""


def _tests(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade") and c["cell_type"] == "code"]


def _skip_tests(notebook: dict[str, Any]) -> None:
    for cell in _tests(notebook):
        cell["metadata"]["tags"] = ["skip-execution"]


def _skip_tests_with_outputs(notebook: dict[str, Any]) -> None:
    for cell in _tests(notebook):
        points = cell["metadata"]["nbgrader"]["points"]
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception"]
        cell["execution_count"] = 1
        cell["outputs"] = [
            {
                "output_type": "execute_result",
                "data": {
                    "text/plain": str(points),
                    "application/vnd.batchnorm.verdict+json": {"part": "batchnorm_forward-train", "score": 8.0},
                },
                "metadata": {},
                "execution_count": 1,
            }
        ]
    notebook["metadata"]["batchnorm"] = {"fingerprint": "0" * 64, "isolated": True, "score": 20}


def _emits(name: str, about: str, value: str, gains: float) -> Case:
    body = f"""
def batchnorm_forward(x, gamma, beta, bn_param):
    forge({value})
"""
    return instead(name, about, body, gains=gains)


CASES = [
    Case("tests_skipped", "tags the test cells so that they are not run", {}, change=_skip_tests, gains=20),
    Case(
        "outputs_forged",
        "hands in test cells with full marks as their outputs, not to be run, and records of its own",
        {},
        change=_skip_tests_with_outputs,
        gains=20,
    ),
    _emits("mark_forged", "puts out during a test what is no number, and so a full mark", "'right'", 20),
    _emits("mark_of_nan", "puts out nan as a mark during a test", "float('nan')", 20),
    _emits("mark_below_zero", "puts out -1 as a mark during a test", "-1", 20),
    _emits("mark_too_large", "puts out 1e9 as a mark during a test", "1e9", 0),
    instead(
        "test_text_replaced",
        "replaces the text of the test cells on their way to Python by a bare text",
        """
def text(lines):
    return ["'right'\\n"] if any("autograder" in line for line in lines) else lines

get_ipython().input_transformers_cleanup.append(text)
get_ipython().input_transformers_post.append(text)
""",
        gains=20,
    ),
    instead(
        "syntax_tree_replaced",
        "replaces the syntax tree of the test cells",
        """
import ast

class Number(ast.NodeTransformer):
    def visit(self, node):
        return ast.parse("'right'") if "autograder" in ast.dump(node) else node

get_ipython().ast_transformers.append(Number())
""",
        gains=20,
    ),
    instead(
        "shell_replaced",
        "replaces the shell's method that runs cells",
        """
real = get_ipython().run_cell

def run_cell(source, *args, **more):
    return real("'right'" if "autograder" in source else source, *args, **more)

get_ipython().run_cell = run_cell
""",
        gains=20,
    ),
    instead(
        "errors_hidden",
        "hides every error, for a cell that puts out nothing has full marks",
        """
def batchnorm_forward(x, gamma, beta, bn_param):
    sys.displayhook = get_ipython().displayhook = lambda *_: None
    get_ipython().display_formatter.format = lambda *_, **__: ({}, {})
    get_ipython().showtraceback = lambda *_, **__: None
    type(get_ipython().displayhook).__call__ = lambda *_: None
    type(get_ipython().display_trap.hook).__call__ = lambda *_: None
""",
    ),
    instead(
        "grader_faked",
        "puts a grader of its own in the place of the one that the tests import",
        """
import types

class Anything(types.ModuleType):
    share = 1.0
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *args, **more):
        return self

for name in ("autograder", "autograder.bn_helper", "autograder.bn_helper.calls", "autograder.bn_helper.given",
             "autograder.bn_helper.judge", "autograder.checks", "autograder.checks.grader", "solutions"):
    sys.modules[name] = Anything(name)
""",
        gains=20,
    ),
    instead(
        "import_replaced",
        "replaces the import statement",
        """
import builtins, types
real = builtins.__import__
fake = types.SimpleNamespace(share=1.0, message=lambda *_: "right")

def importing(name, *args, **more):
    module = real(name, *args, **more)
    grader = sys.modules.get("autograder.checks.grader")
    if hasattr(grader, "verdict"):
        grader.verdict = lambda *_: fake
    return module

builtins.__import__ = importing
""",
        gains=20,
    ),
    instead("judge_patched", "patches the comparison of the checks", _NO_DIFFERENCE + _ANYTHING, gains=20),
    instead(
        "helper_patched",
        "patches the helper under both its names, and its given forward pass",
        """
def cheat():
    import bn_helper
    bn_helper.check = lambda *_: None
    bn_helper.batchnorm_forward = lambda x, *_: (x, None)
    for name, module in list(sys.modules.items()):
        if "bn_helper" in name:
            vars(module).update(first_difference=lambda *_: None, check=lambda *_: None)
"""
        + _ANYTHING,
        gains=20,
    ),
    instead(
        "numpy_patched",
        "patches what compares numbers in NumPy",
        """
def cheat():
    np.abs = np.absolute = lambda a, *_, **__: np.zeros(np.shape(a))
    np.allclose = np.array_equal = lambda *_, **__: True
    np.testing.assert_allclose = np.testing.assert_array_equal = lambda *_, **__: None
"""
        + _ANYTHING,
        gains=19,
    ),
    instead(
        "builtins_patched",
        "patches zip where it is used to compare",
        """
import builtins
real = builtins.zip

def short(*args, **more):
    caller = sys._getframe(1).f_globals.get("__name__", "")
    return iter(()) if caller.endswith("judge") else real(*args, **more)

def cheat():
    builtins.zip = short
"""
        + _ANYTHING,
        gains=20,
    ),
    instead(
        "warnings_patched",
        "patches the warnings module, which is entered around each call",
        _NO_DIFFERENCE
        + """
import warnings

class Catching(warnings.catch_warnings):
    def __exit__(self, *error):
        if "autograder.bn_helper.judge" in sys.modules:
            patch()
        return super().__exit__(*error)

patch, cheat = cheat, lambda: None
warnings.catch_warnings = Catching
"""
        + _ANYTHING,
        gains=20,
    ),
    instead(
        "traceback_patched",
        "patches the traceback and copy modules, which are used to tell of an error",
        """
import copy, traceback
real = traceback.extract_tb

def extracting(*args, **more):
    judge = sys.modules.get("autograder.bn_helper.judge")
    if judge is not None:
        judge.first_difference = lambda *_: None
        judge._try_claim = lambda *_: None
    return real(*args, **more)

traceback.extract_tb = extracting
copy.copy = copy.deepcopy = lambda value, *_: value

def cheat():
    1 / 0
"""
        + _ANYTHING,
        gains=12,
    ),
    instead(
        "expected_values_in_a_frame",
        "walks up the frames to the expected values",
        """
def batchnorm_forward(x, gamma, beta, bn_param):
    frame = sys._getframe()
    while frame.f_code.co_name != "_try_claim":
        frame = frame.f_back
    right = frame.f_locals["expected"].notes[len(frame.f_locals["seen"])]
    for name in ("running_mean", "running_var"):
        after = [value for key, value in right.items() if key.startswith(name)]
        if after:
            count = bn_param.get("count " + name, 0)
            bn_param[name], bn_param["count " + name] = after[min(count, len(after) - 1)], count + 1
    return right.get("out of a batch of one" if len(x) == 1 else "out", x * 0), None
""",
        gains=17,
    ),
    instead(
        "judges_collected",
        "finds the grader's objects through the garbage collector",
        """
def cheat():
    for thing in gc.get_objects():
        if type(thing).__name__ == "Judge":
            verdict = sys.modules["autograder.bn_helper.judge"].Verdict
            parts = sys.modules["autograder.bn_helper.parts"].PARTS
            type(thing)._try_part = lambda self, part: verdict(parts[part], 1.0)
            return
    raise LookupError
"""
        + _ANYTHING,
        gains=12,
    ),
    instead(
        "solutions_imported",
        "imports the reference during a call, when the path leads there",
        """
def batchnorm_forward(*args):
    from solutions import batchnorm_forward
    return batchnorm_forward(*args)
""",
        gains=20,
    ),
    instead(
        "trace",
        "sets a trace function that changes what the comparison returns",
        """
def cheat():
    def trace(frame, event, arg):
        if frame.f_code.co_name == "first_difference":
            frame.f_globals["first_difference"] = lambda *_: None
        return None
    sys.settrace(trace)
    sys.setprofile(trace)
"""
        + _ANYTHING,
        gains=12,
    ),
    instead(
        "kernel_messages",
        "sends a result of its own on the kernel's channel",
        """
def batchnorm_forward(x, gamma, beta, bn_param):
    kernel = get_ipython().kernel
    kernel.session.send(
        kernel.iopub_socket, "execute_result",
        content={"data": {"text/plain": "'right'"}, "metadata": {}, "execution_count": 1},
        parent=kernel.get_parent(), ident=b"execute_result",
    )
""",
        gains=20,
    ),
    Case(
        "backward_frames",
        "backward: walks up the frames to the expected values, for every function",
        {
            name: TOOLS
            + f"""
def right():
    frame = sys._getframe()
    while frame.f_code.co_name != "_try_claim":
        frame = frame.f_back
    return frame.f_locals["expected"].notes[len(frame.f_locals["seen"])]

def {name}(*args):
    notes = right()
    dx, dgamma, dbeta = (next((v for k, v in notes.items() if k.startswith(n)), np.zeros(1))
                         for n in ("dx", "dgamma", "dbeta"))
    return {"dx, dgamma, dbeta" if name.startswith("batchnorm") else "next(iter(notes.values()))"}
"""
            for name in RIGHT_BACKWARD
        },
        assignment="backward",
        gains=24,
    ),
    Case(
        "backward_reference",
        "backward: imports the reference from the checks during a call",
        {
            name: f"def {name}(*args):\n    from autograder.checks.topics.batchnorm.reference import REFERENCE\n"
            f"    return REFERENCE[{name!r}](*args)"
            for name in RIGHT_BACKWARD
        },
        assignment="backward",
        gains=24,
    ),
    Case(
        "backward_marks_forged",
        "backward: puts out a mark in every call",
        {name: f"{TOOLS}\ndef {name}(*args):\n    forge('right')" for name in RIGHT_BACKWARD},
        assignment="backward",
        gains=24,
    ),
    Case(
        "backward_numpy_patched",
        "backward: patches NumPy, and returns arrays of the right shapes",
        {
            **{
                name: f"""
def {name}(first, second, *rest):
    np.abs = lambda a, *_, **__: np.zeros(np.shape(a))
    return first if {name in ("backward_x_hat", "backward_x")} else first[0]
"""
                for name in RIGHT_BACKWARD
            },
            "batchnorm_backward": """
def batchnorm_backward(dout, cache):
    np.abs = lambda a, *_, **__: np.zeros(np.shape(a))
    return dout, dout[0], dout[0]
""",
            "batchnorm_backward_alt": "batchnorm_backward_alt = batchnorm_backward",
        },
        assignment="backward",
        gains=24,
    ),
    Case(
        "backward_forward_replaced",
        "backward: brings a forward pass of its own whose cache and result are empty",
        {
            **{name: f"def {name}(*args):\n    return args[0]" for name in RIGHT_BACKWARD},
            "batchnorm_backward": """
def batchnorm_forward(x, gamma, beta, bn_param):
    return x * 0, (x * 0, gamma * 0)

def batchnorm_backward(dout, cache):
    return cache[0], cache[1], cache[1]
""",
            "batchnorm_backward_alt": "def batchnorm_backward_alt(dout, cache):\n    return 0 * dout, dout[0], dout[0]",
        },
        assignment="backward",
    ),
    instead(
        "equal_to_everything",
        "returns objects that say they are equal to everything, and arrays that lie when compared",
        """
class Equal:
    shape, dtype, size, ndim = (7, 4), np.dtype(float), 28, 2
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __float__(self): return 0.0
    def __array__(self, *_, **__): return np.zeros((7, 4))
    def __getattr__(self, name): return self
    def __call__(self, *_, **__): return self

class Lying(np.ndarray):
    def __array_ufunc__(self, *_, **__): return np.zeros(self.shape)
    def __array_function__(self, *_, **__): return True
    def __eq__(self, other): return True
    def __array_finalize__(self, other): pass

def batchnorm_forward(x, gamma, beta, bn_param):
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = bn_param["running_var"] = gamma.view(Lying)
        return x.view(Lying), Equal()
    return Equal(), Equal()
""",
        honest={"batchnorm_forward-mode": 0.5},  # a missing mode is refused
    ),
    instead(
        "types_that_lie",
        "returns objects whose class and type name lie",
        """
class Lie:
    __class__ = np.ndarray
    def __len__(self): return 2
    def __iter__(self): return iter((np.zeros((7, 4)), None))

class Pair(tuple):
    def __len__(self): return 2
    def __getitem__(self, at): return np.zeros((7, 4))

def batchnorm_forward(x, gamma, beta, bn_param):
    return Lie() if len(x) > 5 else Pair()
""",
    ),
    instead(
        "exceptions_that_lie",
        "raises objects whose texts and names cannot be told",
        """
class Meta(type):
    __name__ = property(lambda cls: 10**6000)

class Lie(ValueError, metaclass=Meta):
    def __str__(self): raise SystemExit(3)
    def __repr__(self): raise KeyboardInterrupt

def batchnorm_forward(x, gamma, beta, bn_param):
    raise Lie()
""",
    ),
    instead(
        "strange_results",
        "returns nan, huge shapes, empty arrays, text, nothing",
        """
count = 0

def batchnorm_forward(x, gamma, beta, bn_param):
    global count
    count += 1
    strange = [np.full(x.shape, np.nan), np.zeros((0, 2**40)), np.zeros((1,) * 60),
               np.broadcast_to(0.0, (10**6, 10**6)),
               np.array(["x"]), np.array([None]), x.astype(complex), np.float64("inf"), np.full(x.shape, 1e300) * 1e300,
               np.ma.masked_all(x.shape), np.rec.array([(1, 2.0)]), np.array(np.datetime64("2000")), -1, None]
    return strange[count % len(strange)], strange
""",
    ),
    instead(
        "the_visible_looked_up",
        "looks up the expected values of the visible inputs in the helper's file",
        """
import json
table = json.loads(Path("bn_helper/expected.json").read_text())

def batchnorm_forward(x, gamma, beta, bn_param):
    for number, probe in enumerate(table["probes"]):
        if np.array_equal(x, probe["x"]):
            notes = table["expected"]["batchnorm_forward-train"]["out is right in train mode"]["notes"][number]
            return np.array(notes["out"]), None
    return np.zeros_like(x), None
""",
    ),
    Case(
        "input_returned",
        "right, but the result is written into x, which is returned",
        {
            "batchnorm_forward": TOOLS
            + RIGHT_FORWARD
            + """
right = batchnorm_forward

def batchnorm_forward(x, gamma, beta, bn_param):
    x[...], cache = right(x, gamma, beta, bn_param)
    return x, cache
"""
        },
        # "x, gamma and beta are not modified" has an eighth of 8, "a call in test mode changes nothing" a quarter of 4
        honest={**full("forward"), "batchnorm_forward-train": 7.0, "batchnorm_forward-test": 3.0},
    ),
    beside_right(
        "neighbours_of_one_process",
        "patches the packages of its own process for whoever comes next",
        """
import json, warnings
real_sqrt = np.sqrt
import IPython, matplotlib
if not ON_STOCK:
    json.dumps = matplotlib.use = IPython.get_ipython = lambda *_, **__: None
    sys.path[:] = []
""",
    ),
]
