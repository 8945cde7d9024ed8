"""The formgrader's page of a submission has rubrics and formulas, asks for nothing, and runs nothing of a student's."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.utils import is_grade, is_solution
from test_feedback import HOSTILE, PICTURE

from autograder import formgrader
from autograder.course import Course, assignment_names


@pytest.fixture(scope="module")
def exporter(built_course):
    """Make pages as the formgrader does, with the course's configuration."""
    config = Course(built_course.root).config
    config.HTMLExporter.template_name = "formgrade"
    return HTMLExporter(config=config)


def page(exporter, notebook, assignment="forward"):
    of = {"assignment_id": assignment, "notebook_id": assignment, "submission_id": "1", "student": "ada"}
    resources = {**of, "base_url": "", "index": 0, "total": 1, "last_name": None, "first_name": None}
    return exporter.from_notebook_node(notebook, resources={**resources, "notebook_path": "x.ipynb"})[0]


def release(course, assignment):
    return nbformat.read(course.release(assignment) / f"{assignment}.ipynb", as_version=4)


@pytest.fixture(scope="module")
def hostile(built_course):
    """A submission whose texts and outputs try to run or to load something."""
    notebook = release(built_course, "forward")
    answer = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "explain-gamma-beta")
    answer.source = f"Formulas: $a < b$.\n\n{HOSTILE}\n\n`$$` and $\\gamma$."
    script = "<script>document.title = 'run'</script>"
    rich = [
        {"text/html": HOSTILE, "text/plain": "kept plain"},
        {"text/markdown": HOSTILE, "text/plain": ""},
        {"text/latex": f"$x${script}", "text/plain": ""},
        {"application/javascript": "document.title = 'run'", "text/plain": "kept instead"},
        {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'>{script}</svg>", "text/plain": ""},
        {"image/png": f"{PICTURE}'>\">{script}", "text/plain": ""},
    ]
    outputs = [new_output("display_data", data=data) for data in rich]
    outputs.append(new_output("stream", name="stdout", text=HOSTILE))
    outputs.append(new_output("error", ename="E", evalue=script, traceback=[script]))
    notebook.cells += [new_code_cell(f"# {script}", outputs=outputs), new_markdown_cell(HOSTILE)]
    return notebook


@pytest.mark.parametrize("assignment", assignment_names())
def test_rubrics_and_formulas_stand_in_the_page_of_every_assignment(exporter, built_course, assignment):
    soup = BeautifulSoup(page(exporter, release(built_course, assignment), assignment), "html.parser")
    assert soup.select("math")
    assert not soup.select("bn-formula")
    source = nbformat.read(built_course.source(assignment) / f"{assignment}.ipynb", as_version=4)
    by_hand = [cell for cell in source.cells if is_grade(cell) and is_solution(cell)]
    assert len(soup.select("details.rubric")) == len(by_hand)
    assert all("For the grader" in rubric.get_text() for rubric in soup.select("details.rubric"))


def test_nothing_of_a_students_is_loaded_or_run(exporter, hostile, chromium):
    html = page(exporter, hostile)
    assert open_page(chromium, html) == ("forward", [])
    soup = BeautifulSoup(html, "html.parser").find(id="notebook")
    assert not soup.select("script, iframe, object, form, base, link, meta, style")
    assert "kept text" in soup.get_text()
    assert "kept instead" in soup.get_text()


def test_nothing_runs_even_where_the_sealing_has_a_hole(exporter, hostile, chromium, monkeypatch):
    monkeypatch.setattr(formgrader, "seal", lambda page: None)
    html = re.sub(r"<meta[^>]*refresh[^>]*>", "", page(exporter, hostile))  # which runs nothing, but leaves
    assert "onerror" in html
    title, _ = open_page(chromium, html)
    assert title == "forward"


def test_the_pages_own_scripts_are_let_run(exporter, built_course, chromium):
    html = page(exporter, release(built_course, "forward"))
    tab, refused = chromium.new_page(), []
    try:
        tab.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        tab.set_content(html)
        tab.evaluate("window.toggle_name = shown => { document.body.dataset.shown = shown }")
        for eye, shown in (("open", "true"), ("close", "false")):
            tab.locator(f".glyphicon-eye-{eye}").dispatch_event("click")
            assert tab.locator("body").get_attribute("data-shown") == shown
    finally:
        tab.close()
    assert refused == []


def open_page(chromium, html):
    """Return the title of a page and what it asks of other machines."""
    asked = []
    tab = chromium.new_page()
    try:
        tab.on("request", lambda request: asked.append(request.url))
        tab.route("http**", lambda route: route.abort())
        tab.set_content(html, wait_until="networkidle")
        return tab.title(), [url for url in asked if url.startswith("http")]
    finally:
        tab.close()
