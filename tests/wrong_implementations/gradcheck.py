"""Wrong numerical gradients, relative errors and tests of a layer, in another style than the catalogue's.

Gradients move whole arrays by unit arrays, relative errors go pair by pair, and a test of a layer gathers verdicts in
a list. `SECOND` and `OUTSIDE` are as in the package.
"""

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


# ---- numerical gradients ----


def units(x):
    """Yield for each entry an array that is one there."""
    for number in range(x.size):
        unit = np.zeros(x.size)
        unit[number] = 1.0
        yield unit.reshape(x.shape)


def rows(x):
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index[0]] = 1.0
        yield unit


def both(x, step):
    return x + step, x - step


def weighed(above, below, df):
    return np.vdot(above - below, df)


def gradient(moved=units, points=both, weigh=weighed, divisor=lambda h: h + h, step=lambda h: h):
    """Return a notebook whose numerical gradient is wrong in the ways given."""

    def numerical_gradient(f, x, df, h=1e-5):
        slopes = []
        for unit in moved(x):
            one, other = points(x, step(h) * unit)
            slopes.append(weigh(f(one), f(other), df) / divisor(h))
        return np.array(slopes).reshape(x.shape)

    return {"numerical_gradient": numerical_gradient}


def in_place(own, handed, back):
    """Return a notebook that moves the entries of one array."""

    def numerical_gradient(f, x, df, h=1e-5):
        moving, slopes = own(x), []
        entries = moving.reshape(-1)
        for number, old in enumerate(x.ravel().tolist()):
            entries[number] = old + h
            above = f(handed(moving))
            entries[number] = old - h
            below = f(handed(moving))
            back(entries, number, old)
            slopes.append(np.vdot(above - below, df) / (2 * h))
        return np.array(slopes).reshape(x.shape)

    return {"numerical_gradient": numerical_gradient}


def same(array):
    return array


def stay(entries, number, old):
    pass


def put_back(entries, number, old):
    entries[number] = old


GRADIENTS = {
    "difference to the right": gradient(points=lambda x, step: (x + step, x.copy()), divisor=lambda h: h),
    "difference to the left": gradient(points=lambda x, step: (x.copy(), x - step), divisor=lambda h: h),
    "divided by h": gradient(divisor=lambda h: h),
    "one-sided and divided by 2 h": gradient(points=lambda x, step: (x + step, x.copy())),
    "not divided by the step": gradient(divisor=lambda h: 1.0),
    "h ignored": gradient(step=lambda h: 0.00001, divisor=lambda h: 0.00002),
    "half the step": gradient(step=lambda h: 0.5 * h, divisor=lambda h: h),
    "df ignored": gradient(weigh=lambda above, below, df: above.sum() - below.sum()),
    "df on one value": gradient(weigh=lambda above, below, df: np.vdot(above, df) - below.sum()),
    "mean over the outputs": gradient(weigh=lambda above, below, df: np.vdot(above - below, df) / np.size(df)),
    "signs of the difference": gradient(weigh=lambda above, below, df: np.vdot(below, df) - np.vdot(above, df)),
    "df summed by itself": gradient(weigh=lambda above, below, df: (above.sum() - below.sum()) * df.sum()),
    "whole rows moved": gradient(moved=rows),
    "entries not put back": in_place(np.array, np.array, stay),
    "x left moved": in_place(same, np.array, stay),
    "f gets the array that is moved": in_place(same, same, put_back),
}


# ---- relative errors ----


def larger(p, q):
    return max(abs(p), abs(q))


def apart(p, q):
    return abs(p - q)


def errors(distance=apart, scale=larger, gather=np.max, left_out=lambda p, q: False, guarded=True):
    """Return a notebook whose relative error is wrong in the ways given."""

    def relative_error(a, b):
        quotients = []
        for p, q in zip(a.flat, b.flat, strict=True):
            size = scale(p, q)
            if left_out(p, q) or (guarded and size == 0):
                quotients.append(0.0)
            else:
                quotients.append(distance(p, q) / size)
        return gather(quotients)

    return {"relative_error": relative_error}


def by_the_largest(a, b):
    largest = np.abs(np.stack([a, b])).max()
    return float(largest and np.abs(a - b).max() / largest)


def by_norms(a, b):
    sizes = [np.sqrt(np.vdot(v, v)) for v in (a, b, a - b)]
    return 0.0 if max(sizes) == 0 else sizes[2] / max(sizes[:2])


def overwriting(a, b):
    size = np.maximum(abs(a), abs(b))
    np.subtract(a, b, out=a)
    return np.max([0.0 if s == 0 else abs(d) / s for d, s in zip(a.flat, size.flat, strict=True)])


ERRORS = {
    "relative to a alone": errors(scale=lambda p, q: abs(p)),
    "relative to b alone": errors(scale=lambda p, q: abs(q)),
    "relative to the sum": errors(scale=lambda p, q: abs(p) + abs(q)),
    "relative to the mean": errors(scale=lambda p, q: 0.5 * abs(p) + 0.5 * abs(q)),
    "relative to the smaller": errors(scale=lambda p, q: min(abs(p), abs(q))),
    "relative to the largest of all": {"relative_error": by_the_largest},
    "signed scale": errors(scale=max),
    "absolute difference": errors(scale=lambda p, q: 1.0),
    "signed difference": errors(distance=lambda p, q: p - q),
    "mean over the entries": errors(gather=np.mean),
    "norms of the arrays": {"relative_error": by_norms},
    "zero divided by zero": errors(guarded=False),
    "a floor under the scale": errors(scale=lambda p, q: max(abs(p), abs(q), 1e-8)),
    "one zero is enough": errors(left_out=lambda p, q: p == 0 or q == 0),
    "NaN passed over": errors(gather=lambda quotients: max(v for v in quotients if v == v)),
    "a overwritten": {"relative_error": overwriting},
}


# ---- tests of a layer ----


def slopes(f, at, dout, h=2e-5):
    return np.array([np.vdot(f(at + h * e) - f(at - h * e), dout) / (2 * h) for e in units(at)]).reshape(at.shape)


def close(got, want, allowed=1e-5):
    return np.abs(got - want).max() <= allowed * np.abs(want).max()


def within(size):
    return lambda got, want: np.abs(got - want).max() <= size


def formula(x, gamma, eps, dout):
    """Return the gradients of batch normalization by the Jacobian of each column."""
    N, dx, hats = len(x), np.empty(x.shape), np.empty(x.shape)
    for d, column in enumerate(x.T):
        std = np.sqrt(column.var() + eps)
        hats[:, d] = (column - column.mean()) / std
        jacobian = np.eye(N) - (np.ones((N, N)) + np.outer(hats[:, d], hats[:, d])) / N
        dx[:, d] = gamma[d] / std * jacobian @ dout[:, d]
    return [dx, np.einsum("nd,nd->d", hats, dout), sum(dout)]


def spread_out(rng, N, D):
    return rng.normal(size=(N, D)) + rng.normal(size=D)


def wide(rng, N, D):
    return 5 * rng.permutation(np.linspace(-1.5, 1.5, N))[:, None] + 12 + 3 * rng.uniform(-1, 1, size=(N, D))


def leaning(rng, out):
    return rng.normal(1.0, 1.0, size=out.shape) + rng.uniform(0.5, 1.0, size=out.shape[1])


TRIALS = ((6, 4, 0.4), (9, 3, 0.9))
SMALL = ((6, 4, 1e-5), (9, 3, 1e-5))


def careless(
    trials=TRIALS, x_of=spread_out, gamma_of=lambda rng, D: np.linspace(-2.0, 1.4, D),
    beta_of=lambda rng, D: rng.uniform(0.4, 1.2, size=D), dout_of=leaning, near=close, looked_at=(0, 1, 2),
    enough=all, shapes=True, judge=None,
):  # fmt: skip
    """Return a notebook whose test of a layer is careless in the ways given."""

    def check_gradients(forward, backward):
        answers = []
        for seed, (N, D, eps) in enumerate(trials):
            rng = np.random.default_rng(100 + seed)
            inputs = {"x": x_of(rng, N, D), "gamma": gamma_of(rng, D), "beta": beta_of(rng, D)}

            def run(eps=eps, D=D, inputs=inputs, **moved):
                followed = {"running_mean": np.full(D, 40.0), "running_var": np.full(D, 30.0)}
                args = {**inputs, **moved}
                return forward(*args.values(), {"mode": "train", "eps": eps, **followed})

            out, cache = run()
            dout = dout_of(rng, out)
            try:
                given = backward(dout, cache)
                if type(given) is not tuple:
                    return False
            except Exception:
                return False
            if judge is not None:
                wanted = judge(inputs["x"], inputs["gamma"], eps, dout)
            else:
                wanted = [slopes(lambda v, n=n, run=run: run(**{n: v})[0], inputs[n], dout) for n in inputs]
            told = [
                (not shapes or np.shape(given[i]) == wanted[i].shape) and near(given[i], wanted[i]) for i in looked_at
            ]
            answers.append(enough(told))
        return bool(all(answers))

    return {"check_gradients": check_gradients}


def ones(rng, *shape):
    return np.ones(shape[-1])


def opposite(rng, N, D):
    """Return two examples on both sides of a centre, 10 apart."""
    return 12 + np.array([5.0, -5.0])[:, None] * np.linspace(1, 1.3, D)


TESTS = {
    "always True": careless(near=lambda got, want: True, shapes=False, trials=()),
    "always False": careless(near=lambda got, want: close(got, want, 1e-15)),
    "dout of ones": careless(dout_of=lambda rng, out: np.ones_like(out), near=within(1e-4)),
    "dout of ones and a relative tolerance": careless(dout_of=lambda rng, out: 0 * out + 1),
    "centred dout": careless(
        dout_of=lambda rng, out: (lambda z: z - z.mean(0))(rng.normal(size=out.shape)), near=within(1e-5)
    ),
    "out for dout": careless(SMALL, wide, dout_of=lambda rng, out: 2 * out, near=within(2e-3)),
    "small eps": careless(SMALL, wide, near=lambda got, want: close(got, want, 1e-3)),
    "one eps": careless(((6, 4, 0.4), (9, 3, 0.4))),
    "one batch": careless(((8, 3, 0.7),)),
    "one batch size": careless(((8, 3, 0.7), (8, 5, 0.3))),
    "as many examples as features": careless(((4, 4, 0.7), (6, 6, 0.3))),
    "one feature": careless(((8, 1, 0.7), (5, 1, 0.3))),
    "sizes compared": careless(near=lambda got, want: abs(np.linalg.norm(got) / np.linalg.norm(want) - 1) < 1e-5),
    "batches of two": careless(((2, 4, 1e-5), (2, 3, 1e-5)), opposite, near=within(1e-4)),
    "gamma of ones": careless(gamma_of=ones),
    "gamma of ones, beta of zeros": careless(gamma_of=ones, beta_of=lambda rng, D: np.zeros(D)),
    "positive gamma": careless(gamma_of=lambda rng, D: rng.uniform(1.2, 2.0, size=D)),
    "dx alone compared": careless(looked_at=(0,)),
    "dx not compared": careless(looked_at=(1, 2)),
    "dbeta not compared": careless(looked_at=(0, 1)),
    "dgamma not compared": careless(looked_at=(0, 2)),
    "one right gradient is enough": careless(enough=any),
    "shapes not compared": careless(shapes=False),
    "loose tolerance": careless(near=lambda got, want: close(got, want, 0.02)),
    "last entries left out": careless(near=lambda got, want: close(np.delete(got, -1, 0), np.delete(want, -1, 0))),
    "differences averaged": careless(near=lambda got, want: abs((got - want).sum()) <= 1e-5),
    "own formula as judge": careless(judge=formula),
}

SECOND = GRADIENTS | ERRORS | TESTS


# ---- mistakes of which the catalogue knows nothing ----


COIN = np.random.default_rng(5)


def coin(forward, backward):
    return bool(COIN.integers(2))


def in_turn(forward, backward, said=[True]):  # noqa: B006 - it remembers what it said
    said[0] = not said[0]
    return said[0]


def by_size(forward, backward):
    out, cache = forward(np.eye(4), np.ones(4), np.zeros(4), {"mode": "train", "eps": 0.1})
    return bool(np.abs(backward(out, cache)[0]).max() < 1)


OUTSIDE = {
    "four points": gradient(weigh=lambda above, below, df: np.vdot(above - below, df) * 1.01, divisor=lambda h: 2 * h),
    "a step relative to x": gradient(points=lambda x, step: (x + step * abs(x), x - step * abs(x))),
    "the magnitude of the slope": gradient(weigh=lambda above, below, df: abs(np.vdot(above - below, df))),
    "df squared": gradient(weigh=lambda above, below, df: np.vdot(above - below, df**2)),
    "dx of zeros": gradient(weigh=lambda above, below, df: 0.0),
    "squares for magnitudes": errors(scale=lambda p, q: max(p * p, q * q)),
    "the median of the entries": errors(gather=np.median),
    "the sum over the entries": errors(gather=sum),
    "a coin": {"check_gradients": coin},
    "True and False in turn": {"check_gradients": in_turn},
    "the size of dx": {"check_gradients": by_size},
}
