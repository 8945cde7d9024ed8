"""Words are spelled well, in pages, docstrings, assignments and messages."""

import subprocess
import sys

from conftest import ROOT

WRITTEN = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "paper",
    "index.md",
    "chapters",
    "solutions",
    "assets/extensions",
    "assets/editions",
    "assets/site/interactive",
    "autograder/README.md",
    "autograder/assignments",
    "autograder/bn_helper",
    "autograder/checks",
]


def test_words_are_spelled_well():
    command = [sys.executable, "-m", "codespell_lib", *WRITTEN]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.stdout == "", run.stderr
    assert run.returncode == 0


def test_a_misspelt_word_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Normalise teh batch; `dout` is a gradient.", encoding="utf8")
    run = subprocess.run([sys.executable, "-m", "codespell_lib", page], cwd=ROOT, capture_output=True, text=True)
    assert "teh ==> the" in run.stdout
    assert "dout" not in run.stdout
