"""Collect what links lead to on other pages, for `assets/site/preview.js`, which shows it beside the link.

A page opened from the disk may not read another one. So equations, figures, glossary terms and references that other
pages link to are written into one script, which a browser loads when the first preview from another page is wanted.
"""

import json
import re
from pathlib import Path
from posixpath import dirname, join, normpath

BUILDERS = ("html", "dirhtml")
TARGETS = (
    re.compile(r'<div class="math[^"]*" id="(equation-[^"]+)">.*?</div>', re.S),
    re.compile(r'<figure [^>]*id="(fig-[^"]+)".*?</figure>', re.S),
    re.compile(r'<dt id="(term-[^"]+)">.*?</dt>\s*<dd>.*?</dd>', re.S),
    re.compile(r'<div class="citation" id="([^"]+)".*?</div>', re.S),
)
LIVE = re.compile(r'<div class="interactive".*?</script>\s*</div>', re.S)
LINK = re.compile(r'<a class="reference internal[^"]*" href="([^"#:]+\.html)#([^"]+)"')


def targets(body, folder):
    """Return what a page offers for a preview, by id; the pictures' addresses are seen from the first page."""
    found = {match[1]: LIVE.sub("", match[0]) for pattern in TARGETS for match in pattern.finditer(body)}
    return {
        name: re.sub(r'src="([^":]+)"', lambda source: f'src="{normpath(join(folder, source[1]))}"', html)
        for name, html in found.items()
    }


def collect(app, pagename, templatename, context, doctree):
    if app.builder.name not in BUILDERS or doctree is None:
        return
    page, body = f"{pagename}.html", context["body"]
    app.book_previews |= {f"{page}#{name}": html for name, html in targets(body, dirname(page)).items()}
    app.book_links |= {f"{normpath(join(dirname(page), path))}#{name}" for path, name in LINK.findall(body)}


def start(app):
    app.book_previews, app.book_links = {}, set()


def write(app, exception):
    if exception or app.builder.name not in BUILDERS:
        return
    linked = {name: html for name, html in sorted(app.book_previews.items()) if name in app.book_links}
    script = f"bookPreviews({json.dumps(linked, ensure_ascii=False)});\n"
    (Path(app.outdir) / "_static" / "previews.js").write_text(script, encoding="utf8")


def setup(app):
    app.connect("builder-inited", start)
    app.connect("html-page-context", collect, priority=900)  # when the markup is as it stays
    app.connect("build-finished", write, priority=400)  # before unused styles are sought
    return {"parallel_read_safe": False, "parallel_write_safe": False}
