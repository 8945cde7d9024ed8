"""The one look of all figures: what each colour means, and how a figure reaches a page."""

from pathlib import Path

import matplotlib.style
import numpy as np
from IPython import get_ipython
from matplotlib.figure import Figure

# The style sheet of the pages uses the same values (Okabe and Ito's colours, distinct to the colour-blind).
BEFORE = "#0072B2"  # values before normalization
AFTER = "#D55E00"  # values after normalization
SLOPE = "#009E73"  # slopes and gradients
INK = "#333333"  # text, and lines without a meaning of their own
GREY = "#767676"  # axes, references, theory beside a measurement
FAINT = "#D0D0D0"  # guides that must not draw the eye
PAPER = "#FFFFFF"  # the card on which every figure lies, also in the dark theme

COLOURS = (BEFORE, AFTER, SLOPE, INK, GREY, FAINT, PAPER)

WIDTH = 4.8  # inches; in a wider figure the letters become too small on a phone

STYLE_SHEET = Path(__file__).parent.parent / "book.mplstyle"


def use():
    """Set the book's style; in a notebook, show figures as SVG whose bytes do not change from build to build."""
    matplotlib.style.use(STYLE_SHEET)
    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", bbox_inches=None, metadata={"Date": None})


def new_figure(height, **layout):
    """Return a figure of the book's width and its axes.

    The figure belongs to no pyplot state: a page shows it by returning it from a cell, and nothing needs closing.

    Parameters
    ----------
    height : float
        In inches.
    **layout
        Passed to `Figure.subplots`.
    """
    fig = Figure(figsize=(WIDTH, height))
    return fig, fig.subplots(**layout)


def number_line(ax, tracks, names, colour):
    """Draw each row of values as dots on a line of its own, the first on top, with the mean and one std to each side.

    Parameters
    ----------
    ax : Axes
    tracks : list of ndarray of shape (N,)
    names : list of str
        One for each track.
    colour : str
    """
    height = range(len(tracks) - 1, -1, -1)
    for y, values in zip(height, tracks, strict=True):
        mean, std = values.mean(), values.std()
        ax.plot([mean - std, mean + std], [y, y], color=FAINT, linewidth=7, solid_capstyle="butt", zorder=1)
        ax.plot([mean, mean], [y - 0.3, y + 0.3], color=GREY, linewidth=1.2, zorder=2)
        ax.plot(values, [y] * len(values), "o", color=colour, markeredgecolor=PAPER, markeredgewidth=0.6, zorder=3)
    ax.set_yticks(list(height), names)
    ax.set_ylim(-0.6, len(tracks) - 0.4)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def bar_map(ax, rows, columns, bars):
    """Draw a table of shares as bars, side by side in each cell; a row is as high as a share of 1.25.

    Parameters
    ----------
    ax : Axes
    rows, columns : sequence
        What belongs to the rows, from the lowest, and to the columns.
    bars : list of (name, colour, place, ndarray of shape (len(rows), len(columns)))
        The names stand above the table, at a place from 0 to 1 along its width.
    """
    distance = 0.9 / (len(bars) + 0.5)
    for row in range(len(rows)):
        ax.axhline(row, color=FAINT, linewidth=0.8)
        for column in range(len(columns)):
            for number, (_, colour, _, shares) in enumerate(bars):
                middle = column + (number - (len(bars) - 1) / 2) * distance
                ax.bar(middle, 0.8 * shares[row, column], 0.8 * distance, bottom=row, color=colour)
    for name, colour, place, _ in bars:
        ax.text(place * len(columns) - 0.4, len(rows) + 0.05, name, color=colour)
    ax.set_xticks(range(len(columns)), [f"{column:g}" for column in columns])
    ax.set_yticks(np.arange(len(rows)) + 0.4, [f"{row:g}" for row in rows])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylim(-0.05, len(rows) + 0.4)
