"""The page: what is told of a class, as one HTML file that asks for nothing from outside."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from autograder import sections
from autograder.course import FOLDER, Course
from autograder.report import data as of_class
from autograder.report import pictures, similarity
from autograder.report.data import ClassData, Paper

_HERE = Path(__file__).parent
_BOOK = FOLDER.parent / "_build" / "html"
_MOST_PICTURED = 12  # misconceptions; the table has all
_DAY = 86400
_TIMES = (
    *(("more than a week before the deadline", -7 * _DAY), ("in the last week", -_DAY), ("on the last day", 0)),
    *(("up to a day late", _DAY), ("more than a day late", np.inf)),
)
# What an oddity is about, for a page without names: its own sentence may hold the name of a student's file.
_ODDITIES = (
    ("was missing and was put back", "A cell was missing and was put back."),
    ("was changed and was restored", "A locked cell was changed and was restored."),
    ("was graded,", "The notebook had another name."),
    (" lies ", "Other files lie beside the notebook."),
    (" lie beside ", "Other files lie beside the notebook."),
    ("was made from", "The notebook was made from another release."),
    ("does not say from which release", "The notebook was made from another release."),
    ("in another order", "The cells were in another order."),
    ("counts as markdown", "A cell was of another type."),
    ("counts as code", "A cell was of another type."),
    ("counts.", "A cell was there more than once."),
)
_ODD = "Something about the file or its cells was odd; `grade` says what."


def write_report(course: Course, assignment: str, *, anonymous: bool = False, similar: bool = True) -> Path:
    """Write the report on a class to `reports/` in the course folder; one without names has a name of its own.

    Parameters
    ----------
    course : Course
    assignment : str
    anonymous : bool
        Name no student, and quote nothing that a student wrote.
    similar : bool
        Tell which submissions share rare features.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    Problem
        If there is no such assignment, or nothing of it is graded.
    """
    found = of_class.read_class(course, assignment, anonymous)
    target = course.root / "reports" / f"{assignment}{'-anonymous' if anonymous else ''}.html"
    groups = similarity.shared(course, found) if similar else None
    html = page(found, groups, anonymous=anonymous, link=_links(course))
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(target)
    return target


def page(
    found: ClassData,
    groups: list[similarity.Group] | None,
    *,
    anonymous: bool = False,
    link: Callable[[str], tuple[str, str]] = sections.section,
) -> str:
    """Return the page on a class; `link` gives a section's title and address, which may be empty."""
    known, other = of_class.agenda(found)
    separations = of_class.separations(found)
    late = [paper.late for paper in found.papers if paper.late is not None]
    counts, edges = pictures.histogram(found.totals(), found.max_score)
    stale = [paper.name for paper in found.papers if not paper.current]
    told: dict[str, Any] = {
        **{"data": found, "anonymous": anonymous, "known": known, "other": other, "separations": separations},
        **{"waiting": found.waiting(), "late": late, "fewest": of_class.FEWEST, "few": of_class.FEW},
        "median": float(np.median(found.totals())),
        "chance": 1.96 / np.sqrt(len(found.papers)),
        "penalties": any(paper.penalty for paper in found.papers),
        "bins": list(zip(edges[:-1], edges[1:], counts, strict=True)),
        "rows": [_row(found, part) for part in found.parts],
        "look": _to_look_at(found, anonymous, stale),
        "stale_all": len(stale) == len(found.papers),
        "times": _times(late),
        "groups": None if groups is None else [_told(g, anonymous) for g in groups[: similarity.MOST_SHOWN]],
        "more_groups": len(groups or ()) - len((groups or ())[: similarity.MOST_SHOWN]),
        "most": similarity.most(len(found.papers)),
        "section": link,
        "style": Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        "today": date.today().isoformat(),
        "pictures": {
            "marks": pictures.marks(found),
            "parts": pictures.parts(found),
            "misconceptions": pictures.misconceptions(known[:_MOST_PICTURED]) if known else "",
            "separations": pictures.separations(separations) if any(s.correlation for s in separations) else "",
            "hand_in": pictures.hand_in(late) if late else "",
        },
    }
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True)
    return environment.get_template("page.html").render(told)


def _links(course: Course) -> Callable[[str], tuple[str, str]]:
    """Return what gives a section's title and address: in the book of the course, else in the one built here."""
    here = course.root.resolve() / "reports"
    local = _BOOK if (_BOOK / "index.html").is_file() and here.is_relative_to(FOLDER.parent) else None
    book = course.book_url or (Path(os.path.relpath(local, here)).as_posix() if local else "")

    def link(label: str) -> tuple[str, str]:
        title, address = sections.section(label, book)
        return title, address if book else ""

    return link


def _row(found: ClassData, part: of_class.Part) -> tuple[of_class.Part, tuple[int, int, int], int, float | None]:
    shares = found.shares(part)
    missing = int(np.isnan(shares).sum())
    return part, pictures.levels(shares), missing, None if missing == len(shares) else float(np.nanmean(shares))


def _to_look_at(found: ClassData, anonymous: bool, stale: list[str]) -> list[tuple[str, list[str]]]:
    again = f"Handed in and not graded; `python -m autograder grade {found.assignment}` tries again and says why."
    look = [(name, [again]) for name in found.ungraded]
    for paper in found.papers:
        reasons = _reasons(paper, anonymous)
        if paper.name in stale and len(stale) < len(found.papers):
            reasons.append("Handed in again since it was graded: grade again.")
        if reasons:
            look.append((paper.name, reasons))
    return look


def _reasons(paper: Paper, anonymous: bool) -> list[str]:
    oddities = list(dict.fromkeys(map(_general, paper.oddities))) if anonymous else list(paper.oddities)
    if paper.isolated is False:
        oddities.append("Ran without isolation.")
    return oddities


def _general(oddity: str) -> str:
    return next((told for words, told in _ODDITIES if words in oddity), _ODD)


def _times(late: list[float]) -> list[tuple[str, int]]:
    ends = [-np.inf, *(end for _, end in _TIMES)]
    return [
        (words, sum(low < seconds <= high for seconds in late))
        for (words, high), low in zip(_TIMES, ends, strict=False)
    ]


def _told(group: similarity.Group, anonymous: bool) -> tuple[tuple[str, ...], list[str]]:
    """Say what a group shares; without names, only how much of each kind, for a comment may hold a name."""
    if not anonymous:
        return group.papers, [f"{feature.kind}: {feature.text[:160]}" for feature in group.features]
    kinds = [feature.kind for feature in group.features]
    return group.papers, [
        f"{kinds.count(kind)} {kind}{'s' if kinds.count(kind) > 1 else ''}" for kind in dict.fromkeys(kinds)
    ]
