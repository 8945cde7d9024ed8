"""What makes a submission's process fast changes nothing that a student sees."""

import base64
import io

import numpy as np
import pytest
from IPython.core import pylabtools
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from autograder.builder.text import read_text
from autograder.course import ASSIGNMENTS
from autograder.engine.student_side import pictures, student

# ---- pictures ----


def figure(layout="constrained", note=""):
    figure = Figure(figsize=(5, 3), layout=layout)
    FigureCanvasAgg(figure)
    axis = figure.add_subplot(title="a title", xlabel="x", ylabel="$y^2$")
    axis.plot([0, 1, 2], [3, -1, 2])
    if note:
        figure.text(0.9, 0.5, note)
    return figure


def picture(base64_text):
    return Image.open(io.BytesIO(base64.b64decode(base64_text))).convert("RGB")


def test_a_picture_shows_what_the_standard_one_shows():
    ours = picture(pictures.print_figure(figure(), base64=True))
    theirs = picture(pylabtools.print_figure(figure(), base64=True))
    assert np.abs(np.subtract(ours.size, theirs.size)).max() <= 6
    small = [np.asarray(one.resize((20, 12)), dtype=float) for one in (ours, theirs)]
    empty = np.abs(255 - small[1]).mean()
    assert np.abs(small[0] - small[1]).mean() < empty / 3


@pytest.mark.parametrize(
    "make",
    [lambda: figure(layout="none"), lambda: figure(note="far too long for this place"), Figure],
    ids=["no layout", "a note beyond the canvas", "nothing in it"],
)
def test_what_cannot_be_cut_in_the_picture_is_drawn_as_ever(make, monkeypatch):
    monkeypatch.setattr(pictures, "_print_figure", lambda *args, **more: "the standard picture")
    assert pictures.print_figure(make(), base64=True) == "the standard picture"


def test_the_error_of_a_figure_that_cannot_be_drawn_is_the_standard_one():
    broken = figure()
    broken.axes[0].set_xlabel("$\\frac{1$")
    with pytest.raises(ValueError, match="ParseSyntaxException"):
        pictures.print_figure(broken, base64=True)


# ---- cells ----

ODD = [
    "%matplotlib inline\nx = 1",
    "x = 1\n!ls",
    "x = 1\nx?",
    "files = !ls\nfiles",
    ">>> x = 1\n>>> x",
    "In [1]: x = 1\nx",
    "    x = 1\n    y = 2",
    "\n\nx = 1\ny = 2",
    "x = '''\n    \n>>> y'''\nz = 1",
    "def f():\n    x = 1\n   \n    return x\n",
    "x = 1\n...",
    "exit",
    "def f(:\n    pass",
    "%%timeit\nx = 1",
    "x = 1; y = 2\nprint(x); y",
    "'\\d'\nx = 1",
    "if True:\n\tx = 1\n\n",
]
GIVEN = [block.content for path in sorted(ASSIGNMENTS.glob("*.md")) for block in read_text(path).blocks]


@pytest.fixture(scope="module")
def shell():
    yield student.RecordingShell.instance()
    student.RecordingShell.clear_instance()


@pytest.mark.parametrize("cell", ODD)
def test_a_cell_is_read_as_ipython_reads_it(shell, cell):
    assert shell.transform_cell(cell) == InteractiveShell.transform_cell(shell, cell)


def test_every_given_text_is_read_as_ipython_reads_it(shell):
    fast = 0
    for text in GIVEN:
        assert shell.transform_cell(text) == InteractiveShell.transform_cell(shell, text)
        fast += shell.compile._parsed is not None
    assert fast > 50


def test_only_a_cell_that_waits_for_something_is_run_as_one(shell):
    waits = {"x = 1\ny = x": False, "awaited = 1\nawaited": False, "import asyncio\nawait asyncio.sleep(0)": True}
    for cell, expected in waits.items():
        assert shell.should_run_async(cell, transformed_cell=cell) is expected
