"""The engine as nbgrader sees it: a preprocessor that runs a submission and marks its graded cells."""

import logging
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution

from autograder.bn_helper.judge import Verdict
from autograder.bn_helper.parts import PARTS
from autograder.checks import grader
from autograder.course import book_url, secret
from autograder.engine.session import Limits, Session
from autograder.sections import link

# The kind of output in which a graded cell keeps its verdict for reports; browsers and nbgrader pass it over.
VERDICT_TYPE = "application/vnd.batchnorm.verdict+json"


class RunAndCheck(NbGraderPreprocessor):
    """Run the student's cells in a process of their own, and try the graded parts from this one.

    A graded cell's text is not run: its grade id says which part to try, so a changed cell changes nothing.
    """

    limits = Limits()

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        root = Path(self.parent.parent.coursedir.root)
        key = secret(root)
        helper_data = root / "source" / names["assignment"] / "bn_helper" / "expected.json"
        files = Path(resources["metadata"]["path"] or ".")
        with Session(files, helper_data, self.limits) as session:
            for cell in nb.cells:
                if cell.cell_type != "code":
                    continue
                if is_grade(cell) and not is_solution(cell):
                    self._mark(cell, session, key, names["assignment"])
                else:
                    self._run(cell, session)
        return nb, resources

    def _run(self, cell: NotebookNode, session: Session) -> None:
        result = session.run_cell(cell.source)
        cell.outputs = [_output(output) for output in result.outputs]

    def _mark(self, cell: NotebookNode, session: Session, key: str, assignment: str) -> None:
        part, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        if part in PARTS:
            verdict = grader.verdict(part, session.call, key, assignment)
            cell.outputs = marked(verdict, points, book_url(self.config))
        else:
            logging.getLogger(__name__).error("no check is known for the graded cell %r: it gets no points", part)
            cell.outputs = unmarked(f"No check is known for the graded cell {part!r}; tell your instructor.")


def marked(verdict: Verdict, points: float, url: str) -> list[NotebookNode]:
    """Return the outputs of a graded cell: the message, and the number that nbgrader reads.

    Parameters
    ----------
    verdict : Verdict
    points : float
        What the part is worth.
    url : str
        Where the book is.
    """
    score = min(round(points * verdict.share, 4), points)
    found = [
        {"claim": f.claim, "sentence": f.sentence, "misconceptions": [s.name for s in f.suspects], "section": f.section}
        for f in verdict.findings
    ]
    record = {"part": verdict.part.id, "score": score, "points": points, "findings": found}
    message = f"{verdict.message(lambda label: link(label, url))}\n{score:g} of {points:g} points.\n"
    return [
        new_output("stream", name="stdout", text=message),
        new_output("execute_result", data={"text/plain": repr(score), VERDICT_TYPE: record}, execution_count=None),
    ]


def unmarked(message: str) -> list[NotebookNode]:
    """Return the outputs of a graded cell that earns nothing, with the reason."""
    return [
        new_output("stream", name="stdout", text=message + "\n"),
        new_output("execute_result", data={"text/plain": "0.0"}, execution_count=None),
    ]


def _output(output: dict[str, Any]) -> NotebookNode:
    return NotebookNode({**output, "data": NotebookNode(output["data"])} if "data" in output else output)
