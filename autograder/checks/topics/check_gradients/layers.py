"""Layers that only the grader holds: batch normalization, right in many ways, and with planted mistakes."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograder.bn_helper.siblings import Gradient, Pair, changed, last_turned, layer, refusing
from autograder.checks.topics.batchnorm.catalogue import BACKWARD
from solutions import (
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)

Array = np.ndarray


def _normalizing(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> SimpleNamespace:
    """Return out, and all that a right or a wrong gradient may ask for."""
    D = x.shape[1]
    followed = [np.array(bn_param.get(name, np.zeros(D))) for name in ("running_mean", "running_var")]
    out, solved = batchnorm_forward(x, gamma, beta, bn_param)
    _, x_hat, mu, var, inv_std, gamma, eps = solved
    return SimpleNamespace(
        x=x, gamma=gamma, out=out, x_hat=x_hat, mu=mu, var=var, inv_std=inv_std, eps=eps, N=len(x),
        followed=followed, solved=solved,
    )  # fmt: skip


def _solved(position: int) -> Gradient:
    return lambda dout, c: batchnorm_backward_alt(dout, c.solved)[position]


RIGHT: dict[str, Gradient] = {"dx": _solved(0), "dgamma": _solved(1), "dbeta": _solved(2)}


def _dx(
    dout: Array, c: Any, eps: Any = None, std: Any = None, mu: Any = None, N: Any = None, mean: Any = None
) -> Array:
    """Return dx where one ingredient of the closed form is another."""
    std = np.sqrt(c.var + (c.eps if eps is None else eps)) if std is None else std
    x_hat = (c.x - (c.mu if mu is None else mu)) / std
    N = c.N if N is None else N
    mean = dout.sum(axis=0) / N if mean is None else mean
    return np.asarray(c.gamma / std * (dout - mean - x_hat * (dout * x_hat).sum(axis=0) / N))


def _from_catalogue(name: str) -> Callable[[], Pair]:
    functions = next(entry for entry in BACKWARD if entry.name == name).functions
    return lambda: (functions["batchnorm_forward"], functions["batchnorm_backward"])


def _with(**wrong: Gradient) -> Callable[[], Pair]:
    return lambda: layer(_normalizing, changed(RIGHT, **wrong))


WRONG: dict[str, Callable[[], Pair]] = {
    "mean": _from_catalogue("mean path missing"),
    "spread": _from_catalogue("variance path missing"),
    "zero": _with(dx=lambda dout, c: np.zeros_like(dout)),
    "gamma": _from_catalogue("gamma forgotten"),
    "sign": _with(dx=lambda dout, c: RIGHT["dx"](dout, c) * np.sign(c.gamma)),
    "running": _with(dx=lambda dout, c: _dx(dout, c, mu=c.followed[0], std=np.sqrt(c.followed[1] + c.eps))),
    "example": _with(dx=lambda dout, c: last_turned(RIGHT["dx"](dout, c))),
    "percent": _with(dx=lambda dout, c: 1.005 * RIGHT["dx"](dout, c)),
    "early": _from_catalogue("dgamma from x - mu"),
    "out": _with(dgamma=lambda dout, c: (dout * c.out).sum(axis=0)),
    "scaled dgamma": _from_catalogue("dgamma from the scaled output"),
    "feature": _with(dgamma=lambda dout, c: last_turned(RIGHT["dgamma"](dout, c))),
    "averaged": _from_catalogue("parameter gradients averaged"),
    "scaled dbeta": _with(dbeta=lambda dout, c: c.gamma * dout.sum(axis=0)),
    "no eps": _with(
        dx=lambda dout, c: _dx(dout, c, eps=0.0),
        dgamma=lambda dout, c: (dout * (c.x - c.mu)).sum(axis=0) / np.sqrt(c.var),
    ),
    "own eps": _with(dx=lambda dout, c: _dx(dout, c, eps=1e-5)),
    "eps twice": _with(dx=lambda dout, c: _dx(dout, c, eps=2 * c.eps)),
    "eps elsewhere": _with(dx=lambda dout, c: _dx(dout, c, std=np.sqrt(c.var) + c.eps)),
    "eps in dgamma": _with(dgamma=lambda dout, c: (dout * (c.x - c.mu)).sum(axis=0) / np.sqrt(c.var)),
    "first eps": _with(dx=lambda dout, c: _dx(dout, c, eps=c.first.eps)),
    "row": _from_catalogue("parameter gradients of shape (1, D)"),
    "not summed": _from_catalogue("parameter gradients not summed"),
    "number": _from_catalogue("parameter gradients summed to a number"),
    "D for N": _with(dx=lambda dout, c: _dx(dout, c, N=dout.shape[1])),
    "whole mean": _with(dx=lambda dout, c: _dx(dout, c, mean=dout.mean())),
    "first N": _with(dx=lambda dout, c: _dx(dout, c, N=c.first.N)),
    "raises": _with(dx=refusing),
    "dx alone": lambda: (lambda pair: (pair[0], lambda dout, cache: pair[1](dout, cache)[0]))(_with()()),
}


# ---- right layers, some of which compute something else than batch normalization ----


def _by_feature() -> Pair:
    """Loop over the features, by the Jacobian of each column; a dict as cache."""

    def forward(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, Any]:
        out, solved = batchnorm_forward(x, gamma, beta, bn_param)
        return out, {"x_hat": solved[1], "slope": gamma * solved[4]}

    def backward(dout: Array, cache: Mapping[str, Array]) -> tuple[Array, ...]:
        N, D = dout.shape
        dx, x_hat = np.empty((N, D)), cache["x_hat"]
        for d in range(D):
            jacobian = np.eye(N) - (1 + np.outer(x_hat[:, d], x_hat[:, d])) / N
            dx[:, d] = cache["slope"][d] * jacobian @ dout[:, d]
        return dx, np.diag(x_hat.T @ dout).copy(), np.sum(dout, axis=0)

    return forward, backward


def _spread_by(std: Callable[[Array, Any], Array], slope: Callable[[Array, Any], Array]) -> Callable[[], Pair]:
    """Return a layer that divides by std(x, eps), whose gradient with respect to x is slope * (x - mu) in a column."""

    def of(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> SimpleNamespace:
        eps, centred = bn_param.get("eps", 1e-5), x - x.mean(axis=0)
        c = SimpleNamespace(gamma=gamma, centred=centred, std=std(x, eps), slope=slope(x, eps))
        c.out = gamma * centred / c.std + beta
        return c

    def dx(dout: Array, c: Any) -> Array:
        through_std = -(dout * c.centred).sum(axis=0) / c.std**2 * c.slope * c.centred
        return np.asarray(c.gamma * ((dout - dout.mean(axis=0)) / c.std + through_std))

    gradients: dict[str, Gradient] = {
        "dx": dx,
        "dgamma": lambda dout, c: (dout * c.centred / c.std).sum(axis=0),
        "dbeta": lambda dout, c: dout.sum(axis=0),
    }
    return lambda: layer(of, gradients)


def _unbiased_std(x: Array, eps: Any) -> Array:
    return np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=0) / max(len(x) - 1, 1) + eps)


def _outside_slope(x: Array, eps: Any) -> Array:
    N, std = len(x), x.std(axis=0)
    return np.divide(1, N * std, out=np.zeros_like(std), where=std > 0)


_unbiased = _spread_by(_unbiased_std, lambda x, eps: 1 / (max(len(x) - 1, 1) * _unbiased_std(x, eps)))
_outside = _spread_by(lambda x, eps: x.std(axis=0) + eps, _outside_slope)


def _shifting_first() -> Pair:
    """Compute gamma * (x_hat + beta)."""

    def forward(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, Any]:
        out, solved = batchnorm_forward(x, gamma, gamma * beta, bn_param)
        return out, (solved, gamma, beta)

    def backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, ...]:
        solved, gamma, beta = cache
        dx, dgamma, dshift = batchnorm_backward(dout, solved)
        return dx, dgamma + beta * dshift, gamma * dshift

    return forward, backward


def _by_example() -> Pair:
    def forward(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, Any]:
        return layernorm_forward(x, gamma, beta, {"eps": bn_param.get("eps", 1e-5)})

    return forward, layernorm_backward


def _rounding(array: Array) -> Array:
    """Round to nine digits."""
    return np.array([[float(f"{v:.9g}") for v in row] for row in np.atleast_2d(array)]).reshape(array.shape)


RIGHTS: dict[str, Callable[[], Pair]] = {
    "batch normalization node by node": lambda: (batchnorm_forward, batchnorm_backward),
    "batch normalization in closed form": lambda: (batchnorm_forward, batchnorm_backward_alt),
    "batch normalization one feature after the other": _by_feature,
    "a batch normalization with N - 1 in forward and backward": _unbiased,
    "a batch normalization with eps outside the root in forward and backward": _outside,
    "a layer that shifts before it scales": _shifting_first,
    "a layer that normalizes each example": _by_example,
    "a batch normalization whose gradients are rounded to nine digits": lambda: (
        batchnorm_forward,
        lambda dout, cache: tuple(_rounding(gradient) for gradient in batchnorm_backward(dout, cache)),
    ),
}


def dressed(make: Callable[[], Pair], inside: float, outside: float) -> Callable[[], Pair]:
    """Scale a layer inside and outside, so that it is not recognized where it, or its kind, comes again."""

    def made() -> Pair:
        forward, backward = make()

        def scaled_forward(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, Any]:
            out, cache = forward(inside * x, gamma, beta, bn_param)
            return outside * out, cache

        def scaled_backward(dout: Array, cache: Any) -> Any:
            gradients = backward(outside * dout, cache)
            if not isinstance(gradients, tuple):
                return inside * gradients
            return (inside * gradients[0], *gradients[1:])

        return scaled_forward, scaled_backward

    return made
