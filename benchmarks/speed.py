"""Measure how fast a class is graded, beside stock nbgrader and plain forked execution, in one run.

    python -m benchmarks.speed [--classes 20 200] [--stock 10] [--plain 20]

Every submission is the whole notebook of `backward`, pictures included, four of five right. Stock nbgrader runs tests
of the classical kind, literal arrays compared in the student's kernel. Plain execution forks a warm process for each
submission, which runs the same cells and calls the very checks in place: no jail, no second process, no gradebook.
"""

import argparse
import contextlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from autograder.builder.build import build
from autograder.course import Course
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


def plain(course: Course, pictures: bool = True) -> Callable[[], float]:
    """Return a function that grades one submission in a fork of this process, and returns the fork's CPU seconds."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    import matplotlib.pyplot  # noqa: F401 - loaded before the forks

    from autograder.bn_helper.calls import LocalCall
    from autograder.checks import grader
    from autograder.engine.student_side.student import Shell

    notebook = nbformat.read(course.root / "submitted" / "s00000" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    secret = "a secret of thirty-two characters"
    shell = Shell()
    if not pictures:
        shell.hide_plots()
    folder = course.source(ASSIGNMENT)

    def run() -> None:
        os.chdir(folder)
        sys.path.append(str(folder))
        for cell in notebook.cells:
            about = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code" and about.get("grade") and not about.get("solution"):
                names = {**shell.ipython.user_ns, **_helper_functions()}
                grader.verdict(about["grade_id"], LocalCall(names), secret, ASSIGNMENT)
            elif cell.cell_type == "code":
                shell.run(cell.source, 60.0)

    def fork() -> float:
        child = os.fork()
        if child == 0:
            run()
            os._exit(0)
        _, _, usage = os.wait4(child, 0)
        return usage.ru_utime + usage.ru_stime

    fork.expect = lambda: [  # type: ignore[attr-defined]
        grader.verdict(cell.metadata.nbgrader.grade_id, LocalCall({}), secret, ASSIGNMENT)
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade") and not cell.metadata.nbgrader.get("solution")
    ]
    return fork


def _helper_functions() -> dict[str, Any]:
    import bn_helper

    return {f"bn_helper.{name}": value for name, value in vars(bn_helper).items() if callable(value)}


def measure_plain(course: Course, count: int, pictures: bool) -> tuple[float, float]:
    """Return wall and CPU seconds of one submission, in a process of its own."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom autograder.course import Course\n"
        "from benchmarks.speed import plain\n"
        f"one = plain(Course(Path({str(course.root)!r})), {pictures})\none.expect()\none()\n"
        f"begun = time.perf_counter()\ncpu = sum(one() for _ in range({count}))\n"
        f"print((time.perf_counter() - begun) / {count}, cpu / {count}, file=sys.__stdout__)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wall, cpu = map(float, told.split())
    return wall, cpu


# This grader


@dataclass(frozen=True)
class Run:
    """One run of a command: seconds on the clock, of CPU, and bytes of memory at several moments."""

    wall: float
    cpu: float
    memory: list[int]


def graded(course: Course, workers: int, *options: str, pictures: bool = True) -> Run:
    """Run `python -m autograder grade` and look at all of its processes while it works."""
    code = (
        "import sys\nfrom autograder.__main__ import main\nfrom benchmarks.speed import cpu_of_all\n"
        "from autograder.course import Course\nfrom pathlib import Path\n"
        f"config = Course(Path({str(course.root)!r})).config\nconfig.Course.pictures = {pictures}\n"
        "Course.config = config\n"
        "status = main(sys.argv[1:])\nprint('cpu', cpu_of_all())\nsys.exit(status)"
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
    return Run(wall, float(told.split()[-1]), memory)


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


def cpu_of_all() -> float:
    """Return the CPU seconds of this process, of all below it, and of those among them that have ended."""
    family = below(os.getpid())
    return sum(sum(map(int, words[11:15])) for pid, words in _processes() if pid in family) / _TICK


def _processes() -> Iterator[tuple[int, list[str]]]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield int(status.parent.name), status.read_text().rpartition(")")[2].split()


def timed(code: str) -> float:
    """Return how many seconds a process takes to run code."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - begun


# The table


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description="Measure how fast a class is graded.")
    parser.add_argument("--classes", type=int, nargs="+", default=[20, 200], help="sizes of the classes")
    parser.add_argument("--stock", type=int, default=10, help="submissions for stock nbgrader")
    parser.add_argument("--plain", type=int, default=20, help="submissions for plain execution")
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        lines = measured(Path(name), options)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measured(folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure everything; return the lines of the table."""
    built = Course(folder / "built")
    with contextlib.redirect_stdout(io.StringIO()):
        build(built, [ASSIGNMENT])
    load = os.getloadavg()[0]

    (folder / "stock").mkdir()
    stock = stock_course(folder / "stock", built)
    make_class(stock, options.stock)
    begun = time.perf_counter()
    _nbgrader(stock, "autograde", ASSIGNMENT)
    stock_wall = (time.perf_counter() - begun) / options.stock

    one = Course(folder / "one")
    shutil.copytree(built.root, one.root)
    make_class(one, 1)
    plain_wall, plain_cpu = measure_plain(one, options.plain, pictures=True)
    bare_cpu = measure_plain(one, options.plain, pictures=False)[1]

    runs = {}
    for count in options.classes:
        course = Course(folder / f"class-{count}")
        shutil.copytree(built.root, course.root)
        make_class(course, count)
        first, again = graded(course, options.workers), graded(course, options.workers)
        runs[count] = (first, again)
    bare = graded(course, options.workers, "--force", pictures=False)
    start = runs[options.classes[0]][1]
    pages = min(options.classes)
    graded_class = folder / f"class-{pages}"
    stock_pages = timed(
        "from pathlib import Path; from autograder.course import Course; from autograder.nbgrader_runs import api; "
        f"assert api(Course(Path({str(graded_class)!r}))).generate_feedback({ASSIGNMENT!r})['success']"
    )
    shutil.rmtree(graded_class / "feedback")
    our_pages = timed(
        "import sys; from autograder.__main__ import main; "
        f"sys.exit(main(['feedback', {ASSIGNMENT!r}, '--course', {str(graded_class)!r}]))"
    )

    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        "# How fast a class is graded",
        "",
        f"Measured by `make bench` on {now}: {_machine()}, {options.workers} workers, load {load:.1f} when it began.",
        f"The assignment is `{ASSIGNMENT}`, with its pictures; every fifth submission is wrong.",
        "",
        "| what | submissions | seconds in all | ms for each | CPU ms for each | faster than stock | plain, times |",
        "|---|---:|---:|---:|---:|---:|---:|",
        _row("stock `nbgrader autograde`", options.stock, stock_wall * options.stock, None, stock_wall, plain_wall),
        _row("plain forked execution, one after the other", options.plain, plain_wall * options.plain, plain_cpu,
             stock_wall, plain_wall),
    ]  # fmt: skip
    for count, (first, again) in runs.items():
        cpu = (first.cpu - start.cpu) / count
        lines.append(
            _row("`python -m autograder grade`, start included", count, first.wall, cpu, stock_wall, plain_wall)
        )
        lines.append(f"| the same again, nothing changed | {count} | {again.wall:.1f} | | | | |")
    counts = sorted(runs)
    if len(counts) > 1:
        few, many = counts[0], counts[-1]
        wall = (runs[many][0].wall - runs[few][0].wall) / (many - few)
        cpu = (runs[many][0].cpu - runs[few][0].cpu) / (many - few)
        lines.append(_row("each further submission", many - few, wall * (many - few), cpu, stock_wall, plain_wall))
    else:
        cpu = (runs[counts[0]][0].cpu - start.cpu) / counts[0]
    bare_cpu_each = (bare.cpu - start.cpu) / options.classes[-1]
    lines.append(_row("without pictures", options.classes[-1], bare.wall, bare_cpu_each, stock_wall, plain_wall))
    largest = runs[counts[-1]][0].memory
    quarter = max(len(largest) // 4, 1)
    early, late = largest[quarter : 2 * quarter] or largest, largest[-quarter:]
    mega = 1e6 * options.workers
    lines += [
        "",
        "Memory (PSS) of the grader, its workers and the jail, for each worker: "
        f"{np.median(early) / mega:.0f} MB in the second quarter of the largest class, "
        f"{np.median(late) / mega:.0f} MB in the last, {max(largest) / mega:.0f} MB at most.",
        "",
        f"Where the time of a submission goes: plain execution takes {1e3 * plain_cpu:.0f} ms of CPU, of which "
        f"{1e3 * (plain_cpu - bare_cpu):.0f} ms draw the notebook's pictures. This grader takes {1e3 * cpu:.0f} ms, "
        f"{1e3 * (cpu - plain_cpu):+.0f} ms beside plain execution, with the cells run twice, in a jail each time. "
        "It is behind the first cells, whose outputs are the same for all, that submissions are forked.",
        "",
        f"Feedback pages of {pages} submissions, start included: {stock_pages:.1f} s by `nbgrader generate_feedback`, "
        f"{our_pages:.1f} s by `python -m autograder feedback`.",
    ]
    return lines


def _row(what: str, count: int, wall: float, cpu: float | None, stock: float, plain: float) -> str:
    each = wall / count
    cpu_text = "" if cpu is None else f"{1e3 * cpu:.0f}"
    ratio = f"{stock / each:.1f}" if each < stock else "1"
    return f"| {what} | {count} | {wall:.1f} | {1e3 * each:.0f} | {cpu_text} | {ratio} | {each / plain:.2f} |"


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{cores()} cores of {names[0] if names else platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
