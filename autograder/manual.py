"""What `--help` says of each command: what it reads, writes and returns, and an example."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One command, in plain words."""

    about: str
    reads: str
    writes: str
    returns: str
    example: str

    @property
    def text(self) -> str:
        rows = (("reads", self.reads), ("writes", self.writes), ("returns", self.returns), ("example", self.example))
        indented = (f"{name + ':':<9} " + told.replace("\n", "\n" + " " * 10) for name, told in rows)
        return "\n".join(indented)


_NOTHING_WRITTEN = "nothing; the marks are printed"
MANUAL = {
    "build": Entry(
        "Make the notebooks of the course from the assignments' text.",
        "assignments/*.md, solutions/, nbgrader_config.py",
        "source/ (yours, with solutions), release/ (the students'), gradebook.db in the course folder",
        "0; 1 if a text is malformed, and then nothing is built",
        "python -m autograder build forward backward",
    ),
    "collect": Entry(
        "Lay what students uploaded where it is graded: the newest of each student.",
        "zips of Canvas or Moodle, or a folder; with --roster the platform's list of students",
        "submitted/STUDENT/ASSIGNMENT/; collected/ keeps what was replaced or belongs to nobody",
        "0; 1 if something was not taken: the table says what, and why",
        "python -m autograder collect submissions.zip --roster gradebook.csv",
    ),
    "grade": Entry(
        "Grade a class: each submission runs in a jail, checks call its functions from outside.",
        "submitted/*/ASSIGNMENT/, release/, source/; with --scheduler they travel to a Dask cluster",
        "autograded/ and the gradebook, always from this machine; marks that you gave by hand stay",
        "0; 1 if a submission was not graded, which leaves its marks as they are; 130 if interrupted",
        "python -m autograder grade forward --student ada --force",
    ),
    "feedback": Entry(
        "Write each student's feedback page: what is right, what was seen of the rest, where to read.",
        "autograded/*/ASSIGNMENT/ and the gradebook",
        "feedback/STUDENT/ASSIGNMENT/ASSIGNMENT.html, each page complete in itself",
        "0; 1 if a page could not be written",
        "python -m autograder feedback forward",
    ),
    "report": Entry(
        "Write one page about a class: marks, misconceptions to teach from, which checks separate, what to look at.",
        "autograded/*/ASSIGNMENT/ and the gradebook; release/ and source/ as the baseline of what is rare",
        "reports/ASSIGNMENT.html or ASSIGNMENT-anonymous.html, which ask for nothing from outside; the path is printed",
        "0; 1 if nothing is graded",
        "python -m autograder report forward --anonymous",
    ),
    "bundle": Entry(
        "Pack what students need into one zip: every notebook with its helper, the book, a page to start from.",
        "release/ and the built book",
        "bundles/batch-normalization.zip, without a solution or a hidden check; its path is printed",
        "0; 1 if an assignment or the book is not built",
        "python -m autograder bundle --book _build/html",
    ),
    "export": Entry(
        "Print the marks, for a spreadsheet or a learning platform. What is not graded is empty, not 0.",
        "the gradebook and autograded/; with --roster the file that the platform exports, which is filled in",
        _NOTHING_WRITTEN,
        "0; 1 if there are no marks, or the platform's file does not know a student",
        "python -m autograder export --format canvas --roster gradebook.csv > marks.csv",
    ),
    "sample": Entry(
        "Build and grade the sample class, and compare every score with the declared one.",
        "sample/*/*.md and assignments/*.md",
        "_build/sample, a course folder of its own, which is made anew",
        "0; 1 if a score or a finding is not as declared",
        "python -m autograder sample",
    ),
}
