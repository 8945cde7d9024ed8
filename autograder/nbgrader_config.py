"""The course's settings: read by every `nbgrader` command that runs in this folder, and by `python -m autograder`."""

import os
import sys
import warnings
from pathlib import Path

import nbgrader
from sqlalchemy.exc import SAWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# nbgrader makes a new gradebook with the command `alembic`, which lies beside this Python.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])

# nbgrader links a new submission to its student only after it asks for it; harmless, and said for every submission.
warnings.filterwarnings("ignore", message="Object of type .* not in session", category=SAWarning)

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - nbgrader puts it here

# Where your students find the book, such as "https://example.org/batchnorm". Messages then link to its sections.
c.Course.book_url = ""

# Whether marked notebooks hold the pictures that their cells draw: drawing takes about half of the time of grading.
c.Course.pictures = True

c.CourseDirectory.course_id = "batchnorm"

# The engine puts the student's texts into the release version, runs them in a jail, and makes the checks outside.
c.Autograde.exporter_class = "autograder.engine.preprocessor.SubmissionExporter"
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "autograder.engine.preprocessor.RunAndCheck",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# Feedback pages that are complete without a network.
c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackPage"

# The formgrader's pages: rubrics, formulas without a network, and nothing of a student's that runs.
c.HTMLExporter.preprocessors = ["autograder.formgrader.MarkingPage"]
c.HTMLExporter.extra_template_basedirs = [
    str(Path(__file__).resolve().with_name("templates")),
    str(Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"),
]

# Feedback is released to those who handed in through the exchange; uploads to a learning platform know none.
c.ExchangeFactory.release_feedback = "autograder.exchange.ReleaseFeedback"
