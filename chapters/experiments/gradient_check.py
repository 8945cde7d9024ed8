"""Experiments of the chapter on gradient checks: right and wrong backward passes before careless and careful checks.

A wrong backward pass is made from the gradient that `solutions` computes, by a change that people make by mistake.
"""

from typing import NamedTuple

import numpy as np

from solutions import batchnorm_backward_alt, batchnorm_forward, numerical_gradient, relative_error

PYTORCH = {"rtol": 1e-3, "atol": 1e-5}  # the defaults of torch.autograd.gradcheck
CAREFUL = 1e-6  # largest deviation of a feature that a careful check lets through


class Batch(NamedTuple):
    """The input of a layer, its parameters, and an upstream gradient."""

    x: np.ndarray  # (N, D)
    gamma: np.ndarray  # (D,)
    beta: np.ndarray  # (D,)
    dout: np.ndarray  # (N, D)


def usual_batch(N=4, D=5):
    """Draw a batch as many notebooks do: far from zero, much wider than eps."""
    rng = np.random.default_rng(0)
    x = 5 * rng.normal(size=(N, D)) + 12
    return Batch(x, rng.normal(size=D), rng.normal(size=D), rng.normal(size=(N, D)))


def careful_batch(N=7, D=4, spread=0.3, seed=0):
    """Draw a batch on which mistakes show: gamma of both signs, beta and the column means of dout away from zero.

    Parameters
    ----------
    spread : float or ndarray of shape (D,)
        Standard deviation of each feature, exact.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(N, D))
    x = spread * ((z - z.mean(axis=0)) / z.std(axis=0) + rng.normal(size=D))
    dout = rng.normal(np.linspace(1.0, 2.0, D), size=(N, D))
    return Batch(x, np.linspace(-1.6, 2.2, D), rng.uniform(0.5, 1.5, size=D), dout)


def forward(batch, eps, x=None):
    """Call the layer of `solutions` in train mode, at another input if one is given."""
    x = batch.x if x is None else x
    return batchnorm_forward(x, batch.gamma, batch.beta, {"mode": "train", "eps": eps})


def right(batch, eps, dout):
    """Return the right dx, of shape (N, D)."""
    return batchnorm_backward_alt(dout, forward(batch, eps)[1])[0]


def numerical(batch, eps, dout, h=1e-5):
    """Return the numerical dx, of shape (N, D)."""
    return numerical_gradient(lambda x: forward(batch, eps, x)[0], batch.x, dout, h)


def one_sided(batch, eps, dout, h):
    """Return dx by one-sided differences, each a central difference around the middle of its two points."""
    dx = np.zeros_like(batch.x)
    for place in np.ndindex(batch.x.shape):
        entry = np.zeros_like(batch.x)
        entry[place] = 1

        def along(t, entry=entry):
            return forward(batch, eps, batch.x + t * entry)[0]

        dx[place] = numerical_gradient(along, np.full(1, h / 2, batch.x.dtype), dout, h / 2)[0]
    return dx


def as_dtype(batch, dtype):
    """Return the batch with all its arrays in one precision."""
    return Batch(*(array.astype(dtype) for array in batch))


# ---- the two errors of a difference ----


def root_mean_square(array):
    return float(np.sqrt(np.mean(np.square(array))))


def measured_errors(batch, eps, steps, dtype=np.float64, method=numerical):
    """Measure the error of a difference at several steps, root mean square over dx, relative to that of dx."""
    batch = as_dtype(batch, dtype)
    exact = right(as_dtype(batch, np.float64), eps, batch.dout.astype(np.float64))
    errors = [root_mean_square(method(batch, eps, batch.dout, h) - exact) for h in steps]
    return np.array(errors) / root_mean_square(exact)


class Coefficients(NamedTuple):
    """What the predictions of the errors are made of, root mean squares over the entries of x."""

    size: float  # sum of abs(out * dout) over a column
    first: float
    second: float
    third: float


def coefficients(batch, eps, h=1e-3):
    """Measure the derivatives of L in every entry of x, up to the third, from differences with steps h and 2 h."""
    size = np.abs(forward(batch, eps)[0] * batch.dout).sum(axis=0)
    exact = right(batch, eps, batch.dout)
    second = 2 * (one_sided(batch, eps, batch.dout, h) - one_sided(batch, eps, batch.dout, -h)) / (2 * h)
    third = 2 * (numerical(batch, eps, batch.dout, 2 * h) - numerical(batch, eps, batch.dout, h)) / h**2
    return Coefficients(*(root_mean_square(a) for a in (size, exact, second, third)))


def predicted_errors(c, steps, dtype=np.float64):
    """Predict the error of central differences: truncation and a bound of the rounding error, relative to dx."""
    u = np.finfo(dtype).eps / 2
    return (steps**2 / 6 * c.third + u * c.size / steps) / c.first


def best_step(c, dtype=np.float64):
    """Predict the step at which central differences are most accurate."""
    return float((3 * np.finfo(dtype).eps / 2 * c.size / c.third) ** (1 / 3))


def best_one_sided_step(c, dtype=np.float64):
    """Predict the step at which one-sided differences are most accurate."""
    return float(2 * np.sqrt(np.finfo(dtype).eps / 2 * c.size / c.second))


# ---- wrong backward passes ----


def slope(batch, eps):
    """Return the derivative of out with respect to x along the direct path alone, of shape (D,)."""
    return batch.gamma / np.sqrt(batch.x.var(axis=0) + eps)


def constants(batch, eps, dout):
    """Hold the mean and the variance constant."""
    return slope(batch, eps) * dout


def no_mean_path(batch, eps, dout):
    """Hold the mean constant."""
    return right(batch, eps, dout) + constants(batch, eps, dout).mean(axis=0)


def no_variance_path(batch, eps, dout):
    """Hold the variance constant."""
    naive = constants(batch, eps, dout)
    return naive - naive.mean(axis=0)


def zeros(batch, eps, dout):
    """Return no gradient at all."""
    return np.zeros_like(dout)


def no_gamma(batch, eps, dout):
    """Forget gamma."""
    return right(batch, eps, dout) / batch.gamma


def no_sign(batch, eps, dout):
    """Lose the sign of gamma."""
    return right(batch, eps, dout) * np.sign(batch.gamma)


def wrong_count(batch, eps, dout):
    """Divide by N - 1 where the paths through mean and variance divide by N."""
    naive, N = constants(batch, eps, dout), len(dout)
    return naive + (right(batch, eps, dout) - naive) * N / (N - 1)


def eps_forgotten(batch, eps, dout):
    return right(batch, 0.0, dout)


def eps_twice(batch, eps, dout):
    return right(batch, 2 * eps, dout)


def eps_outside(batch, eps, dout):
    """Divide by sqrt(var) + eps."""
    var = batch.x.var(axis=0)
    return right(batch, (np.sqrt(var) + eps) ** 2 - var, dout)


def eps_constant(batch, eps, dout):
    """Take eps for 1e-5, whatever it is."""
    return right(batch, 1e-5, dout)


PATHS = {
    "right": right,
    "all zeros": zeros,
    "mean and variance constant": constants,
    "mean constant": no_mean_path,
    "variance constant": no_variance_path,
    "gamma forgotten": no_gamma,
    "sign of gamma lost": no_sign,
    "N - 1 for N": wrong_count,
    "eps forgotten": eps_forgotten,
}
EPS = {
    "right": right,
    "eps forgotten": eps_forgotten,
    "eps added twice": eps_twice,
    "eps outside the root": eps_outside,
    "eps always 1e-5": eps_constant,
}


# ---- checks ----


def like_pytorch(dx, expected):
    """Say whether two gradients agree by the default tolerances of torch.autograd.gradcheck."""
    return bool(np.allclose(dx, expected, **PYTORCH))


def deviation(dx, expected):
    """Return the largest difference in a feature relative to its largest gradient, the worst feature's."""
    return float((np.abs(dx - expected).max(axis=0) / np.abs(expected).max(axis=0)).max())


def errors_over_batches(batches, eps=0.1):
    """Measure two errors of the right dx against the numerical one, over random batches.

    Returns
    -------
    entrywise, by_feature : ndarray of shape (batches,)
        The relative error, and the deviation.
    """
    errors = []
    for seed in range(batches):
        batch = careful_batch(seed=seed)
        dx, expected = (f(batch, eps, batch.dout) for f in (right, numerical))
        errors.append([relative_error(dx, expected), deviation(dx, expected)])
    return np.array(errors).T


def upstreams(batch, eps):
    """Return upstream gradients by name, each of shape (N, D)."""
    out, dout = forward(batch, eps)[0], batch.dout
    return {
        "ones": np.ones_like(dout),
        "2 out": 2 * out,
        "centred": dout - dout.mean(axis=0),
        "random": dout,
    }


def verdicts(batch, eps):
    """Check every backward pass with every upstream gradient: name -> {upstream: passes}."""
    checks = {name: (dout, numerical(batch, eps, dout)) for name, dout in upstreams(batch, eps).items()}
    return {
        wrong: {name: like_pytorch(backward(batch, eps, dout), want) for name, (dout, want) in checks.items()}
        for wrong, backward in PATHS.items()
    }


def deviations(batch, eps_values):
    """Measure the deviation of each mistake with eps: name -> ndarray of the length of eps_values."""
    wanted = [numerical(batch, eps, batch.dout) for eps in eps_values]
    return {
        name: np.array(
            [deviation(f(batch, eps, batch.dout), want) for eps, want in zip(eps_values, wanted, strict=True)]
        )
        for name, f in EPS.items()
    }


def gradient_sizes(batch, ratios):
    """Measure how much of the direct path remains in dx, for a loss sum(out**2) with beta = 0 and a random one.

    Parameters
    ----------
    ratios : ndarray
        Values of eps / var; all features of the batch have the same var.

    Returns
    -------
    square, random : ndarray of the shape of ratios
        Largest abs(dx) by the largest abs(dx) of the direct path.
    """
    batch = batch._replace(beta=np.zeros_like(batch.beta))
    sizes = []
    for eps in ratios * batch.x.var(axis=0)[0]:
        douts = 2 * forward(batch, eps)[0], batch.dout
        sizes.append([np.abs(right(batch, eps, d)).max() / np.abs(constants(batch, eps, d)).max() for d in douts])
    return np.array(sizes).T


# ---- one direction ----


def along(batch, eps, v, h=1e-5):
    """Return the derivative of L in the direction v, of the shape of x, by one central difference."""
    return numerical_gradient(lambda t: forward(batch, eps, batch.x + t * v)[0], np.zeros(1), batch.dout, h)[0]


def share_let_through(dx, exact, tolerances, directions=100_000):
    """Measure the share of random directions in which dx and the exact gradient agree.

    Returns
    -------
    share : ndarray of the shape of tolerances
        They agree when the two slopes differ by less than the tolerance times the norm of the exact gradient.
    """
    v = np.random.default_rng(0).normal(size=(directions, dx.size))
    gap = np.abs(v @ (dx - exact).ravel()) / np.linalg.norm(exact)
    return np.array([(gap < tol).mean() for tol in tolerances])


# ---- a wrong layer whose gradient is right ----


def unbiased_forward(x, gamma, beta, bn_param):
    """Normalize with the variance divided by N - 1, by calling the right layer with other parameters.

    var N / (N - 1) + eps is N / (N - 1) times var + eps (N - 1) / N.
    """
    shrink = (len(x) - 1) / len(x)
    inner = {**bn_param, "eps": bn_param["eps"] * shrink}
    out, cache = batchnorm_forward(x, gamma * np.sqrt(shrink), beta, inner)
    return out, (cache, np.sqrt(shrink))


def unbiased_backward(dout, cache):
    """Carry the gradient back through `unbiased_forward`, rightly."""
    inner, shrink = cache
    dx, dgamma, dbeta = batchnorm_backward_alt(dout, inner)
    return dx, dgamma * shrink, dbeta


def unbiased_layer(sizes):
    """Look at the layer that divides by N - 1 in two ways, for several batch sizes.

    Returns
    -------
    deviations : ndarray of the length of sizes
        Of its dx from the numerical gradient of its own forward pass.
    stds : ndarray of the length of sizes
        Standard deviation of its x_hat, for a tiny eps.
    """
    seen = []
    for N in sizes:
        x, gamma, beta, dout = careful_batch(N=N)

        def layer(x, gamma=gamma, beta=beta, eps=0.1):
            return unbiased_forward(x, gamma, beta, {"mode": "train", "eps": eps})

        dx = unbiased_backward(dout, layer(x)[1])[0]
        x_hat = layer(x, np.ones(4), np.zeros(4), eps=1e-12)[0]
        seen.append([deviation(dx, numerical_gradient(lambda x, f=layer: f(x)[0], x, dout)), x_hat.std()])
    return np.array(seen).T
