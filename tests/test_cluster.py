"""`grade --scheduler`: a cluster gives the same grades as this machine's cores, whatever of it is killed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, missing
from red_team import RIGHT_FORWARD, Case, right_notebook
from red_team.submit import submit
from test_gradebook import content

from autograder.__main__ import main
from autograder.cluster import home, node
from autograder.cluster.parcel import Handed, Kit, packed, unpacked
from autograder.course import Course, Problem
from autograder.engine.files import work_files
from autograder.engine.gradebook import Marks
from autograder.engine.jail import Jail
from autograder.engine.pipeline import Grader, Outcome, Paper, Submission, submissions
from autograder.engine.reading import find_notebook

FILES = ROOT / "autograder" / "cluster"
WRONG = Case("wrong", "", {"batchnorm_forward": RIGHT_FORWARD.replace("+ eps", "")})


# ---- a class, and what this machine makes of it ----


def hand_in(course):
    """Hand in right, wrong and odd work."""
    for number in range(8):
        submit(course, right_notebook("forward") if number % 2 else WRONG, f"s{number}")
    linked, folder, piped, renamed, empty, nothing, helped, late = (
        submit(course, right_notebook("forward"), name)
        for name in ("linked", "folder", "piped", "renamed", "empty", "nothing", "ünï", "late")
    )
    name = "forward.ipynb"
    (linked / name).rename(linked / "real")
    (linked / name).symlink_to("real")
    (folder / name).unlink()
    (folder / name).mkdir()
    os.mkfifo(piped / "timestamp.txt")
    (renamed / name).rename(renamed / "mine.ipynb")
    shutil.copy(renamed / "mine.ipynb", renamed / "mine (1).ipynb")
    os.utime(renamed / "mine.ipynb", (2e9, 2e9))
    (empty / name).write_bytes(b"")
    (nothing / name).unlink()
    (helped / "forward.ipynb").write_text(
        (helped / name).read_text().replace("import numpy as np", "import numpy as np\\nfrom part import two"), "utf-8"
    )
    (helped / "part.py").write_text("two = 2\n")
    (helped / "large.bin").touch()
    os.truncate(helped / "large.bin", 30 << 20)
    (late / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")


@pytest.fixture(scope="module")
def course(built_course, tmp_path_factory):
    """A course with a class, none of it graded."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    course = Course(tmp_path_factory.mktemp("cluster") / "course")
    for name in ("source", "release"):
        shutil.copytree(built_course.root / name / "forward", course.root / name / "forward")
    for name in ("gradebook.db", "releases.json"):
        shutil.copy(built_course.root / name, course.root)
    (course.root / "secret").write_text("5" * 64 + "\n")
    hand_in(course)
    return course


@pytest.fixture(scope="module")
def ungraded_gradebook(course, tmp_path_factory):
    return shutil.copy(course.root / "gradebook.db", tmp_path_factory.mktemp("before"))


@dataclass(frozen=True)
class Graded:
    """What is left of a run: status, what was printed, all marks, all marked notebooks."""

    status: int
    printed: str
    told: list
    marks: list
    notebooks: dict

    @classmethod
    def read(cls, course, status, printed, told):
        paths = sorted(path for path in (course.root / "autograded").rglob("*") if path.is_file())
        notebooks = {str(path.relative_to(course.root)): path.read_text("utf-8") for path in paths}
        said = [line for line in re.split(r"[\r\n]+", told) if line.strip() and not line.startswith("grading ")]
        return cls(status, printed, sorted(said), content(course), notebooks)


@pytest.fixture(scope="module")
def here(course, ungraded_gradebook):
    """Grade the class on this machine, and undo it."""
    run = subprocess.run(command(course), cwd=ROOT, capture_output=True, text=True)
    graded = Graded.read(course, run.returncode, run.stdout, run.stderr)
    undo(course, ungraded_gradebook)
    return graded


def undo(course, gradebook):
    shutil.rmtree(course.root / "autograded", ignore_errors=True)
    shutil.copy(gradebook, course.root / "gradebook.db")


def command(course, *options):
    return [sys.executable, "-m", "autograder", "grade", "forward", "--course", str(course.root), *options]


# ---- a cluster ----


def encrypted(folder):
    """Make a certificate, and Dask's settings for it; return the environment that uses them."""
    if shutil.which("openssl") is None:
        missing("openssl", "sudo apt-get install openssl")
    run = subprocess.run([FILES / "encrypt.sh", folder], capture_output=True, text=True, check=True)
    variable, _, path = run.stdout.strip().removeprefix("export ").partition("=")
    return {**os.environ, variable: path, "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Lay out what the image of a node holds: nothing else of the project is there."""
    target = tmp_path_factory.mktemp("node")
    lines = re.findall(r"^COPY (.*)$", (FILES / "Containerfile").read_text(), re.MULTILINE)
    for *names, place in map(str.split, lines):
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target / place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (target / place).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target / place)
    return target


@dataclass
class Deployment:
    """A scheduler and workers, processes of their own whose links are encrypted."""

    folder: Path
    project: Path
    running: dict = field(default_factory=dict)

    def __post_init__(self):
        self.environment = encrypted(self.folder / "links")
        self.start("scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", self.folder / "file")
        until(lambda: self.told("file"))
        self.address = json.loads(self.told("file"))["address"]

    def told(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def start(self, kind, *options, name=None):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *map(str, options)]
        with (self.folder / f"{name or kind}.log").open("w") as log:
            self.running[name or kind] = subprocess.Popen(
                command, cwd=self.project, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def add(self, *names):
        for name in names:
            options = ("--no-nanny", "--nthreads", "2", "--local-directory", self.folder / name)
            self.start("worker", self.address, *options, name=name)

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def batches(self, name):
        """Return the batches that a worker is at."""
        return list((self.folder / name).glob("dask-scratch-space/*/grading-*/batch-*"))

    def agents(self, name):
        """Return the processes of a worker's agent: itself, its batches', and their workers'."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"autograder.cluster.agent" in words and os.fsencode(self.folder / name) in b"".join(words):
                found.append(int(path.parent.name))
        return sorted(found)

    def grade(self, course):
        with (self.folder / "printed").open("w") as printed, (self.folder / "said").open("w") as said:
            return subprocess.Popen(
                command(course, "--scheduler", self.address),
                cwd=ROOT,
                env=self.environment,
                stdout=printed,
                stderr=said,
            )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, project):
    deployment = Deployment(tmp_path_factory.mktemp("dask"), project)
    yield deployment
    for name in list(deployment.running):
        deployment.kill(name)


def until(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_grades_are_those_of_this_machine_though_there_was_no_worker_at_first_and_one_was_killed(cluster, course, here):
    run = cluster.grade(course)
    until(lambda: "has no worker; this waits for one" in cluster.told("said"))
    cluster.add("first", "second", "third")
    until(lambda: cluster.batches("first"))
    cluster.kill("first")
    until(lambda: cluster.batches("second"))
    os.kill(cluster.agents("second")[0], signal.SIGKILL)
    assert run.wait() == 1
    said = re.sub(r"autograder: The cluster of .* has no worker.*", "", cluster.told("said"))
    assert Graded.read(course, 1, cluster.told("printed"), said) == here
    assert here.status == 1
    assert "12 graded, 0 unchanged" in here.printed
    assert str(course.root / "submitted" / "empty") in " ".join(here.told)
    until(lambda: not cluster.agents("first"))


def test_what_was_graded_stays_graded_when_the_scheduler_ends_and_the_next_run_finishes(
    cluster, course, here, ungraded_gradebook
):
    undo(course, ungraded_gradebook)
    cluster.add("fourth")
    run = cluster.grade(course)
    until(lambda: list((course.root / "autograded").glob("*/forward/forward.ipynb")))
    cluster.kill("scheduler")
    assert run.wait() == 1
    assert cluster.told("printed") == ""
    assert "is gone. What was graded stays graded" in cluster.told("said")
    assert "Traceback" not in cluster.told("said")
    before = Graded.read(course, 1, "", "")
    assert before.notebooks.items() <= here.notebooks.items()
    again = subprocess.run(command(course), cwd=ROOT, capture_output=True, text=True)
    after = Graded.read(course, again.returncode, "", "")
    assert (after.marks, after.notebooks) == (here.marks, here.notebooks)
    assert f"{len([n for n in before.notebooks if n.endswith('.ipynb')])} unchanged" in again.stdout


# ---- what goes wrong with the command ----


@pytest.fixture
def failing(course, capsys):
    def run(*options):
        status = main(["grade", "forward", "--course", str(course.root), "--force", *options])
        told = capsys.readouterr().err
        assert status == 1
        assert told.startswith("autograder: ")
        assert told.count("\n") == 1
        return told

    return run


def test_without_dask_it_says_how_to_install_it(failing, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = failing("--scheduler", "tcp://127.0.0.1:8786")
    assert home.INSTALL in told


def test_where_no_scheduler_answers_it_says_so_soon(failing, monkeypatch):
    monkeypatch.setattr(home, "_PATIENCE", 0.5)
    assert "No Dask scheduler answers at tcp://127.0.0.1:9 " in failing("--scheduler", "tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["nonsense", "gopher://127.0.0.1:9", "tls://127.0.0.1:9"])
def test_an_address_that_is_none_or_lacks_its_certificate_is_one_sentence(failing, monkeypatch, address):
    monkeypatch.setattr(home, "_PATIENCE", 0.5)
    assert f"No Dask scheduler answers at {address} " in failing("--scheduler", address)


def test_workers_of_this_machine_and_a_cluster_are_not_asked_together(failing):
    assert "leave --workers out" in failing("--scheduler", "tcp://127.0.0.1:8786", "--workers", "2")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("tls://192.0.2.7:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://192.0.2.7:8786", False),
        ("ws://example.org:8786", False),
    ],
)
def test_a_link_is_private_that_is_encrypted_or_does_not_leave_the_machine(address, private):
    assert home.is_private(address) is private


# ---- what is lost, and what nodes refuse ----


class Future:
    def __init__(self, answer):
        self._answer = answer
        self.status = "error" if isinstance(answer, BaseException) else "finished"

    def add_done_callback(self, done):
        done(self)

    def result(self):
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def release(self):
        pass


class Client:
    """A cluster whose answers are made up."""

    status = "running"

    def __init__(self, answer):
        self.sent = []
        self._answer = answer

    def nthreads(self):
        return {"worker": 1}

    def submit(self, _function, _line, given, pure):
        students = [handed.student for handed in unpacked(given["batch"])]
        self.sent.append(students)
        return Future(self._answer(students))

    def close(self):
        pass


def papers_by(answer, todo):
    client = Client(answer)
    return client, list(home._Run(client, "the cluster", b"", deque(todo)).papers())


def graded(students):
    return node.PAPERS + packed([Paper(name, Outcome(), Marks(name), "marked") for name in students])


@pytest.fixture
def todo(course):
    return [Submission(course, course.root / "submitted" / f"s{number}" / "forward") for number in range(8)]


def test_a_submission_that_ends_its_workers_stays_ungraded_alone(todo, monkeypatch):
    monkeypatch.setattr(home, "_FEW", 2)
    client, papers = papers_by(lambda students: node.LOST if "s3" in students else graded(students), todo)
    assert sorted(paper.student for paper in papers) == [f"s{number}" for number in range(8)]
    assert [paper.student for paper in papers if paper.outcome.not_graded] == ["s3"]
    assert client.sent == [["s0", "s1", "s2", "s3"], ["s4", "s5", "s6", "s7"], ["s0"], ["s1"], ["s2"], ["s3"]]


def test_a_batch_that_dask_gives_up_is_done_again(todo, monkeypatch):
    from distributed import KilledWorker

    monkeypatch.setattr(home, "_FEW", 2)
    client, papers = papers_by(
        lambda students: KilledWorker("task", None, 1) if len(students) > 1 else graded(students), todo
    )
    assert len(client.sent[0]) == 4
    assert len(papers) == 8
    assert not [paper for paper in papers if paper.outcome.not_graded]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (node.REFUSED + b"node7: bubblewrap is missing", "A node of the cluster cannot grade. node7: bubblewrap"),
        (
            ModuleNotFoundError("No module named 'autograder'", name="autograder"),
            "lacks autograder; start `python -m dask worker`",
        ),
        (MemoryError("out of memory"), "failed \\(MemoryError: out of memory\\)"),
    ],
)
def test_a_cluster_that_cannot_grade_is_one_sentence(todo, answer, sentence):
    with pytest.raises(Problem, match=sentence):
        papers_by(lambda _: answer, todo)


def test_a_submission_that_cannot_be_read_stays_ungraded(course, todo, monkeypatch):
    monkeypatch.setattr("autograder.cluster.parcel.LARGEST", 10)
    _, papers = papers_by(graded, todo[:1])
    assert "too large to be sent" in papers[0].outcome.not_graded


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Be a Dask worker."""
    import distributed

    monkeypatch.setattr(distributed, "get_worker", lambda: replace(Worker(), local_directory=str(tmp_path)))
    yield
    for agent in node._agents.values():
        agent.close()
    node._agents.clear()
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Worker:
    local_directory: str = ""


def test_a_node_with_other_code_refuses(worker, course):
    kit = Kit.of(course, "forward", True)
    told = node.examine(packed(replace(kit, code={**kit.code, "numpy": "0.1"})), packed(()))
    assert told.startswith(node.REFUSED)
    assert re.search(r"Its numpy is [\d.]+, and where you grade it is 0.1; install the same version", told.decode())


def test_an_agent_serves_several_batches_at_once_and_starts_again_when_it_was_killed(worker, course, todo):
    kit = packed(Kit.of(course, "forward", True))
    answers = []
    threads = [
        threading.Thread(target=lambda s=s: answers.append(node.examine(kit, packed((Handed.of(s),)))))
        for s in todo[:2]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (agent,) = node._agents.values()
    agent._process.kill()
    agent._process.wait()
    answers.append(node.examine(kit, packed((Handed.of(todo[2]),))))
    assert [answer for answer in answers if not answer.startswith(node.PAPERS)] == []
    papers = [paper for answer in answers for paper in unpacked(answer.removeprefix(node.PAPERS))]
    assert sorted(paper.student for paper in papers) == ["s0", "s1", "s2"]
    assert not [paper for paper in papers if paper.outcome.not_graded]


def test_a_submission_lies_on_a_node_as_it_lies_at_home(course, tmp_path):
    grader = Grader(course, "forward", Jail())
    for submission in submissions(course, "forward"):
        laid = Handed.of(submission).lay_out(course, "forward", tmp_path)
        assert laid.fingerprint == submission.fingerprint
        both = []
        for one in (submission, laid):
            try:
                path, odd = find_notebook(one.folder, "forward", grader._grade_ids())
                both.append((path.name, odd, grader.read(path), work_files(one.folder, Path("none"))))
            except Problem as problem:
                both.append(str(problem).replace(str(tmp_path), str(course.root / "submitted")))
        assert both[0] == both[1]


# ---- the files for clusters ----


def options_of(kind):
    """Return the options that a command of Dask knows."""
    told = subprocess.run(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--help"], capture_output=True, text=True
    )
    return set(re.findall(r"--[\w-]+", told.stdout))


def test_the_manifest_for_kubernetes_is_consistent():
    documents = list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for document in documents[1:]:
        assert ("Namespace", document["metadata"]["namespace"]) in there
    deployments = [document["spec"]["template"] for document in documents if document["kind"] == "Deployment"]
    selectors = [document["spec"]["selector"] for document in documents if document["kind"] == "Service"]
    for template in deployments:
        spec = template["spec"]
        (container,) = spec["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
        maps = [volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume]
        assert {("ConfigMap", name) for name in maps} <= there
        kind = container["command"][2].removeprefix("distributed.cli.dask_")
        assert {word for word in container["command"] if word.startswith("--")} <= options_of(kind)
    assert any(selectors[0] == template["metadata"]["labels"] for template in deployments)
    (worker,) = [template["spec"] for template in deployments if template["metadata"]["labels"]["part"] == "worker"]
    assert worker["hostUsers"] is False
    assert worker["containers"][0]["securityContext"]["procMount"] == "Unmasked"
    assert worker["securityContext"]["seccompProfile"] == {"type": "Unconfined"}
    settings = yaml.safe_load(documents[1]["data"]["dask.yaml"])["distributed"]
    assert settings["comm"]["require-encryption"] is True
    mounts = {mount["mountPath"] for mount in worker["containers"][0]["volumeMounts"]}
    assert {str(Path(path).parent) for path in settings["comm"]["tls"]["worker"].values()} <= mounts


def test_the_jobs_of_slurm_run_workers_of_this_project_over_encrypted_links(tmp_path):
    options = ("--dry-run", "--cores", "16", "--memory", "32GB", "--walltime", "02:00:00", "--queue", "short")
    script = subprocess.run(
        [sys.executable, "-W", "error", "-m", "autograder.cluster.slurm", *options, "--sbatch=--exclusive"],
        cwd=ROOT,
        env=encrypted(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in ("--cpus-per-task=16", "-t 02:00:00", "-p short", "--exclusive"):
        assert f"#SBATCH {line}" in script
    assert f"cd {ROOT}" in script
    assert re.search(rf"dask_worker tls://\S+ .*--nthreads 16 .*--tls-key {tmp_path}/key.pem", script)
    words = script.splitlines()[-2 if not script.splitlines()[-1] else -1].split()
    assert {word for word in words if word.startswith("--")} <= options_of("worker")
