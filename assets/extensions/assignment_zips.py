"""The role `assignment`: a link to an assignment's zip, which is made when the book is.

    {assignment}`forward`

The zips are made anew only when something changes from which notebooks are made.
"""

import hashlib
import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri

FOLDER = "downloads"
SOURCES = (
    "autograder/*.py",
    "autograder/assignments/*.md",
    "autograder/bn_helper/**/*.py",
    "autograder/builder/*.py",
    "autograder/checks/**/*.py",
    "solutions/*.py",
    "assets/data/*",
    "requirements.txt",
)


class AssignmentLink(nodes.Inline, nodes.TextElement):
    """The link to the zip of the assignment `name`."""


def digest_of(root):
    """Return a digest of every file from which notebooks are made."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in root.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def offered(root):
    """Return the assignments to which a page of the book links."""
    pages = (path.read_text(encoding="utf-8") for path in sorted(root.glob("chapters/*.md")))
    return sorted({name for page in pages for name in re.findall(r"\{assignment\}`([\w-]+)`", page)})


def made_zips(root, cache, names):
    """Return the zips of some assignments, from the cache if nothing has changed."""
    folder = cache / digest_of(root)
    if not all((folder / f"{name}.zip").is_file() for name in names):
        from autograder.builder.build import build  # nbgrader takes seconds to load, and only here is it needed
        from autograder.bundle import zip_release
        from autograder.course import Course

        shutil.rmtree(cache, ignore_errors=True)
        course = Course(folder / "course")
        course.root.mkdir(parents=True)
        build(course, names)
        for name in names:
            zip_release(course, name, folder)
        shutil.rmtree(course.root)
    return [folder / f"{name}.zip" for name in names]


def copy_zips(app, exception):
    """Lay the zips beside the pages."""
    if exception is None and app.builder.format == "html" and app.builder.name != "epub":
        target = Path(app.outdir) / FOLDER
        target.mkdir(exist_ok=True)
        cache = Path(app.outdir).parent / ".assignment_zips"
        for path in made_zips(Path(app.srcdir), cache, offered(Path(app.srcdir))):
            shutil.copyfile(path, target / path.name)


def assignment(name, rawtext, text, lineno, inliner, options=None, content=None):
    from autograder.course import assignment_names

    if text not in assignment_names():
        message = inliner.reporter.error(f"there is no assignment {text!r}", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    return [AssignmentLink(rawtext, f"{text}.zip", name=text)], []


def visit_html(self, node):
    address = relative_uri(self.builder.get_target_uri(self.builder.current_docname), f"{FOLDER}/{node['name']}.zip")
    self.body.append(f'<a class="reference download" href="{address}" download><code class="docutils literal">')


def depart_html(self, node):
    self.body.append("</code></a>")


def skip(self, node):
    pass


def setup(app):
    others = dict.fromkeys(("epub", "latex", "text"), (skip, skip))
    app.add_node(AssignmentLink, html=(visit_html, depart_html), **others)
    app.add_role("assignment", assignment)
    app.connect("build-finished", copy_zips)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
