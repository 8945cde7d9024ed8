"""Run nbgrader's converters, and say in one line why one failed."""

from typing import Any

from nbgrader.apps.api import NbGraderAPI

from autograder.course import Course


def api(course: Course) -> NbGraderAPI:
    """Return nbgrader's interface for a course folder."""
    return NbGraderAPI(config=course.config)


def reason(result: dict[str, Any]) -> str:
    """Return the last thing that nbgrader said about a failure."""
    lines = [line.strip() for line in (result.get("log") or "").splitlines()]
    told = [line for line in lines if line and not line.startswith(("[INFO]", "[WARNING]", "File "))]
    errors = [line for line in told if line.partition(":")[0].rpartition(".")[2].endswith(("Error", "Exception"))]
    said = (errors or told or (result.get("error") or "").strip().splitlines() or ["no reason was given"])[-1]
    return said.removeprefix("[ERROR] ")
