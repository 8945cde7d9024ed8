"""Telling what hidden inputs were: by outputs, by messages, from one process to another. None of it helps on stock.

There the hidden tests stand in the feedback anyway. With the engine no digit may come through.
"""

from typing import Any

from red_team import RIGHT_FORWARD, TOOLS, Case, full

# Inputs whose shape no visible probe has are kept, those of all parts.
_KEEP = """
SEEN = []

def keep(x):
    if x.shape not in ((7, 4), (5, 3)) and x.shape[1] > 2 and len(x) > 1:
        SEEN.append(float(x.flat[0]))

def digits():
    return "_".join(repr(abs(value)).replace(".", "") for value in SEEN[-3:])
"""
_RIGHT = (
    RIGHT_FORWARD
    + """
right = batchnorm_forward
"""
)


def _told(name: str, about: str, body: str, later: str = "", honest: dict[str, float] | None = None) -> Case:
    """Make a case that keeps hidden inputs and tries to tell of them; `later` is a cell at the notebook's end."""

    def change(notebook: dict[str, Any]) -> None:
        if later:
            cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "id": "later"}
            notebook["cells"].append({**cell, "source": later})

    source = TOOLS + _KEEP + _RIGHT + body
    return Case(name, about, {"batchnorm_forward": source}, honest or {}, change=change, leaks=True)


_RIGHT_AND_KEEPS = """
def batchnorm_forward(x, gamma, beta, bn_param):
    keep(x)
    tell()
    return right(x, gamma, beta, bn_param)
"""

# Of train mode, what is tried before any hidden input was seen is right; a call that raises nothing also keeps x.
_FIRST = {"batchnorm_forward-train": 5.5}
_FIRST_AND_KEPT = {"batchnorm_forward-train": 7.0}

# Wrong on visible inputs too, once hidden ones were seen: messages about visible inputs are the fuller ones.
_WRONG = """
def batchnorm_forward(x, gamma, beta, bn_param):
    keep(x)
    if len(x) == 7 and SEEN:
        return tell(x, gamma, beta, bn_param)
    return right(x, gamma, beta, bn_param)
"""

CASES = [
    _told(
        "leak_by_a_cell",
        "prints in a later cell what it has kept, and raises it",
        "def tell(): pass" + _RIGHT_AND_KEEPS,
        "print(SEEN)\nfrom IPython.display import display\ndisplay({'text/plain': digits()}, raw=True)\n"
        "raise ValueError(digits())",
        full("forward"),
    ),
    _told(
        "leak_by_output_in_a_call",
        "prints, displays and logs during the call itself, and from a thread a little later",
        """
from IPython.display import display

def say():
    print(SEEN)
    print(SEEN, file=sys.stderr)
    display(digits())
    get_ipython().displayhook(digits())
    print(digits(), file=sys.__stdout__ or sys.stdout)

def tell():
    say()
    threading.Timer(0.05, say).start()
"""
        + _RIGHT_AND_KEEPS,
        "time.sleep(0.1)",
        full("forward"),
    ),
    _told(
        "leak_by_an_exception",
        "raises an exception whose class, text and base classes are named by hidden inputs",
        """
def tell(*_):
    raise type("x" + digits(), (type("y" + digits(), (ValueError,), {}),), {})(digits())
"""
        + _WRONG,
        honest=_FIRST,
    ),
    _told(
        "leak_by_a_class_without_base",
        "answers with an error none of whose names is known",
        """
if not ON_STOCK:
    sys.modules["student_side.student"]._describe = lambda error: {
        "kind": "x" + digits(), "kinds": ["x" + digits()], "text": digits(), "line": digits()}

def tell(*_):
    raise ValueError
"""
        + _WRONG.replace("len(x) == 7 and SEEN", "SEEN"),
    ),
    _told(
        "leak_by_a_line",
        "raises in code whose text and file name are made up from hidden inputs",
        """
import linecache

def tell(*_):
    text = "raise ValueError  # x" + digits()
    name = "x" + digits()
    linecache.cache[name] = (len(text), None, [text], name)
    exec(compile(text, name, "exec"))
"""
        + _WRONG,
        honest=_FIRST,
    ),
    _told(
        "leak_by_a_line_on_hidden_inputs",
        "the same in calls with hidden inputs",
        """
import linecache

def tell(*_):
    text = "raise ValueError  # x" + digits()
    linecache.cache["<mine>"] = (len(text), None, [text], "<mine>")
    exec(compile(text, "<mine>", "exec"))
"""
        + _WRONG.replace("len(x) == 7 and SEEN", "SEEN"),
    ),
    _told(
        "leak_by_a_type",
        "returns objects whose types are named by hidden inputs",
        """
def tell(x, *_):
    return type("x" + digits(), (), {})(), None
"""
        + _WRONG,
        honest=_FIRST,
    ),
    _told(
        "leak_by_a_shape",
        "returns arrays whose shapes are the digits of hidden inputs",
        """
def tell(x, *_):
    return np.zeros((0, int(repr(abs(SEEN[-1])).replace(".", "")[:15]))), None
"""
        + _WRONG,
        honest=_FIRST_AND_KEPT,
    ),
    _told(
        "leak_by_a_value",
        "returns hidden inputs where visible ones are asked for",
        """
def tell(x, *_):
    return np.full(x.shape, SEEN[-1]), None
"""
        + _WRONG,
        honest=_FIRST_AND_KEPT,
    ),
    _told(
        "leak_by_running_averages",
        "writes hidden inputs into the running averages that belong to visible ones",
        """
def tell(x, gamma, beta, bn_param):
    out = right(x, gamma, beta, bn_param)
    bn_param["running_mean"] = np.full(x.shape[1], SEEN[-1])
    bn_param["running_var"] = type("x" + digits(), (), {})()
    return out
"""
        + _WRONG,
        honest={**full("forward"), "batchnorm_forward-running": 0.0, "batchnorm_forward-test": 3.0},
    ),
    _told(
        "leak_by_warnings",
        "warns with hidden inputs as text and as category",
        """
import warnings

def tell():
    warnings.warn(digits(), type("x" + digits(), (UserWarning,), {}), stacklevel=1)
"""
        + _RIGHT_AND_KEEPS,
        "warnings.warn(digits())",
        full("forward"),
    ),
    _told(
        "leak_by_files",
        "writes hidden inputs wherever the other process might read: files, standard error, pipes, terminals, locks",
        """
import ctypes, fcntl

def lock(file):
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

def tell():
    text = digits().encode()
    for place in ("/tmp/leak", "/work/leak", "/dev/shm/leak", "/dev/mqueue/leak", "/packages/leak", "/jail/leak"):
        tried(lambda: ON_STOCK or Path(place).write_bytes(text))
    if not ON_STOCK:
        for number in (1, 2):
            tried(lambda: os.write(number, text))
        tried(lambda: globals().update(terminal=os.openpty()), lambda: os.write(terminal[0], text + b"\\n"))
        first = open("/packages/numpy/__init__.py")
        globals().update(first=first)
        tried(lambda: fcntl.fcntl(first, 6, struct.pack("hhqqi", 0, 0, int(text.split(b"_")[-1][:15] or 0), 1, 0)))
        tried(lambda: lock(first))
"""
        + _RIGHT_AND_KEEPS,
        """
for place in ("/tmp/leak", "/work/leak", "/dev/shm/leak", "/dev/mqueue/leak", "/packages/leak", "/jail/leak"):
    tried(lambda: print(Path(place).read_bytes()))
if not ON_STOCK:
    for number in range(3):
        tried(lambda: print(os.pread(number, 1000, 0)))
    for terminal in Path("/dev/pts").iterdir():
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tried(lambda: print(os.read(descriptor, 100)))
    file = open("/packages/numpy/__init__.py")
    tried(lambda: print(struct.unpack("hhqqi", fcntl.fcntl(file, 5, struct.pack("hhqqi", 1, 0, 0, 0, 0)))))
    try:
        lock(file)
    except PermissionError:
        pass
    except OSError:
        print("locked")
""",
        full("forward"),
    ),
]
