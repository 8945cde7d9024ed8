"""The exported marks: each mark that was given, and an empty field for what was not graded."""

import csv
import io
import json
import shutil

import pytest
from nbgrader.api import Gradebook

from autograder.__main__ import main
from autograder.builder.build import build
from autograder.course import Course, Problem
from autograder.engine.pipeline import Submission, flag_ungraded
from autograder.export import as_csv, as_json, marks
from autograder.grading import grade
from autograder.sample.run import can_isolate

# nbgrader's gradebook, on every new submission
pytestmark = pytest.mark.filterwarnings("ignore:Object of type .* not in session")


@pytest.fixture(scope="module")
def course(tmp_path_factory, built_course):
    """A course with a right, an untouched and an ungraded submission of `forward`."""
    course = Course(tmp_path_factory.mktemp("export") / "course")
    shutil.copytree(built_course.root, course.root)
    shutil.rmtree(course.root / "submitted", ignore_errors=True)
    for student, source in (("ada", course.source("forward")), ("bo", course.release("forward"))):
        folder = course.root / "submitted" / student / "forward"
        folder.mkdir(parents=True)
        shutil.copy(source / "forward.ipynb", folder)
    grade(course, "forward", isolated=can_isolate()[0])
    folder = course.root / "submitted" / "chen" / "forward"
    folder.mkdir(parents=True)
    flag_ungraded(Submission(course, folder))
    return course


def by_student(course):
    return {mark.student: mark for mark in marks(course) if mark.assignment == "forward"}


def test_marks_by_checks_are_exported_and_points_that_wait_are_told(course):
    ada = by_student(course)["ada"]
    assert (ada.score, ada.max_score, ada.waiting) == (20.0, 24.0, 4.0)


def test_the_untouched_release_gets_zero(course):
    assert by_student(course)["bo"].score == 0.0


def test_what_is_not_graded_is_empty_and_not_zero(course):
    assert by_student(course)["chen"].score is None
    lines = {row["student"]: row for row in csv.DictReader(io.StringIO(as_csv(marks(course))))}
    assert lines["chen"]["score"] == ""
    assert lines["bo"]["score"] == "0"


def test_a_mark_by_hand_counts_and_waits_no_more(course):
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        given = gradebook.find_grade("explain-gamma-beta", "forward", "forward", "ada")
        given.manual_score, given.needs_manual_grade = 3.0, False
        gradebook.db.commit()
    ada = by_student(course)["ada"]
    assert (ada.score, ada.waiting) == (23.0, 0.0)


def test_json_tells_the_parts_and_what_was_found(course):
    told = {mark["student"]: mark for mark in json.loads(as_json(marks(course)))}
    assert told["ada"]["parts"]["batchnorm_forward-train"] == 8.0
    assert any("not written yet" in finding["sentence"] for finding in told["bo"]["findings"])


def test_a_course_without_a_gradebook_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match="no gradebook"):
        marks(Course(tmp_path))


def test_a_damaged_gradebook_is_one_sentence(course, tmp_path):
    (tmp_path / "gradebook.db").write_text("no gradebook")
    with pytest.raises(Problem, match="cannot be read: file is not a database"):
        marks(Course(tmp_path))


def test_a_marked_notebook_that_is_damaged_costs_no_mark(course, tmp_path):
    other = Course(shutil.copytree(course.root, tmp_path / "course"))
    path = other.autograded("bo", "forward")
    path.chmod(0o644)
    path.write_text("no notebook")
    assert (by_student(other)["bo"].score, by_student(other)["bo"].findings) == (0.0, [])


CANVAS = "Student,ID,SIS Login ID,Section\nAda,1,ada,\nBo,2,bo,\nChen,3,chen,\n"


def test_to_a_platform_a_mark_of_which_a_part_waits_is_empty_unless_it_is_asked_for(course, tmp_path, capsys):
    other = Course(shutil.copytree(course.root, tmp_path / "course"))
    with Gradebook(other.gradebook_url, other.course_id) as gradebook:
        waits = gradebook.find_grade("explain-gamma-beta", "forward", "forward", "ada")
        waits.manual_score, waits.needs_manual_grade = None, True
        gradebook.db.commit()
    (tmp_path / "canvas.csv").write_text(CANVAS, encoding="utf-8")
    asked = ["export", "--format", "canvas", "--roster", str(tmp_path / "canvas.csv"), "--course", str(other.root)]
    assert main(asked) == 0
    told = capsys.readouterr()
    assert [row["forward"] for row in csv.DictReader(io.StringIO(told.out))] == ["24", "", "0", ""]
    assert "Left empty (or --unfinished), waiting for marks by hand: ada." in told.err
    assert main([*asked, "--unfinished"]) == 0
    assert [row["forward"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == ["24", "20", "0", ""]


def test_a_damaged_gradebook_costs_no_release(course, tmp_path):
    other = Course(shutil.copytree(course.root, tmp_path / "course"))
    (other.root / "gradebook.db").write_text("no gradebook")
    with pytest.raises(Problem, match="cannot be read: file is not a database"):
        build(other, ["forward"])
    assert (other.release("forward") / "forward.ipynb").is_file()
