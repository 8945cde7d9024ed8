"""Every command that the instructor guide puts into a box of its own runs, in the guide's order, on a fresh copy."""

import getpass
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, missing

GUIDE = ROOT / "chapters" / "instructor.md"
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
GRADEBOOK = """Student,ID,SIS User ID,SIS Login ID,Section,forward (1)
    Points Possible,,,,,24
Ada,11,,ada,A,
Bo,12,,bo,A,
Me,13,,{me},A,
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Copy what a clone has, what is not committed yet included, beside this environment and an exchange."""
    project = tmp_path_factory.mktemp("clone") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            target = project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    (project / ".venv").symlink_to(Path(sys.prefix))
    exchange = tmp_path_factory.mktemp("exchange")
    exchange.chmod(0o777)
    with (project / "autograder" / "nbgrader_config.py").open("a", encoding="utf-8") as config:
        config.write(f'\nc.Exchange.root = "{exchange}"\n')
    return project


def run(project, command, **more):
    environment = {**os.environ, "PYTEST_ADDOPTS": "--collect-only", "JUPYTER_CONFIG_DIR": str(project), **more}
    environment.pop("NBGRADER_EXECUTION", None)
    shell = f"source .venv/bin/activate\n{command}"
    return subprocess.run(
        ["bash", "-ec", shell], cwd=project, capture_output=True, text=True, timeout=300, env=environment
    )


def upload(project):
    """Lay the files of a platform in the project's folder: two students handed in the release as it is."""
    release = (project / "autograder" / "release" / "forward" / "forward.ipynb").read_bytes()
    with zipfile.ZipFile(project / "uploads.zip", "w") as archive:
        archive.writestr("ada_11_1_forward.ipynb", release)
        archive.writestr("bo_LATE_12_2_forward-1.ipynb", release)
    (project / "gradebook.csv").write_text(GRADEBOOK.format(me=getpass.getuser()), encoding="utf-8")


def hand_in(project):
    """Fetch and submit the released assignment, as a student does through the exchange."""
    student = project / "student"
    student.mkdir()
    shutil.copyfile(project / "autograder" / "nbgrader_config.py", student / "nbgrader_config.py")
    text = (student / "nbgrader_config.py").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if line.startswith(("c.Exchange.", "c.CourseDirectory."))]
    (student / "nbgrader_config.py").write_text("c = get_config()\n" + "\n".join(kept) + "\n", encoding="utf-8")
    for command in ("fetch_assignment", "submit"):
        done = run(project, f"cd student && nbgrader {command} forward")
        assert done.returncode == 0, done.stderr[-2000:]


BEFORE = {"autograder collect": upload, "nbgrader collect": hand_in}


def test_the_guide_tells_every_command_of_ours():
    told = set(re.findall(r"python -m autograder (\w+)", GUIDE.read_text(encoding="utf-8")))
    helped = subprocess.run([sys.executable, "-m", "autograder", "--help"], cwd=ROOT, capture_output=True, text=True)
    known = set(re.findall(r"^    (\w+) ", helped.stdout, re.MULTILINE))
    assert known <= told, known - told


SPELLED = {"Three quarters of an hour": 0.75, "An hour and a half": 1.5, "An hour": 1.0}
FILES = {"forward": "forward_pass", "backward": "backward_pass", "gradcheck": "gradient_check"}


def test_hours_of_the_plans_are_those_of_the_chapters_and_notebooks():
    """Each row adds up what the heads of its chapters and its notebook say, to the nearest hour."""
    rows = re.findall(r"(?m)^\| .*\| (\d) \| (.*<ch-.*) \| `(\w+)` \| (\d) \|$", GUIDE.read_text(encoding="utf-8"))
    assert [week for week, *_ in rows] == [*"12", *"1234", *"56"]
    for _, read, write, hours in rows:
        text = (ROOT / "autograder" / "assignments" / f"{write}.md").read_text(encoding="utf-8")
        total = int(re.search(r"(?m)^minutes: (\d+)$", text)[1]) / 60
        for label in re.findall(r"<ch-([\w-]+)>", read):
            name = FILES.get(label, label.replace("-", "_"))
            page = (ROOT / "chapters" / f"{name}.md").read_text(encoding="utf-8")
            needs = re.search(r"(?m)^You need\n: (.*)$", page)[1]
            total += next(value for words, value in SPELLED.items() if words in needs)
        assert abs(total - int(hours)) <= 0.5, (write, total)


def test_every_command_of_the_guide_runs(project):
    from autograder.sample.run import can_isolate

    if not can_isolate()[0]:
        missing("bubblewrap", "sudo .ci/system-packages")
    assert len(COMMANDS) > 12
    for command in COMMANDS:
        for part, prepare in BEFORE.items():
            if part in command:
                prepare(project)
        done = run(project, command)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    submitted = project / "autograder" / "submitted"
    assert {path.name for path in submitted.iterdir()} > {"ada", "bo"}
