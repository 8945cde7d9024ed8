"""Wrong implementations, written in another style than the catalogue's: columns in loops, a namespace as cache.

`SECOND` maps the name of a catalogue entry to a second implementation of the same misconception, `OUTSIDE` holds
mistakes of which the catalogue knows nothing. Each is a whole notebook: a mapping from names to functions.
"""

# ruff: noqa: RUF059, UP032 - written as students write

from types import SimpleNamespace

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


# ---- a forward pass, column by column, of which each step can be replaced ----


def mean(column):
    return sum(column) / len(column)


def spread(column, centre):
    return sum((value - centre) ** 2 for value in column) / len(column)


def step(old, new, momentum):
    return old + (1 - momentum) * (new - old)


def moments(x):
    """Return the mean and the biased variance of each column."""
    mus = np.array([mean(x[:, d]) for d in range(x.shape[1])])
    return mus, np.array([spread(x[:, d], mus[d]) for d in range(x.shape[1])])


def same_for_all(x):
    flat = [value for row in x for value in row]
    return np.full(x.shape[1], mean(flat)), np.full(x.shape[1], spread(flat, mean(flat)))


def one_variance(x):
    mus = moments(x)[0]
    return mus, np.full(x.shape[1], np.linalg.norm(x - mus) ** 2 / x.size)


def divided(x, mus, variances, eps):
    return np.divide(np.subtract(x, mus), np.power(np.add(variances, eps), 0.5))


def scaled(hat, gamma, beta):
    return np.einsum("nd,d->nd", hat, gamma) + beta


def stored(old, x, mus, variances, momentum, eps):
    return step(old["running_mean"], mus, momentum), step(old["running_var"], variances, momentum)


def running(old, x, momentum, bn_param):
    return old["running_mean"], old["running_var"]


def refuse(mode):
    raise ValueError("'{}' is no mode, use train or test".format(mode))


def forward(
    moments=moments, hat=divided, out=scaled, stored=stored, test_moments=running, test_hat=None, start=np.zeros,
    refuse=refuse, mode=lambda bn_param: bn_param["mode"], train_moments=lambda mus, variances, after: (mus, variances),
):  # fmt: skip
    """Return a notebook's forward pass in which the steps given are wrong."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        which, eps, momentum = mode(bn_param), bn_param["eps"], bn_param["momentum"]
        old = {name: bn_param.get(name, start(x.shape[1])) for name in ("running_mean", "running_var")}
        if which == "train":
            mus, variances = moments(x)
            after = stored(old, x, mus, variances, momentum, eps)
            bn_param["running_mean"], bn_param["running_var"] = after
            mus, variances = train_moments(mus, variances, after)
        elif which == "test":
            mus, variances = test_moments(old, x, momentum, bn_param)
        else:
            mus, variances = refuse(which) or running(old, x, momentum, bn_param)
        x_hat = (hat if which == "train" or test_hat is None else test_hat)(x, mus, variances, eps)
        return out(x_hat, gamma, beta), None

    return {"batchnorm_forward": batchnorm_forward}


def in_place(x, gamma, beta, bn_param):
    """Write the centred values into x."""
    mus, variances = moments(x)
    if bn_param["mode"] == "test":
        mus, variances = bn_param["running_mean"], bn_param["running_var"]
    elif bn_param["mode"] == "train":
        for name, value in (("running_mean", mus), ("running_var", variances)):
            bn_param[name] = step(bn_param.get(name, 0.0), value, bn_param["momentum"])
    else:
        refuse(bn_param["mode"])
    np.subtract(x, mus, out=x)
    return x / np.sqrt(variances + bn_param["eps"]) * gamma + beta, None


def per_example(x):
    N = len(x)
    return np.vstack([x[n].mean() for n in range(N)]), np.vstack([x[n].var() for n in range(N)])


def only_var(new):
    """Return a rule for storing in which the running variance alone is wrong."""

    def rule(old, x, mus, variances, m, eps):
        return step(old["running_mean"], mus, m), new(old, x, mus, variances, m, eps)

    return rule


def both(new):
    def rule(old, x, mus, variances, m, eps):
        return new(old["running_mean"], mus, m), new(old["running_var"], variances, m)

    return rule


def moved(old, x, momentum, bn_param):
    mus, variances = moments(x)
    return step(old["running_mean"], mus, momentum), step(old["running_var"], variances, momentum)


def moving(old, x, momentum, bn_param):
    bn_param["running_mean"], bn_param["running_var"] = moved(old, x, momentum, bn_param)
    return old["running_mean"], old["running_var"]


def from_first_batch(x, gamma, beta, bn_param):
    mus, variances = moments(x)
    first = {"running_mean": mus, "running_var": variances} | bn_param
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = step(first["running_mean"], mus, bn_param["momentum"])
        bn_param["running_var"] = step(first["running_var"], variances, bn_param["momentum"])
    elif bn_param["mode"] == "test":
        mus, variances = first["running_mean"], first["running_var"]
    else:
        refuse(bn_param["mode"])
    return gamma * divided(x, mus, variances, bn_param["eps"]) + beta, None


FORWARD = {
    "variance over N-1": forward(moments=lambda x: (x.mean(0), np.diag(np.cov(x.T)))),
    "eps outside the root": forward(hat=lambda x, m, v, eps: (x - m) / (v**0.5 + eps)),
    "no eps": forward(hat=lambda x, m, v, eps: (x - m) * v**-0.5),
    "constant eps": forward(hat=lambda x, m, v, eps: divided(x, m, v, 1e-5)),
    "eps added twice": forward(hat=lambda x, m, v, eps: divided(x, m, v + eps, eps)),
    "divided by the variance": forward(hat=lambda x, m, v, eps: np.stack([row - m for row in x]) / (v + eps)),
    "root taken twice": forward(hat=lambda x, m, v, eps: divided(x, m, v**0.5, eps)),
    "statistics over the whole array": forward(moments=same_for_all),
    "variance over the whole array": forward(moments=one_variance),
    "statistics per example": forward(moments=per_example),
    "gamma and beta swapped": forward(out=lambda h, gamma, beta: scaled(h, beta, gamma)),
    "shifted before scaled": forward(out=lambda h, gamma, beta: np.stack([gamma * (row + beta) for row in h])),
    "beta forgotten": forward(out=lambda h, gamma, beta: h @ np.diag(gamma)),
    "gamma forgotten in forward": forward(out=lambda h, gamma, beta: np.add(beta, h)),
    "neither gamma nor beta": forward(out=lambda h, gamma, beta: h),
    "mean not subtracted": forward(hat=lambda x, m, v, eps: divided(x, 0, v, eps)),
    "running statistics in train mode": forward(train_moments=lambda mus, variances, after: after),
    "mean of squares": forward(moments=lambda x: (x.mean(0), np.einsum("nd,nd->d", x, x) / len(x) - x.mean(0) ** 2)),
    "writes into x": {"batchnorm_forward": in_place},
    "momentum swapped": forward(stored=both(lambda old, new, m: step(old, new, 1 - m))),
    "momentum ignored": forward(stored=both(lambda old, new, m: (9 * old + new) / 10)),
    "last batch only": forward(stored=lambda old, x, mus, variances, m, eps: (mus, variances)),
    "started from the first batch": {"batchnorm_forward": from_first_batch},
    "unbiased variance stored": forward(
        stored=only_var(lambda old, x, mus, v, m, eps: m * old["running_var"] + (1 - m) * v * len(x) / (len(x) - 1))
    ),
    "standard deviation stored": forward(
        stored=only_var(lambda old, x, mus, v, m, eps: step(old["running_var"], x.std(0), m))
    ),
    "eps stored": forward(stored=only_var(lambda old, x, mus, v, m, eps: step(old["running_var"], eps + v, m))),
    "never updated": forward(stored=lambda old, *_: (old["running_mean"], old["running_var"])),
    "running variance from the running mean": forward(
        stored=only_var(lambda old, x, mus, v, m, eps: step(old["running_mean"], v, m))
    ),
    "running averages of shape (1, D)": forward(stored=both(lambda old, new, m: step(old, new, m)[None, :])),
    "updated in test mode": forward(test_moments=moving),
    "no root in test mode": forward(test_hat=lambda x, m, v, eps: (x - m) / (v + eps)),
    "no eps in test mode": forward(test_hat=lambda x, m, v, eps: (x - m) / v**0.5),
    "batch statistics in test mode": forward(test_moments=lambda old, x, momentum, bn_param: moments(x)),
    "batch variance in test mode": forward(
        test_moments=lambda old, x, momentum, bn_param: (old["running_mean"], moments(x)[1])
    ),
    "blended with the test batch": forward(test_moments=moved),
    "unknown mode accepted": forward(refuse=lambda mode: None),
    "mode not named": forward(refuse=lambda mode: refuse("this")),
    "mode has a default": forward(mode=lambda bn_param: bn_param.get("mode") or "train"),
}


def without_normalizing(x, gamma, beta, bn_param):
    out, cache = forward()["batchnorm_forward"](x, gamma, beta, bn_param)
    return x * gamma + beta, cache


def variance_from_ones(x, gamma, beta, bn_param):
    bn_param.setdefault("running_var", np.ones(x.shape[1]))
    return forward()["batchnorm_forward"](x, gamma, beta, bn_param)


def with_a_list_of_batches(x, gamma, beta, bn_param):
    if bn_param["mode"] == "train":
        seen = bn_param.setdefault("seen", [])
        seen.append(moments(x))
        out, cache = forward()["batchnorm_forward"](x, gamma, beta, bn_param)
        bn_param["running_mean"] = np.mean([mus for mus, _ in seen], axis=0)
        bn_param["running_var"] = np.mean([variances for _, variances in seen], axis=0)
        return out, cache
    return forward()["batchnorm_forward"](x, gamma, beta, bn_param)


def centred_in_train_mode_alone(x, gamma, beta, bn_param):
    right, _ = forward()["batchnorm_forward"](x, gamma, beta, dict(bn_param))
    if bn_param["mode"] == "train":
        forward()["batchnorm_forward"](x, gamma, beta, bn_param)
        centred = x - x.mean(0)
    memory = {"centred": centred}
    return right, memory


FORWARD["averaged over all batches"] = {"batchnorm_forward": with_a_list_of_batches}
FORWARD["unset in test mode"] = {"batchnorm_forward": centred_in_train_mode_alone}
FORWARD["no normalization"] = {"batchnorm_forward": without_normalizing}
FORWARD["running variance from ones"] = {"batchnorm_forward": variance_from_ones}


# ---- a backward pass whose cache is a namespace, and its nodes ----


def forward_with_cache(x, gamma, beta, bn_param):
    out, _ = forward()["batchnorm_forward"](x, gamma, beta, bn_param)
    c = SimpleNamespace(x=x, gamma=gamma, eps=bn_param["eps"], N=len(x), out=out)
    c.mu, c.var = x.mean(axis=0), x.var(axis=0)
    c.std = np.sqrt(c.var + c.eps)
    c.hat = (x - c.mu) / c.std
    return out, c


def right_x_hat(dout, gamma):
    return np.stack([row * gamma for row in dout])


def right_var(dx_hat, x, mu, var, eps):
    return np.einsum("nd,nd->d", dx_hat, x - mu) / (-2 * np.sqrt(var + eps) ** 3)


def right_mu(dx_hat, dvar, x, mu, var, eps):
    return -sum(dx_hat) / np.sqrt(var + eps)


def right_x(dx_hat, dvar, dmu, x, mu, var, eps):
    return dx_hat / np.sqrt(var + eps) + (2 * dvar * (x - mu) + dmu) / len(x)


def notebook(backward_x_hat=right_x_hat, backward_var=right_var, backward_mu=right_mu, backward_x=right_x, **wrong):
    """Return a notebook whose backward passes use its nodes, with the gradients of `wrong` in place of the right ones.

    A gradient of `wrong` is a function of (dout, cache).
    """

    def batchnorm_backward(dout, cache):
        c = cache
        statistics = c.x, c.mu, c.var, c.eps
        dx_hat = backward_x_hat(dout, c.gamma)
        dvar = backward_var(dx_hat, *statistics)
        dx = backward_x(dx_hat, dvar, backward_mu(dx_hat, dvar, *statistics), *statistics)
        right = {"dx": dx, "dgamma": np.einsum("nd,nd->d", dout, c.hat), "dbeta": sum(dout)}
        return tuple(wrong[name](dout, c) if name in wrong else value for name, value in right.items())

    return {
        "batchnorm_forward": forward_with_cache,
        "backward_x_hat": backward_x_hat,
        "backward_var": backward_var,
        "backward_mu": backward_mu,
        "backward_x": backward_x,
        "batchnorm_backward": batchnorm_backward,
        "batchnorm_backward_alt": batchnorm_backward,
    }


def jacobian(dout, c, hats=1.0, means=1.0, diagonal=lambda rows: rows):
    """Return dx by the Jacobian of each column, with its terms weighted."""
    dx = np.empty_like(dout)
    for d in range(dout.shape[1]):
        J = np.eye(c.N) - means * diagonal(np.ones((c.N, c.N)) / c.N)
        J -= hats * diagonal(np.outer(c.hat[:, d], c.hat[:, d]) / c.N)
        dx[:, d] = c.gamma[d] / c.std[d] * (J @ dout[:, d])
    return dx


def own_entry_only(matrix):
    return np.diag(np.diag(matrix))


def overwriting(dout, c):
    right = jacobian(dout, c)
    dout *= c.gamma
    return right


def rescaling_the_cache(dout, c):
    right = jacobian(dout, c)
    c.hat *= 0.5
    return right


def root_of(var, eps):
    return np.sqrt(var + eps)


BACKWARD = {
    "mean and variance held constant": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: dx_hat / root_of(var, eps)
    ),
    "mean path missing": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(dx_hat, dvar, 0, x, mu, var, eps)
    ),
    "variance path missing": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(dx_hat, 0, dmu, x, mu, var, eps)
    ),
    "diagonal only": notebook(dx=lambda dout, c: jacobian(dout, c, diagonal=own_entry_only)),
    "dvar not summed": notebook(dx=lambda dout, c: jacobian(dout, c, hats=0) - c.gamma / c.std * c.hat**2 * dout / c.N),
    "dmu not summed": notebook(dx=lambda dout, c: jacobian(dout, c, means=0) - c.gamma / c.std * dout / c.N),
    "gamma forgotten": notebook(backward_x_hat=lambda dout, gamma: dout.copy()),
    "one half lost": notebook(backward_var=lambda *a: 2 * right_var(*a)),
    "sign of dvar": notebook(backward_var=lambda *a: -right_var(*a)),
    "root for the power -3/2": notebook(
        backward_var=lambda dx_hat, x, mu, var, eps: sum(dx_hat * (x - mu)) / (-2 * root_of(var, eps))
    ),
    "eps missing in dvar": notebook(backward_var=lambda dx_hat, x, mu, var, eps: right_var(dx_hat, x, mu, var, 0)),
    "constant eps in dvar": notebook(
        backward_var=lambda dx_hat, x, mu, var, eps: right_var(dx_hat, x, mu, var, 0.00001)
    ),
    "sign of dmu": notebook(backward_mu=lambda *a: -right_mu(*a)),
    "eps missing in dmu": notebook(
        backward_mu=lambda dx_hat, dvar, x, mu, var, eps: right_mu(dx_hat, dvar, x, mu, var, 0)
    ),
    "dmu divided by the variance": notebook(
        backward_mu=lambda dx_hat, dvar, x, mu, var, eps: -dx_hat.sum(0) / (var + eps)
    ),
    "factor 2 lost": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(dx_hat, dvar / 2, dmu, x, mu, var, eps)
    ),
    "N-1 in the variance path": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: (
            dx_hat / root_of(var, eps) + dvar * (2 / (len(x) - 1)) * (x - mu) + dmu / len(x)
        )
    ),
    "1/N dropped in the variance path": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(dx_hat, len(x) * dvar, dmu, x, mu, var, eps)
    ),
    "1/N dropped in the mean path": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(dx_hat, dvar, len(x) * dmu, x, mu, var, eps)
    ),
    "x_hat path not divided": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: right_x(0, dvar, dmu, x, mu, var, eps) + dx_hat
    ),
    "eps missing in dx": notebook(
        backward_x=lambda dx_hat, dvar, dmu, x, mu, var, eps: (
            right_x(dx_hat, dvar, dmu, x, mu, var, eps) - dx_hat / root_of(var, eps) + dx_hat / np.sqrt(var)
        )
    ),
    "eps missing in backward": notebook(dx=lambda dout, c: jacobian(dout, c) * c.std / np.sqrt(c.var)),
    "eps outside the root in backward": notebook(dx=lambda dout, c: jacobian(dout, c) * c.std / (c.var**0.5 + c.eps)),
    "constant eps in backward": notebook(dx=lambda dout, c: jacobian(dout, c) * (c.std / root_of(c.var, 1e-5))),
    "N-1 in the means": notebook(dx=lambda dout, c: jacobian(dout, c, hats=c.N / (c.N - 1), means=c.N / (c.N - 1))),
    "cache overwritten": notebook(dx=rescaling_the_cache),
    "not divided by the standard deviation": notebook(dx=lambda dout, c: jacobian(dout, c) * c.std),
    "divided by the variance in backward": notebook(dx=lambda dout, c: jacobian(dout, c) / c.std),
    "1/N dropped": notebook(dx=lambda dout, c: jacobian(dout, c, hats=c.N, means=c.N)),
    "dout overwritten": notebook(dx=overwriting),
    "dgamma from x": notebook(dgamma=lambda dout, c: np.diag(dout.T @ c.x)),
    "dgamma from x - mu": notebook(dgamma=lambda dout, c: np.einsum("nd,nd->d", dout, c.x - c.mu)),
    "dgamma from the scaled output": notebook(dgamma=lambda dout, c: c.gamma * np.diag(c.hat.T @ dout)),
    "parameter gradients averaged": notebook(
        dgamma=lambda dout, c: (c.hat * dout).mean(0), dbeta=lambda dout, c: dout.mean(0)
    ),
    "parameter gradients of shape (1, D)": notebook(
        dgamma=lambda dout, c: (c.hat * dout).sum(0, keepdims=True), dbeta=lambda dout, c: dout.sum(0, keepdims=True)
    ),
    "parameter gradients not summed": notebook(dgamma=lambda dout, c: c.hat * dout, dbeta=lambda dout, c: +dout),
    "parameter gradients summed to a number": notebook(
        dgamma=lambda dout, c: np.sum(c.hat * dout), dbeta=lambda dout, c: np.sum(dout)
    ),
    "dgamma and dbeta swapped": notebook(
        dgamma=lambda dout, c: dout.sum(0), dbeta=lambda dout, c: (c.hat * dout).sum(0)
    ),
}


SECOND = FORWARD | BACKWARD


# ---- mistakes of which the catalogue knows nothing ----


def defaults(**values):
    """Return a forward pass that takes other values where bn_param gives none."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        for name, value in values.items():
            bn_param.setdefault(name, value)
        return forward()["batchnorm_forward"](x, gamma, beta, bn_param)

    return {"batchnorm_forward": batchnorm_forward}


OUTSIDE = {
    "a larger default for eps": defaults(eps=1e-3),
    "a default for eps of zero": defaults(eps=0.0),
    "a larger default for momentum": defaults(momentum=0.99),
    "a tanh behind x_hat": forward(hat=lambda x, m, v, eps: np.tanh(divided(x, m, v, eps))),
    "the median for the mean": forward(moments=lambda x: (np.median(x, axis=0), x.var(axis=0))),
    "the mean absolute deviation": forward(moments=lambda x: (x.mean(0), np.abs(x - x.mean(0)).mean(0) ** 2)),
    "the range for the spread": forward(moments=lambda x: (x.mean(0), np.ptp(x, axis=0) ** 2 / 12)),
    "the first example left out": forward(moments=lambda x: moments(x[1:])),
    "the absolute value of gamma": forward(out=lambda h, gamma, beta: np.abs(gamma) * h + beta),
    "beta subtracted": forward(out=lambda h, gamma, beta: gamma * h - beta),
    "eps squared": forward(hat=lambda x, m, v, eps: divided(x, m, v, eps**2)),
    "random noise": forward(hat=lambda x, m, v, eps: np.random.default_rng(0).normal(size=x.shape)),
    "ones for out": forward(out=lambda h, gamma, beta: np.ones_like(h)),
    "the columns in reverse": forward(out=lambda h, gamma, beta: (gamma * h + beta)[:, ::-1]),
    "momentum squared": forward(stored=both(lambda old, new, m: step(old, new, m * m))),
    "running means negated": forward(stored=both(lambda old, new, m: -step(old, new, m))),
    "dx is dout": notebook(dx=lambda dout, c: +dout),
    "dx is zero": notebook(dx=lambda dout, c: np.zeros_like(dout)),
    "dx with the absolute value of gamma": notebook(dx=lambda dout, c: jacobian(dout, c) * np.sign(c.gamma)),
    "dx divided by N": notebook(dx=lambda dout, c: jacobian(dout, c) / c.N),
    "dx with the examples in reverse": notebook(dx=lambda dout, c: jacobian(dout, c)[::-1]),
    "dgamma of absolute values": notebook(dgamma=lambda dout, c: np.abs(dout * c.hat).sum(0)),
    "dgamma from out": notebook(dgamma=lambda dout, c: (dout * c.out).sum(0)),
    "dbeta cumulated": notebook(dbeta=lambda dout, c: np.cumsum(dout, axis=0)[-2]),
    "dbeta times gamma": notebook(dbeta=lambda dout, c: c.gamma * dout.sum(0)),
    "dvar of the wrong feature": notebook(backward_var=lambda *a: np.roll(right_var(*a), 1)),
    "dmu with a stray factor": notebook(backward_mu=lambda *a: 1.5 * right_mu(*a)),
}
