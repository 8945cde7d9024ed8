"""Make the pictures of README.md, of the built book and of the sample class: `make pictures`.

They are committed, so that whoever looks at the repository sees what it makes.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from autograder.course import Course
from autograder.feedback_run import write_feedback
from autograder.report.page import write_report

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ASSIGNMENT = "forward"
STUDENT = "fatima"  # of the sample class, who divides by N - 1
SCALE = 1.25  # pixels of the picture for one of the page
COLOURS = 64
HALF = 520  # pixels of the page: two pictures stand side by side
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def book(page: Page, html: Path) -> bytes:
    """Show a section of a chapter, with its live figure."""
    page.set_viewport_size({"width": 1200, "height": 660})
    page.goto((html / "chapters" / "forward_pass.html").as_uri() + "#sec-forward-coupled")
    page.wait_for_selector("#fig-forward-coupled .interactive svg")
    page.evaluate("document.querySelector('#fig-forward-coupled').scrollIntoView(); window.scrollBy(0, -122)")
    page.wait_for_timeout(500)
    return page.screenshot()


def diagnosis(page: Page, feedback: Path) -> bytes:
    """Show the top of a feedback page: what is right, what was seen of the rest, and which mistake it is."""
    page.set_viewport_size({"width": HALF, "height": 900})
    page.goto(feedback.as_uri())
    return _top(page, page.get_by_role("heading", name="Marked by your instructor"))


def report(page: Page, path: Path) -> bytes:
    """Show the top of a class report: the misconceptions, the most frequent first."""
    page.set_viewport_size({"width": HALF, "height": 900})
    page.goto(path.as_uri())
    return _top(page, page.get_by_role("region", name="Misconceptions"))


def _top(page: Page, below: Locator) -> bytes:
    """Show a page down to where something begins."""
    box = below.bounding_box()
    assert box is not None
    return page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": HALF, "height": box["y"]})


def save(picture: bytes, name: str) -> None:
    """Save a picture with few colours, which a page of text and lines does not miss."""
    target = HERE / f"{name}.png"
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        target, optimize=True
    )
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KB")


def main() -> int:
    """Make all pictures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--book", type=Path, default=ROOT / "_build" / "html", metavar="DIR", help="the built book")
    parser.add_argument(
        "--course", type=Path, default=ROOT / "_build" / "sample", metavar="DIR", help="the graded sample class"
    )
    options = parser.parse_args()
    course = Course(options.course)
    course.config.Course.book_url = "https://example.org/book"  # for the look of links; a picture has no address
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        print("The pictures need Chromium: sudo .ci/system-packages installs it on Debian.", file=sys.stderr)
        return 1
    write_feedback(course, ASSIGNMENT)
    feedback = course.root / "feedback" / STUDENT / ASSIGNMENT / f"{ASSIGNMENT}.html"
    class_report = write_report(course, ASSIGNMENT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(device_scale_factor=SCALE, color_scheme="light", reduced_motion="reduce")
        save(book(page, options.book), "book")
        save(diagnosis(page, feedback), "diagnosis")
        save(report(page, class_report), "report")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
