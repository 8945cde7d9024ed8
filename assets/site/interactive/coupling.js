// One example of a batch moves, and every other output with it.
"use strict";

live.figure("coupling", function (panel, { x, moved, range, eps }) {
  const { html, written, scale } = live;
  const [left, top, bottom, strip] = [40, 22, 226, 268];
  const N = x.length;
  const bound = Math.sqrt(N - 1);
  const name = `x${String.fromCharCode(0x2081 + moved)}`;
  const others = x.filter((_, i) => i !== moved);
  const outputs = (value) => bn.forward(x.map((own, i) => (i === moved ? value : own)), 1, 0, eps).xHat;
  let untouched = true;

  const slider = panel.slider({
    label: `${name}, the example that moves`,
    min: range[0],
    max: range[1],
    step: 0.25,
    value: x[moved],
    text: (value) => written(value),
    input() {
      untouched = false;
      answer();
    },
  });
  const table = ["x", "x\u0302"].map((label) => html("tr", {}, html("th", { scope: "row" }, label), ...x.map((_, i) => html("td", { class: i === moved && "moved" }))));
  panel.controls.append(html("table", { class: "live-numbers" }, html("tbody", {}, ...table)));

  const across = (width) => [left, width - 12];
  panel.drawing(312, `The inputs on a number line, and above it the outputs. When ${name} moves, all ${N} outputs move.`, (pen, width) => {
    const [X, Y] = [scale(range, across(width)), scale([-2.25, 2.25], [bottom, top])];
    const [first, last] = across(width);
    const steps = Array.from({ length: 161 }, (_, k) => range[0] + ((range[1] - range[0]) * k) / 160);
    const curves = steps.map(outputs);
    const value = slider.value;

    pen.text(8, 12, "outputs x\u0302", "label", "start");
    pen.axisY(left, Y, [-2, -1, 0, 1, 2].map((tick) => [tick, written(tick, 0)]));
    for (const side of [-bound, bound]) pen.line(first, Y(side), last, Y(side), "limit");
    pen.text(first + 2, Y(bound) + 15, "limit \u221a(N \u2212 1)", "tick", "start");
    x.forEach((_, i) => pen.path(steps.map((step, k) => [X(step), Y(curves[k][i])]), i === moved ? "after line" : "other line"));
    const [edge, anchor] = value < -12 ? [last, "end"] : [first + 2, "start"]; // where the cursor is not
    const far = Math.sign(edge - X(0));
    pen.text(edge, Y(far * bound) + far * 20 + 4, `${name}, which moves`, "after-text", anchor);
    pen.text(edge, Y(-far * 1.1) + 4, `the other ${N - 1}`, "label", anchor);

    pen.line(X(value), Y(2.25), X(value), strip, "cursor");
    outputs(x[moved]).forEach((output) => pen.dot(X(x[moved]), Y(output), 3, "ink dot"));
    outputs(value).forEach((output, i) => pen.dot(X(value), Y(output), i === moved ? 6.5 : 4.5, i === moved ? "after dot" : "other dot"));

    pen.axisX(strip, X, [-40, -20, 0, 20, 40].map((tick) => [tick, written(tick, 0)]), [first, last]);
    pen.text((first + last) / 2, strip + 38, "inputs x", "label");
    others.forEach((other) => pen.dot(X(other), strip, 4.5, "before dot"));
    pen.dot(X(value), strip, 9, "before dot handle");
    if (untouched) pen.text(X(value) + 16, strip - 9, "\u2190 drag \u2192", "before-text", "start");
  });
  panel.drag(slider, (px) => {
    const value = scale(across(panel.width), range)(px);
    slider.value = Math.min(range[1], Math.max(range[0], Math.round(4 * value) / 4));
  });

  function answer() {
    const value = slider.value;
    const now = outputs(value);
    const rest = now.filter((_, i) => i !== moved);
    table[0].querySelectorAll("td").forEach((cell, i) => (cell.textContent = written(i === moved ? value : x[i])));
    table[1].querySelectorAll("td").forEach((cell, i) => (cell.textContent = written(now[i])));

    let finding = "";
    if (Math.abs(now[moved]) > 0.99 * bound) finding = `It is nearly at its limit, ${written(Math.sign(value) * bound, 0)}, and has pressed the others together: to the network they look almost the same.`;
    else if (value === bn.mean(others)) finding = "It sits at the mean of the others, and leaves them all the width.";
    panel.say(`${name} = ${written(value)}: its output is ${written(now[moved])}, and the other ${N - 1} lie within ${written(Math.max(...rest) - Math.min(...rest))} of each other.`, finding);
    panel.update();
  }
  answer();
});
