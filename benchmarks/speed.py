"""Measure how fast a class is graded, beside stock nbgrader and plain forked execution, in one run.

    python -m benchmarks.speed [--classes 20 200 2000] [--stock 20] [--plain 60]

Every submission is the whole notebook of `backward`, pictures included, four of five right. Stock nbgrader runs tests
of the classical kind, literal arrays compared in the student's kernel. Plain execution is the bound: warm processes, as
many as there are workers, that have run the first cells, fork for each submission, run the same other cells in the same
shell and call the very checks in place: no jail, no second process, no rebuilt notebook, no gradebook. The checks' own
arithmetic is what these checks take in such a process.
"""

import argparse
import contextlib
import gc
import io
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from autograder.builder.build import build
from autograder.course import Course
from autograder.engine.marking import opening_of
from autograder.engine.pool import cores
from solutions import backward_mu, backward_var, backward_x, backward_x_hat, batchnorm_backward, batchnorm_forward

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_suffix(".md")
ASSIGNMENT = "backward"
_TICK = os.sysconf("SC_CLK_TCK")


# The class


def make_class(course: Course, count: int) -> None:
    """Hand in `count` submissions; every fifth has forgotten gamma in its backward pass."""
    from inspect import getsource

    functions = {f.__name__: getsource(f) for f in (backward_x_hat, backward_var, backward_mu, backward_x)}
    right = functions | {"batchnorm_backward": getsource(batchnorm_backward), "batchnorm_backward_alt": _ALT}
    wrong = right | {"backward_x_hat": right["backward_x_hat"].replace("dout * gamma", "dout * 1.0")}
    texts = [_solved(course, functions) for functions in (right, wrong)]
    for number in range(count):
        folder = course.root / "submitted" / f"s{number:05}" / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_text(texts[number % 5 == 4], encoding="utf-8")


_ALT = """
def batchnorm_backward_alt(dout, cache):
    return batchnorm_backward(dout, cache)
"""


def _solved(course: Course, functions: dict[str, str]) -> str:
    notebook = nbformat.read(course.release(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = functions.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    return nbformat.writes(notebook)


# Stock nbgrader


def stock_course(root: Path, built: Course) -> Course:
    """Make a course of the same assignment with tests of the classical kind, for nbgrader as it comes."""
    course = Course(root)
    shutil.copytree(built.source(ASSIGNMENT), course.source(ASSIGNMENT))
    (root / "nbgrader_config.py").write_text(f"c = get_config()\nc.CourseDirectory.root = {str(root)!r}\n")
    path = course.source(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade") and not about.get("solution"):
            cell.source = classical_test(about["grade_id"])
    nbformat.write(notebook, path)
    _nbgrader(course, "generate_assignment", ASSIGNMENT)
    return course


def classical_test(part: str) -> str:
    """Return a hidden test that compares with literal arrays."""
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(2, 7, 4))
    gamma, beta, eps = rng.normal(size=4), rng.normal(size=4), 0.1
    mu, var = x.mean(axis=0), x.var(axis=0)
    _, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
    gradients = dict(zip(("dx", "dgamma", "dbeta"), batchnorm_backward(dout, cache), strict=True))
    function, _, what = part.rpartition("-")
    given = {"dout": dout, "gamma": gamma, "x": x, "mu": mu, "var": var, "beta": beta}
    calls = {
        "backward_x_hat": ("backward_x_hat(dout, gamma)", dout * gamma),
        "backward_var": (f"backward_var(dout, x, mu, var, {eps})", backward_var(dout, x, mu, var, eps)),
        "backward_mu": (f"backward_mu(dout, gamma, x, mu, var, {eps})", backward_mu(dout, gamma, x, mu, var, eps)),
        "backward_x": (
            f"backward_x(dout, gamma, beta, x, mu, var, {eps})",
            backward_x(dout, gamma, beta, x, mu, var, eps),
        ),
    }
    forward = f'batchnorm_forward(x, gamma, beta, {{"mode": "train", "eps": {eps}}})[1]'
    call, expected = calls.get(function, (f"{function}(dout, {forward})", gradients.get(what)))
    index = "" if function in calls else f"[{list(gradients).index(what)}]"
    lines = [f"{name} = np.array({value.tolist()!r})" for name, value in given.items()]
    lines.append(f"np.testing.assert_allclose({call}{index}, np.array({np.asarray(expected).tolist()!r}), rtol=1e-6)")
    return "\n".join(["### BEGIN HIDDEN TESTS", "import numpy as np", *lines, "### END HIDDEN TESTS"])


def _nbgrader(course: Course, *arguments: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "IPYTHONDIR": str(course.root / "ipython")}
    subprocess.run(
        ["nbgrader", *arguments], cwd=course.root, env=environment, capture_output=True, text=True, check=True
    )


# Plain forked execution


@dataclass(frozen=True)
class Plain:
    """Plain execution: for each submission seconds on the clock, of CPU, and of CPU in the checks."""

    wall: float
    cpu: float
    checks: float


@dataclass(frozen=True)
class _Cell:
    part: str  # if it is a check
    solution: bool
    source: str


def plain(course: Course, count: int, pictures: bool) -> Plain:
    """Grade submissions in forks of this process, the first five of the class by turns."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    import matplotlib.pyplot  # noqa: F401 - loaded before the forks

    from autograder.bn_helper.calls import LocalCall
    from autograder.checks import grader
    from autograder.engine.student_side.pictures import install
    from autograder.engine.student_side.student import Shell

    install()
    shell, folder = Shell(), course.source(ASSIGNMENT)
    if not pictures:
        shell.hide_plots()
    os.chdir(folder)
    sys.path.append(str(folder))
    template = nbformat.read(course.release(ASSIGNMENT) / f"{ASSIGNMENT}.ipynb", as_version=4)
    opening = opening_of(template, {}).cells
    for source in opening:
        shell.run(source, 60.0)
    notebooks = sorted((course.root / "submitted").glob(f"*/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"))[:5]
    submitted = [_cells(path)[len(opening) :] for path in notebooks]

    def check(part: str, names: dict[str, Any]) -> None:
        grader.verdict(part, LocalCall({**names, **_helper_functions()}), "a secret of many characters", ASSIGNMENT)

    checks = []
    for _ in range(4):  # the first time works out what is right, once for all
        begun = time.process_time()
        for cells in submitted:
            names = dict(shell.ipython.user_ns)
            for cell in cells:
                if cell.solution:
                    exec(cell.source, names)
                elif cell.part:
                    check(cell.part, names)
        checks.append((time.process_time() - begun) / len(submitted))
    gc.collect()
    gc.freeze()

    def fork(cells: list[_Cell]) -> float:
        child = os.fork()
        if child == 0:
            for cell in cells:
                if cell.part:
                    check(cell.part, shell.ipython.user_ns)
                else:
                    shell.run(cell.source, 60.0)
            os._exit(0)
        _, _, usage = os.wait4(child, 0)
        return usage.ru_utime + usage.ru_stime

    fork(submitted[0])
    begun, before = time.perf_counter(), time.process_time()
    cpu = sum(fork(submitted[number % len(submitted)]) for number in range(count))
    forking = time.process_time() - before
    return Plain((time.perf_counter() - begun) / count, (cpu + forking) / count, min(checks))


def _cells(path: Path) -> list[_Cell]:
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [_cell(cell.metadata.get("nbgrader", {}), cell.source) for cell in code]


def _cell(about: dict[str, Any], source: str) -> _Cell:
    solution = bool(about.get("solution"))
    return _Cell(about["grade_id"] if about.get("grade") and not solution else "", solution, source)


def _helper_functions() -> dict[str, Any]:
    import bn_helper

    return {f"bn_helper.{name}": value for name, value in vars(bn_helper).items() if callable(value)}


def measure_plain(course: Course, count: int, pictures: bool, workers: int) -> Plain:
    """Run plain execution in as many processes as there are workers; return what one submission takes of all."""
    each = max(count // workers, 1)
    code = (
        "import sys\nfrom pathlib import Path\nfrom autograder.course import Course\n"
        "from benchmarks.speed import plain\n"
        f"measured = plain(Course(Path({str(course.root)!r})), {each}, {pictures})\n"
        "print(measured.wall, measured.cpu, measured.checks, file=sys.__stdout__)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    told = np.array([process.communicate()[0].split() for process in processes], dtype=float)
    wall, cpu, checks = told.mean(axis=0)
    return Plain(wall / workers, cpu, checks)


# This grader


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds on the clock, of CPU by the writer, its workers and the jail, bytes of memory."""

    wall: float
    writer: float
    workers: float
    jail: float
    memory: list[int]

    @property
    def parts(self) -> tuple[float, float, float, float]:
        return self.wall, self.writer, self.workers, self.jail

    @property
    def cpu(self) -> float:
        return self.writer + self.workers + self.jail


def graded(course: Course, workers: int, *options: str, pictures: bool = True) -> Run:
    """Run `python -m autograder grade` and look at all of its processes while it works."""
    code = (
        "import sys\nfrom autograder.__main__ import main\nfrom benchmarks.speed import cpu_of_all\n"
        "from autograder.course import Course\nfrom pathlib import Path\n"
        f"config = Course(Path({str(course.root)!r})).config\nconfig.Course.pictures = {pictures}\n"
        "Course.config = config\n"
        "status = main(sys.argv[1:])\nprint('cpu', *cpu_of_all())\nsys.exit(status)"
    )
    command = [sys.executable, "-c", code, "grade", ASSIGNMENT, "--course", str(course.root)]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--workers", str(workers), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    memory: list[int] = []
    watch = threading.Thread(target=_watch, args=(process, memory))
    watch.start()
    told = process.communicate()[0]
    wall = time.perf_counter() - begun
    watch.join()
    if process.returncode != 0:
        raise SystemExit(f"grading failed:\n{told[-2000:]}")
    writer, worked, jail = map(float, told.split()[-3:])
    return Run(wall, writer, worked, jail, memory)


def _watch(process: subprocess.Popen[str], memory: list[int]) -> None:
    while process.poll() is None:
        memory.append(sum(map(_pss, below(process.pid))))
        time.sleep(0.5)


def _pss(process: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def below(process: int) -> set[int]:
    """Return a process and all below it."""
    parents = {pid: int(words[1]) for pid, words in _processes()}
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_of_all() -> tuple[float, float, float]:
    """Return the CPU seconds of this process, of the workers that it has had, and of the jail below it."""
    own = os.times()
    jail = below(os.getpid()) - {os.getpid()}
    ticks = sum(sum(map(int, words[11:15])) for pid, words in _processes() if pid in jail)
    return own.user + own.system, own.children_user + own.children_system, ticks / _TICK


def _processes() -> Iterator[tuple[int, list[str]]]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(status.parent.name), status.read_text().rpartition(")")[2].split()


def timed(code: str) -> float:
    """Return how many seconds a process takes to run code."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - begun


def process_seconds(course: Course, count: int) -> float:
    """Return the CPU seconds that it takes to fork, isolate and end a submission's process."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom autograder.course import Course\n"
        "from autograder.engine.break_out import launched_jail\nfrom autograder.engine.pipeline import Grader\n"
        "from autograder.engine.session import Session\nfrom benchmarks.speed import cpu_of_all\n"
        f"grader = Grader(Course(Path({str(course.root)!r})), {ASSIGNMENT!r}, launched_jail())\n"
        "opening = grader.marker.opening\nSession(grader.jail, opening.files, opening=opening).close()\n"
        "before = sum(cpu_of_all())\n"
        f"for _ in range({count}):\n    Session(grader.jail, opening.files, opening=opening).close()\n"
        f"print((sum(cpu_of_all()) - before) / {count})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(run.stdout)


# The table


@dataclass(frozen=True)
class Each:
    """What one more submission takes: seconds on the clock, and of CPU by the writer, a worker and the jail."""

    wall: float
    writer: float
    worker: float
    jail: float

    @classmethod
    def between(cls, few: Run, many: Run, count: int) -> "Each":
        """Compare two runs of which the second graded so many more: what a start takes is left out."""
        seconds = zip(few.parts, many.parts, strict=True)
        return cls(*((larger - smaller) / count for smaller, larger in seconds))

    @property
    def cpu(self) -> float:
        return self.writer + self.worker + self.jail


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description="Measure how fast a class is graded.")
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 200, 2000], help="sizes of the classes")
    parser.add_argument("--stock", type=int, default=20, help="submissions for stock nbgrader")
    parser.add_argument("--plain", type=int, default=60, help="submissions for plain execution")
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    if len(set(options.classes)) < 2:
        parser.error("at least two classes: what a submission takes is told from their difference")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        lines = measured(Path(name), options)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measured(folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure everything; return the lines of the table."""
    sizes, workers = sorted(set(options.classes)), options.workers
    built = Course(folder / "built")
    with contextlib.redirect_stdout(io.StringIO()):
        build(built, [ASSIGNMENT])
    load = os.getloadavg()[0]

    (folder / "stock").mkdir()
    stock_class = stock_course(folder / "stock", built)
    make_class(stock_class, options.stock)
    begun, before = time.perf_counter(), _children()
    _nbgrader(stock_class, "autograde", ASSIGNMENT)
    stock = (time.perf_counter() - begun) / options.stock
    stock_cpu = (_children() - before) / options.stock

    runs: dict[int, tuple[Run, Run]] = {}
    for count in sizes:
        course = Course(folder / f"class-{count}")
        shutil.copytree(built.root, course.root)
        make_class(course, count)
        runs[count] = graded(course, workers), graded(course, workers)
    few, many = sizes[0], sizes[-1]
    small, middle = (folder / f"class-{size}" for size in sizes[:2])
    bound = measure_plain(Course(small), options.plain, True, workers)
    bare_bound = measure_plain(Course(small), options.plain, False, workers)
    bare = [graded(Course(root), workers, "--force", pictures=False) for root in (small, middle)]
    process = process_seconds(Course(small), 50)
    begun = time.perf_counter()
    _nbgrader(stock_class, "generate_feedback", ASSIGNMENT)
    stock_pages = (time.perf_counter() - begun) / options.stock
    our_pages = (
        timed(
            "import sys; from autograder.__main__ import main; "
            f"sys.exit(main(['feedback', {ASSIGNMENT!r}, '--course', {str(small)!r}]))"
        )
        / few
    )

    each = Each.between(runs[few][0], runs[many][0], many - few)
    without = Each.between(bare[0], bare[1], sizes[1] - few)
    again = (runs[many][1].wall - runs[few][1].wall) / (many - few)

    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    row = partial(_row, stock=stock, bound=bound)
    lines = [
        "# How fast a class is graded",
        "",
        f"Measured by `make bench` on {now}: {_machine()}, {workers} workers, load {load:.1f} when it began.",
        f"The assignment is `{ASSIGNMENT}`, with its pictures; every fifth submission is wrong. In plain execution "
        f"{workers} warm processes fork for each submission, run the cells behind the first ones and call the checks "
        f"in place. The checks alone take {_ms(bound.checks)} of CPU, which `beyond the checks` leaves out.",
        "",
        "| what | submissions | seconds in all | ms for each | CPU ms for each | beyond the checks | faster than stock "
        "| plain, times |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        row("stock `nbgrader autograde`", options.stock, stock, stock_cpu),
        row("plain forked execution", options.plain, bound.wall, bound.cpu, bound.checks),
    ]
    for count, (first, rerun) in runs.items():
        what = "`python -m autograder grade`, start included"
        lines.append(row(what, count, first.wall / count, first.cpu / count, bound.checks))
        lines.append(f"| the same again, nothing changed | {count} | {rerun.wall:.1f} | | | | | |")
    lines += [
        row("each further submission", many - few, each.wall, each.cpu, bound.checks),
        row("plain forked execution without pictures", options.plain, bare_bound.wall, bare_bound.cpu, bound.checks),
        row("each further submission without pictures", sizes[1] - few, without.wall, without.cpu, bound.checks),
        "",
    ]
    pairs = [(runs[b][0].wall - runs[a][0].wall) / (b - a) for a, b in itertools.pairwise(sizes)]
    steps = [f"{_ms(wall)} from {a} to {b}" for wall, (a, b) in zip(pairs, itertools.pairwise(sizes), strict=True)]
    largest = runs[many][0].memory
    quarter = max(len(largest) // 4, 1)
    early, late = (float(np.median(part)) / workers for part in (largest[quarter : 2 * quarter], largest[-quarter:]))
    pictures = each.cpu - without.cpu
    cells = without.jail - 2 * process
    lines += [
        "## Where the time goes",
        "",
        f"One more submission takes {_ms(each.cpu)} of CPU. Of these, {_ms(pictures)} draw the notebook's pictures, "
        f"which takes {_ms(bound.cpu - bare_bound.cpu)} in plain execution. The other {_ms(without.cpu)} are: "
        f"{_ms(2 * process)} to fork, isolate and end two processes; {_ms(cells)} in them, to run the cells twice and "
        f"to answer the checks' calls; {_ms(without.worker)} in the worker, to read and rebuild the notebook, to ask, "
        f"and to compare; {_ms(without.writer)} in the one process that saves marks. "
        f"What one more submission takes on the clock, by the size of the class: {', '.join(steps)}.",
        "",
        "## Goals",
        "",
        "| goal | measured | |",
        "|---|---|---|",
        _goal("25 ms of CPU at most beyond the checks' own arithmetic", 1e3 * (each.cpu - bound.checks), 25, "ms"),
        _goal("the same without pictures", 1e3 * (without.cpu - bound.checks), 25, "ms"),
        _goal("a fiftieth of stock nbgrader's time at most", stock / each.wall, 50, "times as fast", least=True),
        _goal("the same without pictures", stock / without.wall, 50, "times as fast", least=True),
        _goal("2.5 times plain execution at most", each.wall / bound.wall, 2.5, "times"),
        _goal("the same without pictures", without.wall / bare_bound.wall, 2.5, "times"),
        _goal("150 MB (PSS) at most for each worker, with its share of jail and writer", late / 1e6, 150, "MB"),
        _goal("flat memory: from the second quarter of the largest class to the last", late / early, 1.05, "times"),
        _goal("one more submission costs no more in the largest class", pairs[-1] / pairs[0], 1.1, "times"),
        _goal("a rerun of an unchanged submission costs nothing", 1e3 * again, 1, "ms"),
        _goal("feedback pages no slower than `nbgrader generate_feedback`", our_pages / stock_pages, 1, "times"),
        "",
        f"A feedback page, start included: {_ms(stock_pages)} by stock `nbgrader generate_feedback` for "
        f"{options.stock}, {_ms(our_pages)} by `python -m autograder feedback` for {few}. "
        f"Memory was {max(largest) / workers / 1e6:.0f} MB for "
        "each worker at most.",
    ]
    return lines


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _row(what: str, count: int, wall: float, cpu: float, checks: float = 0.0, *, stock: float, bound: Plain) -> str:
    beyond = f"{1e3 * (cpu - checks):.0f}" if checks else ""
    return (
        f"| {what} | {count} | {wall * count:.1f} | {1e3 * wall:.0f} | {1e3 * cpu:.0f} | {beyond} "
        f"| {stock / wall:.1f} | {wall / bound.wall:.2f} |"
    )


def _goal(goal: str, value: float, limit: float, unit: str, least: bool = False) -> str:
    reached = value >= limit if least else value <= limit
    by = limit / value if least else value / limit
    return f"| {goal} | {value:.3g} {unit} | {'reached' if reached else f'missed by a factor of {by:.1f}'} |"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms"


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{cores()} cores of {names[0] if names else platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
