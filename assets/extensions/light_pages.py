"""Leave out of the built pages what none of them uses.

The theme brings icons, style rules and scripts for every site that one can make with it; a page of this book needs a
tenth of them. When all pages are written, rules of classes that occur in no page and in no script go, and with them the
theme's icon font; `assets/site/icons.css` has the few icons that are left. Drawings keep two decimals of a point.
"""

import re
import shutil
from pathlib import Path

import tinycss2
from sphinx.util import logging

BUILDERS = ("html", "dirhtml")
UNUSED = (
    "scripts/fontawesome.js",
    "scripts/*.LICENSE.txt",
    "scripts/*.map",
    "styles/*.map",
    "vendor/fontawesome",
    "sbt-webpack-macros.html",
    "webpack-macros.html",
)
NOT_OF_THE_BOOK = ("*.css", "styles/*.css")  # style sheets that are thinned; those of the book are short already
OF_THE_BOOK = {"book.css", "icons.css"}
COMPOSED = {"bs-tooltip-auto", "tooltip-inner"}  # classes whose names a script puts together
ICON = re.compile(r"fa[bsrl]?|fa-.+")

logger = logging.getLogger(__name__)


def words_in_use(outdir):
    """Return every word of the pages and scripts; the classes and ids that are in use are among them."""
    words = set(COMPOSED)
    for path in [*outdir.rglob("*.html"), *outdir.rglob("*.js")]:
        if path.name != "searchindex.js":
            words.update(re.findall(r"[A-Za-z_][\w-]*", path.read_text(encoding="utf8")))
    return words


def is_used(selector, words):
    """Tell whether an element can match a selector, given the words of the pages; what functions say is not asked."""
    names = []
    for token, following in zip(selector, [*selector[1:], None], strict=True):
        if token.type == "hash":
            names.append(token.value)
        elif token == "." and following is not None and following.type == "ident":
            names.append(following.value)
    only_an_icon = bool(names) and all(ICON.fullmatch(name) for name in names)
    return not only_an_icon and words.issuperset(names)


def selectors_of(prelude):
    """Split the prelude of a rule at its commas."""
    selectors = [[]]
    for token in prelude:
        if token == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    return selectors


def thin_rules(rules, words):
    """Yield the text of the rules that a page may need."""
    for rule in rules:
        if rule.type == "qualified-rule":
            used = [selector for selector in selectors_of(rule.prelude) if is_used(selector, words)]
            if used:
                prelude = ",".join(tinycss2.serialize(selector).strip() for selector in used)
                yield f"{prelude}{{{tinycss2.serialize(rule.content).strip()}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports"):
            inner = "".join(thin_rules(tinycss2.parse_rule_list(rule.content, True, True), words))
            if inner:
                yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"
        elif rule.type == "at-rule" and rule.lower_at_keyword == "font-face":
            if "fontawesome" not in tinycss2.serialize(rule.content).lower():
                yield rule.serialize()
        elif rule.type != "error":
            yield rule.serialize()


def thin_css(css, words):
    """Return a style sheet without the rules that no page needs. Comments that begin with `!` are licences and stay."""
    licences = dict.fromkeys(comment for comment in re.findall(r"/\*!.*?\*/", css, re.S) if "Awesome" not in comment)
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return "".join([*licences, *thin_rules(rules, words)])


def round_drawing(svg):
    """Return a drawing with two decimals in its coordinates and no id twice, without the note on who drew it."""
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.S)
    named = set()

    def once(match):
        again = match[1] in named
        named.add(match[1])
        return "" if again else match[0]

    svg = re.sub(r' id="([^"]*)"', once, svg)

    def rounded(match):
        return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), match[0])

    return re.sub(r'\b(?:d|x|y|x1|x2|y1|y2|cx|cy|width|height|points)="[^"]*"', rounded, svg)


def rewrite(path, change):
    old = path.read_text(encoding="utf8")
    new = change(old)
    if new != old:
        path.write_text(new, encoding="utf8")


def thin_pages(app, exception):
    outdir = Path(app.outdir)
    if not exception and app.builder.name in (*BUILDERS, "epub"):
        for path in (outdir / "_images").glob("*.svg"):
            rewrite(path, round_drawing)
    if exception or app.builder.name not in BUILDERS:
        return
    static = outdir / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    words = words_in_use(outdir)
    for pattern in NOT_OF_THE_BOOK:
        for path in static.glob(pattern):
            if path.name not in OF_THE_BOOK:
                rewrite(path, lambda css: thin_css(css, words))


def setup(app):
    app.connect("build-finished", thin_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
