"""What the ePub needs and the pages for a browser do not.

- Formulas are MathML alone, and the package says which pages hold some, as the standard asks.
- Boxes of extensions that do not know of ePubs are written as in the pages.
- One short style sheet, and no scripts.
"""

import re
import zipfile
from pathlib import Path

from sphinxcontrib import katex

STYLE_SHEETS = ("_static/pygments.css", "_static/epub-book.css")


def prepare(app):
    if app.builder.name == "epub":
        katex.KATEX_DEFAULT_OPTIONS["output"] = "mathml"
        handlers = app.registry.translation_handlers  # an extension that knows of ePubs hides the others' boxes
        handlers["epub"] = handlers["html"] | handlers.get("epub", {})


def keep_own_style_sheets(app, pagename, templatename, context, doctree):
    if app.builder.name == "epub":
        context["css_files"] = [file for file in context["css_files"] if file.filename in STYLE_SHEETS]
        context["script_files"] = []


def package_document(opf, folder):
    """Return the list of files without those that no page loads, and with a note at each page that holds formulas."""

    def entry(match):
        href = match[1]
        if href.startswith("_static/") and href not in STYLE_SHEETS:
            return ""
        if href.endswith(".xhtml") and "<math" in (folder / href).read_text(encoding="utf8"):
            return match[0].replace("<item ", '<item properties="mathml" ')
        return match[0]

    refs = re.findall(r'<itemref [^>]*idref="([^"]+)"[^>]*/>', opf)
    for twice in {ref for ref in refs if refs.count(ref) > 1}:  # the index is a page, and the index
        opf = re.sub(rf'(<itemref [^>]*idref="{twice}"[^>]*/>)(.*)\1', r"\1\2", opf, flags=re.S)
    return re.sub(r'\s*<item (?![^>]*properties=)[^>]*?href="([^"]+)"[^>]*/>', entry, opf)


def pack(app, exception):
    """Write the package anew, with the files that its list names and no others."""
    if exception or app.builder.name != "epub":
        return
    folder = Path(app.outdir)
    listing = folder / "content.opf"
    opf = package_document(listing.read_text(encoding="utf8"), folder)
    listing.write_text(opf, encoding="utf8")
    names = ["META-INF/container.xml", "content.opf", *re.findall(r'<item [^>]*?href="([^"]+)"', opf)]
    with zipfile.ZipFile(folder / f"{app.config.epub_basename}.epub", "w", zipfile.ZIP_DEFLATED) as package:
        package.write(folder / "mimetype", "mimetype", zipfile.ZIP_STORED)
        for name in names:
            package.write(folder / name, name)


def setup(app):
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", keep_own_style_sheets, priority=900)
    app.connect("build-finished", pack, priority=900)  # when the drawings are as they stay
    return {"parallel_read_safe": True, "parallel_write_safe": True}
