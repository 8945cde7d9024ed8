"""Figures of the chapter on the forward pass."""

from fractions import Fraction

import numpy as np
from matplotlib.patches import Rectangle

from solutions import batchnorm_forward
from solutions.conventions import CONVENTIONS
from solutions.sigmoid import sigmoid_forward

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, new_figure, number_line


def normalized(x, eps=1e-5):
    """Return x_hat of shape (N, D): the forward pass in train mode with gamma = 1 and beta = 0."""
    D = x.shape[1]
    return batchnorm_forward(x, np.ones(D), np.zeros(D), {"mode": "train", "eps": eps})[0]


def statistics(x):
    """Return the mean and variance, each of shape (D,), that the forward pass computes from a batch.

    With momentum 0 nothing of the old running averages is kept, so that they are the batch's own.
    """
    bn_param = {"mode": "train", "momentum": 0.0}
    batchnorm_forward(x, np.ones(x.shape[1]), np.zeros(x.shape[1]), bn_param)
    return bn_param["running_mean"], bn_param["running_var"]


def stages(x, gamma, beta):
    """Show two features of a batch in the four stages of the forward pass."""
    mu, _ = statistics(x)
    out, _ = batchnorm_forward(x, gamma, beta, {"mode": "train"})
    rows = [
        (x, BEFORE, r"$x$: each feature has a place and width of its own"),
        (x - mu, BEFORE, r"$x - \mu$: the mean moves each feature to zero"),
        (normalized(x), AFTER, r"$\hat{x}$: the variance makes both equally wide"),
        (out, AFTER, r"$out = \gamma\hat{x} + \beta$: the network chooses place and width"),
    ]
    fig, axes = new_figure(4.9, nrows=len(rows))
    for ax, (values, colour, title) in zip(axes, rows, strict=True):
        number_line(ax, list(values.T), ["feature 1", "feature 2"], colour)
        ax.set_title(title)
    axes[-1].set_xlabel("value")
    return fig


def shapes(x):
    """Show that mean and variance run down the columns of x, and are stretched over its rows again."""
    N, D = x.shape
    mu, var = statistics(x)
    fig, ax = new_figure(2.7)
    ax.set_axis_off()

    def grid(rows, left, top, colour, title, shape):
        for i, row in enumerate(np.atleast_2d(rows)):
            for j, value in enumerate(row):
                ax.add_patch(Rectangle((left + j, top - i - 1), 1, 1, facecolor=PAPER, edgecolor=FAINT))
                ax.text(left + j + 0.5, top - i - 0.5, f"{value:g}", color=colour, ha="center", va="center")
        ax.text(left + D / 2, top + 0.15, f"{title}  {shape}", ha="center", va="bottom")

    def arrow(start, end):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": GREY, "linewidth": 1.2})

    grid(x, 0, N, BEFORE, r"$x$", "(N, D)")
    for j in range(D):
        ax.add_patch(Rectangle((j, 0), 1, N, facecolor="none", edgecolor=BEFORE, linewidth=1.6))
    grid(mu, 4, N - 0.6, BEFORE, r"$\mu$", "(D,)")
    grid(var, 4, N - 3.2, BEFORE, r"$var$", "(D,)")
    grid(normalized(x).round(3), 8, N, AFTER, r"$\hat{x}$", "(N, D)")
    arrow((2.2, N - 1.1), (3.8, N - 1.1))
    arrow((2.2, N - 3.7), (3.8, N - 3.7))
    arrow((6.2, N - 1.1), (7.8, N - 1.1))
    arrow((6.2, N - 3.7), (7.8, N - 3.7))
    ax.text(3.0, N - 2.4, "down each\ncolumn", ha="center", va="center", color=GREY)
    ax.text(7.0, N - 2.4, "the same for\nevery row", ha="center", va="center", color=GREY)
    ax.set_xlim(-0.1, 10.1)
    ax.set_ylim(-0.1, N + 0.8)
    return fig


def variance_of_small_batches(sizes=(2, 3, 4, 5, 8, 16, 32), batches=20_000):
    """Show the average of both variances over many batches, as a fraction of the true variance."""
    rng = np.random.default_rng(0)
    fig, ax = new_figure(2.6)
    N = np.linspace(2, max(sizes), 200)
    ax.axhline(1, color=FAINT, linewidth=1.2)
    ax.plot(N, (N - 1) / N, color=FAINT, linewidth=1.2)
    for size in sizes:
        biased = statistics(rng.normal(size=(size, batches)))[1].mean()
        ax.plot(size, biased, "o", color=AFTER, gid="biased")
        ax.plot(size, biased * size / (size - 1), "o", color=GREY, markerfacecolor=PAPER, gid="unbiased")
    ax.text(6, 1.03, "divided by N \N{MINUS SIGN} 1: right on average", color=GREY, va="bottom")
    ax.text(6, 0.74, "divided by N: (N \N{MINUS SIGN} 1) / N of the truth", color=AFTER, va="top")
    ax.set_xlabel("batch size N")
    ax.set_ylabel("average / true variance")
    ax.set_ylim(0, 1.18)
    return fig


def exact_variance(column):
    """Return the biased variance of the stored numbers without any rounding, as a Fraction."""
    values = [Fraction(float(value)) for value in column]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


def variance_errors(offsets, dtype, N=64):
    """Measure the relative error of both formulas of the variance on data with spread 1 and a growing mean.

    Returns
    -------
    two_pass, one_pass : ndarray of the shape of offsets
        Errors of the mean of (x - mu)**2 and of mean(x**2) - mu**2, relative to the exact variance of the stored x.
    """
    z = np.random.default_rng(0).normal(size=(N, 1))
    errors = []
    for offset in offsets:
        x = (z + offset).astype(dtype)
        exact = exact_variance(x[:, 0])
        one_pass = (x**2).mean(axis=0) - x.mean(axis=0) ** 2
        both = statistics(x)[1], one_pass
        errors.append([float(abs(Fraction(float(var[0])) - exact) / exact) for var in both])
    return np.array(errors).T


def two_formulas():
    """Show the error of both formulas of the variance against the mean of the data, in both precisions."""
    fig, axes = new_figure(3.0, ncols=2, sharey=True)
    for ax, dtype, top in zip(axes, (np.float32, np.float64), (6, 10), strict=True):
        offsets = np.logspace(0, top, 4 * top + 1)
        two_pass, one_pass = variance_errors(offsets, dtype)
        rounding = np.finfo(dtype).eps / 2
        ax.plot(offsets, rounding * offsets**2, color=FAINT, linewidth=5, zorder=1)
        ax.loglog(offsets, one_pass.clip(1e-18), ".", color=GREY)
        ax.loglog(offsets, two_pass.clip(1e-18), ".", color=AFTER)
        ax.axhline(1, color=INK, linewidth=0.8, linestyle=":")
        ax.set_title(np.dtype(dtype).name)
        ax.set_xlabel("mean / standard deviation")
        ax.set_ylim(1e-18, 1e6)
    axes[0].set_ylabel("relative error of the variance")
    axes[1].text(1.5, 1e-5, r"mean$(x^2)-\mu^2$", color=GREY)
    axes[1].text(1e10, 1e-11, r"mean$((x-\mu)^2)$", color=AFTER, ha="right")
    axes[0].text(1, 4, "as large as the\nvariance itself", va="bottom")
    return fig


def variance_after(eps_values=(1e-5, 1e-3, 0.1)):
    """Show the variance of the normalized values against the variance of the input, for several eps."""
    var = np.logspace(-8, 2, 201)
    z = np.random.default_rng(0).normal(size=(64, 1))
    z = (z - z.mean()) / z.std()  # exactly variance 1, up to rounding
    measured_at = np.logspace(-8, 2, 11)
    fig, ax = new_figure(2.7)
    for eps in eps_values:
        ax.semilogx(var, var / (var + eps), color=FAINT, linewidth=1.2)
        measured = normalized(z * np.sqrt(measured_at), eps).var(axis=0)
        ax.semilogx(measured_at, measured, "o", color=AFTER)
        ax.text(eps / 1.6, 0.53, f"{eps:g}", ha="right", va="bottom")
    ax.text(eps_values[0] / 40, 0.53, "eps =", ha="right", va="bottom")
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xlabel("variance of the feature in the batch")
    ax.set_ylabel(r"variance of $\hat{x}$")
    return fig


def sigmoid_range(column, gammas=(0.5, 1, 4)):
    """Show how much of a sigmoid's bend the normalized values reach, for several gamma."""
    curve = np.linspace(-8, 8, 161)
    fig, axes = new_figure(2.5, ncols=len(gammas), sharey=True)
    for ax, gamma in zip(axes, gammas, strict=True):
        out, _ = batchnorm_forward(column[:, None], np.array([float(gamma)]), np.zeros(1), {"mode": "train"})
        ax.plot(curve, sigmoid_forward(curve)[0], color=GREY, linewidth=1.2)
        ax.plot([-2, 2], [0, 1], color=SLOPE, linewidth=1.2, linestyle="--")
        ax.plot(out[:, 0], sigmoid_forward(out[:, 0])[0], "o", color=AFTER, markeredgecolor=PAPER)
        ax.set_title(rf"$\gamma$ = {gamma:g}")
        ax.set_xlabel("out")
    axes[0].set_ylabel("sigmoid(out)")
    return fig


def parameters(column, gamma, beta):
    """Show a feature on its way through the layer, with two pairs of parameters: one of them gives everything back.

    Parameters
    ----------
    column : ndarray of shape (N,)
    gamma, beta : float
        The other pair.
    """
    mu, var = (float(a[0]) for a in statistics(column[:, None]))
    pairs = [(gamma, beta), (np.sqrt(var + 1e-5), mu)]
    outs = [batchnorm_forward(column[:, None], *np.array(pair)[:, None], {"mode": "train"})[0][:, 0] for pair in pairs]
    titles = [rf"$\gamma$ = {g:.3g}, $\beta$ = {b:.3g}" for g, b in pairs]
    rows = [
        (column, BEFORE, "$x$", ""),
        (normalized(column[:, None])[:, 0], AFTER, r"$\hat{x}$", ""),
        (outs[0], AFTER, "$out$", titles[0]),
        (outs[1], AFTER, "$out$", titles[1] + r": where $x$ was"),
    ]
    fig, axes = new_figure(3.4, nrows=len(rows), sharex=True)
    for ax, (values, colour, name, title) in zip(axes, rows, strict=True):
        number_line(ax, [values], [name], colour)
        ax.set_title(title)
    axes[-1].set_xlabel("value")
    return fig


def invariances(column):
    """Show a feature, shifted, stretched and mirrored, and what normalization makes of each."""
    changed = [column, column + 100, 3 * column, -column]
    names = [r"$x$", r"$x+100$", r"$3x$", r"$-x$"]
    fig, axes = new_figure(2.5, ncols=2, sharey=True)
    number_line(axes[0], changed, names, BEFORE)
    number_line(axes[1], list(normalized(np.column_stack(changed)).T), names, AFTER)
    axes[0].set_title("before")
    axes[1].set_title("after")
    axes[0].set_xlabel("value of the input")
    axes[1].set_xlabel(r"value of $\hat{x}$")
    return fig


def coupling(column, moved=4):
    """Show every example's normalized value while one example of the batch moves."""
    N = len(column)
    values = np.linspace(-40, 40, 321)
    batches = np.tile(column[:, None], (1, len(values)))  # (N, number of values): one batch per column
    batches[moved] = values
    x_hat = normalized(batches)
    fig, ax = new_figure(3.1)
    for bound in (-1, 1):
        ax.axhline(bound * np.sqrt(N - 1), color=GREY, linewidth=0.8, linestyle=":")
    for i in range(N):
        is_moved = i == moved
        ax.plot(values, x_hat[i], color=AFTER if is_moved else GREY, linewidth=2.2 if is_moved else 1.1)
    ax.plot([column[moved]] * N, normalized(column[:, None])[:, 0], "o", color=INK, markersize=3.5, zorder=5)
    ax.text(-39, -1.75, "the example that moves", color=AFTER)
    ax.text(-39, 0.75, f"the other {N - 1}", color=GREY)
    ax.text(-39, np.sqrt(N - 1) + 0.06, r"$\sqrt{N-1}$", color=GREY, va="bottom")
    ax.set_ylim(-2.3, 2.5)
    ax.set_xlabel("value of the example that moves")
    ax.set_ylabel(r"$\hat{x}$ of each example")
    return fig


def one_example(sizes=(2, 4, 8, 16, 32, 64, 128, 256), batches=40):
    """Show the output for one and the same example in many random batches, and in test mode."""
    rng = np.random.default_rng(0)
    fig, ax = new_figure(2.8)
    for size in sizes:
        x = rng.normal(size=(size, batches))
        x[0] = 1.0
        ax.semilogx([size] * batches, normalized(x)[0], ".", color=GREY, markersize=3, base=2)
    bn_param = {"mode": "test", "running_mean": np.zeros(1), "running_var": np.ones(1)}
    out, _ = batchnorm_forward(np.ones((1, 1)), np.ones(1), np.zeros(1), bn_param)
    ax.axhline(out[0, 0], color=AFTER)
    ax.text(300, out[0, 0] - 0.35, "test mode: one value", color=AFTER, ha="right", va="top")
    ax.text(300, 1.6, "train mode: a dot for each batch", color=GREY, ha="right")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set_xlabel("batch size N")
    ax.set_ylabel("output for x = 1")
    return fig


def log_spaced(steps):
    """Return whole numbers from 1 to steps, about equally far apart on a logarithmic axis."""
    return np.unique(np.logspace(0, np.log10(steps), 120).round().astype(int))


def startup(momenta=(0.9, 0.99), steps=1000):
    """Show the running mean, started at zero, as a fraction of the true mean, and its expected value."""
    t = np.arange(1, steps + 1)
    shown = log_spaced(steps)
    fig, ax = new_figure(2.8)
    ax.axhline(1, color=FAINT, linewidth=1.2)
    for momentum in momenta:
        rng = np.random.default_rng(0)
        bn_param = {"mode": "train", "momentum": momentum}
        running = []
        for _ in t:
            batchnorm_forward(rng.normal(3.0, 1.0, (32, 1)), np.ones(1), np.zeros(1), bn_param)
            running.append(bn_param["running_mean"][0] / 3.0)
        ax.semilogx(shown, 1 - momentum**shown, color=FAINT, linewidth=5)
        ax.semilogx(shown, np.array(running)[shown - 1], color=AFTER, linewidth=1.2)
        half = np.log(0.5) / np.log(momentum)
        ax.text(half, 0.6, f"momentum\n{momentum:g}", ha="right")
    ax.set_xlabel("batches seen, t")
    ax.set_ylabel("running mean / true mean")
    return fig


def running_variances(steps, N=8, std=2.0, features=400):
    """Follow the running variance of each convention over the same batches.

    Returns
    -------
    paths : dict of str to ndarray of shape (steps,)
        The average over many features of one distribution, so that chance is small.
    """
    paths = {}
    for key, convention in CONVENTIONS.items():
        rng = np.random.default_rng(0)
        running_mean, running_var = convention.start(features)
        path = []
        for step in range(1, steps + 1):
            x = rng.normal(0.0, std, (N, features))
            running_mean, running_var = convention.update(running_mean, running_var, x, step)
            path.append(running_var.mean())
        paths[key] = np.array(path)
    return paths


def four_conventions(steps=1000):
    """Show the running variance of each convention over the same batches of 8 values with variance 4."""
    paths = running_variances(steps)
    shown = log_spaced(steps)
    look = {
        "paper": (GREY, "-", (2, 4.1), "paper"),
        "book": (AFTER, "-", (2.4, 0.35), "this book"),
        "pytorch": (INK, "-", (1.2, 2.0), "PyTorch"),
        "keras": (INK, "--", (40, 1.6), "Keras"),
    }
    fig, ax = new_figure(3.0)
    for key, (colour, line, place, name) in look.items():
        ax.semilogx(shown, paths[key][shown - 1], line, color=colour, linewidth=1.4)
        ax.text(*place, name, color=colour)
    ax.set_xlabel("batches seen, t")
    ax.set_ylabel("running variance")
    ax.set_ylim(0, 4.6)
    return fig


def myst_table(name, caption, header, rows):
    """Write a table with a label and a caption as MyST text."""
    lines = [header, ["---"] * len(header), *rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f":::{{table}} {caption}\n:name: {name}\n\n{table}\n:::"


def conventions_table(x):
    """Write the table of the four conventions; which variance normalizes is seen on the batch x of shape (N, D)."""

    weighs = {"old": "old value", "new": "new batch", None: "all alike"}
    rows = []
    for row in CONVENTIONS.values():
        biased = np.allclose(row.statistics(x)[1], statistics(x)[1])
        start = "none" if row.initial_mean is None else f"{row.initial_mean:g} and {row.initial_var:g}"
        rows.append(
            [
                row.name,
                "none" if row.momentum is None else f"{row.momentum:g}",
                weighs[row.momentum_weighs],
                "biased" if biased else "unbiased",
                "unbiased" if row.running_ddof else "biased",
                start,
                "none" if row.eps is None else f"{row.eps:.0e}".replace("e-0", "e-"),
            ]
        )
    header = ["", "momentum", "weighs", "variance, forward", "variance, stored", "mean and variance start at", "eps"]
    return myst_table("tab-forward-conventions", "Four conventions of one layer, and their defaults.", header, rows)


def remembered_table(run):
    """Write the table of what each convention remembers; `run` takes a convention and returns mean and variance."""
    rows = []
    for row in CONVENTIONS.values():
        mean, var = (", ".join(f"{value:.4g}" for value in values) for values in run(row))
        rows.append([row.name, mean, var])
    caption = "What each convention remembers of the same two batches, for features 1 and 2."
    return myst_table("tab-forward-remembered", caption, ["", "running mean", "running variance"], rows)
