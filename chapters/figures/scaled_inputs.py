"""Figures of the chapter on well-scaled inputs."""

import numpy as np

from .forward_pass import myst_table
from .style import AFTER, BEFORE, FAINT, GREY, INK, SLOPE, new_figure


def contours(ax, hessian, minimum, distances):
    """Draw the ellipses on which the loss is as high as it is at the given distances along the steepest axis."""
    eigenvalues, Q = np.linalg.eigh(hessian)
    angle = np.linspace(0, 2 * np.pi, 121)
    circle = np.array([np.cos(angle), np.sin(angle)])
    for distance in distances:
        axes = distance * np.sqrt(eigenvalues[-1] / eigenvalues)  # half the length of each axis of the ellipse
        w1, w2 = minimum[:, None] + Q @ (axes[:, None] * circle)
        ax.plot(w1, w2, color=FAINT, linewidth=1.0, zorder=1)
    ax.plot(*minimum, "+", color=INK, markersize=8, zorder=4)


def start_height(hessian, minimum):
    """Return the distance along the steepest axis at which the loss is as high as at w = 0."""
    return np.sqrt(minimum @ hessian @ minimum / np.linalg.eigvalsh(hessian)[-1])


def valleys(hessians, minima, names):
    """Show the loss of two linear models from above, and where its slope points at w = 0."""
    fig, axes = new_figure(2.75, ncols=len(hessians), sharey=True)
    for ax, H, minimum, name in zip(axes, hessians, minima, names, strict=True):
        contours(ax, H, minimum, start_height(H, minimum) * np.array([0.25, 0.5, 0.75, 1]))
        downhill = H @ minimum  # minus the gradient at w = 0
        ax.plot([0, minimum[0]], [0, minimum[1]], ":", color=GREY, linewidth=1.4)
        end = 2.4 * downhill / np.linalg.norm(downhill)
        ax.annotate("", end, (0, 0), arrowprops={"arrowstyle": "-|>", "color": SLOPE, "linewidth": 2})
        ax.plot(0, 0, "o", color=BEFORE, markersize=4, zorder=5)
        ax.text(0.2, -0.35, "w = 0", color=BEFORE, va="top")
        ax.set_title(name)
        ax.set_aspect("equal")
        ax.set_xlim(-1, 11)
        ax.set_ylim(-5, 7)
        ax.set_xlabel(r"$w_1$")
    axes[-1].text(0.5, 2.6, "downhill", color=SLOPE)
    axes[-1].text(minimum[0] + 0.3, minimum[1] + 0.1, "minimum", color=INK, va="bottom")
    axes[0].set_ylabel(r"$w_2$")
    return fig


def rates(hessian, minimum, paths, names):
    """Show the way of gradient descent through one valley at several learning rates."""
    fig, axes = new_figure(4.6, nrows=len(paths), sharex=True, sharey=True)
    for ax, path, name in zip(axes, paths, names, strict=True):
        contours(ax, hessian, minimum, [0.4, 0.8, 1.2, 1.6])
        ax.plot(*path.T, "-o", color=BEFORE, linewidth=1.1, markersize=3, zorder=3)
        ax.set_title(name)
        ax.set_ylabel(r"$w_2$")
    axes[-1].set_xlim(-1.5, 8.5)
    axes[-1].set_ylim(-1.4, 3.4)
    axes[-1].set_xlabel(r"$w_1$")
    return fig


def steps(conditions, measured, predicted):
    """Show measured and predicted numbers of steps against the condition number."""
    fig, ax = new_figure(2.7)
    ax.loglog(conditions, predicted, color=FAINT, linewidth=5, zorder=1)
    ax.loglog(conditions, measured, "o", color=SLOPE)
    ax.set_xlabel("condition number of the Hessian")
    ax.set_ylabel("steps to 1 % of the distance")
    return fig


def disturbance(x, conditions, predicted, label, shown):
    """Show a disturbed cloud of inputs, and the condition number against the size of the disturbance.

    Parameters
    ----------
    x : ndarray of shape (N, 2)
        The inputs for one size of the disturbance.
    conditions : dict of float to float
        Measured condition number for each size.
    predicted : ndarray of shape (K, 2)
        Sizes and condition numbers of the line to draw.
    label : str
        Names the size.
    shown : float
        The size to which x belongs.
    """
    fig, (cloud, ax) = new_figure(2.5, ncols=2, width_ratios=(1, 1.5))
    cloud.axhline(0, color=FAINT, linewidth=0.8)
    cloud.axvline(0, color=FAINT, linewidth=0.8)
    cloud.plot(*x.T, "o", color=BEFORE)
    reach = 1.25 * np.abs(x).max()
    cloud.set_xlim(-reach, reach)
    cloud.set_ylim(-reach, reach)
    cloud.set_box_aspect(1)
    cloud.set_xlabel(r"$x_1$")
    cloud.set_ylabel(r"$x_2$")
    ax.semilogy(*predicted.T, color=FAINT, linewidth=5, zorder=1)
    for size, condition in conditions.items():
        ax.semilogy(size, condition, "o", color=BEFORE if size == shown else GREY)
    ax.annotate(
        "these inputs",
        (shown, conditions[shown]),
        xytext=(8, -10),
        textcoords="offset points",
        color=BEFORE,
        va="top",
    )
    ax.set_xlabel(label)
    ax.set_ylabel("condition number")
    return fig


def clouds(prepared, hessians, minima, paths):
    """Show inputs as they are, centred, standardized and whitened, and under each the valley of its loss."""
    fig, axes = new_figure(3.0, nrows=2, ncols=len(prepared), sharey="row")
    for column, (name, x) in enumerate(prepared.items()):
        colour = AFTER if name in ("standardized", "whitened") else BEFORE
        cloud, valley = axes[:, column]
        cloud.axhline(0, color=FAINT, linewidth=0.8)
        cloud.axvline(0, color=FAINT, linewidth=0.8)
        cloud.plot(*x.T, ".", color=colour, markersize=2)
        cloud.set_title(name, fontsize=8.5)
        cloud.set_xlim(-7.5, 7.5)
        cloud.set_ylim(-7.5, 7.5)
        H, minimum, path = hessians[name], minima[name], paths[name] - minima[name]
        far = np.abs(path).max()
        contours(valley, H / far**2, np.zeros(2), np.array([0.25, 0.5, 0.75, 1]) * start_height(H, minimum) / far)
        valley.plot(*(path / far).T, "-o", color=colour, linewidth=1.0, markersize=2.5, zorder=3)
        valley.set_xlim(-1.5, 1.5)
        valley.set_ylim(-1.5, 1.5)
        valley.set_xlabel(rf"$\kappa$ = {np.linalg.cond(H):.3g}", color=INK)
        for ax in (cloud, valley):
            ax.set_box_aspect(1)
            ax.set_xticks([])
            ax.set_yticks([])
    axes[0, 0].set_ylabel("inputs")
    axes[1, 0].set_ylabel("loss")
    return fig


def losses(curves):
    """Show the excess loss of each preparation of the same data against the steps."""
    fig, ax = new_figure(2.9)
    look = {
        "as measured": (BEFORE, "-", (300, 1.1)),
        "centred": (BEFORE, "--", (110, 3e-3)),
        "standardized": (AFTER, "-", (17, 2e-5)),
        "whitened": (AFTER, "--", (1.1, 2e-6)),
    }
    for name, curve in curves.items():
        colour, line, place = look[name]
        ax.plot(curve.clip(1e-9), line, color=colour)
        ax.text(*place, name, color=colour)
    ax.set_xscale("symlog", linthresh=1)  # shows step 0
    ax.set_yscale("log")
    ax.set_xlim(0, 3200)
    ax.set_ylim(1e-6, 4)
    ax.set_xlabel("steps of gradient descent")
    ax.set_ylabel("loss above the minimum")
    return fig


def histograms(inputs, layers=(1, 4, 7, 10)):
    """Show how the activations of some layers are distributed, for each weight scale.

    Parameters
    ----------
    inputs : dict of float to list of ndarray
        For each weight scale the activations of every layer, the data first.
    layers : tuple of int
    """
    fig, axes = new_figure(3.9, nrows=len(inputs), ncols=len(layers), sharex=True, sharey=True)
    for row, (scale, activations) in zip(axes, inputs.items(), strict=True):
        for ax, layer in zip(row, layers, strict=True):
            counts, edges = np.histogram(activations[layer], bins=np.linspace(-1, 1, 42))
            ax.stairs(counts / counts.max(), edges, fill=True, color=BEFORE)
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
            ax.set_xticks([-1, 0, 1])
        row[0].set_ylabel(f"scale {scale:g}")
    for ax, layer in zip(axes[0], layers, strict=True):
        ax.set_title(f"layer {layer}")
    axes[-1, 0].set_xlabel("activation")
    axes[-1, -1].set_xlabel("activation")
    return fig


def scales(measured, predicted):
    """Show the root mean square of the activations layer by layer, measured and predicted.

    Parameters
    ----------
    measured, predicted : dict of str to dict of float to ndarray of shape (layers + 1,)
        For each activation function and each weight scale.
    """
    fig, axes = new_figure(3.0, ncols=len(measured), sharey=True)
    for ax, (activation, by_scale) in zip(axes, measured.items(), strict=True):
        for scale, rms in by_scale.items():
            layers = np.arange(len(rms))
            ax.semilogy(layers, predicted[activation][scale], color=FAINT, linewidth=5, zorder=1)
            ax.semilogy(layers, rms, "o", color=BEFORE, markersize=3.5)
            ax.text(layers[-1] + 0.5, rms[-1], f"{scale:.3g}", va="center")
        ax.set_title({"relu": "ReLU"}.get(activation, activation))
        ax.set_xlim(-0.5, 12.8)
        ax.set_xticks([0, 5, 10])
        ax.set_xlabel("layer")
    axes[0].set_ylabel("root mean square")
    return fig


def shares(by_name):
    """Show the share of the steepest axis in all curvature, layer by layer."""
    fig, ax = new_figure(2.7)
    marks = ["o", "s", "^"]
    for (name, share), mark in zip(by_name.items(), marks, strict=False):
        layers = np.arange(len(share))
        ax.plot(layers, share, "-", color=BEFORE, linewidth=1.0, marker=mark, markersize=4)
        ax.text(layers[-1] + 0.25, share[-1], name, color=BEFORE, va="center")
    ax.set_xlim(-0.3, 12.6)
    ax.set_xticks(range(0, 11, 2))
    ax.set_ylim(0, 1)
    ax.set_xlabel("layer whose activations are the inputs")
    ax.set_ylabel(r"$\lambda_{\max}$ / sum of all $\lambda$")
    return fig


def preparations_table(by_name):
    """Write the table of condition number, predicted and counted steps; each value of by_name holds these three."""
    rows = [
        [name, f"{condition:.4g}", f"{np.ceil(predicted):.0f}", str(counted)]
        for name, (condition, predicted, counted) in by_name.items()
    ]
    caption = "Five features and a bias: steps until one percent of the distance is left, from the worst start."
    header = ["preparation", "condition number", "steps, predicted", "steps, counted"]
    return myst_table("tab-scaled-preparations", caption, header, rows)
