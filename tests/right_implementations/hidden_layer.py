"""Hidden layers, stacks and percentiles, in many styles."""

# ruff: noqa: B905, C408, E741, RUF005, RUF059 - written as students write

import math
from collections import namedtuple

import numpy as np

from autograder.bn_helper.given import batchnorm_backward, batchnorm_forward, sigmoid_backward, sigmoid_forward

RIGHT = {}


def right(notebook):
    RIGHT[notebook.__name__] = notebook
    return notebook


@right
def hidden_layer_of_the_given_functions():
    """The given functions and nothing else; a dict as cache; np.quantile."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        z = np.dot(x, W)
        y, norm = batchnorm_forward(z, gamma, beta, bn_param)
        a, squash = sigmoid_forward(y)
        return a, {"x": x, "W": W, "norm": norm, "squash": squash}

    def hidden_backward(dout, cache):
        dy = sigmoid_backward(dout, cache["squash"])
        dz, dgamma, dbeta = batchnorm_backward(dy, cache["norm"])
        return np.dot(dz, cache["W"].T), np.dot(cache["x"].T, dz), dgamma, dbeta

    def stack_forward(x, layers, bn_params):
        caches = {}
        for l in range(len(layers)):
            p = layers[l]
            x, caches[l] = hidden_forward(x, p["W"], p["gamma"], p["beta"], bn_params[l])
        return x, caches

    def stack_backward(dout, caches):
        L = len(caches)
        grads = [{} for _ in range(L)]
        for l in range(L - 1, -1, -1):
            dout, grads[l]["W"], grads[l]["gamma"], grads[l]["beta"] = hidden_backward(dout, caches[l])
        return dout, grads

    def shift_percentiles(history):
        return np.quantile(history, (0.15, 0.5, 0.85), axis=1)

    return locals()


@right
def hidden_layer_with_a_normalization_of_ones_own():
    """A normalization of one's own, with test mode and running averages; a sigmoid by tanh; a named tuple as cache."""

    Cache = namedtuple("Cache", "x W x_hat std gamma out")

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        D = x.shape[1]
        running_mean = bn_param.setdefault("running_mean", np.zeros(D))
        running_var = bn_param.setdefault("running_var", np.zeros(D))
        if bn_param["mode"] == "train":
            mu, var = np.mean(x, 0), np.var(x, 0)
            bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mu
            bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
        elif bn_param["mode"] == "test":
            mu, var = running_mean, running_var
        else:
            raise ValueError(f"mode {bn_param['mode']!r}")
        std = np.sqrt(var + eps)
        x_hat = (x - mu) / std
        return gamma * x_hat + beta, (x_hat, std)

    def hidden_forward(x, W, gamma, beta, bn_param):
        pre, (x_hat, std) = batchnorm_forward(x @ W, gamma, beta, bn_param)
        out = (1 + np.tanh(pre / 2)) / 2
        return out, Cache(x, W, x_hat, std, gamma, out)

    def hidden_backward(dout, cache):
        x, W, x_hat, std, gamma, out = cache
        N = x.shape[0]
        dpre = dout * out * (1 - out)
        dbeta = np.sum(dpre, axis=0)
        dgamma = np.sum(dpre * x_hat, axis=0)
        dz = gamma / (N * std) * (N * dpre - dbeta - x_hat * dgamma)
        return dz @ W.T, x.T @ dz, dgamma, dbeta

    def stack_forward(x, layers, bn_params):
        caches = []
        for params, bn_param in zip(layers, bn_params):
            x, cache = hidden_forward(x, bn_param=bn_param, **params)
            caches += [cache]
        return x, caches

    def stack_backward(dout, caches):
        grads = []
        for cache in caches[::-1]:
            dout, dW, dgamma, dbeta = hidden_backward(dout, cache)
            grads.insert(0, dict(W=dW, gamma=dgamma, beta=dbeta))
        return dout, grads

    def shift_percentiles(history):
        return np.stack([np.percentile(history, p, axis=1) for p in (15, 50, 85)])

    return locals()


@right
def hidden_layer_whose_cache_is_a_function():
    """The cache is a function that carries back; the stack calls itself; percentiles of the transpose."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        normalized, norm = batchnorm_forward(x @ W, gamma, beta, bn_param)
        out, squash = sigmoid_forward(normalized)

        def back(dout):
            d, dgamma, dbeta = batchnorm_backward(sigmoid_backward(dout, squash), norm)
            return np.einsum("ne,de->nd", d, W), np.einsum("nd,ne->de", x, d), dgamma, dbeta

        return out, back

    def hidden_backward(dout, cache):
        return cache(dout)

    def stack_forward(x, layers, bn_params):
        if len(layers) == 0:
            return x, ()
        out, cache = hidden_forward(x, layers[0]["W"], layers[0]["gamma"], layers[0]["beta"], bn_params[0])
        out, caches = stack_forward(out, layers[1:], bn_params[1:])
        return out, (cache, *caches)

    def stack_backward(dout, caches):
        if not caches:
            return dout, []
        dx, grads = stack_backward(dout, caches[1:])
        dx, *own = hidden_backward(dx, caches[0])
        return dx, [dict(zip(("W", "gamma", "beta"), own)), *grads]

    def shift_percentiles(history):
        return np.percentile(np.swapaxes(history, 0, 1), [15, 50, 85], axis=0)

    return locals()


@right
def hidden_layer_in_loops():
    """Loops over examples and units, printing; percentiles from sorted values by hand."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        N, D_in = x.shape
        D_out = W.shape[1]
        z = np.zeros((N, D_out), dtype=x.dtype)
        for n in range(N):
            for d in range(D_out):
                for i in range(D_in):
                    z[n, d] += x[n, i] * W[i, d]
        print("linear part:", z.shape)
        y, norm = batchnorm_forward(z, gamma, beta, bn_param)
        out = np.zeros_like(y)
        for n in range(N):
            for d in range(D_out):
                out[n, d] = 1 / (1 + math.exp(-y[n, d]))
        return out, [x, W, norm, out]

    def hidden_backward(dout, cache):
        x, W, norm, out = cache
        dy = np.empty_like(dout)
        for n in range(len(dout)):
            for d in range(dout.shape[1]):
                dy[n, d] = dout[n, d] * out[n, d] * (1 - out[n, d])
        dz, dgamma, dbeta = batchnorm_backward(dy, norm)
        dx = np.array([sum(dz[n, d] * W[:, d] for d in range(W.shape[1])) for n in range(len(x))])
        dW = np.array([[sum(x[n, i] * dz[n, d] for n in range(len(x))) for d in range(W.shape[1])]
                       for i in range(W.shape[0])])  # fmt: skip
        return [dx, dW, dgamma, dbeta]

    def stack_forward(x, layers, bn_params):
        h, caches, l = x, [], 0
        while l < len(layers):
            h, c = hidden_forward(h, layers[l]["W"], layers[l]["gamma"], layers[l]["beta"], bn_params[l])
            caches.append(c)
            l += 1
        return h, caches

    def stack_backward(dout, caches):
        caches = list(caches)
        W, gamma, beta = [], [], []
        while caches:
            dout, dW, dgamma, dbeta = hidden_backward(dout, caches.pop())
            W.append(dW)
            gamma.append(dgamma)
            beta.append(dbeta)
        return dout, [{"beta": b, "gamma": g, "W": w} for w, g, b in zip(W[::-1], gamma[::-1], beta[::-1])]

    def shift_percentiles(history):
        T, N = history.shape
        result = np.empty((3, T))
        for t in range(T):
            values = sorted(history[t])
            for row, p in enumerate((15, 50, 85)):
                place = p / 100 * (N - 1)
                low = math.floor(place)
                high = min(low + 1, N - 1)
                result[row, t] = values[low] * (1 - (place - low)) + values[high] * (place - low)
        return result

    return locals()


@right
def stack_that_calls_no_layer():
    """The stack does all by itself and calls neither layer; the way back runs the forward pass again; np.interp."""

    def steps(x, W, gamma, beta, bn_param):
        z = x @ W
        y, norm = batchnorm_forward(z, gamma, beta, bn_param)
        a, squash = sigmoid_forward(y)
        return a, norm, squash

    def hidden_forward(x, W, gamma, beta, bn_param):
        return steps(x, W, gamma, beta, bn_param)[0], (x.copy(), W.copy(), gamma.copy(), beta.copy(), dict(bn_param))

    def hidden_backward(dout, cache):
        x, W, gamma, beta, bn_param = cache
        _, norm, squash = steps(x, W, gamma, beta, bn_param)
        dz, dgamma, dbeta = batchnorm_backward(sigmoid_backward(dout, squash), norm)
        return dz @ W.T, (dz.T @ x).T, dgamma, dbeta

    def stack_forward(x, layers, bn_params):
        seen = [x]
        for p, b in zip(layers, bn_params):
            seen.append(steps(seen[-1], p["W"], p["gamma"], p["beta"], b)[0])
        return seen[-1], {"seen": seen, "layers": layers, "bn_params": bn_params}

    def stack_backward(dout, caches):
        grads = []
        for x, p, b in list(zip(caches["seen"], caches["layers"], caches["bn_params"]))[::-1]:
            _, norm, squash = steps(x, p["W"], p["gamma"], p["beta"], b)
            dz, dgamma, dbeta = batchnorm_backward(sigmoid_backward(dout, squash), norm)
            grads.append({"W": x.T @ dz, "gamma": dgamma, "beta": dbeta, "x": dz @ p["W"].T})
            dout = grads[-1]["x"]
        return dout, grads[::-1]

    def shift_percentiles(history):
        places = np.linspace(0, 100, history.shape[1])
        return np.array([np.interp([15, 50, 85], places, np.sort(row)) for row in history]).T

    return locals()


@right
def hidden_layer_with_a_dead_bias():
    """A bias before the normalization, which takes it away; x centred in dW, to no effect; np.nanpercentile."""

    def hidden_forward(x, W, gamma, beta, bn_param):
        b = np.linspace(-1, 1, W.shape[1]).astype(x.dtype)
        y, norm = batchnorm_forward(x @ W + b, gamma, beta, bn_param)
        out, squash = sigmoid_forward(y)
        return out, (x - x.mean(axis=0), W, norm, squash)

    def hidden_backward(dout, cache):
        centred, W, norm, squash = cache
        dy = sigmoid_backward(dout, squash)
        dz, dgamma, dbeta = batchnorm_backward(dy, norm)
        return (W @ dz.T).T, centred.T @ dz, dgamma, dy.sum(axis=0)

    def stack_forward(x, layers, bn_params):
        caches = []
        out = x
        for number, layer in enumerate(layers):
            W, gamma, beta = (layer[name] for name in ["W", "gamma", "beta"])
            out, cache = hidden_forward(out, W, gamma, beta, bn_params[number])
            caches = [cache] + caches
        return out, caches

    def stack_backward(dout, caches):
        grads = []
        for cache in caches:
            dout, *parameters = hidden_backward(dout, cache)
            grads = [dict(zip(["W", "gamma", "beta"], parameters))] + grads
        return dout, grads

    def shift_percentiles(history):
        low, middle, high = np.nanpercentile(history, [15, 50, 85], axis=-1)
        return np.vstack((low, np.median(history, axis=1), high))

    return locals()


@right
def hidden_layer_by_the_jacobian():
    """The Jacobian of each unit's column as a matrix; classes; arrays of longdouble inside; a list comprehension."""

    class Layer:
        def __init__(self, x, W, gamma, beta, eps):
            self.x, self.W, self.gamma = (a.astype(np.longdouble) for a in (x, W, gamma))
            z = self.x @ self.W
            self.std = np.sqrt(z.var(axis=0) + eps)
            self.hat = (z - z.mean(axis=0)) / self.std
            self.out = 1 / (1 + np.exp(-(self.hat * self.gamma + beta)))

        def back(self, dout):
            N, D = self.hat.shape
            dy = dout * self.out * (1 - self.out)
            dz = np.zeros_like(dy)
            for d in range(D):
                J = np.eye(N) - 1 / N - np.outer(self.hat[:, d], self.hat[:, d]) / N
                dz[:, d] = self.gamma[d] / self.std[d] * (J @ dy[:, d])
            return [
                a.astype(np.float64)
                for a in (dz @ self.W.T, self.x.T @ dz, (dy * self.hat).sum(axis=0), dy.sum(axis=0))
            ]

    def hidden_forward(x, W, gamma, beta, bn_param):
        layer = Layer(x, W, gamma, beta, bn_param["eps"])
        return layer.out.astype(x.dtype), layer

    def hidden_backward(dout, cache):
        return tuple(cache.back(dout))

    class Stack(list):
        pass

    def stack_forward(x, layers, bn_params):
        stack = Stack()
        for layer, bn_param in zip(layers, bn_params):
            x, cache = hidden_forward(x, **layer, bn_param=bn_param)
            stack.append(cache)
        return x, stack

    def stack_backward(dout, caches):
        grads = []
        for layer in reversed(caches):
            dout, dW, dgamma, dbeta = layer.back(dout)
            grads += [{"W": dW, "gamma": dgamma, "beta": dbeta}]
        return dout, list(reversed(grads))

    def shift_percentiles(history):
        return np.array([[np.percentile(row, p) for row in history] for p in [15, 50, 85]])

    return locals()
