"""Wrong batch normalization of feature maps: sums by einsum, statistics as full arrays, a namespace as cache."""

from types import SimpleNamespace

import numpy as np

__all__ = ["OUTSIDE", "SECOND"]


# ---- a layer that averages over all indices but those kept ----


def summed(values, keep):
    """Sum over all indices but those kept."""
    return np.einsum(f"nchw->{keep}", values)


def averaged(values, keep):
    """Return an array in which each entry is the mean over all indices but those kept."""
    sums = summed(values, keep)
    return np.einsum(f"{keep},nchw->nchw", sums * (sums.size / values.size), np.ones_like(values))


def moments(x, keep="c"):
    mus = averaged(x, keep)
    return mus, averaged((x - mus) ** 2, keep)


def each(parameter):
    return np.reshape(parameter, (1, len(parameter), 1, 1))


def of_channels(values):
    return np.array([values[:, c].mean() for c in range(values.shape[1])])


def inverse(var, eps):
    return (var + eps) ** -0.5


def hat(x, mus, invs):
    return np.multiply(x - mus, invs)


def scaled(h, gamma, beta):
    return h * gamma + beta


def step(old, new, m):
    return old + (1 - m) * (new - old)


def stored(old, x, mus, variances, m, eps):
    return step(old[0], of_channels(mus), m), step(old[1], of_channels(variances), m)


def running(old, x, m, bn_param):
    return [each(values) for values in old]


def layer(
    keep="c", moments=None, inverse=inverse, test_inverse=None, hat=hat, out=scaled, stored=stored,
    in_test=running, finish=lambda out: out, **wrong,
):  # fmt: skip
    """Return a layer in which the steps given are wrong; a gradient of `wrong` is a function of (dout, cache)."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        eps, m = bn_param["eps"], bn_param["momentum"]
        old = [np.ravel(bn_param.get(name, 0 * gamma)) for name in ("running_mean", "running_var")]
        if bn_param["mode"] == "train":
            mus, variances = (moments or (lambda x: globals()["moments"](x, keep)))(x)
            new = stored(old, x, mus, variances, m, eps)
            bn_param["running_mean"], bn_param["running_var"] = new
        elif bn_param["mode"] == "test":
            mus, variances = in_test(old, x, m, bn_param)
        else:
            raise ValueError("no such mode: " + bn_param["mode"])
        root = inverse if bn_param["mode"] == "train" or test_inverse is None else test_inverse
        c = SimpleNamespace(x=+x, gamma=gamma, eps=eps, mus=mus, var=variances, inv=root(variances, eps), keep=keep)
        c.hat = hat(x, mus, c.inv)
        return finish(out(c.hat, each(gamma), each(beta))), c

    def spatial_batchnorm_backward(dout, c):
        right = {"dx": gradient(dout, c), "dgamma": of_channels(dout * c.hat), "dbeta": of_channels(dout)}
        for name in ("dgamma", "dbeta"):
            right[name] = right[name] * (dout.size / dout.shape[1])
        return tuple(wrong[name](dout, c) if name in wrong else value for name, value in right.items())

    return {
        "spatial_batchnorm_forward": spatial_batchnorm_forward,
        "spatial_batchnorm_backward": spatial_batchnorm_backward,
    }


def gradient(dout, c, ones=1.0, hats=1.0, keep=None):
    """Return dx by the closed form, with its two means weighted."""
    d = dout * each(c.gamma)
    means = averaged(d, c.keep if keep is None else keep), averaged(d * c.hat, c.keep if keep is None else keep)
    return c.inv * (d - ones * means[0] - hats * means[1] * c.hat)


def gamma_outside(dout, c):
    """Return dx with means that run over channels, and with gamma in front of them."""
    return each(c.gamma) * c.inv * (dout - averaged(dout, "") - c.hat * averaged(dout * c.hat, ""))


def strided():
    """Return a layer whose channel c is every C-th number in memory, beginning with the c-th."""

    def spatial_batchnorm_forward(x, gamma, beta, bn_param):
        C, m = x.shape[1], bn_param["momentum"]
        if bn_param["mode"] not in ("train", "test"):
            raise ValueError("mode " + bn_param["mode"])
        out, cache = np.empty(x.size), []
        means, variances = (np.array(bn_param.get(name, 0 * gamma)) for name in ("running_mean", "running_var"))
        for c in range(C):
            column = np.ravel(x)[c::C]
            centre, width = column.mean(), column.var()
            if bn_param["mode"] == "test":
                centre, width = means[c], variances[c]
            else:
                means[c], variances[c] = step(means[c], centre, m), step(variances[c], width, m)
            normal = (column - centre) / np.sqrt(width + bn_param["eps"])
            out[c::C] = gamma[c] * normal + beta[c]
            cache.append((normal, gamma[c] / np.sqrt(width + bn_param["eps"])))
        bn_param["running_mean"], bn_param["running_var"] = means, variances
        return out.reshape(x.shape), cache

    def spatial_batchnorm_backward(dout, cache):
        dx, gradients = np.empty(dout.size), []
        for c, (normal, factor) in enumerate(cache):
            d = np.ravel(dout)[c :: len(cache)]
            gradients.append((d @ normal, d.sum()))
            dx[c :: len(cache)] = factor * (d - d.mean() - normal * (d @ normal) / len(d))
        return dx.reshape(dout.shape), *np.transpose(gradients)

    return {
        "spatial_batchnorm_forward": spatial_batchnorm_forward,
        "spatial_batchnorm_backward": spatial_batchnorm_backward,
    }


def rows_for_maps(values):
    """Take numbers that lie channel by channel at each position for maps."""
    N, C, H, W = values.shape
    flat = [values[n, c, h, w] for n in range(N) for h in range(H) for w in range(W) for c in range(C)]
    return np.array(flat).reshape(N, C, H, W)


def maps_for_rows(values):
    """Take maps for rows, and move the channels of those to their axis."""
    N, C, H, W = values.shape
    return np.einsum("nhwc->nchw", np.reshape(values, (N, H, W, C)))


def pixels(dout):
    return dout.shape[2] * dout.shape[3]


def all_moments(x):
    mus = averaged(x, "c") * pixels(x)
    return mus, averaged((x - mus) ** 2, "c") * pixels(x)


def unbiased(x):
    n = x.size / x.shape[1]
    mus, variances = moments(x)
    return mus, variances * (n / (n - 1))


def only_var(new):
    def rule(old, x, mus, variances, m, eps):
        return step(old[0], of_channels(mus), m), new(old[1], x, of_channels(variances), m)

    return rule


def both(new):
    def rule(old, x, mus, variances, m, eps):
        return new(old[0], of_channels(mus), m), new(old[1], of_channels(variances), m)

    return rule


def in_place(x, mus, invs):
    np.subtract(x, mus, out=x)
    return x * invs


def moved_on(old, x, m, bn_param):
    mus, variances = moments(x)
    bn_param["running_mean"] = step(old[0], of_channels(mus), m)
    bn_param["running_var"] = step(old[1], of_channels(variances), m)
    return running(old, x, m, bn_param)


def overwriting(dout, c):
    right = gradient(dout, c)
    dout -= 1
    return right


def losing_the_cache(dout, c):
    right = gradient(dout, c)
    c.hat *= 0.5
    return right


def sums(rule):
    return {
        "dgamma": lambda dout, c: rule(dout * c.hat, dout.shape),
        "dbeta": lambda dout, c: rule(dout, dout.shape),
    }


SECOND = {
    "channels not moved": strided(),
    "channels not moved back": layer(finish=rows_for_maps),
    "statistics per pixel": layer(keep="chw"),
    "statistics per map": layer(keep="nc"),
    "statistics over all channels": layer(keep=""),
    "statistics per image": layer(keep="n"),
    "statistics per column of the maps": layer(keep="cw"),
    "statistics per row of the maps": layer(keep="ch"),
    "sums over positions divided by N": layer(moments=all_moments),
    "variance of maps over n-1": layer(moments=unbiased),
    "mean of squares of maps": layer(
        moments=lambda x: (averaged(x, "c"), averaged(np.square(x), "c") - np.square(averaged(x, "c")))
    ),
    "eps outside the root of maps": layer(inverse=lambda var, eps: 1 / (var**0.5 + eps)),
    "no eps for maps": layer(inverse=lambda var, eps: inverse(var, 0)),
    "constant eps for maps": layer(inverse=lambda var, eps: inverse(var, 0.00001)),
    "eps added twice to maps": layer(inverse=lambda var, eps: inverse(var + eps, eps)),
    "maps divided by the variance": layer(inverse=lambda var, eps: (var + eps) ** -1.0),
    "mean of maps not subtracted": layer(hat=lambda x, mus, invs: hat(x, 0, invs)),
    "gamma and beta of maps swapped": layer(out=lambda h, gamma, beta: scaled(h, beta, gamma)),
    "beta of maps forgotten": layer(out=lambda h, gamma, beta: h * gamma),
    "neither gamma nor beta of maps": layer(out=lambda h, gamma, beta: +h),
    "maps overwritten": layer(hat=in_place),
    "running averages of maps not stored": layer(stored=lambda old, *_: old),
    "running averages of maps with four axes": layer(stored=both(lambda old, new, m: each(step(old, new, m)))),
    "momentum of maps swapped": layer(stored=both(lambda old, new, m: step(old, new, 1 - m))),
    "momentum of maps ignored": layer(stored=both(lambda old, new, m: (9 * old + new) / 10)),
    "last batch of maps only": layer(stored=both(lambda old, new, m: new)),
    "unbiased variance of maps stored": layer(
        stored=only_var(lambda old, x, var, m: m * old + (1 - m) * of_channels(unbiased(x)[1]))
    ),
    "variance of maps corrected by N": layer(
        stored=only_var(lambda old, x, var, m: step(old, var / (1 - 1 / x.shape[0]), m))
    ),
    "standard deviation of maps stored": layer(stored=only_var(lambda old, x, var, m: step(old, var**0.5, m))),
    "batch statistics of maps in test mode": layer(in_test=lambda old, x, m, bn_param: moments(x)),
    "running averages of maps updated in test mode": layer(in_test=moved_on),
    "no eps for maps in test mode": layer(test_inverse=lambda var, eps: var**-0.5),
    "means of maps divided by N": layer(dx=lambda dout, c: gradient(dout, c, pixels(dout), pixels(dout))),
    "means of maps not divided": layer(
        dx=lambda dout, c: gradient(dout, c, dout.size / dout.shape[1], dout.size / dout.shape[1])
    ),
    "means of maps over n-1": layer(dx=lambda dout, c: gradient(dout, c, *[1 / (1 - dout.shape[1] / dout.size)] * 2)),
    "means per pixel in backward": layer(dx=lambda dout, c: gradient(dout, c, keep="chw")),
    "means per map in backward": layer(dx=lambda dout, c: gradient(dout, c, keep="nc")),
    "means over all channels in backward": layer(dx=lambda dout, c: gamma_outside(dout, c)),
    "statistics of maps held constant": layer(dx=lambda dout, c: gradient(dout, c, 0, 0)),
    "mean path of maps missing": layer(dx=lambda dout, c: gradient(dout, c, ones=0)),
    "variance path of maps missing": layer(dx=lambda dout, c: gradient(dout, c, hats=0)),
    "sign of the variance path of maps": layer(dx=lambda dout, c: gradient(dout, c, hats=-1)),
    "gamma of maps forgotten in backward": layer(dx=lambda dout, c: gradient(dout, c) / each(c.gamma)),
    "maps' dx not divided by the standard deviation": layer(dx=lambda dout, c: gradient(dout, c) / c.inv),
    "maps' dx divided by the variance": layer(dx=lambda dout, c: gradient(dout, c) * c.inv),
    "eps missing in the maps' dx": layer(dx=lambda dout, c: gradient(dout, c) / c.inv * c.var**-0.5),
    "dout of maps not moved": layer(
        dx=lambda dout, c: gradient(maps_for_rows(dout), c),
        dgamma=lambda dout, c: summed(maps_for_rows(dout) * c.hat, "c"),
        dbeta=lambda dout, c: summed(maps_for_rows(dout), "c"),
    ),
    "dx of maps not moved back": layer(dx=lambda dout, c: rows_for_maps(gradient(dout, c))),
    "dout of maps overwritten": layer(dx=overwriting),
    "cache of maps overwritten": layer(dx=losing_the_cache),
    "parameter gradients of maps per pixel": layer(**sums(lambda values, shape: summed(values, "chw"))),
    "parameter gradients of maps per image": layer(**sums(lambda values, shape: summed(values, "nc"))),
    "parameter gradients of maps averaged": layer(**sums(lambda values, shape: of_channels(values))),
    "parameter gradients of maps divided by N": layer(**sums(lambda values, shape: summed(values, "c") / shape[0])),
    "parameter gradients of maps with four axes": layer(**sums(lambda values, shape: each(summed(values, "c")))),
    "parameter gradients of maps summed to a number": layer(**sums(lambda values, shape: np.sum(values))),
    "dgamma and dbeta of maps swapped": layer(
        dgamma=lambda dout, c: summed(dout, "c"), dbeta=lambda dout, c: summed(dout * c.hat, "c")
    ),
    "dgamma of maps from x": layer(dgamma=lambda dout, c: summed(dout * c.x, "c")),
    "dgamma of maps from the scaled output": layer(dgamma=lambda dout, c: c.gamma * summed(dout * c.hat, "c")),
}


OUTSIDE = {
    "maps with the median for the mean": layer(
        moments=lambda x: (each(np.median(x, axis=(0, 2, 3))), moments(x)[1] + 0 * x)
    ),
    "maps normalized by the first image": layer(
        moments=lambda x: [np.broadcast_to(m, x.shape) for m in moments(x[:1])]
    ),
    "maps with H and W of out exchanged": layer(
        finish=lambda out: np.ascontiguousarray(np.swapaxes(out, 2, 3)).reshape(out.shape)
    ),
    "maps with beta subtracted": layer(out=lambda h, gamma, beta: gamma * h - beta),
    "channels in reverse": layer(finish=lambda out: out[:, ::-1]),
    "one running step for each image": layer(
        stored=both(lambda old, new, m: step(step(step(old, new, m), new, m), new, m))
    ),
    "running variance of maps doubled": layer(stored=only_var(lambda old, x, var, m: step(old, 2 * var, m))),
    "dx of maps is zero": layer(dx=lambda dout, c: np.zeros(dout.shape)),
    "dx of maps is dout": layer(dx=lambda dout, c: +dout),
    "dx of maps with the images in reverse": layer(dx=lambda dout, c: gradient(dout, c)[::-1]),
    "dgamma of maps from absolute values": layer(dgamma=lambda dout, c: summed(np.abs(dout * c.hat), "c")),
    "dbeta of the first pixel": layer(dbeta=lambda dout, c: dout[:, :, 0, 0].sum(0)),
}
