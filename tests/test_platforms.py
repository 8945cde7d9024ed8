"""Marks reach Canvas and Moodle in the files that these platforms import; what is not graded is empty, not 0."""

import csv
import io

import pytest

from autograder.course import Problem
from autograder.export import Mark
from autograder.platforms import as_canvas, as_moodle, not_in_roster

GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,forward (99),Essay (3),Current Score\r\n"
    "    Points Possible,,,,,24,10,(read only)\r\n"
    '"Doe, Jane",12345,S1,jdoe,A,7,8,70\r\n'
    '"Müller, Jörg",777,S2,jmueller,A,,,\r\n'
    '"Student, Test",55,,a1b2,A,,,\r\n'
)
WORKSHEET = (
    "Identifier,Full name,ID number,Status,Grade,Maximum Grade,Last modified (grade),Feedback comments\n"
    'Participant 4711,Ana María,ana,Submitted,,24.00,-,"kept, as it is"\n'
    "Participant 4712,Bo,bo,Submitted,3.00,24.00,-,\n"
)


def mark(student, score, assignment="forward", points=24.0):
    return Mark(assignment, student, score, points, 0.0, {}, [])


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "roster.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_canvas_gets_its_own_ids_its_own_columns_and_the_points_possible(file):
    found = [mark("jdoe", 21.5), mark("jmueller", None), mark("jdoe", 9, "backward", 31.0)]
    assert rows(as_canvas(found, file(GRADEBOOK))) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "forward (99)", "backward"],
        ["    Points Possible", "", "", "", "", "24", "31"],
        ["Doe, Jane", "12345", "S1", "jdoe", "A", "21.5", "9"],
        ["Müller, Jörg", "777", "S2", "jmueller", "A", "", ""],
        ["Student, Test", "55", "", "a1b2", "A", "", ""],
    ]


def test_a_mark_that_stands_on_canvas_is_not_taken_away_where_none_is_given(file):
    """Canvas takes an empty field in the place of a mark as the wish to remove it."""
    (jane, joerg) = rows(as_canvas([mark("jdoe", None), mark("jmueller", None)], file(GRADEBOOK)))[2:4]
    assert (jane[-1], joerg[-1]) == ("7", "")


def test_a_zero_that_was_given_is_a_zero(file):
    assert rows(as_canvas([mark("jdoe", 0.0)], file(GRADEBOOK)))[2][-1] == "0"


def test_moodle_gets_its_worksheet_back_with_the_marks_filled_in(file):
    before, after = rows(WORKSHEET), rows(as_moodle([mark("ana", 20.25), mark("bo", None)], file(WORKSHEET), "forward"))
    assert after[0] == before[0]
    assert after[1] == [*before[1][:4], "20.25", *before[1][5:]]
    assert after[2] == before[2]  # not graded here: what stands there stays


def test_other_points_on_the_platform_are_refused_with_both_numbers(file):
    with pytest.raises(Problem, match="gives forward 24 points, and the course 30"):
        as_canvas([mark("jdoe", 1, points=30.0)], file(GRADEBOOK))
    with pytest.raises(Problem, match="gives forward 24 points, and the course 30"):
        as_moodle([mark("ana", 1, points=30.0)], file(WORKSHEET), "forward")


def test_a_file_of_another_platform_is_told_so(file):
    with pytest.raises(Problem, match="is no gradebook of Canvas"):
        as_canvas([mark("ana", 1)], file(WORKSHEET))
    with pytest.raises(Problem, match="is no grading worksheet of Moodle"):
        as_moodle([mark("ana", 1)], file(GRADEBOOK), "forward")
    with pytest.raises(Problem, match="holds no line below its header"):
        as_canvas([mark("ana", 1)], file("Student,ID,Section\n"))


def test_students_whom_the_platform_does_not_know_are_told(file):
    assert not_in_roster([mark("jdoe", 1), mark("stranger", 2)], file(GRADEBOOK)) == ["stranger"]
