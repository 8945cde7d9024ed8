"""Every figure of the book draws without a warning, in the one style, and shows what `solutions` computes."""

import inspect
import io

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Text

from chapters.experiments import backward_pass as backward
from chapters.experiments import covariate_shift as shift
from chapters.experiments import gradient_check as trial
from chapters.experiments import network as deep
from chapters.experiments import saturation as measure
from chapters.experiments import scaled_inputs as scaled
from chapters.figures import (
    backward_pass,
    beyond,
    covariate_shift,
    forward_pass,
    gradient_check,
    network,
    saturation,
    scaled_inputs,
    style,
)
from solutions import batchnorm_forward

X = np.array([[1, 65], [3, 25], [4, 5], [5, 35], [7, 20.0]])
GAMMA, BETA = np.array([0.5, 2.0]), np.array([3.0, -1.0])

FIGURES = {
    forward_pass.stages: (X, GAMMA, BETA),
    forward_pass.shapes: (X,),
    forward_pass.variance_of_small_batches: ((2, 5, 16), 20_000),
    forward_pass.two_formulas: (),
    forward_pass.variance_after: (),
    forward_pass.sigmoid_range: (X[:, 0],),
    forward_pass.parameters: (X[:, 0], 0.5, 3.0),
    forward_pass.invariances: (X[:, 1],),
    forward_pass.coupling: (X[:, 0],),
    forward_pass.one_example: (),
    forward_pass.startup: (),
    forward_pass.four_conventions: (300,),
}
MODULES = [forward_pass]

CORNERS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])
WIDE, MINIMUM = CORNERS * [1, 5], np.array([5.0, 1.0])
PAIR, PAIR_TARGET = scaled.two_features()
PREPARED = scaled.preparations(PAIR)
TANH = {s: scaled.layer_inputs("tanh", s, N=100) for s in (0.5, 1, 3)}

FIGURES |= {
    scaled_inputs.valleys: ([scaled.hessian(CORNERS), scaled.hessian(WIDE)], [MINIMUM, MINIMUM], ["round", "long"]),
    scaled_inputs.rates: (scaled.hessian(WIDE), MINIMUM, [scaled.descend(WIDE, WIDE @ MINIMUM, 0.02, 9)] * 2, "ab"),
    scaled_inputs.steps: ([2, 10], [5, 23], [4.2, 22.9]),
    scaled_inputs.disturbance: (WIDE, {1: 1.0, 5: 25.0}, np.array([[1, 1], [5, 25]]), "ratio", 5),
    scaled_inputs.clouds: (
        PREPARED,
        {name: scaled.hessian(x) for name, x in PREPARED.items()},
        {name: np.linalg.lstsq(x, PAIR_TARGET, rcond=None)[0] for name, x in PREPARED.items()},
        {name: scaled.descend(x, PAIR_TARGET, scaled.best_rate(x), 12) for name, x in PREPARED.items()},
    ),
    scaled_inputs.losses: ({name: np.array([1, 0.1, 1e-3]) for name in PREPARED},),
    scaled_inputs.histograms: (TANH,),
    scaled_inputs.scales: ({"tanh": {1: np.ones(11)}, "relu": {2: np.arange(1, 12)}},) * 2,
    scaled_inputs.shares: ({"tanh": np.linspace(0, 0.5, 11)},),
}
MODULES += [scaled_inputs]

FIRST_ONE = {dtype: measure.first_one(dtype) for dtype in (np.float32, np.float64)}
PLAIN, NORMALIZED = ({c: measure.random_network("sigmoid", bn, c) for c in (0.1, 1, 10)} for bn in (False, True))

FIGURES |= {
    saturation.curve: (measure.threshold(),),
    saturation.tails: (FIRST_ONE,),
    saturation.histograms: (),
    saturation.fractions: (measure.normal_fraction, lambda std, mean: measure.measured_fraction(std, mean, size=2000)),
    saturation.layers: (PLAIN,),
    saturation.factors: (lambda c: c / 4, PLAIN),
    saturation.normalized_layers: (PLAIN, NORMALIZED),
    saturation.training: ((1, 3), {False: np.full((2, 3), 0.1), True: np.full((2, 3), 0.9)}),
    saturation.relatives: (lambda _, c: c, {(f, bn): {1: 1.0} for f in ("sigmoid", "tanh", "relu") for bn in (0, 1)}),
}
MODULES += [saturation]

SEEN = {kind: shift.run(kind, steps=20, every=5) for kind in shift.KINDS}
UNITS = dict.fromkeys(SEEN, 0)
LAND = {kind: shift.landscape(kind, (0.1, 0.2), steps=21) for kind in ("plain", "batchnorm")}
MEAN_SQUARE = np.geomspace(100, 1, 20)

FIGURES |= {
    covariate_shift.moving_inputs: (),
    covariate_shift.means_of_batches: (*shift.batch_means((15, 60), draws=20), 1437),
    covariate_shift.percentiles: ({kind: SEEN[kind] for kind in ("plain", "batchnorm")}, UNITS),
    covariate_shift.inputs_by_batch: (SEEN, UNITS, 20),
    covariate_shift.losses: ({kind: [run._replace(losses=np.geomspace(3, 0.05, 400))] for kind, run in SEEN.items()},),
    covariate_shift.dose: ([(0.5, 0.4, 0.5), (1, 0.8, 0.7)], {"plain": (0.3, 0.9), "batchnorm": (0, 0.3)}),
    covariate_shift.gradient_shifts: ({"plain": np.array([0.6, 0.5]), "batchnorm": np.array([0.2, 0.1])}, 20),
    covariate_shift.along_the_gradient: (LAND, (0.1, 0.2)),
    covariate_shift.learning_rates: ((0.1, 1), {"plain": np.array([1, 3]), "batchnorm": np.array([0.5, 0.3])}),
    covariate_shift.depth: ({"relu": MEAN_SQUARE, "plain relu": np.ones(20)}, {"relu": 1.27}),
}
MODULES += [covariate_shift]

COLUMN = np.array([[1], [5], [5], [5.0]])
LAYER = (COLUMN, np.array([2.0]), np.array([1.0]), np.array([[-1], [2], [1], [0.0]]), 1.0)
RISE = np.array([0.1, 1, 10])
TRAINED = backward.Run(np.geomspace(2.3, 0.3, 40), np.linspace(0, 1, 40), 0.9, 0.9, 0.1)

FIGURES |= {
    backward_pass.graph: LAYER,
    backward_pass.three_paths: LAYER,
    backward_pass.parameter_paths: LAYER,
    backward_pass.stages_of_gradient: LAYER,
    backward_pass.gains: (np.array([0.01, 1, 10]), {2: RISE[::-1], 8: np.ones(3)}, RISE[::-1], 316),
    backward_pass.flat_variance: (COLUMN[:, 0],),
    backward_pass.projection: (np.array([[-1], [0.4], [2]]), np.array([[0.6], [0.4], [3.4]]), 0.3),
    backward_pass.jacobian_picture: (np.random.default_rng(0).normal(size=(5, 1)),),
    backward_pass.weight_scales: (np.array([0.1, 1, 10]), dict.fromkeys(("plain", "right"), np.array([10, 1, 0.1]))),
    backward_pass.accuracy_map: ((1, 2), (0.1, 1), dict.fromkeys(backward.KINDS, np.full((2, 2), 0.5))),
    backward_pass.loss_and_biases: (dict.fromkeys(backward.KINDS, TRAINED),),
}
MODULES += [backward_pass]

UNIT, SMALL = trial.careful_batch(spread=1.0), trial.careful_batch()
STEPS, RATIOS = np.logspace(-12, 0, 13), np.logspace(-6, 1, 8)
V = dict.fromkeys(("float64", "float32"), (STEPS**2 + 1e-15 / STEPS, STEPS + 1e-15 / STEPS))

FIGURES |= {
    gradient_check.quotients: (np.exp, 1.0, 0.5),
    gradient_check.two_errors: (STEPS, V, {name: errors[0] for name, errors in V.items()}, dict.fromkeys(V, 1e-5)),
    gradient_check.spreads: (STEPS, {s: (STEPS / s) ** 2 + 1e-15 * s / STEPS for s in (1e-3, 1, 1e3)}),
    gradient_check.two_measures: (*trial.errors_over_batches(9), 1e-6),
    gradient_check.survivors: ({(1, 1): ["z", "m", "d"], (1, 2): ["z"], (2, 1): ["m"], (2, 2): ["d"]},),
    gradient_check.own_forward: ((2, 5), *trial.unbiased_layer((2, 5)), 1e-6),
    gradient_check.remaining: (RATIOS, *trial.gradient_sizes(SMALL, RATIOS)),
    gradient_check.mistakes_with_eps: (RATIOS, trial.deviations(SMALL, RATIOS), 1e-3),
    gradient_check.directions: (RATIOS[:4], *[{name: factor * RATIOS[:4] for factor, name in enumerate("abc", 1)}] * 2),
}
MODULES += [gradient_check]

WATCHED = deep.run(True, 1, steps=20, look_at=(0, 10, 19))

FIGURES |= {
    network.hidden_layer: (),
    network.headline: ({"first": 31.0, "second": 13.3, "third": 2.1},),
    network.accuracies: ([(bn, "name", [WATCHED]) for bn in (True, False, False)],),
    network.accuracy_map: ((0.1, 1), (1, 4), dict.fromkeys((False, True), np.full((2, 2), 0.5))),
    network.layers: ([(bn, "name", WATCHED) for bn in (False, True)],),
    network.batch_sizes: ((2, 60), dict.fromkeys((False, True), np.full((2, 2), 0.5))),
    network.forgotten_switch: ((1, 2, 4, 60), [0.1, 0.5, 0.8, 0.9], [0.1, 0.1, 0.2, 0.5], 0.95),
    network.frozen_losses: ({0.1: (WATCHED, WATCHED), 1: (WATCHED, WATCHED)}, 10),
}
MODULES += [network]

MAPS = np.random.default_rng(0).normal(size=(4, 6, 3, 3))
ROWS = np.random.default_rng(0).normal(size=(4, 5))
LIMITS = [(1, 0), (1.5, 0.5), (3, 5)]

FIGURES |= {
    beyond.axes_of_norms: (MAPS, 2),
    beyond.patches: (),
    beyond.turned: (ROWS,),
    beyond.words: (beyond.by_example, beyond.by_example, ROWS),
    beyond.folded: (ROWS[:, 0], ROWS[:, 1], 2 * ROWS[:, 0] + 1, 2, 1),
    beyond.two_orders: (ROWS[:, 0], ROWS[:, 1]),
    beyond.devices: (ROWS,),
    beyond.leak: (ROWS[:2], ROWS[2:4]),
    beyond.small_batches: ((2, 8, 32), beyond.batch_errors((2, 8, 32)), LIMITS, beyond.gaps((2, 8, 32), LIMITS)),
}
MODULES += [beyond]


@pytest.fixture(scope="module")
def drawn():
    """Draw every figure once: function -> (figure, SVG)."""
    return {function: (figure := function(*args), svg(figure)) for function, args in FIGURES.items()}


def svg(figure):
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def lines_with_dots(ax):
    return [line for line in ax.lines if line.get_marker() not in ("", "None", None)]


def colours(figure):
    """Return every colour that is drawn, as hexadecimal strings."""
    found = []
    for artist in figure.findobj(lambda artist: artist.get_visible()):
        if isinstance(artist, Line2D):
            found += [artist.get_color()]
            if artist.get_marker() not in ("", "None", None):
                found += [artist.get_markerfacecolor(), artist.get_markeredgecolor()]
        elif isinstance(artist, Text):
            found += [artist.get_color()] if artist.get_text() else []
        elif isinstance(artist, FancyArrowPatch | Patch):
            found += [artist.get_facecolor(), artist.get_edgecolor()]
        elif isinstance(artist, Collection):
            found += [*artist.get_facecolor(), *artist.get_edgecolor()]
    rgba = [matplotlib.colors.to_rgba(colour) for colour in found]
    return {matplotlib.colors.to_hex(colour).upper() for colour in rgba if colour[3] > 0}


def test_every_figure_function_of_the_chapters_is_tried_here():
    returns_figure = {
        function
        for module in MODULES
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and "return fig" in inspect.getsource(function)
    }
    assert returns_figure == set(FIGURES)


@pytest.mark.parametrize("function", FIGURES, ids=lambda function: function.__name__)
def test_a_figure_keeps_to_the_style(function, drawn):
    figure, _ = drawn[function]
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == style.WIDTH
    assert colours(figure) <= set(style.COLOURS)


@pytest.mark.parametrize("function", FIGURES, ids=lambda function: function.__name__)
def test_a_figure_labels_its_axes(function, drawn):
    figure, _ = drawn[function]
    axes = [ax for ax in figure.axes if ax.axison]
    if not axes:  # a diagram
        return
    assert axes[-1].get_xlabel()
    named = [ax for ax in axes if ax.get_ylabel() or any(map(has_letters, ax.get_yticklabels()))]
    for ax in axes:
        assert ax in named or any(ax.get_shared_y_axes().joined(ax, other) for other in named)


def has_letters(text):
    return any(map(str.isalpha, text.get_text()))


@pytest.mark.parametrize("function", FIGURES, ids=lambda function: function.__name__)
def test_a_figure_is_the_same_to_the_byte_when_drawn_again(function, drawn):
    assert svg(function(*FIGURES[function])) == drawn[function][1]


def test_importing_the_figures_leaves_no_figure_open():
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_stages_show_the_output_of_the_reference(drawn):
    figure, _ = drawn[forward_pass.stages]
    out, _ = batchnorm_forward(X, GAMMA, BETA, {"mode": "train"})
    shown = [line.get_xdata() for line in lines_with_dots(figure.axes[-1])]
    np.testing.assert_array_equal(np.column_stack(shown), out)


def test_statistics_are_the_mean_and_the_biased_variance():
    mu, var = forward_pass.statistics(X)
    np.testing.assert_allclose(mu, [4, 30])
    np.testing.assert_allclose(var, [4, 400])


def test_small_batches_show_the_bias_that_the_chapter_derives(drawn):
    figure, _ = drawn[forward_pass.variance_of_small_batches]
    for line in lines_with_dots(figure.axes[0]):
        N = line.get_xdata()[0]
        expected = (N - 1) / N if line.get_gid() == "biased" else 1
        assert line.get_ydata()[0] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(("dtype", "offset"), [(np.float64, 1e7), (np.float32, 1e3)])
def test_squares_first_loses_the_predicted_digits_and_two_passes_do_not(dtype, offset):
    two_pass, one_pass = forward_pass.variance_errors([offset], dtype)
    predicted = np.finfo(dtype).eps / 2 * offset**2
    assert predicted / 30 < one_pass[0] < predicted * 30
    assert two_pass[0] < predicted * 1e-3


def test_exact_variance_has_no_rounding():
    assert forward_pass.exact_variance([2.0**60, 2.0**60 + 512]) == 256**2


def test_half_of_the_variance_is_left_where_it_equals_eps(drawn):
    figure, _ = drawn[forward_pass.variance_after]
    points = [line.get_xydata() for line in lines_with_dots(figure.axes[0])]
    for (var, left), eps in [
        (xy[np.argmin(abs(xy[:, 1] - 0.5))], eps) for xy, eps in zip(points, (1e-5, 1e-3, 0.1), strict=True)
    ]:
        assert var == pytest.approx(eps)
        assert left == pytest.approx(0.5)


def test_shift_and_scale_leave_the_normalized_dots_where_they_are(drawn):
    figure, _ = drawn[forward_pass.invariances]
    plain, shifted, scaled, mirrored = (line.get_xdata() for line in lines_with_dots(figure.axes[1]))
    np.testing.assert_allclose(shifted, plain, rtol=1e-12)
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)  # up to eps / var
    np.testing.assert_allclose(mirrored, -plain)


def test_the_example_that_moves_stays_within_the_bound(drawn):
    figure, _ = drawn[forward_pass.coupling]
    curves = np.array([line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) > len(X)])
    assert len(curves) == len(X)
    assert np.abs(curves).max() < np.sqrt(len(X) - 1)
    np.testing.assert_allclose(curves.sum(axis=0), 0, atol=1e-12)


def test_start_up_follows_the_predicted_bias(drawn):
    figure, _ = drawn[forward_pass.startup]
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    for predicted, measured in zip(curves[::2], curves[1::2], strict=True):
        np.testing.assert_allclose(measured.get_ydata(), predicted.get_ydata(), atol=0.06)


def test_conventions_settle_at_the_true_or_the_biased_variance():
    last = {key: path[-100:].mean() for key, path in forward_pass.running_variances(1500).items()}
    for key in ("paper", "pytorch"):
        assert last[key] == pytest.approx(4, rel=0.02)
    for key in ("book", "keras"):
        assert last[key] == pytest.approx(4 * 7 / 8, rel=0.02)


def test_the_steps_in_the_tail_are_steps_of_the_computed_derivative(drawn):
    figure, _ = drawn[saturation.tails]
    steps = figure.axes[1].lines[1].get_ydata()  # in multiples of the unit roundoff, not exactly whole
    assert set(steps.round()) >= {0, 2, 4, 6, 8}
    np.testing.assert_allclose(steps, 2 * (steps / 2).round(), atol=1e-9)


def test_histograms_of_outputs_hold_every_unit(drawn):
    figure, _ = drawn[saturation.histograms]
    for ax in figure.axes:
        assert ax.patches[0].get_data().values.sum() == pytest.approx(1)


def test_dots_of_the_saturated_fraction_lie_on_the_prediction(drawn):
    figure, _ = drawn[saturation.fractions]
    for mean, dots in zip((0, 4, 8), lines_with_dots(figure.axes[0]), strict=True):
        np.testing.assert_allclose(dots.get_ydata(), measure.normal_fraction(dots.get_xdata(), mean), atol=0.04)


def test_with_batch_normalization_the_lines_of_all_weight_scales_are_one(drawn):
    figure, _ = drawn[saturation.normalized_layers]
    plain, normalized = (np.array([line.get_ydata() for line in lines_with_dots(ax)]) for ax in figure.axes)
    assert np.ptp(np.log10(plain[:, 0])) > 10
    assert np.ptp(np.log10(normalized[:, 0])) < 0.02


def test_the_line_of_each_cloud_has_the_slope_that_the_chapter_derives():
    rng = np.random.default_rng(0)
    for mean in (-1.0, 0.0, 3.0):
        slope, _ = np.polyfit(*covariate_shift.cloud(rng, mean), 1)
        assert slope == pytest.approx(2 * mean, abs=1e-12)


def test_smoothed_losses_are_means_of_neighbours():
    np.testing.assert_allclose(covariate_shift.smoothed(np.array([1.0, 2, 3, 10]), 3), [2, 5])


def test_the_percentiles_of_a_run_are_drawn_as_they_are(drawn):
    figure, _ = drawn[covariate_shift.percentiles]
    for ax, run in zip(figure.axes, SEEN.values(), strict=False):
        shown = np.array([line.get_ydata() for line in ax.lines])
        np.testing.assert_array_equal(shown, run.percentiles[:, :, 0].T)


def test_the_graph_shows_the_gradients_that_the_backward_pass_computes(drawn):
    figure, _ = drawn[backward_pass.graph]
    shown = {text.get_text().replace("\N{MINUS SIGN}", "-") for text in figure.axes[0].texts}
    assert {"(-0.375, 1.125, 0.125, -0.875)", "-2", "-0.75", "(-2, 4, 2, 0)", "3", "2"} <= shown


def test_a_graph_to_be_filled_in_shows_the_gradient_that_arrives_and_no_other():
    figure = backward_pass.graph(*LAYER, known=["out"])
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown.count("?") == 6
    assert "(\N{MINUS SIGN}1, 2, 1, 0)" in shown


def test_bars_of_the_three_paths_add_up_to_the_last_row(drawn):
    figure, _ = drawn[backward_pass.three_paths]
    *parts, total = ([bar.get_height() for bar in ax.patches] for ax in figure.axes)
    np.testing.assert_allclose(np.sum(parts, axis=0), total)


def test_the_last_stage_of_the_gradient_is_dx(drawn):
    figure, _ = drawn[backward_pass.stages_of_gradient]
    factor = 2.0 / np.sqrt(3 + 1)
    shown = lines_with_dots(figure.axes[-1])[0].get_xdata()
    np.testing.assert_allclose(factor * shown, backward_pass.nodes(*LAYER)["dx"][:, 0])


def test_the_central_difference_of_a_parabola_is_its_tangent(drawn):
    figure = gradient_check.quotients(lambda t: t + t**2, 1.0, 0.5)
    _, tangent, one_sided, central = (np.ptp(line.get_ydata()) for line in figure.axes[0].lines[:4])
    assert central == pytest.approx(tangent)
    assert one_sided == pytest.approx(1.5 * tangent)


def test_dots_of_the_square_loss_lie_on_the_factor_that_the_chapter_derives(drawn):
    figure, _ = drawn[gradient_check.remaining]
    square, _ = lines_with_dots(figure.axes[0])
    np.testing.assert_allclose(square.get_ydata(), RATIOS / (1 + RATIOS), rtol=1e-6)


@pytest.mark.parametrize(("name", "axes"), [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))])
def test_each_normalization_centres_what_its_row_of_the_table_says(name, axes):
    np.testing.assert_allclose(beyond.four_norms(2)[name](MAPS).mean(axis=axes), 0, atol=1e-12)


def test_one_entry_reaches_its_row_in_layer_normalization():
    reached = beyond.reached(beyond.by_example, ROWS, 1, 3)
    assert reached[1].all()
    assert reached.sum() == ROWS.shape[1]


def test_a_map_draws_every_share_in_its_cell(drawn):
    figure, _ = drawn[network.accuracy_map]
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_height()) for bar in figure.axes[0].patches]
    assert len(bars) == 8
    for x, y, height in bars:
        assert abs(x - round(x)) < 0.5
        assert y in (0, 1)
        assert height == pytest.approx(0.4)


def test_a_pixel_reaches_the_maps_that_share_its_mean():
    reached = {name: beyond.touched(f, MAPS, 1, 3) for name, f in beyond.four_norms(2).items()}
    assert {name: int(maps.sum()) for name, maps in reached.items()} == {
        "batch": 4,
        "layer": 6,
        "instance": 1,
        "group": 3,
    }
    assert reached["batch"][:, 3].all()
    assert reached["group"][1, 3:].all()


def test_errors_of_batch_statistics_follow_the_formulas_of_the_chapter():
    N = np.array([2, 8, 32])
    mean, var = beyond.batch_errors(N)
    np.testing.assert_allclose(mean, 1 / np.sqrt(N), rtol=0.02)
    np.testing.assert_allclose(var, np.sqrt(2 * N - 1) / N, rtol=0.02)


def test_renormalization_without_clipping_is_the_value_at_inference():
    batch = np.random.default_rng(0).normal(3, 2, size=(4, 5))
    np.testing.assert_allclose(beyond.renormalized(batch, 1.0, 0.5, 1e9, 1e9), (batch - 1) / 0.5, atol=1e-9)
