"""Figures of the chapter beyond batch normalization."""

import numpy as np
from matplotlib.patches import Rectangle

from solutions import batchnorm_forward, layernorm_forward, spatial_batchnorm_forward

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, new_figure, number_line


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


def patches(N=2, C=3, H=2, W=2, channel=1):
    """Show how the maps of a batch become a matrix with a row for each position and a column for each channel.

    One channel is tinted, so that the eye can follow its numbers from the maps into their column.
    """
    numbers = np.arange(N * C * H * W).reshape(N, C, H, W)
    fig, ax = new_figure(3.3)
    ax.set_axis_off()

    def cell(left, top, value, tinted):
        ax.add_patch(Rectangle((left, top - 1), 1, 1, facecolor=FAINT if tinted else PAPER, edgecolor=GREY, lw=0.8))
        ax.text(left + 0.5, top - 0.5, value, ha="center", va="center", fontsize=8)

    height = N * H * W
    for n in range(N):
        top = height - n * (height / N + 0.4)
        ax.text(-0.4, top - H / 2, f"example {n + 1}", ha="right", va="center")
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    cell(c * (W + 0.6) + w, top - h, numbers[n, c, h, w], c == channel)
    left = C * (W + 0.6) + 3
    rows = [(n, h, w) for n in range(N) for h in range(H) for w in range(W)]
    for down, (n, h, w) in enumerate(rows):
        for c in range(C):
            cell(left + c, height - down, numbers[n, c, h, w], c == channel)
    ax.annotate("", (left - 0.4, height / 2), (left - 2.4, height / 2), arrowprops={"arrowstyle": "->", "color": GREY})
    middle = left + channel + 0.5
    ax.annotate("", (middle, -0.9), (middle, -0.1), arrowprops={"arrowstyle": "->", "color": GREY})
    ax.text(middle, -1.0, r"$\mu_c$, $var_c$ of the tinted channel", ha="center", va="top")
    ax.text(W * C / 2 + 0.6, height + 0.3, "x  (N, C, H, W)", ha="center", va="bottom")
    ax.text(left + C / 2, height + 0.3, "rows  (NHW, C)", ha="center", va="bottom")
    ax.set_xlim(-3.4, left + C + 1.6)
    ax.set_ylim(-1.9, height + 1.0)
    return fig


def reached(normalize, x, row, column):
    """Return, as booleans of shape (N, D), the entries of the output that change when one entry of x does."""
    moved = x.copy()
    moved[row, column] += 1
    return normalize(moved) != normalize(x)


def grid(ax, filled, dot):
    """Draw a matrix of booleans as squares, and a dot on one of them."""
    rows, columns = filled.shape
    for i in range(rows):
        for j in range(columns):
            face = AFTER if filled[i, j] else PAPER
            ax.add_patch(Rectangle((j, -i), 0.86, -0.86, facecolor=face, edgecolor=GREY, linewidth=0.8))
    ax.plot(dot[1] + 0.43, -dot[0] - 0.43, "o", color=BEFORE, markeredgecolor=PAPER, markersize=6)
    ax.set_axis_off()
    ax.set_aspect("equal")


def strip(ax, left, top, across, down, label, **place):
    """Draw a row or a column of small squares, for an array with one number for each feature or for each example."""
    for k in range(max(across, down)):
        corner = (left + k, top) if across > 1 else (left, top - k)
        ax.add_patch(Rectangle(corner, 0.86, -0.86, facecolor=FAINT, edgecolor=GREY, linewidth=0.8))
    ax.text(*place.pop("at"), label, fontsize=8.5, **place)


def turned(x):
    """Show which outputs one input reaches in batch and in layer normalization, and to what each array belongs."""
    N, D = x.shape
    dot = (1, 3)

    def by_feature(v):
        return batchnorm_forward(v, np.ones(D), np.zeros(D), {"mode": "train"})[0]

    fig, axes = new_figure(3.0, ncols=2)
    for ax, normalize, name in zip(axes, (by_feature, by_example), ("batch", "layer"), strict=True):
        grid(ax, reached(normalize, x, *dot), dot)
        ax.set_title(f"{name} normalization")
        if name == "batch":
            strip(ax, 0, -N - 0.5, D, 1, r"$\mu$, $var$  $(D,)$", at=(D / 2, -N - 1.5), ha="center", va="top")
        else:
            strip(ax, D + 0.5, 0, 1, N, "$\\mu$, $var$\n$(N, 1)$", at=(D + 1.6, -N / 2), ha="left", va="center")
        down = N + 2.9 if name == "batch" else N + 0.5
        strip(ax, 0, -down, D, 1, r"$\gamma$, $\beta$  $(D,)$", at=(D / 2, -down - 1), ha="center", va="top")
        ax.text(-0.3, -N / 2, "examples", rotation=90, ha="right", va="center", fontsize="small")
        ax.set_xlim(-1, D + 4)
        ax.set_ylim(-N - 5.2, 0.2)
    return fig


def words(by_position, by_word, sentence):
    """Show which outputs change when one feature of the last word does, for two normalizations.

    Parameters
    ----------
    by_position, by_word : callable
        Take and return an ndarray of the shape of the sentence.
    sentence : ndarray of shape (positions, D)
    """
    positions, D = sentence.shape
    dot = (positions - 1, D // 2)
    fig, axes = new_figure(1.9, ncols=2)
    titles = "statistics over the positions", "each word by itself"
    for ax, normalize, title in zip(axes, (by_position, by_word), titles, strict=True):
        grid(ax, reached(normalize, sentence, *dot).T, dot[::-1])
        ax.set_title(title)
        ax.text(positions / 2, -D - 0.2, "words, first to last", ha="center", va="top", fontsize="small")
        ax.set_xlim(-0.9, positions + 0.2)
        ax.set_ylim(-D - 1.2, 0.2)
    axes[0].text(-0.3, -D / 2, "features", rotation=90, ha="right", va="center", fontsize="small")
    return fig


def folded(inputs, linear, normalized, factor, shift):
    """Show one feature behind a linear layer, behind normalization in test mode, and the one line that does both.

    Parameters
    ----------
    inputs, linear, normalized : ndarray of shape (N,)
    factor, shift : float
        Of the folded layer.
    """
    fig, ax = new_figure(2.7)
    ends = np.array([inputs.min(), inputs.max()])
    ax.plot(ends, factor * ends + shift, color=FAINT, linewidth=5, zorder=1)
    ax.plot(inputs, linear, "o", color=BEFORE)
    ax.plot(inputs, normalized, "s", color=AFTER)
    texts = (r"dots: $xw + b$", BEFORE), ("squares: the same, normalized", AFTER), (r"band: $xw' + b'$", GREY)
    for line, (text, colour) in enumerate(texts):
        ax.text(0.02, 0.98 - 0.11 * line, text, color=colour, va="top", transform=ax.transAxes)
    ax.set_xlabel("input x")
    ax.set_ylabel("feature")
    return fig


def two_orders(before, after):
    """Show what the next layer receives when normalization stands before a ReLU, and when it stands after."""
    fig, axes = new_figure(3.1, nrows=2, sharex=True, sharey=True)
    titles = "normalized, then ReLU", "ReLU, then normalized"
    for ax, values, title in zip(axes, (before, after), titles, strict=True):
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, bins=np.arange(-1.55, 4.05, 0.1), weights=weights, color=AFTER)
        mean = values.mean() + 0.0
        ax.axvline(mean, color=INK, linewidth=1.2, linestyle="--")
        ax.text(mean + 0.08, 0.45, f"mean {abs(mean):.2f}", va="top")
        ax.set_title(title)
        ax.set_ylabel("share")
    axes[-1].set_xlabel("what the next layer receives")
    return fig


def devices(parts):
    """Show the examples of each device, and those of the whole batch, with mean and standard deviation.

    Parameters
    ----------
    parts : ndarray of shape (devices, examples of each)
    """
    fig, ax = new_figure(3.0)
    names = [f"device {k}" for k in range(1, len(parts) + 1)]
    number_line(ax, [*parts, parts.ravel()], [*names, "whole"], BEFORE)
    ax.set_xlabel("one feature")
    return fig


def leak(mixed, alone):
    """Show a feature that tells two classes apart, normalized in mixed batches and in batches of one class.

    Parameters
    ----------
    mixed, alone : (ndarray of shape (n,), ndarray of shape (n,))
        Normalized values of the cats and of the dogs.
    """
    fig, axes = new_figure(2.9, nrows=2, sharex=True)
    titles = "one batch of cats and dogs", "a batch of cats, and a batch of dogs"
    for ax, pair, title in zip(axes, (mixed, alone), titles, strict=True):
        number_line(ax, list(pair), ["cats", "dogs"], AFTER)
        ax.set_title(title)
    axes[-1].set_xlabel("normalized feature")
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
