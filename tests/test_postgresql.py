"""PostgreSQL as nbgrader's store, with a server that the tests start: the same marks, and room for many writers."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import missing
from nbgrader.api import Gradebook
from test_gradebook import DUE, EARLY, LATE, SCORES, as_nbgrader_writes, as_we_write, by_hand, content, marked

from autograder.builder.build import build
from autograder.course import Course
from autograder.engine.gradebook import Ledger, Marks, held
from autograder.grading import grade
from autograder.sample.run import can_isolate

# nbgrader's gradebook, on every new submission
pytestmark = pytest.mark.filterwarnings("ignore:Object of type .* not in session")

NOBODY = 65534  # a server does not run as root


def program(name):
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if found is None:
        missing("PostgreSQL", "sudo apt-get install postgresql")
    return found


@pytest.fixture(scope="module")
def server():
    """Start a server of the tests' own, without a network; return its address."""
    if importlib.util.find_spec("psycopg") is None:
        missing("psycopg", ".venv/bin/pip install 'psycopg[binary]'")
    initdb, postgres, pg_isready = map(program, ("initdb", "postgres", "pg_isready"))
    as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:  # a socket's path must be short
        folder = Path(name)
        if as_user:
            os.chown(folder, NOBODY, NOBODY)
        data = folder / "data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **as_user}
        subprocess.run([initdb, "-D", data, "-U", "tests", "-A", "trust", "-N"], check=True, **quiet)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        running = subprocess.Popen([postgres, "-D", data, *options], **quiet)
        try:
            for _ in range(200):
                if subprocess.run([pg_isready, "-h", folder, "-q", "-t", "1"]).returncode == 0:
                    break
            yield folder
        finally:
            running.send_signal(signal.SIGINT)  # a fast shutdown
            running.wait(30)


@pytest.fixture
def database(server, request):
    """Make an empty database; return its address for nbgrader."""
    name = f"course{abs(hash(request.node.name))}"
    subprocess.run([program("createdb"), "-h", server, "-U", "tests", name], check=True)
    return f"postgresql+psycopg://tests@/{name}?host={server}"


def course_in(root, database):
    course = Course(root)
    course.config.CourseDirectory.db_url = database
    return course


@pytest.fixture
def course(tmp_path, database):
    course = course_in(tmp_path / "course", database)
    build(course, ["forward"])
    return course


def test_the_gradebook_is_the_one_that_nbgrader_makes(course, tmp_path):
    local = Course(tmp_path / "local")
    build(local, ["forward"])
    for way, place in ((as_nbgrader_writes, local), (as_we_write, course)):
        with Gradebook(place.gradebook_url, place.course_id) as gradebook:
            gradebook.find_assignment("forward").duedate = DUE
            gradebook.db.commit()
        way(place, "ann", EARLY, marked(place, SCORES))
        by_hand(place, "ann")
        way(place, "ann", LATE, marked(place, {}))
        way(place, "o'neil", DUE, marked(place, SCORES, ("explain-gamma-beta",)))
    assert content(course) == content(local)


def test_a_class_is_graded(course):
    for student, source in (("ann", course.source), ("bo", course.release)):
        folder = course.root / "submitted" / student / "forward"
        folder.mkdir(parents=True)
        shutil.copy(source("forward") / "forward.ipynb", folder)
    assert grade(course, "forward", isolated=can_isolate()[0], workers=2) == 0
    found = held(course, "forward")
    assert found["ann"].score == found["ann"].max_score > 0
    assert found["bo"].score == 0
    assert not (course.root / "gradebook.db").exists()


def test_many_who_write_at_once_lose_no_mark(course):
    students = [f"s{n}" for n in range(40)]
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with Ledger(course, "forward") as ledger:
                    for at in range(0, 40, 10):
                        batch = students[at : at + 10][:: 1 if number % 2 else -1]
                        ledger.write(
                            [Marks(s, None, {"batchnorm_forward-train": float(int(s[1:]) % 8)}) for s in batch]
                        )
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    found = held(course, "forward")
    assert {student: mark.score for student, mark in found.items()} == {s: float(int(s[1:]) % 8) for s in students}
