// The backward pass node by node, on the batch of the chapter or for another upstream gradient.
"use strict";

live.figure("graph", function (panel, data) {
  const { html, svg, scale } = live;
  const dout = data.dout.slice();
  const N = dout.length;
  const v = bn.forward(data.x, data.gamma, data.beta, data.eps);
  const values = { x: data.x, mu: [v.mu], var: [v.variance], xHat: v.xHat, out: v.out, gamma: [data.gamma], beta: [data.beta] };

  // four digits, without zeros at the end
  const short = (number) => String(Number(number.toPrecision(4)) + 0).replace("-", "\u2212");
  const listed = (numbers) => (numbers.length === 1 ? short(numbers[0]) : `(${numbers.map(short).join(", ")})`);
  const added = (numbers) => numbers.map((n) => (n < 0 ? `(${short(n)})` : short(n))).join(" + ");

  // node, arrow on which the gradient comes back, what is added to the node by this step, and how it is computed
  const path = (g, k) => g.paths.map((terms) => terms[k]);
  const STEPS = [
    ["out", "", (g) => dout, (g) => `The gradient dout = ${listed(dout)} arrives from the layers above.`],
    ["beta", "beta-out", (g) => [g.dbeta], (g) => `d\u03b2 = \u03a3 dout = ${added(dout)} = ${short(g.dbeta)}`],
    ["gamma", "gamma-out", (g) => [g.dgamma], (g) => `d\u03b3 = \u03a3 dout \u00b7 x\u0302 = ${added(dout.map((d, i) => d * v.xHat[i]))} = ${short(g.dgamma)}`],
    ["xHat", "xHat-out", (g) => g.dxHat, (g) => `dx\u0302 = \u03b3 \u00b7 dout = ${short(data.gamma)} \u00b7 ${listed(dout)} = ${listed(g.dxHat)}`],
    ["var", "var-xHat", (g) => [g.dvar], (g) => `dvar = \u2212\u00bd inv_std\u00b3 \u00b7 \u03a3 dx\u0302 (x \u2212 \u03bc) = \u2212\u00bd \u00b7 ${short(v.invStd ** 3)} \u00b7 (${added(g.dxHat.map((d, i) => d * v.deviation[i]))}) = ${short(g.dvar)}`],
    ["mu", "mu-xHat mu-var", (g) => [g.dmu], (g) => `d\u03bc = \u2212inv_std \u00b7 \u03a3 dx\u0302 = \u2212${short(v.invStd)} \u00b7 (${added(g.dxHat)}) = ${short(g.dmu)}. On the dashed arrow from var nothing comes: the deviations add up to zero.`],
    ["x", "x-xHat", (g) => path(g, 0), (g) => `Path 1, through x\u0302: inv_std \u00b7 dx\u0302 = ${listed(path(g, 0))}`],
    ["x", "x-var", (g) => path(g, 0).map((d, i) => d + path(g, 1)[i]), (g) => `Path 2, through the variance: (2/N) (x \u2212 \u03bc) \u00b7 dvar = ${listed(path(g, 1))}. Added to path 1: ${listed(path(g, 0).map((d, i) => d + path(g, 1)[i]))}`],
    ["x", "x-mu", (g) => g.dx, (g) => `Path 3, through the mean: d\u03bc / N = ${short(g.dmu / N)} for every example. All three together: dx = ${listed(g.dx)}`],
  ];
  const NAMES = ["dout", "d\u03b2", "d\u03b3", "dx\u0302", "dvar", "d\u03bc", "dx, path 1", "dx, paths 1 and 2", "dx"];

  const input = () => answer();
  const step = panel.slider({ label: "step", min: 0, max: STEPS.length - 1, step: 1, value: 0, text: (k) => `${k + 1} of ${STEPS.length}: ${NAMES[k]}`, input });
  const back = panel.button("\u2190 back", () => step.value--);
  const next = panel.button("next \u2192", () => step.value++);
  panel.controls.append(html("div", { class: "live-pair" }, back, next));
  const fields = dout.map((value, i) => {
    const field = html("input", { type: "number", value, step: 1, min: -9, max: 9, id: `live-dout-${i}` });
    field.addEventListener("input", () => {
      dout[i] = Math.min(9, Math.max(-9, Number(field.value) || 0));
      answer();
    });
    return html("span", {}, html("label", { for: field.id }, `dout${String.fromCharCode(0x2081 + i)}`), field);
  });
  panel.controls.append(html("div", { class: "live-fields" }, ...fields));

  const TALL = 56;
  panel.drawing(398, "The graph of the layer. Each box holds a name, its value and its gradient; the gradients appear step by step.", (pen, width) => {
    const whole = Math.min(width, 460);
    const wide = 222;
    const right = whole - 86;
    const places = { x: [0, 0, wide], var: [104, 112, 84], mu: [right, 112, 86], xHat: [0, 226, wide], out: [0, 338, wide], gamma: [right, 270, 86], beta: [right, 338, 86] };
    const names = { x: "x  (N,)", var: "var", mu: "\u03bc", xHat: "x\u0302  (N,)", out: "out  (N,)", gamma: "\u03b3", beta: "\u03b2" };
    const arrows = {
      "x-xHat": [[44, TALL], [44, 226], "1"],
      "x-var": [[146, TALL], [146, 112], "2"],
      "x-mu": [[206, TALL], [right + 30, 112], "3"],
      "mu-var": [[right, 140], [188, 140]],
      "var-xHat": [[146, 112 + TALL], [146, 226]],
      "mu-xHat": [[right + 30, 112 + TALL], [wide, 244]],
      "xHat-out": [[110, 226 + TALL], [110, 338]],
      "gamma-out": [[right, 300], [wide, 348]],
      "beta-out": [[right, 368], [wide, 368]],
    };
    const g = bn.backward(dout, data.gamma, v);
    const now = STEPS[step.value];
    for (const look of ["off", "on"]) {
      pen.add("marker", { id: `live-tip-${look}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse", class: `tip ${look}` }, svg("path", { d: "M0 0L8 4L0 8z" }));
    }
    for (const [name, [start, end, label]] of Object.entries(arrows)) {
      const on = now[1].split(" ").includes(name);
      const line = pen.line(...start, ...end, `arrow ${on ? "on" : "off"} ${name === "mu-var" ? "dashed" : ""}`);
      line.setAttribute(on ? "marker-start" : "marker-end", `url(#live-tip-${on ? "on" : "off"})`);
      if (label) pen.text((start[0] + end[0]) / 2 + 12, (start[1] + end[1]) / 2 + 4, label, on ? "slope-text" : "tick");
    }
    pen.text(wide + 8, 32, "the value", "tick", "start");
    pen.text(wide + 8, 48, "the gradient", "tick slope-text", "start");
    for (const [name, [left, top, w]] of Object.entries(places)) {
      const after = name === "xHat" || name === "out";
      const known = STEPS.slice(0, step.value + 1).filter((s) => s[0] === name).pop();
      pen.rect(left + 0.75, top + 0.75, w - 1.5, TALL - 1.5, `box ${after ? "after" : "before"} ${now[0] === name ? "now" : ""}`);
      pen.text(left + 8, top + 16, names[name], "tick", "start");
      pen.text(left + 8, top + 32, listed(values[name]), "number", "start");
      pen.text(left + 8, top + 48, known ? listed(known[2](g)) : "?", known ? "number slope-text" : "number label", "start");
    }
  });

  function answer() {
    const g = bn.backward(dout, data.gamma, v);
    back.disabled = step.value === 0;
    next.disabled = step.value === STEPS.length - 1;
    let finding = "";
    if (step.value === STEPS.length - 1) {
      if (dout.every((d) => d === dout[0])) finding = "A constant dout leaves nothing: to raise all outputs alike is beyond the reach of x.";
      else finding = `They add up to ${short(bn.sum(g.dx))}, as they must: no x can move the mean of the outputs.`;
    }
    panel.say(STEPS[step.value][3](g), finding);
    panel.update();
  }
  answer();
});
