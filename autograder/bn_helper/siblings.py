"""Layers with the signature of batch normalization, right and wrong, on which a gradient check can be tried.

None of them is batch normalization: one centres, one divides by the mean square, one bends each entry for itself.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

Forward = Callable[..., tuple[np.ndarray, Any]]
Backward = Callable[..., Any]
Gradient = Callable[[np.ndarray, Any], Any]
Pair = tuple[Forward, Backward]


def layer(of: Callable[..., SimpleNamespace], gradients: Mapping[str, Gradient]) -> Pair:
    """Make a layer, which knows of no other.

    Parameters
    ----------
    of : callable
        of(x, gamma, beta, bn_param) -> namespace with out and whatever the gradients need
    gradients : mapping from dx, dgamma and dbeta to functions of dout and that namespace

    Returns
    -------
    forward, backward : callable
        As those of batch normalization. The namespace, with that of the layer's first call as `first`, is the cache.
    """
    begun: list[SimpleNamespace] = []

    def forward(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]) -> Any:
        cache = of(x, gamma, beta, bn_param)
        begun.append(cache) if not begun else None
        cache.first = begun[0]
        return cache.out, cache

    def backward(dout: np.ndarray, cache: SimpleNamespace) -> Any:
        return tuple(gradient(dout, cache) for gradient in gradients.values())

    return forward, backward


def changed(right: Mapping[str, Gradient], **wrong: Gradient) -> dict[str, Gradient]:
    """Return gradients of which some are wrong."""
    return {**right, **wrong}


def _total(array: np.ndarray) -> np.ndarray:
    return np.ones(len(array)) @ array  # (D,)


def _product(dout: np.ndarray, array: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->d", dout, array)


# ---- a layer that centres: out = gamma * (x - mean) + beta ----


def _centring(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]) -> SimpleNamespace:
    centred = x - _total(x) / len(x)
    return SimpleNamespace(x=x, gamma=gamma, centred=centred, out=gamma * centred + beta, N=len(x))


def _minus(dout: np.ndarray, mean: Any) -> np.ndarray:
    return dout - mean


CENTRE: dict[str, Gradient] = {
    "dx": lambda dout, c: c.gamma * _minus(dout, _total(dout) / c.N),
    "dgamma": lambda dout, c: _product(dout, c.centred),
    "dbeta": lambda dout, c: _total(dout),
}


# ---- a layer that divides by the mean square: out = gamma * x / (power + eps) + beta ----


def _dividing(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]) -> SimpleNamespace:
    """Compute out; in train mode follow the mean square by a running average, as `running_var`."""
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    power = _total(x**2) / len(x)
    followed = np.asarray(bn_param.get("running_var", np.zeros_like(power)))
    bn_param["running_var"] = power + momentum * (followed - power)
    cache = SimpleNamespace(x=x, gamma=gamma, power=power, eps=eps, followed=followed, N=len(x))
    cache.out = gamma * x / (power + eps) + beta
    return cache


def _divided(dout: np.ndarray, c: Any, eps: Any = None, power: Any = None) -> np.ndarray:
    """Return dx where the layer had another eps, or another power."""
    power = c.power if power is None else power
    scale = power + (c.eps if eps is None else eps)
    shared = 2 * _product(dout, c.x) / (c.N * scale)
    return c.gamma * (dout - c.x * shared) / scale


POWER: dict[str, Gradient] = {
    "dx": _divided,
    "dgamma": lambda dout, c: _product(dout, c.x) / (c.power + c.eps),
    "dbeta": lambda dout, c: _total(dout),
}


# ---- a layer that bends each entry for itself, nowhere flat: out = gamma * (2 x + sin(x)) + beta ----


def _bending(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]) -> SimpleNamespace:
    bent = 2 * x + np.sin(x)
    return SimpleNamespace(x=x, gamma=gamma, bent=bent, out=gamma * bent + beta, N=len(x))


BEND: dict[str, Gradient] = {
    "dx": lambda dout, c: c.gamma * dout * (2 + np.cos(c.x)),
    "dgamma": lambda dout, c: _product(dout, c.bent),
    "dbeta": lambda dout, c: _total(dout),
}


def last_turned(array: np.ndarray) -> np.ndarray:
    """Return the array with the opposite sign in its last row, or of its last entry."""
    return np.append(array[:-1], -array[-1:], axis=0)


def refusing(dout: np.ndarray, cache: Any) -> Any:
    """Raise, as a backward pass does that asks for what its cache does not hold."""
    raise KeyError("x_hat")


def _centre(**wrong: Gradient) -> Callable[[], Pair]:
    return lambda: layer(_centring, changed(CENTRE, **wrong))


def _power(**wrong: Gradient) -> Callable[[], Pair]:
    return lambda: layer(_dividing, changed(POWER, **wrong))


def _bend(**wrong: Gradient) -> Callable[[], Pair]:
    return lambda: layer(_bending, changed(BEND, **wrong))


# Each makes a layer anew, so that none remembers an earlier check.
LAYERS: dict[str, Callable[[], Pair]] = {
    "centre": _centre(),
    "power": _power(),
    "bend": _bend(),
    "mean": _centre(dx=lambda dout, c: c.gamma * dout),
    "spread": _power(dx=lambda dout, c: c.gamma * dout / (c.power + c.eps)),
    "zero": _centre(dx=lambda dout, c: np.zeros_like(dout)),
    "gamma": _centre(dx=lambda dout, c: _minus(dout, _total(dout) / c.N)),
    "sign": _centre(dx=lambda dout, c: np.abs(c.gamma) * _minus(dout, _total(dout) / c.N)),
    "running": _power(dx=lambda dout, c: _divided(dout, c, power=c.followed)),
    "example": _bend(dx=lambda dout, c: last_turned(BEND["dx"](dout, c))),
    "percent": _bend(dx=lambda dout, c: 1.005 * BEND["dx"](dout, c)),
    "early": _centre(dgamma=lambda dout, c: _product(dout, c.x)),
    "out": _centre(dgamma=lambda dout, c: _product(dout, c.out)),
    "scaled dgamma": _centre(dgamma=lambda dout, c: c.gamma * CENTRE["dgamma"](dout, c)),
    "feature": _bend(dgamma=lambda dout, c: last_turned(BEND["dgamma"](dout, c))),
    "averaged": _centre(
        dgamma=lambda dout, c: CENTRE["dgamma"](dout, c) / c.N, dbeta=lambda dout, c: _total(dout) / c.N
    ),
    "scaled dbeta": _bend(dbeta=lambda dout, c: c.gamma * _total(dout)),
    "no eps": _power(
        dx=lambda dout, c: _divided(dout, c, eps=0.0), dgamma=lambda dout, c: _product(dout, c.x) / c.power
    ),
    "own eps": _power(dx=lambda dout, c: _divided(dout, c, eps=1e-5)),
    "eps twice": _power(dx=lambda dout, c: _divided(dout, c, eps=2 * c.eps)),
    "eps elsewhere": _power(dx=lambda dout, c: _divided(dout, c, eps=c.eps * c.power)),
    "eps in dgamma": _power(dgamma=lambda dout, c: _product(dout, c.x) / c.power),
    "first eps": _power(dx=lambda dout, c: _divided(dout, c, eps=c.first.eps)),
    "row": _centre(dgamma=lambda dout, c: CENTRE["dgamma"](dout, c)[None], dbeta=lambda dout, c: _total(dout)[None]),
    "not summed": _centre(dgamma=lambda dout, c: dout * c.centred, dbeta=lambda dout, c: dout.copy()),
    "number": _centre(dgamma=lambda dout, c: np.sum(dout * c.centred), dbeta=lambda dout, c: np.sum(dout)),
    "D for N": _centre(dx=lambda dout, c: c.gamma * _minus(dout, _total(dout) / dout.shape[1])),
    "whole mean": _centre(dx=lambda dout, c: c.gamma * _minus(dout, np.sum(dout) / dout.size)),
    "first N": _centre(dx=lambda dout, c: c.gamma * _minus(dout, _total(dout) / c.first.N)),
    "raises": _centre(dx=refusing),
    "dx alone": lambda: (lambda pair: (pair[0], lambda dout, c: CENTRE["dx"](dout, c)))(_centre()()),
}
