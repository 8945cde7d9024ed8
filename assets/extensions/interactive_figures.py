"""The directive `interactive`: a figure of the page comes to life on a screen, and stays a picture everywhere else.

    ```{code-cell} ipython3
    :tags: [remove-cell]
    glue("live-coupling", live.coupling(x[:, 0]), display=False)
    ```

    :::{interactive} coupling
    :figure: fig-forward-coupled

    **Try:** pull the dot to the right.
    :::

The numbers that a script begins with are those that the page's code has glued as `live-coupling`. The script
`assets/site/interactive/coupling.js` draws the figure in place of the picture of the label. Without scripts, on paper
and in books of other formats there is the picture alone.
"""

import ast
import json

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.core.variables import RetrievalError
from myst_nb.ext.glue.utils import retrieve_glue_data
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

SHARED = ("bn.js", "live.js")
BUILDERS = ("html", "dirhtml", "singlehtml")  # whose pages run scripts

logger = logging.getLogger(__name__)


class Interactive(nodes.General, nodes.Element):
    """A place for a script to draw in: `script` and `label` name the script and the figure, `data` is JSON."""


class InteractiveDirective(SphinxDirective):
    """Bring the figure of a label to life. The content says what to try."""

    required_arguments = 1
    has_content = True
    option_spec = {"figure": directives.unchanged_required}  # noqa: RUF012

    def run(self):
        script = self.arguments[0]
        try:
            shown = retrieve_glue_data(self.state.document, f"live-{script}").data["text/plain"]
        except (RetrievalError, KeyError):
            raise self.error(f"interactive: the page glues nothing of the name 'live-{script}'") from None
        data = json.dumps(ast.literal_eval(shown), separators=(",", ":"))
        node = Interactive(script=script, label=self.options.get("figure", ""), data=data)
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def move_into_figures(app, document):
    """Put each interactive part into its figure, between the picture and the caption."""
    figures = {name: figure for figure in document.findall(nodes.figure) for name in figure["names"] + figure["ids"]}
    for node in list(document.findall(Interactive)):
        node.parent.remove(node)
        if (figure := figures.get(node["label"])) is None:
            logger.warning("interactive: the page has no figure %r", node["label"], location=node)
            continue
        place = next((i for i, child in enumerate(figure) if isinstance(child, nodes.caption)), len(figure))
        figure.insert(place, node)


def add_scripts(app, pagename, templatename, context, doctree):
    """Load the scripts of the figures that are on a page, and nothing on the others."""
    scripts = sorted({node["script"] for node in doctree.findall(Interactive)}) if doctree else []
    if scripts and app.builder.name in BUILDERS:
        app.add_css_file("interactive/live.css")
        for name in [*SHARED, *(f"{script}.js" for script in scripts)]:
            app.add_js_file(f"interactive/{name}", loading_method="defer")


def visit_html(translator, node):
    if translator.builder.name not in BUILDERS:
        raise nodes.SkipNode
    translator.body.append(
        f'<div class="interactive" data-interactive="{node["script"]}" hidden>\n<div class="live-try">'
    )


def depart_html(translator, node):
    data = node["data"].replace("<", "\\u003c")
    translator.body.append(f'</div>\n<script type="application/json">{data}</script>\n</div>\n')


def skip(translator, node):
    raise nodes.SkipNode


def setup(app):
    others = dict.fromkeys(("latex", "text", "man", "texinfo"), (skip, None))
    app.add_node(Interactive, html=(visit_html, depart_html), **others)
    app.add_directive("interactive", InteractiveDirective)
    app.connect("doctree-read", move_into_figures)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
