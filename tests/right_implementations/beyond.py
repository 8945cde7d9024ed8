"""Feature maps, layer normalization, folding and converting, in many styles."""

# ruff: noqa: C408, UP031 - written as students write

import types
import warnings

import numpy as np

RIGHT = {}


def right(notebook):
    RIGHT[notebook.__name__] = notebook
    return notebook


@right
def rows_and_a_batchnorm_that_was_there_before():
    """The maps become rows for a batch normalization of vectors, pasted from before; examples become its columns."""

    def batchnorm_forward(x, gamma, beta, bn_param):
        eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))
        running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))
        if bn_param["mode"] == "train":
            mean, var = np.mean(x, axis=0), np.var(x, axis=0)
            bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mean
            bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
        elif bn_param["mode"] == "test":
            mean, var = running_mean, running_var
        else:
            raise ValueError('Invalid forward batchnorm mode "%s"' % bn_param["mode"])
        x_norm = (x - mean) / np.sqrt(var + eps)
        return gamma * x_norm + beta, (x_norm, gamma, np.sqrt(var + eps))

    def batchnorm_backward(dout, cache):
        x_norm, gamma, std = cache
        N = dout.shape[0]
        dx_norm = dout * gamma
        dx = (dx_norm - dx_norm.sum(axis=0) / N - x_norm * (dx_norm * x_norm).sum(axis=0) / N) / std
        return dx, (dout * x_norm).sum(axis=0), dout.sum(axis=0)

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        N, C, H, W = x.shape
        x_flat = x.transpose(0, 2, 3, 1).reshape(-1, C)
        out_flat, cache = batchnorm_forward(x_flat, gamma, beta, bn_param)
        return out_flat.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache

    def spatial_batchnorm_backward(dout, cache):
        N, C, H, W = dout.shape
        dout_flat = dout.transpose(0, 2, 3, 1).reshape(-1, C)
        dx_flat, dgamma, dbeta = batchnorm_backward(dout_flat, cache)
        return dx_flat.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta

    def layernorm_forward(x, gamma, beta, ln_param):
        N = x.shape[0]
        bn_param = {"mode": "train", "eps": ln_param.get("eps", 1e-5)}
        x_norm, cache = batchnorm_forward(x.T, np.ones(N, dtype=x.dtype), np.zeros(N, dtype=x.dtype), bn_param)
        return gamma * x_norm.T + beta, (cache, x_norm.T, gamma)

    def layernorm_backward(dout, cache):
        cache, x_norm, gamma = cache
        dx_norm = dout * gamma
        return batchnorm_backward(dx_norm.T, cache)[0].T, (dout * x_norm).sum(axis=0), dout.sum(axis=0)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        def both_layers(x):
            bn_param = {"mode": "test", "eps": eps, "running_mean": running_mean, "running_var": running_var}
            return batchnorm_forward(x @ W + b, gamma, beta, bn_param)[0]

        bias = both_layers(np.zeros((1, W.shape[0])))[0]
        return both_layers(np.eye(W.shape[0])) - bias, bias

    def convert_running(mean, var, n, momentum, source, target):
        known = {"book": (1, 0), "keras": (1, 0), "pytorch": (-1, 1)}
        for name in (source, target):
            if name not in known:
                raise ValueError(f"unknown: {name}")
        (side, unbiased), (other_side, other_unbiased) = known[source], known[target]
        if n == 1 and (unbiased or other_unbiased):
            raise ValueError("n = 1")
        if unbiased:
            var = var * (n - 1) / n
        if other_unbiased:
            var = var * n / (n - 1)
        return np.array(mean), np.array(var), momentum if side == other_side else 1 - momentum

    return locals()


@right
def einsum_over_named_indices():
    """einsum for every sum, a dict as cache; one factor for both directions of a conversion."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        n = x.size // x.shape[1]
        if bn_param["mode"] == "train":
            mu = np.einsum("nchw->c", x) / n
            centred = x - mu.reshape(1, -1, 1, 1)
            var = np.einsum("nchw,nchw->c", centred, centred) / n
            keep = bn_param.get("momentum", 0.9)
            for name, value in {"running_mean": mu, "running_var": var}.items():
                bn_param[name] = keep * bn_param.get(name, 0.0) + (1 - keep) * value
        elif bn_param["mode"] == "test":
            centred, var = x - bn_param["running_mean"].reshape(1, -1, 1, 1), bn_param["running_var"]
        else:
            raise ValueError(bn_param["mode"])
        inv = (var + bn_param.get("eps", 1e-5)) ** -0.5
        hat = np.einsum("nchw,c->nchw", centred, inv)
        return np.einsum("nchw,c->nchw", hat, gamma) + beta.reshape(1, -1, 1, 1), dict(hat=hat, inv=inv, gamma=gamma)

    def spatial_batchnorm_backward(dout, cache):
        hat, n = cache["hat"], dout.size // dout.shape[1]
        dgamma = np.einsum("nchw,nchw->c", dout, hat)
        dbeta = np.einsum("nchw->c", dout)
        bracket = dout - (dbeta / n).reshape(1, -1, 1, 1) - np.einsum("nchw,c->nchw", hat, dgamma / n)
        return np.einsum("nchw,c->nchw", bracket, cache["gamma"] * cache["inv"]), dgamma, dbeta

    def layernorm_forward(x, gamma, beta, ln_param):
        D = x.shape[1]
        centred = x - np.einsum("nd->n", x)[:, None] / D
        inv = (np.einsum("nd,nd->n", centred, centred) / D + ln_param["eps"]) ** -0.5
        hat = np.einsum("nd,n->nd", centred, inv)
        return np.einsum("nd,d->nd", hat, gamma) + beta, dict(hat=hat, inv=inv, gamma=gamma)

    def layernorm_backward(dout, cache):
        hat, D = cache["hat"], dout.shape[1]
        d = np.einsum("nd,d->nd", dout, cache["gamma"])
        bracket = d - np.einsum("nd->n", d)[:, None] / D - np.einsum("nd,n->nd", hat, np.einsum("nd,nd->n", d, hat) / D)
        return np.einsum("nd,n->nd", bracket, cache["inv"]), np.einsum("nd,nd->d", dout, hat), np.einsum("nd->d", dout)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        a = gamma * (running_var + eps) ** -0.5
        return np.einsum("io,o->io", W, a), np.einsum("o,o->o", a, b) - np.einsum("o,o->o", a, running_mean) + beta

    def convert_running(mean, var, n, momentum, source, target):
        unbiased = {"book": 0, "keras": 0, "pytorch": 1}
        if not {source, target} <= set(unbiased):
            raise ValueError(f"one of {source!r} and {target!r} is unknown")
        change = unbiased[target] - unbiased[source]
        if n < 2 and "pytorch" in (source, target):
            raise ValueError(f"n is {n}")
        factor = (n / (n - 1)) ** change if n > 1 else 1.0
        return mean + 0, var * factor, abs(abs(change) - momentum)

    return locals()


@right
def loops_over_channels_and_examples():
    """Python loops over channels, examples and features; the results of a backward pass are a list."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        if bn_param["mode"] not in ("train", "test"):
            raise ValueError("unknown mode: " + str(bn_param["mode"]))
        C = x.shape[1]
        out, cache = np.empty(x.shape, dtype=x.dtype), []
        means = bn_param.get("running_mean", np.zeros(C)) * 1
        variances = bn_param.get("running_var", np.zeros(C)) * 1
        for c in range(C):
            values = x[:, c]
            if bn_param["mode"] == "train":
                mean = values.sum() / values.size
                var = ((values - mean) ** 2).sum() / values.size
                m = bn_param.get("momentum", 0.9)
                means[c] = m * means[c] + (1 - m) * mean
                variances[c] = m * variances[c] + (1 - m) * var
            else:
                mean, var = means[c], variances[c]
            std = np.sqrt(var + bn_param.get("eps", 1e-5))
            out[:, c] = gamma[c] * (values - mean) / std + beta[c]
            cache.append(((values - mean) / std, std, gamma[c]))
        bn_param["running_mean"], bn_param["running_var"] = means, variances
        return out, cache

    def spatial_batchnorm_backward(dout, cache):
        dx, dgamma, dbeta = np.empty_like(dout), [], []
        for c, (hat, std, gamma) in enumerate(cache):
            d = dout[:, c]
            dgamma.append((d * hat).sum())
            dbeta.append(d.sum())
            dx[:, c] = gamma / std * (d - d.mean() - hat * (d * hat).mean())
        return [dx, np.array(dgamma), np.array(dbeta)]

    def layernorm_forward(x, gamma, beta, ln_param):
        out, cache = np.empty(x.shape, dtype=x.dtype), []
        for i, row in enumerate(x):
            std = float(np.sqrt(row.var() + ln_param.get("eps", 1e-5)))
            hat = (row - row.mean()) / std
            out[i] = gamma * hat + beta
            cache.append((hat, std, gamma))
        return out, cache

    def layernorm_backward(dout, cache):
        dx, dgamma, dbeta = np.empty_like(dout), 0.0, 0.0
        for i, (hat, std, gamma) in enumerate(cache):
            d = gamma * dout[i]
            dx[i] = (d - d.mean() - hat * (d @ hat) / len(d)) / std
            dgamma = dgamma + dout[i] * hat
            dbeta = dbeta + dout[i]
        return [dx, dgamma, dbeta]

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        new_W, new_b = np.zeros(W.shape), np.zeros(b.shape)
        for j in range(W.shape[1]):
            std = (running_var[j] + eps) ** 0.5
            for i in range(W.shape[0]):
                new_W[i, j] = gamma[j] * W[i, j] / std
            new_b[j] = gamma[j] * (b[j] - running_mean[j]) / std + beta[j]
        return [new_W, new_b]

    def convert_running(mean, var, n, momentum, source, target):
        names = ["book", "keras", "pytorch"]
        for name in [source, target]:
            if name not in names:
                raise ValueError("I only know %s, not %s" % (", ".join(names), name))
        if source == target or "pytorch" not in [source, target]:
            return mean.copy(), var.copy(), momentum
        if n == 1:
            raise ValueError("a variance of one value")
        new_var = np.zeros(len(var))
        for d in range(len(var)):
            new_var[d] = var[d] / n * (n - 1) if source == "pytorch" else var[d] / (n - 1) * n
        return mean.copy(), new_var, 1.0 - momentum

    return locals()


@right
def one_function_for_any_axes():
    """One pair of functions takes the axes of the means; maps and examples are two uses of it."""

    def normalize(x, axes, eps):
        centred = x - np.mean(x, axis=axes, keepdims=True)
        std = np.sqrt(np.mean(np.square(centred), axis=axes, keepdims=True) + eps)
        return centred / std, std

    def unnormalize(d, hat, std, axes):
        along = np.mean(d * hat, axis=axes, keepdims=True)
        return (d - np.mean(d, axis=axes, keepdims=True) - hat * along) / std

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        gamma, beta = gamma[None, :, None, None], beta[None, :, None, None]
        eps, m, names = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9), ("running_mean", "running_var")
        mean, var = (bn_param.setdefault(name, np.zeros(x.shape[1], x.dtype)) for name in names)
        match bn_param["mode"]:
            case "train":
                hat, std = normalize(x, (0, 2, 3), eps)
                bn_param["running_mean"] = m * mean + (1 - m) * x.mean((0, 2, 3))
                bn_param["running_var"] = m * var + (1 - m) * (np.squeeze(std, (0, 2, 3)) ** 2 - eps)
                return gamma * hat + beta, (hat, std, gamma)
            case "test":
                hat = (x - mean[:, None, None]) / np.sqrt(var + eps)[:, None, None]
                return gamma * hat + beta, None
            case mode:
                raise ValueError(f"mode {mode}")

    def spatial_batchnorm_backward(dout, cache):
        hat, std, gamma = cache
        return unnormalize(gamma * dout, hat, std, (0, 2, 3)), (dout * hat).sum((0, 2, 3)), dout.sum((0, 2, 3))

    def layernorm_forward(x, gamma, beta, ln_param):
        hat, std = normalize(x, -1, ln_param["eps"])
        return hat * gamma + beta, (hat, std, gamma)

    def layernorm_backward(dout, cache):
        hat, std, gamma = cache
        return unnormalize(gamma * dout, hat, std, -1), (dout * hat).sum(0), dout.sum(0)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        stacked = np.vstack([W, b - running_mean]) * (gamma / np.sqrt(running_var + eps))
        return stacked[:-1], stacked[-1] + beta

    def convert_running(mean, var, n, momentum, source, target):
        def to_book(var, momentum, name):
            return (var, momentum) if name in ("book", "keras") else (var * (1 - 1 / n), 1 - momentum)

        def from_book(var, momentum, name):
            return (var, momentum) if name in ("book", "keras") else (var / (1 - 1 / n), 1 - momentum)

        for name in {source, target}:
            if name not in ("book", "keras", "pytorch"):
                raise ValueError(f"{name} is no convention")
        if n == 1 and "pytorch" in {source, target}:
            raise ValueError("a single value has no unbiased variance")
        return np.copy(mean), *from_book(*to_book(np.copy(var), momentum, source), target)

    return locals()


@right
def channels_as_rows():
    """Channels and examples are rows of a matrix; the cache is an object, the results are views in other orders."""

    class Cache:
        def __init__(self, **values):
            self.__dict__.update(values)

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        N, C, H, W = x.shape
        rows = np.moveaxis(x, 1, 0).reshape(C, N * H * W)
        if bn_param["mode"] == "train":
            mu, var = rows.mean(1), rows.var(1)
            for name, value in (("running_mean", mu), ("running_var", var)):
                old = bn_param.get(name)
                old = np.zeros(C, x.dtype) if old is None else old
                bn_param[name] = old + (1 - bn_param.get("momentum", 0.9)) * (value - old)
        elif bn_param["mode"] == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"{bn_param['mode']!r}")
        std = np.sqrt(var + bn_param["eps"])[:, None]
        hat = (rows - mu[:, None]) / std
        out = gamma[:, None] * hat + beta[:, None]
        return np.moveaxis(out.reshape(C, N, H, W), 0, 1), Cache(hat=hat, factor=gamma[:, None] / std)

    def spatial_batchnorm_backward(dout, cache):
        N, C, H, W = dout.shape
        d = np.moveaxis(dout, 1, 0).reshape(C, -1)
        dgamma = np.diag(d @ cache.hat.T)
        n = d.shape[1]
        dx = cache.factor * (d - d.mean(1, keepdims=True) - cache.hat * dgamma[:, None] / n)
        return np.moveaxis(dx.reshape(C, N, H, W), 0, 1), dgamma, d @ np.ones(n)

    def layernorm_forward(x, gamma, beta, ln_param):
        columns = np.asfortranarray(x.T)
        hat = (columns - columns.mean(0)) / np.sqrt(columns.var(0) + ln_param["eps"])
        return (gamma[:, None] * hat + beta[:, None]).T, Cache(x=x.copy(), hat=hat, gamma=gamma, eps=ln_param["eps"])

    def layernorm_backward(dout, cache):
        d = dout.T * cache.gamma[:, None]
        D, hat = len(d), cache.hat
        J = [np.eye(D) - 1 / D - np.outer(h, h) / D for h in hat.T]  # one Jacobian for each example
        dx = np.array([J_i @ d_i for J_i, d_i in zip(J, d.T, strict=True)])
        return dx / np.sqrt(cache.x.var(1) + cache.eps)[:, None], (dout.T * hat).sum(1), dout.T.sum(1)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        scaling = np.diag(gamma / np.sqrt(running_var + eps))
        return W @ scaling, (b - running_mean) @ scaling + beta

    def convert_running(mean, var, n, momentum, source, target):
        class Unknown(ValueError):
            pass

        if source not in ("book", "keras", "pytorch"):
            raise Unknown(source)
        if target not in ("book", "keras", "pytorch"):
            raise Unknown(target)
        torch = (source == "pytorch") - (target == "pytorch")
        if n <= 1 and "pytorch" in source + target:
            raise Unknown("n")
        with np.errstate(all="ignore"):
            factor = {-1: np.divide(n, n - 1), 0: 1, 1: np.divide(n - 1, n)}[torch]
        return 1.0 * mean, factor * var, np.float64(momentum if not torch else 1 - momentum)

    return locals()


@right
def the_graph_node_by_node():
    """The backward passes collect dvar and dmu node by node; statistics are written with sums of ones."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        N, C, H, W = x.shape
        shape, m = (1, C, 1, 1), N * H * W
        eps = bn_param.get("eps", 1e-5)
        if bn_param["mode"] == "train":
            mu = np.sum(x, axis=(0, 2, 3)).reshape(shape) / m
            xmu = x - mu
            var = np.sum(xmu**2, axis=(0, 2, 3)).reshape(shape) / m
            momentum = bn_param.get("momentum", 0.9)
            bn_param["running_mean"] = (
                momentum * bn_param.get("running_mean", np.zeros(C)) + (1 - momentum) * mu.ravel()
            )
            bn_param["running_var"] = momentum * bn_param.get("running_var", np.zeros(C)) + (1 - momentum) * var.ravel()
        elif bn_param["mode"] == "test":
            xmu, var = x - bn_param["running_mean"].reshape(shape), bn_param["running_var"].reshape(shape)
        else:
            raise ValueError("no such mode: %r" % bn_param["mode"])
        return gamma.reshape(shape) * xmu / np.sqrt(var + eps) + beta.reshape(shape), (xmu, var, gamma, eps)

    def nodes(d, xmu, var, eps, axes, count):
        dvar = np.sum(d * xmu * -0.5 * (var + eps) ** -1.5, axis=axes, keepdims=True)
        dmu = np.sum(-d / np.sqrt(var + eps), axis=axes, keepdims=True)
        dmu = dmu + dvar * np.sum(-2 * xmu, axis=axes, keepdims=True) / count
        return d / np.sqrt(var + eps) + dvar * 2 * xmu / count + dmu / count

    def spatial_batchnorm_backward(dout, cache):
        xmu, var, gamma, eps = cache
        N, C, H, W = dout.shape
        dx = nodes(dout * gamma.reshape(1, C, 1, 1), xmu, var, eps, (0, 2, 3), N * H * W)
        dgamma = np.sum(dout * xmu / np.sqrt(var + eps), axis=(0, 2, 3))
        return dx, dgamma, np.sum(np.sum(np.sum(dout, axis=0), axis=1), axis=1)

    def layernorm_forward(x, gamma, beta, ln_param):
        mu = np.sum(x, axis=1, keepdims=True) / x.shape[1]
        xmu = x - mu
        var = np.sum(xmu**2, axis=1, keepdims=True) / x.shape[1]
        eps = ln_param.get("eps", 1e-5)
        return gamma * xmu / np.sqrt(var + eps) + beta, (xmu, var, gamma, eps)

    def layernorm_backward(dout, cache):
        xmu, var, gamma, eps = cache
        dx = nodes(dout * gamma, xmu, var, eps, 1, dout.shape[1])
        return dx, np.sum(dout * xmu / np.sqrt(var + eps), axis=0), np.sum(dout, axis=0)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        std = np.sqrt(running_var + eps)
        centred_b = b - running_mean  # first the mean, then the width, then scale and shift
        narrow_W, narrow_b = W / std, centred_b / std
        return narrow_W * gamma, narrow_b * gamma + beta

    def convert_running(mean, var, n, momentum, source, target):
        conventions = ("book", "keras", "pytorch")
        assert_known = [name for name in (source, target) if name not in conventions]
        if assert_known:
            raise ValueError(f"not known: {assert_known}")
        sums = var * (n - (source == "pytorch"))
        count = n - (target == "pytorch")
        if "pytorch" in (source, target) and n == 1:
            raise ValueError("nothing to divide by")
        return (
            mean.astype(float),
            sums / count,
            momentum if (source == "pytorch") == (target == "pytorch") else 1 - momentum,
        )

    return locals()


@right
def everything_again_from_the_inputs():
    """The cache holds the inputs alone; running averages move where they lie; extra keys, prints and a warning."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        print("mode:", bn_param["mode"])
        for name in ("running_mean", "running_var"):
            if name not in bn_param:
                bn_param[name] = np.zeros(len(gamma))
        bn_param["calls"] = bn_param.get("calls", 0) + 1
        if bn_param["mode"] == "train":
            rate = 1 - bn_param.get("momentum", 0.9)
            for name, value in (("running_mean", x.mean((0, 2, 3))), ("running_var", x.var((0, 2, 3)))):
                bn_param[name] *= 1 - rate
                bn_param[name] += rate * value
            mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        elif bn_param["mode"] == "test":
            mu, var = bn_param["running_mean"], bn_param["running_var"]
        else:
            raise ValueError(f"mode is {bn_param['mode']}")
        a = gamma / np.sqrt(var + bn_param.get("eps", 1e-5))
        out = (x - mu.reshape(-1, 1, 1)) * a.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)
        return out, types.SimpleNamespace(x=x.copy(), gamma=gamma.copy(), eps=bn_param.get("eps", 1e-5))

    def spatial_batchnorm_backward(dout, cache):
        warnings.warn("all statistics are computed again", stacklevel=2)
        x, axes = cache.x, (0, 2, 3)
        c = x - x.mean(axes, keepdims=True)
        v = (c * c).mean(axes, keepdims=True) + cache.eps
        d = dout * cache.gamma.reshape(-1, 1, 1)
        dx = (d - d.mean(axes, keepdims=True)) / np.sqrt(v) - c * (d * c).mean(axes, keepdims=True) / v**1.5
        return dx, (dout * c / np.sqrt(v)).sum(axes), dout.sum(axes)

    def layernorm_forward(x, gamma, beta, ln_param):
        print("layer normalization")
        c = x - x.mean(1)[:, None]
        return gamma * c / np.sqrt((c * c).mean(1)[:, None] + ln_param["eps"]) + beta, (x, gamma, ln_param["eps"])

    def layernorm_backward(dout, cache):
        x, gamma, eps = cache
        c = x - x.mean(1)[:, None]
        v = (c * c).mean(1)[:, None] + eps
        d = gamma * dout
        dx = (d - d.mean(1)[:, None]) / np.sqrt(v) - c * (d * c).mean(1)[:, None] / v**1.5
        return dx, np.sum(dout * c / np.sqrt(v), 0), np.sum(dout, 0)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        W, b = W.copy(), b.copy()
        W *= gamma
        W /= np.sqrt(running_var + eps)
        b -= running_mean
        b *= gamma
        b /= np.sqrt(running_var + eps)
        b += beta
        return W, b

    def convert_running(mean, var, n, momentum, source, target):
        try:
            before, after = ({"book": 0, "keras": 0, "pytorch": 1}[name] for name in (source, target))
        except KeyError as error:
            raise ValueError(f"unknown convention {error}") from error
        mean, var = mean.copy(), var.copy()
        if (before or after) and n < 2:
            raise ValueError("n must be larger")
        if before > after:
            var *= (n - 1) / n
            momentum = 1 - momentum
        if after > before:
            var /= (n - 1) / n
            momentum = 1 - momentum
        return mean, var, momentum

    return locals()


@right
def gradients_by_complex_steps():
    """The backward passes differentiate the forward passes by complex steps, exact to rounding; all in float64."""

    def of_maps(x, gamma, beta, eps):
        centred = x - x.mean(axis=(0, 2, 3))[:, None, None]
        width = ((centred**2).mean(axis=(0, 2, 3)) + eps) ** 0.5
        return gamma[:, None, None] * centred / width[:, None, None] + beta[:, None, None]

    def of_rows(x, gamma, beta, eps):
        centred = x - x.mean(axis=1, keepdims=True)
        return gamma * centred / ((centred**2).mean(axis=1, keepdims=True) + eps) ** 0.5 + beta

    def differentiated(forward, dout, inputs, eps):
        gradients = []
        for position, values in enumerate(inputs):
            gradient = np.zeros(values.shape)
            for index in np.ndindex(values.shape):
                moved = [np.array(v, dtype=complex) for v in inputs]
                moved[position][index] += 1e-30j
                gradient[index] = np.sum(forward(*moved, eps).imag * dout) / 1e-30
            gradients.append(gradient)
        return tuple(gradients)

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        x, gamma, beta = (v.astype(np.float64) for v in (x, gamma, beta))
        means, variances = (bn_param.get(name, np.zeros(len(gamma))) for name in ("running_mean", "running_var"))
        eps, keep = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
        if bn_param["mode"] == "test":
            shape = (len(gamma), 1, 1)
            hat = (x - means.reshape(shape)) / np.sqrt(variances + eps).reshape(shape)
            return hat * gamma.reshape(shape) + beta.reshape(shape), None
        if bn_param["mode"] != "train":
            raise ValueError("train or test, not " + bn_param["mode"])
        bn_param["running_mean"] = keep * means + (1 - keep) * x.mean(axis=(0, 2, 3))
        bn_param["running_var"] = keep * variances + (1 - keep) * x.var(axis=(0, 2, 3))
        return of_maps(x, gamma, beta, eps), (x, gamma, beta, eps)

    def spatial_batchnorm_backward(dout, cache):
        *inputs, eps = cache
        return differentiated(of_maps, dout, inputs, eps)

    def layernorm_forward(x, gamma, beta, ln_param):
        inputs = [v.astype(np.float64) for v in (x, gamma, beta)]
        return of_rows(*inputs, ln_param["eps"]), (*inputs, ln_param["eps"])

    def layernorm_backward(dout, cache):
        *inputs, eps = cache
        return differentiated(of_rows, dout, inputs, eps)

    def fold_batchnorm(W, b, gamma, beta, running_mean, running_var, eps):
        def both_layers(x):
            return gamma * (x @ W + b - running_mean) * (running_var + eps) ** -0.5 + beta

        jacobian = [both_layers(1e-30j * unit).imag / 1e-30 for unit in np.eye(len(W))]
        return np.stack(jacobian), both_layers(np.zeros(len(W)))

    def convert_running(mean, var, n, momentum, source, target):
        if min(name in ("book", "pytorch", "keras") for name in (source, target)) is False:
            raise ValueError(" and ".join((source, target)))
        if source == target and n > 1:
            return mean + 0.0, var + 0.0, momentum
        weight = momentum if source == "pytorch" else 1 - momentum  # of a new batch
        if n == 1 and "pytorch" in (source, target):
            raise ValueError("unbiased variance of one value")
        squares = var if source != "pytorch" else var * (n - 1) / n
        new_var = squares if target != "pytorch" else squares / (n - 1) * n
        return mean + 0.0, new_var + 0.0, weight if target == "pytorch" else 1 - weight

    return locals()
