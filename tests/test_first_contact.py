"""What somebody sees who comes to the repository for the first time leads somewhere, and is true of this version."""

import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import ROOT
from PIL import Image

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "autograder/README.md")]
README = PAGES[0].read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]+)\)", README)
PICTURES += [(alt, path) for path, alt in re.findall(r'<img [^>]*src="([^"]+)" alt="([^"]*)"', README)]


def anchors(path):
    """Return what can be linked to on a page: its headings, as the forges write them."""
    headings = re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_into_the_repository_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def test_every_file_and_folder_of_the_tables_is_there():
    for page in PAGES[:2]:
        rows = re.findall(r"(?m)^\|(.+)\|$", page.read_text(encoding="utf-8"))
        named = [name for row in rows for name in re.findall(r"`([\w./*-]+/[\w./*-]*)`", row)]
        assert len(named) > 5
        assert [name for name in named if not name.startswith("_build/") and not any(_found(name))] == []


def _found(name):
    return [*ROOT.glob(name.rstrip("/")), *(ROOT / "autograder").glob(name.rstrip("/"))]


def test_three_pictures_say_in_words_what_is_to_be_seen():
    assert len(PICTURES) == 3
    for alt, path in PICTURES:
        assert len(alt) > 100
        assert (ROOT / path).stat().st_size < 120_000
        with Image.open(ROOT / path) as picture:
            picture.verify()
            assert picture.width >= 600


def test_alt_text_of_the_report_is_true_of_the_sample_class():
    from autograder.sample import read_submissions

    alt = next(alt for alt, path in PICTURES if "report" in path)
    assert f"{sum(s.assignment == 'forward' for s in read_submissions())} submissions are graded" in alt


def test_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version


def test_paper_cites_what_it_lists_and_lists_what_it_cites():
    paper = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"(?m)^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8")))
    assert set(re.findall(r"@(\w+)", paper.split("---", 2)[2])) == listed
    for heading in ("Summary", "Statement of need", "Adoption, and experience of use", "Story", "References"):
        assert f"\n# {heading}\n" in paper
    authors = yaml.safe_load(paper.split("---", 2)[1])
    assert {author["affiliation"] for author in authors["authors"]} == {
        place["index"] for place in authors["affiliations"]
    }


def test_nothing_of_a_real_course_can_be_committed_by_accident():
    """What commands write into the course folder holds students' work, marks or the secret."""
    written = ["submitted", "collected", "autograded", "feedback", "reports", "bundles", "source", "release"]
    names = [f"autograder/{name}" for name in (*(f"{name}/x/y" for name in written), "gradebook.db", "secret")]
    done = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True)
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    assert done.stdout.split() == names
