"""The jail: what a submission cannot do in it, and that the jail notices when a part of it does not hold."""

import os
import shutil
import struct
import time
from pathlib import Path

import pytest
from conftest import ROOT, missing

from autograder.engine import break_out as break_out_module
from autograder.engine import jail as jail_module
from autograder.engine.break_out import break_out, proved_jail
from autograder.engine.jail import BUNDLE, EngineFailure, Jail, bundle
from autograder.engine.session import Session
from autograder.engine.student_side import policy


@pytest.fixture(scope="module")
def jail():
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail()
    yield jail
    jail.close()


def run(session, source):
    """Run a cell; return what it printed and the name of its error."""
    outputs = session.run_cell(source).outputs
    text = "".join(output.get("text", "") for output in outputs)
    return text.strip(), next((output["ename"] for output in outputs if output["output_type"] == "error"), None)


def test_no_way_out_is_free(jail):
    assert break_out(jail) == []


def test_a_missing_filter_is_noticed(monkeypatch, jail):
    allow_everything = struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)
    monkeypatch.setattr(policy, "seccomp_program", lambda: allow_everything)
    weak = Jail()
    try:
        free = break_out(weak)
    finally:
        weak.close()
    assert any("no process can be started" in sentence and "seccomp" in sentence for sentence in free)


def test_a_visible_course_folder_is_noticed(monkeypatch, jail):
    whole = policy.bubblewrap

    def with_project(*arguments):
        command = whole(*arguments)
        at = command.index("--proc")
        return [*command[:at], "--ro-bind", str(ROOT), "/srv/course", *command[at:]]

    monkeypatch.setattr(policy, "bubblewrap", with_project)
    monkeypatch.setattr(break_out_module, "PROJECT", Path("/srv/course"))
    weak = Jail()
    try:
        free = break_out(weak)
    finally:
        weak.close()
    assert any("the course folder is out of sight" in sentence for sentence in free)
    assert any("the reference cannot be imported" in sentence for sentence in free)


def test_a_jail_that_does_not_hold_is_refused(monkeypatch, jail):
    monkeypatch.setattr(break_out_module, "break_out", lambda jail: ["the jail does not hold"])
    with pytest.raises(policy.PolicyFailure, match="does not hold"):
        proved_jail.__wrapped__()  # past the cache, where other tests' jail lies


def test_without_bubblewrap_the_jail_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(jail_module.shutil, "which", lambda name: None)
    with pytest.raises(policy.PolicyFailure, match="apt-get install bubblewrap"):
        Jail().student()


def test_students_have_what_they_have_at_home_and_nothing_else(jail):
    with Session(jail) as session:
        assert run(session, "import numpy, matplotlib.pyplot, IPython, jupyterlab")[1] is None
        for name in ("solutions", "autograder", "nbgrader", "sphinx", "pytest", "sqlalchemy"):
            assert run(session, f"import {name}")[1] == "ModuleNotFoundError"
        shown = run(session, "import os; print(*sorted(os.listdir('/packages')))")[0].split()
    assert sorted(shown) == sorted({path.name for path in bundle()})
    assert set(BUNDLE) <= set(shown)


def test_submissions_do_not_share_a_folder(jail):
    with Session(jail) as one, Session(jail) as other:
        run(one, "open('mine', 'w').write('mine'); open('/tmp/mine', 'w').write('mine')")
        assert run(other, "import os; print(os.listdir('.'))")[0] == "[]"
        assert run(other, "print(os.path.exists('/tmp/mine'))")[0] == "False"


def test_a_submission_cannot_fill_the_disk(jail):
    with Session(jail) as session:
        error = run(session, "with open('a', 'wb') as f:\n    [f.write(bytes(1 << 20)) for _ in range(1000)]")[1]
    assert error == "OSError"


def test_a_submission_cannot_take_all_memory(jail):
    with Session(jail) as session:
        assert run(session, "b = bytearray(16 << 30)")[1] == "MemoryError"


def test_nothing_outlives_a_submission(jail):
    session = Session(jail)
    run(session, "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()")
    descriptor = session._student.descriptor
    assert Path(f"/proc/self/fdinfo/{descriptor}").read_text().count("Pid:\t-1") == 0
    kept = os.dup(descriptor)
    session.close()
    deadline = time.monotonic() + 10
    while "Pid:\t-1" not in Path(f"/proc/self/fdinfo/{kept}").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.close(kept)


def test_the_warm_process_is_started_again_when_it_was_killed(jail):
    with Session(jail):
        pass
    jail._process.kill()
    jail._process.wait()
    with Session(jail) as session:
        assert run(session, "print(1)")[0] == "1"


def test_a_warm_process_that_cannot_start_is_the_engines_failure(monkeypatch, jail):
    monkeypatch.setattr(policy, "bubblewrap", lambda *arguments: ["bwrap", "--no-such-option"])
    with pytest.raises(EngineFailure, match="no-such-option"):
        Jail().student()


def test_without_isolation_a_submission_still_runs_in_a_process_and_a_folder_of_its_own():
    open_jail = Jail(isolated=False)
    try:
        with Session(open_jail) as session:
            where = run(session, "import os; open('mine', 'w').close(); print(os.getcwd())")[0]
            assert run(session, "import solutions")[1] == "ModuleNotFoundError"
            assert Path(where, "mine").exists()
        assert not Path(where).exists()
    finally:
        open_jail.close()
