"""`python -m autograder grade`: each broken hand-in is a sentence, the others are graded, and no file is touched."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass

import nbformat
import pytest
from conftest import ROOT, missing
from right_implementations import RIGHT, source_of

from autograder.__main__ import main
from autograder.bn_helper.parts import PARTS
from autograder.checks.expectations import hidden_probes
from autograder.course import Course
from autograder.grading import rows, verdicts
from autograder.nbgrader_runs import api

SECRET = "5" * 64 + "\n"


@pytest.fixture(scope="module")
def built(built_course, tmp_path_factory):
    """A course of the module's own: the assignments built, a secret, nothing submitted."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    root = tmp_path_factory.mktemp("graded")
    for name in ("source", "release"):
        shutil.copytree(built_course.root / name, root / name)
    for path in built_course.root.glob("*.json"):
        shutil.copy(path, root)
    shutil.copy(built_course.root / "gradebook.db", root)
    (root / "secret").write_text(SECRET)
    return Course(root)


@pytest.fixture
def course(built, tmp_path):
    """A fresh copy of it."""
    shutil.copytree(built.root, tmp_path / "course")
    return Course(tmp_path / "course")


def solved(course, source=None):
    """Return the released notebook with a function put into its solution cell."""
    notebook = nbformat.read(course.release("forward") / "forward.ipynb", as_version=4)
    if source is not None:
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "batchnorm_forward":
                cell.source = source
    return notebook


def submit(course, student, content, name="forward.ipynb"):
    path = course.root / "submitted" / student / "forward" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, nbformat.NotebookNode):
        content = nbformat.writes(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


RIGHT_SOURCE = source_of(RIGHT["einsum_for_every_sum"])
WRONG_SOURCE = RIGHT_SOURCE.replace("(variance + eps) ** (-0.5)", "variance ** (-0.5)").replace("] + eps)", "])")
assert WRONG_SOURCE.count("eps") == RIGHT_SOURCE.count("eps") - 3


@pytest.fixture
def right(course):
    return submit(course, "rita", solved(course, RIGHT_SOURCE))


def run(course, *options):
    """Run the command; return its exit status, what it printed, and what it said on stderr beside the progress bar."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["grade", "forward", "--course", str(course.root), *options])
    assert "Traceback" not in out.getvalue() + err.getvalue()
    said = err.getvalue().replace("\r", "\n").splitlines()
    return status, out.getvalue(), [line for line in said if line.strip() and not line.startswith("grading ")]


@pytest.fixture
def grade(course):
    return lambda *options: run(course, *options)


def score(course, student):
    """Return the points of the parts that checks mark, and what they are worth; the gradebook says the same."""
    records = verdicts(course.autograded(student, "forward"))
    got, most = (sum(record[name] for record in records) for name in ("score", "points"))
    (row,) = rows(course, "forward", [student])
    assert row.score == got
    return got, most


def line_about(student, text):
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [student]]
    return line


# ---- what is wrong with the command ----


def failing(course, capsys, *arguments):
    status = main([*arguments, "--course", str(course.root)])
    printed = capsys.readouterr()
    assert status == 1
    assert printed.out == ""
    assert printed.err.startswith("autograder: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_an_unknown_assignment_is_one_sentence_that_names_the_known_ones(course, capsys):
    said = failing(course, capsys, "grade", "forwards")
    assert "no assignment 'forwards'" in said
    assert "forward" in said.replace("forwards", "")


def test_an_assignment_that_is_not_built_is_one_sentence_with_the_command(tmp_path, capsys):
    said = failing(Course(tmp_path), capsys, "grade", "forward")
    assert "not built" in said
    assert "python -m autograder build forward" in said


def test_no_submission_is_one_sentence_that_says_where_to_put_it(course, capsys):
    assert "submitted/STUDENT/forward/forward.ipynb" in failing(course, capsys, "grade", "forward")


def test_a_student_without_submission_is_one_sentence(course, right, capsys):
    said = failing(course, capsys, "grade", "forward", "--student", "nobody")
    assert "submitted/nobody/forward/forward.ipynb" in said


@pytest.mark.parametrize("pattern", ["*", "r*", "[r]ita", "../submitted/rita", "", "**"])
def test_a_student_is_named_and_not_matched_by_a_pattern(course, right, capsys, pattern):
    failing(course, capsys, "grade", "forward", "--student", pattern)


def test_a_course_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    failing(Course(tmp_path / "nowhere"), capsys, "grade", "forward")


def test_a_release_that_is_damaged_is_one_sentence_with_the_command(course, right, capsys):
    (course.release("forward") / "forward.ipynb").write_text("{")
    assert main(["grade", "forward", "--course", str(course.root)]) == 1
    said = capsys.readouterr().err
    assert "build forward" in said
    assert "Traceback" not in said


# ---- the ordinary way ----


def test_a_right_submission_gets_every_point_that_checks_give(course, right, grade):
    status, printed, said = grade()
    assert status == 0
    got, most = score(course, "rita")
    assert got == most > 0
    assert "20 / 24   a part marked by hand is missing" in line_about("rita", printed)
    assert "1 graded, 0 unchanged" in printed
    assert said == []


def test_the_misconception_is_in_the_table(course, grade):
    submit(course, "wanda", solved(course, WRONG_SOURCE))
    _, printed, _ = grade()
    assert "no eps" in line_about("wanda", printed)


def test_an_untouched_release_gets_no_point(course, grade):
    submit(course, "una", solved(course))
    status, printed, _ = grade()
    assert status == 0
    assert score(course, "una")[0] == 0
    assert "not written yet" in line_about("una", printed)


def test_a_dry_run_says_what_would_be_graded_and_grades_nothing(course, right, grade):
    status, printed, _ = grade("--dry-run")
    assert status == 0
    assert printed == "rita: would be graded\n"
    assert not (course.root / "autograded").exists()
    grade()
    assert grade("--dry-run")[1] == "rita: unchanged\n"


def test_one_student_alone_is_graded(course, right, grade):
    submit(course, "sam", solved(course, RIGHT_SOURCE))
    _, printed, _ = grade("--student", "sam")
    assert "1 graded" in printed
    assert not course.autograded("rita", "forward").exists()


def test_a_second_run_leaves_everything_as_it_is(course, right, grade):
    grade()
    graded = course.autograded("rita", "forward")
    before, book = graded.stat().st_mtime_ns, (course.root / "gradebook.db").read_bytes()
    status, printed, _ = grade()
    assert status == 0
    assert "0 graded, 1 unchanged" in printed
    assert "rita" in printed
    assert graded.stat().st_mtime_ns == before
    assert (course.root / "gradebook.db").read_bytes() == book


def test_a_new_seed_grades_everyone_again_on_other_inputs_with_the_same_marks(course, right, grade):
    grade()
    before, marks = (course.root / "secret").read_text(encoding="ascii"), score(course, "rita")
    assert "rita: unchanged" in grade("--new-seed", "--dry-run")[1]
    assert (course.root / "secret").read_text(encoding="ascii") == before
    status, out, _ = grade("--new-seed")
    assert status == 0
    assert "1 graded" in out
    assert (course.root / "secret").read_text(encoding="ascii") != before
    assert score(course, "rita") == marks


def test_force_grades_again_with_the_same_marks(course, right, grade):
    grade()
    before = score(course, "rita"), verdicts(course.autograded("rita", "forward"))
    _, printed, _ = grade("--force")
    assert "1 graded, 0 unchanged" in printed
    assert (score(course, "rita"), verdicts(course.autograded("rita", "forward"))) == before


def test_a_changed_file_is_graded_again_though_it_is_older(course, right, grade):
    grade()
    submit(course, "rita", solved(course, WRONG_SOURCE))
    os.utime(right, (0, 0))
    _, printed, _ = grade()
    assert "1 graded" in printed
    assert score(course, "rita")[0] < score(course, "rita")[1]


# ---- what students hand in ----


def as_version_3(notebook):
    return nbformat.writes(nbformat.convert(notebook, 3), version=3).encode()


def with_duplicate_ids(notebook):
    twice = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id")]
    notebook.cells += [nbformat.from_dict(dict(cell)) for cell in twice]
    return notebook


def without_graded_cells(notebook):
    notebook.cells = [cell for cell in notebook.cells if not cell.metadata.get("nbgrader", {}).get("grade")]
    return notebook


def tagged_to_be_skipped(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution"]
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.points = 1000
    return notebook


REFUSED = {
    "a file without its end": lambda notebook: nbformat.writes(notebook)[:-400].encode(),
    "half a file": lambda notebook: nbformat.writes(notebook)[: len(nbformat.writes(notebook)) // 2].encode(),
    "a file that is no JSON": lambda notebook: b"this is no notebook",
    "an empty file": lambda notebook: b"",
    "a file of zeros": lambda notebook: bytes(1000),
    "JSON that is no notebook": lambda notebook: b'{"a": 1}',
    "a list": lambda notebook: b"[]",
    "a number": lambda notebook: b"3",
    "a picture": lambda notebook: b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
}

TAKEN = {
    "a byte order mark": lambda notebook: b"\xef\xbb\xbf" + nbformat.writes(notebook).encode(),
    "format 3": as_version_3,
    "duplicate ids": with_duplicate_ids,
    "no graded cells": without_graded_cells,
    "tags and points of its own": tagged_to_be_skipped,
    "a tail": lambda notebook: nbformat.writes(notebook).encode() + b"\n\ntrailing",
    "ASCII alone": lambda notebook: json.dumps(json.loads(nbformat.writes(notebook))).encode(),
}


HOSTILE = {
    "ends its process": "import os\nos._exit(0)",
    "asks to leave": "raise SystemExit",
    "kills its process": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "reads where nothing is": "def batchnorm_forward(x, *args):\n    import ctypes\n    ctypes.string_at(0)",
    "takes all memory": "x = 'a' * 10**12",
    "is no Python": "def f(: pass",
}

IDS = ["a b", "müller", "x[1]", "-dash", "o'neil", "with,comma", "1234567"]
PLACES = ["an empty folder", "a folder in its place", "a link to another one"]


def fill(course):
    """Hand in, in one class, everything that students hand in."""
    for student in ("rita", *IDS):
        right = submit(course, student, solved(course, RIGHT_SOURCE))
    for name, source in HOSTILE.items():
        submit(course, name, solved(course, source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nbformat, about notebooks that are broken on purpose
        for name, made in (REFUSED | TAKEN).items():
            submit(course, name, made(solved(course, RIGHT_SOURCE)))
    submit(course, "another name", solved(course, RIGHT_SOURCE), name="forward (1).ipynb")
    folders = [course.root / "submitted" / name / "forward" for name in PLACES]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[1] / "forward.ipynb").mkdir()
    (folders[2] / "forward.ipynb").symlink_to(right)


def files_of(course):
    paths = [path for path in (course.root / "submitted").rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


@dataclass
class Graded:
    course: Course
    status: int
    printed: str
    said: list
    before: dict


@pytest.fixture(scope="module")
def graded(built, tmp_path_factory):
    """A whole class, graded by one command."""
    root = tmp_path_factory.mktemp("class") / "course"
    shutil.copytree(built.root, root)
    course = Course(root)
    fill(course)
    before = files_of(course)
    return Graded(course, *run(course), before)


def test_the_status_tells_that_some_were_not_graded(graded):
    assert graded.status == 1
    assert "0 unchanged" in graded.printed
    assert re.search(rf" {len(REFUSED) + len(PLACES)} not graded\.", graded.printed)


def test_no_submitted_file_is_touched(graded):
    assert files_of(graded.course) == graded.before


@pytest.mark.parametrize("student", [*REFUSED, *PLACES])
def test_not_graded_in_one_sentence_is(graded, student):
    (sentence,) = [line for line in graded.said if line.startswith(f"not graded: {student}: ")]
    assert sentence.endswith(".")
    assert "forward.ipynb" in sentence
    assert not graded.course.autograded(student, "forward").exists()


@pytest.mark.parametrize("student", ["rita", *TAKEN, *IDS, "another name"])
def test_every_point_goes_to_right_code_of(graded, student):
    got, most = score(graded.course, student)
    assert got == most > 0
    assert student in graded.printed


@pytest.mark.parametrize("student", [*HOSTILE])
def test_no_point_and_no_harm_comes_from_a_cell_that(graded, student):
    got, most = score(graded.course, student)
    assert got == 0 < most


def test_a_notebook_under_another_name_is_told(graded):
    assert re.search(r"look at another name: .*forward \(1\)\.ipynb", graded.printed)


def test_a_second_run_tries_again_what_was_not_graded_and_nothing_else(graded):
    status, printed, _ = run(graded.course)
    assert status == 1
    assert printed.count("\n0 graded") == 1
    assert f" {len(REFUSED) + len(PLACES)} not graded." in printed


@pytest.mark.parametrize("student", ["x[1]", "-dash"])
def test_a_student_with_an_odd_id_is_graded_alone(graded, student):
    status, printed, _ = run(graded.course, "--force", f"--student={student}")
    assert status == 0
    assert "1 graded" in printed


def test_a_flood_of_output_is_cut_and_the_marks_stay(course, grade):
    submit(course, "anna", solved(course, RIGHT_SOURCE + "\nprint('x' * 30_000_000)"))
    status, _, _ = grade()
    assert status == 0
    assert score(course, "anna")[0] == score(course, "anna")[1]
    assert course.autograded("anna", "forward").stat().st_size < 5_000_000


def test_the_hidden_inputs_do_not_reach_the_marked_notebook(course, grade):
    spy = (
        "\nseen = []\n_own = batchnorm_forward\ndef batchnorm_forward(x, *rest):\n    seen.append(x.tolist())\n"
        "    print(x.tolist())\n    open('seen.txt', 'a').write(str(x.tolist()))\n    return _own(x, *rest)"
    )
    notebook = solved(course, RIGHT_SOURCE + spy)
    notebook.cells.append(nbformat.v4.new_code_cell("print(seen, open('seen.txt').read())"))
    submit(course, "anna", notebook)
    grade()
    assert score(course, "anna")[0] == score(course, "anna")[1]
    written = course.autograded("anna", "forward").read_text(encoding="utf-8")
    assert "[[5.0, 10.0]" in written  # what the notebook itself put in
    for part in (part for part in PARTS if part.startswith("batchnorm_forward-")):
        for probe in hidden_probes(SECRET.strip(), "forward", part):
            assert not any(repr(float(value)) in written for value in probe.x.ravel())


def test_from_a_shell_there_is_no_traceback_and_the_status_tells(course, right):
    submit(course, "anna", b"rubbish")
    command = [sys.executable, "-m", "autograder", "grade", "forward", "--course", str(course.root)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr + run.stdout
    assert "not graded: anna" in run.stderr
    assert "20 / 24   a part marked by hand is missing" in line_about("rita", run.stdout)


@pytest.mark.parametrize("kind", ["a pipe", "a link to an endless file"])
def test_a_timestamp_that_is_no_file_keeps_nobody_waiting(course, grade, right, kind):
    stamp = right.with_name("timestamp.txt")
    os.mkfifo(stamp) if kind == "a pipe" else stamp.symlink_to("/dev/zero")
    status, printed, _ = grade()
    assert status == 0
    assert "timestamp.txt holds no date" in printed
    assert score(course, "rita")[0] == 20


def test_a_read_only_timestamp_of_an_earlier_grading_is_replaced(course, grade, right):
    right.with_name("timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    grade()
    graded = course.autograded("rita", "forward").with_name("timestamp.txt")
    assert graded.stat().st_mode & 0o222 == 0
    right.with_name("timestamp.txt").write_text("2026-11-21 10:00:00 UTC")
    assert grade()[0] == 0
    assert "2026-11-21 10:00:00" in graded.read_text()


@pytest.mark.filterwarnings("ignore:Object of type .* not in session")  # nbgrader's gradebook, on a new submission
def test_what_nbgrader_has_graded_is_unchanged(course, grade, right):
    result = api(course).autograde("forward", "rita")
    assert result["success"], result.get("log")
    status, printed, _ = grade()
    assert status == 0
    assert "0 graded, 1 unchanged" in printed
    assert "20 / 24   a part marked by hand is missing" in line_about("rita", printed)
