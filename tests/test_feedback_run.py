"""Feedback for a class, on several cores: the pages that `nbgrader generate_feedback` writes."""

import shutil

import pytest

from autograder.__main__ import main
from autograder.course import Course, Problem
from autograder.feedback_run import write_feedback
from autograder.grading import grade
from autograder.nbgrader_runs import api
from autograder.sample.run import can_isolate

STUDENTS = ("ann", "bo", "chen")


@pytest.fixture(scope="module")
def course(built_course, tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("feedback") / "course")
    for name in ("source", "release"):
        shutil.copytree(built_course.root / name / "forward", course.root / name / "forward")
    shutil.copy(built_course.root / "gradebook.db", course.root)
    for student, source in zip(STUDENTS, (course.source, course.release, course.source), strict=True):
        folder = course.root / "submitted" / student / "forward"
        folder.mkdir(parents=True)
        shutil.copy(source("forward") / "forward.ipynb", folder)
    grade(course, "forward", isolated=can_isolate()[0])
    return course


def pages(course):
    return {path.parent.parent.name: path.read_text() for path in course.root.glob("feedback/*/forward/forward.html")}


def test_the_pages_are_those_of_nbgrader(course):
    for student in STUDENTS:
        assert api(course).generate_feedback("forward", student)["success"]
    expected = pages(course)
    shutil.rmtree(course.root / "feedback")
    assert write_feedback(course, "forward", workers=2) == 0
    assert pages(course) == expected
    assert sorted(expected) == sorted(STUDENTS)


def test_pages_that_are_there_stay_unless_they_are_asked_for(course):
    assert main(["feedback", "forward", "--course", str(course.root), "--workers", "3"]) == 0
    times = {path: path.stat().st_mtime_ns for path in course.root.glob("feedback/*/forward/*.html")}
    assert main(["feedback", "forward", "--course", str(course.root)]) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert main(["feedback", "forward", "--course", str(course.root), "--force"]) == 0
    assert all(path.stat().st_mtime_ns > time for path, time in times.items())


def test_a_page_that_cannot_be_written_is_told_by_the_status(course, capfd, tmp_path):
    broken = Course(shutil.copytree(course.root, tmp_path / "course"))
    graded = broken.autograded("bo", "forward")
    graded.chmod(0o644)
    graded.write_text("no notebook")
    assert write_feedback(broken, "forward", force=True, workers=2) == 1
    told = capfd.readouterr()
    assert "no page for bo; " in told.err
    assert "2 pages of forward" in told.out


def test_a_damaged_gradebook_is_one_sentence(course, tmp_path):
    broken = Course(shutil.copytree(course.root, tmp_path / "course"))
    (broken.root / "gradebook.db").write_text("no gradebook")
    with pytest.raises(Problem, match="cannot be read: file is not a database"):
        write_feedback(broken, "forward")
    assert {"ann", "chen"} <= set(pages(broken))


@pytest.mark.parametrize("assignment", ["forward", "no-such-assignment"])
def test_where_nothing_is_graded_that_is_one_sentence(tmp_path, capsys, assignment):
    assert main(["feedback", assignment, "--course", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
