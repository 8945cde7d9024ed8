"""A submission as the formgrader shows it: the rubric above each answer, formulas without a network, nothing that runs.

nbgrader shows an instructor what the student's cells and outputs hold as they are, scripts included.
`c.HTMLExporter.preprocessors = ["autograder.formgrader.MarkingPage"]` makes them fit to be read; the template
`formgrade/mathjax.html.j2` lets nothing run that comes behind it.
"""

from html import escape
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_grade, is_solution

from autograder.course import Course
from autograder.engine.marking import VERDICT_TYPE
from autograder.feedback import FORMULA, render, seal, set_formulas

_SHOWN = ("text/plain", "image/")
_BEGIN, _END = "### BEGIN SOLUTION", "### END SOLUTION"


class MarkingPage(Preprocessor):
    """Makes a graded notebook ready for the formgrader's page; what else is exported stays as it is."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._known: dict[tuple[str, bool], str | None] = {}  # formulas of the pages before are those of the next

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        if "submission_id" not in resources:
            return nb, resources
        course = Course(Path(CourseDirectory(config=self.config).root))
        told = rubrics(course, resources["assignment_id"], resources["notebook_id"])
        texts: list[tuple[NotebookNode, str, BeautifulSoup]] = []  # where HTML goes, and under which name
        cells = []
        for cell in nb.cells:
            rubric = told.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if rubric:
                cells.append(new_markdown_cell())
                texts.append((cells[-1], "source", BeautifulSoup(rubric, "html.parser")))
            cells.append(cell)
            if cell.cell_type == "markdown":
                texts.append((cell, "source", _sealed(render(cell.source, cell.get("attachments")))))
            elif cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if VERDICT_TYPE not in output.get("data", {})]
                texts += [(o.data, "text/html", _rich(o.data)) for o in cell.outputs if "data" in o]
        set_formulas([page for _, _, page in texts], self._known)
        for place, name, page in texts:
            if name == "source":
                # One line is one block of HTML, which Markdown leaves alone.
                place[name] = f"<div>{page}</div>".replace("\n", "&#10;")
            elif str(page):
                place[name] = str(page)
        nb.cells = cells
        return nb, resources


def rubrics(course: Course, assignment: str, notebook: str) -> dict[str, str]:
    """Return what the source notebook tells the grader, as HTML, by the id of the cell that is marked by hand."""
    try:
        source = nbformat.read(course.source(assignment) / f"{notebook}.ipynb", as_version=4)
    except (OSError, ValueError):
        return {}
    found = {}
    for cell in source.cells:
        if is_grade(cell) and is_solution(cell):
            text = cell.source
            if cell.cell_type == "code":
                text = "\n".join(("```python", text.partition(_BEGIN)[2].partition(_END)[0].strip("\n"), "```"))
            found[cell.metadata.nbgrader.grade_id] = (
                f'<details class="rubric"><summary>Rubric</summary>{render(text)}</details>'
            )
    return found


def _rich(data: NotebookNode) -> BeautifulSoup:
    """Take what can be rich from an output, and return it as one sealed piece of HTML; empty if there is none."""
    html, latex, markdown = (data.pop(f"text/{kind}", None) for kind in ("html", "latex", "markdown"))
    for name in [name for name in data if not name.startswith(_SHOWN)]:
        del data[name]
    if html is None and latex is not None:
        return BeautifulSoup(
            f'<{FORMULA} class="display">{escape(latex.strip().strip("$"))}</{FORMULA}>', "html.parser"
        )
    return _sealed(html if html is not None else render(markdown or ""))


def _sealed(html: str) -> BeautifulSoup:
    page = BeautifulSoup(html, "html.parser")
    seal(page)
    for style in page.find_all("style"):  # which would reach the whole page
        style.decompose()
    return page
