"""Hostile and broken submissions, and cheats: each with the marks that its honest part deserves, declared by hand.

A case says what is in its notebook, what each part honestly deserves (`honest`), and what it does on stock nbgrader,
where the checks run in the student's kernel: `gains` are the points that it gets there beyond the honest ones, `harm`
the points that two right submissions beside it lose there. Both were measured, and `pytest -m soak` measures them
again. A case with neither does not count among the forty, nor does one whose gain is borrowed from another cheat:
it is kept because it tries the engine.

The code is harmless to a machine on which it runs outside a jail: bombs are small, and what is written, locked or
ended belongs to a course folder that holds a file named `red-team-course`.
"""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POINTS = {
    "forward": {
        "batchnorm_forward-train": 8.0,
        "batchnorm_forward-running": 5.0,
        "batchnorm_forward-test": 4.0,
        "batchnorm_forward-mode": 1.0,
        "batchnorm_forward-offset": 2.0,
    },
    "backward": {
        "backward_x_hat-value": 1.0,
        "backward_var-value": 3.0,
        "backward_mu-value": 3.0,
        "backward_x-value": 3.0,
        "batchnorm_backward-dx": 4.0,
        "batchnorm_backward-dgamma": 2.0,
        "batchnorm_backward-dbeta": 1.0,
        "batchnorm_backward_alt-dx": 4.0,
        "batchnorm_backward_alt-dgamma": 2.0,
        "batchnorm_backward_alt-dbeta": 1.0,
    },
}

RIGHT_FORWARD = """
def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        for name, value in (("running_mean", mu), ("running_var", var)):
            bn_param[name] = momentum * bn_param.get(name, np.zeros_like(value)) + (1 - momentum) * value
    elif mode == "test":
        mu, var = bn_param["running_mean"], bn_param["running_var"]
    else:
        raise ValueError(f"unknown mode {mode!r}")
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - mu) * inv_std
    return gamma * x_hat + beta, (x, x_hat, mu, var, inv_std, gamma, eps)
"""

RIGHT_BACKWARD = {
    "backward_x_hat": "def backward_x_hat(dout, gamma):\n    return dout * gamma",
    "backward_var": (
        "def backward_var(dx_hat, x, mu, var, eps):\n"
        "    return -0.5 * (dx_hat * (x - mu)).sum(axis=0) * (var + eps) ** -1.5"
    ),
    "backward_mu": (
        "def backward_mu(dx_hat, dvar, x, mu, var, eps):\n"
        "    return -dx_hat.sum(axis=0) / np.sqrt(var + eps) - 2 * dvar * (x - mu).mean(axis=0)"
    ),
    "backward_x": (
        "def backward_x(dx_hat, dvar, dmu, x, mu, var, eps):\n"
        "    return dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / len(x) + dmu / len(x)"
    ),
    "batchnorm_backward": """
def batchnorm_backward(dout, cache):
    x, x_hat, mu, var, inv_std, gamma, eps = cache
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    return gamma * inv_std * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout)), dgamma, dbeta
""",
    "batchnorm_backward_alt": """
def batchnorm_backward_alt(dout, cache):
    return batchnorm_backward(dout, cache)
""",
}

# What attacks have at hand. On stock nbgrader `forge` is the whole cheat: the first value that a test cell puts out is
# taken for its mark, whoever put it out, and whatever happens afterwards.
TOOLS = """
import gc, os, signal, socket, struct, sys, threading, time
import numpy as np
from pathlib import Path

# There a cell is stopped after six seconds; whoever goes on for eight has gone on for too long.
ON_STOCK = type(get_ipython()).__name__ == "ZMQInteractiveShell"
COURSE = next((path for path in Path.cwd().parents if (path / "red-team-course").is_file()), None)


def for_ever():
    end = time.monotonic() + 8
    while not ON_STOCK or time.monotonic() < end:
        yield


def forge(points):
    get_ipython().displayhook(points)


def tried(*ways):
    for way in ways:
        try:
            way()
        except Exception:
            pass
"""


@dataclass(frozen=True)
class Case:
    """One submission.

    Attributes
    ----------
    name, about : what it is called, and what it tries
    cells : mapping from a grade id to the text of that cell
    honest : mapping from a part to what it deserves; a part that is not named deserves nothing
    gains, harm : what it does on stock nbgrader, in points
    among : whether it is graded there among right submissions, for it needs them or harms them
    borrows : whether what it gains there comes from a mark that it forges before the attack begins
    change : done to the notebook, which is given as JSON
    files : lays files beside the notebook, in the folder that is given
    leaks : whether it tries to tell hidden inputs
    """

    name: str
    about: str
    cells: Mapping[str, str]
    honest: Mapping[str, float] = field(default_factory=dict)
    assignment: str = "forward"
    gains: float = 0.0
    harm: float = 0.0
    among: bool = False
    borrows: bool = False
    change: Callable[[dict[str, Any]], None] | None = None
    files: Callable[[Path], None] | None = None
    leaks: bool = False

    @property
    def counts(self) -> bool:
        return (self.gains > 0 and not self.borrows) or self.harm > 0


def full(assignment: str, *but: str) -> dict[str, float]:
    """Return the points of an assignment, without those of some parts."""
    return {part: points for part, points in POINTS[assignment].items() if part not in but}


def in_test_mode(name: str, about: str, attack: str, **more: Any) -> Case:
    """Make a case that is right but for test mode, where a check's call runs an attack and gets zeros."""
    source = f"""{TOOLS}

def attack(x):
{textwrap.indent(textwrap.dedent(attack).strip(), "    ")}

{RIGHT_FORWARD}

right = batchnorm_forward


def batchnorm_forward(x, gamma, beta, bn_param):
    if bn_param.get("mode") == "test" and x.shape[1] > 2:
        attack(x)
        return np.zeros_like(x), None
    return right(x, gamma, beta, bn_param)
"""
    more = {"honest": full("forward", "batchnorm_forward-test"), "borrows": "forge(" in attack, **more}
    return Case(name, about, {"batchnorm_forward": source}, **more)


def instead(name: str, about: str, body: str, **more: Any) -> Case:
    """Make a case that runs code where `batchnorm_forward` should be written; it deserves nothing."""
    return Case(name, about, {"batchnorm_forward": TOOLS + textwrap.dedent(body)}, **more)


def beside_right(name: str, about: str, body: str, **more: Any) -> Case:
    """Make a case that runs code above a right `batchnorm_forward`; it deserves everything."""
    more = {"honest": full("forward"), **more}
    return Case(name, about, {"batchnorm_forward": TOOLS + textwrap.dedent(body) + RIGHT_FORWARD}, **more)


def right_notebook(assignment: str) -> Case:
    """Make the right submission of an honest neighbour."""
    cells = {"batchnorm_forward": RIGHT_FORWARD} if assignment == "forward" else RIGHT_BACKWARD
    return Case("neighbour", "right, and nothing else", cells, full(assignment), assignment)


def all_cases() -> list[Case]:
    """Return every case, in the order of the modules."""
    from red_team import cheats, exhausting, innocent, leaks, notebooks, reaching, wire

    modules = (exhausting, reaching, wire, cheats, leaks, notebooks, innocent)
    return [case for module in modules for case in module.CASES]
