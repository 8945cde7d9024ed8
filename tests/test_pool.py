"""Workers: each submission is examined, whatever happens to the worker that has it, and none outlives the writer."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.course import Course, Problem
from autograder.engine.gradebook import Marks
from autograder.engine.pipeline import Outcome, Paper, Submission
from autograder.engine.pool import examine_all


def submissions(tmp_path, count):
    return [Submission(Course(tmp_path), Path(tmp_path, "submitted", f"s{n:03}", "forward")) for n in range(count)]


@dataclass
class Examiner:
    """Does for each student what is asked for, and leaves a line about each time."""

    log: Path
    ways: dict

    def examine(self, submission):
        with self.log.open("a") as log:
            log.write(f"{submission.student} {os.getpid()}\n")
        self.ways.get(submission.student, lambda: None)()
        return Paper(submission.student, Outcome(), Marks(submission.student), "marked")

    def lines(self):
        return [line.split() for line in self.log.read_text().splitlines()]


@pytest.fixture
def examiner(tmp_path):
    return Examiner(tmp_path / "log", {})


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def examined(examiner, todo, workers=2):
    return {paper.student: paper for paper in examine_all(examiner, todo, workers)}


@pytest.mark.parametrize("count", [0, 1, 2, 17])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_each_submission_is_examined_once(examiner, tmp_path, count, workers):
    todo = submissions(tmp_path, count)
    papers = examined(examiner, todo, workers)
    assert sorted(papers) == [submission.student for submission in todo]
    assert all(paper.notebook == "marked" for paper in papers.values())
    if count:
        assert sorted(student for student, _ in examiner.lines()) == sorted(papers)
        assert 1 <= len({process for _, process in examiner.lines()}) <= workers


def test_several_work_at_once(examiner, tmp_path):
    examiner.ways = dict.fromkeys(("s000", "s001", "s002", "s003"), lambda: time.sleep(0.3))
    examined(examiner, submissions(tmp_path, 4), workers=4)
    assert len({process for _, process in examiner.lines()}) == 4


def test_what_a_killed_worker_had_is_given_to_another(examiner, tmp_path):
    marker = tmp_path / "was-killed"

    def once():
        if not marker.exists():
            marker.touch()
            killed()

    examiner.ways = {"s003": once}
    papers = examined(examiner, submissions(tmp_path, 9))
    assert len(papers) == 9
    assert all(paper.outcome.not_graded is None for paper in papers.values())


def test_a_submission_at_which_workers_end_stays_ungraded_and_the_others_do_not(examiner, tmp_path):
    examiner.ways = {"s002": killed, "s005": lambda: os._exit(3)}
    papers = examined(examiner, submissions(tmp_path, 9))
    ungraded = {student for student, paper in papers.items() if paper.outcome.not_graded}
    assert len(papers) == 9
    assert ungraded == {"s002", "s005"}
    assert papers["s002"].notebook is None
    assert not papers["s002"].marks.graded
    assert [student for student, _ in examiner.lines()].count("s002") == 2


def test_an_exception_of_one_is_told_and_hurts_no_other(examiner, tmp_path):
    examiner.ways = {"s001": lambda: 1 / 0}
    papers = examined(examiner, submissions(tmp_path, 3))
    assert "ZeroDivisionError" in papers["s001"].outcome.not_graded
    assert papers["s000"].outcome.not_graded is papers["s002"].outcome.not_graded is None


def test_a_problem_of_the_course_ends_the_work(examiner, tmp_path):
    def problem():
        raise Problem("The release is damaged.")

    examiner.ways = {"s001": problem}
    with pytest.raises(Problem, match="damaged"):
        examined(examiner, submissions(tmp_path, 5))


def processes(examiner):
    return {int(process) for _, process in examiner.lines()}


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_no_worker_is_left_when_the_reader_stops(examiner, tmp_path):
    papers = examine_all(examiner, submissions(tmp_path, 20), 3)
    next(papers)
    papers.close()
    assert not any(map(alive, processes(examiner)))


def test_no_worker_is_left_when_the_writer_is_killed(examiner, tmp_path):
    examiner.ways = {f"s{n:03}": lambda: time.sleep(30) for n in range(4)}
    writer = os.fork()
    if writer == 0:
        for _ in examine_all(examiner, submissions(tmp_path, 4), 2):
            pass
        os._exit(0)
    deadline = time.monotonic() + 10
    while not examiner.log.exists() or len(processes(examiner)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    while any(map(alive, processes(examiner))):
        assert time.monotonic() < deadline
        time.sleep(0.01)
