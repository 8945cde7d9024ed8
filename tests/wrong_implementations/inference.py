"""Layers folded and moved wrongly: folding column by column, converting through a table of two properties."""

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


def factor(gamma, var, eps):
    return gamma * (var + eps) ** -0.5


def bias(b, mean, a, beta):
    return a * b + beta - a * mean


def weights(W, a):
    return np.stack([W[:, j] * a[j] for j in range(W.shape[1])], axis=1)


def fold(factor=factor, weights=weights, bias=bias):
    """Return a notebook's folding in which the steps given are wrong."""

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        a = factor(gamma, running_var, eps)
        return weights(W, a), bias(b, running_mean, a, beta)

    return {"fold_batchnorm": fold_batchnorm}


def rows(W, a):
    return np.diag(a) @ W


def scaling_w(W, a):
    for j in range(len(a)):
        W[:, j] = W[:, j] * a[j]
    return W


def shifting_b(b, mean, a, beta):
    b[:] = bias(b, mean, a, beta)
    return b


def collecting_eps(gamma, var, eps):
    var[:] = var + eps
    return factor(gamma, var, 0)


# ---- which side momentum weighs, and what the variance divides by ----

WEIGHS_BATCH = {"book": False, "keras": False, "pytorch": True}
UNBIASED = {"book": 0, "keras": 0, "pytorch": 1}


def look(source, target):
    for name in (source, target):
        if name not in UNBIASED:
            raise ValueError("no convention is called " + name)


def single(n, source, target):
    if n == 1 and (UNBIASED[source] or UNBIASED[target]):
        raise ValueError("one value has no unbiased variance")


def up(n):
    return n / max(n - 1, 1)


def turned(momentum, source, target):
    return 1 - momentum if WEIGHS_BATCH[source] != WEIGHS_BATCH[target] else momentum


def rescaled(var, n, source, target, ratio=up):
    return var * ratio(n) ** (UNBIASED[target] - UNBIASED[source])


def kept(mean, n, source, target):
    return +mean


def convert(look=look, single=single, turned=turned, rescaled=rescaled, kept=kept):
    """Return a notebook's conversion in which the steps given are wrong."""

    def convert_running(mean, var, n, momentum, source, target):
        look(source, target)
        single(n, source, target)
        known = [name if name in UNBIASED else "book" for name in (source, target)]
        return kept(mean, n, *known), rescaled(var, n, *known), turned(momentum, *known)

    return {"convert_running": convert_running}


def by_ratio(ratio):
    return convert(rescaled=lambda var, n, source, target: rescaled(var, n, source, target, ratio))


def keras_like_pytorch(name):
    return "pytorch" if name == "keras" else name


def one_way(from_pytorch, to_pytorch):
    def changed(var, n, source, target):
        change = UNBIASED[target] - UNBIASED[source]
        return var * {-1: from_pytorch(n), 0: 1.0, 1: to_pytorch(n)}[change]

    return convert(rescaled=changed)


def in_place(var, n, source, target):
    var[:] = rescaled(var, n, source, target)
    return var


def say_nothing(source, target):
    if not {source, target} <= set(UNBIASED):
        raise ValueError("that is no convention")


def by_lookup(source, target):
    return UNBIASED[source] + UNBIASED[target]


def only(which):
    def look_at(*names):
        look(names[which], names[which])

    return look_at


def unless_equal(source, target):
    if source is not target:
        look(source, target)


def always_two(n, source, target):
    if n == 1:
        raise ValueError("a variance needs two values")


def unchanged(n):
    return 1.0


SECOND = {
    "no eps in folding": fold(factor=lambda gamma, var, eps: factor(gamma, var, 0)),
    "constant eps in folding": fold(factor=lambda gamma, var, eps: factor(gamma, var, 0.00001)),
    "eps outside the root in folding": fold(factor=lambda gamma, var, eps: gamma / (var**0.5 + eps)),
    "no root in folding": fold(factor=lambda gamma, var, eps: gamma * (var + eps) ** -1.0),
    "multiplied by the standard deviation": fold(factor=lambda gamma, var, eps: gamma * (var + eps) ** 0.5),
    "gamma forgotten in folding": fold(factor=lambda gamma, var, eps: factor(1, var, eps)),
    "rows of W scaled": fold(weights=rows),
    "W not scaled": fold(weights=lambda W, a: +W),
    "b forgotten in folding": fold(bias=lambda b, mean, a, beta: bias(0, mean, a, beta)),
    "b not scaled": fold(bias=lambda b, mean, a, beta: b + bias(0, mean, a, beta)),
    "running mean not scaled": fold(bias=lambda b, mean, a, beta: bias(b, 0, a, beta) - mean),
    "neither b nor running mean scaled": fold(bias=lambda b, mean, a, beta: bias(b, mean, 1, beta)),
    "running mean forgotten": fold(bias=lambda b, mean, a, beta: bias(b, 0, a, beta)),
    "running mean added": fold(bias=lambda b, mean, a, beta: bias(b, -mean, a, beta)),
    "beta forgotten in folding": fold(bias=lambda b, mean, a, beta: bias(b, mean, a, 0)),
    "beta scaled": fold(bias=lambda b, mean, a, beta: bias(b, mean, a, a * beta)),
    "beta subtracted in folding": fold(bias=lambda b, mean, a, beta: bias(b, mean, a, -beta)),
    "b as it was": fold(bias=lambda b, mean, a, beta: +b),
    "W overwritten": fold(weights=scaling_w),
    "b overwritten": fold(bias=shifting_b),
    "folded from the variance in place": fold(factor=collecting_eps),
    "momentum not converted": convert(turned=lambda momentum, source, target: momentum),
    "momentum always converted": convert(turned=lambda momentum, source, target: 1 - momentum),
    "momentum of Keras with PyTorch's": convert(
        turned=lambda momentum, *names: turned(momentum, *map(keras_like_pytorch, names))
    ),
    "variance not converted": convert(rescaled=lambda var, n, source, target: +var),
    "factor of the variance inverted": by_ratio(lambda n: 1 / up(n)),
    "factor of the variance one way": one_way(up, up),
    "variance to PyTorch alone": one_way(unchanged, up),
    "variance from PyTorch alone": one_way(lambda n: 1 / up(n), unchanged),
    "variance of Keras unbiased": convert(
        rescaled=lambda var, n, *names: rescaled(var, n, *map(keras_like_pytorch, names))
    ),
    "n - 1 taken for n": by_ratio(lambda n: up(n - 1)),
    "n + 1 taken for n": by_ratio(lambda n: up(n + 1)),
    "root of the factor": by_ratio(lambda n: up(n) ** 0.5),
    "mean converted too": convert(kept=rescaled),
    "converted in place": convert(rescaled=in_place),
    "unknown convention accepted": convert(
        look=lambda source, target: None,
        single=lambda *args: single(args[0], *(name if name in UNBIASED else "book" for name in args[1:])),
    ),
    "unknown convention not named": convert(look=say_nothing),
    "unknown convention is a KeyError": convert(look=by_lookup),
    "only the source is looked at": convert(
        look=only(0), single=lambda n, source, target: single(n, source, target if target in UNBIASED else "book")
    ),
    "only the target is looked at": convert(
        look=only(1), single=lambda n, source, target: single(n, source if source in UNBIASED else "book", target)
    ),
    "equal names not looked at": convert(
        look=unless_equal, single=lambda n, source, target: source == target or single(n, source, target)
    ),
    "n = 1 accepted": convert(single=lambda n, source, target: None),
    "n = 1 refused for all": convert(single=always_two),
}


OUTSIDE = {
    "folded with the absolute value of gamma": fold(factor=lambda gamma, var, eps: factor(np.abs(gamma), var, eps)),
    "folded twice": fold(weights=lambda W, a: weights(weights(W, a), a)),
    "folded with the columns in reverse": fold(weights=lambda W, a: weights(W, a[::-1])),
    "W of ones": fold(weights=lambda W, a: np.ones(W.shape)),
    "b of zeros": fold(bias=lambda b, mean, a, beta: np.zeros(b.shape)),
    "folded with gamma added": fold(factor=lambda gamma, var, eps: gamma + (var + eps) ** -0.5),
    "momentum squared on the way": convert(
        turned=lambda momentum, source, target: turned(momentum, source, target) ** 2
    ),
    "momentum of a half": convert(turned=lambda momentum, source, target: 0.5),
    "variance converted twice": by_ratio(lambda n: up(n) ** 2),
    "mean negated": convert(kept=lambda mean, n, source, target: -mean),
}
