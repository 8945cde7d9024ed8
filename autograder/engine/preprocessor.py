"""The engine as nbgrader sees it: an exporter that rebuilds what it reads, a preprocessor that runs and marks it."""

from pathlib import Path
from typing import Any

from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from autograder.course import Course, Problem
from autograder.engine.break_out import proved_jail
from autograder.engine.jail import EngineFailure, Jail
from autograder.engine.pipeline import Grader, Submission, flag_ungraded
from autograder.engine.student_side.policy import PolicyFailure

Resources = dict[str, Any]


class SubmissionExporter(NotebookExporter):
    """Read a submission as `python -m autograder grade` does, and put its texts into the release version's cells.

    nbconvert repairs a notebook before any preprocessor sees it, and so loses which cell was which.
    """

    def from_filename(
        self, filename: str, resources: Resources | None = None, **more: Any
    ) -> tuple[str | NotebookNode, Resources]:
        converter: Any = self.parent
        if resources is None or not converter._sanitizing:  # what the first pass wrote
            return super().from_filename(filename, resources, **more)
        names, path = resources["nbgrader"], Path(filename)
        grader = Grader(Course(Path(converter.coursedir.root)), names["assignment"], Jail())
        try:
            notebook, oddities = grader.read(path)
        except Problem as problem:
            raise NbGraderException(str(problem)) from problem
        for oddity in oddities:
            self.log.warning("%s: %s", names["student"], oddity)
        resources["metadata"] = {"name": path.stem, "path": str(path.parent)}
        return self.from_notebook_node(notebook, resources, **more)


class RunAndCheck(NbGraderPreprocessor):
    """Run a submission in the jail and mark its graded cells."""

    isolated = Bool(True, help="Run submissions in the jail; else they run with the grader's rights.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        names = resources["nbgrader"]
        course = Course(Path(self.parent.parent.coursedir.root))
        submission = Submission(course, course.root / "submitted" / names["student"] / names["assignment"])
        try:
            grader = Grader(course, names["assignment"], proved_jail(self.isolated))
            fingerprint, oddities = submission.fingerprint, grader.mark(nb, submission)
        except PolicyFailure as failure:
            raise NbGraderException(f"Submissions cannot be isolated here: {failure}.") from failure
        except EngineFailure as failure:
            flag_ungraded(submission)
            raise NbGraderException(f"{submission.folder} is not graded, the engine failed: {failure}.") from failure
        grader.record(nb, fingerprint, oddities)
        for oddity in oddities:
            self.log.warning("%s: %s", names["student"], oddity)
        return nb, resources
