"""An assignment's first cells are run once, and submissions behind them: nobody can tell, and nobody sees another."""

import shutil

import nbformat
import pytest
from conftest import missing

from autograder.engine.break_out import break_out
from autograder.engine.files import helper_files
from autograder.engine.jail import Jail, Opening
from autograder.engine.marking import Marker, begins_with, opening_of, showing_in
from autograder.engine.session import Limits, Session

QUICK = Limits(cell=1.0, call=0.5)
OPENING = Opening(
    ("import numpy as np\nimport mine\nseen = []", "x = np.arange(3.0)\nprint(x)\nseen.append(1)\nx.sum()"),
    {"mine.py": b"value = [7]\n"},
)


@pytest.fixture(scope="module")
def jail():
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "sudo .ci/system-packages")
    jail = Jail()
    yield jail
    jail.close()


@pytest.fixture
def session(jail):
    with Session(jail, OPENING.files, QUICK, opening=OPENING) as session:
        for source in OPENING.cells:
            session.run_cell(source)
        yield session


def printed(result):
    return "".join(output.get("text", "") for output in result.outputs).strip()


def test_outputs_and_names_are_those_of_a_run_from_the_start(jail):
    told = []
    for opening in (None, OPENING):
        with Session(jail, OPENING.files, QUICK, opening=opening) as session:
            results = [session.run_cell(source) for source in OPENING.cells]
            after = session.run_cell("import os\nprint(x, seen, mine.value, In, Out, mine.__file__, os.getcwd())")
            told.append([result.outputs for result in (*results, after)])
    assert told[0] == told[1]
    assert told[0][1][0]["text"] == "[0. 1. 2.]\n"


def test_the_cells_are_run_once_for_all(jail, session):
    control = jail._opened.control
    with Session(jail, OPENING.files, QUICK, opening=OPENING) as other:
        assert jail._opened.control is control
        assert other.jail is session.jail


def test_submissions_do_not_see_what_others_do_behind_the_opening(jail, session):
    session.run_cell("seen.append(2)\nmine.value.append(8)\nx[0] = 5\nopen('mine.txt', 'w').write('mine')")
    with Session(jail, OPENING.files, QUICK, opening=OPENING) as other:
        for source in OPENING.cells:
            other.run_cell(source)
        result = other.run_cell("import os\nprint(seen, mine.value, x[0], os.path.exists('mine.txt'))")
    assert printed(result) == "[1] [7] 0.0 False"


def test_after_a_death_the_cells_behind_the_opening_are_run_again(session):
    session.run_cell("y = x + 1")
    assert session.run_cell("import os\nos._exit(0)").died
    assert printed(session.run_cell("print(seen, y)")) == "[1] [1. 2. 3.]"


def test_when_the_warm_process_is_killed_the_opening_is_run_anew(jail, session):
    jail._process.kill()
    jail._process.wait()
    with Session(jail, OPENING.files, QUICK, opening=OPENING) as other:
        for source in OPENING.cells:
            other.run_cell(source)
        assert printed(other.run_cell("print(seen)")) == "[1]"


@pytest.mark.parametrize("source", ["1 / 0", "raise SystemExit", "import os\nos._exit(0)"])
def test_an_opening_that_does_not_run_is_run_by_every_submission(jail, source):
    opening = Opening(("a = 1", source), {})
    with Session(jail, {}, QUICK, opening=opening) as session:
        assert session.opening is None
        session.run_cell("a = 1")
        result = session.run_cell(source)
        assert result.died or result.outputs
        assert printed(session.run_cell("print(a)")) == "1"


def test_no_way_out_is_free_behind_an_opening(jail):
    assert break_out(jail, OPENING) == []


def test_no_descriptor_of_the_grader_is_open_behind_an_opening(session):
    count = "import os\ndef is_open(n):\n    try:\n        os.fstat(n)\n        return True\n    except OSError:\n"
    result = session.run_cell(f"{count}        return False\nprint(sum(map(is_open, range(3, 256))))")
    assert printed(result) == "1"


@pytest.mark.parametrize("assignment", ["forward", "backward"])
def test_an_assignment_opens_with_what_stands_before_the_students_first_cell(built_course, assignment):
    template = nbformat.read(built_course.release(assignment) / f"{assignment}.ipynb", as_version=4)
    opening = opening_of(template, helper_files(built_course.source(assignment) / "bn_helper"))
    assert "import numpy as np" in opening.cells[0]
    assert not any("NotImplementedError" in source and "def " in source for source in opening.cells)
    assert begins_with(template, opening)
    template.cells[next(n for n, cell in enumerate(template.cells) if cell.cell_type == "code")].source += "\n"
    assert not begins_with(template, opening)


SHOWS = {
    "print(x)": True,
    "draw_deviations('f')": True,
    "try:\n    print(f(x))\nexcept NotImplementedError:\n    print('not yet')": True,
    "print([y for y in x])": True,
    "y = f(x)": False,
    "try:\n    y = f(x)\nexcept NotImplementedError:\n    print('not yet')": False,
    "print(y := f(x))": False,
    "seen.append(x)": False,
    "np.random.seed(0)": False,
    "f(x)": False,
    "import numpy": False,
    "for i in range(3):\n    print(i)": False,
    "%matplotlib inline": False,
    "": False,
}


@pytest.mark.parametrize("source", list(SHOWS))
def test_a_cell_of_the_assignment_only_shows_something(source):
    template = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    assert (source in showing_in(template)) is SHOWS[source]


def test_what_a_student_wrote_is_run_whatever_it_does():
    template = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    template.cells[0].metadata.nbgrader = {"solution": True, "grade": False}
    assert showing_in(template) == frozenset()


def test_a_course_without_pictures_keeps_the_texts(jail):
    template = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import matplotlib.pyplot as plt\nprint('first')\nplt.plot([1, 2])\nplt.show()"),
            nbformat.v4.new_code_cell("def f():\n    pass"),
            nbformat.v4.new_code_cell(
                "from IPython.display import HTML\nplt.plot([1, 2])\nplt.show()\nHTML('<b>x</b>')"
            ),
        ]
    )
    template.cells[1].metadata.nbgrader = {"solution": True, "grade": False}
    kinds = {}
    for pictures in (True, False):
        opening = opening_of(template, {})
        notebook = nbformat.reads(nbformat.writes(template), as_version=4)
        Marker("forward", "5" * 32, jail, opening=opening, pictures=pictures).mark(notebook, {})
        outputs = [output for cell in notebook.cells for output in cell.outputs]
        kinds[pictures] = {kind for output in outputs for kind in output.get("data", {"text": 1})}
    assert kinds[True] - kinds[False] == {"image/png"}
    assert {"text", "text/plain", "text/html"} <= kinds[False]
