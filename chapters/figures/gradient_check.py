"""Figures and tables of the chapter on gradient checks."""

import numpy as np
from matplotlib.patches import Rectangle

from .forward_pass import myst_table
from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, new_figure


def quotients(function, derivative, h):
    """Show a function of one number around 0, its tangent, and the two secants of which differences are slopes.

    Parameters
    ----------
    function : callable
        Takes and returns an ndarray of any length.
    derivative : float
        The slope at 0.
    h : float
    """
    t = np.linspace(-1.4 * h, 1.4 * h, 201)
    below, middle, above = function(np.array([-h, 0, h]))
    fig, ax = new_figure(2.9)
    ax.plot(t, function(t), color=INK)
    ax.plot(t, middle + derivative * t, color=SLOPE, linewidth=5, alpha=0.35)
    ax.plot(t, middle + (above - middle) / h * t, color=GREY, linestyle="--")
    ax.plot(t, (above + below) / 2 + (above - below) / (2 * h) * t, color=SLOPE)
    ax.plot([-h, 0, h], [below, middle, above], "o", color=INK, markeredgecolor=PAPER, zorder=5)
    ax.set_xticks([-h, 0, h], [r"$x_i-h$", r"$x_i$", r"$x_i+h$"])
    ax.set_xlabel("one entry of x")
    ax.set_ylabel("L")
    ax.legend(
        ax.lines[1:4],
        ["tangent: the derivative", "one-sided difference", "central difference"],
        frameon=False,
        labelcolor="linecolor",
        handlelength=2.4,
    )
    return fig


def two_errors(steps, measured, predicted, best):
    """Show the error of central and one-sided differences against the step, in both precisions.

    Parameters
    ----------
    steps : ndarray
    measured : dict of str to (ndarray, ndarray)
        Errors of central and of one-sided differences by the name of the precision.
    predicted : dict of str to ndarray
        Errors of central differences.
    best : dict of str to float
        Predicted best step of central differences.
    """
    fig, axes = new_figure(3.4, ncols=2, sharey=True)
    for ax, (name, (central, one_sided)) in zip(axes, measured.items(), strict=True):
        ax.plot(steps, predicted[name], color=FAINT, linewidth=5, zorder=1)
        ax.loglog(steps, one_sided, ".", color=GREY, markersize=4)
        ax.loglog(steps, central, ".", color=SLOPE, markersize=5)
        ax.axvline(best[name], color=INK, linewidth=0.8, linestyle=":")
        ax.set_title(name)
        ax.set_xlabel("step h")
        ax.set_ylim(1e-12, 30)
        ax.set_xticks([1e-12, 1e-8, 1e-4])
        ax.minorticks_off()
    axes[0].set_ylabel("relative error of dx")
    axes[1].text(5e-3, 1e-7, "central", color=SLOPE, ha="right")
    axes[1].text(5e-3, 1e-8, "one-sided", color=GREY, ha="right")
    axes[1].text(5e-3, 1e-9, "predicted best h", color=INK, ha="right")
    return fig


def spreads(steps, errors):
    """Show the error of central differences against the step for features of several spreads.

    Parameters
    ----------
    steps : ndarray
    errors : dict of float to ndarray
        Errors by the standard deviation of the features.
    """
    colours = (BEFORE, SLOPE, AFTER)
    fig, ax = new_figure(2.8)
    for colour, (spread, error) in zip(colours, errors.items(), strict=True):
        ax.loglog(steps, error, ".", color=colour, markersize=5)
        lowest = error.argmin()
        ax.text(steps[lowest], error[lowest] / 6, f"std {spread:g}", color=colour, ha="center", va="top")
    ax.axvline(1e-5, color=INK, linewidth=0.8, linestyle=":")
    ax.text(1.3e-5, 3, r"$h=10^{-5}$")
    ax.set_ylim(1e-13, 30)
    ax.set_xlabel("step h")
    ax.set_ylabel("relative error of dx")
    return fig


def two_measures(entrywise, by_feature, tolerance):
    """Show how large two measures of an error are for the right gradient, as the share of batches that exceed a value.

    Parameters
    ----------
    entrywise, by_feature : ndarray of shape (batches,)
        Relative error and deviation of each batch.
    tolerance : float
        Of a careful check; drawn as a line.
    """
    fig, ax = new_figure(2.8)
    for errors, colour, name, line in (
        (entrywise, INK, "entry by entry", "--"),
        (by_feature, SLOPE, "feature by feature", "-"),
    ):
        share = 1 - np.arange(len(errors)) / len(errors)
        ax.step(np.sort(errors), share, line, color=colour, where="pre", label=name)
    ax.axvline(tolerance, color=GREY, linewidth=0.8, linestyle=":")
    ax.text(tolerance / 1.2, 1.02, "tolerance", color=GREY, ha="right", va="bottom")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(0.004, 1.6)
    ax.set_yticks([0.01, 0.1, 1], ["1 %", "10 %", "100 %"])
    ax.minorticks_off()
    ax.set_xlabel("error of the right dx against the numerical one")
    ax.set_ylabel("batches that exceed it")
    ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(0.97, 0.9), labelcolor="linecolor")
    return fig


def survivors(table):
    """Show which wrong backward passes a check lets through on batches of every shape.

    Parameters
    ----------
    table : dict of (int, int) to list of str
        For each shape (N, D) the letters of the mistakes that pass.
    """
    most_N, most_D = np.max(list(table), axis=0)
    fig, ax = new_figure(3.3)
    for (N, D), letters in table.items():
        face = FAINT if letters else PAPER
        ax.add_patch(Rectangle((D - 0.46, N - 0.46), 0.92, 0.92, facecolor=face, edgecolor=GREY, linewidth=0.8))
        ax.text(D, N, " ".join(letters), ha="center", va="center")
    ax.set_xlim(0.4, most_D + 0.6)
    ax.set_ylim(most_N + 0.6, 0.4)
    ax.set_xticks(range(1, most_D + 1))
    ax.set_yticks(range(1, most_N + 1))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("features D")
    ax.set_ylabel("examples N")
    return fig


def own_forward(sizes, deviations, stds, tolerance):
    """Show what a gradient check and a property of the output say about a layer that divides by N - 1.

    Parameters
    ----------
    sizes : sequence of int
        Batch sizes.
    deviations : sequence of float
        Of dx from the numerical gradient of the layer's own forward pass.
    stds : sequence of float
        Of its x_hat.
    tolerance : float
        Of a careful check; drawn as a line.
    """
    fig, (left, right) = new_figure(2.7, ncols=2)
    left.loglog(sizes, deviations, "o", color=SLOPE)
    left.axhline(tolerance, color=GREY, linewidth=0.8, linestyle=":")
    left.text(sizes[0], tolerance * 1.5, "tolerance", color=GREY, va="bottom")
    left.set_ylim(1e-13, 1e-4)
    left.set_title("gradient check: passes")
    left.set_ylabel("deviation of dx")
    N = np.geomspace(sizes[0], sizes[-1], 100)
    right.plot(N, np.sqrt((N - 1) / N), color=FAINT, linewidth=5, zorder=1)
    right.semilogx(sizes, stds, "o", color=AFTER)
    right.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    right.text(sizes[-1], 1.01, "as it should be", color=GREY, ha="right", va="bottom")
    right.set_ylim(0.65, 1.06)
    right.set_title("a property: fails")
    right.set_ylabel(r"std of $\hat{x}$")
    for ax in (left, right):
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set_xlabel("batch size N")
    return fig


def remaining(ratios, square, random):
    """Show which part of the direct path's gradient is left in dx, against eps / var, for two losses."""
    fig, ax = new_figure(2.7)
    line = np.logspace(np.log10(ratios[0]), np.log10(ratios[-1]), 200)
    ax.plot(line, line / (1 + line), color=FAINT, linewidth=5, zorder=1)
    ax.loglog(ratios, square, "o", color=SLOPE)
    ax.loglog(ratios, random, "o", color=GREY, markerfacecolor=PAPER)
    ax.text(ratios[0], random[0] / 2, "random dout", color=GREY, va="top")
    ax.text(2e-3, 2e-4, r"loss sum(out$^2$)", color=SLOPE)
    ax.set_ylim(3e-7, 3)
    ax.set_xlabel("eps / var")
    ax.set_ylabel("dx / direct path")
    return fig


def mistakes_with_eps(eps_values, deviations, tolerance):
    """Show how far each mistake with eps is from the numerical gradient, against eps.

    Parameters
    ----------
    eps_values : ndarray
    deviations : dict of str to ndarray
    tolerance : float
        Of a careless check; drawn as a line.
    """
    looks = [("o", GREY, PAPER), ("o", BEFORE, BEFORE), ("^", SLOPE, SLOPE), ("s", INK, PAPER), ("D", AFTER, PAPER)]
    fig, ax = new_figure(3.6)
    for (marker, colour, face), (name, deviation) in zip(looks, deviations.items(), strict=True):
        ax.loglog(eps_values, deviation, marker, color=colour, markerfacecolor=face, label=name, linestyle="-", lw=0.8)
    ax.axhline(tolerance, color=INK, linewidth=0.8, linestyle=":")
    ax.text(eps_values[0], tolerance * 1.6, "a tolerance in use, 1e-3")
    ax.set_xlabel("eps (all variances are 0.09)")
    ax.set_ylabel("deviation from the numerical dx")
    ax.legend(frameon=False, fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 0.12))
    return fig


def directions(tolerances, shares, predicted):
    """Show the share of random directions that let a wrong gradient through, against the tolerance.

    Parameters
    ----------
    tolerances : ndarray
    shares, predicted : dict of str to ndarray
        By the name of the wrong gradient.
    """
    fig, ax = new_figure(2.8)
    colours = (BEFORE, SLOPE, AFTER)
    for colour, (name, share) in zip(colours, shares.items(), strict=True):
        ax.plot(tolerances, predicted[name], color=FAINT, linewidth=5, zorder=1)
        seen = share > 0
        ax.loglog(tolerances[seen], share[seen], "o", color=colour, markersize=4, label=name)
    ax.set_xlabel("tolerance")
    ax.set_ylabel("share let through")
    ax.set_ylim(3e-5, 3)
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    return fig


def power(value):
    """Write a number as one digit times a power of ten, as math."""
    digit, exponent = f"{value:.0e}".split("e")
    return rf"${digit} \cdot 10^{{{int(exponent)}}}$"


def best_table(rows):
    """Write the table of the lowest points: {format: ((step predicted, measured), (error predicted, measured))}."""
    cells = [
        [f"{name}, {what}", *map(power, values)]
        for name, pairs in rows.items()
        for what, values in zip(("best $h$", "error"), pairs, strict=True)
    ]
    caption = "The lowest point of the V, predicted and measured."
    return myst_table("tab-gradcheck-best", caption, ["format", "predicted", "measured"], cells)


def verdict(passes):
    return "passes" if passes else "**caught**"


def number(value):
    return f"{value:.0e}" if value < 1e-3 else f"{100 * value:.1f} %"


def verdict_table(name, caption, verdicts, first="backward pass"):
    """Write a table of verdicts: {row: {column: passes}}."""
    columns = list(next(iter(verdicts.values())))
    rows = [[row, *(verdict(cells[column]) for column in columns)] for row, cells in verdicts.items()]
    return myst_table(name, caption, [first, *columns], rows)


def eps_table(columns):
    """Write the table of deviations of the mistakes with eps: {heading: {mistake: deviation}}."""
    mistakes = next(iter(columns.values()))
    rows = [[mistake, *(number(float(column[mistake])) for column in columns.values())] for mistake in mistakes]
    caption = "Largest deviation of dx from the numerical gradient, relative to the feature's largest gradient."
    return myst_table("tab-gradcheck-eps", caption, ["backward pass", *columns], rows)
