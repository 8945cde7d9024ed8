"""Build assignments: text -> source notebook with its helper -> release version, by nbgrader's own converter."""

import ast
import shutil
from pathlib import Path

import nbformat
from tqdm import tqdm

from autograder.bn_helper.parts import PARTS, topic_of
from autograder.bn_helper.tables import Tables
from autograder.builder.notebook import make_notebook, release
from autograder.builder.text import Text, read_text
from autograder.checks.expectations import visible_expectations, visible_probes
from autograder.course import ASSIGNMENTS, FOLDER, Course, Problem, assignment_names
from autograder.engine.gradebook import held
from autograder.nbgrader_runs import api, reason
from autograder.sections import TITLES, section

DATA = FOLDER.parent / "assets" / "data"
_DATA = {"digits.py": "digits.csv.gz"}  # what a given module reads


def build(course: Course, names: list[str]) -> list[Path]:
    """Build assignments into a course folder; all of them if no name is given.

    Returns
    -------
    list of Path
        The release folders.

    Raises
    ------
    Problem
        If there is no such assignment, its text is malformed, or nbgrader refuses it.
    """
    known = assignment_names()
    for name in names:
        if name not in known:
            raise Problem(f"There is no assignment {name!r}; the assignments are {', '.join(known)}.")
    texts = [read_text(ASSIGNMENTS / f"{name}.md") for name in names or known]
    notebooks = [make_notebook(text, course.book_url) for text in texts]  # all are sound before one is written
    for text in texts:
        held(course, text.path.stem)  # nbgrader takes the old release away before it sees that the gradebook is damaged
    both = zip(texts, notebooks, strict=True)
    for text, notebook in tqdm(both, desc="building", unit="assignment", total=len(texts), delay=2, leave=False):
        _write_source(course, text, notebook)
        _release(course, text.path.stem)
        course.add_release(text.path.stem, release(text))
    return [course.release(text.path.stem) for text in texts]


def _write_source(course: Course, text: Text, notebook: nbformat.NotebookNode) -> None:
    folder = course.source(text.path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{text.path.stem}.ipynb")
    helper = folder / "bn_helper"
    if helper.exists():
        shutil.rmtree(helper)
    shutil.copytree(FOLDER / "bn_helper", helper, ignore=shutil.ignore_patterns("__pycache__"))
    _keep_what_is_given(text, helper)
    functions = {PARTS[block.name].function for block in text.blocks if block.kind == "check"}
    held = [name for name, part in PARTS.items() if part.function in functions]
    expected = {part: visible_expectations(part) for part in held}
    sections = {label: section(label, course.book_url) for label in TITLES}
    Tables(sections, {topic_of(part): visible_probes(part) for part in held}, expected).write(helper / "expected.json")


def _keep_what_is_given(text: Text, helper: Path) -> None:
    """Leave of the given modules those from which the setup imports something, and lay the data beside them."""
    setup = next((block for block in text.blocks if block.kind == "setup"), None)
    used = imported_from("bn_helper", setup.content) if setup else set[str]()
    asked = {block.name for block in text.blocks if block.kind == "solution"}
    for module in sorted((helper / "given").glob("*.py")):
        if module.name == "__init__.py":
            continue
        functions = {
            node.name for node in ast.parse(module.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
        }
        if not used & functions:
            module.unlink()
        elif setup and asked & functions:
            raise text.problem(setup.line, f"{min(asked & functions)} is asked for, so bn_helper cannot give it.")
        elif module.name in _DATA:
            shutil.copy(DATA / _DATA[module.name], helper)


def imported_from(module: str, source: str) -> set[str]:
    """Return the names that some code imports from a module."""
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in imports if node.module == module for alias in node.names}


def _release(course: Course, name: str) -> None:
    result = api(course).generate_assignment(name, force=True, create=True)
    if not result["success"]:
        raise Problem(f"nbgrader could not make the release version of {name}: {reason(result)}")
