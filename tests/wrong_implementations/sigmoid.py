"""Wrong implementations of the sigmoid, its gradient and the two measurements: entry by entry, a dict as cache.

`SECOND` and `OUTSIDE` are as in `wrong_implementations`. Each is a whole notebook: a mapping from names to functions.
"""

import math

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


# ---- a notebook of which each step can be replaced ----


def one(value):
    """Return the sigmoid of one number."""
    t = math.exp(-abs(value))
    return 1 / (1 + t) if value > 0 else t / (1 + t)


def entry_by_entry(function):
    def whole(x):
        return np.array([function(float(value)) for value in x.flat], dtype=x.dtype).reshape(x.shape)

    return whole


right_out = entry_by_entry(one)


def right_dx(dout, c):
    return dout / 4 - dout * np.square(c["out"] - 0.5)


def frobenius(d):
    return math.sqrt(sum(float(entry) ** 2 for entry in d.flat))


def share(flags):
    return np.count_nonzero(flags) / flags.size


def notebook(out=right_out, dx=right_dx, slope=None, fraction=None, **network):
    """Return a notebook with the steps given in place of the right ones.

    `dx` gets dout and the cache, `slope` the cache, `fraction` the slope, the cache and tol.
    """

    def sigmoid_forward(x):
        y = out(x)
        return y, {"x": x.copy(), "out": y}

    def sigmoid_backward(dout, cache):
        return dx(dout, cache)

    def saturated_fraction(x, tol=0.01):
        _, cache = sigmoid_forward(x)
        steep = sigmoid_backward(np.full(x.shape, 1.0, x.dtype), cache) if slope is None else slope(cache)
        return share(steep < tol) if fraction is None else fraction(steep, cache, tol)

    functions = {
        "sigmoid_forward": sigmoid_forward,
        "sigmoid_backward": sigmoid_backward,
        "saturated_fraction": saturated_fraction,
    }
    return functions | {"gradient_norms": network_norms(sigmoid_forward, sigmoid_backward, **network)}


def network_norms(forward, backward, measure=frobenius, note=None, finish=lambda norms, dout: norms, **steps):
    """Return a gradient_norms by recursion; `note` chooses what is measured at a layer, `steps` what a layer does."""
    layer = steps.get("layer", lambda x, W: forward(np.dot(x, W)))
    back = steps.get("back", lambda d, cache, W, last: np.inner(backward(d, cache), W))
    noted = note or (lambda **at: at["after"])

    def descend(x, weights, dout):
        if not weights:
            return dout, []
        y, cache = layer(x, weights[0])
        upstream, rest = descend(y, weights[1:], dout)
        downstream = back(upstream, cache, weights[0], len(weights) == 1)
        at = noted(after=downstream, before=upstream, cache=cache, x=x, W=weights[0])
        return downstream, [measure(at), *rest]

    def gradient_norms(x, weights, dout):
        return finish(descend(x, weights, dout)[1], dout)

    return gradient_norms


def inner_slope(c):
    return right_dx(np.ones_like(c["out"]), c)


def slope_by_cosh(c):
    """Return the right slope, from x alone."""
    return 0.25 / np.cosh(np.minimum(np.abs(c["x"]), 600) / 2) ** 2


# ---- the second implementations ----


def both_ways(x):
    rising, falling = np.exp(x), np.exp(-x)
    return np.choose((x < 0).astype(int), [1 / (1 + falling), rising / (1 + rising)])


def into_x(x):
    for index in np.ndindex(x.shape):
        x[index] = one(x[index])
    return x


def overwritten(dout, c):
    np.multiply(dout, c["out"], out=dout)
    np.multiply(dout, 1 - c["out"], out=dout)
    return dout


def cache_spoiled(dout, c):
    c["out"] = c["out"] * (1 - c["out"])
    return c["out"] * dout


def rounded_like_a_ramp(value):
    return min(max(0.5 + value / 4, 0.0), 1.0)


def turned(gradient_norms):
    def turning(x, weights, dout):
        norms = gradient_norms(x, list(weights), dout)
        weights[:] = weights[::-1]
        return norms

    return turning


def weights_turned():
    functions = notebook()
    return functions | {"gradient_norms": turned(functions["gradient_norms"])}


def before_the_matrix():
    functions = notebook()
    forward, backward = functions["sigmoid_forward"], functions["sigmoid_backward"]

    def layer(x, W):
        y, cache = forward(x)
        return np.dot(y, W), cache

    def back(d, cache, W, last):
        return backward(np.inner(d, W), cache)

    return functions | {"gradient_norms": network_norms(forward, backward, layer=layer, back=back)}


def last_layer_linear():
    functions = notebook()
    backward = functions["sigmoid_backward"]

    def back(d, cache, W, last):
        return np.inner(d if last else backward(d, cache), W)

    return functions | {"gradient_norms": network_norms(functions["sigmoid_forward"], backward, back=back)}


FORWARD = {
    "sigmoid overflows": notebook(out=lambda x: np.reciprocal(np.exp(np.negative(x)) + 1.0)),
    "sigmoid in both forms": notebook(out=both_ways),
    "infinity over infinity": notebook(out=lambda x: np.divide(np.exp(x), np.exp(x) + 1)),
    "sign of the exponent": notebook(out=lambda x: (1 + np.exp(x)) ** -1),
    "both sides alike": notebook(out=lambda x: right_out(np.abs(x))),
    "tanh for the sigmoid": notebook(
        out=entry_by_entry(math.tanh), dx=lambda dout, c: dout * (c["out"] - c["out"] ** 2)
    ),
    "sigmoid without parentheses": notebook(
        out=lambda x: np.exp(-x) + 1,
        dx=lambda dout, c: dout * (c["out"] - c["out"] ** 2),
        slope=slope_by_cosh,
        layer=lambda x, W: (right_out(np.dot(x, W)), {"out": right_out(np.dot(x, W))}),
    ),
    "x overwritten by the sigmoid": notebook(out=into_x),
}

BACKWARD = {
    "derivative at the output": notebook(
        dx=lambda dout, c: right_dx(dout, {"out": right_out(c["out"])}), slope=inner_slope
    ),
    "x for out in the derivative": notebook(dx=lambda dout, c: dout * (c["x"] - c["x"] ** 2)),
    "dout left out": notebook(dx=lambda dout, c: right_dx(np.ones_like(dout), c)),
    "factor 1 - out lost": notebook(dx=lambda dout, c: np.multiply(c["out"], dout), slope=inner_slope),
    "factor out lost": notebook(dx=lambda dout, c: dout - dout * c["out"], slope=inner_slope),
    "sign of the slope": notebook(dx=lambda dout, c: -right_dx(dout, c), slope=inner_slope),
    "derivative of tanh": notebook(dx=lambda dout, c: (1 + c["out"]) * (1 - c["out"]) * dout),
    "slope from overflowing exponentials": notebook(
        dx=lambda dout, c: dout * (np.exp(-c["x"]) / np.square(1 + np.exp(-c["x"])))
    ),
    "sigmoid gradient averaged": notebook(dx=lambda dout, c: right_dx(dout, c) / dout.shape[0], slope=inner_slope),
    "dout overwritten by the sigmoid": notebook(dx=overwritten),
    "sigmoid cache overwritten": notebook(dx=cache_spoiled),
}

FRACTIONS = {
    "lower tail alone": notebook(fraction=lambda s, c, tol: share(c["out"] < tol)),
    "upper tail alone": notebook(fraction=lambda s, c, tol: share(1 - c["out"] < tol)),
    "distance from 0 and 1": notebook(fraction=lambda s, c, tol: share(np.minimum(c["out"], 1 - c["out"]) < tol)),
    "x compared with tol": notebook(fraction=lambda s, c, tol: share(tol > c["x"])),
    "share of the others": notebook(fraction=lambda s, c, tol: 1 - share(s < tol)),
    "number for share": notebook(fraction=lambda s, c, tol: np.count_nonzero(s < tol)),
    "percent for share": notebook(fraction=lambda s, c, tol: share(s < tol) / 0.01),
    "divided by N": notebook(fraction=lambda s, c, tol: np.count_nonzero(s < tol) / s.shape[0]),
    "tol ignored": notebook(fraction=lambda s, c, tol: share(s < 1e-2)),
    "equal counted as below": notebook(fraction=lambda s, c, tol: 1 - share(s > tol)),
}

NORMS = {
    "last layer first": notebook(finish=lambda norms, dout: norms[::-1]),
    "dout among the norms": notebook(finish=lambda norms, dout: [*norms, frobenius(dout)]),
    "norms at the outputs": notebook(note=lambda **at: at["before"]),
    "norms before the weights": notebook(note=lambda **at: right_dx(at["before"], at["cache"])),
    "slope left out": notebook(back=lambda d, cache, W, last: d @ W.T),
    "squared norms": notebook(measure=lambda d: frobenius(d) ** 2),
    "root mean squares": notebook(measure=lambda d: frobenius(d) / math.sqrt(d.size)),
    "spectral norms": notebook(measure=lambda d: np.linalg.svd(d, compute_uv=False)[0]),
    "sums of magnitudes": notebook(measure=lambda d: sum(abs(float(entry)) for entry in d.flat)),
    "largest magnitudes": notebook(measure=lambda d: max(d.max(), -d.min())),
    "norms averaged over the examples": notebook(measure=lambda d: sum(frobenius(row) for row in d) / len(d)),
    "norms divided by N": notebook(measure=lambda d: frobenius(d) / d.shape[0]),
    "norms relative to dout": notebook(finish=lambda norms, dout: [norm / frobenius(dout) for norm in norms]),
    "norms of the weight gradients": notebook(
        note=lambda **at: np.einsum("na,nb->ab", at["x"], right_dx(at["before"], at["cache"]))
    ),
    "norms of the layers' inputs": notebook(note=lambda **at: at["x"]),
    "last layer without sigmoid": last_layer_linear(),
    "sigmoid before the matrix": before_the_matrix(),
    "weights turned round": weights_turned(),
}

SECOND = FORWARD | BACKWARD | FRACTIONS | NORMS


# ---- mistakes of which the catalogue knows nothing ----


OUTSIDE = {
    "a ramp for the sigmoid": notebook(out=entry_by_entry(rounded_like_a_ramp)),
    "the softmax of the rows": notebook(out=lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(-1, keepdims=True)),
    "two to the power of x": notebook(out=lambda x: 1 / (1 + np.exp2(-np.clip(x, -900, 900)))),
    "x cut off at three": notebook(out=lambda x: right_out(np.clip(x, -3, 3))),
    "the columns of out in reverse": notebook(out=lambda x: right_out(x)[..., ::-1]),
    "a quarter everywhere": notebook(dx=lambda dout, c: dout / 4),
    "dx is zero": notebook(dx=lambda dout, c: np.zeros_like(dout)),
    "dout squared": notebook(dx=lambda dout, c: right_dx(dout**2, c)),
    "the magnitude of dx": notebook(dx=lambda dout, c: np.abs(right_dx(dout, c))),
    "the mean slope for all entries": notebook(dx=lambda dout, c: dout * (c["out"] * (1 - c["out"])).mean()),
    "share of the columns": notebook(fraction=lambda s, c, tol: float((s < tol).any(axis=0).mean())),
    "one half": notebook(fraction=lambda s, c, tol: 0.5),
    "the mean slope": notebook(fraction=lambda s, c, tol: float(s.mean())),
    "the first row alone": notebook(fraction=lambda s, c, tol: share(s.reshape(len(s), -1)[0] < tol)),
    "each norm relative to the next": notebook(
        finish=lambda norms, dout: [a / b for a, b in zip(norms, [*norms[1:], frobenius(dout)], strict=True)]
    ),
    "logarithms of the norms": notebook(measure=lambda d: math.log(frobenius(d))),
    "the first example alone": notebook(measure=lambda d: frobenius(d[:1])),
    "norms added up": notebook(finish=lambda norms, dout: list(np.cumsum(norms))),
    "a tanh network": notebook(
        layer=lambda x, W: (np.tanh(x @ W), np.tanh(x @ W)), back=lambda d, t, W, last: (d - d * t * t) @ W.T
    ),
}
