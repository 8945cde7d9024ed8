"""Every page in a real browser, by day, by night and on a phone: for everyone, light, valid, and without a network."""

import gzip
import json
import re
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, extension
from justhtml import JustHTML
from test_book import CHAPTERS

PAGES = ["index", *CHAPTERS, "search"]
MODES = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True},
}
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js")
KILOBYTES = 400  # of a page with all that it loads, compressed

# A formula is laid out in hundreds of boxes, which screen readers do not see; for axe, one box of the same size and
# colour stands for them.
FLATTEN = """() => {
  const formulas = [...document.querySelectorAll('.katex-html')];
  const boxes = formulas.map(formula => formula.getBoundingClientRect());
  formulas.forEach((formula, i) => {
    formula.textContent = formula.textContent;
    Object.assign(formula.style, { display: 'inline-block', overflow: 'clip' });
    Object.assign(formula.style, { width: boxes[i].width + 'px', height: boxes[i].height + 'px' });
  });
}"""


@dataclass
class Visit:
    violations: list
    complaints: list
    files: set
    width: int


def is_outside_the_disk(url):
    return urlsplit(url).scheme not in ("file", "data", "blob")


@pytest.fixture(scope="module")
def visit(book, chromium):
    """Open each page once in each mode, as a double-click does, and note everything that the tests ask."""
    contexts = {mode: chromium.new_context(**options) for mode, options in MODES.items()}
    visits = {}

    def visited(name, mode):
        if (name, mode) not in visits:
            page = contexts[mode].new_page()
            requests, complaints = [], []
            page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("request", lambda request: requests.append(request.url))
            page.goto((book.html / f"{name}.html").as_uri(), wait_until="load")
            page.evaluate("scrollTo(0, document.body.scrollHeight)")  # what is loaded late is loaded now
            width = page.evaluate("document.documentElement.scrollWidth")
            page.evaluate("scrollTo(0, 0)")
            seen = [*complaints, *(url for url in requests if is_outside_the_disk(url))]
            files = {Path(unquote(urlsplit(url).path)) for url in requests if urlsplit(url).scheme == "file"}
            page.evaluate(FLATTEN)
            page.evaluate(AXE.read_text(encoding="utf8"))
            result = page.evaluate("axe.run({resultTypes: ['violations']})")
            violations = [
                f"{found['id']}: {node['target']} {node['failureSummary']}"
                for found in result["violations"]
                for node in found["nodes"]
            ]
            visits[name, mode] = Visit(violations, seen, files, width)
            page.close()
        return visits[name, mode]

    yield visited
    for context in contexts.values():
        context.close()


def compressed(path):
    content = path.read_bytes()
    return len(content) if path.suffix in (".woff2", ".png") else len(gzip.compress(content))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_breaks_no_rule_of_axe(name, mode, visit):
    assert visit(name, mode).violations == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_the_disk_without_error_or_outside_request(name, mode, visit):
    assert visit(name, mode).complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_width_of_a_phone(name, visit):
    assert visit(name, "phone").width <= 390


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_all_it_loads_is_light(name, visit):
    sizes = {path.name: compressed(path) for path in visit(name, "light").files}
    assert f"{name.rpartition('/')[2]}.html" in sizes
    assert sum(sizes.values()) < 1000 * KILOBYTES, sorted(sizes.items(), key=lambda item: -item[1])[:10]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_valid_html(name, book):
    parsed = JustHTML((book.html / f"{name}.html").read_text(encoding="utf8"), collect_errors=True)
    assert [f"line {error.line}: {error.code}" for error in parsed.errors] == []
    names = [node.attrs["id"] for node in parsed.query("[id]")]
    assert [name for name in set(names) if names.count(name) > 1] == []


@pytest.mark.parametrize("name", PAGES)
def test_headings_skip_no_level_and_there_is_one_title(name, book):
    soup = BeautifulSoup((book.html / f"{name}.html").read_text(encoding="utf8"), "html.parser")
    levels = [int(heading.name[1]) for heading in soup.select("article :is(h1, h2, h3, h4), .bd-search-container h1")]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels)), levels


def test_every_icon_of_the_pages_is_drawn(book):
    drawn = set(re.findall(r"\.(fa-[\w-]+)", (ROOT / "assets" / "site" / "icons.css").read_text(encoding="utf8")))
    for name in PAGES:
        parsed = JustHTML((book.html / f"{name}.html").read_text(encoding="utf8"))
        used = {word for node in parsed.query("[class*=fa-]") for word in node.attrs["class"].split()}
        assert {word for word in used if word.startswith("fa-")} <= drawn, name


def test_nothing_of_the_icon_font_is_left(book):
    assert [path for path in (book.html / "_static").rglob("*") if "awesome" in path.name.lower()] == []


def test_the_light_pages_extension_keeps_what_can_be_seen():
    css = """
    /*! Licence */ /* a note */
    .used, .unused { color: red }
    .unused .used { color: red }
    .used:not(.unused) { color: blue }
    #here > p { margin: 0 }
    .fa-brands { font-family: Awesome }
    .used .fa-bars { color: green }
    @media (max-width: 10px) { .unused { color: red } .used { color: red } }
    @media print { .unused { color: red } }
    @font-face { font-family: Icons; src: url(fontawesome.woff2) }
    """
    thin = extension("light_pages").thin_css(css, {"used", "here", "fa-bars"})
    assert re.sub(r"\s+", "", thin) == re.sub(
        r"\s+",
        "",
        "/*! Licence */.used{color: red}.used:not(.unused){color: blue}#here > p{margin: 0}"
        ".used .fa-bars{color: green}@media (max-width: 10px){.used{color: red}}",
    )


def test_a_drawing_keeps_its_letters_and_loses_digits_that_nobody_sees():
    svg = (
        "<svg>\n <metadata>who</metadata>"
        '<path d="M 1.23456 -0.0001 L 2 3.5" transform="scale(0.015625)"/><use x="60.642518"/></svg>'
    )
    assert extension("light_pages").round_drawing(svg) == (
        '<svg><path d="M 1.23 -0 L 2 3.5" transform="scale(0.015625)"/><use x="60.64"/></svg>'
    )


def test_markup_that_the_standards_do_not_allow_is_mended():
    mended = {
        '<div role="doc-biblioentry">': '<div role="listitem">',
        '<th class="head"></th>': "<td></td>",
        '<th class="head"><p>a</p></th>': '<th scope="col" class="head"><p>a</p></th>',
        '<section id="exercise-content">': "<section>",
        "<msub><mi>s</mi><mi>max</mi><mo>\u2061</mo></msub>": "<msub><mi>s</mi><mi>max</mi></msub>",
        "<p><ul><li>a</li></ul>\n</p>": "<ul><li>a</li></ul>",
        "<p>a<ul><li><p>b</p></li></ul>\n</p>": "<p>a</p><ul><li><p>b</p></li></ul>",
    }
    for before, after in mended.items():
        context = {"body": before}
        extension("page_markup").mend(None, "page", "page.html", context, None)
        assert context["body"] == after


# ---- links, keys and previews ----


@pytest.fixture
def opened(book, chromium):
    """Open a page in a browser of its own, which says at the end whether it complained."""
    context = chromium.new_context(**MODES["light"])
    complaints = []

    def open_page(name):
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.append(request.url) if is_outside_the_disk(request.url) else None)
        page.goto((book.html / f"{name}.html").as_uri(), wait_until="load")
        return page

    yield open_page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_describes_itself_to_those_who_link_to_it(name, book):
    soup = BeautifulSoup((book.html / f"{name}.html").read_text(encoding="utf8"), "html.parser")
    told = {tag["property"]: tag["content"] for tag in soup.select("meta[property^='og:']")}
    assert told["og:title"]
    assert told["og:type"] == ("website" if name == "index" else "article")
    if name.startswith("chapters/") and "figure" in str(soup):
        assert 50 < len(told["og:description"]) <= 200


STOPS = """() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  const all = [...document.querySelectorAll('*')];
  return {
    name: element.outerHTML.slice(0, 120), order: all.indexOf(element),
    marked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""


def test_the_keyboard_reaches_everything_in_the_order_of_the_page_and_shows_where_it_is(opened):
    page = opened("chapters/notation")
    page.keyboard.press("Tab")
    assert "Skip to main content" in page.evaluate("document.activeElement.textContent")
    stops = []
    while (stop := page.evaluate(STOPS))["name"][:5] != "<body" and len(stops) < 300:
        stops.append(stop)
        page.keyboard.press("Tab")
    orders = [stop["order"] for stop in stops]
    assert orders == sorted(orders)
    assert len(stops) > 30
    assert [stop["name"] for stop in stops if not stop["marked"]] == []
    assert [stop["name"] for stop in stops if not stop["seen"]] == []


def test_the_skip_link_leads_to_the_text(opened):
    page = opened("chapters/notation")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


SHOWN = {
    "an equation of the page": ("a[href^='#equation-eq-backward-x']", ".katex"),
    "an equation of another page": ("a[href*='forward_pass.html#equation-']", ".katex"),
    "a figure of the page": ("a[href^='#fig-']", "img"),
    "a term": ("a[href*='#term-']", "dd"),
    "a reference": ("a[href*='bibliography.html#id']", ".citation"),
}


@pytest.mark.parametrize("what", SHOWN)
def test_resting_on_a_link_shows_what_it_leads_to(what, opened):
    link, shown = SHOWN[what]
    page = opened("chapters/backward_pass")
    page.locator(f".bd-article .reference:is({link})").first.hover()
    preview = page.get_by_role("tooltip")
    preview.locator(shown).first.wait_for()
    picture = preview.locator("img")
    assert not picture.count() or picture.first.evaluate("image => image.complete && image.naturalWidth > 0")
    page.evaluate(AXE.read_text(encoding="utf8"))
    assert page.evaluate("axe.run({resultTypes: ['violations']})")["violations"] == []
    box, place = preview.bounding_box(), page.locator("[aria-describedby=preview]").bounding_box()
    assert min(abs(box["y"] - place["y"] - place["height"]), abs(place["y"] - box["y"] - box["height"])) < 12
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280
    page.mouse.move(2, 2)
    preview.wait_for(state="detached")


def test_the_keyboard_opens_a_preview_and_escape_closes_it(opened):
    page = opened("chapters/backward_pass")
    link = page.locator(".bd-article a[href*='#term-']").first
    page.keyboard.press("Tab")  # from now on the keyboard leads
    link.focus()
    preview = page.get_by_role("tooltip")
    preview.wait_for()
    assert link.get_attribute("aria-describedby") == preview.get_attribute("id")
    assert not page.locator("[role=tooltip] [id]").count()
    page.keyboard.press("Escape")
    preview.wait_for(state="detached")
    assert link.get_attribute("aria-describedby") is None


def test_previews_hold_what_other_pages_link_to_and_wait_until_they_are_wanted(book, visit):
    script = (book.html / "_static" / "previews.js").read_text(encoding="utf8")
    previews = json.loads(script.removeprefix("bookPreviews(").removesuffix(");\n"))
    kinds = {re.match(r"[a-z]+", name.partition("#")[2])[0] for name in previews}
    assert {"equation", "fig", "term", "id"} <= kinds
    for name, html in previews.items():
        assert f' id="{name.partition("#")[2]}"' in html
    assert not any(path.name == "previews.js" for name in PAGES for path in visit(name, "light").files)
