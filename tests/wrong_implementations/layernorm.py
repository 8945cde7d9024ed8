"""Wrong layer normalization, written row by row, with a dict as cache."""

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


def moments(x):
    """Return the mean and the biased variance of each row, each as an array of the shape of x."""
    means, variances = [], []
    for row in x:
        mean = sum(row) / len(row)
        means.append([mean] * len(row))
        variances.append([sum((value - mean) ** 2 for value in row) / len(row)] * len(row))
    return np.array(means), np.array(variances)


def inverse(var, eps):
    return np.power(var + eps, -0.5)


def hat(x, mus, invs):
    return np.einsum("nd,nd->nd", x - mus, np.broadcast_to(invs, x.shape))


def scaled(h, gamma, beta):
    return np.array([gamma * row + beta for row in h])


def along_rows(values):
    """Return an array in which each entry is the mean of its row."""
    return np.array([[sum(row) / len(row)] * len(row) for row in values])


def layer(moments=moments, inverse=inverse, hat=hat, out=scaled, means=along_rows, **wrong):
    """Return a layer in which the steps given are wrong; a gradient of `wrong` is a function of (dout, cache)."""

    def layernorm_forward(x, gamma, beta, ln_param):
        mus, variances = moments(x)
        c = {"x": np.copy(x), "gamma": gamma, "eps": ln_param["eps"], "var": variances, "means": means}
        c["inv"] = inverse(variances, c["eps"])
        c["hat"] = hat(x, mus, c["inv"])
        return out(c["hat"], gamma, beta), c

    def layernorm_backward(dout, c):
        right = {"dx": gradient(dout, c), "dgamma": np.diag(dout.T @ c["hat"]), "dbeta": sum(dout)}
        return tuple(wrong[name](dout, c) if name in wrong else value for name, value in right.items())

    return {"layernorm_forward": layernorm_forward, "layernorm_backward": layernorm_backward}


def gradient(dout, c, ones=1.0, hats=1.0, means=None, inside=True, gamma=True):
    """Return dx by the closed form, with its two means weighted, and with gamma inside of them or in front."""
    means, factor = means or c["means"], c["gamma"] if gamma else 1
    d = dout * factor if inside else dout
    bracket = d - ones * means(d) - hats * means(d * c["hat"]) * c["hat"]
    return c["inv"] * bracket * (1 if inside else factor)


def along_columns(values):
    return np.ones((len(values), 1)) * (sum(values) / len(values))


def of_columns(x):
    mus = along_columns(x)
    return mus, along_columns((x - mus) ** 2)


def of_everything(x):
    return np.full(x.shape, sum(x.ravel()) / x.size), np.full(x.shape, np.var(x))


def unbiased(x):
    mus, variances = moments(x)
    return mus, variances / (1 - 1 / x.shape[1])


def row_of_row_means(x):
    return np.array([sum(row) / len(row) for row in x])


def only_means_flat(x):
    wrong = x - row_of_row_means(x)
    return row_of_row_means(x), row_of_row_means(wrong**2)


def in_place(x, mus, invs):
    np.subtract(x, mus, out=x)
    return x * invs


def overwriting(dout, c):
    right = gradient(dout, c)
    np.multiply(dout, 2, out=dout)
    return right


def losing_the_cache(dout, c):
    right = gradient(dout, c)
    c["hat"] = c["hat"] * 0.5
    return right


def width(dout):
    return dout.shape[1]


def own_entry_only(dout, c):
    D = width(dout)
    jacobians = [np.diag(np.diag(np.eye(D) - np.outer(h, h) / D - np.ones((D, D)) / D)) for h in c["hat"]]
    return c["inv"] * np.array([J @ (c["gamma"] * row) for J, row in zip(jacobians, dout, strict=True)])


def both(rule):
    return {"dgamma": lambda dout, c: rule(dout * c["hat"]), "dbeta": lambda dout, c: rule(1 * dout)}


SECOND = {
    "layer statistics over the batch": layer(moments=of_columns, means=along_columns),
    "layer statistics over the whole array": layer(moments=of_everything, means=lambda v: np.full(v.shape, np.mean(v))),
    "row statistics broadcast along the features": layer(
        moments=lambda x: (row_of_row_means(x), np.diag(np.cov(x, bias=True))),
        hat=lambda x, mus, invs: (x - mus) * invs,
    ),
    "row means broadcast, and the variance from the differences": layer(
        moments=only_means_flat, hat=lambda x, mus, invs: (x - mus) * invs
    ),
    "row variances broadcast along the features": layer(
        moments=lambda x: (moments(x)[0], np.diag(np.cov(x, bias=True))), hat=lambda x, mus, invs: (x - mus) * invs
    ),
    "gamma and beta along the examples": layer(
        out=lambda h, gamma, beta: np.add(np.multiply(h.T, gamma), beta).T.copy()
    ),
    "layer variance over D-1": layer(moments=unbiased),
    "mean of squares of examples": layer(
        moments=lambda x: (along_rows(x), along_rows(x * x) - along_rows(x) * along_rows(x))
    ),
    "eps outside the root of layers": layer(inverse=lambda var, eps: 1 / (var**0.5 + eps)),
    "no eps for layers": layer(inverse=lambda var, eps: inverse(var, 0)),
    "constant eps for layers": layer(inverse=lambda var, eps: inverse(var, 0.00001)),
    "eps added twice to layers": layer(inverse=lambda var, eps: inverse(var + eps, eps)),
    "examples divided by the variance": layer(inverse=lambda var, eps: (var + eps) ** -1.0),
    "root of layers taken twice": layer(inverse=lambda var, eps: inverse(var**0.5, eps)),
    "mean of examples not subtracted": layer(hat=lambda x, mus, invs: hat(x, 0, invs)),
    "mean square of examples for the variance": layer(
        moments=lambda x: (0.0, along_rows(x**2)), dx=lambda dout, c: gradient(dout, c, ones=0)
    ),
    "gamma and beta of layers swapped": layer(out=lambda h, gamma, beta: scaled(h, beta, gamma)),
    "shifted before scaled in layers": layer(out=lambda h, gamma, beta: np.array([gamma * (row + beta) for row in h])),
    "beta of layers forgotten": layer(out=lambda h, gamma, beta: h @ np.diag(gamma)),
    "gamma of layers forgotten": layer(out=lambda h, gamma, beta: np.add(beta, h)),
    "neither gamma nor beta of layers": layer(out=lambda h, gamma, beta: +h),
    "examples overwritten": layer(hat=in_place),
    "gamma outside of the means": layer(dx=lambda dout, c: gradient(dout, c, inside=False)),
    "layer means over the batch": layer(dx=lambda dout, c: gradient(dout, c, means=along_columns)),
    "layer means of shape (N,)": layer(dx=lambda dout, c: gradient(dout, c, means=row_of_row_means)),
    "layer means divided by N": layer(
        dx=lambda dout, c: gradient(dout, c, width(dout) / len(dout), width(dout) / len(dout))
    ),
    "layer means not divided": layer(dx=lambda dout, c: gradient(dout, c, width(dout), width(dout))),
    "layer means over D-1": layer(dx=lambda dout, c: gradient(dout, c, *[1 / (1 - 1 / width(dout))] * 2)),
    "statistics of examples held constant": layer(dx=lambda dout, c: gradient(dout, c, 0, 0)),
    "mean path of examples missing": layer(dx=lambda dout, c: gradient(dout, c, ones=0)),
    "variance path of examples missing": layer(dx=lambda dout, c: gradient(dout, c, hats=0)),
    "sign of the variance path of examples": layer(dx=lambda dout, c: gradient(dout, c, hats=-1)),
    "diagonal only in layers": layer(dx=own_entry_only),
    "gamma of layers forgotten in backward": layer(dx=lambda dout, c: gradient(dout, c, gamma=False)),
    "layers' dx not divided by the standard deviation": layer(dx=lambda dout, c: gradient(dout, c) / c["inv"]),
    "layers' dx divided by the variance": layer(dx=lambda dout, c: gradient(dout, c) * c["inv"]),
    "eps missing in the layers' dx": layer(dx=lambda dout, c: gradient(dout, c) / c["inv"] * c["var"] ** -0.5),
    "dout of layers overwritten": layer(dx=overwriting),
    "cache of examples overwritten": layer(dx=losing_the_cache),
    "layer gradients over the features": layer(**both(lambda values: np.einsum("nd->n", values))),
    "layer gradients averaged": layer(**both(lambda values: values.mean(0))),
    "layer gradients not summed": layer(**both(lambda values: values)),
    "layer gradients of shape (1, D)": layer(**both(lambda values: values.sum(0, keepdims=True))),
    "layer gradients summed to a number": layer(**both(np.sum)),
    "layer gradients swapped": layer(
        dgamma=lambda dout, c: sum(dout), dbeta=lambda dout, c: np.einsum("nd,nd->d", dout, c["hat"])
    ),
    "layer dgamma from x": layer(dgamma=lambda dout, c: np.einsum("nd,nd->d", dout, c["x"])),
    "layer dgamma from the scaled output": layer(
        dgamma=lambda dout, c: c["gamma"] * np.einsum("nd,nd->d", dout, c["hat"])
    ),
}


OUTSIDE = {
    "examples with the median for the mean": layer(
        moments=lambda x: (np.median(x, axis=1, keepdims=True) + 0 * x, moments(x)[1])
    ),
    "examples with the mean absolute deviation": layer(
        moments=lambda x: (moments(x)[0], along_rows(np.abs(x - moments(x)[0])) ** 2)
    ),
    "examples divided by their norm": layer(
        moments=lambda x: (0 * x, along_rows(x**2) * x.shape[1]), inverse=lambda var, eps: 1 / np.sqrt(var)
    ),
    "layer statistics of the example above": layer(moments=lambda x: [np.roll(m, 1, axis=0) for m in moments(x)]),
    "beta of layers subtracted": layer(out=lambda h, gamma, beta: gamma * h - beta),
    "eps of layers squared": layer(inverse=lambda var, eps: inverse(var, eps**2)),
    "dx of layers is zero": layer(dx=lambda dout, c: np.zeros(dout.shape)),
    "dx of layers is dout": layer(dx=lambda dout, c: +dout),
    "dx of layers with the features in reverse": layer(dx=lambda dout, c: gradient(dout, c)[:, ::-1]),
    "dx of layers with gamma twice": layer(dx=lambda dout, c: gradient(dout, c) * c["gamma"]),
    "dgamma of layers from absolute values": layer(dgamma=lambda dout, c: np.abs(dout * c["hat"]).sum(0)),
    "dbeta of layers times gamma": layer(dbeta=lambda dout, c: c["gamma"] * dout.sum(0)),
}
