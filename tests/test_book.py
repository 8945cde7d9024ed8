"""The built book: complete, self-contained, linked, and readable from the disk."""

import inspect
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT, extension

import solutions

CHAPTERS = [
    chapter["file"]
    for part in yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))["parts"]
    for chapter in part["chapters"]
]

# Labels that the messages of the grader, and other pages, link to.
SECTIONS = [
    "ch-scaled-inputs",
    "ch-saturation",
    "ch-covariate-shift",
    "ch-forward",
    "ch-gradcheck",
    "ch-backward",
    "ch-network",
    "ch-beyond",
    "ch-notation",
    "ch-glossary",
    "ch-api",
    "ch-instructor",
    "ch-bibliography",
    "sec-forward-mean",
    "sec-forward-variance",
    "sec-forward-normalize",
    "sec-forward-scale-shift",
    "sec-forward-properties",
    "sec-forward-coupled",
    "sec-forward-running",
    "sec-forward-inference",
    "sec-forward-conventions",
    "sec-forward-accuracy",
    "sec-saturation-derivative",
    "sec-saturation-stable",
    "sec-saturation-fraction",
    "sec-saturation-depth",
    "sec-saturation-normalized",
    "sec-gradcheck-difference",
    "sec-gradcheck-upstream",
    "sec-gradcheck-eps",
    "sec-backward-paths",
    "sec-backward-closed-form",
    "sec-backward-parameters",
    "sec-backward-nodes",
]
EQUATIONS = [
    "eq-mean",
    "eq-var",
    "eq-normalize",
    "eq-scale-shift",
    "eq-running",
    "eq-inference",
    "eq-backward-dgamma",
    "eq-backward-dbeta",
    "eq-backward-x-hat",
    "eq-backward-var",
    "eq-backward-mu",
    "eq-backward-x",
    "eq-backward-dx",
]


@pytest.fixture(scope="module")
def pages(book):
    """Every built page, parsed, by its path."""
    paths = sorted(path for path in book.html.rglob("*.html") if "_static" not in path.parts)  # the theme's macros
    return {path: BeautifulSoup(path.read_text(encoding="utf8"), "html.parser") for path in paths}


@pytest.fixture(scope="module")
def anchors(pages):
    return {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in pages.items()}


RELATIONS = {"next", "prev", "index", "search"}  # links that say how pages hang together


def is_outside(url):
    return url.startswith("//") or urlsplit(url).scheme not in ("", "data")


def requested(soup):
    """Yield the address of everything that a browser fetches in order to show a page."""
    for tag in soup.find_all(True):
        for attribute in ("src", "poster", "data", "xlink:href"):
            if tag.get(attribute):
                yield tag[attribute]
        for candidate in tag.get("srcset", "").split(","):
            if candidate.strip():
                yield candidate.split()[0]
        fetched = tag.name in ("image", "use") or (tag.name == "link" and not RELATIONS & set(tag.get("rel", [])))
        if fetched and tag.get("href"):
            yield tag["href"]
        yield from css_urls(tag.get("style", ""))
        if tag.name == "style":
            yield from css_urls(tag.get_text())


def css_urls(css):
    yield from re.findall(r"""url\(\s*['"]?([^'")]+)""", css)
    yield from re.findall(r"""@import\s+['"]([^'"]+)""", css)


def file_of(url, page):
    """Return the file that a relative address on a page means, and the fragment."""
    path, fragment = urldefrag(url)
    path = unquote(path.split("?")[0])
    return ((page.parent / path).resolve() if path else page), unquote(fragment)


def test_the_book_builds_without_a_warning(book):
    warnings = [line for line in book.log.splitlines() if re.search("WARNING|ERROR|Error", line)]
    assert book.returncode == 0, "\n".join(warnings)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_of_the_contents_is_a_page_with_a_title(chapter, book, pages):
    assert (ROOT / f"{chapter}.md").exists()
    assert pages[book.html / f"{chapter}.html"].h1.get_text(strip=True)


def test_only_pages_of_the_book_are_built(book, pages):
    built = {path.relative_to(book.html).with_suffix("").as_posix() for path in pages}
    assert built == {"index", "search", "genindex", *CHAPTERS}


@pytest.mark.parametrize("label", SECTIONS)
def test_a_section_that_messages_link_to_exists(label, anchors):
    assert sum(label in ids for ids in anchors.values()) == 1


@pytest.mark.parametrize("label", EQUATIONS)
def test_an_equation_that_docstrings_refer_to_exists(label, anchors):
    assert sum(f"equation-{label}" in ids for ids in anchors.values()) == 1


def test_every_formula_is_rendered_at_build_time(pages):
    for path, soup in pages.items():
        for formula in soup.select(".math"):
            assert formula.select_one(".katex"), f"{path.name}: {formula.get_text()[:80]}"
        assert not soup.select(".katex-error"), path.name


def test_pages_ask_for_nothing_from_outside(pages):
    assert [(path.name, url) for path, soup in pages.items() for url in requested(soup) if is_outside(url)] == []


def test_style_sheets_ask_for_nothing_from_outside(book):
    sheets = [(sheet, url) for sheet in book.html.rglob("*.css") for url in css_urls(sheet.read_text(encoding="utf8"))]
    assert [(sheet.name, url) for sheet, url in sheets if is_outside(url)] == []
    local = [(sheet, url) for sheet, url in sheets if not url.startswith(("data:", "#"))]
    assert [(sheet.name, url) for sheet, url in local if not file_of(url, sheet)[0].exists()] == []


def test_everything_a_page_asks_for_is_there(pages):
    wanted = [(path, url) for path, soup in pages.items() for url in requested(soup) if not url.startswith("data:")]
    assert [(path.name, url) for path, url in wanted if not file_of(url, path)[0].exists()] == []


def test_internal_links_and_their_anchors_resolve(pages, anchors):
    broken = []
    for path, soup in pages.items():
        for link in soup.find_all("a", href=True):
            if urlsplit(link["href"]).scheme:
                continue
            target, fragment = file_of(link["href"], path)
            if not target.exists() or (fragment and fragment not in anchors.get(target, ())):
                broken.append((path.name, link["href"]))
    assert broken == []


def test_images_have_alternative_text(pages):
    images = [(path.name, image) for path, soup in pages.items() for image in soup.select(".bd-article img")]
    assert [(name, image.get("src")) for name, image in images if not image.get("alt", "").strip()] == []


@pytest.mark.parametrize("name", [name for name in solutions.__all__ if callable(getattr(solutions, name))])
def test_the_docstring_of_every_public_function_is_on_the_api_page(name, book, pages, anchors):
    api = book.html / "chapters" / "api.html"
    assert f"{inspect.getmodule(getattr(solutions, name)).__name__}.{name}" in anchors[api]


def test_a_change_of_the_code_behind_the_pages_changes_their_cache(tmp_path):
    book_build = extension("book_build")

    def digest_with(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return book_build.execution_digest(tmp_path)

    digests = [
        digest_with("solutions/batchnorm.py", "a = 1"),
        digest_with("solutions/batchnorm.py", "a = 2"),
        digest_with("chapters/figures/forward_pass.py", "b = 1"),
        digest_with("chapters/book.mplstyle", "lines.linewidth: 1"),
    ]
    assert len(set(digests)) == len(digests)
    assert digest_with("chapters/forward_pass.md", "Text is no code.") == digests[-1]


@pytest.fixture(scope="module")
def opened(book, chromium):
    """Open a page from the disk as a double-click does, and watch it."""
    contexts = []

    def open_page(name, **context_options):
        context = chromium.new_context(**context_options)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []

        def complain_about(text, worth_it=True):
            if worth_it:
                page.complaints.append(text)

        page.on("pageerror", lambda error: complain_about(f"script error: {error}"))
        page.on("console", lambda message: complain_about(message.text, message.type == "error"))
        page.on("request", lambda request: complain_about(request.url, is_outside_the_disk(request.url)))
        page.goto(Path(book.html / f"{name}.html").as_uri(), wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()


def is_outside_the_disk(url):
    return urlsplit(url).scheme not in ("file", "data", "blob")


def test_search_finds_a_page_from_the_disk(opened):
    page = opened("search")
    page.goto(page.url + "?q=momentum")
    page.locator("#search-results li a").first.wait_for()
    assert page.complaints == []


def test_printing_shows_the_title_and_the_solutions_and_hides_the_navigation(opened):
    page = opened("chapters/backward_pass")
    solution = page.locator(".solution p").last
    assert not solution.is_visible()
    page.emulate_media(media="print")
    assert solution.is_visible()
    assert page.locator(".bd-article h1").is_visible()
    assert not page.locator(".bd-sidebar-primary").is_visible()


def test_figures_lie_on_light_paper_in_the_dark_theme(opened):
    page = opened("chapters/forward_pass", color_scheme="dark")
    images = page.locator(".bd-article img")
    backgrounds = images.evaluate_all("images => images.map(image => getComputedStyle(image).backgroundColor)")
    assert backgrounds
    assert all(min(map(int, re.findall(r"\d+", color)[:3])) > 230 for color in backgrounds), backgrounds
