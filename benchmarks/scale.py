"""Compute what a class of 100,000 would take, from what a small one takes here.

    python -m benchmarks.scale [--classes 10 50] [--writes 5000] [--postgresql URL]

A class is graded by this machine's workers, and again by a Dask cluster of as many threads on this machine: what it
costs on a node. What travels and what stays on the disk is weighed; how long it takes to pack and to unpack is what it
costs at home, beside the writer, which works alone on papers that are there already, for as many students as
`--writes` says.
"""

import argparse
import contextlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from autograder.builder.build import build
from autograder.cluster.parcel import Handed, Kit, packed, unpacked
from autograder.course import Course
from autograder.engine.gradebook import Ledger
from autograder.engine.pipeline import Paper, Submission, file_papers, submissions
from autograder.engine.pool import Pool, cores
from benchmarks.speed import ASSIGNMENT, ROOT, _machine, graded, make_class, timed

RESULT = Path(__file__).with_suffix(".md")
CLASS = 100_000
BATCH = 50
_REPEATS = 5


@dataclass(frozen=True)
class Weights:
    """Bytes of one submission, and seconds of CPU in which they are read and packed, and unpacked."""

    packing: float
    unpacking: float
    submitted: float
    sent: float
    returned: float
    marked: float
    feedback: float


def weigh(course: Course) -> tuple[Weights, list[Paper]]:
    """Examine a class, and weigh what travels and what is kept of it."""
    todo = list(submissions(course, ASSIGNMENT))
    papers = list(Pool().papers(todo))
    begun = time.process_time()
    for _ in range(_REPEATS):
        handed = tuple(map(Handed.of, map(_anew, todo)))
        sent = packed(handed)
    packing = time.process_time() - begun
    returned = packed(papers)
    begun = time.process_time()
    for _ in range(_REPEATS):
        unpacked(returned)
    unpacking = time.process_time() - begun
    kit = packed(Kit.of(course, ASSIGNMENT, True))
    pages = list((course.root / "feedback").glob(f"*/{ASSIGNMENT}/*.html"))
    count = len(todo)
    return Weights(
        packing=packing / _REPEATS / count,
        unpacking=unpacking / _REPEATS / count,
        submitted=sum(one.size for one in handed) / count,
        sent=len(sent) / count + len(kit) / BATCH,
        returned=len(returned) / count,
        marked=sum(len((paper.notebook or "").encode()) for paper in papers) / count,
        feedback=sum(page.stat().st_size for page in pages) / count,
    ), papers


def _anew(submission: Submission) -> Submission:
    """Return a submission whose files are yet to be looked at."""
    return Submission(submission.course, submission.folder)


@contextlib.contextmanager
def cluster(folder: Path, threads: int) -> Iterator[str]:
    """Run a scheduler and one worker on this machine; yield the scheduler's address."""
    options = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command, port = [sys.executable, "-m"], "18799"
    address = f"tcp://127.0.0.1:{port}"
    scheduler = [*command, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
    worker = [*command, "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
    worker += ["--nthreads", str(threads), "--local-directory", str(folder)]
    running = [subprocess.Popen(scheduler, **options), subprocess.Popen(worker, **options)]
    try:
        yield address
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()


def on_cluster(course: Course, address: str) -> float:
    """Grade a class on a cluster; return how many seconds it takes."""
    arguments = ["grade", ASSIGNMENT, "--course", str(course.root), "--force", "--scheduler", address]
    return timed(f"import sys; from autograder.__main__ import main; sys.exit(main({arguments!r}))")


def feedback_cpu(course: Course) -> float:
    """Write the feedback pages of a class; return how many seconds of CPU it takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = f"main(['feedback', {ASSIGNMENT!r}, '--course', {str(course.root)!r}])"
    timed(f"import sys; from autograder.__main__ import main; sys.exit({command})")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass(frozen=True)
class Writing:
    """What the writer alone does: papers in a second, early and late, and bytes that the gradebook grows by each."""

    first: float
    last: float
    size: float


def write(course: Course, papers: list[Paper], count: int, size: float | None = None) -> Writing:
    """Save papers of so many students, 50 at once."""
    database = course.root / "gradebook.db"
    before = database.stat().st_size
    seconds = []
    with Ledger(course, ASSIGNMENT) as ledger:
        for start in range(0, count, BATCH):
            batch = []
            for number in range(start, start + BATCH):
                paper, student = papers[number % len(papers)], f"w{number:07}"
                batch.append(replace(paper, student=student, marks=replace(paper.marks, student=student)))
            begun = time.perf_counter()
            file_papers(course, ASSIGNMENT, ledger, batch)
            seconds.append(time.perf_counter() - begun)
    tenth = max(len(seconds) // 10, 1)
    first, last = (tenth * BATCH / sum(part) for part in (seconds[:tenth], seconds[-tenth:]))
    return Writing(first, last, size if size is not None else (database.stat().st_size - before) / count)


def in_postgresql(root: Path, built: Course, papers: list[Paper], count: int, url: str) -> Writing:
    """Let the writer work on an empty database of a PostgreSQL server."""
    from sqlalchemy import create_engine, text

    course = Course(root)
    course.config.CourseDirectory.db_url = url
    with contextlib.redirect_stdout(io.StringIO()):
        build(course, [ASSIGNMENT])
    engine = create_engine(url)
    sizes = []
    for _ in range(2):
        with engine.connect() as connection:
            sizes.append(connection.execute(text("select pg_database_size(current_database())")).scalar_one())
        if len(sizes) == 1:
            shutil.copy(built.root / "gradebook.db", root)
            written = write(course, papers, count, 0.0)
    return replace(written, size=(sizes[1] - sizes[0]) / count)


def main() -> None:
    """Measure, compute, and write the table."""
    parser = argparse.ArgumentParser(description="Compute what a class of 100,000 would take.")
    parser.add_argument("--classes", type=int, nargs=2, default=[10, 50], help="a small class and a larger one")
    parser.add_argument("--writes", type=int, default=5000, help="papers that the writer alone saves")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, to measure its writer too")
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        lines = measured(Path(name), options)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measured(folder: Path, options: argparse.Namespace) -> list[str]:
    """Measure everything; return the lines of the table."""
    load, workers = os.getloadavg()[0], cores()
    built = Course(folder / "built")
    with contextlib.redirect_stdout(io.StringIO()):
        build(built, [ASSIGNMENT])
    runs, pages = [], []
    for count in options.classes:
        course = Course(folder / f"class-{count}")
        shutil.copytree(built.root, course.root)
        make_class(course, count)
        runs.append(graded(course, workers))
        pages.append(feedback_cpu(course))
    with cluster(folder / "dask", workers) as address:
        on_cluster(Course(folder / f"class-{options.classes[0]}"), address)  # the agent starts
        clustered = [on_cluster(Course(folder / f"class-{count}"), address) for count in options.classes]
    weights, papers = weigh(course)
    shutil.copytree(built.root, folder / "sqlite")
    sqlite = write(Course(folder / "sqlite"), papers, options.writes)
    postgresql = None
    if options.postgresql:
        postgresql = in_postgresql(folder / "postgresql", built, papers, options.writes, options.postgresql)

    more = options.classes[1] - options.classes[0]
    cpu, wall = ((getattr(runs[1], what) - getattr(runs[0], what)) / more for what in ("cpu", "wall"))
    page = (pages[1] - pages[0]) / more
    cluster_wall = (clustered[1] - clustered[0]) / more
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    hours = CLASS * cpu / 3600
    home = 1 / (weights.packing + weights.unpacking + 1 / sqlite.last)
    lines = [
        f"# What a class of {CLASS:,} would take",
        "",
        f"Computed by `python -m benchmarks.scale` on {now} from classes of {options.classes[0]} and "
        f"{options.classes[1]}, with {_machine()}, load {load:.1f} when it began. The assignment is `{ASSIGNMENT}`, "
        "with its pictures; every fifth submission is wrong. The nodes here are processes of the same machine, so the "
        "network itself is not measured.",
        "",
        "| measured, for each submission | |",
        "|---|---:|",
        f"| CPU of a worker and its jail | {1e3 * cpu:.0f} ms |",
        f"| on the clock, {workers} workers of this machine | {1e3 * wall:.0f} ms |",
        f"| on the clock, a cluster of {workers} threads on this machine | {1e3 * cluster_wall:.0f} ms |",
        f"| CPU at home: read and packed | {1e3 * weights.packing:.1f} ms |",
        f"| CPU at home: unpacked | {1e3 * weights.unpacking:.1f} ms |",
        f"| CPU of a feedback page | {1e3 * page:.0f} ms |",
        f"| submitted notebook | {_kilo(weights.submitted)} |",
        f"| sent to a node, with its share of what the course needs | {_kilo(weights.sent)} |",
        f"| returned from a node | {_kilo(weights.returned)} |",
        f"| marked notebook | {_kilo(weights.marked)} |",
        f"| feedback page | {_kilo(weights.feedback)} |",
        f"| the gradebook grows by, SQLite | {_kilo(sqlite.size)} |",
        *([f"| the gradebook grows by, PostgreSQL | {_kilo(postgresql.size)} |"] if postgresql else []),
        "",
        f"| the writer alone, {options.writes:,} papers, {BATCH} at once | papers a second at first | at last |",
        "|---|---:|---:|",
        f"| SQLite | {sqlite.first:.0f} | {sqlite.last:.0f} |",
        *([f"| PostgreSQL, on this machine | {postgresql.first:.0f} | {postgresql.last:.0f} |"] if postgresql else []),
        "",
        f"| computed, for {CLASS:,} | |",
        "|---|---:|",
        f"| cores x hours | {hours:.1f} |",
        *(f"| on {n} cores like these | {_hours(max(CLASS * cpu / n, CLASS / home))} |" for n in (8, 64, 512)),
        f"| home packs, unpacks and saves at most | {home:.0f} papers a second |",
        f"| cores beyond which home is the slowest | {home * cpu:.0f} |",
        f"| over the network to the nodes | {CLASS * weights.sent / 1e9:.1f} GB |",
        f"| over the network from the nodes | {CLASS * weights.returned / 1e9:.1f} GB |",
        f"| submitted/ | {CLASS * weights.submitted / 1e9:.1f} GB |",
        f"| autograded/ | {CLASS * weights.marked / 1e9:.1f} GB |",
        f"| feedback/ | {CLASS * weights.feedback / 1e9:.1f} GB |",
        f"| gradebook, SQLite | {CLASS * sqlite.size / 1e9:.1f} GB |",
        *([f"| gradebook, PostgreSQL | {CLASS * postgresql.size / 1e9:.1f} GB |"] if postgresql else []),
        f"| feedback pages, on 8 cores | {_hours(CLASS * page / 8)} |",
        "",
        "Each number of the first table is the difference of the two classes, divided by the difference of their "
        "sizes, so starts are left out; what is weighed is of the larger class. Bytes on the "
        "network count a batch as it is packed; Dask's own messages, and a scheduler through which both ways lead, are "
        "not in it. What is computed supposes that nodes are as fast as this machine's cores, and that CPU is what a "
        "submission waits for.",
    ]
    return lines


def _kilo(size: float) -> str:
    return f"{size / 1e3:.1f} KB"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"


if __name__ == "__main__":
    main()
