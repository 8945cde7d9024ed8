// One entry of a numerical gradient, with the step h in the reader's hand.
"use strict";

live.figure("step", function (panel, data) {
  const { html, written, scale } = live;
  const least = Math.min(...data.exponents);
  const steps = data.exponents.map((exponent) => 10 ** exponent);
  const short = (value, digits = 1) => value.toExponential(digits).replace("-", value < 0 ? "\u2212" : "-").replace("+", "");

  const input = () => answer();
  const h = panel.slider({ label: "step h", min: 0, max: steps.length - 1, step: 1, value: steps.length - 13, text: (k) => short(steps[k]), input });
  const single = panel.checkbox("in float32", input);
  const rows = ["L(x + h)", "L(x \u2212 h)", "difference / 2h", "derivative"].map((label) => [html("th", { scope: "row" }, label), html("td")]);
  panel.controls.append(html("table", { class: "live-digits" }, html("tbody", {}, ...rows.map((cells) => html("tr", {}, ...cells)))));

  // the two losses, their quotient, and how it differs from the derivative
  function check() {
    const round = single.checked ? Math.fround : (value) => value;
    const at = (side) => bn.loss(data.x.map((v, i) => round(i === data.entry ? round(v) + side * steps[h.value] : v)), data.dout.map(round), round(data.gamma), round(data.beta), data.eps, round);
    const [above, below] = [at(1), at(-1)];
    const quotient = round(above - below) / (2 * steps[h.value]);
    return { above, below, quotient, error: Math.abs(quotient / data.exact - 1) };
  }

  const [top, bottom] = [24, 214];
  const across = (width) => [44, width - 12];
  const format = () => (single.checked ? "float32" : "float64");
  panel.drawing(256, "The error of the numerical gradient against the step h: a V on logarithmic axes, with a cursor at the step.", (pen, width) => {
    const [first, last] = across(width);
    const [X, Y] = [scale([least, 0], [first, last]), scale([-12.5, 1], [bottom, top])];
    const point = (k, error) => [X(data.exponents[k]), Y(Math.log10(error))];
    const [central, oneSided] = data.measured[format()];
    const inside = (points) => points.filter(([, y]) => y >= top - 4 && y <= bottom);

    pen.text(8, 12, "relative error", "label", "start");
    pen.text(last - 90, 12, "\u25cf central, all of dx", "slope-text", "end");
    pen.text(last, 12, "\u25cb one-sided", "label", "end");
    pen.axisY(first, Y, [-12, -8, -4, 0].map((tick) => [tick, `1e${tick}`]));
    for (const tick of [-12, -8, -4, 0]) pen.line(first, Y(tick), last, Y(tick), "guide");
    pen.path(inside(data.predicted[format()].map((error, k) => point(k, error))), "broad line");
    inside(oneSided.map((error, k) => point(k, error))).forEach(([x, y]) => pen.dot(x, y, 2.6, "other hollow dot"));
    inside(central.map((error, k) => point(k, error))).forEach(([x, y]) => pen.dot(x, y, 3, "slope dot"));
    const [x, y] = point(h.value, Math.min(5, Math.max(check().error, 1e-12)));
    pen.line(x, top - 6, x, bottom, "cursor");
    pen.dot(x, y, 7, "slope dot handle");
    pen.axisX(bottom, X, [-12, -8, -4, 0].map((tick) => [tick, `1e${tick}`]), [first, last]);
    pen.text((first + last) / 2, bottom + 38, "step h", "label");
  });
  panel.drag(h, (px) => {
    const exponent = scale(across(panel.width), [least, 0])(px);
    h.value = Math.min(steps.length - 1, Math.max(0, Math.round(4 * (exponent - least))));
  });

  function answer() {
    const { above, below, quotient, error } = check();
    const digits = single.checked ? 9 : 17;
    const losses = [above, below].map((loss) => loss.toPrecision(digits).replace("-", "\u2212"));
    let shared = 0;
    while (shared < losses[0].length && losses[0][shared] === losses[1][shared]) shared++;
    losses.forEach((loss, i) => rows[i][1].replaceChildren(html("span", { class: "same" }, loss.slice(0, shared)), html("b", {}, loss.slice(shared))));
    const [near, exact] = [quotient, data.exact].map((value) => written(value, 12));
    let right = 0;
    while (right < exact.length && near[right] === exact[right]) right++;
    rows[2][1].replaceChildren(html("b", {}, near.slice(0, right)), html("span", { class: "same" }, near.slice(right)));
    rows[3][1].textContent = exact;

    const central = data.measured[format()][0];
    const best = central.indexOf(Math.min(...central));
    const same = losses[0].slice(0, shared).replace(/\D/g, "").replace(/^0+/, "").length;
    let finding = "";
    if (Math.abs(h.value - best) <= 1) finding = "The bottom of the V. A larger step feels the bend of L, a smaller one loses more digits.";
    else if (above === below) finding = "The two losses are one and the same number: nothing is left.";
    panel.say(`With h = ${short(steps[h.value])} the two losses share ${same} of ${digits} digits. The difference is off by ${short(error)}, relative to the derivative.`, finding);
    panel.update();
  }
  answer();
});
