"""From a text to the notebook that students get: sound metadata, no solution, one sentence about a mistake."""

import ast
import filecmp
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import read as read_nbgrader
from test_no_answers import renamed, simple_statements, size

import solutions
from autograder.bn_helper.parts import PARTS
from autograder.builder.build import build
from autograder.builder.notebook import make_notebook
from autograder.builder.text import BEGIN, END, read_text
from autograder.course import Course, Problem, assignment_names

HEADER = "---\ntitle: A title\nminutes: 30\n---\n"
SETUP = "```{setup}\nimport numpy as np\nfrom bn_helper import check\n```\n"
SOLUTION = "```{solution} batchnorm_forward\n```\n"
CHECK = "```{check} batchnorm_forward-train\n:points: 3\n```\n"
SOUND = HEADER + SETUP + SOLUTION + CHECK
PLOT = (
    "```{plot} drawn\n:points: 3\n\ndef draw():\n    ### BEGIN SOLUTION\n    # The rubric.\n    ### END SOLUTION\n```\n"
)
NAMES = assignment_names()


def made_from(text, tmp_path, book_url=""):
    path = tmp_path / "assignment.md"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return make_notebook(read_text(path), book_url)


def grade_ids(notebook):
    return [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]


def notebook_of(course, name, version="release"):
    return nbformat.read(getattr(course, version)(name) / f"{name}.ipynb", as_version=4)


def is_check(cell):
    """Tell whether the checks mark a cell, and no person."""
    marks = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and marks.get("grade", False) and not marks["solution"]


def is_function(cell):
    """Tell whether a cell holds a function that the student writes."""
    marks = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and marks.get("solution", False) and not marks["grade"]


def is_by_hand(cell):
    marks = cell.metadata.get("nbgrader", {})
    return marks.get("grade", False) and marks["solution"]


# ---- what is made of a sound text ----


def test_every_block_becomes_the_cell_that_it_says(tmp_path):
    text = SOUND + "\nSome prose.\n\n```{code-cell}\n1 + 1\n```\n```{answer} why\n:points: 2\n\nThe rubric.\n```\n"
    notebook = made_from(text, tmp_path)
    assert grade_ids(notebook) == ["setup", "batchnorm_forward", "batchnorm_forward-train", "why"]
    setup, solution, check, prose, code, answer = notebook.cells
    flags = [(c.metadata.nbgrader.grade, c.metadata.nbgrader.solution, c.metadata.nbgrader.locked)
             for c in (setup, solution, check, answer)]  # fmt: skip
    assert flags == [(False, False, True), (False, True, False), (True, False, True), (True, True, False)]
    assert check.metadata.nbgrader.points == 3
    assert (prose.cell_type, prose.source) == ("markdown", "Some prose.")
    assert (code.cell_type, code.source) == ("code", "1 + 1")
    assert answer.cell_type == "markdown"


def test_a_plot_is_code_that_a_person_marks_with_a_rubric_between_marks(tmp_path):
    notebook = made_from(SOUND + PLOT, tmp_path)
    cell = notebook.cells[-1]
    marks = cell.metadata.nbgrader
    assert (cell.cell_type, marks.grade, marks.solution, marks.locked, marks.points) == ("code", True, True, False, 3)
    assert is_by_hand(cell)
    assert "# The rubric." in cell.source


def test_the_solution_is_lifted_with_signature_and_docstring_outside_of_the_marks(tmp_path):
    cell = made_from(SOUND, tmp_path).cells[1]
    head, _, rest = cell.source.partition("    ### BEGIN SOLUTION\n")
    body, _, after = rest.partition("\n    ### END SOLUTION")
    assert after == ""
    assert head.startswith('def batchnorm_forward(x, gamma, beta, bn_param):\n    """')
    assert head.rstrip().endswith('"""')
    lifted = ast.unparse(ast.parse(head + body).body[0].body[1:])
    assert lifted == ast.unparse(ast.parse(inspect.getsource(solutions.batchnorm_forward)).body[0].body[1:])


def test_roles_of_the_book_are_plain_text_in_a_notebook(tmp_path):
    assert "{eq}" not in made_from(SOUND, tmp_path).cells[1].source


def test_the_table_of_marks_adds_up(tmp_path):
    text = SOUND + "```{answer} why\n:points: 1.5\n```\n```{marks}\n```\n"
    table = made_from(text, tmp_path).cells[-1].source
    assert "| `batchnorm_forward-train` | by checks | 3 |" in table
    assert "| `why` | by hand | 1.5 |" in table
    assert "| **total** | | **4.5** |" in table


def test_links_lead_to_the_book_where_its_address_is_known(tmp_path):
    text = SOUND + "See [the mean](book:sec-forward-mean).\n"
    there = made_from(text, tmp_path, "https://example.org/bn/").cells[-1].source
    assert there == "See [the mean](https://example.org/bn/chapters/forward_pass.html#sec-forward-mean)."
    nowhere = made_from(text, tmp_path).cells[-1].source
    assert "book:" not in nowhere
    assert "The forward pass" in nowhere


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_make_no_difference(tmp_path, newline):
    assert made_from(SOUND.replace("\n", newline), tmp_path) == made_from(SOUND, tmp_path)


# ---- what is malformed is one sentence with file and line ----


def sentence_about(text, tmp_path):
    with pytest.raises(Problem) as caught:
        made_from(text, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    path, line, sentence = message.replace(str(tmp_path), "").split(":", 2)
    assert path == "/assignment.md"
    assert sentence.endswith(".")
    return int(line), sentence.strip()


MALFORMED = {
    "an unknown function": (SOUND.replace("{solution} batchnorm_forward", "{solution} x_hat"), 9, "no function x_hat"),
    "a private name": (SOUND.replace("{solution} batchnorm_forward", "{solution} np"), 9, "no function np"),
    "a duplicate id": (SOUND + SOLUTION, 14, "batchnorm_forward is used already in line 9"),
    "a duplicate check": (SOUND + CHECK, 14, "is used already in line 11"),
    "a check without points": (SOUND.replace(":points: 3\n", ""), 11, "needs its points"),
    "an answer without points": (SOUND + "```{answer} why\n```\n", 14, "needs its points"),
    "points that are no number": (SOUND.replace(": 3\n", ": many\n"), 11, "a number above 0, not 'many'"),
    "points that are nan": (SOUND.replace(": 3\n", ": nan\n"), 11, "a number above 0, not 'nan'"),
    "no points at all": (SOUND.replace(": 3\n", ": 0\n"), 11, "a number above 0, not '0'"),
    "negative points": (SOUND.replace(": 3\n", ": -3\n"), 11, "a number above 0, not '-3'"),
    "points given twice": (SOUND.replace(": 3\n", ": 3\n:points: 4\n"), 11, "given twice"),
    "a plot without a rubric": (SOUND + PLOT.replace("    ### END SOLUTION\n", ""), 14, "holds its rubric between"),
    "a plot without points": (SOUND + PLOT.replace(":points: 3\n", ""), 14, "needs its points"),
    "an unknown part": (SOUND.replace("-train", "-trian"), 11, "no part batchnorm_forward-trian"),
    "an unknown option": (SOUND.replace(": 3\n", ": 3\n:hidden: yes\n"), 11, "no option :hidden:"),
    "a misplaced option": (SOUND.replace("forward\n```", "forward\n:points: 2\n```"), 9, "no option :points:"),
    "an unknown block": (SOUND + "```{exercise}\n```\n", 14, "no block {exercise}"),
    "a missing name": (SOUND.replace("} batchnorm_forward-train", "}"), 11, "needs a name"),
    "two names": (SOUND.replace("-train", "-train again"), 11, "takes one name"),
    "no header": (SETUP + SOLUTION, 1, "begins with a header"),
    "an empty text": ("", 1, "begins with a header"),
    "a header that is no YAML": (SOUND.replace("A title", "[A title"), 1, "not valid YAML"),
    "a header that is a list": (SOUND.replace("title: A title\nminutes: 30", "- a"), 1, "title and minutes"),
    "a header without minutes": (SOUND.replace("minutes: 30\n", ""), 1, "does not give minutes"),
    "minutes in words": (SOUND.replace("30", "an hour"), 1, "whole number above 0, not 'an hour'"),
    "an unknown section": (SOUND + "See [it](book:sec-forward-x).\n", 14, "no section sec-forward-x"),
    "a section of no chapter": (SOUND + "A\n\nB [it](book:nothing).\n", 16, "no section nothing"),
    "a name that is not defined": (HEADER + SOLUTION + CHECK, 5, "uses np, which the notebook does not define"),
    "a function that is lifted nowhere": (
        HEADER + SETUP + "```{solution} batchnorm_backward\n```\n", 9, "backward_x_hat, which the notebook does not"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MALFORMED))
def test_one_sentence_with_file_and_line_about(name, tmp_path):
    text, line, words = MALFORMED[name]
    told_line, sentence = sentence_about(text, tmp_path)
    assert words in sentence
    assert told_line == line


NOT_SEEN_YET = {
    "a link below an empty line": (SOUND + "\nSee [it](book:nothing).\n", 15),
    "a link below a break between cells": (SOUND + "A\n\n+++\n\nB [it](book:nothing).\n", 18),
    "a block that is never closed": (SOUND + "```{check} batchnorm_forward-test\n:points: 3\n\nProse.\n", 14),
    "code in a block that lifts its own": (SOUND.replace("forward\n```", "forward\nx = 1\n```"), 9),
    "code in a check": (SOUND.replace("3\n", "3\nassert True\n"), 11),
    "two setups": (SOUND + SETUP, 14),
    "a setup with a name": (SOUND.replace("{setup}", "{setup} imports"), 5),
    "an answer that is called setup": (SOUND + "```{answer} setup\n:points: 1\n```\n", 14),
    "an id with a slash": (SOUND + "```{answer} a/b\n:points: 1\n```\n", 14),
    "an id with a dot": (SOUND + "```{answer} a.b\n:points: 1\n```\n", 14),
    "an id that is not ASCII": (SOUND + "```{answer} größe\n:points: 1\n```\n", 14),
    "a check of a function that the notebook does not hold": (HEADER + SETUP + CHECK, 9),
    "a name used by an inner function alone": (HEADER + SETUP + "```{solution} check_gradients\n```\n", 9),
}


@pytest.mark.parametrize("name", list(NOT_SEEN_YET))
@pytest.mark.filterwarnings("ignore")
def test_one_sentence_too_about(name, tmp_path):
    text, line = NOT_SEEN_YET[name]
    assert sentence_about(text, tmp_path)[0] == line


def test_a_block_within_a_list_is_refused(tmp_path):
    line, sentence = sentence_about(
        HEADER + SETUP + "- item\n\n  ```{check} batchnorm_forward-train\n  ```\n", tmp_path
    )
    assert line == 11
    assert "{check}" in sentence


def test_a_text_that_is_not_utf8_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match=r"assignment\.md.*cannot be read"):
        made_from(b"\xff\xfe", tmp_path)


def test_an_unknown_assignment_is_one_sentence_that_names_the_known_ones(tmp_path):
    with pytest.raises(Problem, match=r"no assignment 'forwards'; the assignments are .*forward"):
        build(Course(tmp_path), ["forwards"])
    assert not list(tmp_path.iterdir())


# ---- the assignments as they are built ----


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_is_valid_for_nbgrader(built_course, name):
    for version in ("source", "release"):
        path = getattr(built_course, version)(name) / f"{name}.ipynb"
        notebook = read_nbgrader(path, as_version=4)
        nbformat.validate(notebook)
        ids = grade_ids(notebook)
        assert len(set(ids)) == len(ids)
        assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
        assert all(re.fullmatch(r"[\w-]+", grade_id) for grade_id in ids)


@pytest.mark.parametrize("name", NAMES)
def test_every_graded_cell_of_code_has_a_check_and_every_solution_is_tried(built_course, name):
    cells = [cell for cell in notebook_of(built_course, name).cells if "nbgrader" in cell.metadata]
    checks = [cell.metadata.nbgrader.grade_id for cell in cells if is_check(cell)]
    solved = {cell.metadata.nbgrader.grade_id for cell in cells if is_function(cell)}
    assert set(checks) <= set(PARTS)
    assert {PARTS[check].function for check in checks} == solved


@pytest.mark.parametrize("name", NAMES)
def test_the_student_version_has_signature_and_docstring_and_raises_not_implemented_error(built_course, name):
    for cell in notebook_of(built_course, name).cells:
        if is_function(cell):
            function = ast.parse(cell.source).body[0]
            reference = getattr(solutions, cell.metadata.nbgrader.grade_id)
            assert function.name == reference.__name__
            assert ast.unparse(function.args) == ast.unparse(ast.parse(inspect.getsource(reference)).body[0].args)
            assert ast.get_docstring(function)
            assert [ast.unparse(node) for node in function.body[1:]] == ["raise NotImplementedError()"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_solutions_remains_in_the_release(built_course, name):
    solved = set()
    for cell in notebook_of(built_course, name, "source").cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            statements = simple_statements(ast.parse(cell.source))
            solved |= {renamed(s) for s in statements if not isinstance(s, ast.Expr) and size(s) > 6}
    assert solved
    for cell in notebook_of(built_course, name).cells:
        assert "SOLUTION" not in cell.source
        if cell.cell_type == "code":
            for statement in simple_statements(ast.parse(cell.source)):
                assert renamed(statement) not in solved, ast.unparse(statement)


@pytest.mark.parametrize("name", NAMES)
def test_the_release_holds_the_notebook_and_the_helper_and_nothing_else(built_course, name):
    folder = built_course.release(name)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    helper = {file for file in files if file.startswith("bn_helper/")}
    assert f"{name}.ipynb" in files
    assert {"bn_helper/__init__.py", "bn_helper/expected.json"} <= helper
    assert all(Path(file).suffix in (".py", ".json") for file in helper - {"bn_helper/digits.csv.gz"})
    assert not any(cell.get("outputs") for cell in notebook_of(built_course, name).cells)


@pytest.mark.parametrize("name", NAMES)
def test_no_rubric_of_a_written_answer_reaches_the_student(built_course, name):
    pairs = zip(notebook_of(built_course, name, "source").cells, notebook_of(built_course, name).cells, strict=True)
    for source, release in pairs:
        if is_by_hand(source):
            assert release.source != source.source
            rubric = source.source.partition(BEGIN)[2].partition(END)[0] or source.source
            assert all(line not in release.source for line in rubric.splitlines() if len(line) > 20)


def test_two_builds_give_identical_files(built_course, tmp_path):
    build(Course(tmp_path), ["forward"])
    for version in ("source", "release"):
        first, second = getattr(built_course, version)("forward"), getattr(Course(tmp_path), version)("forward")
        files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        assert filecmp.cmpfiles(first, second, files, shallow=False)[0] == files


def test_no_path_of_this_machine_is_in_a_release(built_course):
    for path in built_course.root.joinpath("release").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(Path(__file__).parents[1]).encode() not in content
            assert str(built_course.root).encode() not in content


# ---- as a student uses it, with stock Jupyter and stock nbgrader ----


def stock(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NBGRADER")}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}", "PYTHONPATH": ""}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=180)


def with_solutions(course, name, folder, change=lambda source: source):
    """Lay a release where a student would, the reference's bodies put into its solution cells."""
    shutil.copytree(course.release(name), folder)
    release, source = notebook_of(course, name), notebook_of(course, name, "source")
    for cell, solved in zip(release.cells, source.cells, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            cell.source = change(solved.source)
    nbformat.write(release, folder / f"{name}.ipynb")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_solved_release_runs_from_top_to_bottom_and_every_check_says_right(built_course, tmp_path, name):
    folder = with_solutions(built_course, name, tmp_path / "home")
    run = stock("jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace", f"{name}.ipynb", cwd=folder)
    assert run.returncode == 0, run.stderr[-2000:]
    cells = nbformat.read(folder / f"{name}.ipynb", as_version=4).cells
    for cell in filter(is_check, cells):
        assert "".join(output.text for output in cell.outputs) == f"{cell.metadata.nbgrader.grade_id}: right.\n"


def test_nbgrader_validate_shows_the_message_about_a_wrong_function_and_nothing_of_what_raised_it(
    built_course, tmp_path
):
    folder = with_solutions(
        built_course, "forward", tmp_path / "home", lambda source: source.replace("np.sqrt(var + eps)", "np.sqrt(var)")
    )
    run = stock("nbgrader", "validate", "forward.ipynb", cwd=folder)
    said = run.stdout + run.stderr
    assert "VALIDATION FAILED" in said.upper()
    assert "batchnorm_forward-train: not right yet." in said
    assert "This is what one gets when eps is left out." in said
    assert "Traceback" not in said
    assert "bn_helper" not in said
