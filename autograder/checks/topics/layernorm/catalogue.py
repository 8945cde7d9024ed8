"""What students make of layer normalization, each made from the reference by a change of a line or two."""

from autograder.checks.topic import Misconception

VALUE = "layernorm_forward-value"
DX, DGAMMA, DBETA = (f"layernorm_backward-{part}" for part in ("dx", "dgamma", "dbeta"))
_ALL = (VALUE, DX, DGAMMA, DBETA)  # where the forward pass ends with an error, the backward pass cannot be tried

Changes = tuple[tuple[str, str, str], ...]


def _entry(name: str, sentence: str, section: str, breaks: tuple[str, ...], changes: Changes) -> Misconception:
    return Misconception(name, sentence, section, breaks, changes, "layernorm")


def _forward(*changes: tuple[str, str]) -> Changes:
    return tuple(("layernorm_forward", *change) for change in changes)


def _backward(*changes: tuple[str, str]) -> Changes:
    return tuple(("layernorm_backward", *change) for change in changes)


# Lines of the reference that the changes below replace.
_MU = "mu = x.mean(axis=1, keepdims=True)"
_VAR = "var = ((x - mu) ** 2).mean(axis=1, keepdims=True)"
_INV_STD = "inv_std = 1 / np.sqrt(var + eps)"
_X_HAT = "x_hat = (x - mu) * inv_std"
_OUT = "out = gamma * x_hat + beta"
_CACHE = "cache = (x_hat, inv_std, gamma)"
_UNPACK = "x_hat, inv_std, gamma = cache"
_DX_HAT = "dx_hat = dout * gamma"
_ALONG_ONES = "along_ones = dx_hat.mean(axis=1, keepdims=True)"
_ALONG_X_HAT = "along_x_hat = (dx_hat * x_hat).mean(axis=1, keepdims=True)"
_DX = "dx = inv_std * (dx_hat - along_ones - x_hat * along_x_hat)"
_RETURN = "return dx, dgamma, dbeta"


def _means(axes: str) -> Changes:
    """Take all means over other axes, backward as forward."""
    return _forward((_MU, _MU.replace("axis=1", axes)), (_VAR, _VAR.replace("axis=1", axes))) + _means_backward(axes)


def _means_backward(axes: str) -> Changes:
    return _backward(
        (_ALONG_ONES, _ALONG_ONES.replace("axis=1", axes)), (_ALONG_X_HAT, _ALONG_X_HAT.replace("axis=1", axes))
    )


# fmt: off
FORWARD = (
    _entry("layer statistics over the batch", "the mean and the variance are those of a feature over the batch, as in batch normalization",
           "sec-beyond-layer", (VALUE,), _means("axis=0")),
    _entry("layer statistics over the whole array", "all examples share a mean and a variance", "sec-beyond-layer",
           (VALUE,), _means("axis=None")),
    _entry("row statistics broadcast along the features",
           "the mean and the variance of example j, of shape (N,), are broadcast so that they meet column j and not row j",
           "sec-beyond-layer", _ALL, _forward((_MU, "mu = x.mean(axis=1)"), (_VAR, "var = x.var(axis=1)"))),
    _entry("row means broadcast, and the variance from the differences",
           "the means of the examples, of shape (N,), meet the columns, and the variance is taken of these wrong differences",
           "sec-beyond-layer", _ALL,
           _forward((_MU, "mu = x.mean(axis=1)"), (_VAR, "var = ((x - mu) ** 2).mean(axis=1)"))),
    _entry("row variances broadcast along the features",
           "the variance of example j, of shape (N,), is broadcast so that it meets column j and not row j",
           "sec-beyond-layer", _ALL, _forward((_VAR, "var = ((x - mu) ** 2).mean(axis=1)"))),
    _entry("gamma and beta along the examples", "gamma and beta scale and shift examples and not features",
           "sec-beyond-layer", _ALL, _forward((_OUT, "out = gamma[:, None] * x_hat + beta[:, None]"))),
    _entry("layer variance over D-1", "the variance of an example divides by D - 1 instead of D", "sec-forward-variance",
           (VALUE, DX), _forward((_VAR, "var = x.var(axis=1, ddof=1, keepdims=True)"))),
    _entry("mean of squares of examples", "the variance of an example is computed as mean(x**2) - mu**2, which loses its digits far from zero",
           "sec-forward-accuracy", (VALUE,), _forward((_VAR, "var = (x**2).mean(axis=1, keepdims=True) - mu**2"))),
    _entry("eps outside the root of layers", "eps is added to the standard deviation of an example, outside the square root",
           "sec-forward-normalize", (VALUE, DX), _forward((_INV_STD, "inv_std = 1 / (np.sqrt(var) + eps)"))),
    _entry("no eps for layers", "the examples are normalized without eps", "sec-forward-normalize",
           (VALUE, DX, DGAMMA), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var)"))),
    _entry("constant eps for layers", "the examples are normalized with an eps of 1e-5, whatever ln_param says",
           "sec-forward-normalize", (VALUE, DX, DGAMMA), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var + 1e-5)"))),
    _entry("eps added twice to layers", "eps is added twice to the variance of an example", "sec-forward-normalize",
           (VALUE,), _forward((_INV_STD, "inv_std = 1 / np.sqrt(var + 2 * eps)"))),
    _entry("examples divided by the variance", "the examples are divided by the variance and not by its square root",
           "sec-forward-normalize", (VALUE, DX), _forward((_INV_STD, "inv_std = 1 / (var + eps)"))),
    _entry("root of layers taken twice", "the standard deviation of an example is used where its variance belongs",
           "sec-forward-normalize", (VALUE, DX), _forward((_INV_STD, "inv_std = 1 / np.sqrt(np.sqrt(var) + eps)"))),
    _entry("mean of examples not subtracted", "the mean of an example is not subtracted", "sec-beyond-layer",
           (VALUE, DX), _forward((_X_HAT, "x_hat = x * inv_std"))),
    _entry("mean square of examples for the variance", "the mean is left out, and the mean square stands for the variance, as in RMSNorm",
           "sec-beyond-transformers", (VALUE,),
           _forward((_MU, "mu = np.zeros((len(x), 1), dtype=x.dtype)")) + _backward((_ALONG_ONES, "along_ones = 0"))),
    _entry("gamma and beta of layers swapped", "gamma and beta have changed places in layer normalization",
           "sec-forward-scale-shift", (VALUE,), _forward((_OUT, "out = beta * x_hat + gamma"))),
    _entry("shifted before scaled in layers", "beta is added to the normalized example before gamma multiplies",
           "sec-forward-scale-shift", (VALUE,), _forward((_OUT, "out = gamma * (x_hat + beta)"))),
    _entry("beta of layers forgotten", "beta is not added to the normalized example", "sec-forward-scale-shift", (VALUE,),
           _forward((_OUT, "out = gamma * x_hat"))),
    _entry("gamma of layers forgotten", "gamma does not multiply the normalized example", "sec-forward-scale-shift", (VALUE,),
           _forward((_OUT, "out = x_hat + beta"))),
    _entry("neither gamma nor beta of layers", "the normalized example is returned without scale and shift",
           "sec-forward-scale-shift", (VALUE,), _forward((_OUT, "out = x_hat"))),
    _entry("examples overwritten", "the examples in x are overwritten", "sec-forward-normalize", (VALUE,),
           _forward((_X_HAT, "x -= mu\n    x_hat = x * inv_std"))),
)

BACKWARD = (
    _entry("gamma outside of the means", "gamma is pulled out of the means, as if it were the same for all features of an example",
           "sec-beyond-layer", (DX,), _backward((_DX_HAT, "dx_hat = dout"), (_DX, "dx = gamma * inv_std * (dx_hat - along_ones - x_hat * along_x_hat)"))),
    _entry("layer means over the batch", "the two means in dx run over the batch and not over the features",
           "sec-beyond-layer", (DX,), _means_backward("axis=0")),
    _entry("layer means of shape (N,)", "the two means in dx have shape (N,) and meet the columns and not the rows",
           "sec-beyond-layer", (DX, DGAMMA, DBETA),
           _backward((_ALONG_ONES, "along_ones = dx_hat.mean(axis=1)"), (_ALONG_X_HAT, "along_x_hat = (dx_hat * x_hat).mean(axis=1)"))),
    _entry("layer means divided by N", "the two means in dx are sums over the features that are divided by N",
           "sec-beyond-layer", (DX,),
           _backward((_ALONG_ONES, "along_ones = dx_hat.sum(axis=1, keepdims=True) / len(dout)"),
                     (_ALONG_X_HAT, "along_x_hat = (dx_hat * x_hat).sum(axis=1, keepdims=True) / len(dout)"))),
    _entry("layer means not divided", "the two means in dx are sums over the features, without a division by D",
           "sec-beyond-layer", (DX,),
           _backward((_ALONG_ONES, "along_ones = dx_hat.sum(axis=1, keepdims=True)"),
                     (_ALONG_X_HAT, "along_x_hat = (dx_hat * x_hat).sum(axis=1, keepdims=True)"))),
    _entry("layer means over D-1", "the two means in dx divide by D - 1", "sec-beyond-layer", (DX,),
           _backward((_DX, "dx = inv_std * (dx_hat - (along_ones + x_hat * along_x_hat) * dout.shape[1] / (dout.shape[1] - 1))"))),
    _entry("statistics of examples held constant", "the mean and the variance of an example are treated as constants",
           "sec-backward-paths", (DX,), _backward((_DX, "dx = inv_std * dx_hat"))),
    _entry("mean path of examples missing", "the path through the mean of an example is missing", "sec-backward-paths", (DX,),
           _backward((_DX, "dx = inv_std * (dx_hat - x_hat * along_x_hat)"))),
    _entry("variance path of examples missing", "the path through the variance of an example is missing", "sec-backward-paths",
           (DX,), _backward((_DX, "dx = inv_std * (dx_hat - along_ones)"))),
    _entry("sign of the variance path of examples", "the path through the variance of an example has the wrong sign",
           "sec-backward-closed-form", (DX,), _backward((_DX, "dx = inv_std * (dx_hat - along_ones + x_hat * along_x_hat)"))),
    _entry("diagonal only in layers", "each entry of dx takes only its own output into account, without a mean over the features",
           "sec-backward-paths", (DX,),
           _backward((_DX, "dx = inv_std * dx_hat * (1 - (1 + x_hat**2) / dout.shape[1])"))),
    _entry("gamma of layers forgotten in backward", "gamma is left out of the dx of layer normalization", "sec-backward-nodes",
           (DX,), _backward((_DX_HAT, "dx_hat = dout"))),
    _entry("layers' dx not divided by the standard deviation", "the dx of an example is not divided by its standard deviation",
           "sec-backward-closed-form", (DX,), _backward((_DX, "dx = dx_hat - along_ones - x_hat * along_x_hat"))),
    _entry("layers' dx divided by the variance", "the dx of an example is divided by its variance and not by the square root",
           "sec-backward-closed-form", (DX,), _backward((_DX, "dx = inv_std**2 * (dx_hat - along_ones - x_hat * along_x_hat)"))),
    _entry("eps missing in the layers' dx", "eps is left out of the dx of layer normalization", "sec-backward-closed-form", (DX,),
           _forward((_CACHE, "cache = (x_hat, inv_std, gamma, eps)"))
           + _backward((_UNPACK, "x_hat, inv_std, gamma, eps = cache\n    inv_std = 1 / np.sqrt(inv_std**-2 - eps)"))),
    _entry("dout of layers overwritten", "dout is overwritten by layer normalization", "sec-backward-closed-form", (DX,),
           _backward((_DX_HAT, "dout *= gamma\n    dx_hat = dout"))),
    _entry("cache of examples overwritten", "the cache of layer normalization is changed, so that a second call finds other numbers in it",
           "sec-backward-closed-form", (DX,),
           _backward((_DX, "x_hat *= along_x_hat\n    dx = inv_std * (dx_hat - along_ones - x_hat)"))),
    _entry("layer gradients over the features", "dgamma and dbeta are summed over the features and have one entry per example",
           "sec-beyond-layer", (DGAMMA, DBETA),
           _backward((_RETURN, "return dx, (dout * x_hat).sum(axis=1), dout.sum(axis=1)"))),
    _entry("layer gradients averaged", "dgamma and dbeta of layer normalization are means over the batch and not sums",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dgamma / len(dout), dbeta / len(dout)"))),
    _entry("layer gradients not summed", "dgamma and dbeta of layer normalization are not summed over the batch",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dout * x_hat, dout.copy()"))),
    _entry("layer gradients of shape (1, D)", "dgamma and dbeta of layer normalization have shape (1, D)",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dgamma[None], dbeta[None]"))),
    _entry("layer gradients summed to a number", "dgamma and dbeta of layer normalization are summed over the features too",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dgamma.sum(), dbeta.sum()"))),
    _entry("layer gradients swapped", "dgamma and dbeta of layer normalization have changed places",
           "sec-backward-parameters", (DGAMMA, DBETA), _backward((_RETURN, "return dx, dbeta, dgamma"))),
    _entry("layer dgamma from x", "dgamma is the sum of dout * x over the examples and not of dout * x_hat",
           "sec-backward-parameters", (DGAMMA,),
           _forward((_CACHE, "cache = (x_hat, inv_std, gamma, x)"))
           + _backward((_UNPACK, "x_hat, inv_std, gamma, x = cache"), (_RETURN, "return dx, (dout * x).sum(axis=0), dbeta"))),
    _entry("layer dgamma from the scaled output", "dgamma is the sum of dout * gamma * x_hat over the examples and not of dout * x_hat",
           "sec-backward-parameters", (DGAMMA,), _backward((_RETURN, "return dx, dgamma * gamma, dbeta"))),
)
# fmt: on

CATALOGUE = FORWARD + BACKWARD

# Forward passes that are layers of their own, and of which a backward pass can be the right gradient.
CARRIED = tuple(entry.name for entry in FORWARD if DBETA not in entry.breaks and DGAMMA not in entry.breaks)
