"""What students download once: every notebook with its helper, the book, what to install and where to start."""

import inspect
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from pypdf import PdfReader
from test_no_answers import answers_in, texts_in

import solutions
from autograder.__main__ import main
from autograder.builder.text import read_text
from autograder.bundle import REQUIREMENTS, start_page, zip_all
from autograder.course import ASSIGNMENTS, FOLDER, Course, assignment_names, secret

TOP = "batch-normalization"
NO_CHECK = ('"', "'", "from ", "import ")  # how a line begins that is a sentence or an import
# Runs the code cells of a notebook up to and with its first check, as a kernel does.
RUN = """
import json, sys
sys.path = json.loads(sys.argv[1]) + sys.path
import matplotlib
matplotlib.use("agg")
for source in json.loads(sys.stdin.read()):
    exec(compile(source, "<cell>", "exec"), globals())
"""


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """A folder that looks like a built book."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "chapters").mkdir()
    (folder / "index.html").write_text("<h1>the book</h1>", encoding="utf-8")
    (folder / "chapters" / "forward_pass.html").write_text("<h1>the forward pass</h1>", encoding="utf-8")
    (folder / ".buildinfo").write_text("nobody's reading", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def unpacked(built_course, small_book, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    packed = zip_all(Course(shutil.copytree(built_course.root, folder / "course")), small_book)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder / TOP


def test_a_bundle_holds_all_that_a_student_needs_and_nothing_hidden(unpacked):
    for name in assignment_names():
        assert (unpacked / name / f"{name}.ipynb").is_file()
        assert (unpacked / name / "bn_helper" / "expected.json").is_file()
    assert (unpacked / "requirements.txt").read_text(encoding="utf-8") == REQUIREMENTS
    names = re.findall(r"(?m)^[\w-]+", REQUIREMENTS)
    assert sorted(names) == ["jupyterlab", "matplotlib", "numpy"]
    assert (unpacked / "book" / "chapters" / "forward_pass.html").is_file()
    assert {path.name for path in unpacked.iterdir()} == {*assignment_names(), "book", "requirements.txt", "start.html"}
    assert not [path for path in unpacked.rglob("*") if path.name.startswith((".", "__pycache__"))]


def test_the_same_course_and_book_make_the_same_bundle(built_course, small_book, tmp_path):
    course = Course(shutil.copytree(built_course.root, tmp_path / "course"))
    first = zip_all(course, small_book).read_bytes()
    assert zip_all(course, small_book).read_bytes() == first


def test_no_answer_and_no_hidden_check_is_in_the_bundle(built_course, book, tmp_path):
    course = Course(shutil.copytree(built_course.root, tmp_path / "course"))
    hidden = {secret(course.root), "BEGIN SOLUTION", "BEGIN HIDDEN"}
    for path in (FOLDER / "checks").rglob("*.py"):
        lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
        hidden |= {line for line in lines if len(line) >= 60 and not line.startswith(NO_CHECK)}
    assert len(hidden) > 200
    packed = zip_all(course, book.html)
    searched = 0
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            for text in texts_in(name, archive.read(name)):
                searched += 1
                assert {line for line in hidden if line in text} == set(), name
                if name.endswith((".html", ".md", ".txt", ".ipynb", ".json", ".py")):
                    assert answers_in(text) == {}, name
    assert searched > 100


def students_packages(folder):
    """Make a folder with NumPy, matplotlib and what they need, and nothing else that is installed here."""
    folder.mkdir()
    waiting, seen = ["numpy", "matplotlib"], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = metadata.distribution(name)
        for top in {file.parts[0] for file in found.files if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(found.locate_file(top))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
        required = (re.match(r"[\w.-]+", line)[0] for line in found.requires or [] if "extra ==" not in line)
        waiting += [name for name in required if _is_installed(name)]
    return folder


def _is_installed(name):
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize("name", assignment_names())
def test_the_first_check_of_a_notebook_is_green_with_the_bundle_numpy_and_matplotlib_alone(unpacked, name, tmp_path):
    notebook = nbformat.read(unpacked / name / f"{name}.ipynb", as_version=4)
    asked = {block.name: block for block in read_text(ASSIGNMENTS / f"{name}.md").blocks if block.kind == "solution"}
    sources = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in asked:
            module = inspect.getmodule(getattr(solutions, grade_id))
            sources.append("import numpy as np\n" + inspect.getsource(getattr(module, grade_id)))
            continue
        sources.append(cell.source)
        if cell.source.startswith("check("):
            break
    packages = students_packages(tmp_path / "packages")
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", RUN, json.dumps([str(unpacked / name), str(packages)])],
        input=json.dumps(sources), capture_output=True, text=True, timeout=120, cwd=unpacked / name,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.rstrip().splitlines()[-1].endswith(": right."), run.stdout[-500:]


# ---- the page to start from ----


def test_start_page_names_every_notebook_every_system_and_no_file_that_is_not_there(unpacked):
    page = BeautifulSoup((unpacked / "start.html").read_text(encoding="utf-8"), "html.parser")
    text = page.get_text(" ")
    told = [code.get_text() for code in page.select("td code")]
    assert sorted(told) == [f"{name}/{name}.ipynb" for name in assignment_names()]
    assert all((unpacked / path).is_file() for path in told)
    for system in ("Windows", "macOS", "Linux"):
        assert system in text
    inside = [link["href"] for link in page.find_all("a") if not link["href"].startswith("https://")]
    assert inside
    assert all((unpacked / href).is_file() for href in inside)
    assert page.find_all("h2")[0].get_text() == "1. Unpack"


@pytest.mark.parametrize("width", [390, 1200])
def test_start_page_is_accessible_and_fits_on_one_sheet(unpacked, chromium, width, tmp_path):
    tab = chromium.new_page(viewport={"width": width, "height": 800})
    tab.goto((unpacked / "start.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(tab).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "1.5cm")
    tab.pdf(path=tmp_path / "start.pdf", format="A4", margin=margin)
    assert len(PdfReader(tmp_path / "start.pdf").pages) == 1
    tab.close()


def test_notebooks_are_in_the_order_of_the_book():
    names = ["saturation", "forward"]
    assert re.findall(r"<code>(\w+)/\w+\.ipynb", start_page(names)) == names


# ---- what can go wrong ----


def test_a_course_that_is_not_built_and_a_book_that_is_missing_are_one_sentence(built_course, tmp_path, capsys):
    assert main(["bundle", "--course", str(tmp_path)]) == 1
    assert "build it: python -m autograder build saturation" in capsys.readouterr().err
    course = Course(shutil.copytree(built_course.root, tmp_path / "course"))
    assert main(["bundle", "--course", str(course.root), "--book", str(tmp_path / "nowhere")]) == 1
    assert "holds no book yet; build it with `make book`" in capsys.readouterr().err
    assert not (course.root / "bundles").exists()
