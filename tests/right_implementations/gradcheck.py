"""Numerical gradients, relative errors and tests of a layer, in many styles."""

# ruff: noqa: B020, B023, E731, NPY002, PT018, RUF059 - written as students write

import contextlib
import functools
import itertools
import math
from collections import namedtuple

import numpy as np

RIGHT = {}


def right(notebook):
    RIGHT[notebook.__name__] = notebook
    return notebook


@right
def in_place_with_an_iterator():
    """Entries are moved in x itself and put back; the result of f is copied; one trial after the other in a list."""

    def numerical_gradient(f, x, df, h=1e-5):
        grad = np.zeros_like(x)
        it = np.nditer(x, flags=["multi_index"])
        places = []
        while not it.finished:
            places.append(it.multi_index)
            it.iternext()
        for ix in places:
            oldval = x[ix]
            x[ix] = oldval + h
            pos = np.array(f(np.array(x)))
            x[ix] = oldval - h
            neg = np.array(f(np.array(x)))
            x[ix] = oldval
            grad[ix] = np.sum((pos - neg) * df) / (2 * h)
        return grad

    def relative_error(a, b):
        worst = 0.0
        for p, q in zip(a.ravel(), b.ravel(), strict=True):
            if math.isnan(p) or math.isnan(q):
                return math.nan
            if p != q:
                worst = max(worst, abs(p - q) / max(abs(p), abs(q)))
        return worst

    def check_gradients(forward, backward):
        np.random.seed(231)
        for N, D, eps in [(5, 4, 0.5), (7, 3, 0.05)]:
            x = np.random.randn(N, D) * 0.5 + 1
            gamma, beta = 2 * np.random.randn(D), np.random.randn(D)
            dout = np.random.randn(N, D) + 0.7
            fx = lambda x: forward(x, gamma, beta, {"mode": "train", "eps": eps})[0]
            fg = lambda a: forward(x, a, beta, {"mode": "train", "eps": eps})[0]
            fb = lambda b: forward(x, gamma, b, {"mode": "train", "eps": eps})[0]
            _, cache = forward(x, gamma, beta, {"mode": "train", "eps": eps})
            try:
                dx, da, db = backward(dout, cache)
            except Exception:
                return False
            if dx.shape != x.shape or np.shape(da) != gamma.shape or np.shape(db) != beta.shape:
                return False
            errors = [
                relative_error(numerical_gradient(fx, x, dout), dx),
                relative_error(numerical_gradient(fg, gamma, dout), da),
                relative_error(numerical_gradient(fb, beta, dout), db),
            ]
            if not max(errors) < 1e-3:
                return False
        return True

    return locals()


@right
def sums_of_unit_arrays():
    """Whole arrays are moved by the rows of a unit matrix; sums by einsum and tensordot; the verdict is NumPy's."""

    def numerical_gradient(f, x, df, h=1e-5):
        basis = h * np.eye(x.size).reshape(x.size, *x.shape)
        loss = lambda v: np.tensordot(f(v), df, axes=np.ndim(df))
        return np.array([(loss(x + e) - loss(x - e)) / (2 * h) for e in basis]).reshape(x.shape)

    def relative_error(a, b):
        larger = np.where(np.abs(a) > np.abs(b), np.abs(a), np.abs(b))
        with np.errstate(divide="ignore", invalid="ignore"):
            quotient = np.abs(a - b) / larger
        quotient[(a == 0) & (b == 0)] = 0
        return quotient.max()

    def check_gradients(forward, backward):
        rng = np.random.default_rng(7)
        agreed = np.array([], dtype=bool)
        for N, D, eps in itertools.product((5,), (3,), (0.02, 0.3)):
            for N in (N, 2 * N + 1):
                x = rng.uniform(-1, 1, size=(N, D))
                gamma, beta = rng.permutation([-2.0, 0.5, 1.5]), rng.uniform(1, 2, size=D)
                run = lambda *values: forward(*values, {"mode": "train", "eps": eps})
                out, cache = run(x, gamma, beta)
                dout = rng.exponential(size=out.shape)
                with contextlib.suppress(Exception):
                    mine = backward(dout, cache)
                    assert isinstance(mine, tuple) and len(mine) == 3
                    numerical = (
                        numerical_gradient(lambda v: run(v, gamma, beta)[0], x, dout),
                        numerical_gradient(lambda v: run(x, v, beta)[0], gamma, dout),
                        numerical_gradient(lambda v: run(x, gamma, v)[0], beta, dout),
                    )
                    for one, other in zip(mine, numerical, strict=True):
                        fits = np.shape(one) == other.shape and np.linalg.norm(one - other) < 1e-6 * np.linalg.norm(
                            other
                        )
                        agreed = np.append(agreed, fits)
                    continue
                agreed = np.append(agreed, False)
        return np.all(agreed)

    return locals()


@right
def numbers_and_recursion():
    """A function of one number for each entry, Python's own sums, a recursion over the axes of x."""

    def slope(g, at, h):
        return (g(at + h) - g(at - h)) / (2.0 * h)

    def numerical_gradient(f, x, df, h=1e-5):
        gradient = np.empty(x.shape)

        def loss(index, value):
            moved = x.copy()
            moved[index] = value
            return math.fsum(np.ravel(f(moved) * df).tolist())

        def visit(index):
            if len(index) == x.ndim:
                gradient[index] = slope(lambda value: loss(index, value), float(x[index]), h)
                return
            for i in range(x.shape[len(index)]):
                visit((*index, i))

        visit(())
        return gradient

    def relative_error(a, b):
        if np.ndim(a) > 0:
            parts = [relative_error(p, q) for p, q in zip(a, b, strict=True)]
            return float("nan") if any(p != p for p in parts) else max(parts)
        return 0.0 if a == b else float(abs(a - b) / np.fmax(abs(a), abs(b))) if a == a and b == b else float("nan")

    def agree(mine, numerical):
        return np.shape(mine) == np.shape(numerical) and relative_error(np.asarray(mine), numerical) < 1e-4

    def check_gradients(forward, backward):
        answers = []
        for seed, (N, D, eps) in enumerate([(6, 5, 0.2), (9, 4, 0.8), (5, 3, 0.01)]):
            rng = np.random.default_rng(seed)
            x, dout = rng.normal(size=(N, D)), rng.normal(loc=2.0, size=(N, D))
            gamma, beta = rng.normal(size=D) * 3, rng.normal(size=D)
            bn_param = {"mode": "train", "eps": eps}
            cache = forward(x, gamma, beta, dict(bn_param))[1]
            try:
                gradients = dict(zip(("dx", "dgamma", "dbeta"), backward(dout.copy(), cache), strict=True))
                dx = numerical_gradient(lambda x: forward(x, gamma, beta, dict(bn_param))[0], x, dout)
                dgamma = numerical_gradient(lambda gamma: forward(x, gamma, beta, dict(bn_param))[0], gamma, dout)
                dbeta = numerical_gradient(lambda beta: forward(x, gamma, beta, dict(bn_param))[0], beta, dout)
            except (ValueError, TypeError, KeyError):
                return False
            answers += [
                agree(gradients["dx"], dx),
                agree(gradients["dgamma"], dgamma),
                agree(gradients["dbeta"], dbeta),
            ]
        return all(answers)

    return locals()


@right
def random_directions():
    """The test moves all entries at once, along a few random directions, and needs no numerical gradient."""

    def numerical_gradient(f, x, df, h=1e-5):
        def moved(k, step):
            return np.where(np.arange(x.size).reshape(x.shape) == k, x + step, x)

        quotients = (((f(moved(k, h)) - f(moved(k, -h))) * df).sum() / (h + h) for k in range(x.size))
        return np.fromiter(quotients, float, count=x.size).reshape(x.shape)

    def relative_error(a, b):
        scale = np.maximum(np.abs(a), np.abs(b))
        scale[scale == 0] = 1
        return np.max(np.abs(a - b) / scale)

    def check_gradients(forward, backward):
        rng = np.random.default_rng(12)
        for N, D, eps in ((5, 4, 0.5), (8, 3, 0.1), (11, 4, 0.02)):
            values = [rng.normal(size=(N, D)), rng.normal(size=D), rng.normal(size=D)]
            dout = rng.normal(size=(N, D)) + rng.normal(size=D)
            out, cache = forward(*values, {"mode": "train", "eps": eps})
            try:
                gradients = backward(dout, cache)
                shapes = [g.shape for g in gradients]
            except Exception:
                return False
            if shapes != [v.shape for v in values]:
                return False
            for place, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
                for _ in range(3):
                    v = rng.normal(size=value.shape)
                    ends = []
                    for t in (1e-5, -1e-5):
                        moved = [w + t * v if i == place else w for i, w in enumerate(values)]
                        ends.append(np.vdot(forward(*moved, {"mode": "train", "eps": eps})[0], dout))
                    along = (ends[0] - ends[1]) / 2e-5
                    if not abs(along - np.vdot(v, gradient)) <= 1e-6 * np.linalg.norm(v) * np.linalg.norm(gradient):
                        return False
        return True

    return locals()


@right
def a_test_by_assertions():
    """The test raises inside and turns that into its answer; NumPy's testing tools compare; functions are partials."""

    def difference(f, x, df, h, index):
        ends = []
        for sign in (1, -1):
            point = np.copy(x)
            point[index] += sign * h
            ends.append(np.sum(np.multiply(f(point), df)))
        return np.subtract(*ends) / (2 * h)

    def numerical_gradient(f, x, df, h=1e-5):
        dx = np.full(x.shape, np.nan)
        for index, _ in np.ndenumerate(x):
            dx[index] = difference(f, x, df, h, index)
        return dx

    def relative_error(a, b):
        a, b = np.broadcast_arrays(a, b)
        stacked = np.abs(np.stack([a, b])).max(axis=0)
        quotient = np.zeros(a.shape)
        np.divide(np.abs(np.subtract(a, b)), stacked, where=~np.equal(stacked, 0), out=quotient)
        return np.amax(quotient)

    def one_trial(forward, backward, rng, N, D, eps):
        x = rng.normal(size=(N, D)) * np.linspace(0.5, 1.5, D)
        gamma, beta = np.linspace(-1.3, 2.1, D), np.linspace(0.3, 0.9, D)
        dout = rng.normal(size=(N, D)) + 0.5
        param = functools.partial(dict, mode="train", eps=eps, momentum=0.5)
        out, cache = forward(x, gamma, beta, param())
        triple = backward(dout, cache)
        assert type(triple) is tuple
        dx, dgamma, dbeta = triple
        for mine, value, f in (
            (dx, x, lambda v: forward(v, gamma, beta, param())[0]),
            (dgamma, gamma, lambda v: forward(x, v, beta, param())[0]),
            (dbeta, beta, lambda v: forward(x, gamma, v, param())[0]),
        ):
            want = numerical_gradient(f, value, dout)
            assert np.shape(mine) == want.shape
            np.testing.assert_allclose(mine, want, rtol=1e-4, atol=1e-5 * np.abs(want).max())

    def check_gradients(forward, backward):
        rng = np.random.default_rng(3)
        try:
            for trial in ((5, 4, 0.3), (7, 3, 0.03), (12, 2, 0.1)):
                one_trial(forward, backward, rng, *trial)
        except Exception:
            return False
        else:
            return True

    return locals()


@right
def a_named_trial_and_the_usual_batch_too():
    """Trials are named tuples, among them the usual batch far from zero; prints and warns while it works."""

    Trial = namedtuple("Trial", "N D eps spread centre")

    def numerical_gradient(f, x, df, h=1e-5):
        dx = np.zeros(x.shape)
        flat_x, flat_dx = x.flatten(), dx.reshape(-1)
        for k in range(flat_x.size):
            up, down = flat_x.copy(), flat_x.copy()
            up[k] += h
            down[k] -= h
            change = np.asarray(f(up.reshape(x.shape))) - np.asarray(f(down.reshape(x.shape)))
            flat_dx[k] = (change * df).sum() / (2 * h)
        return dx

    def relative_error(a, b):
        """Compare in one pass; a NaN is kept by the maximum."""
        error = np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), np.nextafter(0, 1))
        return float(error.max())

    def compare(mine, numerical):
        return mine.shape == numerical.shape and bool(
            (np.abs(mine - numerical) <= 1e-5 * np.abs(numerical).max(0)).all()
        )

    def check_gradients(forward, backward):
        verdicts = {}
        for trial in (Trial(6, 4, 0.2, 0.6, 0), Trial(5, 3, 0.6, 1, 1), Trial(4, 5, 1e-5, 5, 12)):
            rng = np.random.default_rng(trial.N)
            x = trial.spread * rng.normal(size=trial[:2]) + trial.centre
            gamma, beta = rng.normal(size=trial.D) - 0.5, rng.normal(size=trial.D)
            dout = rng.random(trial[:2])
            layer = lambda x, gamma, beta: forward(
                x=x, gamma=gamma, beta=beta, bn_param={"mode": "train", "eps": trial.eps}
            )
            out, cache = layer(x, gamma, beta)
            numerical = [
                numerical_gradient(lambda v: layer(v, gamma, beta)[0], x, dout),
                numerical_gradient(lambda v: layer(x, v, beta)[0], gamma, dout),
                numerical_gradient(lambda v: layer(x, gamma, v)[0], beta, dout),
            ]
            try:
                gradients = backward(dout, cache=cache)
                verdicts[trial] = len(gradients) == 3 and all(map(compare, gradients, numerical))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                print("the backward pass raises", type(error).__name__)
                verdicts[trial] = False
        if not all(verdicts.values()):
            print("wrong in", [trial for trial in verdicts if not verdicts[trial]])
        return min(verdicts.values())

    return locals()


@right
def one_array_for_all_inputs():
    """The test packs x, gamma and beta into one vector, and differentiates the layer with respect to that."""

    def numerical_gradient(f, x, df, h=1e-5):
        flat = x.reshape(-1)

        def difference(k):
            step = np.zeros_like(flat)
            step[k] = h
            step = step.reshape(x.shape)
            return np.sum(f(x + step) * df - f(x - step) * df)

        return np.reshape([difference(k) / (2 * h) for k in range(flat.size)], x.shape)

    def relative_error(a, b):
        sizes = np.abs([a, b]).max(axis=0)
        both_zero = sizes == 0
        return (np.abs(a - b) / (sizes + both_zero)).max()

    def check_gradients(forward, backward):
        def trial(N, D, eps, seed):
            rng = np.random.default_rng(seed)
            packed = rng.normal(size=N * D + 2 * D)
            dout = rng.normal(size=(N, D)) - 1.5

            def unpacked(packed):
                return packed[: N * D].reshape(N, D), packed[N * D : -D], packed[-D:]

            def layer(packed):
                return forward(*unpacked(packed), {"eps": eps, "mode": "train"})

            gradients = backward(dout, layer(packed)[1])
            want = unpacked(numerical_gradient(lambda packed: layer(packed)[0], packed, dout))
            shapes = [np.shape(g) for g in gradients] == [w.shape for w in want]
            return shapes and all(np.allclose(g, w, rtol=1e-4, atol=1e-6) for g, w in zip(gradients, want, strict=True))

        try:
            return trial(7, 4, 0.2, 1) and trial(5, 3, 0.7, 2)
        except Exception:
            return False

    return locals()
