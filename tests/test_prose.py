"""The chapters keep to the way the book is written: questions, pictures, exercises, numbered formulas and sources."""

import re

import pytest
import yaml
from conftest import ROOT

PARTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))["parts"]
CHAPTERS = [chapter["file"] for part in PARTS if part["caption"] != "Reference" for chapter in part["chapters"]]
SOURCES = {name: (ROOT / f"{name}.md").read_text(encoding="utf8") for name in ("index", *CHAPTERS)}

# Sections that look back, and show nothing of their own.
CLOSING = re.compile(r"sec-[a-z-]+-known|sec-beyond-practice")
# Sections that have no figure, because they speak of one that stands before them or are a list.
WITHOUT_PICTURE = {"sec-shift-claims", "sec-backward-paths", "sec-beyond-checklist"}

FORBIDDEN = re.compile(r"\b(simply|obviously|clearly|just|trivially|of course it)\b|\N{EM DASH}", re.IGNORECASE)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


def sections(source):
    """Yield (label, text) of every section that has a label."""
    starts = [*re.finditer(r"^\((sec-[a-z-]+)\)=\n## ", source, re.MULTILINE)]
    ends = [start.start() for start in starts[1:]] + [len(source)]
    for start, end in zip(starts, ends, strict=True):
        yield start[1], source[start.start() : end]


SECTIONS = [pair for name in CHAPTERS for pair in sections(SOURCES[name]) if not CLOSING.fullmatch(pair[0])]


def prose(source):
    """Return what a reader reads as sentences: no code, no formulas, no computed numbers, no quoted ones."""
    source = source.split("\n---\n", 1)[1]  # the header
    for pattern in (
        r"^(`{3,}|~{3,}).*?^\1$",  # code
        r"\$\$.*?\$\$",
        r"\$[^$]+\$",
        r"\{[a-z:]+\}`[^`]*`",  # roles: references, computed numbers
        r"`[^`]*`",
        r"\]\([^)]*\)",  # addresses
        r"^\|.*$",  # tables
    ):
        source = re.sub(pattern, " ", source, flags=re.MULTILINE | re.DOTALL if "*?" in pattern else re.MULTILINE)
    return source


@pytest.mark.parametrize("name", SOURCES)
def test_no_word_tells_the_reader_that_it_is_easy(name):
    assert [match[0] for match in FORBIDDEN.finditer(prose(SOURCES[name]))] == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_formula_on_a_line_of_its_own_has_a_number(name):
    fences = re.findall(r"^\$\$.*$", SOURCES[name], re.MULTILINE)
    assert len(fences) % 2 == 0
    assert [fence for fence in fences[1::2] if not re.fullmatch(r"\$\$ \(eq-[a-z0-9-]+\)", fence)] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_decimal_in_a_sentence_is_computed_or_comes_with_its_source(name):
    header, body = SOURCES[name].split("\n---\n", 1)
    own = "\n\n".join(block for block in body.split("\n\n") if "{cite:" not in block)
    numbers_of_things = r"\b([Ss]ections?|[A-Z][a-z]+[A-Z][a-z]+) \d+(\.\d+)*"  # section 4.2, TensorFlow 2.8
    assert DECIMAL.findall(re.sub(numbers_of_things, " ", prose(header + "\n---\n" + own))) == []


@pytest.mark.parametrize(("label", "text"), SECTIONS, ids=[label for label, _ in SECTIONS])
def test_a_section_opens_with_a_question(label, text):
    blocks = (block.strip() for block in text.split("\n\n")[1:])
    question = next(block for block in blocks if not block.startswith("```{index}"))
    assert re.fullmatch(r"\*[^*].*\?.*\*", question, re.DOTALL)


@pytest.mark.parametrize(("label", "text"), SECTIONS, ids=[label for label, _ in SECTIONS])
def test_a_section_shows_a_picture_and_sets_an_exercise(label, text):
    assert label in WITHOUT_PICTURE or "name: fig-" in text
    assert label == "sec-beyond-checklist" or "{exercise}" in text


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_exercise_has_a_solution_that_opens(name):
    source = SOURCES[name]
    asked = re.findall(r"\{exercise\}[^\n]*\n:label: (ex-[a-z0-9-]+)", source)
    solved = re.findall(r"\{solution(?:-start)?\} (ex-[a-z0-9-]+)\n:class: dropdown", source)
    assert asked == solved
    assert len(asked) >= 4
    kinds = ("Derive", "Predict", "Find the bug", "Explain")
    assert sum(kind in source for kind in kinds) >= 3
