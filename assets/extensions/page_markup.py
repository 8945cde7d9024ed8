"""Mend the markup of pages where a generator writes what the standards do not allow, and describe each page.

- An entry of the bibliography is an item of its list; the role that docutils gives it is deprecated.
- Each exercise and solution has an id of its own, and no second one that all share.
- A name of a function in an index is not followed by the sign for its application, which would be a third part.
- A list does not stand within a paragraph.
- An empty cell in the head of a table is no header. The others belong to their column.
- The first paragraph of a page is its description, for search engines and link previews.
"""

import re
import textwrap

from docutils import nodes

REPLACEMENTS = (
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
    (re.compile(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>"), "<td></td>"),
    (re.compile(r'<th class="head'), '<th scope="col" class="head'),
    (re.compile(r' id="(?:exercise|solution|proof)-content"'), ""),
    (re.compile("<mo>\u2061</mo>(?=</msub>)"), ""),
    (re.compile(r"<p>((?:(?!</p>|<p>|<ul).)*)<ul", re.S), r"<p>\1</p><ul"),
    (re.compile(r"<p>\s*</p>(?=<ul)|(?<=</ul>)\s*</p>"), ""),
)
DESCRIPTION = 200  # characters


def first_sentences(doctree):
    """Return the text of the first paragraph, shortened at a word."""
    first = next((node for node in doctree.findall(nodes.paragraph) if isinstance(node.parent, nodes.section)), None)
    return textwrap.shorten(first.astext(), DESCRIPTION, placeholder=" …") if first is not None else ""


def mend(app, pagename, templatename, context, doctree):
    for pattern, replacement in REPLACEMENTS:
        context["body"] = pattern.sub(replacement, context.get("body", ""))
    context["description"] = first_sentences(doctree) if doctree is not None else ""


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
