// The arithmetic of the interactive figures, for one feature: a column of N numbers. The tests compare it with `solutions/`.
var bn = (function () {
  "use strict";
  const exact = (value) => value; // another `round` imitates another precision: Math.fround is float32

  function sum(numbers, round = exact) {
    let total = 0;
    for (const number of numbers) total = round(total + number);
    return total;
  }

  const mean = (numbers, round = exact) => round(sum(numbers, round) / numbers.length);

  // every value of the graph in train mode
  function forward(x, gamma, beta, eps, round = exact) {
    const mu = mean(x, round);
    const deviation = x.map((value) => round(value - mu));
    const variance = mean(deviation.map((d) => round(d * d)), round);
    const invStd = round(1 / round(Math.sqrt(round(variance + round(eps)))));
    const xHat = deviation.map((d) => round(d * invStd));
    const out = xHat.map((value) => round(round(gamma * value) + beta));
    return { mu, deviation, variance, invStd, xHat, out };
  }

  // every gradient of the graph; v is what `forward` returns
  function backward(dout, gamma, v) {
    const N = dout.length;
    const dxHat = dout.map((d) => gamma * d);
    const dvar = -0.5 * v.invStd ** 3 * sum(dxHat.map((d, i) => d * v.deviation[i]));
    const dmu = -v.invStd * sum(dxHat);
    const paths = dxHat.map((d, i) => [d * v.invStd, (2 / N) * v.deviation[i] * dvar, dmu / N]);
    const dgamma = sum(dout.map((d, i) => d * v.xHat[i]));
    return { dxHat, dvar, dmu, dgamma, dbeta: sum(dout), paths, dx: paths.map((terms) => sum(terms)) };
  }

  // the loss of which a gradient check takes differences
  function loss(x, dout, gamma, beta, eps, round = exact) {
    return sum(forward(x, gamma, beta, eps, round).out.map((value, i) => round(value * dout[i])), round);
  }

  // running averages, one after each batch
  function running(batches, momentum, start = 0) {
    let average = start;
    return batches.map((batch) => (average = momentum * average + (1 - momentum) * batch));
  }

  const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));

  // P(Z > x) for a standard normal Z, to seven digits: the rational fit of Press et al., Numerical Recipes, erfcc
  function upperTail(x) {
    const z = Math.abs(x) / Math.SQRT2;
    const t = 1 / (1 + z / 2);
    const fit = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223];
    const tail = (t / 2) * Math.exp(fit.reduce((value, next) => value * t + next) - z * z);
    return x >= 0 ? tail : 1 - tail;
  }

  return { sum, mean, forward, backward, loss, running, sigmoid, upperTail };
})();
