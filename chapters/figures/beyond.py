"""Figures of the chapter beyond batch normalization."""

import numpy as np
from matplotlib.patches import Rectangle

from solutions import batchnorm_forward, layernorm_forward, spatial_batchnorm_forward

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, new_figure


def by_example(rows):
    """Return the rows of a matrix, each normalized over its own entries, with gamma = 1 and beta = 0."""
    D = rows.shape[1]
    return layernorm_forward(rows, np.ones(D), np.zeros(D), {})[0]


def four_norms(G):
    """Return the four normalizations of an input of shape (N, C, H, W) by name, group normalization with G groups."""

    def batch(x):
        C = x.shape[1]
        return spatial_batchnorm_forward(x, np.ones(C), np.zeros(C), {"mode": "train"})[0]

    def split(parts):
        """Cut the channels of each example into parts, and normalize each part by itself."""
        return lambda x: by_example(x.reshape(len(x) * parts(x), -1)).reshape(x.shape)

    return {
        "batch": batch,
        "layer": split(lambda x: 1),
        "instance": split(lambda x: x.shape[1]),
        "group": split(lambda x: G),
    }


def touched(normalize, x, n, c):
    """Return, as booleans of shape (N, C), the maps of the output that change when one pixel of map (n, c) does."""
    moved = x.copy()
    moved[n, c, 0, 0] += 1
    return (normalize(moved) != normalize(x)).any(axis=(2, 3))


def axes_of_norms(x, G):
    """Show, for each normalization, which maps of the output change when one map of the input does."""
    N, C = x.shape[:2]
    n, c = 1, C // 2
    fig, axes = new_figure(2.3, ncols=4)
    for ax, (name, normalize) in zip(axes, four_norms(G).items(), strict=True):
        reached = touched(normalize, x, n, c)
        ax.set_axis_off()
        for i in range(N):
            for j in range(C):
                colour = AFTER if reached[i, j] else PAPER
                ax.add_patch(Rectangle((i, C - 1 - j), 0.86, 0.86, facecolor=colour, edgecolor=GREY, linewidth=0.8))
        ax.plot(n + 0.43, C - 1 - c + 0.43, "o", color=BEFORE, markeredgecolor=PAPER, markersize=6)
        ax.set_title(name)
        ax.set_xlim(-1.1, N)
        ax.set_ylim(-1.1, C)
        ax.set_aspect("equal")
        ax.text(N / 2, -0.35, "examples", ha="center", va="top", color=INK, fontsize="small")
    axes[0].text(-0.35, C / 2, "channels", ha="right", va="center", rotation=90, color=INK, fontsize="small")
    return fig


def batch_errors(sizes, batches=20_000):
    """Measure how far the statistics of normal batches are from those of the distribution, mean 0 and variance 1.

    Returns
    -------
    mean, var : ndarray of the shape of sizes
        Root mean square errors of the mean and of the biased variance.
    """
    rng = np.random.default_rng(0)
    errors = []
    for N in sizes:
        bn_param = {"mode": "train", "momentum": 0.0}  # keeps the statistics of this batch and nothing else
        batchnorm_forward(rng.normal(size=(N, batches)), np.ones(batches), np.zeros(batches), bn_param)
        wrong = bn_param["running_mean"], bn_param["running_var"] - 1
        errors.append([np.sqrt((error**2).mean()) for error in wrong])
    return np.array(errors).T


def renormalized(x, mean, std, r_max, d_max):
    """Return batch renormalization of x, of shape (N, D), towards a mean and std of the scalars given.

    It is batch normalization with gamma = r and beta = d, both clipped and both treated as constants.
    """
    D = x.shape[1]
    bn_param = {"mode": "train", "momentum": 0.0}
    batchnorm_forward(x, np.ones(D), np.zeros(D), bn_param)
    r = (np.sqrt(bn_param["running_var"] + 1e-5) / std).clip(1 / r_max, r_max)
    d = ((bn_param["running_mean"] - mean) / std).clip(-d_max, d_max)
    return batchnorm_forward(x, r, d, {"mode": "train"})[0]


def gaps(sizes, limits, batches=5_000):
    """Measure the difference between a normalized example in training and at inference, root mean square.

    Parameters
    ----------
    sizes : sequence of int
    limits : sequence of (r_max, d_max)
        Of batch renormalization. (1, 0) is batch normalization.

    Returns
    -------
    ndarray of shape (len(limits), len(sizes))
    """
    rng = np.random.default_rng(1)
    draws = [rng.normal(size=(N, batches)) for N in sizes]
    return np.array([[np.sqrt(((renormalized(x, 0, 1, *pair) - x) ** 2).mean()) for x in draws] for pair in limits])


def small_batches(sizes, errors, limits, differences):
    """Show the error of batch statistics, and the difference between training and inference, by batch size."""
    fig, axes = new_figure(5.2, nrows=2, sharex=True)
    N = np.geomspace(min(sizes), max(sizes), 100)
    mean, var = errors
    axes[0].loglog(N, 1 / np.sqrt(N), color=FAINT, linewidth=4)
    axes[0].loglog(N, np.sqrt(2 * N - 1) / N, color=FAINT, linewidth=4)
    axes[0].loglog(sizes, mean, "o", color=BEFORE)
    axes[0].loglog(sizes, var, "s", color=INK)
    axes[0].text(sizes[1], mean[1] * 0.72, "mean", color=BEFORE, ha="right", va="top")
    axes[0].text(sizes[2], var[2] * 1.15, "variance", color=INK, ha="left", va="bottom")
    axes[0].set_title("Statistics of a batch against those of the data")
    axes[0].set_ylabel("error")
    axes[0].set_yticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
    for (r_max, d_max), values, line, place in zip(limits, differences, ["-", "--", ":"], (1, 1, 0), strict=True):
        axes[1].semilogx(sizes, values, line, marker="o", color=AFTER)
        name = "batch normalization" if d_max == 0 else f"limits {r_max:g}, {d_max:g}"
        axes[1].text(sizes[place] * 1.1, values[place] + 0.01, name, color=INK, va="bottom")
    axes[1].set_ylim(bottom=-0.03)
    axes[1].set_title("An example in training against the same at inference")
    axes[1].set_ylabel("difference")
    axes[1].set_xticks(sizes, [str(size) for size in sizes])
    for ax in axes:
        ax.minorticks_off()
    axes[1].set_xlabel("batch size N")
    return fig
