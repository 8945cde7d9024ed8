"""The interactive figures: right by the solutions; by keyboard, mouse and touch; without scripts, still pictures."""

import gzip
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from chapters.experiments import gradient_check as trial
from chapters.experiments import saturation as measure
from chapters.figures import backward_pass
from solutions import batchnorm_backward, batchnorm_forward, numerical_gradient, saturated_fraction, sigmoid_forward

FIGURES = {
    "saturation": ("saturation", "fig-saturation-histograms"),
    "parameters": ("forward_pass", "fig-forward-parameters"),
    "coupling": ("forward_pass", "fig-forward-coupled"),
    "momentum": ("forward_pass", "fig-forward-running"),
    "step": ("gradient_check", "fig-gradcheck-steps"),
    "graph": ("backward_pass", "fig-backward-nodes"),
}
SITE = ROOT / "assets" / "site" / "interactive"


class Live:
    """A figure on an open page."""

    def __init__(self, page, name):
        self.page = page
        self.figure = page.locator(f"figure:has([data-interactive={name}])")
        self.panel = self.figure.locator(".interactive")
        self.drawing = self.panel.locator("svg[role=img]")
        self.still = self.figure.locator("img")
        script = self.panel.locator("script")
        self.data = json.loads(script.text_content())

    def slider(self, number=0):
        return self.panel.locator("input[type=range]").nth(number)

    def press(self, slider, *keys):
        self.slider(slider).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def told(self):
        """Return what a screen reader is told, once it is told what is to be seen."""
        self.page.wait_for_function(
            """panel => panel.querySelector('[role=status]').textContent.replace(/\\s+/g, '') ===
                        panel.querySelector('.live-answer').textContent.replace(/[\\s\u2713]+/g, '')""",
            arg=self.panel.element_handle(),
        )
        return self.panel.get_by_role("status").text_content()

    def numbers(self):
        return numbers_in(self.told())

    def found(self):
        self.told()
        return self.panel.locator(".live-answer.found").count() == 1


def numbers_in(text):
    text = text.replace("\N{MINUS SIGN}", "-")
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]


@pytest.fixture(scope="module")
def opened(book, chromium):
    """Open the page of a figure from the disk."""
    contexts = []

    def open_figure(name, **options):
        context = chromium.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.goto((book.html / "chapters" / f"{FIGURES[name][0]}.html").as_uri(), wait_until="load")
        return Live(page, name)

    yield open_figure
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def arithmetic(opened):
    """Call a function of bn.js."""
    page = opened("coupling").page

    def call(name, *arguments):
        return page.evaluate("([name, args]) => bn[name](...args)", [name, list(arguments)])

    return call


# ---- the arithmetic ----


@pytest.mark.parametrize(("gamma", "beta", "eps"), [(1.0, 0.0, 1e-5), (-1.7, 2.5, 0.3), (0.0, -1.0, 10.0)])
def test_the_forward_pass_in_the_browser_is_that_of_the_solutions(gamma, beta, eps, arithmetic):
    x = np.random.default_rng(0).normal(3, 2, size=(7, 1))
    bn_param = {"mode": "train", "eps": eps, "momentum": 0.0}
    out, _ = batchnorm_forward(x, np.array([gamma]), np.array([beta]), bn_param)
    v = arithmetic("forward", x[:, 0].tolist(), gamma, beta, eps)
    np.testing.assert_allclose(v["out"], out[:, 0], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose([v["mu"], v["variance"]], [bn_param["running_mean"][0], bn_param["running_var"][0]])


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_every_gradient_in_the_browser_is_that_of_the_solutions(eps, arithmetic):
    rng = np.random.default_rng(0)
    x, dout = rng.normal(3, 2, size=(6, 1)), rng.normal(1, 1, size=(6, 1))
    want = backward_pass.nodes(x, np.array([1.7]), np.array([0.4]), dout, eps)
    v = arithmetic("forward", x[:, 0].tolist(), 1.7, 0.4, eps)
    g = arithmetic("backward", dout[:, 0].tolist(), 1.7, v)
    for key, name in {"dxHat": "dx_hat", "dvar": "dvar", "dmu": "dmu", "dx": "dx", "dgamma": "dgamma"}.items():
        np.testing.assert_allclose(np.ravel(g[key]), want[name].ravel(), rtol=1e-12, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(g["dbeta"], dout.sum())
    paths = backward_pass.paths(x, np.array([1.7]), np.array([0.4]), dout, eps)
    np.testing.assert_allclose(g["paths"], np.hstack(paths), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99])
def test_running_averages_in_the_browser_are_those_of_the_solutions(momentum, arithmetic):
    batches = np.random.default_rng(0).normal(3, 1, size=(20, 8, 1))
    bn_param, want = {"mode": "train", "momentum": momentum}, []
    for batch in batches:
        batchnorm_forward(batch, np.ones(1), np.zeros(1), bn_param)
        want.append(bn_param["running_mean"][0])
    got = arithmetic("running", batches.mean(axis=(1, 2)).tolist(), momentum)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_the_sigmoid_in_the_browser_is_that_of_the_solutions(arithmetic):
    x = [-800.0, -30.0, -1.0, 0.0, 2.0, 30.0, 800.0]
    np.testing.assert_allclose([arithmetic("sigmoid", z) for z in x], sigmoid_forward(np.array(x))[0], rtol=1e-14)


def test_the_tail_of_the_normal_distribution_is_right_to_six_digits(arithmetic):
    for z in np.linspace(-6, 6, 25):
        assert arithmetic("upperTail", float(z)) == pytest.approx(math.erfc(z / math.sqrt(2)) / 2, rel=1e-6)


# ---- each figure, by keyboard, against the solutions ----


def x_hat(column, eps=1e-5):
    return batchnorm_forward(np.array(column)[:, None], np.ones(1), np.zeros(1), {"mode": "train", "eps": eps})[0][:, 0]


@pytest.mark.parametrize(("keys", "value"), [((), 7), (("End",), 40), (("Home", "ArrowRight", "ArrowRight"), -39.5)])
def test_when_one_example_moves_all_outputs_are_those_of_the_solutions(keys, value, opened):
    live = opened("coupling")
    live.press(0, *keys)
    batch = [*live.data["x"][:4], value]
    want = x_hat(batch)
    shown = [numbers_in(cell) for cell in live.panel.locator("td").all_text_contents()]
    np.testing.assert_allclose(np.ravel(shown), [*batch, *want], atol=0.005)
    said, output, others, distance = live.numbers()[:4]
    assert (said, others) == (value, 4)
    np.testing.assert_allclose([output, distance], [want[4], np.ptp(want[:4])], atol=0.005)


def test_pressing_the_others_together_is_found_out(opened):
    live = opened("coupling")
    assert not live.found()
    live.press(0, "End")
    assert live.found()


def test_the_place_where_the_moving_example_has_no_output_is_found_out(opened):
    live = opened("coupling")
    live.press(0, *["ArrowLeft"] * 15)
    assert live.slider().input_value() == "3.25"
    assert live.found()
    assert x_hat([*live.data["x"][:4], 3.25])[4] == 0


def test_scale_and_shift_can_give_the_batch_back_at_every_eps(opened):
    live = opened("parameters")
    live.press(0, *["ArrowRight"] * 20)
    assert not live.found()
    live.press(1, *["ArrowRight"] * 80)
    assert live.found()
    live.press(2, *["ArrowRight"] * 4)
    assert live.slider(2).get_attribute("aria-valuetext") == "5"
    assert not live.found()
    live.press(0, *["ArrowRight"] * 20)
    assert live.found()
    assert "= 3.00 and" in live.told()


def test_spread_and_place_of_the_output_are_those_of_the_solutions(opened):
    live = opened("parameters")
    live.press(0, "End", "ArrowLeft")
    live.press(1, *["ArrowRight"] * 30)
    live.press(2, "End")
    x = np.array(live.data["x"])[:, None]
    gamma, beta, eps = 3.95, 1.5, live.data["eps"][-1]
    out, _ = batchnorm_forward(x, np.array([gamma]), np.array([beta]), {"mode": "train", "eps": eps})
    want = [x_hat(x[:, 0], eps).std(), out.mean(), out.std(), np.abs(out - x).max()]
    np.testing.assert_allclose(live.numbers()[:4], want, atol=0.005)


@pytest.mark.parametrize(
    ("keys", "mean", "std"), [([(1, "End")], 0, 10), ([(0, "End"), (1, "Home")], 10, 0.25), ([(1, "PageUp")], 0, 3)]
)
def test_the_saturated_units_are_as_many_as_the_solutions_count(keys, mean, std, opened):
    live = opened("saturation")
    for slider, key in keys:
        live.press(slider, key)
    assert (float(live.slider(0).input_value()), float(live.slider(1).input_value())) == (mean, std)
    said_mean, said_std, units, whole = live.numbers()[:4]
    assert (said_mean, said_std, whole) == (mean, std, 1000)
    assert units / whole == pytest.approx(float(measure.normal_fraction(std, mean)), abs=0.0006)
    counted = saturated_fraction(np.random.default_rng(0).normal(mean, std, 200_000))
    assert units / whole == pytest.approx(counted, abs=0.005)


def test_a_layer_saturates_by_width_or_by_its_mean_and_a_button_mends_it(opened):
    live = opened("saturation")
    live.press(1, "End")
    assert live.found()
    live.page.keyboard.press("Tab")
    live.page.keyboard.press("Enter")
    assert "mean 0.00 and standard deviation 1.00" in live.told()
    assert live.numbers()[2] == pytest.approx(1e6 * float(measure.normal_fraction(1.0)), abs=0.05)
    live.press(0, "End")
    assert live.found()


STEPS = {"1e-2": 48, "1e-4": 40, "1e-8": 24}


@pytest.mark.parametrize("h", STEPS)
def test_the_difference_of_a_step_is_as_wrong_as_the_numerical_gradient_of_the_solutions(h, opened):
    live = opened("step")
    live.press(0, "Home", *["ArrowRight"] * STEPS[h])
    data = live.data
    x, dout, parameters = (
        np.array(data["x"])[:, None],
        np.array(data["dout"])[:, None],
        ([data["gamma"]], [data["beta"]]),
    )
    gamma, beta = np.array(parameters)

    def layer(x):
        return batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": data["eps"]})[0]

    exact = batchnorm_backward(dout, batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": data["eps"]})[1])[0]
    assert data["exact"] == pytest.approx(exact[data["entry"], 0], rel=1e-12)
    want = numerical_gradient(layer, x, dout, float(h))[data["entry"], 0]
    rounding = np.abs(layer(x) * dout).sum() * 2.0**-53 / float(h)
    shown = numbers_in(live.panel.locator("td").nth(2).text_content())[0]
    assert shown == pytest.approx(want, abs=4 * rounding + 1e-12)
    said, _, _, error = live.numbers()[:4]
    assert said == float(h)
    assert error == pytest.approx(abs(want / data["exact"] - 1), rel=0.06, abs=4 * rounding)


def test_the_measured_errors_of_the_figure_are_those_of_the_chapter(opened):
    data = opened("step").data
    one = trial.careful_batch(spread=1.0)
    steps = 10.0 ** np.array(data["exponents"])
    central = trial.measured_errors(one, data["eps"], steps[32:])
    np.testing.assert_allclose(data["measured"]["float64"][0][32:], central, rtol=0.01)


@pytest.mark.parametrize(("single", "best"), [(False, 38), (True, 49)])
def test_the_bottom_of_the_v_is_found_out_in_both_precisions(single, best, opened):
    live = opened("step")
    if single:
        live.panel.get_by_label("in float32").press("Space")
    lowest = int(np.argmin(live.data["measured"]["float32" if single else "float64"][0]))
    assert abs(lowest - best) <= 2
    live.press(0, "Home", *["ArrowRight"] * lowest)
    assert live.found()
    live.press(0, *["ArrowLeft"] * 4)
    assert not live.found()


def test_where_a_step_is_lost_in_rounding_the_losses_are_the_same_number(opened):
    live = opened("step")
    live.panel.get_by_label("in float32").press("Space")
    live.press(0, "Home")
    losses = live.panel.locator("td").all_text_contents()[:2]
    assert losses[0] == losses[1]
    assert live.found()


@pytest.mark.parametrize(("more", "momentum", "t"), [(0, 0.9, 44), (3, 0.99, 459)])
def test_the_running_mean_is_that_of_the_solutions(more, momentum, t, opened):
    live = opened("momentum")
    live.press(0, *["ArrowRight"] * more)
    assert live.slider(0).get_attribute("aria-valuetext") == str(momentum)
    live.press(1, *["ArrowRight"] * (t - 10))
    rng, bn_param = np.random.default_rng(0), {"mode": "train", "momentum": momentum}
    for _ in range(t):
        batchnorm_forward(rng.normal(3.0, 1.0, (32, 1)), np.ones(1), np.zeros(1), bn_param)
    seen, running, _, expected = live.numbers()[:4]
    assert seen == t
    assert running == pytest.approx(bn_param["running_mean"][0] / 3, abs=0.001)
    assert expected == pytest.approx(1 - momentum**t, abs=0.0006)


def test_the_batch_from_which_on_the_start_costs_less_than_a_percent_is_found_out(opened):
    live = opened("momentum")
    live.press(1, *["ArrowRight"] * 33)
    assert not live.found()
    live.press(1, "ArrowRight")
    assert live.found()
    assert live.numbers()[0] == 44
    assert 0.9**44 < 0.01 < 0.9**43


def test_dividing_by_the_weights_takes_the_bias_of_the_start_away(opened):
    live = opened("momentum")
    live.press(1, "Home")
    assert live.numbers()[1] < 0.2
    live.panel.get_by_label("divide by").press("Space")
    assert live.numbers()[1] == pytest.approx(live.data["batches"][0], abs=0.001)


def shown_gradients(live):
    return [numbers_in(text) for text in live.drawing.locator("text.number.slope-text").all_text_contents()]


def test_the_graph_fills_with_the_gradients_of_the_solutions(opened):
    live = opened("graph")
    data = {key: np.array(value) for key, value in live.data.items()}
    x, dout = data["x"][:, None], data["dout"][:, None]
    want = backward_pass.nodes(x, data["gamma"][None], data["beta"][None], dout, float(data["eps"]))
    at_step = ["dout", "dbeta", "dgamma", "dx_hat", "dvar", "dmu"]
    for name in at_step:
        np.testing.assert_allclose(
            live.numbers()[-want[name].size :] if name != "dmu" else live.numbers()[-1], want[name].ravel()
        )
        live.press(0, "ArrowRight")
    live.press(0, "End")
    live.told()
    order = ["dx", "dvar", "dmu", "dx_hat", "dout", "dgamma", "dbeta"]
    for numbers, name in zip(shown_gradients(live), order, strict=True):
        np.testing.assert_allclose(numbers, want[name].ravel(), atol=1e-3, err_msg=name)


def test_gradients_appear_only_when_their_step_has_come(opened):
    live = opened("graph")
    live.told()
    assert shown_gradients(live) == [live.data["dout"]]
    live.press(0, "ArrowRight", "ArrowRight")
    live.told()
    assert len(shown_gradients(live)) == 3


def test_buttons_lead_from_node_to_node(opened):
    live = opened("graph")
    back, forth = live.panel.get_by_role("button").all()
    assert back.is_disabled()
    forth.focus()
    for _ in range(8):
        live.page.keyboard.press("Enter")
    assert forth.is_disabled()
    assert "dx = (\N{MINUS SIGN}0.375, 1.125, 0.125, \N{MINUS SIGN}0.875)" in live.told()


def test_another_upstream_gradient_gives_the_gradient_of_the_solutions_and_a_constant_one_gives_zero(opened):
    live = opened("graph")
    live.press(0, "End")
    fields = live.panel.locator("input[type=number]")

    def announced_for(dout):
        for i, value in enumerate(dout):
            fields.nth(i).focus()
            fields.nth(i).press("Control+A")
            live.page.keyboard.type(str(value))
        live.told()
        return shown_gradients(live)[0]

    dout, data = [3, -1, 0, 2], live.data
    x, gamma, beta = (np.reshape(data[name], (-1, 1)) for name in ("x", "gamma", "beta"))
    _, cache = batchnorm_forward(x, gamma[0], beta[0], {"mode": "train", "eps": data["eps"]})
    want, _, _ = batchnorm_backward(np.array(dout, dtype=float)[:, None], cache)
    np.testing.assert_allclose(announced_for(dout), want[:, 0], atol=1e-3)
    assert announced_for([2, 2, 2, 2]) == [0, 0, 0, 0]
    assert "constant dout" in live.told()


# ---- by mouse and by finger ----


def test_an_example_can_be_dragged_by_mouse(opened):
    live = opened("coupling")
    live.drawing.scroll_into_view_if_needed()
    box = live.drawing.bounding_box()
    y = box["y"] + box["height"] - 44
    live.page.mouse.move(box["x"] + box["width"] / 2, y)
    live.page.mouse.down()
    live.page.mouse.move(box["x"] + box["width"] - 12, y, steps=5)
    live.page.mouse.up()
    assert live.numbers()[0] == 40
    live.page.keyboard.press("ArrowLeft")  # the slider has the focus
    assert live.numbers()[0] == 39.75


@pytest.mark.parametrize("name", ["coupling", "parameters", "saturation", "step", "momentum"])
def test_a_drawing_answers_to_a_finger(name, opened):
    live = opened(name, viewport={"width": 390, "height": 844}, has_touch=True)
    before = live.told()
    live.drawing.scroll_into_view_if_needed()
    box = live.drawing.bounding_box()
    live.page.touchscreen.tap(box["x"] + 0.6 * box["width"], box["y"] + box["height"] / 2)
    live.page.wait_for_function(
        "([panel, old]) => panel.querySelector('[role=status]').textContent !== old",
        arg=[live.panel.element_handle(), before],
    )


def test_a_finger_that_scrolls_the_page_moves_nothing(opened):
    live = opened("coupling")
    before = live.told()
    live.drawing.evaluate("""svg => {
      svg.setPointerCapture = () => {};  // no pointer is really there
      for (const type of ['pointerdown', 'pointercancel', 'pointerup'])
        svg.dispatchEvent(new PointerEvent(type, { pointerType: 'touch', clientX: 30, clientY: 30 }));
    }""")
    assert live.told() == before


# ---- for every reader ----


@pytest.mark.parametrize("name", FIGURES)
def test_a_live_figure_is_numbered_and_captioned_like_the_others(name, opened):
    live = opened(name)
    assert live.figure.get_attribute("id") == FIGURES[name][1]
    assert re.match(r"Figure \d+\.\d+ ", live.figure.locator("figcaption").inner_text())
    assert live.drawing.get_attribute("aria-label")
    assert live.panel.locator(".live-try strong").first.text_content() == "Try:"


@pytest.mark.parametrize("name", FIGURES)
def test_controls_have_names_and_sliders_say_their_value_in_words(name, opened):
    live = opened(name)
    unnamed = live.panel.locator("input").evaluate_all("inputs => inputs.filter(input => !input.labels.length)")
    assert unnamed == []
    for slider in live.panel.locator("input[type=range]").all():
        before = slider.get_attribute("aria-valuetext")
        slider.focus()
        live.page.keyboard.press("ArrowRight")
        assert before != slider.get_attribute("aria-valuetext")


CONTRASTS = """panel => {
  const luminance = colour => colour.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = text => text.match(/[\\d.]+/g).map(Number).slice(0, 3);
  const ground = luminance(numbers(getComputedStyle(document.body).backgroundColor));
  return [...panel.querySelectorAll('svg text')].map(text => {
    const ink = luminance(numbers(getComputedStyle(text).fill));
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FIGURES)
def test_letters_of_a_drawing_stand_out_by_day_and_by_night(name, scheme, opened):
    live = opened(name, color_scheme=scheme)
    assert live.page.locator("html").get_attribute("data-theme") == scheme
    assert live.drawing.evaluate("svg => getComputedStyle(svg).backgroundColor") == "rgba(0, 0, 0, 0)"
    assert min(live.panel.evaluate(CONTRASTS)) >= 4.5


@pytest.mark.parametrize("name", FIGURES)
def test_letters_of_a_drawing_are_large_enough_and_inside_on_a_phone(name, opened):
    live = opened(name, viewport={"width": 390, "height": 844})
    live.told()
    assert live.page.evaluate("document.documentElement.scrollWidth") <= 390
    letters = live.drawing.locator("text")
    assert min(letters.evaluate_all("all => all.map(text => parseFloat(getComputedStyle(text).fontSize))")) >= 12
    sides = "all => all.map(text => text.getBoundingClientRect()).map(box => [box.left, box.right])"
    boxes = letters.evaluate_all(sides)
    assert min(left for left, _ in boxes) >= 0
    assert max(right for _, right in boxes) <= 390


@pytest.mark.parametrize("name", FIGURES)
def test_on_paper_the_still_picture_takes_the_place_of_the_live_one(name, opened):
    live = opened(name)
    assert live.drawing.is_visible()
    assert not live.still.is_visible()
    live.page.emulate_media(media="print")
    assert live.still.is_visible()
    assert not live.panel.is_visible()


@pytest.mark.parametrize("name", FIGURES)
def test_without_scripts_there_is_the_still_picture(name, opened):
    live = opened(name, java_script_enabled=False)
    assert live.still.is_visible()
    assert not live.panel.is_visible()


def test_only_pages_with_a_live_figure_load_its_scripts(book):
    for path in sorted((book.html / "chapters").glob("*.html")):
        soup = BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")
        loaded = {
            name for tag in soup.select("script[src]") for name in re.findall(r"interactive/(\w+)\.js", tag["src"])
        }
        wanted = {name for name, (page, _) in FIGURES.items() if page == path.stem}
        assert loaded == (wanted | {"bn", "live"} if wanted else set()), path.name


@pytest.mark.parametrize("name", [*FIGURES, "bn", "live"])
def test_a_script_of_a_figure_is_a_few_kilobytes(name):
    assert len(gzip.compress((SITE / f"{name}.js").read_bytes())) < 3000


# ---- the directive ----

PAGE = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---

# Title

```{code-cell} ipython3
---
tags: [remove-input]
mystnb:
  figure: {name: fig-still, caption: A caption.}
---
from IPython.display import Image
from myst_nb import glue
glue("live-coupling", {"x": [1, 2]}, display=False)
Image(PICTURE)
```

:::{interactive} coupling
:figure: fig-still

**Try** it.
:::
"""
PICTURE = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"
)


def sphinx_build(folder, builder, page):
    (folder / "index.md").write_text(page.replace("PICTURE", repr(PICTURE)), encoding="utf8")
    extensions = str(ROOT / "assets" / "extensions")
    conf = f"import sys\nsys.path.insert(0, {extensions!r})\nextensions = ['myst_nb', 'interactive_figures']\n"
    (folder / "conf.py").write_text(conf + "myst_enable_extensions = ['colon_fence']\n", encoding="utf8")
    out = folder / builder
    command = [sys.executable, "-m", "sphinx", "-b", builder, "-d", out / "doctrees", folder, out]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return out, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("builder", "file", "picture"), [("latex", "*.tex", "includegraphics"), ("epub", "index.xhtml", "<img")]
)
def test_in_a_book_of_another_format_the_picture_remains_alone(builder, file, picture, tmp_path):
    out, log = sphinx_build(tmp_path, builder, PAGE)
    (source,) = out.glob(file)
    text = source.read_text(encoding="utf8")
    assert picture in text, log
    assert "A caption." in text
    assert "Try" not in text
    assert "bn.js" not in text


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (":figure: fig-still", ":figure: fig-other", "no figure 'fig-other'"),
        ("} coupling", "} another", "glues nothing of the name 'live-another'"),
    ],
)
def test_a_live_figure_without_a_picture_or_without_numbers_is_reported(old, new, complaint, tmp_path):
    _, log = sphinx_build(tmp_path, "html", PAGE.replace(old, new))
    assert complaint in log
