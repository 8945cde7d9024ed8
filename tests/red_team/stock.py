"""Stock nbgrader: its own preprocessors, a Jupyter kernel, and hidden tests that run in it beside the answers.

The tests are the very checks of the engine, called in the classical way: from hidden lines of the test cells.
"""

import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from autograder.course import Course
from red_team import POINTS, RIGHT_FORWARD, Case, right_notebook
from red_team.submit import submit

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 6  # that a cell may take
NEIGHBOURS = ("aa-neighbour", "zz-neighbour")
HOSTILE = "mm-hostile"

_CONFIG = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.course_id = "stock"
c.Execute.timeout = {seconds}
"""
_TEST = """
### BEGIN HIDDEN TESTS
import sys
sys.path.insert(0, {project!r})
from autograder.bn_helper.calls import LocalCall
from autograder.bn_helper.given import batchnorm_forward as _given
from autograder.checks import grader
_functions = {{**globals(), "bn_helper.batchnorm_forward": _given}}
_verdict = grader.verdict({part!r}, LocalCall(_functions), "a secret of sixteen or more", {assignment!r})
print(_verdict.message())
{points!r} * _verdict.share
### END HIDDEN TESTS
"""


def stock_course(root: Path, built: Course) -> Course:
    """Make a course folder for stock nbgrader, with the notebooks of a built course and tests of the classical kind."""
    root.mkdir(parents=True)
    (root / "red-team-course").touch()
    (root / "secret").write_text("a secret of sixteen or more")
    configure(root)
    course = Course(root)
    for assignment, parts in POINTS.items():
        shutil.copytree(built.source(assignment), course.source(assignment))
        path = course.source(assignment) / f"{assignment}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            part = cell.metadata.get("nbgrader", {}).get("grade_id")
            if part in parts:
                cell.source = _TEST.format(
                    project=str(PROJECT), part=part, assignment=assignment, points=float(cell.metadata.nbgrader.points)
                )
        nbformat.write(notebook, path)
        nbgrader(course, "generate_assignment", assignment)
    return course


def configure(root: Path) -> None:
    """Write the settings of a stock course, which name its folder."""
    (root / "nbgrader_config.py").write_text(_CONFIG.format(root=str(root), seconds=SECONDS))


def nbgrader(course: Course, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of nbgrader in a stock course, in a session of its own."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "IPYTHONDIR": str(course.root / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(course.root / "runtime"),
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.run(
        ["nbgrader", *arguments],
        cwd=course.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3000,
        start_new_session=True,
    )


def points(course: Course, assignment: str, student: str) -> dict[str, float]:
    """Return what the gradebook has for a student; nothing counts as 0, as it does for nbgrader's export."""
    with Gradebook(course.gradebook_url) as gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return dict.fromkeys(POINTS[assignment], 0.0)
        found = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    return {part: found.get(part) or 0.0 for part in POINTS[assignment]}


def gains(case: Case, got: dict[str, float]) -> float:
    """Return how many points are more than honest."""
    return sum(max(points - case.honest.get(part, 0.0), 0.0) for part, points in got.items())


def measure_gains(course: Course, cases: list[Case]) -> dict[str, float]:
    """Grade cases, none of which harms others, together; return what each gains."""
    with answers_offered() as port:
        for case in cases:
            submit(course, case, case.name, port)
        for assignment in POINTS:
            if any(case.assignment == assignment for case in cases):
                nbgrader(course, "autograde", assignment)
    return {case.name: gains(case, points(course, case.assignment, case.name)) for case in cases}


def measure_harm(course: Course, case: Case) -> tuple[float, float]:
    """Grade a case between two right submissions; return what it gains, and what those two lose."""
    for student in NEIGHBOURS:
        submit(course, right_notebook(case.assignment), student)
    submit(course, case, HOSTILE)
    nbgrader(course, "autograde", case.assignment)
    wait_for_children(course.root)
    whole = sum(POINTS[case.assignment].values())
    lost = sum(whole - sum(points(course, case.assignment, student).values()) for student in NEIGHBOURS)
    return gains(case, points(course, case.assignment, HOSTILE)), lost


def wait_for_children(root: Path, seconds: float = 40.0) -> None:
    """Wait until no process is left that was started with a path of the course folder."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_commands(str(root).encode())):
        time.sleep(0.2)


def _commands(text: bytes) -> Iterator[Path]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_bytes():
                yield path


@contextlib.contextmanager
def answers_offered() -> Iterator[int]:
    """Serve a right answer on this machine while the block runs; give the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(RIGHT_FORWARD.encode())

        log_message = functools.partialmethod(lambda *_: None)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
