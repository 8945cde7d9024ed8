"""The sample class gets exactly the marks that are declared by hand, and stock nbgrader agrees."""

import contextlib
import csv
import io
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from graded import assignment_of
from nbgrader.api import Gradebook

from autograder.bn_helper.judge import Expected
from autograder.bn_helper.parts import PARTS
from autograder.checks.expectations import grading_expectations, hidden_probes, visible_expectations, visible_probes
from autograder.checks.topics import CATALOGUE, TOPICS
from autograder.course import FOLDER, Course
from autograder.grading import verdicts
from autograder.sample import read_submissions
from autograder.sample.run import can_isolate, grade_sample

pytestmark = [
    # nbgrader's gradebook, on every new submission
    pytest.mark.filterwarnings("ignore:Object of type .* not in session"),
]

CLASS = read_submissions()
SECRET = "0123456789abcdef" * 4
AGAIN = ("emil", "fatima", "mallory", "tao")


@dataclass(frozen=True)
class Graded:
    course: Course
    status: int
    printed: str
    seconds: float


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Build and grade the sample class once, with a known secret, so that chance decides nothing below."""
    course = Course(tmp_path_factory.mktemp("sample") / "course")
    printed = io.StringIO()
    start = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr("autograder.course.secrets", SimpleNamespace(token_hex=lambda _: SECRET))
        status = grade_sample(course)
    seconds = time.perf_counter() - start
    assert (course.root / "secret").read_text().strip() == SECRET
    return Graded(course, status, printed.getvalue(), seconds)


@pytest.fixture(scope="module")
def again(graded, tmp_path_factory):
    """Grade some of the class by the stock commands, in a course folder with the same secret and a new gradebook."""
    root = tmp_path_factory.mktemp("again") / "course"
    root.mkdir()
    shutil.copytree(graded.course.root / "source" / "forward", root / "source" / "forward")
    shutil.copy(graded.course.root / "secret", root)
    for student in AGAIN:
        folder = Path("submitted") / student / "forward"
        shutil.copytree(graded.course.root / folder, root / folder)
    nbgrader(root, "generate_assignment", "forward")
    nbgrader(root, "autograde", "forward")
    return Course(root)


def nbgrader(root, command, *arguments):
    """Run a stock command in a course folder whose settings are the project's."""
    (root / "nbgrader_config.py").write_text(
        f"load_subconfig('nbgrader_config.py', path={str(FOLDER)!r})\n"
        "c = get_config()\n"
        f"c.CourseDirectory.root = {str(root)!r}\n"
        f"c.Rebuild.isolated = c.RunAndCheck.isolated = {can_isolate()[0]}\n"
    )
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    run = subprocess.run(
        ["nbgrader", command, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]


def marks(course, assignment, student):
    """Return the marks of every part that is checked, from the gradebook; None where a part has no mark."""
    with Gradebook(course.gradebook_url) as gradebook:
        parts = [cell.name for cell in gradebook.find_assignment(assignment).notebooks[0].grade_cells]
        submission = gradebook.find_submission(assignment, student)
        scores = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    return {part: scores.get(part) for part in parts if part in PARTS}


def declared(submission, parts):
    return {part: float(submission.scores.get(part, 0)) for part in parts}


def names(submissions):
    return [f"{submission.assignment}-{submission.student}" for submission in submissions]


# What the class is


def test_the_class_is_large_and_mixed_enough_to_mean_something():
    students = {a: {s.student for s in CLASS if s.assignment == a} for a in ("forward", "backward")}
    assert all(len(group) >= 9 for group in students.values())
    assert len(students["forward"] | students["backward"]) >= 14
    assert len(students["forward"] & students["backward"]) >= 5
    full = {a: sum(s.about.startswith("right") for s in CLASS if s.assignment == a) for a in students}
    assert min(full.values()) >= 3
    assert {name for s in CLASS for name in s.found} <= {entry.name for entry in CATALOGUE}
    assert {part for s in CLASS for part in s.scores} <= set(PARTS)


# The declared table


@pytest.mark.parametrize("submission", CLASS, ids=names(CLASS))
def test_the_gradebook_holds_the_declared_marks_part_by_part(graded, submission):
    found = marks(graded.course, submission.assignment, submission.student)
    assert found == declared(submission, found)
    assert set(submission.scores) <= set(found)


@pytest.mark.parametrize("submission", CLASS, ids=names(CLASS))
def test_exactly_the_declared_misconceptions_are_found(graded, submission):
    records = verdicts(graded.course.autograded(submission.student, submission.assignment))
    found = {name for record in records for finding in record["findings"] for name in finding["misconceptions"]}
    assert found == set(submission.found)


@pytest.mark.parametrize("submission", CLASS, ids=names(CLASS))
def test_a_part_that_loses_marks_says_why_and_where_to_read(graded, submission):
    for record in verdicts(graded.course.autograded(submission.student, submission.assignment)):
        assert bool(record["findings"]) == (record["score"] < record["points"])
        assert all(finding["sentence"].endswith(".") and finding["section"] for finding in record["findings"])


def test_the_command_of_the_sample_class_says_that_all_is_as_declared(graded):
    assert graded.status == 0, graded.printed
    assert f"{len(CLASS)} submissions" in graded.printed


def test_a_written_answer_waits_for_a_person_and_an_untouched_one_does_not(graded):
    with Gradebook(graded.course.gradebook_url) as gradebook:
        for student, waits in (("ada", True), ("pavel", False)):
            grade = gradebook.find_grade("explain-gamma-beta", "forward", "forward", student)
            assert grade.needs_manual_grade is waits


def test_an_endless_loop_costs_seconds_and_not_minutes(graded):
    notebook = nbformat.read(graded.course.autograded("sam", "forward"), as_version=4)
    stopped = [output.evalue for cell in notebook.cells for output in cell.get("outputs", ()) if "evalue" in output]
    granted = [float(seconds) for text in stopped for seconds in re.findall(r"did not finish in ([\d.]+) s", text)]
    assert len(granted) >= 3  # the notebook itself calls the function, in cells that a student may run
    assert sum(granted) < 30
    assert graded.seconds < 60 + 5 * len(CLASS)  # five seconds for each of the others, on a busy machine


# Stock nbgrader


@pytest.mark.parametrize("student", AGAIN)
def test_stock_autograde_gives_the_same_marks(graded, again, student):
    assert marks(again, "forward", student) == marks(graded.course, "forward", student)


@pytest.mark.parametrize("student", AGAIN)
def test_the_same_secret_gives_the_same_findings_to_the_last_digit(graded, again, student):
    first, second = (verdicts(course.autograded(student, "forward")) for course in (graded.course, again))
    assert first == second
    assert first


def test_export_writes_the_marks_of_the_whole_class(graded):
    nbgrader(graded.course.root, "export", "--to=marks.csv")
    with (graded.course.root / "marks.csv").open() as file:
        rows = {(row["assignment"], row["student_id"]): float(row["score"]) for row in csv.DictReader(file)}
    for submission in CLASS:
        assert rows[submission.assignment, submission.student] == pytest.approx(sum(submission.scores.values()))


# Feedback


@pytest.fixture(scope="module")
def pages(graded):
    """Make feedback pages by the stock command: of all who handed in forward, and of one who handed in backward."""
    nbgrader(graded.course.root, "generate_feedback", "forward")
    nbgrader(graded.course.root, "generate_feedback", "backward", "--student=hana")
    found = (graded.course.root / "feedback").glob("*/*/*.html")
    return {(path.stem, path.parent.parent.name): path.read_text(encoding="utf-8") for path in found}


def test_feedback_is_made_for_everyone(pages):
    assert set(pages) == {("forward", s.student) for s in CLASS if s.assignment == "forward"} | {("backward", "hana")}


def numbers(text):
    """Return the numbers of a text that are printed with six digits or more."""
    found = re.findall(r"(?<![\w.#])\d+\.\d+(?:e[+-]?\d+)?", text)
    return {number for number in found if digits(number) >= 6}


def digits(number):
    return len(re.sub(r"e.*|[.]", "", number).lstrip("0"))


def arrays(value):
    """Yield the numbers in lists and dicts, as arrays."""
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from arrays(item)
    elif isinstance(value, np.ndarray | float):
        yield np.asarray(value)


def values(probes, expectations):
    """Return every number of some probes and of what is expected of them."""
    held = [probe.inputs for probe in probes] + [notes for expected in expectations for notes in expected.notes]
    none = np.zeros(0)  # a planted layer has no numbers
    found = np.abs(np.concatenate([none, *(array.ravel() for array in arrays(held))]))
    return found[np.isfinite(found)]


def shown(page, values):
    """Return the numbers of a page that are some of the values, as far as they are printed."""
    printed = numbers(page)
    rounded = {n: {float(f"{value:.{n}g}") for value in values} for n in {digits(number) for number in printed}}
    return {number for number in printed if float(number) in rounded[digits(number)]}


@pytest.fixture(scope="module")
def seen():
    return values(
        [probe for topic in TOPICS.values() for probe in topic.visible],
        [e for part in PARTS for e in visible_expectations(part).values()],
    )


@pytest.fixture(scope="module")
def hidden():
    """Return the numbers that only the grader holds, those that are round left out."""
    found = []
    for part in PARTS:
        assignment = assignment_of(part)
        if assignment not in ("forward", "backward"):  # of which pages are made
            continue
        probes = hidden_probes(SECRET, assignment, part)
        expected = grading_expectations(SECRET, assignment, part).values()
        behind = [Expected(e.notes[len(visible_probes(part)) :]) for e in expected]
        found.append(values(probes, behind))
    found = np.concatenate(found)
    return [value for value in np.unique(found) if digits(f"{value:.6g}".rstrip("0")) == 6]


def test_no_feedback_page_shows_a_hidden_number(pages, hidden, seen):
    assert len(hidden) > 1000
    leaks = {page: shown(text, hidden) - shown(text, seen) for page, text in pages.items()}
    assert not {page: found for page, found in leaks.items() if found}


def test_the_search_for_numbers_finds_those_that_may_be_seen(pages, seen):
    assert shown(pages["forward", "fatima"], seen)
    assert shown(pages["backward", "hana"], seen)


def test_of_a_hidden_input_a_page_tells_the_shape_the_entry_and_the_deviation_alone(graded, pages):
    records = verdicts(graded.course.autograded("uma", "forward"))
    sentences = [finding["sentence"] for record in records for finding in record["findings"]]
    assert re.match(r"out\[\d, [56]\] deviates by \d+ % of ", sentences[0])
    for sentence in sentences:
        assert "(a hidden test, N=5, D=7)" in sentence
        assert not re.search(r"\d\.\d", sentence)
        assert sentence.partition("(")[0] in pages["forward", "uma"]


def test_no_feedback_page_shows_the_secret_or_where_the_course_lies(pages, graded):
    for page in pages.values():
        assert SECRET not in page
        assert str(graded.course.root) not in page
        assert str(FOLDER) not in page
