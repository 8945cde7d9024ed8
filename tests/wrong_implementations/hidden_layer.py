"""Wrong hidden layers, stacks and percentiles, written in another style than the catalogue's.

Of a wrong forward pass the gradients that belong to it are taken by complex steps; a wrong backward pass has a
namespace as cache, and normalizes by itself.
"""

from types import SimpleNamespace

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


# ---- the steps of a layer, which also take complex numbers ----


def squash(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def whitened(z, eps):
    """Return the normalized columns of z and what they were divided by."""
    middle = sum(z) / len(z)
    width = (sum((z - middle) ** 2) / len(z) + eps) ** 0.5
    return (z - middle) / width, width


def layer(x, W, gamma, beta, eps):
    return squash(gamma * whitened(x.dot(W), eps)[0] + beta)


def by_steps(f):
    """Return a layer that computes f(x, W, gamma, beta, eps), and carries back the gradients that belong to it."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        values = tuple(np.array(value) for value in (x, W, gamma, beta))
        return f(*values, bn_param["eps"]), (values, bn_param["eps"])

    def hidden_backward(dout, cache):
        values, eps = cache
        gradients = []
        for at, value in enumerate(values):
            gradient = np.zeros(value.shape)
            for entry in np.ndindex(value.shape):
                moved = value.astype(complex)
                moved[entry] += 1e-20j
                out = f(*values[:at], moved, *values[at + 1 :], eps)
                gradient[entry] = (out.imag * dout).sum() / 1e-20
            gradients.append(gradient)
        return tuple(gradients)

    return {"hidden_forward": hidden_forward, "hidden_backward": hidden_backward}


def by_hand(slope=None, back=None, kept=None, **wrong):
    """Return a right layer in which steps of the way back are replaced; each is a function of the cache."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        c = SimpleNamespace(x=x.copy(), W=W.copy(), gamma=gamma.copy(), z=x @ W, N=len(x))
        c.hat, c.width = whitened(c.z, bn_param["eps"])
        c.pre = c.hat * gamma + beta
        c.out = squash(c.pre)
        return c.out.copy(), c

    def hidden_backward(dout, cache):
        c = SimpleNamespace(**vars(cache), dout=dout, cache=cache)
        c.dpre = (slope or (lambda c: c.dout * (c.out - c.out**2)))(c)
        c.dz = (back or (lambda c: through(c, c.dpre)))(c)
        right = {
            "dx": lambda c: np.einsum("ne,de->nd", c.dz, c.W),
            "dW": lambda c: np.einsum("nd,ne->de", c.x, c.dz),
            "dgamma": lambda c: np.diag(c.dpre.T @ c.hat),
            "dbeta": lambda c: np.ones(c.N) @ c.dpre,
        }
        gradients = tuple({**right, **wrong}[name](c) for name in right)
        if kept is not None:
            kept(c)
        return gradients

    return {"hidden_forward": hidden_forward, "hidden_backward": hidden_backward}


def through(c, d):
    """Carry a gradient of the normalized and scaled columns back through the normalization."""
    d = d * c.gamma
    return (d - d.mean(0) - c.hat * (d * c.hat).mean(0)) / c.width


def slope_at(z):
    return squash(z) - squash(z) ** 2


# ---- the layer's misconceptions ----


def left_out(x, W, gamma, beta, bn_param):
    return RIGHT["hidden_forward"](x, W, gamma**0, beta * 0, bn_param)


def in_place(c):
    c.dout *= slope_at(c.pre)


def halved(c):
    c.cache.W *= 0.5


RIGHT = by_hand()

LAYER = {
    "normalized behind the sigmoid": by_steps(lambda x, W, g, b, eps: g * whitened(squash(x @ W), eps)[0] + b),
    "normalized before the linear part": by_steps(lambda x, W, g, b, eps: squash(g * (whitened(x, eps)[0] @ W) + b)),
    "sigmoid forgotten": by_steps(lambda x, W, g, b, eps: g * whitened(x @ W, eps)[0] + b),
    "not normalized": by_steps(lambda x, W, g, b, eps: squash(x @ (W * g) + b)),
    "gamma and beta swapped in the layer": by_steps(lambda x, W, g, b, eps: layer(x, W, b, g, eps)),
    "scale and shift left out": {**RIGHT, "hidden_forward": left_out},
    "scale and shift behind the sigmoid": by_steps(lambda x, W, g, b, eps: g * layer(x, W, 1, 0, eps) + b),
    "beta added twice": by_steps(lambda x, W, g, b, eps: layer(x, W, g, 2 * b, eps)),
    "bn_param not handed on": by_steps(lambda x, W, g, b, eps: layer(x, W, g, b, 0.00001)),
    "tanh in the hidden layer": by_steps(lambda x, W, g, b, eps: 2 * layer(x, W, 2 * g, 2 * b, eps) - 1),
    "slope of the sigmoid forgotten": by_hand(slope=lambda c: +c.dout),
    "slope at the linear part": by_hand(slope=lambda c: c.dout * slope_at(c.z)),
    "slope at the output": by_hand(slope=lambda c: c.dout * slope_at(c.out)),
    "normalization skipped on the way back": by_hand(back=lambda c: c.dpre),
    "sigmoid and normalization in the forward order": by_hand(
        back=lambda c: slope_at(c.pre) * through(c, c.dout),
        dgamma=lambda c: (c.dout * c.hat).sum(0),
        dbeta=lambda c: c.dout.sum(0),
    ),
    "gamma twice on the way back": by_hand(slope=lambda c: c.dout * slope_at(c.pre) * c.gamma),
    "dW averaged": by_hand(dW=lambda c: np.mean(c.x[:, :, None] * c.dz[:, None], axis=0)),
    "dW transposed": by_hand(dW=lambda c: np.einsum("nd,ne->ed", c.x, c.dz)),
    "dW before the normalization's gradient": by_hand(dW=lambda c: np.transpose(c.x).dot(c.dpre)),
    "dx before the normalization's gradient": by_hand(dx=lambda c: np.einsum("ne,de->nd", c.dpre, c.W)),
    "linear part skipped on the way back": by_hand(dx=lambda c: +c.dz),
    "dgamma and dbeta of the layer swapped": by_hand(
        dgamma=lambda c: c.dpre.sum(0), dbeta=lambda c: (c.dpre * c.hat).sum(0)
    ),
    "dgamma and dbeta behind the sigmoid": by_hand(
        dgamma=lambda c: np.einsum("nd,nd->d", c.dout, c.hat), dbeta=lambda c: sum(c.dout)
    ),
    "dgamma from the linear part": by_hand(dgamma=lambda c: np.einsum("nd,nd->d", c.dpre, c.z)),
    "dbeta behind the linear part": by_hand(dbeta=lambda c: sum(c.dz)),
    "dgamma and dbeta of the layer averaged": by_hand(
        dgamma=lambda c: (c.dpre * c.hat).mean(0), dbeta=lambda c: c.dpre.mean(0)
    ),
    "dout of the layer overwritten": by_hand(kept=in_place),
    "hidden cache overwritten": by_hand(kept=halved),
}


# ---- a stack, with indices, in which each step can be replaced ----


def stack(
    source=lambda n, x, outs: outs[-1] if outs else x,
    of_layer=lambda n, L: n,
    of_scale=None,
    of_param=lambda n, L: n,
    walked=lambda L: range(L),
    back=lambda L: range(L - 1, -1, -1),
    cache_of=lambda n, L: n,
    hand_on=True,
    first=lambda dx, all_dx: dx,
    arrange=lambda grads: grads,
):
    of_scale = of_scale or of_layer

    def stack_forward(x, layers, bn_params):
        L, outs, caches = len(layers), [], []
        for n in walked(L):
            W = layers[of_layer(n, L)]["W"]
            gamma, beta = (layers[of_scale(n, L)][name] for name in ("gamma", "beta"))
            param = bn_params[of_param(n, L)]
            out, cache = RIGHT["hidden_forward"](source(n, x, outs), W, gamma, beta, param)
            outs.append(out)
            caches.append(cache)
        return outs[-1], caches

    def stack_backward(dout, caches):
        L, d, all_dx = len(caches), dout, []
        grads = [None] * L
        for n in back(L):
            dx, dW, dgamma, dbeta = RIGHT["hidden_backward"](d, caches[cache_of(n, L)])
            grads[n] = {"W": dW, "gamma": dgamma, "beta": dbeta}
            all_dx.append(dx)
            d = dx if hand_on else dout
        return first(dx, all_dx), arrange(grads)

    return {**RIGHT, "stack_forward": stack_forward, "stack_backward": stack_backward}


def turned(grads):
    other = grads[::-1]
    return [{"W": grads[n]["W"], "gamma": other[n]["gamma"], "beta": other[n]["beta"]} for n in range(len(grads))]


STACK = {
    "every layer gets the input of the stack": stack(source=lambda n, x, outs: x),
    "one bn_param for all layers": stack(of_param=lambda n, L: 0),
    "gamma and beta of the first layer for all": stack(of_scale=lambda n, L: 0),
    "parameters of the first layer for all": stack(of_layer=lambda n, L: 0),
    "last layer left out": stack(walked=lambda L: range(L - 1)),
    "first layer left out": stack(walked=lambda L: range(1, L)),
    "layers from the last to the first": stack(walked=lambda L: range(L - 1, -1, -1)),
    "layers walked forward": stack(back=lambda L: range(L)),
    "grads from the last layer first": stack(arrange=lambda grads: grads[::-1]),
    "the same dout for every layer": stack(hand_on=False),
    "cache of the last layer for all": stack(cache_of=lambda n, L: L - 1),
    "cache of the first layer for all": stack(cache_of=lambda n, L: 0),
    "gradient at the last layer's input": stack(first=lambda dx, all_dx: all_dx[0]),
    "gamma and beta from the last layer first": stack(arrange=turned),
    "one dict over and over": stack(arrange=lambda grads: [grads[0]] * len(grads)),
}


# ---- percentiles, from sorted values ----


def at(values, share):
    """Return the value at a share of the way from the least to the largest."""
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def rows(history, shares=(0.15, 0.5, 0.85), at=at):
    return np.array([[at(row, share) for row in history] for share in shares])


def percentiles(function):
    return {"shift_percentiles": function}


def sorting(history):
    result = rows(history)
    np.ndarray.sort(history, axis=-1)
    return result


SHIFT = {
    "percentiles over the steps": percentiles(lambda history: rows(history.T)),
    "percentiles of the whole history": percentiles(lambda history: rows(history.reshape(1, -1))[:, 0]),
    "fractions for percent": percentiles(lambda history: rows(history, (0.0015, 0.005, 0.0085))),
    "quartiles": percentiles(lambda history: rows(history, (1 / 4, 1 / 2, 3 / 4))),
    "tenth and ninetieth": percentiles(lambda history: rows(history, (0.1, 0.5, 0.9))),
    "one standard deviation to each side": percentiles(
        lambda history: np.array([[np.mean(row) + side * np.std(row) for row in history] for side in (-1, 0, 1)])
    ),
    "mean for the median": percentiles(
        lambda history: np.vstack([rows(history)[0], history.sum(1) / history.shape[1], rows(history)[2]])
    ),
    "a row for each step": percentiles(lambda history: np.stack(list(rows(history)), axis=1)),
    "percentiles from high to low": percentiles(lambda history: rows(history)[::-1]),
    "percentiles of the output": percentiles(lambda history: rows(squash(history))),
    "percentiles without interpolation": percentiles(
        lambda history: rows(history, at=lambda row, share: sorted(row)[int(share * (len(row) - 1))])
    ),
    "shift from the first step": percentiles(lambda history: rows(history) - rows(history)[:, [0]]),
    "history sorted in place": percentiles(sorting),
}


SECOND = LAYER | STACK | SHIFT


# ---- mistakes of which the catalogue knows nothing ----


def shuffled(c):
    return through(c, c.dpre)[::-1]


OUTSIDE = {
    "dx and dW swapped": by_hand(
        dx=lambda c: np.einsum("nd,ne->de", c.x, c.dz), dW=lambda c: np.einsum("ne,de->nd", c.dz, c.W)
    ),
    "a sigmoid of twice its input": by_steps(lambda x, W, g, b, eps: layer(x, W, 2 * g, 2 * b, eps)),
    "one minus the sigmoid": by_steps(lambda x, W, g, b, eps: layer(x, W, -g, -b, eps)),
    "two sigmoids": by_steps(lambda x, W, g, b, eps: squash(layer(x, W, g, b, eps))),
    "normalized twice": by_steps(lambda x, W, g, b, eps: squash(g * whitened(whitened(x @ W, eps)[0], eps)[0] + b)),
    "the units in reverse": by_steps(lambda x, W, g, b, eps: layer(x, W, g, b, eps)[:, ::-1]),
    "the examples of the gradient in reverse": by_hand(back=shuffled),
    "dW of the absolute values": by_hand(dW=lambda c: np.abs(c.x.T) @ c.dz),
    "a fifth for the slope": by_hand(slope=lambda c: c.dout / 5),
    "a cube for the slope": by_hand(slope=lambda c: c.dout * c.out**3),
    "every other layer": stack(of_layer=lambda n, L: n - n % 2),
    "dx added up over the layers": stack(first=lambda dx, all_dx: sum(all_dx)),
    "gradients doubled": stack(arrange=lambda grads: [{k: 2 * v for k, v in g.items()} for g in grads]),
    "the 16th percentile": percentiles(lambda history: rows(history, (0.16, 0.5, 0.84))),
    "percentiles of the absolute values": percentiles(lambda history: rows(np.abs(history))),
    "least, median, largest": percentiles(lambda history: rows(history, (0, 0.5, 1))),
}
