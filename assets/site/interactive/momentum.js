// The running mean of many batches, its momentum in the reader's hand.
"use strict";

live.figure("momentum", function (panel, data) {
  const { written, scale } = live;
  const choices = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999];
  const total = data.batches.length;

  const input = () => answer();
  const chosen = panel.slider({ label: "momentum m", min: 0, max: choices.length - 1, step: 1, value: choices.indexOf(data.momentum), text: (k) => String(choices[k]), input });
  const seen = panel.slider({ label: "batches seen, t", min: 1, max: total, step: 1, value: 10, text: String, input });
  const corrected = panel.checkbox("divide by 1 \u2212 m\u1d57", input);

  function averages() {
    const m = choices[chosen.value];
    return bn.running(data.batches, m).map((average, k) => (corrected.checked ? average / (1 - m ** (k + 1)) : average));
  }

  const [top, bottom] = [26, 226];
  const across = (width) => [38, width - 12];
  panel.drawing(266, "The means of the batches as dots, and the running mean as a line that rises from near zero to one.", (pen, width) => {
    const [first, last] = across(width);
    const [X, Y] = [scale([0, Math.log10(total)], [first, last]), scale([0, 1.25], [bottom, top])];
    const [m, t] = [choices[chosen.value], seen.value];
    const place = (k) => X(Math.log10(k + 1));

    pen.text(8, 12, "share of the true mean", "label", "start");
    pen.axisY(first, Y, [0, 0.5, 1].map((tick) => [tick, String(tick)]));
    for (const tick of [0, 0.5, 1]) pen.line(first, Y(tick), last, Y(tick), "guide");
    const expected = data.batches.map((_, k) => (corrected.checked ? 1 : 1 - m ** (k + 1)));
    pen.path(expected.map((share, k) => [place(k), Y(share)]), "broad line");
    // the area of a dot is the weight of its batch in the average after t batches
    data.batches.forEach((mean, k) => {
      if (k < t) pen.dot(place(k), Y(mean), 1.2 + 4 * Math.sqrt(m ** (t - 1 - k)), "before faint dot");
    });
    const path = averages();
    pen.path(path.map((average, k) => [place(k), Y(average)]), "after thin line");
    pen.line(place(t - 1), top - 8, place(t - 1), bottom, "cursor");
    pen.dot(place(t - 1), Y(path[t - 1]), 7, "after dot handle");
    const [edge, anchor] = t > 40 ? [first + 6, "start"] : [last, "end"]; // where neither the cursor is
    const high = Y(t > 40 && m >= 0.95 ? 0.66 : 0.3); // nor the line
    pen.text(edge, high, "\u25cf running mean", "after-text", anchor);
    pen.text(edge, high + 19, "\u25cf batches, large if", "before-text", anchor);
    pen.text(edge, high + 35, "they still count", "before-text", anchor);
    pen.axisX(bottom, X, [1, 10, 100].map((tick) => [Math.log10(tick), String(tick)]), [first, last]);
    pen.text((first + last) / 2, bottom + 37, "batches seen, t", "label");
  });
  panel.drag(seen, (px) => {
    const exponent = scale(across(panel.width), [0, Math.log10(total)])(px);
    seen.value = Math.min(total, Math.max(1, Math.round(10 ** exponent)));
  });

  function answer() {
    const [m, t] = [choices[chosen.value], seen.value];
    const now = averages()[t - 1];
    const left = m ** t;
    const first = m ? Math.ceil(Math.log(0.01) / Math.log(m)) : 1;
    let finding = "";
    if (m === 0) finding = "Without momentum only the last batch counts: no bias of the start, and all of the noise.";
    else if (corrected.checked) finding = "The bias of the start is gone, from the first batch on. The noise of few batches stays.";
    else if (t === first) finding = `From this batch on the bias of the start is below one percent: m\u1d57 = ${written(left, 4)}.`;
    else if (t > first) finding = `The bias of the start is below one percent, and has been since batch ${first}.`;
    panel.say(`After ${t} ${t === 1 ? "batch" : "batches"} the running mean is ${written(now, 3)} of the true one; expected ${corrected.checked ? "1" : `1 \u2212 m\u1d57 = ${written(1 - left, 3)}`}.`, finding);
    panel.update();
  }
  answer();
});
