"""Write marks into the gradebook file of a learning platform, which the platform then imports.

Canvas and Moodle know their students by numbers and names of their own. So each export starts from the file that the
platform itself exports, keeps what identifies a student, and fills in the marks. Nothing is invented and nothing lost:
where no mark is given, what the platform exported stays: an empty field, or a mark that somebody gave there. (To
Canvas, an empty field in the place of a mark says that the mark is to be taken away. Moodle passes over empty ones.)
"""

import csv
import io
from dataclasses import replace
from pathlib import Path

from autograder.course import Problem
from autograder.export import Mark
from autograder.uploads.roster import Roster, read_roster, table_of

_CANVAS_COLUMNS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


def as_canvas(found: list[Mark], gradebook: Path) -> str:
    """Return a CSV that Canvas imports: the students of its gradebook, a column for each assignment with marks.

    Parameters
    ----------
    found : list of Mark
    gradebook : Path
        What Canvas exports; an assignment that it has already keeps its column's name, with the number behind it.

    Raises
    ------
    Problem
        If the gradebook cannot be read, is none of Canvas, or gives an assignment another number of points.
    """
    rows, roster = table_of(gradebook), read_roster(gradebook)
    header = list(rows[0])
    if not {"Student", "ID", "Section"} <= set(header):
        raise Problem(f"{gradebook} is no gradebook of Canvas: it has no columns Student, ID and Section.")
    kept = [column for column in _CANVAS_COLUMNS if column in header]
    names = list(dict.fromkeys(mark.assignment for mark in found))
    columns = {name: next((c for c in header if c.rpartition(" (")[0] == name or c == name), name) for name in names}
    possible = {mark.assignment: mark.max_score for mark in found}
    points = next((row for row in rows if row["Student"].strip() == "Points Possible"), {})
    for name, column in columns.items():
        _same_points(name, points.get(column, ""), possible[name], gradebook)
    scores = {(mark.student, mark.assignment): mark.score for mark in found}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*kept, *columns.values()])
    writer.writerow(["    Points Possible", *[""] * (len(kept) - 1), *(f"{possible[name]:g}" for name in names)])
    for row in rows:
        if row["ID"] in roster.people:
            student = roster.people[row["ID"]].student
            given = (_number(scores.get((student, name))) or row.get(column, "") for name, column in columns.items())
            writer.writerow([*(row[column] for column in kept), *given])
    return text.getvalue()


def as_moodle(found: list[Mark], worksheet: Path, assignment: str) -> str:
    """Return Moodle's grading worksheet of one assignment with the marks filled in.

    Parameters
    ----------
    found : list of Mark
    worksheet : Path
        What Moodle gives for the assignment by 'Download grading worksheet'.
    assignment : str

    Raises
    ------
    Problem
        If the worksheet cannot be read, is none of Moodle, or has another maximum grade than the assignment.
    """
    rows, roster = table_of(worksheet), read_roster(worksheet)
    header = list(rows[0])
    if not {"Identifier", "Grade"} <= set(header):
        raise Problem(f"{worksheet} is no grading worksheet of Moodle: it has no columns Identifier and Grade.")
    scores = {mark.student: mark for mark in found if mark.assignment == assignment}
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        mark = scores.get(_student(roster, row["Identifier"]))
        if mark is not None and mark.score is not None:
            _same_points(assignment, row.get("Maximum Grade", ""), mark.max_score, worksheet)
            row = {**row, "Grade": _number(mark.score)}
        writer.writerow(row)
    return text.getvalue()


def finished(found: list[Mark]) -> list[Mark]:
    """Return the marks as a platform may count them: none for a submission of which a part waits for its mark."""
    return [replace(mark, score=None) if mark.waiting else mark for mark in found]


def not_in_roster(found: list[Mark], gradebook: Path) -> list[str]:
    """Return the students with marks of whom the platform's file knows nothing."""
    known = {person.student for person in read_roster(gradebook).people.values()}
    return sorted({mark.student for mark in found} - known)


def _student(roster: Roster, identifier: str) -> str:
    person = roster.people.get("".join(filter(str.isdigit, identifier)))
    return person.student if person else ""


def _same_points(assignment: str, told: str, points: float, path: Path) -> None:
    try:
        platform = float(told.replace(",", "."))
    except ValueError:
        return  # a column of no points, or a new one
    if platform != points:
        raise Problem(
            f"{path} gives {assignment} {platform:g} points, and the course {points:g}: "
            f"set it to {points:g} on the platform, or its percentages are wrong."
        )


def _number(score: float | None) -> str:
    return "" if score is None else f"{score:g}"
