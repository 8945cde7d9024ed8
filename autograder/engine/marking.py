"""Run a rebuilt notebook and mark its graded cells."""

import ast
import itertools
from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import Any

from nbformat import NotebookNode, from_dict
from nbgrader.utils import is_grade, is_solution

from autograder.bn_helper.calls import Call
from autograder.bn_helper.judge import Judge, Verdict
from autograder.bn_helper.parts import PARTS
from autograder.checks import grader
from autograder.checks.expectations import visible_expectations, visible_probes
from autograder.checks.topics import topic_with
from autograder.engine.jail import Jail, Opening
from autograder.engine.session import Limits, Session
from autograder.sections import link

# The kind of output in which a graded cell keeps its verdict for reports; browsers and nbgrader pass it over.
VERDICT_TYPE = "application/vnd.batchnorm.verdict+json"


@dataclass(frozen=True)
class Marker:
    """Runs notebooks of one assignment and marks them.

    A notebook is run twice, in two processes. One is for all that is shown: its outputs, and what its functions do
    with visible inputs where a check fails. The other's functions are called by the checks, and nothing that it puts
    out, or makes up, is kept. So nothing that a student reads can tell what hidden inputs were.

    Parameters
    ----------
    assignment, secret : str
        Determine the hidden inputs.
    jail : Jail
    book_url : str
        Where messages send students to.
    limits : Limits
    opening : Opening, optional
        The assignment's first cells: a notebook that begins with them is run from behind them.
    showing : set of str
        Texts of the assignment's cells that only show something: they are not run where nobody looks.
    pictures : bool
        Whether marked notebooks hold the pictures that their cells draw.
    """

    assignment: str
    secret: str
    jail: Jail
    book_url: str = ""
    limits: Limits = field(default_factory=Limits)
    opening: Opening | None = None
    showing: Set[str] = frozenset()
    pictures: bool = True

    def mark(self, notebook: NotebookNode, files: dict[str, bytes]) -> None:
        """Run the cells and replace all outputs; a graded cell's text is not run, its grade id says what to try.

        Raises
        ------
        EngineFailure
            If the engine itself could not do its work; then nothing may be marked.
        """
        opening = self.opening if self.opening and begins_with(notebook, self.opening) else None
        with (
            Session(self.jail, files, self.limits, plots=self.pictures, opening=opening) as shown,
            Session(self.jail, files, self.limits, plots=False, opening=opening) as tried,
        ):
            for cell in notebook.cells:
                if cell.cell_type != "code":
                    continue
                if is_grade(cell) and not is_solution(cell):
                    cell.outputs = self._outputs(cell, tried, shown)
                    continue
                result = shown.run_cell(cell.source)
                cell.outputs = [_output(output, self.pictures) for output in result.outputs]
                if not (result.late or result.died) and (tried.opened or cell.source not in self.showing):
                    tried.run_cell(cell.source)

    def _outputs(self, cell: NotebookNode, tried: Session, shown: Session) -> list[NotebookNode]:
        part, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        if part not in PARTS:
            return _marked(f"No check is known for the graded cell {part!r}; tell your instructor.", 0.0)
        tried.next_part()
        shown.next_part()
        verdict = _shown(grader.verdict(part, tried.call, self.secret, self.assignment), shown)
        score = min(round(points * verdict.share, 4), points)
        message = verdict.message(lambda label: link(label, self.book_url))
        record = _record(verdict, score, points, self.jail.isolated)
        return _marked(f"{message}\n{score:g} of {points:g} points.", score, record)


def opening_of(template: NotebookNode, files: dict[str, bytes]) -> Opening:
    """Return the cells of an assignment in front of the first one in which a student writes, or that is graded."""
    code = (cell for cell in template.cells if cell.cell_type == "code")
    first = itertools.takewhile(lambda cell: not is_solution(cell) and not is_grade(cell), code)
    return Opening(tuple(cell.source for cell in first), files)


def showing_in(template: NotebookNode) -> frozenset[str]:
    """Return the texts of an assignment's cells that print or draw and do nothing else."""
    cells = (cell for cell in template.cells if cell.cell_type == "code")
    return frozenset(cell.source for cell in cells if not (is_solution(cell) or is_grade(cell)) and _shows(cell.source))


def _shows(source: str) -> bool:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return bool(tree.body) and all(map(_statement_shows, tree.body))


def _statement_shows(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call):
            binds = any(isinstance(node, ast.NamedExpr) for node in ast.walk(call))
            return (name in ("print", "display") or name.startswith("draw_")) and not binds
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            inner = [*body, *orelse, *final, *(line for handler in handlers for line in handler.body)]
            return all(map(_statement_shows, inner))
    return False


def begins_with(notebook: NotebookNode, opening: Opening) -> bool:
    """Tell whether the first cells of a notebook are those of an opening."""
    code = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    return tuple(itertools.islice(code, len(opening.cells))) == opening.cells


def _shown(verdict: Verdict, shown: Session) -> Verdict:
    """Say of each finding what the process that has seen no hidden inputs shows, or what nothing was made up in."""
    part, sentences = verdict.part.id, dict[str, str]()
    if any(finding.sentence != finding.blind for finding in verdict.findings):
        claims = [finding.claim for finding in verdict.findings]
        calls: list[Call] = [shown.call]
        if verdict.remarks:  # the given forward pass was tried too
            calls.append(grader.Renamed(shown.call, topic_with(part).given))
        for call in calls:
            judge = Judge(call, visible_probes, visible_expectations, visible=len(visible_probes(part)))
            seen = judge.verdict(part)
            if [finding.claim for finding in seen.findings] == claims:
                sentences = {finding.claim: finding.sentence for finding in seen.findings}
                break
            sentences = sentences or {finding.claim: finding.sentence for finding in seen.findings}
    findings = (replace(finding, sentence=sentences.get(finding.claim, finding.blind)) for finding in verdict.findings)
    return replace(verdict, findings=tuple(findings))


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
        NotebookNode(output_type="stream", name="stdout", text=message + "\n"),
        NotebookNode(output_type="execute_result", data=from_dict(data), metadata=NotebookNode(), execution_count=None),
    ]


def _output(output: dict[str, Any], pictures: bool) -> NotebookNode:
    """Keep texts, and pictures if they are wanted; any other kind is for machines, and the engine's alone."""
    if "data" not in output:
        return NotebookNode(output)
    kinds = ("text/", "image/") if pictures else ("text/",)
    data = {mime: text for mime, text in output["data"].items() if mime.startswith(kinds)}
    return NotebookNode({**output, "data": NotebookNode(data)})
