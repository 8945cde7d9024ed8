"""The engine as nbgrader sees it: two preprocessors, in the places of nbgrader's own that sanitize and execute."""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from autograder.course import Course
from autograder.engine.break_out import proved_jail
from autograder.engine.jail import EngineFailure
from autograder.engine.pipeline import Grader, Submission, flag_ungraded
from autograder.engine.student_side.policy import PolicyFailure

Resources = dict[str, Any]


class _Step(NbGraderPreprocessor):
    """A step of grading one notebook, within nbgrader's converter."""

    isolated = Bool(True, help="Run submissions in the jail; else they run with the grader's rights.").tag(config=True)

    def grader(self, assignment: str) -> Grader:
        try:
            return Grader(self.course(), assignment, proved_jail(self.isolated))
        except PolicyFailure as failure:
            raise NbGraderException(f"Submissions cannot be isolated here: {failure}.") from failure

    def course(self) -> Course:
        return Course(Path(self.parent.parent.coursedir.root))

    def tell(self, resources: Resources, oddities: list[str]) -> None:
        for oddity in oddities:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], oddity)


class Rebuild(_Step):
    """Put the student's texts into the release version's cells: nothing else of a submission is kept."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        notebook, oddities = self.grader(resources["nbgrader"]["assignment"]).rebuilt(nb)
        self.tell(resources, oddities)
        return notebook, resources


class RunAndCheck(_Step):
    """Run a submission in the jail and mark its graded cells."""

    def preprocess(self, nb: NotebookNode, resources: Resources) -> tuple[NotebookNode, Resources]:
        names = resources["nbgrader"]
        folder = self.course().root / "submitted" / names["student"] / names["assignment"]
        submission = Submission(self.course(), folder)
        try:
            oddities = self.grader(names["assignment"]).mark(nb, submission)
        except EngineFailure as failure:
            flag_ungraded(submission)
            raise NbGraderException(f"{folder} is not graded, the engine failed: {failure}.") from failure
        self.tell(resources, oddities)
        return nb, resources
