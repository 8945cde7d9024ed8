"""The whole book in one file: a PDF for paper and screen, and an ePub."""

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urldefrag, urlsplit
from xml.dom import minidom

import pytest
from conftest import ROOT
from pypdf import PdfReader
from test_book import CHAPTERS


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "assets" / "editions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the PDF ----


@pytest.fixture(scope="module")
def site(book, tmp_path_factory):
    """A copy of the built pages, to put editions beside them."""
    return shutil.copytree(book.html, tmp_path_factory.mktemp("site") / "html")


@pytest.fixture(scope="module")
def pdf(site, chromium):
    return PdfReader(script("pdf").make(site, ROOT / "_toc.yml"))


@pytest.fixture(scope="module")
def sheets(pdf):
    """The text of each sheet."""
    return [page.extract_text() for page in pdf.pages]


def bookmarks(outline):
    for entry in outline:
        yield from bookmarks(entry) if isinstance(entry, list) else [entry]


def test_the_pdf_is_tagged_and_says_its_title_and_language(pdf):
    assert pdf.root_object["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in pdf.root_object
    assert pdf.root_object["/Lang"] == "en"
    assert pdf.metadata.title == "Batch Normalization, worked"


def test_every_page_of_the_book_has_a_bookmark_and_a_place(pdf, book):
    titles = [entry.title for entry in bookmarks(pdf.outline)]
    assert len(titles) > 8 * len(CHAPTERS)
    for title in ("The forward pass", "Checking a gradient", "Bibliography", "Notation"):
        assert any(title in bookmark for bookmark in titles), title
    places = {name.lstrip("/") for name in pdf.named_destinations}
    assert {chapter.replace("/", "-") for chapter in CHAPTERS} <= places


def test_links_of_the_pdf_stay_inside_or_go_to_the_web(pdf):
    inside = outside = 0
    for page in pdf.pages:
        for annotation in page.get("/Annots", []):
            link = annotation.get_object()
            action = link.get("/A", {})
            if "/URI" in action:
                assert urlsplit(action["/URI"]).scheme in ("http", "https"), action["/URI"]
                outside += 1
            else:
                place = link.get("/Dest") or action["/D"]
                assert isinstance(place, list) or place in pdf.named_destinations, place
                inside += 1
    assert inside > 500
    assert outside > 20


def test_sheets_are_numbered_and_the_contents_know_the_numbers(pdf, sheets):
    assert [i + 1 for i, text in enumerate(sheets) if i and str(i + 1) not in text.split()] == []
    place = pdf.get_destination_page_number(pdf.named_destinations["/chapters-backward_pass"]) + 1
    contents = " ".join(" ".join(sheets[1:6]).split())
    assert re.search(rf"6\. ?The backward pass {place}\b", contents)


def test_the_pdf_shows_solutions_and_still_pictures(sheets):
    text = "\n".join(sheets)
    assert text.count("Solution to Exercise") > 50
    assert "Try:" not in text
    assert "zero" in text[text.index("Solution to Exercise 4.1") :][:800]


def test_without_chromium_one_sentence_says_what_is_missing(site, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="Chromium, which is not installed; on Debian: sudo apt-get install chromium"):
        script("pdf").make(site, ROOT / "_toc.yml")


def test_links_within_a_page_and_between_pages_lead_to_different_places():
    target, names = script("pdf").target, ["index", "chapters/a", "chapters/b"]
    assert target("#x", "chapters/a", names) == "#chapters-a--x"
    assert target("b.html#x", "chapters/a", names) == "#chapters-b--x"
    assert target("../index.html", "chapters/a", names) == "#index"
    assert target("https://doi.org/1", "chapters/a", names) == "https://doi.org/1"
    assert target("../downloads/forward.zip", "chapters/a", names) is None


def test_the_first_page_links_to_the_editions_that_exist(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<p>a</p><!-- editions --><!-- end of editions --><p>b</p>", encoding="utf8")
    links = script("links")
    links.link(tmp_path)
    assert "<a" not in page.read_text(encoding="utf8")
    for suffix, number in (("pdf", 1), ("epub", 2)):
        (tmp_path / f"{links.NAME}.{suffix}").write_bytes(b"1")
        links.link(tmp_path)
        assert page.read_text(encoding="utf8").count("<a href=") == number
    assert f"{links.NAME}.pdf" == script("pdf").NAME


def test_the_first_page_has_the_place_for_the_links(book):
    assert script("links").PLACE.search((book.html / "index.html").read_text(encoding="utf8"))


# ---- the ePub ----


@pytest.fixture(scope="module")
def epub(tmp_path_factory):
    """Build the ePub by the command of the Makefile."""
    output = tmp_path_factory.mktemp("epub")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ROOT, "--path-output", output, "--all", "-W", "-n"]
    command += ["--keep-going", "--builder", "custom", "--custom-builder", "epub"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return zipfile.ZipFile(output / "_build" / "epub" / "batch-normalization-worked.epub")


@pytest.fixture(scope="module")
def package(epub):
    return minidom.parseString(epub.read("content.opf"))


def test_the_epub_begins_with_its_type_as_it_is(epub):
    first = epub.infolist()[0]
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert epub.read("mimetype").strip() == b"application/epub+zip"
    assert b'full-path="content.opf"' in epub.read("META-INF/container.xml")


def test_the_package_lists_every_file_once_and_no_other(epub, package):
    listed = [item.getAttribute("href") for item in package.getElementsByTagName("item")]
    assert len(set(listed)) == len(listed)
    assert {*listed, "mimetype", "META-INF/container.xml", "content.opf"} == set(epub.namelist())
    assert len(epub.namelist()) == len(set(epub.namelist()))
    assert not [name for name in listed if name.endswith((".js", ".woff2"))]


def test_every_page_of_the_book_is_read_in_order_and_named_in_the_contents(epub, package):
    files = {item.getAttribute("id"): item.getAttribute("href") for item in package.getElementsByTagName("item")}
    spine = [files[item.getAttribute("idref")] for item in package.getElementsByTagName("itemref")]
    pages = [f"{name}.xhtml" for name in ["index", *CHAPTERS]]
    assert [name for name in spine if name in pages] == pages
    contents = minidom.parseString(epub.read("nav.xhtml"))
    assert {link.getAttribute("href") for link in contents.getElementsByTagName("a")} >= set(pages)


def test_pages_of_the_epub_are_well_formed_and_complete(epub, package):
    files, anchors, wanted = set(epub.namelist()), {}, []
    for name in files:
        if not name.endswith(".xhtml"):
            continue
        page = minidom.parseString(epub.read(name))
        tags = page.getElementsByTagName("*")
        anchors[name] = {tag.getAttribute("id") for tag in tags}
        assert "script" not in {tag.tagName for tag in tags}, name
        for tag in tags:
            url = tag.getAttribute("src") or (tag.getAttribute("href") if tag.tagName in ("a", "link") else "")
            if url and not urlsplit(url).scheme:
                path, fragment = urldefrag(unquote(url))
                wanted.append((name, normpath(join(dirname(name), path)) if path else name, fragment))
    assert [link for link in wanted if link[1] not in files] == []
    assert [link for link in wanted if link[2] and link[2] not in anchors[link[1]]] == []


def test_formulas_of_the_epub_are_mathml_and_the_package_says_so(epub, package):
    for item in package.getElementsByTagName("item"):
        if item.getAttribute("href").endswith(".xhtml"):
            text = epub.read(item.getAttribute("href")).decode()
            assert ("<math" in text) == ("mathml" in item.getAttribute("properties").split())
            assert "katex-html" not in text


def test_drawings_of_the_epub_have_no_id_twice(epub):
    for name in epub.namelist():
        if name.endswith(".svg"):
            ids = re.findall(rb' id="([^"]*)"', epub.read(name))
            assert len(set(ids)) == len(ids), name
