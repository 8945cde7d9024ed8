"""The course's commands: `python -m autograder COMMAND`; `--help` lists them."""

import argparse
import os
import sys
from pathlib import Path

from autograder.course import FOLDER, Course, Problem, assignment_names, renew_secret
from autograder.manual import MANUAL


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.run not in (_build, _sample) and not options.course.is_dir():
            raise Problem(f"There is no course folder {options.course}; `python -m autograder build` makes one.")
        return int(options.run(Course(options.course), options))
    except Problem as problem:
        print(f"autograder: {problem}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        print(f"autograder: {error.filename} can be neither read nor written: {error.strerror}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("autograder: interrupted; what was graded stays graded.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograder",
        description="The course on batch normalization: build it, hand it out, grade it, give it back.",
        epilog="Each command says more: python -m autograder grade --help. Paths in it begin at the course folder.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    build = commands.add_parser("build", help="make source and release notebooks from the assignments' text")
    build.add_argument("names", nargs="*", metavar="ASSIGNMENT", help="default: all")
    build.set_defaults(run=_build)

    collect = commands.add_parser("collect", help="lay uploads of Canvas or Moodle, or a folder, in submitted/")
    collect.add_argument("sources", nargs="+", type=Path, metavar="ARCHIVE|FOLDER", help="what was downloaded")
    collect.add_argument("--roster", type=Path, metavar="CSV", help="the platform's gradebook: who has which number")
    collect.add_argument("--assignment", metavar="NAME", help="of all notebooks; default: as each one's cells tell")
    collect.set_defaults(run=_collect)

    grade = commands.add_parser("grade", help="grade the submissions of an assignment")
    grade.add_argument("assignment", metavar="ASSIGNMENT", help="such as forward")
    grade.add_argument("--student", metavar="ID", help="only this student's submission")
    grade.add_argument("--workers", type=_positive, metavar="N", help="how many are graded at once; default: the cores")
    grade.add_argument("--scheduler", metavar="ADDRESS", help="grade on a Dask cluster, such as tls://10.0.0.5:8786")
    grade.add_argument("--force", action="store_true", help="grade again what is graded")
    grade.add_argument("--dry-run", action="store_true", help="say what would be graded, and grade nothing")
    grade.add_argument("--new-seed", action="store_true", help="draw other hidden inputs; everyone is graded again")
    grade.add_argument("--no-isolation", action="store_true", help="run submissions with your rights, in no jail")
    grade.set_defaults(run=_grade)

    feedback = commands.add_parser("feedback", help="write the feedback pages of an assignment, on every core")
    feedback.add_argument("assignment", metavar="ASSIGNMENT", help="such as forward")
    feedback.add_argument("--workers", type=_positive, metavar="N", help="how many are written at once")
    feedback.add_argument("--force", action="store_true", help="write also the pages that are there")
    feedback.set_defaults(run=_feedback)

    report = commands.add_parser("report", help="write a page about the class: marks, misconceptions, what to look at")
    report.add_argument("assignment", metavar="ASSIGNMENT", help="such as forward")
    report.add_argument("--anonymous", action="store_true", help="name no student and quote none")
    report.add_argument("--no-similarity", action="store_true", help="leave out which submissions share rare features")
    report.set_defaults(run=_report)

    bundle = commands.add_parser("bundle", help="pack the notebooks, the book and where to start into one zip")
    bundle.add_argument("--book", type=Path, metavar="DIR", help="the built book; default: _build/html")
    bundle.set_defaults(run=_bundle)

    export = commands.add_parser("export", help="print the marks of the course; what is not graded is empty, not 0")
    export.add_argument("--format", choices=("csv", "json", "canvas", "moodle"), default="csv", help="default: csv")
    export.add_argument("--roster", type=Path, metavar="CSV", help="the gradebook of Canvas, or Moodle's worksheet")
    export.add_argument("--assignment", metavar="NAME", help="only this assignment; Moodle's worksheet is of one")
    export.add_argument("--unfinished", action="store_true", help="to a platform also what waits for hand marks")
    export.set_defaults(run=_export)

    sample = commands.add_parser("sample", help="build and grade the sample class in _build/sample")
    sample.set_defaults(run=_sample)

    sample.set_defaults(course=FOLDER.parent / "_build" / "sample")
    for command in (build, collect, grade, feedback, report, bundle, export):
        command.add_argument("--course", type=Path, default=FOLDER, metavar="DIR", help="the course folder")
    for name, command in commands.choices.items():
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.description, command.epilog = MANUAL[name].about, MANUAL[name].text
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _build(course: Course, options: argparse.Namespace) -> int:
    from autograder.builder.build import build

    for folder in build(course, options.names):
        print(f"built {folder}")
    return 0


def _collect(course: Course, options: argparse.Namespace) -> int:
    from autograder.uploads.collect import collect, table
    from autograder.uploads.roster import Roster, read_roster

    roster = read_roster(options.roster) if options.roster else Roster()
    done = collect(course, options.sources, roster, options.assignment)
    print(table(done))
    return int(bool(done.left) or not done.taken)


def _grade(course: Course, options: argparse.Namespace) -> int:
    # A grammar of addresses, half a second to load, for which the reader of notebooks has no use.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for small arrays, threads that wait for each other are slower
    from autograder.grading import grade

    if options.new_seed and not options.dry_run and options.assignment in assignment_names():
        renew_secret(course.root)  # what was graded with another secret counts as changed
    return grade(
        course,
        options.assignment,
        options.student,
        force=options.force,
        dry_run=options.dry_run,
        isolated=not options.no_isolation,
        workers=options.workers,
        scheduler=options.scheduler,
    )


def _feedback(course: Course, options: argparse.Namespace) -> int:
    from autograder.feedback_run import write_feedback

    return write_feedback(course, options.assignment, force=options.force, workers=options.workers)


def _report(course: Course, options: argparse.Namespace) -> int:
    from autograder.report.page import write_report

    similar = not options.no_similarity
    print(write_report(course, options.assignment, anonymous=options.anonymous, similar=similar))
    return 0


def _bundle(course: Course, options: argparse.Namespace) -> int:
    from autograder.bundle import BOOK, zip_all

    print(zip_all(course, options.book or BOOK))
    return 0


def _export(course: Course, options: argparse.Namespace) -> int:
    from autograder import platforms
    from autograder.export import FORMATS, marks

    found = marks(course)
    if options.assignment:
        found = [mark for mark in found if mark.assignment == options.assignment]
    if not found:
        of = f"for {options.assignment!r}" if options.assignment else "yet; grade an assignment first"
        raise Problem(f"The gradebook of {course.root} has no marks {of}.")
    if options.format in FORMATS:
        print(FORMATS[options.format](found), end="")
        return 0
    if options.roster is None:
        kind = "gradebook (Export in its menu)" if options.format == "canvas" else "grading worksheet of the assignment"
        raise Problem(f"{options.format} knows students by numbers of its own: give its {kind} with --roster FILE.")
    waiting = [mark.student for mark in found if mark.waiting and mark.score is not None]
    if waiting and not options.unfinished:
        found = platforms.finished(found)
    if options.format == "canvas":
        text = platforms.as_canvas(found, options.roster)
    elif not options.assignment:
        raise Problem("A grading worksheet of Moodle is of one assignment: say which with --assignment NAME.")
    else:
        text = platforms.as_moodle(found, options.roster, options.assignment)
    print(text, end="")
    if waiting:
        how = "Counted without the parts that wait" if options.unfinished else "Left empty (or --unfinished), waiting"
        print(f"autograder: {how} for marks by hand: {_some(waiting)}.", file=sys.stderr)
    unknown = platforms.not_in_roster(found, options.roster)
    if unknown:
        print(
            f"autograder: {options.roster} does not know {_some(unknown)}; their marks are left out.", file=sys.stderr
        )
    if len(unknown) == len({mark.student for mark in found}):
        print("autograder: collect with this file as --roster, so that both call students the same.", file=sys.stderr)
    return int(bool(unknown))


def _some(students: list[str], most: int = 10) -> str:
    """Return names for a sentence, and how many more there are."""
    more = f" and {len(students) - most} more" if len(students) > most else ""
    return ", ".join(students[:most]) + more


def _sample(course: Course, options: argparse.Namespace) -> int:
    from autograder.sample.run import grade_sample

    return grade_sample(course)


if __name__ == "__main__":
    sys.exit(main())
