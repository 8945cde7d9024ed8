"""The engine as nbgrader sees it: a preprocessor in the place of nbgrader's own that executes."""

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

from autograder.course import book_url, secret
from autograder.engine.break_out import proved_jail
from autograder.engine.files import work_files
from autograder.engine.marking import Marker


class RunAndCheck(NbGraderPreprocessor):
    """Run a submission in the jail and mark its graded cells."""

    isolated = Bool(True, help="Run submissions in the jail; else they run with the grader's rights.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        assignment = resources["nbgrader"]["assignment"]
        root = Path(self.parent.parent.coursedir.root)
        tables = root / "source" / assignment / "bn_helper" / "expected.json"
        files, oddities = work_files(Path(resources["metadata"]["path"] or "."), tables)
        for oddity in oddities:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], oddity)
        Marker(assignment, secret(root), proved_jail(self.isolated), book_url(self.config)).mark(nb, files)
        return nb, resources
