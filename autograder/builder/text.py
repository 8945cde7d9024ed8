"""Read the text of an assignment: prose, code to try, and the cells that are solved, checked or answered.

The text is MyST. Besides prose it holds fenced blocks, each of which becomes a cell:

    ```{code-cell}            code that the student may run and change
    ```{setup}                code that the grader restores, such as the imports
    ```{solution} NAME        the function NAME of `solutions`, which the student writes
    ```{check} PART           the graded check of a part, with `:points: 3`
    ```{answer} ID            a written answer, marked by hand, with `:points: 3`; the block holds the rubric
    ```{plot} ID              code that the student completes to draw something, marked by hand, with `:points: 3`; what
                              stands between `### BEGIN SOLUTION` and `### END SOLUTION` is the rubric, as comments,
                              and an example
    ```{marks}                the table of parts and points
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from autograder.course import Problem

_CELLS = ("code-cell", "setup", "solution", "check", "answer", "plot", "marks")
_FENCE = re.compile(r"\{(?P<kind>[\w-]+)\}\s*(?P<name>\S*)\s*(?P<rest>.*)")
_OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")
BY_HAND = ("answer", "plot")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_POINTS = ("check", *BY_HAND)
_NAMED = ("solution", *_POINTS)
_EMPTY = ("solution", "check", "marks")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TAKEN = ("setup", "marks")


@dataclass(frozen=True)
class Block:
    """One cell of an assignment: its kind ('text' or a kind of fence), name, points, content and line."""

    kind: str
    content: str
    line: int
    name: str = ""
    points: float | None = None


@dataclass(frozen=True)
class Text:
    """An assignment as its author wrote it."""

    path: Path
    title: str
    minutes: int
    blocks: tuple[Block, ...]

    def problem(self, line: int, sentence: str) -> Problem:
        """Return what to raise about a line of this text."""
        return Problem(f"{self.path}:{line}: {sentence}")


def read_text(path: Path) -> Text:
    """Read an assignment's text.

    Raises
    ------
    Problem
        If the text cannot be read, or a block is malformed; the message names file and line.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: the text of the assignment cannot be read: {error}.") from error
    header, body, skipped = _split_header(path, source)
    text = Text(path, str(header["title"]), int(header["minutes"]), ())
    blocks = list(_blocks(text, body, skipped))
    _refuse_duplicates(text, blocks)
    return Text(path, text.title, text.minutes, tuple(blocks))


def _split_header(path: Path, source: str) -> tuple[dict[str, Any], str, int]:
    match = re.match(r"---\n(.*?)\n---\n", source, re.DOTALL)
    if match is None:
        raise Problem(
            f"{path}:1: the text begins with a header between two lines of '---' that gives title and minutes."
        )
    try:
        header = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise Problem(f"{path}:1: the header is not valid YAML: {' '.join(str(error).split())}.") from error
    missing = [name for name in ("title", "minutes") if not isinstance(header, dict) or name not in header]
    if missing:
        raise Problem(f"{path}:1: the header does not give {' and '.join(missing)}.")
    if type(header["minutes"]) is not int or header["minutes"] < 1:
        raise Problem(f"{path}:1: 'minutes' in the header is a whole number above 0, not {header['minutes']!r}.")
    return header, source[match.end() :], match[0].count("\n")


def _blocks(text: Text, body: str, skipped: int) -> list[Block]:
    lines = body.splitlines()
    blocks: list[Block] = []
    start = 0
    for token in MarkdownIt().parse(body):
        match = _FENCE.match(token.info) if token.type == "fence" else None
        if match is None or token.level or match["kind"] not in _CELLS:
            if match is not None:
                line = skipped + (token.map or [0])[0] + 1
                if match["kind"] in _CELLS:
                    raise text.problem(
                        line, f"{{{match['kind']}}} stands at the beginning of a line, in no list or quote."
                    )
                raise text.problem(line, f"there is no block {{{match['kind']}}}; the blocks are {', '.join(_CELLS)}.")
            continue
        first, last = token.map or [0, 0]
        if not re.fullmatch(rf"{re.escape(token.markup[0])}{{{len(token.markup)},}}\s*", lines[last - 1]):
            raise text.problem(skipped + first + 1, f"the block {{{match['kind']}}} is not closed.")
        blocks += _prose(lines, start, first, skipped)
        blocks.append(_cell(text, match, token.content, skipped + first + 1))
        start = last
    return blocks + _prose(lines, start, len(lines), skipped)


def _prose(lines: list[str], start: int, end: int, skipped: int) -> list[Block]:
    blocks: list[Block] = []
    first = start
    for at in [*(n for n in range(start, end) if lines[n] == "+++"), end]:
        while first < at and not lines[first].strip():
            first += 1
        content = "\n".join(lines[first:at]).rstrip()
        if content:
            blocks.append(Block("text", content, skipped + first + 1))
        first = at + 1
    return blocks


def _cell(text: Text, match: re.Match[str], content: str, line: int) -> Block:
    kind, name = match["kind"], match["name"]
    if match["rest"]:
        raise text.problem(line, f"{{{kind}}} takes one name, not {name + ' ' + match['rest']!r}.")
    if (kind in _NAMED) != bool(name):
        raise text.problem(line, f"{{{kind}}} {'needs a' if kind in _NAMED else 'has no'} name behind it.")
    if name and (not _NAME.fullmatch(name) or name in _TAKEN):
        raise text.problem(
            line, f"{name!r} cannot be an id: use letters, digits, - and _, and not {' or '.join(_TAKEN)}."
        )
    options, content = _options(text, content, line)
    if kind in _EMPTY and content.strip():
        raise text.problem(line, f"{{{kind}}} holds no text: what stands in it would be lost.")
    if kind == "plot" and [content.count(mark) for mark in (BEGIN, END)] != [1, 1]:
        raise text.problem(line, f"{{plot}} {name} holds its rubric between one '{BEGIN}' and one '{END}'.")
    unknown = set(options) - ({"points"} if kind in _POINTS else set())
    if unknown:
        raise text.problem(line, f"{{{kind}}} has no option :{min(unknown)}:.")
    points = None
    if kind in _POINTS:
        if "points" not in options:
            raise text.problem(line, f"{{{kind}}} {name} needs its points: a line ':points: 3' below it.")
        try:
            points = float(options["points"])
        except ValueError:
            points = 0.0
        if not 0 < points < 1000:
            raise text.problem(line, f"the points of {name} are a number above 0, not {options['points']!r}.")
    return Block(kind, content.strip("\n"), line, name, points)


def _options(text: Text, content: str, line: int) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    lines = content.splitlines()
    while lines and (match := _OPTION.fullmatch(lines[0].strip())):
        if match["name"] in options:
            raise text.problem(line, f"the option :{match['name']}: is given twice.")
        options[match["name"]] = match["value"].strip()
        lines.pop(0)
    return options, "\n".join(lines)


def _refuse_duplicates(text: Text, blocks: list[Block]) -> None:
    seen: dict[str, int] = {}
    for block in blocks:
        name = block.name or (f"{{{block.kind}}}" if block.kind in _TAKEN else "")
        if name and name in seen:
            raise text.problem(block.line, f"{name} is used already in line {seen[name]}.")
        seen[name] = block.line
