// A layer of sigmoids, its normal inputs moved and stretched by the reader.
"use strict";

live.figure("saturation", function (panel, data) {
  const { written, scale } = live;
  const edge = data.threshold;
  const reach = 16;
  const BINS = 25;
  const below = (z) => (std.value > 0 ? bn.upperTail((mean.value - z) / std.value) : Number(z > mean.value));
  const saturated = () => below(-edge) + bn.upperTail((edge - mean.value) / std.value);

  const input = () => answer();
  const mean = panel.slider({ label: "mean m", min: -10, max: 10, step: 0.25, value: data.mean, text: (v) => written(v), input });
  const std = panel.slider({ label: "standard deviation \u03c3", min: 0.25, max: 10, step: 0.25, value: data.std, text: (v) => written(v), input });
  panel.button("mean 0, deviation 1", () => {
    mean.value = 0;
    std.value = 1;
  });

  const [top, bottom, ground] = [24, 150, 240];
  const split = (width) => [30, Math.round(width * 0.68), Math.round(width * 0.74), width - 8];
  panel.drawing(282, "The bell curve of the inputs below a sigmoid, and beside it the histogram of the outputs.", (pen, width) => {
    const [left, right, start, end] = split(width);
    const [X, Y] = [scale([-reach, reach], [left, right]), scale([0, 1], [bottom, top])];
    const grid = Array.from({ length: 129 }, (_, k) => -reach + k / 4);

    for (const side of [-1, 1]) {
      const [a, b] = [X(side * edge), X(side * reach)].sort((p, q) => p - q);
      pen.rect(a, top - 8, b - a, ground - top + 8, "shade");
    }
    pen.text((left + X(-edge)) / 2, top + 8, "saturated", "tick");
    pen.text((right + X(edge)) / 2, bottom - 8, "saturated", "tick");
    pen.axisY(left, Y, [[0, "0"], [1, "1"]]);
    pen.path(grid.map((z) => [X(z), Y(bn.sigmoid(z))]), "ink line");
    pen.text(X(-1.2), Y(0.66), "s(z)", "", "end");

    const height = (z) => Math.exp(-0.5 * ((z - mean.value) / std.value) ** 2);
    const tall = (ground - bottom - 18) / Math.max(1, std.value ** 0.35) ** 1.2; // wide bells are low, but stay visible
    const fine = Array.from({ length: 257 }, (_, k) => -reach + k / 8);
    const area = (zs, look) => pen.path([[X(zs[0]), ground], ...zs.map((z) => [X(z), ground - tall * height(z)]), [X(zs[zs.length - 1]), ground]], look);
    area(fine, "before area");
    area([...fine.filter((z) => z < -edge), -edge], "before flat area");
    area([edge, ...fine.filter((z) => z > edge)], "before flat area");
    pen.axisX(ground, X, [-10, -5, 0, 5, 10].map((tick) => [tick, written(tick, 0)]), [left, right]);
    pen.text((left + right) / 2, ground + 36, "inputs z of the units", "before-text");
    pen.dot(X(mean.value), ground, 7, "before dot handle");

    const edges = Array.from({ length: BINS + 1 }, (_, k) => k / BINS).map((p) => below(p <= 0 ? -Infinity : p >= 1 ? Infinity : Math.log(p / (1 - p))));
    const shares = edges.slice(1).map((upper, k) => upper - edges[k]);
    const length = scale([0, Math.max(0.15, ...shares)], [0, end - start]);
    for (let k = 0; k < BINS; k++) pen.rect(start, Y((k + 1) / BINS), length(shares[k]), Y(0) - Y(1 / BINS) - 1, "before bar");
    pen.line(start, top - 8, start, bottom, "axis");
    pen.text(start, ground - 68, "outputs s(z),", "before-text", "start");
    pen.text(start, ground - 51, "histogram", "before-text", "start");
  });
  panel.drag(mean, (px) => {
    const [left, right] = split(panel.width);
    const value = scale([left, right], [-reach, reach])(px);
    mean.value = Math.min(10, Math.max(-10, Math.round(value * 4) / 4));
  });

  function answer() {
    const share = saturated();
    const many = share >= 0.001 ? `${written(1000 * share, 0)} of 1000 units are` : share >= 1e-6 / 2 ? `${written(1e6 * share, 1)} of a million units are` : "no unit in a million is";
    let finding = "";
    if (share >= 0.5 && Math.abs(mean.value) <= 1) finding = "Width alone does it: half of the layer is flat, on both sides.";
    else if (share >= 0.5 && std.value <= 1) finding = "The mean alone does it, however narrow the layer is: all on one side.";
    else if (mean.value === 0 && std.value === 1) finding = "Mean 0 and deviation 1: practically nobody is saturated.";
    panel.say(`With mean ${written(mean.value)} and standard deviation ${written(std.value)}, ${many} saturated.`, finding);
    panel.update();
  }
  answer();
});
