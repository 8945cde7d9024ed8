"""Run a rebuilt notebook and mark its graded cells."""

from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.utils import is_grade, is_solution

from autograder.bn_helper.judge import Verdict
from autograder.bn_helper.parts import PARTS
from autograder.checks import grader
from autograder.engine.jail import Jail
from autograder.engine.session import Limits, Session
from autograder.sections import link

# The kind of output in which a graded cell keeps its verdict for reports; browsers and nbgrader pass it over.
VERDICT_TYPE = "application/vnd.batchnorm.verdict+json"


@dataclass(frozen=True)
class Marker:
    """Runs notebooks of one assignment and marks them.

    A notebook is run twice, in two processes: one is for its outputs, and no check ever calls it; the other's
    functions are called by the checks, and nothing that it puts out is kept. So no output can tell what a check
    put in.

    Parameters
    ----------
    assignment, secret : str
        Determine the hidden inputs.
    jail : Jail
    book_url : str
        Where messages send students to.
    limits : Limits
    """

    assignment: str
    secret: str
    jail: Jail
    book_url: str = ""
    limits: Limits = field(default_factory=Limits)

    def mark(self, notebook: NotebookNode, files: dict[str, bytes]) -> None:
        """Run the cells and replace all outputs; a graded cell's text is not run, its grade id says what to try.

        Raises
        ------
        EngineFailure
            If the engine itself could not do its work; then nothing may be marked.
        """
        with (
            Session(self.jail, files, self.limits) as shown,
            Session(self.jail, files, self.limits, plots=False) as tried,
        ):
            for cell in notebook.cells:
                if cell.cell_type != "code":
                    continue
                if is_grade(cell) and not is_solution(cell):
                    cell.outputs = self._outputs(cell, tried)
                    continue
                result = shown.run_cell(cell.source)
                cell.outputs = [_output(output) for output in result.outputs]
                if not (result.late or result.died):
                    tried.run_cell(cell.source)

    def _outputs(self, cell: NotebookNode, tried: Session) -> list[NotebookNode]:
        part, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        if part not in PARTS:
            return _marked(f"No check is known for the graded cell {part!r}; tell your instructor.", 0.0)
        verdict = grader.verdict(part, tried.call, self.secret, self.assignment)
        score = min(round(points * verdict.share, 4), points)
        message = verdict.message(lambda label: link(label, self.book_url))
        record = _record(verdict, score, points, self.jail.isolated)
        return _marked(f"{message}\n{score:g} of {points:g} points.", score, record)


def _record(verdict: Verdict, score: float, points: float, isolated: bool) -> dict[str, Any]:
    findings = [
        {"claim": f.claim, "sentence": f.sentence, "misconceptions": [s.name for s in f.suspects], "section": f.section}
        for f in verdict.findings
    ]
    return {"part": verdict.part.id, "score": score, "points": points, "isolated": isolated, "findings": findings}


def _marked(message: str, score: float, record: dict[str, Any] | None = None) -> list[NotebookNode]:
    """Return the outputs of a graded cell: the message, and the number that nbgrader reads."""
    data = {"text/plain": repr(score)} | ({VERDICT_TYPE: record} if record else {})
    return [
        new_output("stream", name="stdout", text=message + "\n"),
        new_output("execute_result", data=data, execution_count=None),
    ]


def _output(output: dict[str, Any]) -> NotebookNode:
    return NotebookNode({**output, "data": NotebookNode(output["data"])} if "data" in output else output)
