"""Figures of the chapter on sigmoids. What they show is computed by `experiments.saturation` and handed over."""

import numpy as np

from solutions import sigmoid_backward, sigmoid_forward

from .style import AFTER, BEFORE, FAINT, GREY, INK, PAPER, SLOPE, new_figure


def derivative(x):
    """Return the sigmoid's derivative at every entry of x, in the precision of x."""
    out, cache = sigmoid_forward(x)
    return sigmoid_backward(np.ones_like(out), cache)


def curve(threshold):
    """Show the sigmoid, its derivative and the bounds of the derivative's tails; shade where it is saturated.

    Parameters
    ----------
    threshold : float
        Beyond it, to both sides, a unit counts as saturated.
    """
    x = np.linspace(-10, 10, 401)
    fig, axes = new_figure(3.0, ncols=2)
    for ax in axes:
        for side in (-1, 1):
            ax.axvspan(side * threshold, side * 10, facecolor=FAINT, alpha=0.4, linewidth=0)
        ax.set_xlim(-10, 10)
        ax.set_xlabel("x")
    axes[0].plot(x, sigmoid_forward(x)[0], color=INK)
    axes[0].plot(x, derivative(x), color=SLOPE)
    axes[0].text(-0.6, 0.62, "s(x)", ha="right")
    axes[0].text(2.3, 0.2, "s'(x)", color=SLOPE)
    axes[0].axhline(0.25, color=GREY, linewidth=0.8, linestyle=":")
    axes[0].text(-9.6, 0.265, "1/4", color=GREY)
    axes[0].set_ylabel("value")
    axes[1].semilogy(x, np.exp(-np.abs(x)), color=GREY, linewidth=0.8, linestyle="--")
    axes[1].semilogy(x, np.exp(-np.abs(x)) / 4, color=GREY, linewidth=0.8, linestyle="--")
    axes[1].semilogy(x, derivative(x), color=SLOPE)
    axes[1].text(0, 0.012, "s'(x)", color=SLOPE, ha="center")
    axes[1].text(1.4, 0.45, r"$e^{-|x|}$", color=GREY)
    axes[1].text(-4.3, 1.6e-4, r"$\frac{1}{4}e^{-|x|}$", color=GREY, ha="center")
    return fig


def tails(first_one):
    """Show the derivative as both precisions compute it, far out on both sides, and its last steps before zero.

    Parameters
    ----------
    first_one : dict of type to float
        For np.float32 and np.float64, the smallest number at which the sigmoid is exactly 1.
    """
    fig, axes = new_figure(3.1, ncols=2, width_ratios=(3, 2))
    x = np.linspace(-60, 60, 961)
    axes[0].semilogy(x, np.exp(-np.abs(x)), color=FAINT, linewidth=5)
    for dtype, line, colour, height in ((np.float32, "--", INK, 1e-16), (np.float64, "-", SLOPE, 1e-24)):
        shown = x[x < first_one[dtype]].astype(dtype)
        axes[0].semilogy(shown, derivative(shown), line, color=colour, linewidth=1.3)
        axes[0].axvline(first_one[dtype], color=GREY, linewidth=0.8, linestyle=":")
        name = f"{np.dtype(dtype).name}:\n0 from {first_one[dtype]:.2f}"
        axes[0].text(float(first_one[np.float32]) - 2, height, name, color=colour, ha="right", va="center", fontsize=8)
    axes[0].set_xlim(-60, 60)
    axes[0].set_ylim(1e-27, 5)
    axes[0].set_xlabel("x")
    axes[0].set_ylabel("computed derivative s'(x)")

    u = np.finfo(np.float64).eps / 2
    x = np.linspace(34.2, 37.4, 1601)
    axes[1].plot(x, np.exp(-x) / u, color=FAINT, linewidth=5)
    axes[1].plot(x, derivative(x) / u, color=SLOPE, linewidth=1.3)
    axes[1].set_title("float64")
    axes[1].set_ylabel("s'(x) / u")
    axes[1].set_xlabel("x")
    return fig


def histograms(stds=(0.5, 2, 8)):
    """Show the outputs of a layer of sigmoids for normal pre-activations of several widths."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=50_000)
    fig, axes = new_figure(2.5, ncols=len(stds), sharey=True)
    for ax, std in zip(axes, stds, strict=True):
        out, _ = sigmoid_forward(std * z)
        share, edges = np.histogram(out, bins=25, range=(0, 1))
        ax.stairs(share / len(z), edges, fill=True, facecolor=BEFORE, linewidth=0)
        ax.set_title(rf"$\sigma$ = {std:g}")
        ax.set_xlabel("s(x)")
    axes[0].set_ylabel("share of the units")
    return fig


def fractions(predicted, measured, means=(0, 4, 8)):
    """Show the saturated fraction against the width of the pre-activations, for several means.

    Parameters
    ----------
    predicted, measured : callable
        predicted(stds, mean) returns an ndarray of the shape of stds; measured(std, mean) returns a float.
    means : sequence of float
    """
    stds = np.logspace(-0.5, 2, 201)
    dots = np.logspace(-0.5, 2, 11)
    places = {0: (1.9, 0.01, "right"), 4: (0.34, 0.2, "left"), 8: (0.34, 0.86, "left")}
    fig, ax = new_figure(2.9)
    for mean in means:
        ax.semilogx(stds, predicted(stds, mean), color=FAINT, linewidth=4)
        ax.semilogx(dots, [measured(std, mean) for std in dots], "o", color=BEFORE)
        x, y, side = places[mean]
        ax.text(x, y + 0.02, f"mean {mean:g}", ha=side, va="bottom")
    ax.set_xlabel(r"standard deviation $\sigma$ of the pre-activations")
    ax.set_ylabel("saturated fraction")
    ax.set_ylim(-0.03, 1.05)
    return fig


def norms_by_layer(ax, norms, colour, label):
    """Draw the gradient's norm at the input of each layer, as a share of that at the output, with a direct label."""
    layers = np.arange(1, len(norms) + 1)
    ax.semilogy(layers, norms / norms[-1], "o-", color=colour, markersize=3.5, linewidth=1)
    ax.text(0.6, norms[0] / norms[-1], label, color=colour, ha="right", va="center", fontsize=8.5)


def layers(signals):
    """Show the gradient's norm layer by layer, for several weight scales.

    Parameters
    ----------
    signals : dict of float to Signals
        The key is the weight scale.
    """
    fig, ax = new_figure(3.1)
    for scale, signal in signals.items():
        norms_by_layer(ax, signal.norms, SLOPE, f"c = {scale:g}")
    L = len(signal.norms) - 1
    ax.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xlim(-1.2, L + 1.3)
    ax.set_xticks([1, *range(2, L + 1, 2), L + 1], ["1", *map(str, range(2, L + 1, 2)), "out"])
    ax.set_xlabel("input of layer")
    ax.set_ylabel("norm of the gradient,\ndivided by that of dout")
    return fig


def factors(predict, signals):
    """Show the factor of a layer and the saturated fraction against the weight scale.

    Parameters
    ----------
    predict : callable
        predict(weight_scale) returns the predicted factor.
    signals : dict of float to Signals
    """
    scales = np.logspace(-1, 2, 61)
    measured = list(signals)
    fig, axes = new_figure(4.2, nrows=2, sharex=True, height_ratios=(3, 2))
    axes[0].loglog(scales, scales / 2, color=GREY, linewidth=1, linestyle="--")
    axes[0].loglog(scales, [predict(scale) for scale in scales], color=FAINT, linewidth=4)
    axes[0].loglog(measured, [signal.factor() for signal in signals.values()], "o", color=SLOPE)
    axes[0].axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    axes[0].text(7, 8, "bound", color=GREY, ha="right")
    axes[0].text(20, 0.75, "measured", color=SLOPE)
    axes[0].set_ylabel("factor of a layer")
    axes[1].semilogx(
        measured, [signal.saturated.mean() for signal in signals.values()], "o-", color=BEFORE, linewidth=1
    )
    axes[1].set_ylim(-0.05, 1.05)
    axes[1].set_ylabel("saturated fraction")
    axes[1].set_xlabel("weight scale c")
    return fig


def normalized_layers(without, with_batchnorm):
    """Show the gradient's norm layer by layer for several weight scales, without and with batch normalization.

    Parameters
    ----------
    without, with_batchnorm : dict of float to Signals
        The key is the weight scale.
    """
    fig, axes = new_figure(3.0, ncols=2, sharey=True)
    for scale, signal in without.items():
        norms_by_layer(axes[0], signal.norms, BEFORE, f"{scale:g}")
    for signal in with_batchnorm.values():
        norms_by_layer(axes[1], signal.norms, AFTER, "")
    scales = ", ".join(f"{scale:g}" for scale in with_batchnorm)
    axes[1].text(6, 1e-7, f"c = {scales}:\none line", color=AFTER, ha="center")
    axes[0].text(-1.2, 1e9, "c =", color=BEFORE, fontsize=8.5)
    L = len(signal.norms) - 1
    for ax, title in zip(axes, ("without", "with batch normalization"), strict=True):
        ax.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
        ax.set_xlim(-1.6, L + 1.3)
        ax.set_ylim(1e-19, 1e11)
        ax.set_xticks([1, 4, 7, L + 1], ["1", "4", "7", "out"])
        ax.set_xlabel("input of layer")
        ax.set_title(title)
    axes[0].set_ylabel("norm of the gradient,\ndivided by that of dout")
    return fig


def training(weight_scales, accuracies):
    """Show the accuracy after a short training against the weight scale, without and with batch normalization.

    Parameters
    ----------
    weight_scales : sequence of float
    accuracies : dict of bool to ndarray of shape (len(weight_scales), number of seeds)
        The key says whether the network normalizes.
    """
    fig, ax = new_figure(2.8)
    ax.axhline(0.1, color=GREY, linewidth=0.8, linestyle=":")
    look = {False: (BEFORE, "s", PAPER), True: (AFTER, "o", AFTER)}
    for batchnorm, (colour, marker, face) in look.items():
        ax.semilogx(weight_scales, accuracies[batchnorm], marker, color=colour, markerfacecolor=face)
        ax.semilogx(weight_scales, accuracies[batchnorm].mean(axis=1), color=colour, linewidth=1)
    ax.text(1, 0.8, "with batch normalization", color=AFTER, va="top")
    ax.text(1, 0.3, "without", color=BEFORE)
    ax.text(1, 0.02, "chance", color=GREY)
    ax.set_xticks(weight_scales, [f"{scale:g}" for scale in weight_scales])
    ax.minorticks_off()
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("weight scale c at the start")
    ax.set_ylabel("accuracy on the test part")
    return fig


def relatives(predict, measured):
    """Show the factor of a layer against the weight scale for three activations, without and with normalization.

    Parameters
    ----------
    predict : callable
        predict(activation, weight_scale) returns the predicted factor without normalization.
    measured : dict of (str, bool) to dict of float to float
        Activation, and whether the network normalizes, to the factor at each weight scale.
    """
    scales = np.logspace(-1, 2, 41)
    markers = {"sigmoid": "o", "tanh": "s", "relu": "^"}
    names = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}
    fig, axes = new_figure(3.1, ncols=2, sharey=True)
    for (activation, batchnorm), factor_at in measured.items():
        ax, colour = (axes[1], AFTER) if batchnorm else (axes[0], BEFORE)
        if not batchnorm:
            ax.loglog(scales, [predict(activation, scale) for scale in scales], color=FAINT, linewidth=4)
        ax.loglog(list(factor_at), list(factor_at.values()), markers[activation], color=colour, markersize=4)
    for name, place, side in (("sigmoid", (6, 0.45), "left"), ("tanh", (22, 5.2), "left"), ("relu", (5, 6.5), "right")):
        axes[0].text(*place, names[name], color=BEFORE, ha=side)
    axes[1].text(3, 1.6, "all three", color=AFTER, ha="center")
    for ax, title in zip(axes, ("without", "with batch normalization"), strict=True):
        ax.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
        ax.set_title(title)
        ax.set_xlabel("weight scale c")
    axes[0].set_ylabel("factor of a layer")
    return fig
