"""Figures of the chapter on internal covariate shift; the page hands them what its experiments returned."""

import numpy as np

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, new_figure

LOOK = {
    "plain": (BEFORE, "-", "without"),
    "batchnorm": (AFTER, "-", "batch normalization"),
    "noisy": (INK, "--", "moved after it"),
}


def cloud(rng, mean, std=0.5, N=60):
    """Return inputs with exactly this mean and standard deviation, symmetric about the mean, and y = x**2."""
    z = rng.normal(size=N // 2)
    z = np.concatenate([z, -z])
    x = mean + std * z / z.std()
    return x, x**2


def moving_inputs(means=(-1.0, 1.0)):
    """Show y = x**2 for inputs in two places, and the best straight line for each."""
    rng = np.random.default_rng(0)
    curve = np.linspace(-2.4, 2.4, 101)
    fig, ax = new_figure(2.9)
    ax.plot(curve, curve**2, color=FAINT, linewidth=5)
    names = ("inputs at first", "inputs later")
    for mean, name, face in zip(means, names, (PAPER, INK), strict=True):
        x, y = cloud(rng, mean)
        slope, intercept = np.polyfit(x, y, 1)
        ends = mean + np.array([-1.3, 1.3])
        ax.plot(ends, slope * ends + intercept, color=SLOPE)
        ax.plot(x, y, "o", color=INK, markerfacecolor=face, markersize=4)
        ax.text(mean, 4.1, name, ha="center")
        ax.text(mean, -1.9, f"slope {slope:.0f}".replace("-", "\N{MINUS SIGN}"), color=SLOPE, ha="center")
    ax.set_ylim(-2.2, 4.8)
    ax.set_xlabel(r"input $x$")
    ax.set_ylabel(r"target $x^2$")
    return fig


def means_of_batches(means, mean, std, examples):
    """Show the mean of a unit's input over many mini-batches of several sizes, and the predicted spread."""
    sizes = np.array(sorted(means))
    N = np.geomspace(sizes[0] / 1.3, sizes[-1] * 1.3, 100)
    predicted = np.sqrt((examples - N) / (examples - 1) / N)
    fig, ax = new_figure(2.7)
    ax.fill_between(N, -2 * predicted, 2 * predicted, color=FAINT, linewidth=0)
    rng = np.random.default_rng(0)
    for size in sizes:
        values = (means[size] - mean) / std
        ax.semilogx(size * np.exp(rng.uniform(-0.09, 0.09, len(values))), values, ".", color=BEFORE, markersize=2.5)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_xlabel("batch size N")
    ax.set_ylabel("mean of the batch, in widths")
    return fig


def percentiles(seen, units):
    """Show the 15th, 50th and 85th percentile of one unit's input over the steps of training, for each kind.

    Parameters
    ----------
    seen : dict of str to Run
    units : dict of str to int
    """
    fig, axes = new_figure(2.9, ncols=len(seen), sharey=True)
    for ax, (kind, run) in zip(axes, seen.items(), strict=True):
        colour, _, name = LOOK[kind]
        low, median, high = run.percentiles[:, :, units[kind]].T
        ax.fill_between(run.seen_at, low, high, color=FAINT, linewidth=0)
        for values, width in ((low, 0.9), (median, 1.8), (high, 0.9)):
            ax.plot(run.seen_at, values, color=colour, linewidth=width)
        ax.set_title(name)
        ax.set_xlabel("steps")
    axes[0].set_ylabel("input of the sigmoid")
    return fig


def inputs_by_batch(seen, units, steps=120):
    """Show the mean and one standard deviation of a unit's input in each mini-batch, for each kind.

    Each is drawn about its own average over the steps, in its own average width.
    """
    fig, axes = new_figure(3.9, nrows=len(seen), sharex=True, sharey=True)
    t = np.arange(1, steps + 1)
    for ax, (kind, run) in zip(axes, seen.items(), strict=True):
        colour, _, name = LOOK[kind]
        width = run.stds[:steps, units[kind]].mean()
        mean = (run.means[:steps, units[kind]] - run.means[:steps, units[kind]].mean()) / width
        std = run.stds[:steps, units[kind]] / width
        ax.fill_between(t, mean - std, mean + std, color=FAINT, linewidth=0)
        ax.plot(t, mean, color=colour, linewidth=1.2)
        ax.set_title(name)
    axes[len(seen) // 2].set_ylabel("input of the sigmoid, in widths")
    axes[-1].set_xlabel("steps")
    return fig


def smoothed(losses, window=15):
    """Return the mean of each `window` consecutive losses."""
    return np.convolve(losses, np.full(window, 1 / window), mode="valid")


def losses(runs, window=15):
    """Show the loss over the steps, averaged over a few steps, a line for each seed.

    Parameters
    ----------
    runs : dict of str to list of Run
    """
    fig, ax = new_figure(2.9)
    for kind, group in runs.items():
        colour, line, _ = LOOK[kind]
        for run in group:
            smooth = smoothed(run.losses, window)
            ax.semilogy(np.arange(len(smooth)) + window, smooth, line, color=colour, linewidth=1.2)
    for kind, place in (("plain", (85, 1.1)), ("noisy", (235, 0.16)), ("batchnorm", (25, 0.08))):
        ax.text(*place, LOOK[kind][2], color=LOOK[kind][0])
    ax.set_yticks([0.03, 0.1, 0.3, 1, 3], ["0.03", "0.1", "0.3", "1", "3"])
    ax.minorticks_off()
    ax.set_xlabel("steps")
    ax.set_ylabel("loss")
    return fig


def dose(points, references):
    """Show the mean loss of a run against the shift per step, for a growing strength of the noise.

    Parameters
    ----------
    points : list of (strength, shift, loss)
    references : dict of str to (shift, loss)
    """
    _, shift, loss = np.array(points).T
    fig, ax = new_figure(2.8)
    ax.plot(shift, loss, "o--", color=INK, linewidth=1.2)
    for strength, x, y in points:
        ax.annotate(f"{strength:g}", (x, y), (4, -11), textcoords="offset points")
    for kind, (x, y) in references.items():
        ax.plot(x, y, "o", color=LOOK[kind][0], markersize=7)
        above = kind == "plain"
        place = (-3, 9) if above else (-3, -17)
        ax.annotate(LOOK[kind][2], (x, y), place, textcoords="offset points", color=LOOK[kind][0])
    ax.set_ylim(0, None)
    ax.set_xlabel("shift from batch to batch, in widths")
    ax.set_ylabel("mean loss of 200 steps")
    return fig


def gradient_shifts(change, every):
    """Show the relative change of a layer's gradient that the layers below cause, over the steps of training.

    Parameters
    ----------
    change : dict of str to ndarray of shape (times,)
    every : int
        Steps of training from one value to the next.
    """
    fig, ax = new_figure(2.4)
    for kind, values in change.items():
        colour, _, name = LOOK[kind]
        ax.plot(every * np.arange(len(values)), values, "o-", color=colour, linewidth=0.8, markersize=4)
        ax.text(every * len(values), values[-1], name, color=colour, va="center")
    ax.set_xlim(-every / 2, every * len(values) * 1.45)
    ax.set_ylim(0, 1)
    ax.set_xlabel("steps")
    ax.set_ylabel("change / gradient")
    return fig


def along_the_gradient(seen, step_sizes):
    """Show the range of the loss along the gradient, and the roughness at each loss.

    Parameters
    ----------
    seen : dict of str to Landscape
    """
    fig, axes = new_figure(4.9, nrows=2)
    for kind, land in seen.items():
        colour, _, name = LOOK[kind]
        ends = land.along.min(axis=1), land.along.max(axis=1)
        axes[0].fill_between(land.seen_at, *ends, facecolor=colour, edgecolor=colour, alpha=0.35, linewidth=0.8)
        axes[1].loglog(land.losses, land.roughness, "o", color=colour, markersize=4)
        at = len(land.seen_at) // 2
        place = (land.seen_at[at], ends[1][at] * 1.3) if kind == "plain" else (land.seen_at[0], 0.14)
        axes[0].text(*place, name, color=colour)
    axes[0].set_yscale("log")
    axes[0].set_ylim(0.09, 8)
    axes[0].set_title(f"loss after steps of {min(step_sizes):g} to {max(step_sizes):g} along the gradient")
    axes[0].set_xlabel("steps of training")
    axes[0].set_ylabel("loss")
    axes[1].set_title("change of the gradient per distance moved")
    axes[1].set_xlabel("loss at the point")
    axes[1].set_ylabel("roughness")
    for ticks, axis in (
        ((0.1, 0.3, 1, 3), axes[0].yaxis),
        ((0.2, 0.5, 1, 2, 4), axes[1].xaxis),
        ((0.5, 1, 2, 5), axes[1].yaxis),
    ):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    return fig


def learning_rates(rates, mean_losses):
    """Show the mean loss of a run against the learning rate.

    Parameters
    ----------
    rates : sequence of float
    mean_losses : dict of str to ndarray of the length of rates
    """
    fig, ax = new_figure(2.8)
    for kind, values in mean_losses.items():
        colour, line, _ = LOOK[kind]
        ax.loglog(rates, values, "o" + line, color=colour, linewidth=1.2)
    ax.axhline(np.log(10), color=GREY, linewidth=0.8, linestyle=":")
    ax.text(rates[0], np.log(10) * 1.1, "guessing", color=GREY, va="bottom")
    for kind, place in (("plain", (1.6, 5)), ("batchnorm", (0.028, 0.4))):
        ax.text(*place, LOOK[kind][2], color=LOOK[kind][0], ha="right" if kind == "plain" else "left")
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    ax.set_yticks([0.3, 1, 3, 10], ["0.3", "1", "3", "10"])
    ax.minorticks_off()
    ax.set_ylim(0.2, 30)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("mean loss of 200 steps")
    return fig


def depth(measured, growth):
    """Show the mean square of the gradient on its way down through the layers, and the predicted growth.

    Parameters
    ----------
    measured : dict of str to ndarray of shape (depth,)
        First layer first; the key is written beside the line. With batch normalization, except the key 'plain'.
    growth : dict of str to float
        Predicted factor per layer.
    """
    fig, ax = new_figure(3.2)
    for name, mean_square in measured.items():
        relative = mean_square[-4:0:-1] / mean_square[-4]  # on the way down, without the layers at both ends
        passed = np.arange(len(relative))
        colour = BEFORE if name.startswith("plain") else AFTER
        if name in growth:
            ax.semilogy(passed, growth[name] ** passed, color=FAINT, linewidth=5, zorder=1)
        ax.semilogy(passed[::3], relative[::3], "o", color=colour, markersize=3.5)
        ax.text(passed[-1] + 1.5, relative[-1], name, color=colour, va="center")
    ax.set_xlim(-1, len(passed) + 13)
    ax.set_xticks([0, 10, 20, 30])
    ax.set_xlabel("layers passed on the way down")
    ax.set_ylabel("mean square of the gradient,\nrelative to the start")
    return fig
