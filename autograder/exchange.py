"""What goes out through nbgrader's exchange: the feedback of those who handed in through it.

Who uploaded to a learning platform looks for no feedback in the exchange, and there is no secret under which theirs
could lie there; nbgrader alone stops at the first of them, and whoever comes later gets nothing.
"""

from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback

_TOLD_BY_THE_EXCHANGE = ("timestamp.txt", "submission_secret.txt")


class ReleaseFeedback(ExchangeReleaseFeedback):
    """nbgrader's release of feedback, without those who handed in elsewhere."""

    def copy_files(self) -> None:
        pages = Path(self.coursedir.root) / self.coursedir.feedback_directory
        folders = pages.glob(f"*/{self.coursedir.assignment_id}")
        elsewhere = sorted(
            folder.parent.name
            for folder in folders
            if not all((folder / name).is_file() for name in _TOLD_BY_THE_EXCHANGE)
        )
        for student in elsewhere:
            if self.coursedir.student_id in ("*", student):
                self.log.info("%s handed in elsewhere: the feedback is not released in the exchange", student)
        excluded = self.coursedir.student_id_exclude
        self.coursedir.student_id_exclude = ",".join(filter(None, (excluded, *elsewhere)))
        try:
            super().copy_files()
        finally:
            self.coursedir.student_id_exclude = excluded
