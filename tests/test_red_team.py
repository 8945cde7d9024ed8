"""Hostile submissions earn no point more than they deserve, and cost nobody else any; on stock nbgrader they do."""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conftest import missing
from nbgrader.api import Gradebook
from red_team import POINTS, all_cases, right_notebook, stock
from red_team.submit import submit

from autograder.checks.expectations import hidden_probes
from autograder.course import Course
from autograder.engine import marking
from autograder.engine.jail import Jail
from autograder.engine.marking import Marker
from autograder.engine.pipeline import Grader, Outcome, Submission
from autograder.engine.session import Limits
from autograder.feedback import FeedbackPage
from autograder.grading import verdicts

pytestmark = [
    # nbgrader's gradebook, on every new submission
    pytest.mark.filterwarnings("ignore:Object of type .* not in session"),
]

CASES = all_cases()
DECLARED = [case for case in CASES if case.gains or case.harm]
SECRET = "fedcba9876543210" * 4
# Short enough for a suite; a right submission takes less than half a second.
LIMITS = Limits(cell=1.0, call=1.0, submission=5.0)
EVERY = 25  # so many cases stand between two right submissions
SAMPLE = (
    "tests_skipped",
    "mark_forged",
    "judge_patched",
    "expected_values_in_a_frame",
    "numpy_patched",
    "grader_faked",
)


@dataclass
class Run:
    """What became of every submission, and what was left behind."""

    course: Course
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    neighbours: list[tuple[str, str]] = field(default_factory=list)
    laid: set[str] = field(default_factory=set)
    handed_in: tuple[str, str] = ("", "")
    temporary: list[str] = field(default_factory=list)
    alive: set[int] = field(default_factory=set)

    def graded(self, assignment, student):
        return self.course.autograded(student, assignment)


def digest(folder):
    """Return a digest of names and contents below a folder; no link is followed."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        found.update(os.fsencode(path))
        if path.is_file() and not path.is_symlink():
            found.update(path.read_bytes())
    return found.hexdigest()


def descendants(process):
    """Return the process ids below a process, itself included."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(words[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory, built_course):
    """Grade every case in one go, in one warm process, with right submissions before, between and after them."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    root = tmp_path_factory.mktemp("red-team") / "course"
    shutil.copytree(built_course.root, root)
    (root / "red-team-course").touch()
    (root / "secret").write_text(SECRET + "\n")
    course = Course(root)
    run = Run(course)
    order = []
    for number, case in enumerate(CASES):
        if number % EVERY == 0:
            order += [(right_notebook(a), f"right-{number:03}") for a in POINTS]
        order.append((case, case.name))
    order += [(right_notebook(assignment), "right-last") for assignment in POINTS]
    folders = [submit(course, case, student) for case, student in order]
    run.neighbours = [(case.assignment, student) for case, student in order if student.startswith("right")]

    before = digest(root / "submitted")
    run.laid = {path.name for path in root.iterdir()}
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(temporary))
        jail = Jail()
        graders = {}
        for assignment in POINTS:
            graders[assignment] = Grader(course, assignment, jail)
            vars(graders[assignment])["marker"] = Marker(assignment, SECRET, jail, "", LIMITS)
        for (case, student), folder in zip(order, folders, strict=True):
            begun = time.monotonic()
            try:
                outcome = graders[case.assignment].grade(Submission(course, folder))
            except Exception as error:  # would end the grading of the class: a test says of which case
                outcome = Outcome(not_graded=f"the grader itself failed: {error!r}"[:500])
            run.outcomes[f"{case.assignment} {student}"] = outcome
            run.seconds[student] = time.monotonic() - begun
        below = descendants(jail._process.pid)
        jail.close()
        run.temporary = os.listdir(temporary)
    run.handed_in = before, digest(root / "submitted")
    deadline = time.monotonic() + 10
    while (left := {p for p in below if Path(f"/proc/{p}").exists()}) and time.monotonic() < deadline:
        time.sleep(0.05)
    run.alive = left
    return run


def scores(run, assignment, student):
    """Return what the engine recorded and what the gradebook holds, which must be the same."""
    recorded = {record["part"]: record["score"] for record in verdicts(run.graded(assignment, student))}
    with Gradebook(run.course.gradebook_url) as gradebook:
        submission = gradebook.find_submission(assignment, student)
        stored = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    assert {part: stored.get(part) for part in recorded} == recorded
    return recorded


# What the suite is


def test_at_least_forty_cases_gain_marks_or_harm_a_neighbour_on_stock_nbgrader():
    counted = [case for case in CASES if case.counts]
    assert len(counted) >= 40
    assert sum(case.harm > 0 for case in counted) >= 15
    assert {case.assignment for case in counted} == {"forward", "backward"}


def test_names_and_declared_parts_are_sound():
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert all(0 <= points <= POINTS[case.assignment][part] for part, points in case.honest.items())


# The engine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gets_what_its_honest_part_deserves_and_no_more(run, case):
    outcome = run.outcomes[f"{case.assignment} {case.name}"]
    assert outcome.not_graded is None
    found = scores(run, case.assignment, case.name)
    assert found == {part: case.honest.get(part, 0.0) for part in POINTS[case.assignment]}


def test_right_submissions_before_between_and_after_lose_nothing(run):
    assert len(run.neighbours) >= 6
    assert not {
        student: (found, run.outcomes[f"{assignment} {student}"], shown(run.graded(assignment, student)))
        for assignment, student in run.neighbours
        if (found := scores(run, assignment, student)) != POINTS[assignment]
    }


def test_what_was_handed_in_is_as_it_was(run):
    before, after = run.handed_in
    assert before == after


def test_no_process_and_no_temporary_file_is_left_behind(run):
    assert not run.alive
    assert run.temporary == []


def test_nothing_is_written_but_marked_notebooks_and_the_gradebook(run):
    assert {path.name for path in run.course.root.iterdir()} == {*run.laid, "autograded"}
    for path in (run.course.root / "autograded").rglob("*"):
        assert path.is_dir() or path.suffix == ".ipynb"
        assert path.stat().st_size < 25_000_000
    for place in ("/tmp/leak", "/tmp/bomb", "/bomb", "/dev/shm/leak", "/dev/mqueue/leak"):
        assert not Path(place).exists()


def test_no_case_takes_long(run):
    slowest = sorted(run.seconds.items(), key=lambda item: -item[1])[:5]
    assert slowest[0][1] < 60, slowest


# Hidden inputs


def hidden_digits(assignment):
    """Return the first twelve digits of every hidden input."""
    digits = set()
    for part in POINTS[assignment]:
        for probe in hidden_probes(SECRET, assignment, part):
            digits |= {re.sub(r"\D", "", repr(abs(v))).lstrip("0")[:12] for v in numbers_in(probe.inputs)}
    return {text for text in digits if len(text) == 12}


def numbers_in(value):
    """Yield the numbers of arrays, lists and mappings."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers_in(item)
    elif not isinstance(value, str):
        yield from map(float, np.ravel(value))


def shown(notebook):
    """Return all the text of a notebook but its pictures and the code as it was handed in."""
    texts = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), output.get("evalue", ""), output.get("ename", "")]
            texts += [*output.get("traceback", []), *map(str, output.get("data", {}).values())]
    return "\n".join(texts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_that_is_shown_tells_a_hidden_input(run, case):
    text = re.sub(r"[._]", "", shown(run.graded(case.assignment, case.name)))
    told = {text[at : at + 12] for at in range(len(text) - 11) if text[at : at + 12].isdigit()}
    assert not told & hidden_digits(case.assignment)


LEAKS = [case for case in CASES if case.leaks]


def told_by_messages(notebook, assignment):
    """Return the hidden inputs of which a message tells the first six digits."""
    sentences = " ".join(finding["sentence"] for record in verdicts(notebook) for finding in record["findings"])
    numbers = {number.replace(".", "").lstrip("0")[:6] for number in re.findall(r"\d+\.?\d*", sentences)}
    return numbers & {digits[:6] for digits in hidden_digits(assignment)}


@pytest.mark.parametrize("case", LEAKS, ids=lambda case: case.name)
def test_not_even_six_digits_of_a_hidden_input_are_in_a_message(run, case):
    assert not told_by_messages(run.graded(case.assignment, case.name), case.assignment)
    assert "locked" not in shown(run.graded(case.assignment, case.name))


@pytest.mark.parametrize("name", ["leak_by_a_value", "leak_by_a_shape"])
def test_a_marker_that_shows_all_messages_would_be_noticed(run, monkeypatch, tmp_path, name):
    monkeypatch.setattr(marking, "_shown", lambda verdict, _: verdict)
    course = Course(shutil.copytree(run.course.root, tmp_path / "course", symlinks=True, ignore=_only(name)))
    jail = Jail()
    grader = Grader(course, "forward", jail)
    vars(grader)["marker"] = Marker("forward", SECRET, jail, "", LIMITS)
    submission = Submission(course, course.root / "submitted" / name / "forward")
    grader.grade(submission)
    jail.close()
    assert told_by_messages(submission.graded, "forward")


def _only(name):
    """Leave out, when a course is copied, what others handed in."""
    return lambda folder, names: [n for n in names if n != name] if folder.endswith(("submitted", "autograded")) else []


@pytest.mark.parametrize("case", LEAKS, ids=lambda case: case.name)
def test_a_feedback_page_tells_no_hidden_input(run, case):
    notebook = nbformat.read(run.graded(case.assignment, case.name), as_version=4)
    for cell in notebook.cells:
        if "outputs" in cell and cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = ""
    page = re.sub(r"[._]", "", str(FeedbackPage(template_name="classic").from_notebook_node(notebook)[0]))
    assert not {digits for digits in hidden_digits(case.assignment) if digits in page}


# Stock nbgrader


@pytest.fixture(scope="module")
def template(tmp_path_factory, built_course):
    return stock.stock_course(tmp_path_factory.mktemp("stock") / "template", built_course)


def fresh(template, name):
    """Return a copy of the stock course that nothing was handed in to."""
    root = template.root.with_name(name)
    shutil.copytree(template.root, root)
    stock.configure(root)
    return Course(root)


def test_a_sample_of_cases_gains_on_stock_nbgrader_what_is_declared(template):
    cases = [case for case in CASES if case.name in SAMPLE]
    found = stock.measure_gains(fresh(template, "sample"), cases)
    assert found == {case.name: case.gains for case in cases}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_other_case_gains_on_stock_nbgrader_what_is_declared(template):
    cases = [case for case in DECLARED if not case.among]
    found = stock.measure_gains(fresh(template, "gains"), cases)
    assert found == {case.name: case.gains for case in cases}


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", [case for case in DECLARED if case.among], ids=lambda case: case.name)
def test_a_case_among_others_does_on_stock_nbgrader_what_is_declared(template, case):
    assert stock.measure_harm(fresh(template, case.name), case) == (case.gains, case.harm)
