"""From each chapter's box a student downloads one zip that holds all that the assignment needs."""

import re
import zipfile

import nbformat
import pytest

from autograder.bundle import REQUIREMENTS, zip_release
from autograder.course import Course, Problem, assignment_names

LINK = re.compile(r'<a class="reference download" href="([^"]+\.zip)" download')


@pytest.fixture(scope="module")
def zips(built_course, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zips")
    return {name: zip_release(built_course, name, folder) for name in assignment_names()}


def test_every_assignment_is_offered_by_the_box_of_its_chapter(book):
    offered = {}
    for page in book.html.glob("chapters/*.html"):
        for address in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / address).resolve().is_file(), (page.name, address)
            offered.setdefault(page.stem, set()).add(address.rpartition("/")[2].removesuffix(".zip"))
    assert set().union(*offered.values()) == set(assignment_names())
    assert all(len(names) == 1 for names in offered.values())


def test_the_book_offers_the_release_of_today(book, zips):
    for name, path in zips.items():
        offered = zipfile.ZipFile(book.html / "downloads" / f"{name}.zip")
        assert sorted(offered.namelist()) == sorted(zipfile.ZipFile(path).namelist())


def test_a_zip_holds_the_notebook_its_helper_and_what_to_install(zips):
    for name, path in zips.items():
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            assert {f"{name}/{name}.ipynb", f"{name}/bn_helper/__init__.py", f"{name}/bn_helper/expected.json"} <= names
            assert archive.read(f"{name}/requirements.txt").decode() == REQUIREMENTS
            assert all(entry.startswith(f"{name}/") for entry in names)
            assert not any("__pycache__" in entry or entry.endswith(".pyc") for entry in names)
            nbformat.validate(nbformat.reads(archive.read(f"{name}/{name}.ipynb").decode(), as_version=4))


def test_the_same_release_makes_the_same_zip(built_course, zips, tmp_path):
    again = zip_release(built_course, "forward", tmp_path)
    assert again.read_bytes() == zips["forward"].read_bytes()


def test_an_assignment_that_is_not_built_is_told_how_to_build_it(tmp_path):
    with pytest.raises(Problem, match="build it: python -m autograder build forward"):
        zip_release(Course(tmp_path), "forward", tmp_path)
