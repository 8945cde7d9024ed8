"""A student's day and an instructor's, in JupyterLab and a real browser: from the release to the feedback."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, missing
from lab import SECONDS, Screen, jupyterlab
from playwright.sync_api import expect

from autograder.course import Course
from autograder.engine.pipeline import Submission
from autograder.sample import read_submissions

STUDENT = "ada"
ANSWER = (
    "Without gamma and beta every sigmoid would get mean 0 and standard deviation 1, and stay where it is almost a "
    "line. With $\\gamma = \\sqrt{var + eps}$ and $\\beta = \\mu$ the layer gives x back, on that batch only."
)
COMMENT = "Questions 1 and 2 are answered. What does the bias $b$ of the layer before change?"
PARTS = ("train", "running", "test", "mode", "offset")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where a picture of each step is kept: the folder that SCREENSHOTS names, if there is one."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory, built_course):
    """A course folder that everything is built in, an exchange, and two homes."""
    from autograder.sample.run import can_isolate

    if not can_isolate()[0]:
        missing("bubblewrap", "sudo .ci/system-packages")
    top = tmp_path_factory.mktemp("day")
    places = SimpleNamespace(
        course=top / "instructor" / "course",
        exchange=top / "exchange",
        instructor=top / "homes" / "instructor",
        student=top / "homes" / STUDENT,
        desk=top / STUDENT,
        touched=top / "touched-by-the-submission",
    )
    shutil.copytree(built_course.root, places.course)
    (places.course / "nbgrader_config.py").symlink_to(ROOT / "autograder" / "nbgrader_config.py")
    for folder in (places.exchange, places.instructor, places.student, places.desk):
        folder.mkdir(parents=True)
    places.exchange.chmod(0o777)
    return places


@pytest.fixture(scope="module")
def outside():
    """What the pages ask of any machine but this one."""
    return []


@pytest.fixture(scope="module")
def instructor(chromium, places, pictures, outside):
    # Two people on one account: the exchange is told not to wonder.
    settings = f"c.Exchange.root = {str(places.exchange)!r}\nc.ExchangeCollect.check_owner = False\n"
    with (
        jupyterlab(places.course, places.instructor, settings) as address,
        Screen.open(chromium, address, "instructor", pictures, outside) as screen,
    ):
        yield screen


@pytest.fixture(scope="module")
def student(chromium, places, pictures, outside):
    settings = (
        f"c.Exchange.root = {str(places.exchange)!r}\n"
        "c.CourseDirectory.course_id = 'batchnorm'\n"
        f"c.CourseDirectory.student_id = {STUDENT!r}\n"
    )
    tools = ("formgrader", "create-assignment", "course-list")  # which the guide takes out of students' menus
    hidden = tuple(f"@jupyter/nbgrader:{tool}" for tool in tools)
    with (
        jupyterlab(places.desk, places.student, settings, hidden) as address,
        Screen.open(chromium, address, "student", pictures, outside) as screen,
    ):
        yield screen


@pytest.fixture(scope="module")
def solution():
    """A right solution of the sample class."""
    submission = next(s for s in read_submissions() if (s.assignment, s.student) == ("forward", "ada"))
    return next(text for _, name, text in submission.blocks if name == "batchnorm_forward")


@pytest.fixture(scope="module")
def released(instructor):
    """The instructor releases the assignment in the formgrader."""
    with instructor.step("releases"):
        instructor.menu("Nbgrader", "Formgrader")
        formgrader = instructor.page.frame_locator("#formgrader-iframe iframe")
        row = formgrader.locator("#main-table tr").filter(has_text="forward")
        row.locator(".release a").click()
        said = instructor.acknowledge(formgrader)
    assert "Successfully released 'forward'" in said
    return formgrader


@pytest.fixture(scope="module")
def notebook(student, released):
    """The student fetches the assignment and opens the notebook."""
    page = student.page
    with student.step("fetches"):
        student.menu("Nbgrader", "Assignment List")
        page.locator("#released_assignments_list .list_item").get_by_role("button", name="Fetch").click()
        page.locator("#fetched_assignments_list").get_by_role("button", name="Submit").wait_for()
    with student.step("opens-the-notebook"):
        page.locator("#fetched_assignments_list .assignment-notebooks-link").click()
        page.locator("#fetched_assignments_list .nested_list_item a").click()
        notebook = page.locator(".jp-NotebookPanel")
        notebook.get_by_role("heading", name="Batch normalization: the forward pass").wait_for()
    return notebook


@pytest.fixture(scope="module")
def mistaken(student, notebook, places, solution):
    """The student pastes a solution with a mistake, and runs everything; return what each check printed."""
    # What the code does besides shows where it runs.
    touch = (
        "import contextlib\nimport pathlib\n\nwith contextlib.suppress(OSError):\n"
        f"    pathlib.Path({str(places.touched)!r}).touch()\n\n\n"
    )
    with student.step("makes-a-mistake"):
        wrong = solution.replace("np.var(x, axis=0)", "np.var(x, axis=0, ddof=1)")
        assert wrong != solution
        student.paste(student.cell(notebook, "def batchnorm_forward"), touch + wrong)
        student.run_all(notebook)
    with student.step("reads-the-message", look_at=check(notebook, "train")):
        return {part: printed(notebook, part) for part in PARTS}


@pytest.fixture(scope="module")
def refused(student, notebook, mistaken):
    """Validate what is not right yet; return what the dialog says."""
    return student.validate(notebook)


@pytest.fixture(scope="module")
def corrected(student, notebook, refused):
    """The student mends the line, answers in words, and runs everything; return what each check printed."""
    page = student.page
    with student.step("mends-it"):
        cell = student.cell(notebook, "def batchnorm_forward")
        student.write_in(cell, cell.locator(".cm-line").filter(has_text="ddof=1"))
        page.keyboard.press("End")
        for _ in ", ddof=1)":
            page.keyboard.press("Backspace")
        page.keyboard.type(")")
    with student.step("answers"):
        answer = student.cell(notebook, "YOUR ANSWER HERE")
        answer.click()
        expect(answer).to_contain_class("jp-mod-active", timeout=1000 * SECONDS)
        page.keyboard.press("Enter")
        expect(answer.locator(".cm-content")).to_be_focused(timeout=1000 * SECONDS)
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(ANSWER)
        page.keyboard.press("Shift+Enter")
        notebook.get_by_role("paragraph").filter(has_text="on that batch only").wait_for()
    with student.step("runs-it-again"):
        student.run_all(notebook)
        student.save(notebook)
    with student.step("has-passed", look_at=check(notebook, "running")):
        return {part: printed(notebook, part) for part in PARTS}


@pytest.fixture(scope="module")
def accepted(student, notebook, corrected):
    """Validate the right solution; return what the dialog says."""
    return student.validate(notebook)


@pytest.fixture(scope="module")
def submitted(student, accepted, places):
    """Submit in the Assignment List; what the code touched at the student's is gone then."""
    page = student.page
    with student.step("submits"):
        page.locator("#jp-main-dock-panel .lm-TabBar-tab").filter(has_text="Assignments").click()
        page.locator("#fetched_assignments_list").get_by_role("button", name="Submit").click()
        page.locator("#submitted_assignments_list").get_by_role("button", name="Fetch Feedback").wait_for()
    places.touched.unlink()


@pytest.fixture(scope="module")
def collected(instructor, released, submitted):
    """Collect in the formgrader, and open the list of submissions."""
    with instructor.step("collects"):
        row = released.locator("#main-table tr").filter(has_text="forward")
        row.locator(".collect a").click()
        said = instructor.acknowledge(released)
    with instructor.step("sees-the-submission"):
        row.locator(".num-submissions a").click()
        released.get_by_text("needs autograding").wait_for()
    return said


@pytest.fixture(scope="module")
def graded(instructor, released, collected):
    """Press Autograde; return the row of the student."""
    row = released.locator("#main-table tr").filter(has_text=STUDENT)
    with instructor.step("autogrades"):
        row.locator(".autograde a").click()
        said = instructor.acknowledge(released)
        assert "Successfully autograded" in said, said
        released.get_by_text("needs manual grading").wait_for()
    return row.inner_text()


@pytest.fixture(scope="module")
def marked(instructor, released, graded):
    """Read the rubric of the written answer, mark it, and write a comment; return how many formulas were set in it."""
    page = instructor.page
    with instructor.step("chooses-a-submission"):
        for name in ("Manual Grading", "forward", "forward", "Submission #1"):
            released.get_by_role("link", name=name, exact=True).click()
        cell = released.locator(".nbgrader_cell").filter(has=released.locator("#explain-gamma-beta"))
        cell.wait_for()
    with instructor.step("reads-the-rubric"):
        rubric = released.locator("details.rubric")
        rubric.locator("summary").click()
        rubric.get_by_text("One point for each question").wait_for()
    with instructor.step("marks-by-hand", look_at=cell):
        with page.expect_response(lambda answer: saves(answer, "grade")):
            cell.locator("input.score").fill("2")
            cell.locator("textarea").focus()
        with page.expect_response(lambda answer: saves(answer, "comment")):
            cell.locator("textarea").fill(COMMENT)
            cell.locator("textarea").blur()
        formulas = cell.locator("math").count()
    return formulas


def saves(answer, what):
    return f"/formgrader/api/{what}/" in answer.url and answer.request.method == "PUT" and answer.ok


@pytest.fixture(scope="module")
def returned(instructor, released, marked):
    """Generate the feedback and release it."""
    with instructor.step("goes-back"):
        for name in ("Manual Grading", "Manage Assignments"):
            released.get_by_role("link", name=name, exact=True).click()
        released.locator("#main-table tr").filter(has_text="forward").locator(".num-submissions a").click()
        row = released.locator("#main-table tr").filter(has_text=STUDENT)
        row.wait_for()
    said = []
    for action in ("generate-feedback", "release-feedback"):
        with instructor.step(action):
            row.locator(f".{action} a").click()
            said.append(instructor.acknowledge(released))
    return said


@pytest.fixture(scope="module")
def feedback(student, returned):
    """Fetch the feedback in the Assignment List and open it; return the page."""
    page = student.page
    with student.step("fetches-feedback"):
        submissions = page.locator("#submitted_assignments_list")
        submissions.get_by_role("button", name="Fetch Feedback").click()
        submissions.get_by_text("(view feedback)").click()
        file = page.locator(".jp-DirListing-item").filter(has_text="forward.html")
        file.wait_for()
    with student.step("reads-the-feedback"):
        file.dblclick()
        feedback = page.frame_locator(".jp-HTMLViewer iframe")
        feedback.locator(".summary").wait_for()
    with student.step("finds-the-comment", look_at=feedback.get_by_text("What does the bias")):
        pass
    return feedback


def check(notebook, part):
    return notebook.locator(".jp-CodeCell").filter(has_text=f'check("batchnorm_forward-{part}")')


def printed(notebook, part):
    return check(notebook, part).locator(".jp-OutputArea").text_content()


def test_what_the_guide_takes_out_of_a_students_menus_is_gone(student):
    menu = student.page.locator(".lm-Menu")
    with student.step("opens-the-menu"):
        student.menu("Nbgrader")
        menu.get_by_text("Assignment List").wait_for()
        entries = menu.locator(".lm-Menu-itemLabel:visible").all_inner_texts()
    student.page.keyboard.press("Escape")
    menu.wait_for(state="detached")
    assert [entry for entry in entries if entry] == ["Assignment List"]


def test_a_mistake_is_named_in_the_notebook(mistaken):
    assert "when the variance divides by N - 1 instead of N" in mistaken["train"]
    assert "Read: The forward pass" in mistaken["train"]


def test_validate_names_the_mistake_too(refused):
    assert "The following cell failed" in refused
    assert "when the variance divides by N - 1 instead of N" in refused


def test_right_work_passes_every_check_and_validate(corrected, accepted):
    assert {part: text.strip() for part, text in corrected.items()} == {
        part: f"batchnorm_forward-{part}: right." for part in PARTS
    }
    assert "Your notebook passes all the tests" in accepted


def test_autograde_in_the_formgrader_is_isolated_as_the_command_is(graded, places):
    assert "20 / 24" in graded
    assert not places.touched.exists()  # what the code touched at home is out of its reach in the jail
    submission = Submission(Course(places.course), places.course / "submitted" / STUDENT / "forward")
    assert submission.recorded["isolated"] is True
    assert submission.is_graded()  # the command finds nothing left to do


def test_the_formgrader_sets_the_formulas_of_an_answer(marked):
    assert marked == ANSWER.count("$") / 2


def test_the_feedback_comes_back_with_the_mark_and_the_comment(returned, feedback):
    generated, released = returned
    assert "Successfully generated feedback" in generated
    assert "Successfully released feedback" in released
    summary = feedback.locator(".summary").inner_text()
    assert "22 of 24 marks" in summary
    assert "explain-gamma-beta: 2 of 4" in summary
    assert feedback.get_by_text("For the grader").count() == 0
    comment = feedback.get_by_text("What does the bias")
    assert "Questions 1 and 2 are answered" in comment.inner_text()
    assert comment.locator("math").count() == 1


def test_no_page_asks_for_anything_from_outside(feedback, outside):
    assert outside == []
