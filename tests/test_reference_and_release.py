"""Of every assignment, graded in the jail: the reference gets all points of the checks, the untouched release none."""

import shutil

import pytest

from autograder.builder.text import read_text
from autograder.course import ASSIGNMENTS, Course, assignment_names
from autograder.export import marks
from autograder.grading import grade
from autograder.sample.run import can_isolate

# nbgrader's gradebook, on every new submission
pytestmark = pytest.mark.filterwarnings("ignore:Object of type .* not in session")


@pytest.fixture(scope="module")
def graded(tmp_path_factory, built_course):
    """Hand in the reference and the untouched release of every assignment, and grade them in the jail."""
    course = Course(tmp_path_factory.mktemp("all") / "course")
    shutil.copytree(built_course.root, course.root)
    shutil.rmtree(course.root / "submitted", ignore_errors=True)
    for name in assignment_names():
        for student, made in (("reference", course.source(name)), ("untouched", course.release(name))):
            folder = course.root / "submitted" / student / name
            folder.mkdir(parents=True)
            shutil.copy(made / f"{name}.ipynb", folder)
        grade(course, name, isolated=can_isolate()[0])
    return {(mark.student, mark.assignment): mark for mark in marks(course)}


@pytest.mark.parametrize("name", assignment_names())
def test_the_reference_gets_every_point_of_the_checks(graded, name):
    blocks = read_text(ASSIGNMENTS / f"{name}.md").blocks
    mark = graded["reference", name]
    assert mark.score == sum(block.points for block in blocks if block.kind == "check")


@pytest.mark.parametrize("name", assignment_names())
def test_the_untouched_release_gets_none(graded, name):
    assert graded["untouched", name].score == 0
