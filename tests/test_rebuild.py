"""A rebuilt notebook has the release's structure and the student's text, whatever was handed in."""

import copy
import json
import warnings

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum, determine_grade, is_grade

from autograder.course import assignment_names
from autograder.engine import rebuild as engine
from autograder.engine.reading import read_notebook
from autograder.engine.rebuild import rebuild, release_oddity

STUB = "def f(x):\n    raise NotImplementedError()"
RIGHT = "def f(x):\n    return 2 * x"


def graded(cell, grade_id, points=None, grade=False, solution=False, locked=False):
    cell.id = grade_id
    cell.metadata.nbgrader = NotebookNode(
        schema_version=3, grade_id=grade_id, grade=grade, solution=solution, locked=locked, task=False
    )
    if points is not None:
        cell.metadata.nbgrader.points = points
    cell.metadata.nbgrader.cell_type = cell.cell_type
    cell.metadata.nbgrader.checksum = compute_checksum(cell)
    return cell


def make_template():
    return new_notebook(
        metadata={
            "batchnorm": {"assignment": "forward", "release": "r2"},
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
        },
        cells=[
            new_markdown_cell("# Forward", id="text-0"),
            graded(new_code_cell("import numpy as np"), "setup", locked=True),
            new_code_cell("print('look')", id="try-2"),
            graded(new_code_cell(STUB), "f", solution=True),
            new_code_cell("print(f(1))", id="try-4"),
            graded(new_code_cell('check("f-value")'), "f-value", points=3, grade=True, locked=True),
            graded(new_code_cell("def g(x):\n    raise NotImplementedError()"), "g", solution=True),
            graded(new_code_cell('check("g-value")'), "g-value", points=2, grade=True, locked=True),
            new_markdown_cell("Explain.", id="text-8"),
            graded(new_markdown_cell("YOUR ANSWER HERE"), "why", points=4, grade=True, solution=True),
            new_markdown_cell("Hand in.", id="text-10"),
        ],
    )


TEMPLATE = make_template()
NAMES = [cell.id for cell in TEMPLATE.cells]


@pytest.fixture
def submitted():
    """The release with the function solved and the answer given."""
    notebook = make_template()
    at(notebook, "f").source = RIGHT
    at(notebook, "why").source = "Because."
    return notebook


def at(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def index(notebook, cell_id):
    return [cell.id for cell in notebook.cells].index(cell_id)


def insert(notebook, before, *cells):
    where = index(notebook, before)
    notebook.cells[where:where] = cells


def outline(notebook):
    """The ids, with the text in place of the ids of added cells."""
    return [cell.source if cell.id.startswith("added-") else cell.id for cell in notebook.cells]


def sound(notebook):
    """Whether a rebuilt notebook is valid and has the template's graded cells once each, as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
    marked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    models = [cell for cell in TEMPLATE.cells if "nbgrader" in cell.metadata]
    for cell, model in zip(marked, models, strict=True):
        assert (cell.id, cell.cell_type, cell.metadata) == (model.id, model.cell_type, model.metadata)
        assert model.metadata.nbgrader.solution or cell.source == model.source
    assert notebook.metadata == TEMPLATE.metadata
    for cell in notebook.cells:
        assert "nbgrader" in cell.metadata or not cell.metadata
        assert cell.cell_type in ("code", "markdown")
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)
    json.dumps(notebook, ensure_ascii=False).encode()
    return True


def rebuilt(notebook):
    before = copy.deepcopy(TEMPLATE)
    result, oddities = rebuild(TEMPLATE, notebook)
    assert before == TEMPLATE
    assert sound(result)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in oddities)
    return result, oddities


def test_release_as_it_is_stays_as_it_is_without_a_word():
    result, oddities = rebuilt(make_template())
    assert result == TEMPLATE
    assert oddities == []


def test_solved_notebook_keeps_its_text_without_a_word(submitted):
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == RIGHT
    assert at(result, "why").source == "Because."
    assert outline(result) == NAMES
    assert oddities == []


def test_outputs_tags_and_foreign_metadata_are_dropped(submitted):
    for cell in submitted.cells:
        cell.metadata.tags = ["skip-execution", "remove-cell"]
        cell.metadata.deletable = True
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="3")]
            cell.execution_count = 7
    submitted.metadata = {"kernelspec": {"name": "bash"}, "widgets": {}, "batchnorm": {"release": "r2"}}
    result, oddities = rebuilt(submitted)
    assert outline(result) == NAMES
    assert oddities == []


def test_changed_points_and_flags_count_for_nothing(submitted):
    for cell in submitted.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(points=1000, grade=True, solution=True, locked=False, checksum="0")
    assert outline(rebuilt(submitted)[0]) == NAMES


def test_locked_cells_have_the_text_of_the_release(submitted):
    at(submitted, "f-value").source = "8.0"
    result, oddities = rebuilt(submitted)
    assert at(result, "f-value").source == 'check("f-value")'
    assert "The locked cell f-value was changed and was restored" in oddities[0]


def test_what_was_written_into_a_locked_cell_runs_unmarked_before_it(submitted):
    at(submitted, "setup").source = "import numpy as np\nimport math"
    at(submitted, "g-value").source = "def g(x): return x"
    result, _ = rebuilt(submitted)
    assert outline(result)[1:3] == ["import numpy as np\nimport math", "setup"]
    assert outline(result)[7:9] == ["g", "def g(x): return x"]


@pytest.mark.parametrize("gone", ["f-value", "setup"])
def test_missing_locked_cell_is_put_back_and_told(submitted, gone):
    del submitted.cells[index(submitted, gone)]
    result, oddities = rebuilt(submitted)
    assert outline(result) == NAMES
    assert oddities == [f"The locked cell {gone} was missing and was put back."]


def test_missing_solution_is_put_back_empty_so_that_a_function_elsewhere_stays(submitted):
    at(submitted, "f").metadata, at(submitted, "f").id = NotebookNode(), "mine"
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == ""
    assert outline(result) == [*NAMES[:3], RIGHT, *NAMES[3:]]
    assert oddities == ["The solution f was missing and was put back empty."]


def test_missing_answer_is_put_back_with_its_stub_and_nbgrader_gives_it_nothing(submitted):
    del submitted.cells[index(submitted, "why")]
    result, oddities = rebuilt(submitted)
    assert determine_grade(at(result, "why")) == (0, 4.0)
    assert oddities == ["The answer why was missing and was put back unanswered."]


@pytest.mark.parametrize("text", ["YOUR ANSWER HERE", "YOUR ANSWER HERE\n", "\r\n YOUR ANSWER HERE"])
def test_unanswered_answer_is_known_to_nbgrader(submitted, text):
    at(submitted, "why").source = text
    assert determine_grade(at(rebuilt(submitted)[0], "why")) == (0, 4.0)


def test_given_answer_waits_for_a_mark_by_hand(submitted):
    assert determine_grade(at(rebuilt(submitted)[0], "why")) == (None, 4.0)


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_solution_of_another_type_counts_as_code(submitted, kind):
    cell = at(submitted, "f")
    submitted.cells[index(submitted, "f")] = NotebookNode(
        cell_type=kind, source=cell.source, metadata=cell.metadata, id="f"
    )
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == RIGHT
    assert oddities == [f"The solution f was of type {kind} and counts as code."]


def test_stub_that_was_switched_off_stays_off(submitted):
    at(submitted, "f").source = STUB
    at(submitted, "f").cell_type = "raw"
    insert(submitted, "f", new_code_cell(RIGHT))
    assert at(rebuilt(submitted)[0], "f").source == ""


def test_answer_as_code_counts_as_text(submitted):
    at(submitted, "why").cell_type = "code"
    result, oddities = rebuilt(submitted)
    assert at(result, "why").source == "Because."
    assert oddities == ["The answer why was of type code and counts as markdown."]


def test_check_as_text_is_a_check(submitted):
    at(submitted, "f-value").cell_type = "markdown"
    result, oddities = rebuilt(submitted)
    assert at(result, "f-value").cell_type == "code"
    assert oddities == []


def test_of_copied_solutions_the_last_defines(submitted):
    copied = copy.deepcopy(at(submitted, "f"))
    copied.source, copied.id = "def f(x): return 3 * x", "other"
    insert(submitted, "g", copied)
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == copied.source
    assert outline(result) == [*NAMES[:3], RIGHT, *NAMES[3:]]
    assert oddities[0] == "The solution f is there 2 times (cells 4, 7); cell 7 counts."


def test_the_last_copy_defines_wherever_the_copies_stand(submitted):
    copied = copy.deepcopy(at(submitted, "f"))
    copied.source = "def f(x): return 3 * x"
    first = submitted.cells.pop(index(submitted, "f"))
    submitted.cells += [first, copied]
    result, _ = rebuilt(submitted)
    assert outline(result).index(RIGHT) < index(result, "f")
    assert at(result, "f").source == copied.source


def test_of_copied_answers_the_last_that_says_something_counts(submitted):
    stub = copy.deepcopy(at(TEMPLATE, "why"))
    submitted.cells.append(stub)
    result, oddities = rebuilt(submitted)
    assert at(result, "why").source == "Because."
    assert "cell 10 counts" in oddities[0]


@pytest.mark.parametrize("claimed", [True, False])
def test_copy_of_a_check_is_the_students_own_code(submitted, claimed):
    copied = copy.deepcopy(at(submitted, "f-value"))
    if not claimed:
        copied.metadata = NotebookNode()
    copied.id = "copy"
    insert(submitted, "f", copied)
    result, oddities = rebuilt(submitted)
    assert outline(result) == [*NAMES[:3], 'check("f-value")', *NAMES[3:]]
    assert len(oddities) == claimed


def test_added_cells_stand_behind_the_cell_that_they_stood_behind(submitted):
    insert(submitted, "text-0", new_code_cell("a = 1"))
    insert(submitted, "f", new_code_cell("b = 1"), new_markdown_cell("Note"))
    submitted.cells.append(new_code_cell("c = 1"))
    result, oddities = rebuilt(submitted)
    assert outline(result) == ["a = 1", *NAMES[:3], "b = 1", "Note", *NAMES[3:], "c = 1"]
    assert oddities == []


def test_added_raw_cell_is_text_and_an_added_empty_cell_is_left_out(submitted):
    insert(submitted, "f", nbformat.v4.new_raw_cell("1 +"), new_code_cell("\n "))
    result, _ = rebuilt(submitted)
    assert outline(result) == [*NAMES[:3], "1 +", *NAMES[3:]]
    assert result.cells[3].cell_type == "markdown"


def test_merged_cells_work(submitted):
    solution = at(submitted, "f")
    merged = [solution.source, at(submitted, "try-4").source, at(submitted, "f-value").source]
    solution.source = "\n".join(merged)
    del submitted.cells[index(submitted, "try-4") : index(submitted, "g")]
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == "\n".join(merged)
    assert outline(result) == [name for name in NAMES if name != "try-4"]
    assert oddities == ["The locked cell f-value was missing and was put back."]


def test_split_solution_works(submitted):
    second = copy.deepcopy(at(submitted, "f"))
    at(submitted, "f").source, second.source, second.id = (
        "def helper(x): return 2 * x",
        "def f(x): return helper(x)",
        "b",
    )
    insert(submitted, "try-4", second)
    result, _ = rebuilt(submitted)
    assert outline(result)[3:5] == ["def helper(x): return 2 * x", "f"]
    assert at(result, "f").source == second.source


def test_moved_cells_go_back_and_take_what_stood_before_them_along(submitted):
    moved = submitted.cells.pop(index(submitted, "f"))
    submitted.cells += [new_code_cell("def helper(x): return x"), moved]
    result, oddities = rebuilt(submitted)
    assert outline(result) == [*NAMES[:3], "def helper(x): return x", *NAMES[3:]]
    assert oddities == ["The cells were in another order, and were put back into that of the release."]


def test_reversed_notebook_is_put_in_order(submitted):
    submitted.cells.reverse()
    result, oddities = rebuilt(submitted)
    assert outline(result) == NAMES
    assert at(result, "f").source == RIGHT
    assert len(oddities) == 1


def test_cells_to_try_are_the_students_and_stay_out_when_deleted(submitted):
    at(submitted, "try-2").source = "print('changed')"
    del submitted.cells[index(submitted, "try-4")]
    result, oddities = rebuilt(submitted)
    assert at(result, "try-2").source == "print('changed')"
    assert "try-4" not in outline(result)
    assert oddities == []


def test_prose_is_the_students_and_comes_back_when_deleted(submitted):
    at(submitted, "text-0").source = "# Forward, by Ada"
    del submitted.cells[index(submitted, "text-8")]
    result, _ = rebuilt(submitted)
    assert at(result, "text-0").source == "# Forward, by Ada"
    assert at(result, "text-8").source == "Explain."


def test_code_written_into_prose_runs(submitted):
    at(submitted, "text-8").update(cell_type="code", source="y = 1")
    result, _ = rebuilt(submitted)
    assert at(result, "text-8").cell_type == "code"


def test_lost_ids_are_found_by_text(submitted):
    for number, cell in enumerate(submitted.cells):
        cell.id = f"lost-{number}"
        if "nbgrader" in cell.metadata and not cell.metadata.nbgrader.solution:
            cell.metadata = NotebookNode()
    result, oddities = rebuilt(submitted)
    assert outline(result) == NAMES
    assert oddities == []


def test_lost_grade_ids_are_found_by_id(submitted):
    for cell in submitted.cells:
        cell.metadata = NotebookNode()
    result, oddities = rebuilt(submitted)
    assert outline(result) == NAMES
    assert at(result, "f").source == RIGHT
    assert oddities == []


def test_unknown_grade_ids_are_told_and_their_cells_are_added(submitted):
    insert(submitted, "f", graded(new_code_cell("z = 1"), "h", solution=True))
    at(submitted, "try-2").metadata.nbgrader = NotebookNode(grade_id="h-value", grade=True, points=9)
    result, oddities = rebuilt(submitted)
    assert outline(result) == ["text-0", "setup", "print('look')", "z = 1", *NAMES[3:]]
    assert oddities == ["A grade id that this assignment does not have counts for nothing (cells 3, 4)."]


def test_ids_of_another_release_mean_other_cells(submitted):
    submitted.metadata.batchnorm.release = "r1"
    at(submitted, "try-4").source = "run = 1"
    at(submitted, "try-4").id = "try-2"
    del submitted.cells[2]
    result, _ = rebuilt(submitted)
    assert outline(result) == ["text-0", "setup", "f", "run = 1", *NAMES[5:]]


def test_text_beyond_the_limit_is_left_out_and_told(submitted):
    at(submitted, "f").source = "#" * (engine.LONGEST_TEXT + 1)
    result, oddities = rebuilt(submitted)
    assert at(result, "f").source == ""
    assert oddities == ["A text of more than 1000000 characters was left out (cell 4)."]


def test_added_cells_beyond_the_limit_are_left_out_and_told(submitted):
    submitted.cells += [NotebookNode(cell_type="code", source=f"x = {n}") for n in range(engine.MOST_ADDED + 5)]
    result, oddities = rebuilt(submitted)
    assert len(result.cells) == len(NAMES) + engine.MOST_ADDED
    assert "(cells 2012, 2013, 2014 and 2 more)" in oddities[0]


def test_added_text_beyond_the_limit_is_left_out_and_told(submitted):
    submitted.cells += [NotebookNode(cell_type="code", source="#" * engine.LONGEST_TEXT) for _ in range(12)]
    result, oddities = rebuilt(submitted)
    assert len(result.cells) == len(NAMES) + engine.MOST_ADDED_TEXT // engine.LONGEST_TEXT
    assert len(oddities) == 1


def test_pasted_picture_stays_and_a_missing_one_stops_nothing(submitted):
    at(submitted, "why").source = "![a](attachment:a.png) ![b](attachment:b.png) attachment: no link"
    at(submitted, "why").attachments = {"a.png": {"image/png": "iVBORw0="}, "b.png": {"text/html": "<b>"}}
    result, _ = rebuilt(submitted)
    assert at(result, "why").attachments == {"a.png": {"image/png": "iVBORw0="}}
    assert at(result, "why").source == "![a](attachment:a.png) ![b](missing-attachment:b.png) attachment: no link"


def test_ids_of_added_cells_are_new(submitted):
    insert(submitted, "f", *[new_code_cell("x = 1", id="added-1") for _ in range(3)])
    result, _ = rebuilt(submitted)
    assert len({cell.id for cell in result.cells}) == len(result.cells)


@pytest.mark.parametrize(
    "garbage", [None, [], "text", {}, {"cells": None}, {"cells": {"a": 1}}, {"cells": [None, 3, []]}]
)
def test_nothing_submitted_gives_the_release_without_solutions(garbage):
    result, oddities = rebuilt(garbage)
    assert outline(result) == [name for name in NAMES if not name.startswith("try")]
    assert at(result, "f").source == ""
    assert len(oddities) == 6


def made_from(release, assignment="forward"):
    return {"metadata": {"batchnorm": {"assignment": assignment, "release": release}}}


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("r2", None),
        ("r1", "The notebook was made from the release before the current one."),
        ("r0", "The notebook was made from a release older than the one before the current one."),
        ("x", "The notebook was made from a release that is not known, 'x'."),
        ("", "The notebook does not say from which release it was made."),
        (7, "The notebook does not say from which release it was made."),
    ],
)
def test_other_release_is_told(release, told):
    assert release_oddity(TEMPLATE, made_from(release), ["r0", "r1", "r2"]) == told


def test_notebook_of_another_assignment_is_told():
    told = release_oddity(TEMPLATE, made_from("r2", "backward"), ["r2"])
    assert told == "The notebook was made from the assignment 'backward', not from 'forward'."


@pytest.mark.parametrize("garbage", [None, [], {"metadata": 3}, {"metadata": {"batchnorm": []}}])
def test_notebook_without_a_record_is_told(garbage):
    assert "does not say" in release_oddity(TEMPLATE, garbage, [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from([*NAMES, "added-1", "added-2", "h", "", "ä b"]) | JSON
TEXTS = st.sampled_from([cell.source for cell in TEMPLATE.cells] + [RIGHT, "", "attachment:x", "\ud800"]) | st.text(
    max_size=9
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON,
        "id": IDS,
        "source": TEXTS | st.lists(TEXTS | JSON, max_size=3) | JSON,
        "metadata": JSON | st.fixed_dictionaries({"nbgrader": JSON | st.fixed_dictionaries({"grade_id": IDS})}),
        "attachments": JSON | st.dictionaries(st.text(max_size=5), st.just({"image/png": "AAAA"})),
        "outputs": JSON,
    },
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(cells=st.lists(CELL | JSON, max_size=25), release=st.sampled_from(["r2", "r1", None]))
def test_anything_is_rebuilt_into_a_sound_notebook(cells, release):
    submitted = {"cells": cells, "metadata": {"batchnorm": {"release": release}}}
    result, oddities = rebuilt(submitted)
    assert (result, oddities) == rebuild(TEMPLATE, copy.deepcopy(submitted))
    assert [cell.id for cell in result.cells if is_grade(cell)] == ["f-value", "g-value", "why"]
    release_oddity(TEMPLATE, submitted, ["r1", "r2"])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_right_code_is_there_in_every_order_of_the_cells(data):
    notebook = make_template()
    at(notebook, "f").source = RIGHT
    cells = data.draw(st.permutations(notebook.cells))
    kept = [cell for cell in cells if cell.id == "f" or data.draw(st.booleans())]
    result, _ = rebuilt({"cells": kept, "metadata": notebook.metadata})
    assert at(result, "f").source == RIGHT
    assert index(result, "f") < index(result, "f-value")


def test_every_release_is_rebuilt_as_it_is(built_course):
    for assignment in assignment_names():
        path = built_course.release(assignment) / f"{assignment}.ipynb"
        release = nbformat.read(path, as_version=4)
        assert rebuild(release, read_notebook(path)[0]) == (release, [])
