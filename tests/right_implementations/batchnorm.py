"""Batch normalization, in many styles."""

# ruff: noqa: C408, RUF059, UP031, UP032 - written as students write

import contextlib
import functools
import math
import types
import warnings
from collections import namedtuple

import numpy as np

RIGHT = {}


def right(notebook):
    RIGHT[notebook.__name__] = notebook
    return notebook


# ---- the shape of the code ----


@right
def order_of_the_paper():
    """NumPy's own mean and var; a tuple as cache; the graph of the paper, step by step."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode = bn_param["mode"]
        eps = bn_param.get("eps", 1e-5)
        momentum = bn_param.get("momentum", 0.9)
        N, D = x.shape
        running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
        running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
        out, cache = None, None
        if mode == "train":
            sample_mean = np.mean(x, axis=0)
            sample_var = np.var(x, axis=0)
            normalized = (x - sample_mean) / np.sqrt(sample_var + eps)
            out = normalized * gamma + beta
            cache = (x, normalized, sample_mean, sample_var, gamma, beta, eps)
            running_mean = momentum * running_mean + (1 - momentum) * sample_mean
            running_var = momentum * running_var + (1 - momentum) * sample_var
        elif mode == "test":
            out = (x - running_mean) / np.sqrt(running_var + eps) * gamma + beta
        else:
            raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
        bn_param["running_mean"] = running_mean
        bn_param["running_var"] = running_var
        return out, cache

    def backward_x_hat(dout, gamma):
        return np.multiply(gamma, dout)

    def backward_var(dx_hat, x, mu, var, eps):
        std = np.sqrt(var + eps)
        return np.sum(dx_hat * (x - mu), axis=0) / (-2 * std**3)

    def backward_mu(dx_hat, dvar, x, mu, var, eps):
        return np.sum(dx_hat * -1 / np.sqrt(var + eps), axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)

    def backward_x(dx_hat, dvar, dmu, x, mu, var, eps):
        m = len(x)
        return dx_hat * (var + eps) ** -0.5 + dvar * 2 * (x - mu) / m + dmu / m

    def batchnorm_backward(dout, cache):
        x, normalized, mu, var, gamma, _, eps = cache
        m = x.shape[0]
        dnormalized = dout * gamma
        dvar = np.sum(dnormalized * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
        dmu = np.sum(-dnormalized / np.sqrt(var + eps), axis=0) + dvar * np.sum(-2 * (x - mu), axis=0) / m
        dx = dnormalized / np.sqrt(var + eps) + dvar * 2 * (x - mu) / m + dmu / m
        return dx, np.sum(dout * normalized, axis=0), np.sum(dout, axis=0)

    def batchnorm_backward_alt(dout, cache):
        _, normalized, _, var, gamma, _, eps = cache
        m = len(dout)
        dgamma = np.sum(dout * normalized, axis=0)
        dbeta = np.sum(dout, axis=0)
        dx = gamma / (m * np.sqrt(var + eps)) * (m * dout - dbeta - normalized * dgamma)
        return dx, dgamma, dbeta

    return locals()


@right
def the_graph_in_atoms():
    """A dozen nodes of one operation each, an intermediate for each, all in the cache."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        N, D = x.shape
        eps, momentum = bn_param["eps"], bn_param["momentum"]
        if bn_param["mode"] == "train":
            mu = 1.0 / N * np.sum(x, axis=0)
            xmu = x - mu
            sq = xmu**2
            var = 1.0 / N * np.sum(sq, axis=0)
            sqrtvar = np.sqrt(var + eps)
            ivar = 1.0 / sqrtvar
            xhat = xmu * ivar
            gammax = gamma * xhat
            out = gammax + beta
            bn_param["running_mean"] = momentum * bn_param.get("running_mean", np.zeros(D)) + (1 - momentum) * mu
            bn_param["running_var"] = momentum * bn_param.get("running_var", np.zeros(D)) + (1 - momentum) * var
            return out, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
        elif bn_param["mode"] == "test":
            return gamma * ((x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps)) + beta, None
        raise ValueError(f"no mode {bn_param['mode']}")

    def batchnorm_backward(dout, cache):
        xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
        N, D = dout.shape
        dbeta = np.sum(dout, axis=0)
        dgammax = dout
        dgamma = np.sum(dgammax * xhat, axis=0)
        dxhat = dgammax * gamma
        divar = np.sum(dxhat * xmu, axis=0)
        dxmu1 = dxhat * ivar
        dsqrtvar = -1.0 / (sqrtvar**2) * divar
        dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
        dsq = 1.0 / N * np.ones((N, D)) * dvar
        dxmu2 = 2 * xmu * dsq
        dx1 = dxmu1 + dxmu2
        dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
        dx2 = 1.0 / N * np.ones((N, D)) * dmu
        return dx1 + dx2, dgamma, dbeta

    return locals()


@right
def loops_over_single_numbers():
    """Python loops and Python floats alone, in double precision also for float32."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        if bn_param["mode"] not in ("train", "test"):
            raise ValueError("unknown mode: " + bn_param["mode"])
        N, D = x.shape
        out = np.zeros((N, D))
        means = bn_param.setdefault("running_mean", np.zeros(D)).copy()
        variances = bn_param.setdefault("running_var", np.zeros(D)).copy()
        momentum, columns = bn_param.get("momentum", 0.9), []
        for d in range(D):
            column = [float(x[n, d]) for n in range(N)]
            mean, variance = float(means[d]), float(variances[d])
            if bn_param["mode"] == "train":
                mean = sum(column) / N
                variance = sum((value - mean) ** 2 for value in column) / N
                means[d] = momentum * means[d] + (1 - momentum) * mean
                variances[d] = momentum * variances[d] + (1 - momentum) * variance
            root = math.sqrt(variance + bn_param.get("eps", 1e-5))
            hats = [(value - mean) / root for value in column]
            for n in range(N):
                out[n, d] = gamma[d] * hats[n] + beta[d]
            columns.append((hats, root, float(gamma[d])))
        if bn_param["mode"] == "train":
            bn_param["running_mean"], bn_param["running_var"] = means, variances
        return out, columns

    def batchnorm_backward(dout, cache):
        N, D = dout.shape
        dx, dgamma, dbeta = np.empty((N, D)), np.empty(D), np.empty(D)
        for d, (hats, root, scale) in enumerate(cache):
            total = projected = 0.0
            for n in range(N):
                total += dout[n, d]
                projected += dout[n, d] * hats[n]
            for n in range(N):
                dx[n, d] = scale / root * (dout[n, d] - total / N - hats[n] * projected / N)
            dgamma[d], dbeta[d] = projected, total
        return dx, dgamma, dbeta

    return locals()


@right
def einsum_for_every_sum():
    """einsum for every sum, and the second form of the closed form."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
        if mode == "test":
            scale = gamma / np.sqrt(bn_param["running_var"] + eps)
            return np.einsum("nd,d->nd", x - bn_param["running_mean"], scale) + beta, None
        if mode != "train":
            raise ValueError(f"mode {mode!r}?")
        N = len(x)
        mean = np.einsum("nd->d", x) / N
        centred = x - mean
        variance = np.einsum("nd,nd->d", centred, centred) / N
        keep = bn_param.get("momentum", 0.9)
        for name, value in {"running_mean": mean, "running_var": variance}.items():
            bn_param[name] = keep * bn_param.get(name, np.zeros_like(value)) + (1 - keep) * value
        x_hat = np.einsum("nd,d->nd", centred, (variance + eps) ** -0.5)
        return np.einsum("nd,d->nd", x_hat, gamma) + beta, {"x_hat": x_hat, "r": (variance + eps) ** -0.5, "g": gamma}

    def batchnorm_backward(dout, cache):
        dgamma = np.einsum("nd,nd->d", dout, cache["x_hat"])
        dbeta = np.einsum("nd->d", dout)
        N = dout.shape[0]
        inner = dout - (np.einsum("nd,d->nd", cache["x_hat"], dgamma) + dbeta) / N
        return np.einsum("nd,d,d->nd", inner, cache["g"], cache["r"]), dgamma, dbeta

    def backward_x_hat(dout, gamma):
        return np.einsum("nd,d->nd", dout, gamma)

    def backward_var(dx_hat, x, mu, var, eps):
        return np.einsum("nd,nd,d->d", dx_hat, x - mu, -0.5 / (var + eps) ** (3 / 2))

    def backward_mu(dx_hat, dvar, x, mu, var, eps):
        return np.einsum("nd,d->d", dx_hat, -1 / np.sqrt(var + eps))

    def backward_x(dx_hat, dvar, dmu, x, mu, var, eps):
        N = len(x)
        return (
            np.einsum("nd,d->nd", dx_hat, 1 / np.sqrt(var + eps))
            + np.einsum("d,nd->nd", 2 * dvar / N, x - mu)
            + dmu / N
        )

    return locals()


@right
def matrix_products():
    """Sums as products with a row of ones; dgamma from the diagonal of a product of matrices."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        ones = np.ones((1, x.shape[0]), dtype=x.dtype)
        eps = bn_param.get("eps", 1e-5)
        if bn_param["mode"] == "train":
            mean = (ones @ x)[0] / x.shape[0]
            deviations = x - ones.T @ mean[None]
            variance = (ones @ deviations**2)[0] / x.shape[0]
            m = bn_param.get("momentum", 0.9)
            weights = np.array([m, 1 - m])
            zeros = np.zeros_like(mean)
            bn_param["running_mean"] = weights @ np.stack([bn_param.get("running_mean", zeros), mean])
            bn_param["running_var"] = weights @ np.stack([bn_param.get("running_var", zeros), variance])
        elif bn_param["mode"] == "test":
            deviations, variance = x - bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(bn_param["mode"])
        hat = deviations @ np.diag((variance + eps) ** -0.5)
        return hat @ np.diag(gamma) + beta, [hat, variance, eps, gamma]

    def batchnorm_backward(dout, cache):
        hat, variance, eps, gamma = cache
        ones = np.ones(len(dout))
        dgamma, dbeta = np.diag(dout.T @ hat), ones @ dout
        scale = np.diag(gamma / np.sqrt(variance + eps))
        return (dout - np.outer(ones, dbeta) / len(dout) - hat @ np.diag(dgamma) / len(dout)) @ scale, dgamma, dbeta

    return locals()


@right
def the_transpose():
    """Features as rows; the results are transposed views, in Fortran order."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        if bn_param["mode"] not in {"train", "test"}:
            raise ValueError(f"mode must be train or test, and is {bn_param['mode']}")
        rows = x.T
        m = bn_param.get("momentum", 0.9)
        if bn_param["mode"] == "train":
            mean, variance = rows.mean(axis=1), rows.var(axis=-1)
            bn_param["running_mean"] = m * bn_param.get("running_mean", 0) + (1 - m) * mean
            bn_param["running_var"] = m * bn_param.get("running_var", 0) + (1 - m) * variance
        else:
            mean, variance = bn_param["running_mean"], bn_param["running_var"]
        inverse = 1 / np.sqrt(variance + bn_param.get("eps", 1e-5))[:, None]
        hat = (rows - mean[:, None]) * inverse
        return (gamma[:, None] * hat + beta[:, None]).T, (hat, inverse, gamma[:, None])

    def batchnorm_backward(dout, cache):
        hat, inverse, gamma = cache
        rows = dout.T
        dhat = gamma * rows
        dx = inverse * (dhat - dhat.mean(axis=1, keepdims=True) - hat * (dhat * hat).mean(axis=1, keepdims=True))
        return dx.T, (rows * hat).sum(axis=1), rows.sum(axis=1)

    return locals()


@right
def one_column_at_a_time():
    """A function of one column, applied along the axis; the backward pass by each column's Jacobian matrix."""

    def column_forward(column, mean, variance, eps):
        return (column - mean) / np.sqrt(variance + eps)

    def jacobian(hat, inverse):
        N = len(hat)
        return inverse * (np.eye(N) - np.full((N, N), 1 / N) - np.outer(hat, hat) / N)

    def batchnorm_forward(x, gamma, beta, bn_param):
        D, eps, m = x.shape[1], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if bn_param["mode"] == "train":
            mean = np.apply_along_axis(np.mean, 0, x)
            variance = np.apply_along_axis(np.var, 0, x)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(D)) + (1 - m) * mean
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(D)) + (1 - m) * variance
        elif bn_param["mode"] == "test":
            mean, variance = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"{bn_param['mode']}")
        hat = np.column_stack([column_forward(x[:, d], mean[d], variance[d], eps) for d in range(D)])
        return hat * gamma + beta, (hat, 1 / np.sqrt(variance + eps), gamma)

    def batchnorm_backward(dout, cache):
        hat, inverse, gamma = cache
        dx = np.stack([gamma[d] * jacobian(hat[:, d], inverse[d]) @ dout[:, d] for d in range(dout.shape[1])], axis=1)
        return dx, (hat * dout).sum(0), dout.sum(0)

    return locals()


@right
def scale_and_shift_folded_together():
    """One affine map a * (x - mu) + beta per column, without an x_hat in the forward pass."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode = bn_param["mode"]
        if mode == "train":
            mean, variance = x.mean(0), x.var(0)
            step = 1 - bn_param.get("momentum", 0.9)
            old_mean = bn_param.get("running_mean", np.zeros_like(mean))
            old_var = bn_param.get("running_var", np.zeros_like(mean))
            bn_param.update(running_mean=old_mean + step * (mean - old_mean))
            bn_param.update(running_var=old_var + step * (variance - old_var))
        elif mode == "test":
            mean, variance = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"cannot normalize in mode {mode!r}")
        a = gamma / np.sqrt(variance + bn_param.get("eps", 1e-5))
        return a * (x - mean) + beta, (x - mean, variance + bn_param.get("eps", 1e-5), gamma)

    def batchnorm_backward(dout, cache):
        c, v, gamma = cache
        dbeta, dgamma = dout.sum(axis=0), (dout * c).sum(axis=0) / np.sqrt(v)
        return gamma / np.sqrt(v) * (dout - dout.mean(axis=0) - c / v * (dout * c).mean(axis=0)), dgamma, dbeta

    return locals()


@right
def statistics_of_shape_one_by_d():
    """keepdims throughout; (D,) only where values leave the function."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode = bn_param["mode"]
        if mode == "train":
            mu = np.mean(x, axis=0, keepdims=True)
            var = np.mean(np.square(x - mu), axis=0, keepdims=True)
            m = bn_param.get("momentum", 0.9)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu.squeeze()
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * np.ravel(var)
        elif mode == "test":
            mu, var = bn_param["running_mean"].reshape(1, -1), bn_param["running_var"][np.newaxis, :]
        else:
            raise ValueError(f"unknown mode {mode}")
        hat = np.divide(x - mu, np.sqrt(np.add(var, bn_param.get("eps", 1e-5))))
        return gamma[None] * hat + beta[None], (hat, np.sqrt(var + bn_param.get("eps", 1e-5)), gamma[None])

    def batchnorm_backward(dout, cache):
        hat, std, gamma = cache
        dgamma, dbeta = np.sum(dout * hat, axis=0, keepdims=True), np.sum(dout, axis=0, keepdims=True)
        dx = gamma / std * (dout - dbeta / len(hat) - hat * dgamma / len(hat))
        return dx, dgamma[0], dbeta.reshape(-1)

    return locals()


# ---- the cache ----


@right
def a_class_of_its_own_as_cache():
    """An object as cache, of a class that the notebook defines."""

    class Cache:
        def __init__(self, **values):
            self.__dict__.update(values)

        def __eq__(self, other):
            raise TypeError("a cache is not compared")

        __hash__ = None

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode = bn_param["mode"]
        if mode == "test":
            std = (bn_param["running_var"] + bn_param["eps"]) ** 0.5
            return gamma * (x - bn_param["running_mean"]) / std + beta, Cache()
        if mode != "train":
            raise ValueError(f"mode {mode}")
        c = Cache(mean=x.mean(axis=0), std=np.sqrt(x.var(axis=0) + bn_param["eps"]), gamma=gamma, n=x.shape[0])
        c.hat = (x - c.mean) / c.std
        m = bn_param["momentum"]
        bn_param["running_mean"] = bn_param.get("running_mean", 0 * c.mean) * m + c.mean * (1 - m)
        bn_param["running_var"] = bn_param.get("running_var", 0 * c.mean) * m + x.var(axis=0) * (1 - m)
        return gamma * c.hat + beta, c

    def batchnorm_backward(dout, cache):
        dhat = dout * cache.gamma
        dx = (cache.n * dhat - dhat.sum(0) - cache.hat * (dhat * cache.hat).sum(0)) / (cache.n * cache.std)
        return dx, (dout * cache.hat).sum(0), dout.sum(0)

    return locals()


@right
def a_closure_as_cache():
    """A function as cache: the backward pass calls it."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if bn_param["mode"] == "train":
            mu, var = np.average(x, axis=0), np.std(x, axis=0) ** 2
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(len(mu))) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(len(mu))) + (1 - m) * var
        elif bn_param["mode"] == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(bn_param["mode"])
        inv = 1 / np.sqrt(var + eps)

        def pull_back(dout):
            hat = (x - mu) * inv
            dgamma = (dout * hat).sum(axis=0)
            return gamma * inv * (dout - dout.mean(axis=0) - hat * dgamma / len(x)), dgamma, dout.sum(axis=0)

        return gamma * (x - mu) * inv + beta, pull_back

    def batchnorm_backward(dout, cache):
        return cache(dout)

    def batchnorm_backward_alt(dout, cache):
        return cache(dout)

    return locals()


@right
def everything_computed_again():
    """A cache of the inputs alone; the backward pass computes all statistics again."""

    def statistics(x, eps):
        return x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps = bn_param.get("eps", 1e-5)
        match bn_param["mode"]:
            case "train":
                mu, inv = statistics(x, eps)
                m = bn_param.get("momentum", 0.9)
                zeros = np.zeros(x.shape[1])
                bn_param["running_mean"] = m * bn_param.get("running_mean", zeros) + (1 - m) * mu
                bn_param["running_var"] = m * bn_param.get("running_var", zeros) + (1 - m) * np.var(x, axis=0)
            case "test":
                mu, inv = bn_param["running_mean"], 1 / np.sqrt(bn_param["running_var"] + eps)
            case other:
                raise ValueError(f"mode {other!r}")
        return beta + gamma * inv * (x - mu), (x.copy(), gamma.copy(), eps)

    def batchnorm_backward(dout, cache):
        x, gamma, eps = cache
        mu, inv = statistics(x, eps)
        dgamma = (dout * (x - mu) * inv).sum(axis=0)
        centred = dout - dout.mean(axis=0)
        return gamma * inv * (centred - (x - mu) * inv * dgamma / len(x)), dgamma, dout.sum(axis=0)

    return locals()


@right
def a_named_tuple_as_cache():
    """A named tuple as cache, and bare strings and None in it."""

    Cache = namedtuple("Cache", "note hat inverse scale nothing")

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param["eps"], bn_param["momentum"]
        if mode == "train":
            mu = x.sum(axis=0) / x.shape[0]
            var = np.sum((x - mu) ** 2, axis=0) / x.shape[0]
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros_like(mu)) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros_like(mu)) + (1 - m) * var
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"wrong mode: {mode}")
        inverse = np.reciprocal(np.sqrt(var + eps))
        hat = (x - mu) * inverse
        return gamma * hat + beta, Cache("of a batch", hat, inverse, gamma, None)

    def batchnorm_backward(dout, cache):
        dhat = cache.scale * dout
        dx = cache.inverse * (dhat - dhat.mean(0) - cache.hat * (dhat * cache.hat).mean(0))
        return dx, (dout * cache.hat).sum(0), dout.sum(0)

    return locals()


@right
def a_global_store_as_cache():
    """The cache is a number; what it stands for lies in a dict of the notebook."""

    store = {}

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if bn_param["mode"] not in ("train", "test"):
            raise ValueError("mode " + repr(bn_param["mode"]))
        if bn_param["mode"] == "test":
            hat = (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps)
            return gamma * hat + beta, -1
        mu, var = x.mean(0), x.var(0)
        bn_param["running_mean"] = m * bn_param.get("running_mean", 0.0) + (1 - m) * mu
        bn_param["running_var"] = m * bn_param.get("running_var", 0.0) + (1 - m) * var
        hat = (x - mu) / np.sqrt(var + eps)
        store[len(store)] = (hat, np.sqrt(var + eps), gamma)
        return gamma * hat + beta, len(store) - 1

    def batchnorm_backward(dout, cache):
        hat, std, gamma = store[cache]
        dgamma = (dout * hat).sum(0)
        return gamma / std * (dout - dout.mean(0) - hat * dgamma / len(hat)), dgamma, dout.sum(0)

    return locals()


# ---- what may be kept, dropped or reversed ----


@right
def the_mean_of_the_deviations_dropped():
    """dvar's part of dmu is left out: the sum of -2 (x - mu) is zero up to rounding."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
        if mode == "train":
            mu, var = x.mean(axis=0), ((x - x.mean(axis=0)) ** 2).mean(axis=0)
            m = bn_param.get("momentum", 0.9)
            bn_param["running_mean"] = (1 - m) * mu + m * bn_param.get("running_mean", np.zeros_like(mu))
            bn_param["running_var"] = (1 - m) * var + m * bn_param.get("running_var", np.zeros_like(mu))
            return gamma * (x - mu) / np.sqrt(var + eps) + beta, dict(x=x, mu=mu, var=var, gamma=gamma, eps=eps)
        if mode == "test":
            return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None
        raise ValueError(f"mode is {mode}")

    def backward_mu(dx_hat, dvar, x, mu, var, eps):
        return -(dx_hat / np.sqrt(var + eps)).sum(axis=0)

    def batchnorm_backward(dout, cache):
        x, mu, var, gamma, eps = (cache[name] for name in ("x", "mu", "var", "gamma", "eps"))
        dx_hat = dout * gamma
        dvar = np.sum(dx_hat * (x - mu), axis=0) * -0.5 * (var + eps) ** (-3 / 2)
        dmu = backward_mu(dx_hat, dvar, x, mu, var, eps)
        dx = dx_hat / np.sqrt(var + eps) + 2 / len(x) * dvar * (x - mu) + dmu / len(x)
        return dx, np.sum(dout * (x - mu) / np.sqrt(var + eps), axis=0), np.sum(dout, axis=0)

    return locals()


@right
def the_mean_of_the_deviations_with_the_wrong_sign():
    """dvar's part of dmu has the wrong sign, which shows in no digit that counts."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if mode == "train":
            mu, var = x.mean(axis=0), x.var(axis=0)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * var
            return gamma * ((x - mu) / np.sqrt(var + eps)) + beta, (x, mu, var, gamma, eps)
        elif mode == "test":
            return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, ()
        else:
            raise ValueError("mode: " + str(mode))

    def backward_mu(dx_hat, dvar, x, mu, var, eps):
        return -dx_hat.sum(axis=0) / np.sqrt(var + eps) + dvar * 2 * (x - mu).mean(axis=0)

    def batchnorm_backward(dout, cache):
        x, mu, var, gamma, eps = cache
        N, inv = len(x), 1 / np.sqrt(var + eps)
        dx_hat = dout * gamma
        dvar = -0.5 * inv**3 * (dx_hat * (x - mu)).sum(axis=0)
        dmu = -inv * dx_hat.sum(axis=0) + 2 * dvar * (x - mu).sum(axis=0) / N
        return dx_hat * inv + dvar * 2 * (x - mu) / N + dmu / N, (dout * (x - mu) * inv).sum(0), dout.sum(0)

    return locals()


@right
def three_nodes_called_by_the_backward_pass():
    """The nodes are used by the backward pass, and written for it alone."""

    def backward_x_hat(dout, gamma):
        return dout * gamma.reshape(1, -1)

    def backward_var(dx_hat, x, mu, var, eps):
        s = var + eps
        return -0.5 * ((x - mu) * dx_hat / (s * np.sqrt(s))).sum(axis=0)

    def backward_mu(dx_hat, dvar, x, mu, var, eps):
        return (-dx_hat / np.sqrt(var + eps) - 2 * dvar * (x - mu) / len(x)).sum(axis=0)

    def backward_x(dx_hat, dvar, dmu, x, mu, var, eps):
        dx = dx_hat / np.sqrt(var + eps)
        dx += (2 * dvar * (x - mu) + dmu) / len(x)
        return dx

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        D = gamma.size
        if mode == "train":
            mu, var = x.mean(axis=0), x.var(axis=0)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(D)) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(D)) + (1 - m) * var
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"not {mode!r}")
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, (x, gamma, mu, var, eps)

    def batchnorm_backward(dout, cache):
        x, gamma, *rest = cache
        dx_hat = backward_x_hat(dout, gamma)
        dvar = backward_var(dx_hat, x, *rest)
        dmu = backward_mu(dx_hat, dvar, x, *rest)
        mu, var, eps = rest
        dgamma = (dout * (x - mu)).sum(axis=0) / np.sqrt(var + eps)
        return backward_x(dx_hat, dvar, dmu, x, *rest), dgamma, dout.sum(axis=0)

    return locals()


@right
def differentiated_by_a_complex_step():
    """The backward pass differentiates the forward pass by complex steps, exact to rounding."""

    def normalize(x, gamma, beta, eps):
        mu = x.sum(axis=0) / len(x)
        var = ((x - mu) ** 2).sum(axis=0) / len(x)
        return gamma * (x - mu) / np.sqrt(var + eps) + beta

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if mode == "train":
            for name, value in (("running_mean", x.mean(0)), ("running_var", x.var(0))):
                bn_param[name] = m * bn_param.get(name, 0) + (1 - m) * value
            return normalize(x, gamma, beta, eps), (x, gamma, beta, eps)
        if mode == "test":
            return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None
        raise ValueError(f"mode: {mode}")

    def batchnorm_backward(dout, cache):
        *inputs, eps = cache
        gradients = []
        for position, value in enumerate(inputs):
            gradient = np.zeros(value.shape)
            for index in np.ndindex(value.shape):
                moved = [v.astype(np.complex128) for v in inputs]
                moved[position][index] += 1e-30j
                gradient[index] = (normalize(*moved, eps).imag * dout).sum() / 1e-30
            gradients.append(gradient)
        return tuple(gradients)

    return locals()


# ---- what is done with bn_param ----


@right
def extra_keys_in_bn_param():
    """bn_param also holds a counter, the last statistics and a nested dict; None of them is asked for."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        bn_param["calls"] = bn_param.get("calls", 0) + 1
        bn_param["running_mean"] = bn_param.get("running_mean", np.zeros(x.shape[1]))
        bn_param["running_var"] = bn_param.get("running_var", np.zeros(x.shape[1]))
        if mode == "train":
            bn_param["mean"], bn_param["var"] = x.mean(0), x.var(0)
            bn_param["last"] = {"x": x, "names": ["mean", "var"], "shape": x.shape}
            bn_param["running_mean"] = m * bn_param["running_mean"] + (1 - m) * bn_param["mean"]
            bn_param["running_var"] = m * bn_param["running_var"] + (1 - m) * bn_param["var"]
            hat = (x - bn_param["mean"]) / np.sqrt(bn_param["var"] + eps)
        elif mode == "test":
            hat = (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps)
        else:
            raise ValueError(f"no such mode: {mode}")
        return gamma * hat + beta, (hat, bn_param, gamma)

    def batchnorm_backward(dout, cache):
        hat, bn_param, gamma = cache
        inv = 1 / np.sqrt(bn_param["var"] + bn_param["eps"])
        dgamma, dbeta = (dout * hat).sum(0), dout.sum(0)
        return gamma * inv * (dout - dbeta / len(hat) - hat * dgamma / len(hat)), dgamma, dbeta

    return locals()


@right
def running_averages_updated_in_place():
    """The arrays of bn_param are scaled and added to where they lie, and made only where they are missing."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        for name in ("running_mean", "running_var"):
            if name not in bn_param:
                bn_param[name] = np.zeros(x.shape[1], dtype=x.dtype)
        running_mean, running_var = bn_param["running_mean"], bn_param["running_var"]
        if mode == "train":
            mu, var = x.mean(axis=0), x.var(axis=0)
            running_mean *= m
            running_mean += (1 - m) * mu
            running_var[:] = m * running_var + (1 - m) * var
        elif mode == "test":
            mu, var = running_mean, running_var
        else:
            raise ValueError(f"mode {mode} is unknown")
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, None

    return locals()


@right
def no_defaults_for_eps_and_momentum():
    """eps and momentum are read without a default, in every mode."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        if "mode" not in bn_param:
            raise ValueError("bn_param needs a mode")
        mode, eps, momentum = bn_param["mode"], bn_param["eps"], bn_param["momentum"]
        if mode == "test":
            std = np.sqrt(bn_param["running_var"] + eps)
            return (x - bn_param["running_mean"]) * (gamma / std) + beta, {}
        if not mode == "train":
            raise ValueError("Expected 'train' or 'test', got '{}'".format(mode))
        mu, var = x.mean(0), x.var(0)
        bn_param["running_mean"] = momentum * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - momentum) * mu
        bn_param["running_var"] = momentum * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - momentum) * var
        return (x - mu) * (gamma / np.sqrt(var + eps)) + beta, {}

    return locals()


@right
def modes_in_a_dict_of_functions():
    """The mode is looked up among functions; a missing one is a KeyError, an unknown one a ValueError with a cause."""

    def train(x, bn_param):
        mean, variance = x.mean(axis=0), x.var(axis=0)
        m = bn_param.get("momentum", 0.9)
        for name, value in {"running_mean": mean, "running_var": variance}.items():
            bn_param[name] = m * bn_param.get(name, np.zeros_like(value)) + (1 - m) * value
        return mean, variance

    def test(x, bn_param):
        return bn_param["running_mean"], bn_param["running_var"]

    def batchnorm_forward(x, gamma, beta, bn_param):
        modes = {"train": train, "test": test}
        try:
            statistics = modes[bn_param["mode"]]
        except KeyError as error:
            raise ValueError(f"mode must be one of {list(modes)}, not {bn_param.get('mode')}") from error
        mean, variance = statistics(x, bn_param)
        return gamma * (x - mean) / np.sqrt(variance + bn_param.get("eps", 1e-5)) + beta, None

    return locals()


@right
def an_exception_class_of_its_own():
    """An unknown mode raises a subclass of ValueError that the notebook defines."""

    class UnknownMode(ValueError):
        def __str__(self):
            return f"{self.args[0]!r} is neither train nor test"

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode = bn_param.get("mode")
        m, eps = bn_param.get("momentum", 0.9), bn_param.get("eps", 1e-5)
        if mode not in ("train", "test"):
            raise UnknownMode(mode)
        if mode == "train":
            mu, var = x.mean(axis=0), x.var(axis=0, ddof=0)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * var
        else:
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, None

    return locals()


@right
def x_rebound_in_test_mode():
    """x, gamma and bn_param's values are names that are bound anew; nothing that was handed over changes."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        running_mean = bn_param.get("running_mean", np.zeros(x.shape[1]))
        running_var = bn_param.get("running_var", np.zeros(x.shape[1]))
        if mode == "train":
            mu, var = x.mean(0), x.var(0)
            x = x - mu
            x = x / np.sqrt(var + eps)
            running_mean = m * running_mean + (1 - m) * mu
            running_var = m * running_var + (1 - m) * var
        elif mode == "test":
            x = x - running_mean
            x = x / np.sqrt(running_var + eps)
        else:
            raise ValueError(f"mode {mode!r}")
        bn_param["running_mean"] = running_mean
        bn_param["running_var"] = running_var
        gamma = gamma * x
        return gamma + beta, None

    return locals()


@right
def copies_overwritten():
    """Everything is computed in place, in copies of what was handed over."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        work = np.array(x)
        if mode == "train":
            mu = work.mean(axis=0)
            work -= mu
            var = np.mean(work * work, axis=0)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros_like(mu)) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros_like(mu)) + (1 - m) * var
        elif mode == "test":
            work -= bn_param["running_mean"]
            var = bn_param["running_var"]
        else:
            raise ValueError(f"unknown: {mode}")
        work /= np.sqrt(var + eps)
        hat = work.copy()
        work *= gamma
        work += beta
        return work, [hat, np.sqrt(var + eps), gamma]

    def batchnorm_backward(dout, cache):
        hat, std, gamma = cache
        dx = dout.copy()
        dgamma, dbeta = np.zeros_like(gamma), np.zeros_like(gamma)
        for d_row, hat_row in zip(dout, hat, strict=True):
            dbeta += d_row
            dgamma += d_row * hat_row
        dx -= dbeta / len(dx)
        dx -= hat * (dgamma / len(dx))
        dx *= gamma
        dx /= std
        return [dx, dgamma, dbeta]

    return locals()


# ---- arithmetic ----


@right
def arithmetic_in_the_type_of_x():
    """Every intermediate has the type of x: float32 arithmetic for float32 inputs."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        t = x.dtype.type
        mode, eps, m = bn_param["mode"], t(bn_param.get("eps", 1e-5)), t(bn_param.get("momentum", 0.9))
        zeros = np.zeros(x.shape[1], t)
        if mode == "train":
            mu = np.mean(x, axis=0, dtype=t)
            var = np.mean((x - mu) ** t(2), axis=0, dtype=t)
            bn_param["running_mean"] = (m * bn_param.get("running_mean", zeros) + (t(1) - m) * mu).astype(t)
            bn_param["running_var"] = (m * bn_param.get("running_var", zeros) + (t(1) - m) * var).astype(t)
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"mode {mode}")
        inv = t(1) / np.sqrt(var + eps, dtype=t)
        hat = ((x - mu) * inv).astype(t)
        return (gamma * hat + beta).astype(t), (hat, inv, gamma)

    def batchnorm_backward(dout, cache):
        hat, inv, gamma = cache
        t, N = dout.dtype.type, dout.dtype.type(len(dout))
        dgamma, dbeta = np.sum(dout * hat, axis=0, dtype=t), np.sum(dout, axis=0, dtype=t)
        return (gamma * inv * (dout - dbeta / N - hat * dgamma / N)).astype(t), dgamma, dbeta

    return locals()


@right
def always_in_float64():
    """float32 inputs are raised to float64, and the results stay so."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        x, gamma, beta = (np.asarray(a, dtype=np.float64) for a in (x, gamma, beta))
        mode, eps, m = bn_param["mode"], float(bn_param.get("eps", 1e-5)), bn_param.get("momentum", 0.9)
        rm = np.asarray(bn_param.get("running_mean", np.zeros(x.shape[1])), dtype=np.float64)
        rv = np.asarray(bn_param.get("running_var", np.zeros(x.shape[1])), dtype=np.float64)
        if mode == "train":
            mu, var = x.mean(axis=0), x.var(axis=0)
            bn_param["running_mean"], bn_param["running_var"] = m * rm + (1 - m) * mu, m * rv + (1 - m) * var
        elif mode == "test":
            mu, var = rm, rv
        else:
            raise ValueError(f"unknown mode {mode!r}")
        return gamma * (x - mu) * (var + eps) ** -0.5 + beta, (
            (x - mu) * (var + eps) ** -0.5,
            (var + eps) ** -0.5,
            gamma,
        )

    def batchnorm_backward(dout, cache):
        dout = dout.astype(float)
        hat, inv, gamma = cache
        dgamma, dbeta = (dout * hat).sum(axis=0), dout.sum(axis=0)
        return gamma * inv * (dout - (dbeta + hat * dgamma) / len(dout)), dgamma, dbeta

    return locals()


@right
def variance_in_one_pass_by_welford():
    """Mean and variance are updated example by example, by Welford's method."""

    def moments(x):
        mean, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for count, row in enumerate(x, start=1):
            step = row - mean
            mean = mean + step / count
            squares = squares + step * (row - mean)
        return mean, squares / len(x)

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if mode == "train":
            mu, var = moments(x)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros_like(mu)) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros_like(mu)) + (1 - m) * var
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"{mode} is no mode")
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, None

    return locals()


@right
def variance_by_the_covariance_matrix():
    """The variances are the diagonal of np.cov, or the squared norms of the centred columns."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if mode == "train":
            mu = np.array([np.sum(column) / len(column) for column in x.T])
            var = np.diag(np.atleast_2d(np.cov(x, rowvar=False, bias=True)))
            norm = np.linalg.norm(x - mu, axis=0) ** 2 / len(x)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * norm
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"not a mode: {mode}")
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, None

    return locals()


# ---- how the function is made, and what else it does ----


@right
def prints_and_warns():
    """Prints what it does and warns; the answer is right all the same."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        print("mode:", bn_param.get("mode"), "shape:", x.shape)
        warnings.warn("this function is under construction", stacklevel=2)
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if mode == "train":
            mu, var = x.mean(0), x.var(0)
            bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu
            bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * var
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"mode {mode}")
        np.log(np.zeros(1))  # divides by zero, and is not used
        return gamma * (x - mu) / np.sqrt(var + eps) + beta, (x, mu, var, gamma, eps)

    def batchnorm_backward(dout, cache):
        x, mu, var, gamma, eps = cache
        print("dout", dout)
        hat = (x - mu) / np.sqrt(var + eps)
        dgamma, dbeta = (dout * hat).sum(0), dout.sum(0)
        return gamma / np.sqrt(var + eps) * (dout - dbeta / len(x) - hat * dgamma / len(x)), dgamma, dbeta

    return locals()


@right
def lists_instead_of_tuples():
    """The results are returned as lists."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        mu, var = bn_param.get("running_mean", np.zeros(x.shape[1])), bn_param.get("running_var", np.zeros(x.shape[1]))
        if mode == "train":
            bn_param["running_mean"] = m * mu + (1 - m) * x.mean(0)
            bn_param["running_var"] = m * var + (1 - m) * x.var(0)
            mu, var = x.mean(0), x.var(0)
        elif mode != "test":
            raise ValueError(f"mode={mode}")
        return [gamma * (x - mu) / np.sqrt(var + eps) + beta, [[(x - mu) / np.sqrt(var + eps)], [var + eps, gamma]]]

    def batchnorm_backward(dout, cache):
        [hat], [v, gamma] = cache
        dgamma, dbeta = (dout * hat).sum(0), dout.sum(0)
        return [gamma / np.sqrt(v) * (dout - dbeta / len(hat) - hat * dgamma / len(hat)), dgamma, dbeta]

    return locals()


@right
def an_object_that_is_called():
    """The functions are methods of a layer and a callable object; further parameters have defaults."""

    class Layer:
        def __call__(self, x, gamma, beta, bn_param, *, check_shapes=True, **more):
            assert not check_shapes or x.ndim == 2
            mode, eps, m = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
            if mode == "train":
                mu, var = x.mean(0), x.var(0)
                bn_param["running_mean"] = m * bn_param.get("running_mean", np.zeros(x.shape[1])) + (1 - m) * mu
                bn_param["running_var"] = m * bn_param.get("running_var", np.zeros(x.shape[1])) + (1 - m) * var
            elif mode == "test":
                mu, var = bn_param["running_mean"], bn_param["running_var"]
            else:
                raise ValueError(f"mode {mode!r}")
            cache = types.SimpleNamespace(hat=(x - mu) / np.sqrt(var + eps), std=np.sqrt(var + eps), gamma=gamma)
            return gamma * cache.hat + beta, cache

        def backward(self, dout, cache):
            dgamma, dbeta = (dout * cache.hat).sum(0), dout.sum(0)
            return cache.gamma / cache.std * (dout - (dbeta + cache.hat * dgamma) / len(dout)), dgamma, dbeta

    batchnorm_forward = Layer()
    batchnorm_backward = batchnorm_forward.backward
    batchnorm_backward_alt = functools.partial(batchnorm_backward)
    return locals()


@right
def decorated_and_nested():
    """A decorator, an inner function and a context manager stand between the name and the work."""

    def logged(function):
        calls = []

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            calls.append(len(args))
            with contextlib.suppress(ZeroDivisionError), np.errstate(all="raise"):
                return function(*args, **kwargs)

        return wrapper

    @logged
    def batchnorm_forward(x, gamma, beta, bn_param):
        def average(name, value):
            m = bn_param.get("momentum", 0.9)
            bn_param[name] = m * bn_param.get(name, np.zeros_like(value)) + (1 - m) * value
            return value

        mode = bn_param["mode"]
        if mode == "train":
            mu, var = average("running_mean", x.mean(axis=0)), average("running_var", x.var(axis=0))
        elif mode == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"{mode=}")
        root = np.sqrt(var + bn_param.get("eps", 1e-5))
        return gamma * ((x - mu) / root) + beta, ((x - mu) / root, root, gamma)

    @logged
    def batchnorm_backward(dout, cache):
        hat, root, gamma = cache
        N = float(len(dout))
        dgamma, dbeta = (dout * hat).sum(axis=0), dout.sum(axis=0)
        return gamma / root / N * (N * dout - dbeta - hat * dgamma), dgamma, dbeta

    return locals()


@right
def helper_functions():
    """Small functions do the work, a constant of the notebook holds a name, and the backward pass mirrors them."""

    RUNNING = ("running_mean", "running_var")

    def centre(x):
        return x - x.mean(axis=0)

    def uncentre(d):
        return d - d.mean(axis=0)

    def rescale(c, eps):
        return c / np.sqrt((c**2).mean(axis=0) + eps)

    def unrescale(d, c, eps):
        v = (c**2).mean(axis=0) + eps
        return d / np.sqrt(v) - c * (d * c).mean(axis=0) / (v * np.sqrt(v))

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps, m = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if bn_param["mode"] == "train":
            c = centre(x)
            for name, value in zip(RUNNING, (x.mean(axis=0), (c**2).mean(axis=0)), strict=True):
                bn_param[name] = m * bn_param.get(name, np.zeros(x.shape[1])) + (1 - m) * value
            return gamma * rescale(c, eps) + beta, (c, gamma, eps)
        if bn_param["mode"] == "test":
            mean, variance = (bn_param[name] for name in RUNNING)
            return gamma * (x - mean) / np.sqrt(variance + eps) + beta, None
        raise ValueError(f"bad mode {bn_param['mode']}")

    def batchnorm_backward(dout, cache):
        c, gamma, eps = cache
        return uncentre(unrescale(gamma * dout, c, eps)), (dout * rescale(c, eps)).sum(axis=0), dout.sum(axis=0)

    return locals()
