"""The report's pictures: SVG in the page's colours and font, with a title that says what is to be seen."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from autograder.report.data import Agenda, ClassData, Separation

# Placeholders that become the page's own colours, by day, at night and on paper.
_INK, _FULL, _SOME, _NONE, _FAINT = "#010101", "#020202", "#030303", "#040404", "#050505"
_COLOURS = {_INK: "currentColor", _FULL: "var(--full)", _SOME: "var(--some)", _NONE: "var(--none)"}
_COLOURS[_FAINT] = "var(--rule)"
_WIDTH = 4.8  # inches: as wide as a phone, so that letters keep their size there
_ROW = 0.46  # inches
_SETTINGS: Any = {
    **{"svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False},
    **{"text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK},
}


def marks(data: ClassData) -> Markup:
    """Draw how many submissions have how many marks."""
    totals, most = data.totals(), data.max_score
    counts, edges = histogram(totals, most)
    with mpl.rc_context(_SETTINGS):
        fig = Figure(figsize=(_WIDTH, 2.1), layout="constrained")
        ax = fig.subplots()
        ax.bar(edges[:-1], counts, np.diff(edges) * 0.9, align="edge", color=_FULL)
        ax.axvline(float(np.median(totals)), color=_INK, linestyle="--", linewidth=1)
        _label(ax, f"median {np.median(totals):g}", (float(np.median(totals)), 1.0), ("data", "axes fraction"))
        ax.set_xlabel(f"marks, of {most:g}")
        ax.set_ylabel("submissions")
        ax.set_xlim(0, edges[-1])
        _whole_numbers(ax.yaxis)
        title = f"Marks of {len(totals)} submissions: median {np.median(totals):g} of {most:g}."
        return _svg(fig, "marks", title)


def histogram(totals: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how many totals lie in each of about ten equal steps, and the steps' edges."""
    width = next(step for step in (0.5, 1, 2, 2.5, 5, 10, 20, 25, 50, 100, 1e9) if most / step <= 12)
    edges = np.append(np.arange(0, most - 1e-9, width), most)
    return np.histogram(np.clip(totals, 0, most), edges)[0], edges


def parts(data: ClassData) -> Markup:
    """Draw for each part who has all of its points, some, or none."""
    rows = [(part.name, *levels(data.shares(part))) for part in data.marked_parts()]
    with mpl.rc_context(_SETTINGS):
        fig, ax = _rows([name for name, *_ in rows])
        left = np.zeros(len(rows))
        for level, (colour, hatch) in enumerate(((_FULL, ""), (_SOME, "////"), (_NONE, ""))):
            counts = np.array([row[1 + level] for row in rows], dtype=float)
            edge = _INK if colour == _NONE else colour
            ax.barh(
                range(len(rows)), counts, 0.42, left, color=colour, hatch=hatch, edgecolor=edge, linewidth=0.6,
                label=("all points", "some", "none")[level],
            )  # fmt: skip
            left += counts
        ax.set_xlabel("submissions")
        _whole_numbers(ax.xaxis)
        fig.legend(loc="outside upper left", ncols=3, frameon=False)
        return _svg(fig, "parts", "Of each part, how many submissions have all points, some, and none.")


def levels(shares: np.ndarray) -> tuple[int, int, int]:
    """Return how many shares are all, some, and none of a part's points."""
    full, none = int((shares >= 1 - 1e-9).sum()), int((shares <= 1e-9).sum())
    return full, int((~np.isnan(shares)).sum()) - full - none, none


def misconceptions(found: Sequence[Agenda]) -> Markup:
    """Draw in how many submissions each misconception was found."""
    with mpl.rc_context(_SETTINGS):
        fig, ax = _rows([" or ".join(entry.misconceptions) for entry in found])
        ax.barh(range(len(found)), [len(entry.papers) for entry in found], 0.42, color=_SOME)
        ax.set_xlabel("submissions")
        _whole_numbers(ax.xaxis)
        first = " or ".join(found[0].misconceptions)
        title = (
            f"The {len(found)} most frequent misconceptions: first \u201c{first}\u201d, {len(found[0].papers)} times."
        )
        return _svg(fig, "misconceptions", title)


def separations(found: Sequence[Separation]) -> Markup:
    """Draw how well each part separates."""
    shown = [s for s in found if s.correlation is not None]
    values = [s.correlation or 0.0 for s in shown]
    with mpl.rc_context(_SETTINGS):
        fig, ax = _rows([s.part.name for s in shown])
        ax.barh(range(len(shown)), values, 0.42, color=_FULL)
        ax.axvline(0, color=_INK, linewidth=0.8)
        ax.set_xlim(min(0, *values), 1)
        ax.set_xlabel("correlation with the marks of all other parts")
        return _svg(fig, "separations", "How well the marks of each part go along with those of all other parts.")


def hand_in(late: Sequence[float]) -> Markup:
    """Draw when submissions were handed in, in days from the deadline."""
    days = np.asarray(late) / 86400
    with mpl.rc_context(_SETTINGS):
        fig = Figure(figsize=(_WIDTH, 1.6), layout="constrained")
        ax = fig.subplots()
        ax.plot(np.sort(days), np.arange(1, len(days) + 1), drawstyle="steps-post", color=_FULL)
        ax.axvline(0, color=_INK, linestyle="--", linewidth=1)
        ax.set_xlabel("days from the deadline (after it: to the right)")
        ax.set_ylabel("handed in")
        _whole_numbers(ax.yaxis)
        return _svg(fig, "handed-in", "How many submissions had been handed in at which time around the deadline.")


def _rows(names: Sequence[str]) -> tuple[Figure, mpl.axes.Axes]:
    """Return a figure with a row for each name, which stands above its bar: on a phone there is no room beside it."""
    fig = Figure(figsize=(_WIDTH, 0.8 + _ROW * len(names)), layout="constrained")
    ax = fig.subplots()
    ax.set_yticks([])
    ax.set_ylim(len(names) - 0.5, -0.8)
    ax.spines["left"].set_visible(False)
    for row, name in enumerate(names):
        _label(ax, name, (0, row - 0.26), ("axes fraction", "data"))
    return fig, ax


def _label(ax: mpl.axes.Axes, text: str, at: tuple[float, float], coordinates: tuple[str, str]) -> None:
    ax.annotate(text, at, (2, 1), xycoords=coordinates, textcoords="offset points", verticalalignment="bottom")


def _whole_numbers(axis: mpl.axis.Axis) -> None:
    axis.set_major_locator(mpl.ticker.MaxNLocator(integer=True, min_n_ticks=1))


def _svg(fig: Figure, name: str, title: str) -> Markup:
    """Return a figure as an element of a page; what it shows is said in its title, and the page shows the numbers."""
    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        fig.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = re.sub(r"<metadata>.*?</metadata>", "", text.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'font: ([\d.]+)px [^;"]*', r"font-size: \1px", svg[svg.index("<svg") :])
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(?<=href="#)|(?<=url\(#)', f"{name}-", svg)
    for placeholder, colour in _COLOURS.items():
        svg = svg.replace(placeholder, colour)
    size = re.search(r'viewBox="[^"]*"', svg)
    head = (
        f'<svg {size[0] if size else ""} role="img" aria-labelledby="{name}-title" xmlns="http://www.w3.org/2000/svg"'
    )
    head += f' xmlns:xlink="http://www.w3.org/1999/xlink"><title id="{name}-title">{escape(title)}</title>'
    return Markup(head + svg[svg.index(">", svg.index("<svg")) + 1 :])
