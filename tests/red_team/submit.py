"""Lay cases into a course folder as submissions."""

import json
from pathlib import Path
from typing import Any

from autograder.course import Course
from red_team import Case


def submit(course: Course, case: Case, student: str, port: int = 9) -> Path:
    """Make a case's notebook from the release version and lay it into submitted/; return the submission's folder.

    The cells to try are left out, which a student may do: that makes a large suite quick.
    """
    release = course.release(case.assignment) / f"{case.assignment}.ipynb"
    notebook: dict[str, Any] = json.loads(release.read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    for cell in notebook["cells"]:
        source = case.cells.get(cell["metadata"]["nbgrader"]["grade_id"])
        if source is not None:
            cell["source"] = source.replace("RED_TEAM_PORT", str(port))
    if case.change is not None:
        case.change(notebook)
    folder = course.root / "submitted" / student / case.assignment
    folder.mkdir(parents=True)
    (folder / f"{case.assignment}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    if case.files is not None:
        case.files(folder)
    return folder
