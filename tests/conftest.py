"""What several test modules share: the built book, and a browser."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: a long random campaign, run by `make soak`")


def pytest_collection_modifyitems(config, items):
    """Leave long campaigns out, unless SOAK is set."""
    if not os.environ.get("SOAK"):
        campaigns = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in campaigns]
        config.hook.pytest_deselected(items=campaigns)


def missing(what, command):
    """Skip a test for want of a system package; where CI=true is set, nothing may be skipped."""
    message = f"{what} is missing: {command}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def extension(name):
    """Import one of the book's Sphinx extensions, which are no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "assets" / "extensions" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Book:
    html: Path
    returncode: int
    log: str


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """Build the book once, by the command of the README; outputs of unchanged code come from the execution cache."""
    output = tmp_path_factory.mktemp("book")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ROOT, "--path-output", output, "--all", "-W", "-n", "--keep-going"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    html = output / "_build" / "html"
    if not (html / "index.html").exists():
        pytest.fail(f"the book was not built:\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}")
    return Book(html, run.returncode, run.stdout + run.stderr)


@pytest.fixture(scope="session")
def built_course(tmp_path_factory):
    """Build every assignment once, into a course folder of the tests' own; leave it as it is."""
    from autograder.builder.build import build
    from autograder.course import Course

    course = Course(tmp_path_factory.mktemp("course"))
    build(course, [])
    return course


@pytest.fixture(scope="session")
def chromium():
    """Start Debian's Chromium, driven by playwright."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        missing("Chromium", "sudo apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()
