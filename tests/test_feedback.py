"""Feedback pages are complete in themselves: formulas without a script, nothing fetched, nothing that runs."""

import re
import shutil

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.api import Gradebook

from autograder import feedback
from autograder.bn_helper.calls import LocalCall
from autograder.checks import grader
from autograder.course import ASSIGNMENTS, Course, assignment_names
from autograder.feedback import FeedbackPage, mathml, seal
from autograder.nbgrader_runs import api
from autograder.summary import summary
from solutions import batchnorm_forward

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
HOSTILE = """
<script src="https://example.org/a.js">document.title = "run"</script><script>document.title = "run"</script>
<img src="https://example.org/a.png" alt="far"><img src=x onerror="document.title = 'run'">
<iframe src="https://example.org"></iframe><link rel="stylesheet" href="//example.org/a.css">
<style>@import "https://example.org/b.css"; p { background: url(https://example.org/b.png); color: red }</style>
<p style="background: URL( 'http://example.org/c.png' )" onclick="document.title = 'run'">kept text</p>
<meta http-equiv="refresh" content="0; url=https://example.org"><base href="https://example.org">
<object data="https://example.org"></object><form action="https://example.org"><b>in a form</b></form>
<video poster="https://example.org/d.png" src="https://example.org/d.mp4"></video>
<svg><image href="https://example.org/e.png"></image><a xlink:href="javascript:1">svg</a></svg>
<a href="javascript:document.title = 'run'">bad link</a> <a href="https://example.org">good link</a>
"""


def wrong(x, gamma, beta, bn_param):
    """Leave out beta."""
    return batchnorm_forward(x, gamma, 0 * beta, bn_param)


def answer(notebook, grade_id):
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


@pytest.fixture(scope="session")
def message():
    verdict = grader.verdict("batchnorm_forward-train", LocalCall({"batchnorm_forward": wrong}), "a secret", "forward")
    assert not verdict.passed
    return verdict.message()


@pytest.fixture(scope="session")
def course(built_course, message, tmp_path_factory):
    """A class of two with graded notebooks, and their feedback by nbgrader's own converter."""
    course = Course(tmp_path_factory.mktemp("feedback") / "course")
    shutil.copytree(built_course.root, course.root)
    course.config.Autograde.exporter_class = "nbconvert.exporters.NotebookExporter"  # which keeps these outputs
    course.config.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.SaveAutoGrades"]
    course.config.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackPage"
    for student in ("ada", "mallory"):
        notebook = nbformat.read(course.release("forward") / "forward.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade") and cell.cell_type == "code":
                record = {"application/vnd.batchnorm.verdict+json": {"kept": "for reports only"}, "text/plain": "0.0"}
                cell.outputs = [new_output("execute_result", data=record)]
        answer(notebook, "batchnorm_forward-train").outputs.insert(0, new_output("stream", text=message))
        text = answer(notebook, "explain-gamma-beta")
        text.source = "Because $\\gamma$ and $$\\beta$$ matter.\n\n![far](https://example.org/far.png)"
        if student == "mallory":
            text.source = f"$\\frac{{1$ and `$x$`\n\n![gone](attachment:gone.png)\n{HOSTILE}"
            shown = [
                new_output("display_data", data={"text/html": HOSTILE}),
                new_output("display_data", data={"application/javascript": "document.title = 'run'"}),
                new_output("display_data", data={"text/latex": "$\\displaystyle x^2$"}),
                new_output("display_data", data={"image/png": PICTURE}),
            ]
            answer(notebook, "batchnorm_forward").outputs = shown
            notebook.cells.append(new_markdown_cell(HOSTILE, id="added-1"))
        path = course.root / "submitted" / student / "forward" / "forward.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        assert api(course).autograde("forward", student)["success"]
    with Gradebook(course.gradebook_url) as gradebook:
        comment = gradebook.find_comment("explain-gamma-beta", "forward", "forward", "ada")
        comment.manual_comment = "Think of $\\sigma^2$."
        gradebook.db.commit()
    made = api(course).generate_feedback("forward")
    assert made["success"], made
    return course


def written(course, student):
    return course.root / "feedback" / student / "forward" / "forward.html"


@pytest.fixture(params=["ada", "mallory"])
def page(request, course):
    return BeautifulSoup(written(course, request.param).read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def ada(course):
    return BeautifulSoup(written(course, "ada").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def mallory(course):
    return BeautifulSoup(written(course, "mallory").read_text(encoding="utf-8"), "html.parser")


def test_page_loads_nothing(page):
    assert not page.find_all(["script", "link", "iframe", "object", "embed", "base", "form"])
    for element in page.find_all(True):
        for name, value in element.attrs.items():
            if name in ("src", "srcset", "href", "xlink:href", "data", "poster", "action") and element.name != "a":
                assert value.startswith(("data:image/", "#"))
    styles = [style.get_text() for style in page.find_all("style")]
    for style in [*styles, *(element["style"] for element in page.find_all(style=True))]:
        assert "@import" not in style
        assert all(re.match(r"['\"]?(data:|#)", address) for address in re.findall(r"url\(\s*([^)]*)", style))


def test_page_runs_nothing(page):
    assert not [name for element in page.find_all(True) for name in element.attrs if name.startswith("on")]
    assert all(re.match("https?:|#|[^:]*$", link["href"]) for link in page.find_all("a", href=True))


def test_the_policy_stands_before_all_else(page):
    first = [element for element in page.head.children if element.name][:2]
    assert first[0]["charset"] == "utf-8"
    assert first[1]["content"].startswith("default-src 'none'")


def test_styles_stay_styles(ada):
    assert any("div#notebook-container{" in style.get_text().replace(" ", "") for style in ada.find_all("style"))
    assert "&gt;" not in str(ada.find_all("style"))


def test_formulas_of_the_assignment_are_set(ada):
    source = re.sub(
        r"```.*?```|`[^`\n]*`", "", (ASSIGNMENTS / "forward.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    display = len(re.findall(r"\$\$.*?\$\$", source, flags=re.DOTALL))
    inline = len(re.findall(r"\$[^$]+\$", re.sub(r"\$\$.*?\$\$", "", source, flags=re.DOTALL)))
    ours = 3  # of the answer and the comment
    assert len(ada.find_all("math")) == display + inline + ours
    assert len(ada.find_all("math", display="block")) == display + 1
    assert not ada.find_all("bn-formula")
    for code in ada.find_all(["code", "pre", "annotation"]):
        code.decompose()
    assert "$" not in ada.body.get_text()
    assert "\\" not in ada.body.get_text()


def test_formulas_of_answers_and_comments_are_set(ada):
    sources = [annotation.get_text() for annotation in ada.find_all("annotation")]
    assert sources.count("\\sigma^2") == 1
    assert "\\beta" in sources


def test_answer_keeps_its_text_and_names_what_is_not_shown(ada):
    assert "[picture: far]" in ada.get_text()


def test_message_of_a_failed_check_is_shown_whole(ada, message):
    shown = [element.get_text() for element in ada.select(".output_stdout pre")]
    assert message.strip() in [text.strip() for text in shown]


def test_records_for_reports_are_not_in_the_page(page):
    assert "for reports only" not in str(page)


def test_hostile_page_keeps_its_harmless_parts(mallory):
    text = mallory.get_text()
    assert text.count("kept text") == 3
    assert text.count("good link") == 3
    assert "[picture: far]" in text
    assert len(mallory.select(".output_png img[src^='data:image/png']")) == 1


def test_unreadable_formula_is_shown_as_it_was_typed(mallory):
    assert "\\frac{1" in [code.get_text() for code in mallory.find_all("code")]
    assert "$x$" in [code.get_text() for code in mallory.find_all("code")]


def test_picture_that_was_not_handed_in_stops_nothing(mallory):
    assert "gone" in mallory.get_text()


def test_latex_output_is_set(mallory):
    assert "\\displaystyle x^2" in [annotation.get_text() for annotation in mallory.find_all("annotation")]


# ---- the summary ----

LABELS = {"sec-forward-variance": ("The variance", "https://example.org/book#variance")}


def marked(grade_id, score, points, *findings, solution=False, **more):
    told = {"grade": True, "solution": solution, "grade_id": grade_id, "score": score, "points": points, **more}
    if solution:
        return new_markdown_cell("an answer", metadata={"nbgrader": {**told, "cell_type": "markdown"}})
    record = {"application/vnd.batchnorm.verdict+json": {"part": grade_id, "findings": list(findings)}}
    outputs = [new_output("execute_result", data=record)]
    return new_code_cell("check()", outputs=outputs, metadata={"nbgrader": {**told, "cell_type": "code"}})


def found(sentence, *misconceptions):
    return {"sentence": sentence, "misconceptions": list(misconceptions), "section": "sec-forward-variance"}


def summarized(*cells, **about):
    html = summary(nbformat.v4.new_notebook(cells=list(cells)), {"notebook": "forward", **about}, LABELS.get)
    return BeautifulSoup(html, "html.parser")


def test_summary_says_first_what_is_right_then_what_was_seen_why_and_where_to_read():
    wrong = marked("b", 1.0, 8.0, found("out[0] is 1 and should be 2.", "variance over N-1"))
    page = summarized(wrong, marked("a", 2.0, 2.0), score=3.0)
    text = " ".join(page.get_text(" ").split())
    assert "forward: 3 of 10 marks" in text
    right, seen, why, read = map(
        text.index,
        ("a : 2 of 2", "out[0] is 1 and should be 2.", "when the variance divides by N - 1 instead of N", "Read:"),
    )
    assert right < seen < why < read
    assert "b : 1 of 8" in text
    assert {a["href"] for a in page.find_all("a")} == {"#a", "#b", "https://example.org/book#variance"}


def test_summary_says_once_what_one_misconception_explains():
    page = summarized(marked("b", 0.0, 8.0, *(found(f"entry {n}.", "variance over N-1") for n in range(3))))
    assert page.get_text().count("This is what one gets") == 1
    assert page.get_text().count("entry") == 3


def test_summary_with_nothing_right_begins_with_what_to_do():
    page = summarized(marked("b", 0.0, 8.0, found("out is not written yet.")), score=0.0)
    assert [heading.get_text() for heading in page.find_all("h2")] == ["Where to begin"]


def test_summary_tells_marks_that_wait_and_late_penalties(ada):
    text = " ".join(ada.select_one(".summary").get_text(" ").split())
    assert "explain-gamma-beta : not marked yet, of 4; with a comment" in text
    assert "4 of these points wait for a mark by your instructor" in text
    late = summarized(marked("a", 2.0, 2.0), score=1.5, late_penalty=0.5).get_text()
    assert "0.5 were taken off because it was handed in late" in late


def test_summary_leads_to_cells_comments_and_plots_that_are_there(ada, mallory):
    for page in (ada, mallory):
        anchors = {element.get("id") or element.get("name") for element in page.find_all(True)}
        inside = {a["href"][1:] for a in page.select(".summary a") if a["href"].startswith("#")}
        assert inside
        assert inside <= anchors
    assert mallory.select_one(".summary a[href='#plot-1']") is not None
    assert all(picture.get("alt") for picture in mallory.find_all("img"))


def test_summary_takes_no_markup_from_a_message():
    page = summarized(marked("b", 0.0, 8.0, found("raised <script>1</script><img src=x> in `x`.")))
    assert not page.find_all(["script", "img"])


def test_a_graded_cell_shows_its_message_and_no_number_that_only_nbgrader_reads(ada):
    assert not [e for e in ada.select(".output_execute_result") if e.get_text(strip=True) == "0.0"]


@pytest.mark.parametrize("name", assignment_names())
def test_katex_reads_every_formula_of_an_assignment(name):
    source = re.sub(
        r"```.*?```|`[^`\n]*`", "", (ASSIGNMENTS / f"{name}.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    found = re.findall(r"\$\$(.+?)\$\$|\$([^$]+)\$", source, flags=re.DOTALL)
    html = mathml([(display or inline, bool(display)) for display, inline in found])
    unread = [formula for formula, text in zip(found, html, strict=True) if text is None or "<merror" in text]
    assert unread == []


def test_tags_of_formulas_are_shown_also_in_aligned_lines():
    single, aligned, bare = mathml(
        [(r"a = b \tag{eq-a}", True), (r"\begin{align} a &= b \tag{eq-b} \end{align}", True), (r"a \tag*{c}", True)]
    )
    assert "(eq-a)" in BeautifulSoup(single, "html.parser").math.semantics.mrow.get_text()
    assert "(eq-b)" in BeautifulSoup(aligned, "html.parser").math.semantics.mtable.get_text()
    assert "(c)" not in bare


def test_hostile_formulas_harm_nothing():
    endless = r"\def\a{\a\a}\a"
    link = r"\href{javascript:alert(1)}{x} \htmlData{a=b}{x} \includegraphics{https://example.org/a.png}"
    markup = "<script>1</script>"
    assert mathml([(endless, False)]) == [None]
    shown = mathml([(link, False), (markup, False)])
    assert not any("href=" in str(html) or "src=" in str(html) or "<script" in str(html) for html in shown)


def test_without_katex_formulas_are_shown_as_latex_and_it_is_told(monkeypatch, caplog):
    monkeypatch.setattr(feedback, "_NODE", "/nowhere/node")
    assert mathml([("x", False)]) == [None]
    assert "shown as LaTeX" in caplog.text


def test_katex_runs_once_for_the_formulas_of_all_pages(monkeypatch):
    asked = []
    monkeypatch.setattr(feedback, "mathml", lambda formulas: asked.append(formulas) or [None] * len(formulas))
    exporter = FeedbackPage(template_name="classic")
    for _ in range(2):
        notebook = nbformat.v4.new_notebook(cells=[new_markdown_cell("$a$ $a$ $$b$$")])
        exporter.from_notebook_node(notebook, {"metadata": {"name": "x"}})
    assert asked == [[("a", False), ("b", True)], []]


def test_sealing_a_page_twice_changes_nothing_more():
    page = BeautifulSoup(f"<html><head></head><body>{HOSTILE}</body></html>", "html.parser")
    seal(page)
    once = str(page.body)
    seal(page)
    assert str(page.body) == once


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible_by_day_and_at_night(course, chromium, scheme):
    page = chromium.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page.goto(written(course, "ada").as_uri())
    violations = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in violations] == []
    page.close()


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("student", ["ada", "mallory"])
def test_a_browser_asks_for_nothing_runs_nothing_and_shows_formulas(course, chromium, student, width):
    page = chromium.new_page(viewport={"width": width, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(written(course, student).as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [written(course, student).as_uri()]
    assert page.title() == "forward"
    sizes = page.evaluate("[...document.querySelectorAll('math')].map(math => math.getBoundingClientRect().height)")
    assert len(sizes) > 20
    assert min(sizes) > 5
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()
