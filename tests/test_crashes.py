"""Whatever is killed at whatever moment: no mark is lost, none is wrong, and the next run finishes the job.

A seed draws who is killed - the grader, a worker, the jail - and when: while a submission is read or run, in the
middle of a transaction, between commit and rename, with half a file written, or at any moment of the clock. Then the
command is run again, and the gradebook and the marked notebooks are compared with those of an undisturbed run.
"""

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, missing
from red_team import RIGHT_FORWARD, Case, right_notebook
from red_team.submit import submit
from test_gradebook import content

from autograder.course import Course, Problem
from autograder.engine import gradebook
from autograder.engine.break_out import proved_jail
from autograder.engine.pipeline import Grader, Submission
from autograder.engine.session import Session
from autograder.grading import grade, grade_submissions, verdicts

SEEDS = (*range(20), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(100, 300)))
STUDENTS = 5
_WRONG = RIGHT_FORWARD.replace("+ eps", "")


@pytest.fixture(scope="module")
def template(built_course, tmp_path_factory):
    """A course with a few submissions, none of them graded, and a jail that all runs share."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    root = tmp_path_factory.mktemp("crashes") / "course"
    for name in ("source", "release"):
        shutil.copytree(built_course.root / name / "forward", root / name / "forward")
    shutil.copy(built_course.root / "gradebook.db", root)
    (root / "secret").write_text("5" * 64 + "\n")
    course = Course(root)
    for number in range(STUDENTS):
        right = right_notebook("forward") if number % 2 else Case("wrong", "", {"batchnorm_forward": _WRONG})
        submit(course, right, f"s{number}")
    return course


@pytest.fixture(scope="module")
def undisturbed(template, tmp_path_factory):
    course = copied(template, tmp_path_factory.mktemp("undisturbed") / "course")
    assert silently(grade, course, "forward", workers=2) == 0
    return course


@pytest.fixture
def course(template, tmp_path):
    return copied(template, tmp_path / "course")


def copied(course, root):
    shutil.copytree(course.root, root)
    return Course(root)


def silently(function, *args, **more):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return function(*args, **more)


def submissions(course):
    return [Submission(course, course.root / "submitted" / f"s{n}" / "forward") for n in range(STUDENTS)]


def marked(course):
    """Return what the marked notebooks say, by student."""
    found = {}
    for path in sorted((course.root / "autograded").glob("*/forward/forward.ipynb")):
        json.loads(path.read_text(encoding="utf-8"))  # whole
        found[path.parent.parent.name] = verdicts(path)
    return found


def scores(course):
    with sqlite3.connect(course.root / "gradebook.db") as book:
        assert book.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return {(row[0], row[1]): row[3] for row in content(course) if len(row) == 9}


def assert_nothing_is_wrong(course, undisturbed):
    """Every mark that is there is right, and every marked notebook's marks are in the gradebook."""
    right, found = scores(undisturbed), scores(course)
    assert {key: score for key, score in found.items() if score is not None and score != right[key]} == {}
    for student, records in marked(course).items():
        assert records == marked(undisturbed)[student]
        assert all(found[student, record["part"]] == record["score"] for record in records)


def assert_finished(course, undisturbed):
    assert content(course) == content(undisturbed)
    assert marked(course) == marked(undisturbed)
    left = [path.name for path in (course.root / "autograded").rglob("*") if path.is_file()]
    assert set(left) == {"forward.ipynb"}


# ---- killed ----


def in_the_middle(victim, moment, count):
    """Have the grader, one of its workers or the jail killed when something is done for so many times."""
    left, grader, jail = [count], os.getpid(), proved_jail()

    def strike(*_):
        left[0] -= 1
        if left[0] == 0:
            process = {"grader": grader, "worker": os.getpid(), "jail": jail._process.pid}[victim]
            os.kill(process, signal.SIGKILL)

    def before(owner, name):
        real = getattr(owner, name)

        def changed(*args, **more):
            strike()
            return real(*args, **more)

        setattr(owner, name, changed)

    def after(owner, name):
        real = getattr(owner, name)

        def changed(*args, **more):
            result = real(*args, **more)
            strike()
            return result

        setattr(owner, name, changed)

    match moment:
        case "read":
            after(Grader, "read")
        case "run":
            before(Session, "run_cell")
        case "call":
            before(Session, "call")
        case "transaction":
            before(gradebook._Page, "_save")
        case "commit":
            after(gradebook._Page, "write")
        case "committed":
            after(gradebook.Ledger, "write")
        case "write":
            real = Path.write_text

            def halved(self, text, **more):
                real(self, text[: len(text) // 2], **more)
                strike()
                return real(self, text, **more)

            Path.write_text = halved
        case "rename":
            before(Path, "replace")
        case "renamed":
            after(Path, "replace")


IN_A_WORKER = ("read", "run", "call")
MOMENTS = (*IN_A_WORKER, "transaction", "commit", "committed", "write", "rename", "renamed", "any")


def drawn(seed):
    """Draw who is killed, at which moment, at which of its occurrences or after how many seconds."""
    rng = np.random.default_rng(seed)
    moment = MOMENTS[seed % len(MOMENTS)]  # each of them in every ten seeds
    victim = str(rng.choice(("grader", "worker", "jail")))
    most = {"read": 3, "run": 12, "call": 40, "transaction": 3, "commit": 1, "committed": 1}.get(moment, STUDENTS)
    return victim, moment, int(rng.integers(1, most + 1)), float(rng.uniform(0.0, 0.5))


def graded_by_a_child(course, prepare=lambda: None):
    """Grade in a process of its own, in small batches; return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        prepare()
        vars(sys.modules["autograder.grading"])["_MOST_PAPERS"] = 2
        silently(grade_submissions, submissions(course), True, 2)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_kill_nothing_is_wrong_and_the_next_run_finishes(course, undisturbed, seed):
    victim, moment, count, seconds = drawn(seed)
    print(f"seed {seed}: {victim} killed at {moment}, {count} or {seconds:.2f} s")
    proved_jail().launch()
    if moment == "any":
        child = graded_by_a_child(course)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child if victim != "jail" else proved_jail()._process.pid, signal.SIGKILL)
    else:
        child = graded_by_a_child(course, lambda: in_the_middle(victim, moment, count))
    status = os.waitpid(child, 0)[1]
    if moment != "any":
        struck = victim == "grader" or (victim == "worker" and moment not in IN_A_WORKER)
        assert status == (signal.SIGKILL if struck else 0)
    assert_nothing_is_wrong(course, undisturbed)
    assert silently(grade, course, "forward", workers=2) == 0
    assert_finished(course, undisturbed)


def test_the_command_that_is_killed_leaves_no_process_and_can_be_run_again(course, undisturbed):
    command = [sys.executable, "-m", "autograder", "grade", "forward", "--course", str(course.root)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not below(first.pid):  # the jail is up
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)
    left = below(first.pid)
    first.kill()
    first.wait()
    while any(map(alive, left)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert_nothing_is_wrong(course, undisturbed)
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120).returncode == 0
    assert_finished(course, undisturbed)


def below(process):
    """Return the processes below one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {process}


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# ---- what else happens ----


@pytest.mark.parametrize("room", [1000, 30_000, 150_000, 400_000])
def test_a_disk_without_room_is_one_sentence_and_the_next_run_finishes(course, undisturbed, room):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    proved_jail().launch()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))  # no file may grow beyond
        try:
            silently(grade_submissions, submissions(course), True, 2)
            told = "finished"
        except Problem as problem:
            told = str(problem)
        except BaseException as error:
            told = f"Traceback {error!r}"
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read().decode()
    os.waitpid(child, 0)
    assert told == "finished" or "cannot be written" in told
    assert room > 30_000 or told != "finished"
    assert_nothing_is_wrong(course, undisturbed)
    assert silently(grade, course, "forward", workers=2) == 0
    assert_finished(course, undisturbed)


def test_of_two_graders_one_says_that_the_other_is_at_work_and_no_mark_is_wrong(course, undisturbed):
    proved_jail().launch()
    first = graded_by_a_child(course)
    told = []
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGSTOP)
    try:
        silently(grade_submissions, submissions(course), True, 2)
    except Problem as problem:
        told.append(str(problem))
    os.kill(first, signal.SIGCONT)
    os.waitpid(first, 0)
    assert told == [] or "Another grader is at work on forward" in told[0]
    assert_nothing_is_wrong(course, undisturbed)
    assert silently(grade, course, "forward", workers=2) == 0
    assert_finished(course, undisturbed)


def test_a_gradebook_that_was_removed_is_filled_again(course, undisturbed, template):
    assert silently(grade, course, "forward") == 0
    shutil.copy(template.root / "gradebook.db", course.root)  # an older one, from before
    assert silently(grade, course, "forward") == 0
    assert_finished(course, undisturbed)
