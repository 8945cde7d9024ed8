"""The sections to which messages and assignments send a student are those of the book."""

import re

import pytest
from conftest import ROOT

from autograder.bn_helper.parts import PARTS
from autograder.checks.topics import CATALOGUE
from autograder.sections import PAGES, TITLES, link, section

HEADING = re.compile(r"^\((?P<label>[\w-]+)\)=\n+#+ (?P<title>.+)$", re.MULTILINE)


def headings(page):
    text = (ROOT / "chapters" / f"{page}.md").read_text(encoding="utf8")
    return {match["label"]: match["title"] for match in HEADING.finditer(text)}


@pytest.mark.parametrize("label", TITLES)
def test_a_section_stands_on_its_page_under_its_title(label):
    page, _ = PAGES["-".join(label.split("-")[:2])]
    assert headings(page)[label] == TITLES[label]


@pytest.mark.parametrize(("page", "chapter"), PAGES.values())
def test_a_chapter_has_its_title(page, chapter):
    assert chapter in headings(page).values()


def test_every_part_and_every_misconception_sends_to_a_section():
    sections = {part.section for part in PARTS.values()} | {entry.section for entry in CATALOGUE}
    assert sections <= set(TITLES)


def test_an_address_leads_into_the_book_when_the_course_says_where_it_is():
    title, address = section("sec-forward-mean", "https://example.org/book/")
    assert address == "https://example.org/book/chapters/forward_pass.html#sec-forward-mean"
    assert link("sec-forward-mean", "https://example.org/book") == f"{title} ({address})"


def test_an_unknown_section_is_no_section():
    with pytest.raises(KeyError):
        section("sec-forward-nowhere")
