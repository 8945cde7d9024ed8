"""Figures of the chapter on the backward pass: the graph with its numbers, the paths, the projection, the Jacobian."""

import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from solutions import (
    backward_mu,
    backward_var,
    backward_x,
    backward_x_hat,
    batchnorm_backward,
    batchnorm_forward,
)

from .forward_pass import statistics
from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, bar_map, new_figure, number_line

LOOK = {
    "plain": (BEFORE, "-", "no normalization"),
    "held": (INK, "--", "statistics held: wrong"),
    "right": (AFTER, "-", "right gradient"),
}


def nodes(x, gamma, beta, dout, eps):
    """Compute every value and every gradient of the graph, by the functions that the assignment asks for.

    Returns
    -------
    values : dict of str to ndarray
        x, mu, var, x_hat, out, gamma and beta; and by the same names with a d before them, their gradients.
    """
    ones, zeros = np.ones(x.shape[1]), np.zeros(x.shape[1])
    mode = {"mode": "train", "eps": eps}
    v = {"x": x, "gamma": gamma, "beta": beta, "dout": dout}
    v["mu"], v["var"] = statistics(x)
    v["x_hat"], _ = batchnorm_forward(x, ones, zeros, dict(mode))
    v["out"], cache = batchnorm_forward(x, gamma, beta, dict(mode))
    at = (x, v["mu"], v["var"], eps)
    _, v["dgamma"], v["dbeta"] = batchnorm_backward(dout, cache)
    v["dx_hat"] = backward_x_hat(dout, gamma)
    v["dvar"] = backward_var(v["dx_hat"], *at)
    v["dmu"] = backward_mu(v["dx_hat"], v["dvar"], *at)
    v["dx"] = backward_x(v["dx_hat"], v["dvar"], v["dmu"], *at)
    return v


def paths(x, gamma, beta, dout, eps):
    """Split dx into its three paths, each an ndarray of shape (N, D), by leaving the gradients of the others out."""
    v = nodes(x, gamma, beta, dout, eps)
    nothing = np.zeros(x.shape[1])
    at = (x, v["mu"], v["var"], eps)
    return (
        backward_x(v["dx_hat"], nothing, nothing, *at),
        backward_x(np.zeros_like(x), v["dvar"], nothing, *at),
        backward_x(np.zeros_like(x), nothing, v["dmu"], *at),
    )


def written(values):
    """Write numbers for a figure, with a true minus sign."""
    numbers = [f"{value + 0.0:.4g}".replace("-", "\N{MINUS SIGN}") for value in np.ravel(values)]
    return numbers[0] if len(numbers) == 1 else "(" + ", ".join(numbers) + ")"


def graph(x, gamma, beta, dout, eps, known=None):
    """Draw the graph of the layer for one feature: values, gradients, shapes, and what each arrow multiplies by.

    Parameters
    ----------
    x, gamma, beta, dout, eps
        As for `nodes`.
    known : collection of str, optional
        The nodes whose gradient is shown; that of the others is left open. By default all.
    """
    v = nodes(x, gamma, beta, dout, eps)
    inv_std = 1 / np.sqrt(v["var"] + eps)
    deviation = x - v["mu"]
    N = len(x)
    fig, ax = new_figure(5.6)
    ax.set_axis_off()
    ax.set_xlim(0, 10)
    ax.set_ylim(0, 11.4)

    def box(name, left, bottom, width, symbol, shape, colour):
        ax.add_patch(
            FancyBboxPatch(
                (left, bottom), width, 1.5, boxstyle="round,pad=0,rounding_size=0.15", facecolor=PAPER, edgecolor=colour
            )
        )
        top = bottom + 1.5
        ax.text(left + 0.12, top - 0.12, rf"${symbol}$  {shape}", va="top", fontsize=7.5, color=GREY)
        ax.text(left + 0.12, top - 0.56, written(v[name]), va="top", fontsize=8, color=colour)
        gradient = written(v[f"d{name}"]) if known is None or name in known else "?"
        ax.text(left + 0.12, top - 1.02, gradient, va="top", fontsize=8, color=SLOPE)

    def arrow(start, end, label, place, dashed=False, **text):
        style = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.1, "linestyle": "--" if dashed else "-"}
        ax.annotate("", end, start, arrowprops=style)
        ax.text(*place, label, fontsize=7.5, linespacing=1.3, **({"ha": "left", "va": "center"} | text))

    box("x", 0.1, 9.8, 4.5, "x", "(N, D)", BEFORE)
    box("var", 2.6, 6.4, 2.6, "var", "(D,)", BEFORE)
    box("mu", 7.2, 6.4, 2.6, r"\mu", "(D,)", BEFORE)
    box("x_hat", 0.1, 3.1, 4.5, r"\hat{x}", "(N, D)", AFTER)
    box("out", 0.1, 0.1, 4.5, "out", "(N, D)", AFTER)
    box("gamma", 5.6, 1.9, 2.0, r"\gamma", "(D,)", BEFORE)
    box("beta", 7.9, 1.9, 2.0, r"\beta", "(D,)", BEFORE)

    slopes = [written(slope) for slope in -0.5 * deviation * inv_std**3]
    half = len(slopes) // 2
    to_x_hat = "(" + ", ".join(slopes[:half]) + ",\n" + ", ".join(slopes[half:]) + ")"
    arrow((0.7, 9.8), (0.7, 4.6), "1\n$inv\\_std$\n" + written(inv_std), (0.85, 7.15))
    arrow((3.6, 9.8), (3.6, 7.9), "2   $2(x-\\mu)/N$\n" + written(2 / N * deviation), (3.75, 8.85))
    arrow((4.6, 10.6), (8.5, 7.9), f"3   $1/N$ = {written(1 / N)}", (6.9, 9.6))
    arrow((7.2, 7.1), (5.2, 7.1), "0", (6.2, 7.4), dashed=True, ha="center")
    arrow((3.6, 6.4), (3.6, 4.6), "$-\\frac{1}{2}(x-\\mu)\\,inv\\_std^3$\n" + to_x_hat, (3.75, 5.5))
    arrow((8.5, 6.4), (4.6, 3.7), "$-inv\\_std$ = " + written(-inv_std), (7.2, 4.9))
    arrow((2.3, 3.1), (2.3, 1.6), rf"$\gamma$ = {written(gamma)}", (2.45, 2.35))
    arrow((5.6, 2.4), (4.6, 1.2), r"$\hat{x}$", (4.8, 2.0), ha="center")
    arrow((8.6, 1.9), (4.6, 0.6), "1", (6.9, 0.95), ha="center")
    ax.text(5.3, 0.15, "second line: value", fontsize=7.5)
    ax.text(7.9, 0.15, "third: gradient", color=SLOPE, fontsize=7.5)
    return fig


def three_paths(x, gamma, beta, dout, eps):
    """Show what each path contributes to the gradient of each example, and their sum."""
    parts = [part[:, 0] for part in paths(x, gamma, beta, dout, eps)]
    total = nodes(x, gamma, beta, dout, eps)["dx"][:, 0]
    names = [r"1  through $\hat{x}$", "2  through the variance", "3  through the mean", r"sum: $dx$"]
    fig, axes = new_figure(3.8, nrows=4, sharex=True, sharey=True)
    place = np.arange(1, len(x) + 1)
    for ax, values, name in zip(axes, [*parts, total], names, strict=True):
        last = ax is axes[-1]
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.bar(place, values, 0.45, facecolor=SLOPE if last else PAPER, edgecolor=SLOPE)
        for i, value in zip(place, values, strict=True):
            ax.text(i + 0.27, 0.15, written(value), va="bottom", fontsize=8)
        ax.set_title(name)
        ax.set_yticks([-1, 0, 1, 2])
    axes[-1].set_xticks(place)
    axes[-1].set_xlim(0.6, len(x) + 0.8)
    axes[-1].set_xlabel("example $i$")
    axes[2].set_ylabel("derivative of the loss")
    return fig


def parameter_paths(x, gamma, beta, dout, eps):
    """Show what each example adds to the gradients of gamma and beta."""
    v = nodes(x, gamma, beta, dout, eps)
    products = (dout * v["x_hat"])[:, 0], dout[:, 0]
    names = [
        rf"$dout_i\,\hat{{x}}_i$, which add up to $d\gamma$ = {written(v['dgamma'])}",
        rf"$dout_i$, which add up to $d\beta$ = {written(v['dbeta'])}",
    ]
    fig, axes = new_figure(2.9, nrows=2, sharex=True, sharey=True)
    place = np.arange(1, len(x) + 1)
    for ax, values, name in zip(axes, products, names, strict=True):
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.bar(place, values, 0.45, facecolor=SLOPE, edgecolor=SLOPE)
        for i, value in zip(place, values, strict=True):
            ax.text(i + 0.27, 0.15, written(value), va="bottom", fontsize=8)
        ax.set_title(name)
    axes[-1].set_xticks(place)
    axes[-1].set_xlim(0.6, len(x) + 0.8)
    axes[-1].set_xlabel("example $i$")
    axes[0].set_ylabel("derivative")
    axes[1].set_ylabel("derivative")
    return fig


def stages_of_gradient(x, gamma, beta, dout, eps):
    """Show the gradients of the examples in the stages of the closed form: as they arrive, centred, and projected."""
    v = nodes(x, gamma, beta, dout, eps)
    factor = gamma / np.sqrt(v["var"] + eps)
    rows = [
        (dout, r"$dout$: what the layers above want"),
        (dout - dout.mean(axis=0), "minus its mean: nothing is left along the constant vector"),
        (v["dx"] / factor, r"minus $\hat{x}\,\mathrm{mean}(dout\,\hat{x})$: the part along $\hat{x}$ shrinks"),
    ]
    fig, axes = new_figure(3.6, nrows=len(rows), sharex=True)
    for ax, (values, title) in zip(axes, rows, strict=True):
        ax.axvline(0, color=FAINT, linewidth=0.8)
        number_line(ax, [values[:, 0]], ["gradient"], SLOPE)
        for i, value in enumerate(values[:, 0], start=1):
            ax.text(value, 0.22, str(i), ha="center", va="bottom", fontsize=8)
        ax.set_title(title)
    axes[-1].set_xlabel(rf"value of example 1 to {len(x)}; times $\gamma\,inv\_std$ the last row is $dx$")
    return fig


def flat_variance(column):
    """Show the mean squared deviation of a feature from a number c: a parabola whose lowest point is at the mean."""
    mu, var = statistics(column[:, None])
    c = np.linspace(mu[0] - 2, mu[0] + 2, 81)
    fig, ax = new_figure(2.5)
    ax.plot(c, ((column[:, None] - c) ** 2).mean(axis=0), color=BEFORE)
    ax.plot(mu[0] + np.array([-1, 1]), [var[0]] * 2, color=SLOPE, linewidth=2.2)
    ax.plot(mu, var, "o", color=INK)
    ax.text(mu[0], var[0] - 0.25, r"at $c=\mu$: the variance, slope 0", color=SLOPE, ha="center", va="top")
    ax.set_ylim(var[0] - 1.1, None)
    ax.set_xlabel("c")
    ax.set_ylabel("mean square of $x-c$")
    return fig


def projection(x, dout, eps):
    """Show dx / (gamma inv_std) of a batch of three: dout without its mean, then without its part along x_hat.

    The first panel is seen from the side, with the constant vector upright; the second from above, along it.
    """
    one, zero = np.ones(1), np.zeros(1)
    x_hat, cache = batchnorm_forward(x, one, zero, {"mode": "train", "eps": eps})
    dx, _, _ = batchnorm_backward(dout, cache)
    left = dx[:, 0] * np.sqrt(statistics(x)[1] + eps)
    x_hat, dout = x_hat[:, 0], dout[:, 0]
    up = np.ones(3) / np.sqrt(3)
    along = x_hat / np.linalg.norm(x_hat)
    across = np.cross(up, along)
    flat = dout - (dout @ up) * up

    fig, (side, above) = new_figure(2.6, ncols=2, width_ratios=(1, 1.3))

    def vector(ax, end, colour, start=(0, 0), dashed=False):
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", end, start, arrowprops=style | ({"linestyle": ":"} if dashed else {}))

    width, height = np.linalg.norm(flat), dout @ up
    side.plot([-0.3, width + 0.8], [0, 0], color=FAINT, linewidth=4)
    vector(side, (0, height * 1.25), GREY)
    vector(side, (width, height), INK)
    vector(side, (width, 0), SLOPE)
    vector(side, (width, 0), GREY, (width, height), dashed=True)
    side.text(0, height * 1.3, "(1, 1, 1)", color=GREY, ha="center")
    side.text(width / 2 - 0.15, height / 2 + 0.25, "dout", ha="right")
    side.text(width / 2, -0.12, "dout \N{MINUS SIGN} mean", color=SLOPE, ha="center", va="top")
    side.set_title("from the side")
    side.set_xlim(-0.75, width + 0.8)
    side.set_ylim(-0.9, height * 1.5)

    radius = np.sqrt(3)
    turn = np.linspace(0, 2 * np.pi, 121)
    above.plot(radius * np.cos(turn), radius * np.sin(turn), color=FAINT)
    end, rest, hat = ((v @ along, v @ across) for v in (flat, left, x_hat))
    above.plot([-2.0, 2.8], [0, 0], color=FAINT, linewidth=0.8)
    above.plot([0, 0], [-1.9, 2.0], color=FAINT, linewidth=0.8)
    vector(above, hat, AFTER)
    vector(above, end, SLOPE)
    vector(above, rest, SLOPE)
    vector(above, rest, GREY, end, dashed=True)
    above.text(hat[0], -0.15, r"$\hat{x}$", color=AFTER, ha="right", va="top")
    sign = np.sign(end[1])
    above.text(end[0], end[1] + 0.3 * sign, "dout \N{MINUS SIGN} mean", color=SLOPE, ha="center", va="center")
    above.text(rest[0] - 0.12, rest[1] + 0.25 * sign, r"$\propto dx$", color=SLOPE, ha="right", va="center")
    above.set_title("from above")
    above.set_xlim(-2.0, 3.1)
    above.set_ylim(-1.9, 2.1)
    for ax in (side, above):
        ax.set_aspect("equal")
        ax.set_axis_off()
    return fig


def jacobian(x, gamma, eps):
    """Collect the Jacobian of one feature, (N, N): row j is what the backward pass returns for dout = unit vector j."""
    _, cache = batchnorm_forward(x, gamma, np.zeros(1), {"mode": "train", "eps": eps})
    return np.array([batchnorm_backward(unit[:, None], cache)[0][:, 0] for unit in np.eye(len(x))])


def jacobian_picture(x, eps=1e-5):
    """Draw the Jacobian, divided by gamma inv_std, as the identity minus two matrices of rank one."""
    N = len(x)
    gamma = np.ones(1)
    x_hat, _ = batchnorm_forward(x, gamma, np.zeros(1), {"mode": "train", "eps": eps})
    whole = jacobian(x, gamma, eps) * np.sqrt(statistics(x)[1] + eps)
    panels = {
        "$I$": np.eye(N),
        r"$-\,\frac{1}{N}11^T$": np.full((N, N), -1 / N),
        r"$-\,\frac{1}{N}\hat{x}\hat{x}^T$": -x_hat @ x_hat.T / N,
        r"$J\,/\,(\gamma\,inv\_std)$": whole,
    }
    fig, axes = new_figure(4.9, nrows=2, ncols=2)
    for ax, (title, matrix) in zip(axes.flat, panels.items(), strict=True):
        ax.add_patch(Rectangle((-0.5, -0.5), N, N, facecolor=PAPER, edgecolor=FAINT))
        for (i, j), value in np.ndenumerate(matrix):
            size = 0.92 * np.sqrt(abs(value))
            if size > 0.02:
                corner = (j - size / 2, i - size / 2)
                face = SLOPE if value > 0 else PAPER
                ax.add_patch(Rectangle(corner, size, size, facecolor=face, edgecolor=SLOPE, linewidth=1))
        ax.set_xlim(-0.6, N - 0.4)
        ax.set_ylim(N - 0.4, -0.6)
        ax.set_aspect("equal")
        ax.set_title(title, loc="center", fontsize=11)
        ax.set_axis_off()
    return fig


def gains(stds, gains, two, limit):
    """Show how large dx is beside the centred dout, against the spread of the column, for batches of two and eight.

    Parameters
    ----------
    stds : ndarray
    gains : dict of int to ndarray of the shape of stds
        For each batch size.
    two : ndarray of the shape of stds
        Prediction for a batch of two.
    limit : float
        Prediction for a constant column.
    """
    fig, ax = new_figure(2.9)
    ax.axhline(limit, color=FAINT, linewidth=5, zorder=1)
    ax.plot(stds, two, color=FAINT, linewidth=5, zorder=1)
    for (N, values), face in zip(gains.items(), (PAPER, SLOPE), strict=True):
        ax.loglog(stds, values, "o", color=SLOPE, markerfacecolor=face)
        ax.text(stds[-3], values[-3] * 2.5, f"N = {N}", color=SLOPE, ha="left", va="bottom")
    ax.text(stds[-1], limit * 1.8, r"a constant column: $1/\sqrt{eps}$", color=GREY, ha="right", va="bottom")
    ax.set_ylim(top=limit * 30)
    ax.set_xlabel("standard deviation of the column")
    ax.set_ylabel("size of dx / centred dout")
    return fig


def weight_scales(scales, norms):
    """Show the norm of dW against the factor of the weights, with and without batch normalization.

    Parameters
    ----------
    scales : ndarray of shape (n,)
    norms : dict of str to ndarray of shape (n,)
        For 'plain' and 'right', relative to that at scale 1.
    """
    fig, ax = new_figure(2.6)
    ax.loglog(scales, 1 / scales, color=FAINT, linewidth=5)
    for kind, face in (("plain", BEFORE), ("right", AFTER)):
        ax.loglog(scales, norms[kind], "o", color=face)
    ax.text(scales[-1], norms["plain"][-3] * 1.7, "no normalization", color=BEFORE, ha="right", va="bottom")
    ax.text(scales[1] * 1.6, 1.1 / scales[1], "batch normalization: 1 / a", color=AFTER)
    ax.set_xlabel("factor a of the weights")
    ax.set_ylabel("norm of dW, relative")
    return fig


def accuracy_map(depths, rates, accuracies):
    """Show the accuracy of three networks for every depth and learning rate, as three bars in a cell.

    Parameters
    ----------
    depths, rates : sequence
    accuracies : dict of str to ndarray of shape (len(depths), len(rates))
    """
    fig, ax = new_figure(4.2)
    bars = [
        (name, colour, place, accuracies[kind])
        for place, (kind, (colour, _, name)) in zip((0, 0.317, 0.75), LOOK.items(), strict=True)
    ]
    bar_map(ax, depths, rates, bars)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("hidden layers")
    return fig


def loss_and_biases(runs, window=10):
    """Show the loss of three networks over the steps, and the norm of the biases of their first layer.

    Parameters
    ----------
    runs : dict of str to Run
    """
    fig, axes = new_figure(4.3, nrows=2, sharex=True)
    for kind, run in runs.items():
        colour, line, name = LOOK[kind]
        smooth = np.convolve(run.losses, np.full(window, 1 / window), mode="valid")
        steps = np.arange(len(smooth)) + window
        axes[0].plot(steps, smooth, line, color=colour)
        axes[1].plot(np.arange(1, len(run.biases) + 1), run.biases, line, color=colour)
        end = int(0.4 * len(smooth)) if kind == "right" else len(smooth)
        beside = smooth[max(0, end - int(0.45 * len(smooth))) : end]
        height, side = (beside.min() - 0.06, "top") if kind == "right" else (beside.max() + 0.04, "bottom")
        axes[0].text(steps[end - 1], height, name, color=colour, ha="right", va=side)
    axes[0].set_ylim(0, None)
    axes[0].set_ylabel("loss")
    axes[1].set_ylabel("norm of the biases")
    axes[1].set_xlabel("steps")
    return fig
