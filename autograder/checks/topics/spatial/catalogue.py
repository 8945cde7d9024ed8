"""What students make of the axes of feature maps, each made from the reference by a change of a line or two."""

from autograder.checks.topic import Misconception

TRAIN, RUNNING, TEST = (f"spatial_batchnorm_forward-{part}" for part in ("train", "running", "test"))
DX, DGAMMA, DBETA = (f"spatial_batchnorm_backward-{part}" for part in ("dx", "dgamma", "dbeta"))

Changes = tuple[tuple[str, str, str], ...]


def _entry(name: str, sentence: str, section: str, breaks: tuple[str, ...], changes: Changes) -> Misconception:
    return Misconception(name, sentence, section, breaks, changes, "spatial")


def _forward(*changes: tuple[str, str]) -> Changes:
    return tuple(("spatial_batchnorm_forward", *change) for change in changes)


def _backward(*changes: tuple[str, str]) -> Changes:
    return tuple(("spatial_batchnorm_backward", *change) for change in changes)


# Lines of the reference that the changes below replace.
_MODE = 'mode = bn_param["mode"]'
_MU = "mu = x.mean(axis=(0, 2, 3))"
_VAR = "var = ((x - mu[:, None, None]) ** 2).mean(axis=(0, 2, 3))"
_MEAN_STEP = "momentum * running_mean + (1 - momentum) * mu"
_VAR_STEP = "momentum * running_var + (1 - momentum) * var"
_TEST = "mu, var = running_mean, running_var"
_INV_STD = "inv_std = 1 / np.sqrt(var + eps)"
_X_HAT = "x_hat = (x - mu[:, None, None]) * inv_std[:, None, None]"
_OUT = "out = gamma[:, None, None] * x_hat + beta[:, None, None]"
_CACHE = "cache = (x_hat, inv_std, gamma)"
_UNPACK = "x_hat, inv_std, gamma = cache"
_MEANS = "along_ones, along_x_hat = dbeta[:, None, None] / n, dgamma[:, None, None] / n"
_DX = "dx = (gamma * inv_std)[:, None, None] * (dout - along_ones - x_hat * along_x_hat)"
_RETURN = "return dx, dgamma, dbeta"


def _over(axes: str) -> Changes:
    """Take all means over other axes, backward as forward; the running averages take the mean of what comes out."""
    per_channel = "(1 - momentum) * np.broadcast_to({}, x.shape).mean(axis=(0, 2, 3))"
    forward = _forward(
        (_MU, f"mu = x.mean(axis={axes}, keepdims=True)"),
        (_VAR, f"var = ((x - mu) ** 2).mean(axis={axes}, keepdims=True)"),
        (_MEAN_STEP, "momentum * running_mean + " + per_channel.format("mu")),
        (_VAR_STEP, "momentum * running_var + " + per_channel.format("var")),
        (_TEST, "mu, var = running_mean[:, None, None], running_var[:, None, None]"),
        (_X_HAT, "x_hat = (x - mu) * inv_std"),
    )
    backward = _backward(
        (_MEANS, f"d = gamma[:, None, None] * dout\n    along_ones = d.mean(axis={axes}, keepdims=True)"),
        (_DX, f"dx = inv_std * (d - along_ones - x_hat * (d * x_hat).mean(axis={axes}, keepdims=True))"),
    )
    return forward + backward


# fmt: off
FORWARD = (
    _entry("channels not moved", "the maps become rows without a move of the channels to the last axis, so that a row holds neighbouring pixels",
           "sec-beyond-spatial", (TRAIN, RUNNING, TEST),
           _forward((_MODE, "shape = x.shape\n    x = x.reshape(-1, shape[1], 1, 1)\n    " + _MODE),
                    ("return out, cache", "return out.reshape(shape), cache"))
           + _backward((_UNPACK, "shape = dout.shape\n    dout = dout.reshape(-1, shape[1], 1, 1)\n    " + _UNPACK),
                       (_RETURN, "return dx.reshape(shape), dgamma, dbeta"))),
    _entry("channels not moved back", "the rows of out become maps without a move of the channels back to their axis",
           "sec-beyond-spatial", (TRAIN, TEST),
           _forward(("return out, cache", "return np.moveaxis(out, 1, 3).reshape(x.shape), cache"))),
    _entry("statistics per pixel", "each pixel has a mean and a variance of its own, over N alone",
           "sec-beyond-spatial", (TRAIN, RUNNING), _over("0")),
    _entry("statistics per map", "each map of each example has a mean and a variance of its own, over H and W alone",
           "sec-beyond-axes", (TRAIN, RUNNING), _over("(2, 3)")),
    _entry("statistics over all channels", "all channels share a mean and a variance", "sec-beyond-axes",
           (TRAIN, RUNNING), _over("(0, 1, 2, 3)")),
    _entry("statistics per image", "each example has a mean and a variance of its own, over C, H and W",
           "sec-beyond-axes", (TRAIN, RUNNING), _over("(1, 2, 3)")),
    _entry("statistics per column of the maps", "each column of the maps has a mean and a variance of its own: W is left out of the averages",
           "sec-beyond-spatial", (TRAIN, RUNNING), _over("(0, 2)")),
    _entry("statistics per row of the maps", "each row of the maps has a mean and a variance of its own: H is left out of the averages",
           "sec-beyond-spatial", (TRAIN, RUNNING), _over("(0, 3)")),
    _entry("sums over positions divided by N", "the sums over N, H and W are divided by N alone", "sec-beyond-spatial",
           (TRAIN, RUNNING, DX),
           _forward((_MU, "mu = x.sum(axis=(0, 2, 3)) / len(x)"),
                    (_VAR, "var = ((x - mu[:, None, None]) ** 2).sum(axis=(0, 2, 3)) / len(x)"))),
    _entry("variance of maps over n-1", "the variance of a channel divides by N * H * W - 1 instead of N * H * W",
           "sec-forward-variance", (TRAIN, RUNNING, DX), _forward((_VAR, "var = x.var(axis=(0, 2, 3), ddof=1)"))),
    _entry("mean of squares of maps", "the variance of a channel is computed as mean(x**2) - mu**2, which loses its digits far from zero",
           "sec-forward-accuracy", (TRAIN,), _forward((_VAR, "var = (x**2).mean(axis=(0, 2, 3)) - mu**2"))),
    _entry("eps outside the root of maps", "eps is added to the standard deviation of a channel, outside the square root",
           "sec-forward-normalize", (TRAIN, TEST, DX), _forward((_INV_STD, "inv_std = 1 / (np.sqrt(var) + eps)"))),
    _entry("no eps for maps", "the maps are normalized without eps", "sec-forward-normalize",
           (TRAIN, TEST, DX, DGAMMA), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var)"))),
    _entry("constant eps for maps", "the maps are normalized with an eps of 1e-5, whatever bn_param says",
           "sec-forward-normalize", (TRAIN, TEST, DX, DGAMMA), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var + 1e-5)"))),
    _entry("eps added twice to maps", "eps is added twice to the variance of a channel", "sec-forward-normalize",
           (TRAIN, TEST), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var + 2 * eps)"))),
    _entry("maps divided by the variance", "the maps are divided by the variance and not by its square root",
           "sec-forward-normalize", (TRAIN, TEST, DX), _forward((_INV_STD, "inv_std = 1 / (var + eps)"))),
    _entry("mean of maps not subtracted", "the mean of a channel is not subtracted", "sec-forward-normalize",
           (TRAIN, TEST, DX), _forward((_X_HAT, "x_hat = x * inv_std[:, None, None]"))),
    _entry("gamma and beta of maps swapped", "gamma and beta of the channels have changed places", "sec-forward-scale-shift",
           (TRAIN, TEST), _forward((_OUT, "out = beta[:, None, None] * x_hat + gamma[:, None, None]"))),
    _entry("beta of maps forgotten", "beta is not added to the maps", "sec-forward-scale-shift", (TRAIN, TEST),
           _forward((_OUT, "out = gamma[:, None, None] * x_hat"))),
    _entry("neither gamma nor beta of maps", "the normalized maps are returned without scale and shift",
           "sec-forward-scale-shift", (TRAIN, TEST), _forward((_OUT, "out = x_hat"))),
    _entry("maps overwritten", "the maps in x are overwritten", "sec-forward-normalize", (TRAIN, TEST),
           _forward((_X_HAT, "x -= mu[:, None, None]\n    x_hat = x * inv_std[:, None, None]"))),
    _entry("running averages of maps not stored", "the running averages of the channels stay as they were",
           "sec-forward-running", (RUNNING,), _forward((_MODE, "bn_param = dict(bn_param)\n    " + _MODE))),
    _entry("running averages of maps with four axes", "the running averages of the channels have shape (1, C, 1, 1)",
           "sec-forward-running", (RUNNING,),
           _forward((_MEAN_STEP, "(" + _MEAN_STEP + ").reshape(1, -1, 1, 1)"),
                    (_VAR_STEP, "(" + _VAR_STEP + ").reshape(1, -1, 1, 1)"),
                    ('running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype))',
                     'running_mean = bn_param.get("running_mean", np.zeros(x.shape[1], dtype=x.dtype)).ravel()'),
                    ('running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype))',
                     'running_var = bn_param.get("running_var", np.zeros(x.shape[1], dtype=x.dtype)).ravel()'))),
    _entry("momentum of maps swapped", "momentum weighs the batch of maps and 1 - momentum the running average",
           "sec-forward-running", (RUNNING,),
           _forward((_MEAN_STEP, "(1 - momentum) * running_mean + momentum * mu"),
                    (_VAR_STEP, "(1 - momentum) * running_var + momentum * var"))),
    _entry("momentum of maps ignored", "momentum is 0.9 for all maps, whatever bn_param says", "sec-forward-running",
           (RUNNING,), _forward(('momentum = bn_param.get("momentum", 0.9)', "momentum = 0.9"))),
    _entry("last batch of maps only", "the running averages hold the statistics of the last batch of maps alone",
           "sec-forward-running", (RUNNING,), _forward((_MEAN_STEP, "mu"), (_VAR_STEP, "var"))),
    _entry("unbiased variance of maps stored", "the running variance collects the unbiased variance, over N * H * W - 1",
           "sec-forward-running", (RUNNING,),
           _forward((_VAR_STEP, "momentum * running_var + (1 - momentum) * x.var(axis=(0, 2, 3), ddof=1)"))),
    _entry("variance of maps corrected by N", "the stored variance is multiplied by N / (N - 1), where N counts images",
           "sec-forward-running", (RUNNING,),
           _forward((_VAR_STEP, "momentum * running_var + (1 - momentum) * var * (len(x) / (len(x) - 1))"))),
    _entry("standard deviation of maps stored", "the running variance collects the standard deviation of the channels",
           "sec-forward-running", (RUNNING,),
           _forward((_VAR_STEP, "momentum * running_var + (1 - momentum) * np.sqrt(var)"))),
    _entry("batch statistics of maps in test mode", "the statistics of the batch of maps normalize in test mode",
           "sec-forward-inference", (TEST,), _forward((_TEST, "mu, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))"))),
    _entry("running averages of maps updated in test mode", "the running averages of the channels go on moving in test mode",
           "sec-forward-inference", (TEST,),
           _forward((_TEST, _TEST + "\n"
                     '        bn_param["running_mean"] = momentum * mu + (1 - momentum) * x.mean(axis=(0, 2, 3))\n'
                     '        bn_param["running_var"] = momentum * var + (1 - momentum) * x.var(axis=(0, 2, 3))'))),
    _entry("no eps for maps in test mode", "the maps are normalized without eps in test mode", "sec-forward-inference",
           (TEST,), _forward((_INV_STD, 'inv_std = 1 / np.sqrt(var + eps * (mode == "train"))'))),
)

BACKWARD = (
    _entry("means of maps divided by N", "the two means in dx are sums over N, H and W that are divided by N alone",
           "sec-beyond-spatial", (DX,), _backward(("n = dout[:, 0].size", "n = len(dout)"))),
    _entry("means of maps not divided", "the two means in dx are sums, without a division by N * H * W",
           "sec-backward-closed-form", (DX,), _backward(("n = dout[:, 0].size", "n = 1.0"))),
    _entry("means of maps over n-1", "the two means in dx divide by N * H * W - 1", "sec-backward-closed-form", (DX,),
           _backward(("n = dout[:, 0].size", "n = dout[:, 0].size - 1"))),
    _entry("means per pixel in backward", "the two means in dx are taken for each pixel, over N alone",
           "sec-beyond-spatial", (DX,),
           _backward((_MEANS, "along_ones, along_x_hat = dout.mean(axis=0), (dout * x_hat).mean(axis=0)"))),
    _entry("means per map in backward", "the two means in dx are taken for each map of each example, over H and W alone",
           "sec-beyond-axes", (DX,),
           _backward((_MEANS, "along_ones = dout.mean(axis=(2, 3), keepdims=True)\n"
                      "    along_x_hat = (dout * x_hat).mean(axis=(2, 3), keepdims=True)"))),
    _entry("means over all channels in backward", "the two means in dx are taken over all channels", "sec-beyond-axes", (DX,),
           _backward((_MEANS, "along_ones, along_x_hat = dout.mean(), (dout * x_hat).mean()"))),
    _entry("statistics of maps held constant", "the mean and the variance of a channel are treated as constants",
           "sec-backward-paths", (DX,), _backward((_DX, "dx = (gamma * inv_std)[:, None, None] * dout"))),
    _entry("mean path of maps missing", "the path through the mean of a channel is missing", "sec-backward-paths", (DX,),
           _backward(("dout - along_ones - x_hat * along_x_hat", "dout - x_hat * along_x_hat"))),
    _entry("variance path of maps missing", "the path through the variance of a channel is missing", "sec-backward-paths",
           (DX,), _backward(("dout - along_ones - x_hat * along_x_hat", "dout - along_ones"))),
    _entry("sign of the variance path of maps", "the path through the variance of a channel has the wrong sign",
           "sec-backward-closed-form", (DX,),
           _backward(("dout - along_ones - x_hat * along_x_hat", "dout - along_ones + x_hat * along_x_hat"))),
    _entry("gamma of maps forgotten in backward", "gamma is left out of the maps' dx", "sec-backward-nodes", (DX,),
           _backward(("(gamma * inv_std)[:, None, None]", "inv_std[:, None, None]"))),
    _entry("maps' dx not divided by the standard deviation", "the maps' dx is not divided by the standard deviation",
           "sec-backward-closed-form", (DX,), _backward(("(gamma * inv_std)[:, None, None]", "gamma[:, None, None]"))),
    _entry("maps' dx divided by the variance", "the maps' dx is divided by the variance and not by its square root",
           "sec-backward-closed-form", (DX,),
           _backward(("(gamma * inv_std)[:, None, None]", "(gamma * inv_std**2)[:, None, None]"))),
    _entry("eps missing in the maps' dx", "eps is left out of the maps' dx", "sec-backward-closed-form", (DX,),
           _forward((_CACHE, "cache = (x_hat, inv_std, gamma, eps)"))
           + _backward((_UNPACK, "x_hat, inv_std, gamma, eps = cache\n    inv_std = 1 / np.sqrt(inv_std**-2 - eps)"))),
    _entry("dout of maps not moved", "dout becomes rows without a move of the channels to the last axis", "sec-beyond-spatial",
           (DX, DGAMMA, DBETA),
           _backward((_UNPACK, "x_hat, inv_std, gamma = cache\n    N, C, H, W = dout.shape\n"
                      "    dout = np.moveaxis(dout.reshape(N, H, W, C), 3, 1)"))),
    _entry("dx of maps not moved back", "the rows of dx become maps without a move of the channels back to their axis",
           "sec-beyond-spatial", (DX,),
           _backward((_RETURN, "return np.moveaxis(dx, 1, 3).reshape(dout.shape), dgamma, dbeta"))),
    _entry("dout of maps overwritten", "dout is overwritten by the maps' backward pass", "sec-backward-closed-form", (DX,),
           _backward((_DX, "dx = dout\n    dx -= along_ones + x_hat * along_x_hat\n    dx *= (gamma * inv_std)[:, None, None]"))),
    _entry("cache of maps overwritten", "the maps' cache is changed, so that a second call finds other numbers in it",
           "sec-backward-closed-form", (DX,),
           _backward((_DX, "x_hat *= along_x_hat\n    dx = (gamma * inv_std)[:, None, None] * (dout - along_ones - x_hat)"))),
    _entry("parameter gradients of maps per pixel", "dgamma and dbeta are summed over N alone and keep H and W",
           "sec-beyond-spatial", (DGAMMA, DBETA),
           _backward((_RETURN, "return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)"))),
    _entry("parameter gradients of maps per image", "dgamma and dbeta are summed over H and W alone and keep N",
           "sec-beyond-spatial", (DGAMMA, DBETA),
           _backward((_RETURN, "return dx, (dout * x_hat).sum(axis=(2, 3)), dout.sum(axis=(2, 3))"))),
    _entry("parameter gradients of maps averaged", "dgamma and dbeta are means over N, H and W and not sums",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dgamma / n, dbeta / n"))),
    _entry("parameter gradients of maps divided by N", "dgamma and dbeta are sums over N, H and W that are divided by N",
           "sec-backward-parameters", (DGAMMA, DBETA),
           _backward((_RETURN, "return dx, dgamma / len(dout), dbeta / len(dout)"))),
    _entry("parameter gradients of maps with four axes", "dgamma and dbeta have shape (1, C, 1, 1)",
           "sec-backward-parameters", (DGAMMA, DBETA),
           _backward((_RETURN, "return dx, dgamma.reshape(1, -1, 1, 1), dbeta.reshape(1, -1, 1, 1)"))),
    _entry("parameter gradients of maps summed to a number", "dgamma and dbeta are summed over the channels too",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dgamma.sum(), dbeta.sum()"))),
    _entry("dgamma and dbeta of maps swapped", "dgamma and dbeta of the channels have changed places",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dbeta, dgamma"))),
    _entry("dgamma of maps from x", "dgamma is the sum of dout * x over the maps and not of dout * x_hat",
           "sec-backward-parameters", (DGAMMA,),
           _forward((_CACHE, "cache = (x_hat, inv_std, gamma, x)"))
           + _backward((_UNPACK, "x_hat, inv_std, gamma, x = cache"),
                       (_RETURN, "return dx, (dout * x).sum(axis=(0, 2, 3)), dbeta"))),
    _entry("dgamma of maps from the scaled output", "dgamma is the sum of dout * gamma * x_hat over the maps and not of dout * x_hat",
           "sec-backward-parameters", (DGAMMA,), _backward((_RETURN, "return dx, dgamma * gamma, dbeta"))),
)
# fmt: on

CATALOGUE = FORWARD + BACKWARD

# Forward passes that are layers of their own, and of which a backward pass can be the right gradient.
CARRIED = tuple(entry.name for entry in FORWARD if TRAIN in entry.breaks and "eps for maps" not in entry.name)
