"""The sigmoid and what is measured with it, in many styles."""

# ruff: noqa: RUF059 - written as students write

import functools
import math
import types
import warnings

import numpy as np

RIGHT = {}


def right(notebook):
    RIGHT[notebook.__name__] = notebook
    return notebook


@right
def masks_for_the_two_sides():
    """Two masks, each side by its own form; the saturated entries from the place where the slope is tol."""

    def sigmoid_forward(x):
        out = np.empty_like(x)
        right = x >= 0
        out[right] = 1 / (1 + np.exp(-x[right]))
        grown = np.exp(x[~right])
        out[~right] = grown / (1 + grown)
        return out, (x, out)

    def sigmoid_backward(dout, cache):
        x, out = cache
        return dout * (out - out * out)

    def saturated_fraction(x, tol=0.01):
        p = 0.5 * (1 + np.sqrt(1 - 4 * tol))
        return np.mean(np.abs(x) > np.log(p / (1 - p)))

    def gradient_norms(x, weights, dout):
        inputs, caches = [x], []
        for l in range(len(weights)):  # noqa: E741
            out, cache = sigmoid_forward(inputs[l] @ weights[l])
            inputs.append(out)
            caches.append(cache)
        norms = [0.0] * len(weights)
        d = dout
        for l in range(len(weights) - 1, -1, -1):  # noqa: E741
            d = np.dot(sigmoid_backward(d, caches[l]), np.transpose(weights[l]))
            norms[l] = np.sqrt(np.sum(d**2))
        return norms

    return locals()


@right
def half_a_tanh():
    """tanh, which cannot overflow, for out and for the slope; NumPy scalars as numbers; norms as an array."""

    def sigmoid_forward(x):
        t = np.tanh(x / 2)
        return (1 + t) / 2, t

    def sigmoid_backward(dout, cache):
        return dout * (1 - cache**2) / 4

    def saturated_fraction(x, tol=0.01):
        _, t = sigmoid_forward(x)
        return np.float64(np.count_nonzero((1 - t**2) / 4 < tol) / np.size(x))

    def gradient_norms(x, weights, dout):
        ts = []
        for W in weights:
            x, t = sigmoid_forward(np.einsum("nd,de->ne", x, W))
            ts.insert(0, t)
        norms = np.zeros(len(weights))
        for k, (t, W) in enumerate(zip(ts, weights[::-1], strict=True), start=1):
            dout = np.einsum("ne,de->nd", sigmoid_backward(dout, t), W)
            norms[-k] = np.linalg.norm(dout)
        return norms

    return locals()


@right
def single_numbers_in_loops():
    """Python loops and Python floats alone, in double precision also for float32; norms as a tuple."""

    def s(value):
        if value >= 0:
            return 1 / (1 + math.exp(-value))
        return math.exp(value) / (1 + math.exp(value))

    def sigmoid_forward(x):
        out = np.zeros(x.shape)
        for index, value in np.ndenumerate(x):
            out[index] = s(float(value))
        return out, [float(value) for value in out.ravel()]

    def sigmoid_backward(dout, cache):
        dx = np.zeros(dout.shape)
        for k, index in enumerate(np.ndindex(dout.shape)):
            dx[index] = float(dout[index]) * cache[k] * (1 - cache[k])
        return dx

    def saturated_fraction(x, tol=0.01):
        count = 0
        for value in x.ravel():
            if s(float(value)) * (1 - s(float(value))) < tol:
                count += 1
        return count / x.size

    def gradient_norms(x, weights, dout):
        def rest(x, layers):
            if not layers:
                return dout, ()
            out, cache = sigmoid_forward(x @ layers[0])
            d, norms = rest(out, layers[1:])
            d = sigmoid_backward(d, cache) @ layers[0].T
            return d, (math.sqrt(sum(float(v) ** 2 for v in d.ravel())), *norms)

        return rest(x, weights)[1]

    return locals()


@right
def slope_from_x_alone():
    """x as the cache; the slope is a quotient of harmless exponentials of the magnitude of x."""

    def sigmoid_forward(x):
        return np.exp(-np.logaddexp(np.zeros_like(x), -x)), x.copy()

    def sigmoid_backward(dout, cache):
        small = np.exp(-abs(cache))
        return dout * small / (1 + small) ** 2

    def saturated_fraction(x, tol=0.01):
        small = np.exp(-abs(x))
        flat = small / (1 + small) ** 2 < tol
        return flat.sum() / flat.size

    def gradient_norms(x, weights, dout):
        zs = []
        for W in weights:
            zs += [x @ W]
            x = sigmoid_forward(zs[-1])[0]
        norms = []
        while zs:
            dout = sigmoid_backward(dout, zs.pop()) @ weights[len(zs)].T
            norms = [np.sum(dout * dout) ** 0.5, *norms]
        return norms

    return locals()


@right
def silenced_and_cut_off():
    """Large entries are cut off where it makes no difference; prints and warns; 0-d arrays as numbers."""

    def sigmoid_forward(x):
        print("x", x.shape, x.dtype)
        warnings.warn("this function is under construction", stacklevel=2)
        bound = 80 if x.dtype == np.float32 else 500
        z = np.minimum(np.maximum(x, -bound), bound)
        out = 1.0 / (1.0 + np.exp(-z))
        return out, {"out": out}

    def sigmoid_backward(dout, cache):
        return np.multiply(np.multiply(dout, cache["out"]), 1.0 - cache["out"])

    def saturated_fraction(x, tol=0.01):
        out = sigmoid_forward(x)[0]
        return np.asarray(np.where(out * (1.0 - out) < tol, 1.0, 0.0).mean())

    def gradient_norms(x, weights, dout):
        forward, d = [np.array(x)], np.array(dout)
        for W in weights:
            forward.append(sigmoid_forward(forward[-1] @ W)[0])
        norms = []
        for W, out in zip(weights[::-1], forward[:0:-1], strict=True):
            d *= out
            d *= 1 - out
            d = d @ W.T
            norms.append(float(np.sqrt(np.vdot(d, d))))
        norms.reverse()
        return norms

    return locals()


@right
def a_layer_as_an_object():
    """Objects remember what the backward pass needs; the functions are a callable object and a method."""

    class Sigmoid:
        def __call__(self, x):
            memory = types.SimpleNamespace()
            memory.e = np.exp(np.where(x > 0, -x, x))
            memory.positive = x > 0
            memory.out = np.where(memory.positive, 1 / (1 + memory.e), 1 - 1 / (1 + memory.e))
            return memory.out, memory

        @staticmethod
        def backward(dout, memory):
            return dout * (memory.e / (1 + memory.e) / (1 + memory.e))

    class Network:
        def __init__(self, weights):
            self.weights, self.memories = tuple(weights), []

        def forward(self, x):
            def step(x, W):
                out, memory = sigmoid_forward(x @ W)
                self.memories.append(memory)
                return out

            return functools.reduce(step, self.weights, x)

        def gradients(self, dout):
            for W, memory in list(zip(self.weights, self.memories, strict=True))[::-1]:
                dout = sigmoid_backward(dout, memory) @ W.T
                yield dout

    sigmoid_forward = Sigmoid()
    sigmoid_backward = Sigmoid.backward

    def saturated_fraction(x, tol=0.01):
        _, memory = sigmoid_forward(x)
        return (sigmoid_backward(1.0, memory) < tol).mean()

    def gradient_norms(x, weights, dout):
        network = Network(weights)
        network.forward(x)
        return [np.linalg.norm(d.ravel()) for d in network.gradients(dout)][::-1]

    return locals()


@right
def always_in_double_precision():
    """float32 inputs are raised to float64, and the results stay so; lists instead of tuples."""

    def sigmoid_forward(x):
        x = np.asarray(x, dtype=np.float64)
        top = np.exp(np.minimum(x, 0))
        return [top / (top + np.exp(np.minimum(-x, 0)) * 1.0), [x]]

    def sigmoid_backward(dout, cache):
        [x] = cache
        out, mirrored = sigmoid_forward(x)[0], sigmoid_forward(-x)[0]
        return np.asarray(dout, dtype=float) * out * mirrored

    def saturated_fraction(x, tol=0.01):
        slopes = sigmoid_backward(np.ones(x.shape), [np.asarray(x, dtype=float)]).tolist()
        flat = np.array(slopes).ravel().tolist()
        return len([slope for slope in flat if slope < tol]) / len(flat)

    def gradient_norms(x, weights, dout):
        (first, *others) = (np.asarray(W, dtype=float) for W in weights)
        out, cache = sigmoid_forward(np.asarray(x, dtype=float) @ first)
        norms = gradient_norms(out, others, dout) if others else []
        d = np.asarray(dout, dtype=float)
        if others:
            d = downstream(out, others, d)
        return [float(np.linalg.norm(sigmoid_backward(d, cache) @ first.T)), *norms]

    def downstream(x, weights, dout):
        out, cache = sigmoid_forward(x @ weights[0])
        d = downstream(out, weights[1:], dout) if weights[1:] else dout
        return sigmoid_backward(d, cache) @ weights[0].T

    return locals()
