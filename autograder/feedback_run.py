"""Write the feedback pages of a class as `nbgrader generate_feedback` does, on several cores."""

import os
import sys
import time
import traceback
import warnings
from contextlib import suppress
from typing import Any, NoReturn

from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import GenerateFeedback
from nbgrader.utils import capture_log, temp_attrs
from tqdm import tqdm
from traitlets import Integer
from traitlets.config import Config

from autograder.course import Course, Problem, assignment_names
from autograder.engine.gradebook import held
from autograder.engine.pool import cores
from autograder.nbgrader_runs import api, reason

_LOOK = 0.1  # seconds between two looks at what is written


class Share(GenerateFeedback):
    """nbgrader's converter, for every so many-th submission."""

    assignments: Any
    number = Integer(0)
    of = Integer(1)

    def init_notebooks(self) -> None:
        super().init_notebooks()
        found: dict[str, list[str]] = self.assignments
        self.assignments = {folder: found[folder] for folder in sorted(found)[self.number :: self.of]}


def write_feedback(course: Course, assignment: str, *, force: bool = False, workers: int | None = None) -> int:
    """Write the pages of all submissions that are graded; a page that is newer than the marked notebook stays.

    Parameters
    ----------
    course : Course
    assignment : str
    force : bool
        Write also the pages that are there.
    workers : int, optional
        How many are written at once; by default, as many as there are processor cores.

    Returns
    -------
    int
        Exit status: 1 if a page could not be written.

    Raises
    ------
    Problem
        If nothing is graded.
    """
    if assignment not in assignment_names():
        raise Problem(f"There is no assignment {assignment!r}; the assignments are {', '.join(assignment_names())}.")
    found = sorted((course.root / "autograded").glob(f"*/{assignment}/{assignment}.ipynb"))
    if not found:
        raise Problem(f"Nothing is graded; run `python -m autograder grade {assignment}` first.")
    held(course, assignment)  # a gradebook that cannot be read is told once, and not for every page
    (course.root / "feedback").mkdir(exist_ok=True)  # a folder that takes nothing is told once, too
    shares = min(workers or cores(), len(found))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of the numerical library wait for work
        children = [_forked(course, assignment, force, number, shares) for number in range(shares)]
    failed = _wait(children, course, assignment, len(found))
    pages = {path: course.root / "feedback" / path.relative_to(course.root / "autograded") for path in found}
    missing = [path.parent.parent.name for path, page in pages.items() if not page.with_suffix(".html").is_file()]
    written = len(found) - len(missing)
    print(f"{written} page{'s' if written != 1 else ''} of {assignment} in {course.root / 'feedback'}.")
    for student in missing:
        again = f"python -m autograder grade {assignment} --student {student} --force"
        print(f"no page for {student}; if its marked notebook is damaged, `{again}` mends it.", file=sys.stderr)
    return 1 if failed or missing else 0


def _wait(children: list[int], course: Course, assignment: str, pages: int) -> list[int]:
    """Wait for all children, with progress on the standard error stream; return those that failed."""
    begun, running, failed = time.time(), set(children), []
    bar = tqdm(total=pages, desc=f"feedback on {assignment}", unit="page", delay=2, leave=False)
    while running:
        for child in list(running):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                running.discard(child)
                failed += [child] if status else []
        written = (course.root / "feedback").glob(f"*/{assignment}/{assignment}.html")
        bar.update(sum(page.stat().st_mtime >= begun for page in written) - bar.n)
        time.sleep(_LOOK if running else 0)
    bar.close()
    return failed


def _forked(course: Course, assignment: str, force: bool, number: int, shares: int) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _write_share(api(course), assignment, force, number, shares)
    return child


def _write_share(interface: NbGraderAPI, assignment: str, force: bool, number: int, shares: int) -> NoReturn:
    status = 1
    with suppress(BaseException):
        try:
            result = _converted(interface, assignment, force, number, shares)
            status = 0 if result["success"] else 1
            if status:
                print(f"nbgrader stopped: {reason(result)}", file=sys.stderr)
        except Exception:
            traceback.print_exc()
    os._exit(status)


def _converted(interface: NbGraderAPI, assignment: str, force: bool, number: int, shares: int) -> dict[str, Any]:
    settings = Config()
    settings.HTMLExporter.template_name = "feedback"
    with temp_attrs(interface.coursedir, assignment_id=assignment):
        converter = Share(coursedir=interface.coursedir, parent=interface, number=number, of=shares)
        converter.update_config(settings)
        converter.force = force
        return dict(capture_log(converter))
