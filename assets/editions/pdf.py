"""Make one PDF of the built book: `python assets/editions/pdf.py _build/html`.

The articles of all pages are put one after the other into one page, whose links stay inside it. Chromium prints that
page twice: once to learn on which sheet each section begins, and once with these numbers in the table of contents.
"""

import copy
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urldefrag, urlsplit

import yaml
from bs4 import BeautifulSoup
from pypdf import PdfReader, PdfWriter

ROOT = Path(__file__).resolve().parents[2]
NAME = "batch-normalization-worked.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LEFT_OUT = ".interactive, .book-start, .headerlink, script, noscript, button, .copybtn, .toggle-details__summary"
REFERRING = ("aria-labelledby", "aria-describedby", "for")  # attributes that name an id
EMPTY = '<!DOCTYPE html><html lang="en" data-theme="light"><head></head><body></body></html>'
STYLE = Path(__file__).with_name("whole_book.css")


def contents(toc):
    """Return the parts of the book, each with its caption and the names of its pages, in order."""
    toc = yaml.safe_load(toc)
    parts = [("", [toc["root"]])]
    return parts + [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]


def anchor(name, fragment=""):
    """Return the id in the whole book of a page, or of what has the id `fragment` on it."""
    return f"{name.replace('/', '-')}--{fragment}" if fragment else name.replace("/", "-")


def target(url, name, names):
    """Return where an address on the page `name` leads in the whole book, or None if it leads to a file beside it."""
    if urlsplit(url).scheme:
        return url
    path, fragment = urldefrag(url)
    page = name
    if path:
        page = os.path.normpath(PurePosixPath(name).parent / unquote(path)).removesuffix(".html")
    return f"#{anchor(page, unquote(fragment))}" if page in names else None


def article_of(html, name, names):
    """Return the article of a page, ready to stand among others."""
    article = BeautifulSoup(html, "html.parser").select_one("article.bd-article")
    for tag in article.select(LEFT_OUT):
        tag.decompose()
    for tag in article.find_all(True):
        if tag.get("id"):
            tag["id"] = anchor(name, tag["id"])
        for attribute in REFERRING:
            if tag.get(attribute):
                tag[attribute] = " ".join(anchor(name, one) for one in tag[attribute].split())
        if tag.get("class"):
            tag["class"] = [word for word in tag["class"] if word not in ("dropdown", "toggle", "toggle-hidden")]
        if tag.name == "details":
            tag["open"] = ""
        if tag.name in ("img", "source") and tag.get("src") and not urlsplit(tag["src"]).scheme:
            tag["src"] = os.path.normpath(PurePosixPath(name).parent / tag["src"])
        if tag.name == "a" and tag.get("href"):
            to = target(tag["href"], name, names)
            if to is None:
                tag.name = "span"
                del tag["href"]
            else:
                tag["href"] = to
    article["id"] = anchor(name)
    return article


def table_of_contents(soup, parts, articles, numbers):
    """Return a list of links to every page and its sections, with the numbers of their sheets, if known."""
    nav = soup.new_tag("nav", attrs={"class": "book-contents", "aria-label": "Contents"})
    heading = soup.new_tag("h2")
    heading.string = "Contents"
    nav.append(heading)

    def entry(title, where):
        item = soup.new_tag("li")
        link = soup.new_tag("a", href=f"#{where}")
        text = soup.new_tag("span")
        for child in title.contents:
            text.append(copy.copy(child))
        number = soup.new_tag("span", attrs={"class": "page"})
        number.string = str(numbers.get(where, ""))
        link.extend([text, number])
        item.append(link)
        return item

    for caption, names in parts:
        if caption:
            paragraph = soup.new_tag("p")
            paragraph.string = caption
            nav.append(paragraph)
        entries = soup.new_tag("ul")
        for name in names:
            item = entry(articles[name].h1, anchor(name))
            sections = [
                (section.find("h2", recursive=False), section["id"])
                for section in articles[name].find_all("section", id=True)
            ]
            below = soup.new_tag("ul")
            below.extend(entry(title, where) for title, where in sections if title)
            if below.contents and len(below.contents) < 20:
                item.append(below)
            entries.append(item)
        nav.append(entries)
    return nav


def whole_book(html, parts, numbers):
    """Return the page of all pages."""
    names = [name for _, pages in parts for name in pages]
    articles = {name: article_of((html / f"{name}.html").read_text(encoding="utf8"), name, names) for name in names}
    first = BeautifulSoup((html / f"{names[0]}.html").read_text(encoding="utf8"), "html.parser")
    soup = BeautifulSoup(EMPTY, "html.parser")
    soup.head.append(soup.new_tag("meta", charset="utf-8"))
    title = soup.new_tag("title")
    title.string = articles[names[0]].h1.get_text()
    soup.head.append(title)
    soup.head.extend(first.head.select("link[rel=stylesheet]"))
    style = soup.new_tag("style")
    style.string = STYLE.read_text(encoding="utf8")
    soup.head.append(style)

    cover = soup.new_tag("header", attrs={"class": "title-page"})
    name = soup.new_tag("p", attrs={"class": "title"})
    name.string = title.string
    name.name = "h1"
    about = soup.new_tag("p")
    about.string = first.find("meta", attrs={"name": "description"})["content"]
    rights = soup.new_tag("p")
    rights.string = first.select_one(".copyright").get_text(" ", strip=True)
    cover.extend([name, about, rights])
    soup.body.extend([cover, table_of_contents(soup, parts, articles, numbers), *articles.values()])
    return str(soup)


def chromium():
    """Return the path of a browser that can print, or say what is missing."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit("The PDF is printed by Chromium, which is not installed; on Debian: sudo apt-get install chromium")
    return found


def print_page(browser, page, pdf):
    """Print a page to a tagged PDF with an outline."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        command += ["--no-pdf-header-footer", "--export-tagged-pdf", "--generate-pdf-document-outline"]
        command += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has no sandbox
        command += ["--virtual-time-budget=60000", f"--print-to-pdf={pdf}", page.as_uri()]
        run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if run.returncode or not pdf.exists():
        sys.exit(f"Chromium did not print the book:\n{run.stderr[-2000:]}")


def sheets(pdf):
    """Return the number of the sheet on which each link target of a PDF stands, from 1."""
    reader = PdfReader(pdf)
    return {
        name.lstrip("/"): reader.get_destination_page_number(place) + 1
        for name, place in reader.named_destinations.items()
    }


def make(html, toc):
    """Make the PDF beside the pages, and return its path."""
    browser, parts = chromium(), contents(toc.read_text(encoding="utf8"))
    page, draft, pdf = html / "whole-book.html", html / "draft.pdf", html / NAME
    try:
        numbers = {}
        for _ in range(2):
            page.write_text(whole_book(html, parts, numbers), encoding="utf8")
            print_page(browser, page, draft)
            numbers = sheets(draft)
        writer = PdfWriter(clone_from=draft)
        writer.add_metadata({"/Title": "Batch Normalization, worked", "/Author": "the authors"})
        writer.pdf_header = "%PDF-1.7"
        writer.write(pdf)
    finally:
        page.unlink(missing_ok=True)
        draft.unlink(missing_ok=True)
    return pdf


if __name__ == "__main__":
    print(make(Path(sys.argv[1]).resolve(), ROOT / "_toc.yml"))
