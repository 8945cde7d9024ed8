"""Figures of the chapter on a network: accuracies, maps, layers, batch sizes, and modes mixed up."""

import numpy as np
from matplotlib.patches import Rectangle

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, bar_map, new_figure

LOOK = {False: (BEFORE, "no normalization"), True: (AFTER, "batch normalization")}


def hidden_layer():
    """Draw a hidden layer with its three steps: values to the right, gradients to the left, parameters below."""
    fig, ax = new_figure(2.5)
    ax.set_axis_off()
    ax.set_xlim(0, 12.6)
    ax.set_ylim(0.3, 6.2)
    boxes = (
        (0.1, r"$x$", r"$dx$", r"$(N, D_{in})$", BEFORE),
        (3.5, r"$linear$", r"$dlinear$", r"$(N, D_{out})$", BEFORE),
        (6.9, r"$z$", r"$dz$", r"$(N, D_{out})$", AFTER),
        (10.3, r"$out$", r"$dout$", r"$(N, D_{out})$", INK),
    )
    for left, name, gradient, shape, colour in boxes:
        ax.add_patch(Rectangle((left, 2.6), 2.2, 2.5, facecolor=PAPER, edgecolor=colour))
        ax.text(left + 1.1, 4.55, name, color=colour, ha="center", va="center")
        ax.text(left + 1.1, 3.85, shape, color=GREY, ha="center", va="center", fontsize=7.5)
        ax.text(left + 1.1, 3.1, gradient, color=SLOPE, ha="center", va="center")
    steps = (
        (2.3, r"$W$", r"$dW = x^T dlinear$"),
        (5.7, r"$\gamma, \beta$", r"$d\gamma, d\beta$"),
        (9.1, "sigmoid", ""),
    )
    for left, name, gradient in steps:
        ax.annotate("", (left + 1.2, 4.5), (left, 4.5), arrowprops={"arrowstyle": "-|>", "color": GREY})
        ax.annotate("", (left, 3.1), (left + 1.2, 3.1), arrowprops={"arrowstyle": "-|>", "color": SLOPE})
        ax.text(left + 0.6, 5.35, name, ha="center", va="bottom", fontsize=8.5)
        if gradient:
            ax.annotate("", (left + 0.6, 1.5), (left + 0.6, 2.9), arrowprops={"arrowstyle": "-|>", "color": SLOPE})
            ax.text(left + 0.6, 1.3, gradient, color=SLOPE, ha="center", va="top", fontsize=8.5)
    return fig


def headline(steps):
    """Show how many steps each network of a comparison needed, and by which factor each is ahead of the one before.

    Parameters
    ----------
    steps : dict of str to float
        In millions, by the name of the network; all but the first normalize.
    """
    fig, ax = new_figure(2.1)
    before = None
    for row, millions in enumerate(steps.values()):
        ax.barh(row, millions, 0.55, color=AFTER if row else BEFORE)
        fewer = f", fewer by the factor {before / millions:.1f}" if row else ""
        ax.text(millions + 0.5, row, f"{millions:.1f}{fewer}", va="center")
        before = millions
    ax.set_yticks(range(len(steps)), list(steps))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(len(steps) - 0.5, -0.5)
    ax.set_xlim(0, 1.35 * max(steps.values()))
    ax.set_xlabel("million steps to the accuracy of the first")
    return fig


def accuracies(runs):
    """Show the accuracy on the test part over the steps, one thin line a seed.

    Parameters
    ----------
    runs : list of (batchnorm, name, list of Run)
        A network without normalization that is not the first one is dashed.
    """
    fig, ax = new_figure(3.0)
    for place, (batchnorm, name, seeds) in enumerate(runs):
        colour, _ = LOOK[batchnorm]
        for run in seeds:
            ax.plot(run.seen_at, run.accuracies, color=colour, linestyle="--" if place == 2 else "-", linewidth=1.1)
        last = runs[0][2][0].seen_at[-1]
        height = (1.04, 0.53, 0.13)[place]
        ax.text(last, height, name, color=colour, ha="right", va="bottom")
    ax.set_ylim(0, 1.15)
    ax.set_yticks([0, 0.5, 1])
    ax.set_xlabel("steps")
    ax.set_ylabel("share right")
    return fig


def accuracy_map(rates, scales, shares):
    """Show the accuracy with and without normalization for every learning rate and weight scale, as two bars.

    Parameters
    ----------
    rates, scales : sequence
    shares : dict of bool to ndarray of shape (len(scales), len(rates))
    """
    fig, ax = new_figure(4.0)
    bars = [(*LOOK[kind][::-1], place, shares[kind]) for kind, place in ((False, 0), (True, 0.5))]
    bar_map(ax, scales, rates, bars)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("weight scale $c$")
    return fig


def layers(runs):
    """Show saturated fraction and gradient norm of every layer at several times, for two networks side by side.

    Parameters
    ----------
    runs : list of (batchnorm, name, Run)
    """
    fig, axes = new_figure(4.4, nrows=2, ncols=2, sharex=True, sharey="row")
    styles = (("o", ":"), ("s", "--"), ("^", "-"))
    for column, (batchnorm, name, run) in enumerate(runs):
        colour, _ = LOOK[batchnorm]
        place = np.arange(1, run.saturated.shape[1] + 1)
        for step, saturated, gradients, (marker, line) in zip(
            run.seen_at, run.saturated, run.gradients, styles, strict=False
        ):
            label = f"step {step}"
            axes[0, column].plot(place, saturated, line, marker=marker, color=colour, markersize=4, label=label)
            axes[1, column].semilogy(place, gradients, line, marker=marker, color=SLOPE, markersize=4)
        axes[0, column].set_title(name, color=colour)
        axes[0, column].legend(frameon=False, fontsize=8, loc="upper right")
        axes[1, column].set_xlabel("hidden layer")
        axes[1, column].set_xticks(place)
    axes[0, 0].set_ylim(-0.015, 0.4)
    axes[0, 0].set_ylabel("saturated fraction")
    axes[1, 0].set_ylabel("norm of the gradient")
    return fig


def batch_sizes(sizes, shares):
    """Show the accuracy against the batch size, one dot a seed, and a line through the averages.

    Parameters
    ----------
    sizes : sequence of int
    shares : dict of bool to ndarray of shape (len(sizes), seeds)
    """
    fig, ax = new_figure(2.9)
    for batchnorm, (colour, name) in LOOK.items():
        ax.semilogx(sizes, shares[batchnorm].mean(axis=1), color=colour)
        ax.semilogx(sizes, shares[batchnorm], "o" if batchnorm else "s", color=colour)
        ax.text(sizes[-1], 0.25 if batchnorm else 0.12, name, color=colour, ha="right")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_ylim(0, 1.05)
    ax.set_xlabel("batch size")
    ax.set_ylabel("share right")
    return fig


def forgotten_switch(sizes, mixed, in_order, right):
    """Show the accuracy with batch statistics at test time against the size of the test batches.

    Parameters
    ----------
    sizes : sequence of int
    mixed, in_order : sequence of float
        Accuracy for batches drawn at random and for batches sorted by label.
    right : float
        Accuracy in test mode.
    """
    fig, ax = new_figure(2.9)
    ax.axhline(right, color=GREY, linewidth=1)
    ax.semilogx(sizes, mixed, "-o", color=AFTER)
    ax.semilogx(sizes, in_order, "--s", color=INK)
    ax.text(sizes[0], right + 0.02, "test mode", color=GREY, va="bottom")
    ax.text(sizes[2] * 1.3, mixed[2] - 0.12, "digits mixed", color=AFTER)
    ax.text(sizes[-1], in_order[-2] - 0.05, "digits in order", color=INK, ha="right", va="top")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_ylim(0, 1.12)
    ax.set_xlabel("size of the test batches")
    ax.set_ylabel("share right")
    return fig


def frozen_losses(runs, freeze_after, window=10):
    """Show the loss when the mode switch stays at 'test' after some steps, at two learning rates, above each other.

    Parameters
    ----------
    runs : dict of float to (Run, Run)
        For each learning rate the right run, and the one with constant statistics.
    freeze_after : int
    """
    fig, axes = new_figure(3.9, nrows=len(runs), sharex=True)
    for ax, (rate, pair) in zip(axes, runs.items(), strict=True):
        ax.axvline(freeze_after, color=FAINT, linewidth=3)
        for run, colour, line in zip(pair, (AFTER, INK), ("-", "--"), strict=True):
            smooth = np.convolve(run.losses, np.full(window, 1 / window), mode="valid")
            ax.plot(np.arange(len(smooth)) + window, smooth, line, color=colour)
        ax.set_title(f"learning rate {rate:g}")
        ax.set_ylabel("loss")
        ax.set_ylim(0, None)
    axes[0].text(0.98, 0.92, "batch statistics throughout", color=AFTER, ha="right", transform=axes[0].transAxes)
    axes[0].text(0.98, 0.76, "running averages from the bar on", color=INK, ha="right", transform=axes[0].transAxes)
    axes[-1].set_xlabel("steps")
    return fig
