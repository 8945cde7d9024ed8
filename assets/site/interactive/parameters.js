// One feature on its way through the layer, with gamma, beta and eps in the reader's hand.
"use strict";

live.figure("parameters", function (panel, data) {
  const { written, scale } = live;
  const { x } = data;
  const [low, high] = [-6.4, 12.4];
  const layer = () => bn.forward(x, gamma.value, beta.value, data.eps[eps.value]);

  const input = () => answer();
  const gamma = panel.slider({ label: "\u03b3, scale", min: -1, max: 4, step: 0.05, value: data.gamma, text: (v) => written(v), input });
  const beta = panel.slider({ label: "\u03b2, shift", min: 0, max: 6, step: 0.05, value: data.beta, text: (v) => written(v), input });
  const eps = panel.slider({ label: "eps", min: 0, max: data.eps.length - 1, step: 1, value: 0, text: (i) => String(data.eps[i]).replace("0.00001", "1e-5"), input });

  const [top, middle, bottom, axis] = [30, 104, 178, 210];
  const across = (width) => [52, width - 10];
  panel.drawing(250, "Three number lines: the inputs x, the normalized x hat below, and the outputs below these, joined example by example.", (pen, width) => {
    const [first, last] = across(width);
    const X = scale([low, high], [first, last]);
    const v = layer();
    const rows = [
      [top, x, v.mu, Math.sqrt(v.variance), "before", "x"],
      [middle, v.xHat, 0, Math.sqrt(bn.mean(v.xHat.map((value) => value * value))), "after", "x\u0302"],
      [bottom, v.out, beta.value, Math.abs(gamma.value) * Math.sqrt(bn.mean(v.xHat.map((value) => value * value))), "after", "out"],
    ];
    for (let tick = -4; tick <= 12; tick += 2) pen.line(X(tick), top - 16, X(tick), axis, "guide");
    for (const [y, , mean, std] of rows) {
      pen.rect(X(mean - std), y - 4, X(mean + std) - X(mean - std), 8, "band");
      pen.line(X(mean), y - 13, X(mean), y + 13, "cursor");
    }
    rows.slice(1).forEach(([y, values], k) => values.forEach((value, i) => pen.line(X(rows[k][1][i]), rows[k][0], X(value), y, "thread")));
    x.forEach((value) => pen.dot(X(value), bottom, 7.5, "dot hollow"));
    for (const [y, values, , , look, name] of rows) {
      values.forEach((value) => pen.dot(X(value), y, 4.8, `${look} dot`));
      pen.text(first - 14, y + 4, name, `${look}-text`, "end");
    }
    pen.axisX(axis, X, [-4, 0, 4, 8, 12].map((tick) => [tick, written(tick, 0)]), [first, last]);
    pen.text((first + last) / 2, axis + 36, "rings: where x was", "label");
  });

  // dragging along the lowest line moves the whole output: beta
  panel.drag(beta, (px) => {
    const value = scale(across(panel.width), [low, high])(px);
    beta.value = Math.min(6, Math.max(0, Math.round(value * 20) / 20));
  });

  function answer() {
    const v = layer();
    const gap = Math.max(...v.out.map((value, i) => Math.abs(value - x[i])));
    let finding = "";
    if (gap < 0.03) finding = `That is the identity: \u03b3 = \u221a(var + eps) = ${written(Math.sqrt(v.variance + data.eps[eps.value]))} and \u03b2 = \u03bc = ${written(v.mu)} give everything back.`;
    else if (Math.abs(gamma.value) < 1e-9) finding = "With \u03b3 = 0 every example leaves as \u03b2: the batch is forgotten.";
    else if (gamma.value < 0 && eps.value === 0) finding = "A negative \u03b3 puts the examples in the opposite order.";
    const width = Math.sqrt(v.variance / (v.variance + data.eps[eps.value]));
    panel.say(`x\u0302 has the standard deviation ${written(width, 3)}; the output has the mean ${written(beta.value)} and the standard deviation ${written(Math.abs(gamma.value) * width)}. Its largest distance from x is ${written(gap)}.`, finding);
    panel.update();
  }
  answer();
});
