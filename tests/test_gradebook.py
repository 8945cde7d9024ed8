"""Marks are written as nbgrader writes them, many at once, all or none; what was given by hand stays."""

import shutil
import sqlite3
import threading
import time
from datetime import datetime, timedelta

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades

from autograder.course import Course, Problem
from autograder.engine import gradebook as gradebook_module
from autograder.engine.gradebook import Ledger, Marks, held, marks_of

# nbgrader's gradebook, on every new submission
pytestmark = pytest.mark.filterwarnings("ignore:Object of type .* not in session")

DUE = datetime(2026, 11, 20, 12, 0)
EARLY, LATE = DUE - timedelta(hours=1), DUE + timedelta(hours=1)


@pytest.fixture
def course(built_course, tmp_path):
    return copied(built_course, tmp_path / "course")


def copied(course, root):
    root.mkdir()
    shutil.copytree(course.release("forward"), root / "release" / "forward")
    shutil.copy(course.root / "gradebook.db", root)
    return Course(root)


def marked(course, scores, answered=()):
    """Return the released notebook with outputs as the engine leaves them, and some cells answered."""
    notebook = nbformat.read(course.release("forward") / "forward.ipynb", as_version=4)
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade_id") in scores:
            data = {"text/plain": repr(scores[about.grade_id])}
            cell.outputs = [
                nbformat.v4.new_output("stream", text="not right yet\n"),
                nbformat.v4.new_output("execute_result", data=data),
            ]
        if about.get("grade_id") in answered:
            cell.source = "my answer"
    return notebook


def as_nbgrader_writes(course, student, timestamp, notebook):
    """Save marks as `nbgrader autograde` does, cell by cell."""
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        gradebook.update_or_create_student(student)
        more = {} if timestamp is None else {"timestamp": timestamp}
        gradebook.update_or_create_submission("forward", student, **more)
    names = {"student": student, "assignment": "forward", "notebook": "forward", "db_url": course.gradebook_url}
    resources = {"nbgrader": names, "metadata": {}, "unique_key": "forward"}
    for preprocessor in (SaveAutoGrades, AssignLatePenalties):
        preprocessor(config=course.config).preprocess(notebook, resources)


def as_we_write(course, student, timestamp, notebook):
    with Ledger(course, "forward") as ledger:
        ledger.write([marks_of(student, timestamp, notebook)])


def content(course):
    """Return all that a gradebook says of submissions, without the names that are drawn at random."""
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        found = []
        for submission in gradebook.assignment_submissions("forward"):
            head = (submission.student.id, submission.timestamp, submission.extension, submission.score)
            found.append((*head, submission.needs_manual_grade, submission.late_submission_penalty))
            for notebook in submission.notebooks:
                found.append((submission.student.id, notebook.name, notebook.flagged, notebook.late_submission_penalty))
                for g in notebook.grades:
                    what = (g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade, g.score, g.max_score)
                    found.append((submission.student.id, g.name, g.cell_type, *what))
                for c in notebook.comments:
                    found.append((submission.student.id, c.name, c.auto_comment, c.manual_comment))
        return sorted(found, key=repr)


def by_hand(course, student):
    """Give a mark, extra credit, a comment and an extension by hand."""
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        grade = gradebook.find_grade("batchnorm_forward-train", "forward", "forward", student)
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 3.5, 1.0, False
        gradebook.find_comment("batchnorm_forward", "forward", "forward", student).manual_comment = "Well done."
        gradebook.find_submission("forward", student).extension = timedelta(minutes=30)
        gradebook.db.commit()


SCORES = {"batchnorm_forward-train": 8.0, "batchnorm_forward-running": 2.5, "batchnorm_forward-test": 0.0}
SEQUENCES = {
    "once": [("ann", None, SCORES, ())],
    "in time, with an answer": [("ann", EARLY, SCORES, ("explain-gamma-beta", "batchnorm_forward"))],
    "late": [("ann", LATE, SCORES, ())],
    "twice, better": [("ann", EARLY, SCORES, ()), ("ann", LATE, {**SCORES, "batchnorm_forward-test": 4.0}, ())],
    "marked by hand in between": [("ann", EARLY, SCORES, ()), "by hand", ("ann", LATE, SCORES, ("batchnorm_forward",))],
    "late, and then in time": [("ann", LATE, SCORES, ()), ("ann", EARLY, SCORES, ())],
    "without a timestamp later": [("ann", LATE, SCORES, ()), ("ann", None, {}, ())],
    "two students": [("ann", None, SCORES, ()), ("o'neil", LATE, {}, ()), ("ann", None, {}, ())],
}


@pytest.mark.parametrize("penalty", ["none", "zero"])
@pytest.mark.parametrize("name", list(SEQUENCES))
def test_the_gradebook_is_the_one_that_nbgrader_makes_of_a_submission_graded(built_course, tmp_path, name, penalty):
    contents = []
    for way in (as_nbgrader_writes, as_we_write):
        course = copied(built_course, tmp_path / way.__name__)
        course.config.LateSubmissionPlugin.penalty_method = penalty
        with Gradebook(course.gradebook_url, course.course_id) as gradebook:
            gradebook.find_assignment("forward").duedate = DUE
            gradebook.db.commit()
        for step in SEQUENCES[name]:
            if step == "by hand":
                by_hand(course, "ann")
            else:
                student, timestamp, scores, answered = step
                way(course, student, timestamp, marked(course, scores, answered))
        contents.append(content(course))
    assert contents[0] == contents[1]
    assert len(contents[0]) >= 10


def test_the_order_and_the_size_of_batches_leave_no_trace(built_course, tmp_path):
    marks = [Marks(f"s{n}", EARLY, {"batchnorm_forward-train": float(n % 8)}) for n in range(7)]
    contents = []
    for size in (1, 3, 7):
        course = copied(built_course, tmp_path / str(size))
        with Ledger(course, "forward") as ledger:
            for at in range(0, 7, size):
                ledger.write(marks[at : at + size])
        contents.append(content(course))
    assert contents[0] == contents[1] == contents[2]


def test_what_could_not_be_graded_waits_for_a_look_and_keeps_its_marks(course):
    with Ledger(course, "forward") as ledger:
        ledger.write([Marks("ann", EARLY, {"batchnorm_forward-train": 5.0})])
        ledger.write([Marks("ann", graded=False), Marks("bo", graded=False)])
    with Gradebook(course.gradebook_url, course.course_id) as gradebook:
        grade = gradebook.find_grade("batchnorm_forward-train", "forward", "forward", "ann")
        assert (grade.auto_score, grade.needs_manual_grade) == (5.0, False)
        assert gradebook.find_submission("forward", "bo").needs_manual_grade
        assert gradebook.find_submission("forward", "ann").timestamp == EARLY


def test_what_the_gradebook_holds_is_told_for_a_whole_class(course):
    with Ledger(course, "forward") as ledger:
        ledger.write([Marks("ann", None, {"batchnorm_forward-train": 5.0}), Marks("bo", graded=False)])
    found = held(course, "forward")
    assert (found["ann"].score, found["ann"].max_score, found["ann"].by_hand) == (5.0, 8.0, 16.0)
    assert (found["bo"].score, found["bo"].max_score, found["bo"].by_hand) == (0.0, 0.0, 24.0)
    assert held(course, "backward") == {}


def test_without_a_gradebook_nothing_is_held_and_none_is_made(tmp_path):
    assert held(Course(tmp_path), "forward") == {}
    assert not (tmp_path / "gradebook.db").exists()


# ---- when it cannot be written ----


def test_a_batch_is_written_whole_or_not_at_all(course, monkeypatch):
    before = content(course)
    monkeypatch.setattr(gradebook_module._Page, "_penalties", lambda *_: 1 / 0)
    with Ledger(course, "forward") as ledger, pytest.raises(ZeroDivisionError):
        ledger.write([Marks("ann", None, {"batchnorm_forward-train": 5.0})])
    assert content(course) == before


def test_a_gradebook_that_others_hold_for_a_while_is_waited_for(course):
    with Ledger(course, "forward", wait=20) as ledger, sqlite3.connect(course.root / "gradebook.db") as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=ledger.write, args=([Marks("ann", None, {"batchnorm_forward-train": 5.0})],))
        writer.start()
        time.sleep(0.3)
        assert writer.is_alive()
        other.execute("COMMIT")
        writer.join(20)
    assert held(course, "forward")["ann"].score == 5.0


def test_a_gradebook_that_others_hold_for_ever_is_one_sentence(course):
    with Ledger(course, "forward", wait=0.2) as ledger, sqlite3.connect(course.root / "gradebook.db") as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Problem, match=r"cannot be written: database is locked\. What was graded"):
            ledger.write([Marks("ann", None, {"batchnorm_forward-train": 5.0})])
        other.execute("ROLLBACK")
    assert content(course) == []


def test_a_full_disk_is_one_sentence_and_the_gradebook_is_as_it_was(course):
    before = content(course)
    with Ledger(course, "forward") as ledger:
        with ledger._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # as on a disk without room
        with pytest.raises(Problem, match="disk is full"):
            ledger.write([Marks(f"s{n}", None, {"batchnorm_forward-train": 5.0}) for n in range(100)])
    assert content(course) == before


def test_an_assignment_that_the_gradebook_does_not_know_is_one_sentence(course):
    with pytest.raises(Problem, match="does not know"):
        Ledger(course, "no-such-assignment")


def test_a_cell_that_the_gradebook_does_not_know_is_one_sentence(course):
    with Ledger(course, "forward") as ledger, pytest.raises(Problem, match="does not know the cell no-such-cell"):
        ledger.write([Marks("ann", None, {"no-such-cell": 5.0})])
    assert content(course) == []
