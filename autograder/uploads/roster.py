"""Which platform's number belongs to which student id of the course: read from the platform's own gradebook file."""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.course import Problem

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class Person:
    """One line of a roster: the id of the course, and what the platform calls the student."""

    student: str
    name: str
    handed_in: datetime | None = None


@dataclass(frozen=True)
class Roster:
    """The students of a course, by the platform's number.

    Attributes
    ----------
    people : mapping from the platform's number to a person
    """

    people: dict[str, Person] = field(default_factory=dict)

    def find(self, number: str) -> Person | None:
        """Return the person of a number, also for a number that is the student's id already."""
        if number in self.people:
            return self.people[number]
        return next((person for person in self.people.values() if person.student == number), None)


def read_roster(path: Path) -> Roster:
    """Read a Canvas gradebook, a Moodle grading worksheet, or a plain table with the columns `id` and `student`.

    Raises
    ------
    Problem
        If it cannot be read, or has none of these headers.
    """
    rows = table_of(path)
    header = set(rows[0])
    if {"ID", "SIS Login ID"} <= header or {"ID", "Student"} <= header:
        found = {row["ID"]: _canvas(row) for row in rows if (row["ID"] or "").strip().isdigit()}
    elif {"Identifier", "Full name"} <= header:
        found = {re.sub(r"\D", "", row["Identifier"]): _moodle(row) for row in rows if row["Identifier"]}
    elif {"id", "student"} <= header:
        found = {row["id"]: Person(_id(row["student"], row["id"]), row.get("name") or row["student"]) for row in rows}
    else:
        raise Problem(
            f"The roster {path} has none of the headers known: Canvas (Student, ID, SIS Login ID), "
            "Moodle (Identifier, Full name), or a table with id and student."
        )
    return Roster(found)


def table_of(path: Path) -> list[dict[str, str]]:
    """Read a table of a learning platform: comma- or semicolon-separated, with a header; absent fields are empty.

    Raises
    ------
    Problem
        If it cannot be read, or holds no line below its header.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Problem(f"The roster {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Problem(f"The roster {path} is no text in UTF-8; export it again as CSV.") from error
    first = text.partition("\n")[0]
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ","))
    if not rows:
        raise Problem(f"The roster {path} holds no line below its header; export it again.")
    return [{name: value or "" for name, value in row.items() if name} for row in rows]


def student_id(text: str) -> str:
    """Return a text as an id that can be a folder's name everywhere; empty if nothing of it can."""
    cleaned = re.sub(r"[^A-Za-z0-9._@-]+", "-", text.strip()).strip("-.")[:100]
    return cleaned if _ID.fullmatch(cleaned) else ""


def _id(*texts: str | None) -> str:
    return next(filter(None, (student_id(text or "") for text in texts)), "")


def _canvas(row: dict[str, str]) -> Person:
    return Person(_id(row.get("SIS Login ID"), row.get("SIS User ID"), row["ID"]), row.get("Student") or row["ID"])


def _moodle(row: dict[str, str]) -> Person:
    number = re.sub(r"\D", "", row["Identifier"])
    identity = row.get("ID number") or row.get("Username") or (row.get("Email address") or "").partition("@")[0]
    return Person(_id(identity, number), row["Full name"], _moodle_date(row.get("Last modified (submission)") or ""))


def _moodle_date(text: str) -> datetime | None:
    """Read a date as an English Moodle writes it, such as 'Friday, 6 November 2026, 11:59 PM', in local time."""
    for form in ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%d %B %Y, %I:%M %p"):
        try:
            return datetime.strptime(text.strip(), form).astimezone()
        except ValueError:
            continue
    return None
