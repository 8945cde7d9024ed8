"""The top of a feedback page: marks, what is right, and of what is not, what was seen and where to read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.utils import is_grade, is_solution, is_task

from autograder.checks.topics import CATALOGUE
from autograder.engine.record import verdicts_in

_SENTENCES = {entry.name: entry.sentence for entry in CATALOGUE}

_TEMPLATE = Path(__file__).parent / "templates" / "summary.html"


@dataclass
class Part:
    """A graded cell.

    Attributes
    ----------
    score : marks, or None while it waits for them
    findings : what was seen, with the misconception that explains it; empty if none does
    sections : titles and addresses of the sections to read
    """

    name: str
    score: float | None
    points: float
    comment: str = ""
    findings: list[tuple[list[str], str]] = field(default_factory=list)
    sections: list[tuple[str, str]] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return self.score is not None and self.score >= self.points - 1e-9


def summary(
    notebook: NotebookNode, about: dict[str, Any], link: Callable[[str], tuple[str, str]], plots: int = 0
) -> str:
    """Return the summary of a graded notebook as HTML, in which all text of the student's is escaped.

    Parameters
    ----------
    notebook : NotebookNode
        With the marks that nbgrader puts into the metadata of graded cells.
    about : dict
        What nbgrader says of the notebook: its name and its marks.
    link : callable
        Gives the title and the address of a section, by its label.
    plots : int
        How many pictures of the page have the ids plot-1, plot-2, ...
    """
    graded = [cell for cell in notebook.cells if is_grade(cell) or is_task(cell)]
    waiting = _waiting(about)
    parts = [_part(cell, waiting, link) for cell in graded]
    by_hand = [part for part, cell in zip(parts, graded, strict=True) if is_solution(cell) or is_task(cell)]
    checked = [part for part in parts if part not in by_hand]
    told = {
        "name": about.get("notebook", ""),
        "score": float(about.get("score") or 0.0),
        "most": sum(part.points for part in parts),
        "penalty": float(about.get("late_penalty") or 0.0),
        "waiting": sum(part.points for part in parts if part.score is None),
        "right": [part for part in checked if part.right],
        "wrong": [part for part in checked if not part.right],
        "by_hand": by_hand,
        "plots": plots,
        "marks": _marks,
    }
    return Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8")).render(told)


def _marks(part: Part) -> str:
    return f"not marked yet, of {part.points:g}" if part.score is None else f"{part.score:g} of {part.points:g}"


def _waiting(about: dict[str, Any]) -> set[str]:
    """Return the parts that have no mark yet: nbgrader tells of them as of a 0."""
    if not {"db_url", "assignment", "notebook", "student"} <= about.keys():
        return set()
    with Gradebook(about["db_url"]) as gradebook:
        submitted = gradebook.find_submission_notebook(about["notebook"], about["assignment"], about["student"])
        waiting = (grade for grade in submitted.grades if grade.manual_score is None)
        return {grade.name for grade in waiting if grade.needs_manual_grade or grade.auto_score is None}


def _part(cell: NotebookNode, waiting: set[str], link: Callable[[str], tuple[str, str]]) -> Part:
    told = cell.metadata.nbgrader
    score = None if told.grade_id in waiting else float(told.get("score") or 0.0)
    part = Part(told.grade_id, score, float(told.get("points") or 0.0), told.get("comment") or "")
    for record in verdicts_in(NotebookNode(cells=[cell])):
        findings = record.get("findings", [])
        part.findings += _grouped(findings)
        part.sections += [link(label) for label in dict.fromkeys(finding["section"] for finding in findings)]
    return part


def _grouped(findings: Iterable[dict[str, Any]]) -> list[tuple[list[str], str]]:
    """Return the sentences of findings that the same misconception explains together."""
    groups: dict[str, dict[str, None]] = {}
    for finding in findings:
        diagnosis = " or when ".join(_SENTENCES[name] for name in finding["misconceptions"] if name in _SENTENCES)
        groups.setdefault(diagnosis, {})[finding["sentence"]] = None
    return [(list(sentences), diagnosis) for diagnosis, sentences in groups.items()]
