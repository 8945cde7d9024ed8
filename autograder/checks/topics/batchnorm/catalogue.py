"""The misconceptions: wrong implementations that students write, each made from the reference by one change."""

from autograder.checks.topic import Misconception

TRAIN, RUNNING, TEST, MODE, OFFSET = (
    f"batchnorm_forward-{part}" for part in ("train", "running", "test", "mode", "offset")
)
X_HAT, VAR, MU, X = (f"backward_{node}-value" for node in ("x_hat", "var", "mu", "x"))
DX = ("batchnorm_backward-dx", "batchnorm_backward_alt-dx")
DGAMMA = ("batchnorm_backward-dgamma", "batchnorm_backward_alt-dgamma")
DBETA = ("batchnorm_backward-dbeta", "batchnorm_backward_alt-dbeta")


_TWINS = ("batchnorm_backward", "batchnorm_backward_alt")


def _forward(
    name: str, sentence: str, section: str, breaks: tuple[str, ...], *changes: tuple[str, str], raises: str = ""
) -> Misconception:
    planted = tuple(("batchnorm_forward", *change) for change in changes)
    return Misconception(name, sentence, section, breaks, planted, "batchnorm", _TWINS, raises)


def _backward(
    name: str, sentence: str, section: str, breaks: tuple[str, ...], *changes: tuple[str, str, str]
) -> Misconception:
    return Misconception(name, sentence, section, breaks, changes, "batchnorm", _TWINS)


# Lines of the reference that the changes below replace.
_MU = "mu = x.mean(axis=0)"
_VAR = "var = ((x - mu) ** 2).mean(axis=0)"
_INV_STD = "inv_std = 1 / np.sqrt(var + eps)"
_X_HAT = "x_hat = (x - mu) * inv_std"
_OUT = "out = gamma * x_hat + beta"
_MEAN_STEP = "momentum * running_mean + (1 - momentum) * mu"
_VAR_STEP = "momentum * running_var + (1 - momentum) * var"
_TEST = "mu, var = running_mean, running_var"
_ALT = "gamma * inv_std * (dout - dbeta / N - x_hat * dgamma / N)"
_RETURN = "return dx, dgamma, dbeta"
_NORMALIZING = (TRAIN, TEST)

# fmt: off
FORWARD = (
    _forward("variance over N-1", "the variance divides by N - 1 instead of N", "sec-forward-variance",
             (TRAIN, RUNNING), (_VAR, "var = ((x - mu) ** 2).sum(axis=0) / (x.shape[0] - 1)")),
    _forward("eps outside the root", "eps is added outside the square root", "sec-forward-normalize",
             _NORMALIZING, (_INV_STD, "inv_std = 1 / (np.sqrt(var) + eps)")),
    _forward("no eps", "eps is left out", "sec-forward-normalize",
             _NORMALIZING, (_INV_STD, "inv_std = 1 / np.sqrt(var)")),
    _forward("constant eps", "eps is always 1e-5, whatever bn_param says", "sec-forward-normalize",
             _NORMALIZING, (_INV_STD, "inv_std = 1 / np.sqrt(var + 1e-5)")),
    _forward("eps added twice", "eps is added twice", "sec-forward-normalize",
             _NORMALIZING, (_INV_STD, "inv_std = 1 / np.sqrt(var + eps + eps)")),
    _forward("divided by the variance", "x is divided by the variance and not by its square root",
             "sec-forward-normalize", _NORMALIZING, (_INV_STD, "inv_std = 1 / (var + eps)")),
    _forward("root taken twice", "the standard deviation is used where the variance belongs, so that the root is taken twice",
             "sec-forward-normalize", _NORMALIZING, (_INV_STD, "inv_std = 1 / np.sqrt(np.sqrt(var) + eps)")),
    _forward("statistics over the whole array", "the mean and the variance are taken over the whole array",
             "sec-forward-mean", (TRAIN, RUNNING), (_MU, "mu = x.mean()"), (_VAR, "var = ((x - mu) ** 2).mean()")),
    _forward("variance over the whole array", "the variance is taken over the whole array", "sec-forward-variance",
             (TRAIN, RUNNING), (_VAR, "var = ((x - mu) ** 2).mean()")),
    _forward("statistics per example", "the mean and the variance are taken over the features of an example (axis=1)",
             "sec-forward-mean", (TRAIN, RUNNING),
             (_MU, "mu = x.mean(axis=1, keepdims=True)"), (_VAR, "var = ((x - mu) ** 2).mean(axis=1, keepdims=True)")),
    _forward("gamma and beta swapped", "gamma and beta have changed places", "sec-forward-scale-shift",
             _NORMALIZING, (_OUT, "out = beta * x_hat + gamma")),
    _forward("shifted before scaled", "beta is added before gamma multiplies", "sec-forward-scale-shift",
             _NORMALIZING, (_OUT, "out = gamma * (x_hat + beta)")),
    _forward("beta forgotten", "beta is not added", "sec-forward-scale-shift", _NORMALIZING, (_OUT, "out = gamma * x_hat")),
    _forward("gamma forgotten in forward", "gamma does not multiply", "sec-forward-scale-shift",
             _NORMALIZING, (_OUT, "out = x_hat + beta")),
    _forward("neither gamma nor beta", "x_hat is returned without scale and shift", "sec-forward-scale-shift",
             _NORMALIZING, (_OUT, "out = x_hat")),
    _forward("mean not subtracted", "the mean is not subtracted", "sec-forward-normalize",
             (TRAIN, TEST, OFFSET), (_X_HAT, "x_hat = x * inv_std")),
    _forward("no normalization", "x is scaled and shifted without being normalized", "sec-forward-normalize",
             (TRAIN, TEST, OFFSET), (_OUT, "out = gamma * x + beta")),
    _forward("running statistics in train mode", "the updated running averages normalize in train mode",
             "sec-forward-inference", (TRAIN, OFFSET),
             (_VAR_STEP, _VAR_STEP + '\n        mu, var = bn_param["running_mean"], bn_param["running_var"]')),
    _forward("mean of squares", "the variance is computed as mean(x**2) - mu**2, which loses its digits far from zero",
             "sec-forward-accuracy", (OFFSET,), (_VAR, "var = (x**2).mean(axis=0) - mu**2")),
    _forward("writes into x", "the result is written into x itself", "sec-forward-normalize",
             (TRAIN, TEST), (_X_HAT, "x -= mu\n    x_hat = x * inv_std")),
    _forward("momentum swapped", "momentum weighs the batch and 1 - momentum the running average",
             "sec-forward-running", (RUNNING,),
             (_MEAN_STEP, "(1 - momentum) * running_mean + momentum * mu"),
             (_VAR_STEP, "(1 - momentum) * running_var + momentum * var")),
    _forward("momentum ignored", "momentum is always 0.9, whatever bn_param says", "sec-forward-running",
             (RUNNING,), ('momentum = bn_param.get("momentum", 0.9)', "momentum = 0.9")),
    _forward("last batch only", "the running averages hold the last batch alone", "sec-forward-running",
             (RUNNING,), (_MEAN_STEP, "mu"), (_VAR_STEP, "var")),
    _forward("started from the first batch", "the running averages start at the first batch's statistics and not at zero",
             "sec-forward-running", (RUNNING,),
             (_MEAN_STEP, 'momentum * bn_param.get("running_mean", mu) + (1 - momentum) * mu'),
             (_VAR_STEP, 'momentum * bn_param.get("running_var", var) + (1 - momentum) * var')),
    _forward("unbiased variance stored", "the running variance collects the unbiased variance, with N - 1",
             "sec-forward-running", (RUNNING,),
             (_VAR_STEP, "momentum * running_var + (1 - momentum) * x.var(axis=0, ddof=1)")),
    _forward("standard deviation stored", "the running variance collects the standard deviation", "sec-forward-running",
             (RUNNING,), (_VAR_STEP, "momentum * running_var + (1 - momentum) * np.sqrt(var)")),
    _forward("eps stored", "eps is added to the variance before the running variance collects it", "sec-forward-running",
             (RUNNING,), (_VAR_STEP, "momentum * running_var + (1 - momentum) * (var + eps)")),
    _forward("averaged over all batches", "the running averages are plain means over all batches and not decaying ones",
             "sec-forward-running", (RUNNING,),
             (_MEAN_STEP, 'running_mean + (mu - running_mean) / bn_param.setdefault("batches", 1)'),
             (_VAR_STEP, 'running_var + (var - running_var) / bn_param["batches"]\n        bn_param["batches"] += 1')),
    _forward("never updated", "the running averages are never updated", "sec-forward-running",
             (RUNNING,), (_MEAN_STEP, "running_mean"), (_VAR_STEP, "running_var")),
    _forward("running variance from the running mean", "the running variance is built from the running mean",
             "sec-forward-running", (RUNNING,), (_VAR_STEP, "momentum * running_mean + (1 - momentum) * var")),
    _forward("running variance from ones", "the running variance starts at ones", "sec-forward-running", (RUNNING,),
             ('"running_var", np.zeros(', '"running_var", np.ones(')),
    _forward("running averages of shape (1, D)", "the running averages are stored with shape (1, D)", "sec-forward-running",
             (RUNNING,), (_MEAN_STEP, "(" + _MEAN_STEP + ").reshape(1, -1)"),
             (_VAR_STEP, "(" + _VAR_STEP + ").reshape(1, -1)")),
    _forward("updated in test mode", "the running averages go on moving in test mode", "sec-forward-inference", (TEST,),
             (_TEST, _TEST + "\n"
              '        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * x.mean(axis=0)\n'
              '        bn_param["running_var"] = momentum * running_var + (1 - momentum) * x.var(axis=0)')),
    _forward("no root in test mode", "the running variance divides in test mode without its square root",
             "sec-forward-inference", (TEST,),
             (_INV_STD, _INV_STD + ' if mode == "train" else 1 / (var + eps)')),
    _forward("no eps in test mode", "eps is left out in test mode", "sec-forward-inference", (TEST,),
             (_INV_STD, _INV_STD + ' if mode == "train" else 1 / np.sqrt(var)')),
    _forward("batch statistics in test mode", "the statistics of the batch normalize in test mode",
             "sec-forward-inference", (TEST,), (_TEST, "mu, var = x.mean(axis=0), x.var(axis=0)")),
    _forward("batch variance in test mode", "the running mean and the variance of the batch normalize in test mode",
             "sec-forward-inference", (TEST,), (_TEST, "mu, var = running_mean, x.var(axis=0)")),
    _forward("blended with the test batch", "the running averages take a step towards the test batch before they normalize",
             "sec-forward-inference", (TEST,),
             (_TEST, "mu = momentum * running_mean + (1 - momentum) * x.mean(axis=0)\n"
              "        var = momentum * running_var + (1 - momentum) * x.var(axis=0)")),
    _forward("unset in test mode", "a name that is used in test mode gets its value in train mode alone",
             "sec-forward-inference", (TEST,),
             ("cache = (x,", 'if mode == "train":\n        cache = (x,'), raises="UnboundLocalError"),
    _forward("unknown mode accepted", "a mode other than 'train' is taken for 'test'", "sec-forward-inference", (MODE,),
             ("raise ValueError(f\"bn_param['mode'] must be 'train' or 'test', not {mode!r}\")", _TEST)),
    _forward("mode not named", "the ValueError does not say which mode was given", "sec-forward-inference", (MODE,),
             ("raise ValueError(f\"bn_param['mode'] must be 'train' or 'test', not {mode!r}\")",
              'raise ValueError("invalid mode")')),
    _forward("mode has a default", "a missing mode is taken for 'train'", "sec-forward-inference", (MODE,),
             ('mode = bn_param["mode"]', 'mode = bn_param.get("mode", "train")')),
)

BACKWARD = (
    _backward("mean and variance held constant", "the mean and the variance are treated as constants", "sec-backward-paths",
           (X, *DX), ("backward_x", "through_x_hat + through_var + through_mu", "through_x_hat")),
    _backward("mean path missing", "the path through the mean is missing", "sec-backward-paths",
           (X, *DX), ("backward_x", "+ through_var + through_mu", "+ through_var")),
    _backward("variance path missing", "the path through the variance is missing", "sec-backward-paths",
           (X, *DX), ("backward_x", "+ through_var + through_mu", "+ through_mu")),
    _backward("diagonal only", "each example's gradient takes only its own output into account, without a sum over the batch",
           "sec-backward-paths", DX,
           ("batchnorm_backward_alt", _ALT, "gamma * inv_std * dout * (1 - 1 / N - x_hat**2 / N)")),
    _backward("dvar not summed", "dvar is not summed over the batch", "sec-backward-nodes", DX,
           ("batchnorm_backward_alt", _ALT, "gamma * inv_std * (dout - dbeta / N - x_hat * dout * x_hat / N)")),
    _backward("dmu not summed", "dmu is not summed over the batch", "sec-backward-nodes", DX,
           ("batchnorm_backward_alt", _ALT, "gamma * inv_std * (dout - dout / N - x_hat * dgamma / N)")),
    _backward("gamma forgotten", "gamma is left out of the backward pass", "sec-backward-nodes",
           (X_HAT, *DX), ("backward_x_hat", "return dout * gamma", "return dout")),
    _backward("one half lost", "the factor 1/2 of the root's derivative is lost", "sec-backward-nodes",
           (VAR, *DX), ("backward_var", "* -0.5", "* -1.0")),
    _backward("sign of dvar", "the minus sign of dvar is lost", "sec-backward-nodes",
           (VAR, *DX), ("backward_var", "* -0.5", "* 0.5")),
    _backward("root for the power -3/2", "the power of var + eps in dvar is -1/2 and not -3/2", "sec-backward-nodes",
           (VAR, *DX), ("backward_var", "** -1.5", "** -0.5")),
    _backward("eps missing in dvar", "eps is left out of dvar", "sec-backward-nodes",
           (VAR, *DX), ("backward_var", "(var + eps) **", "var **")),
    _backward("constant eps in dvar", "eps is always 1e-5 in dvar", "sec-backward-nodes",
           (VAR, *DX), ("backward_var", "(var + eps) **", "(var + 1e-5) **")),
    _backward("sign of dmu", "the minus sign of dmu is lost", "sec-backward-nodes",
           (MU, *DX), ("backward_mu", "-dx_hat.sum(axis=0)", "dx_hat.sum(axis=0)")),
    _backward("eps missing in dmu", "eps is left out of dmu", "sec-backward-nodes",
           (MU, *DX), ("backward_mu", "np.sqrt(var + eps)", "np.sqrt(var)")),
    _backward("dmu divided by the variance", "dmu divides by the variance and not by its square root", "sec-backward-nodes",
           (MU, *DX), ("backward_mu", "np.sqrt(var + eps)", "(var + eps)")),
    _backward("factor 2 lost", "the factor 2 of the square's derivative is lost", "sec-backward-nodes",
           (X, *DX), ("backward_x", "dvar * 2 * (x - mu) / N", "dvar * (x - mu) / N")),
    _backward("N-1 in the variance path", "the variance path divides by N - 1 instead of N", "sec-backward-nodes",
           (X, *DX), ("backward_x", "dvar * 2 * (x - mu) / N", "dvar * 2 * (x - mu) / (N - 1)")),
    _backward("1/N dropped in the variance path", "the variance path is not divided by N", "sec-backward-nodes",
           (X, *DX), ("backward_x", "dvar * 2 * (x - mu) / N", "dvar * 2 * (x - mu)")),
    _backward("1/N dropped in the mean path", "the mean path is not divided by N", "sec-backward-nodes",
           (X, *DX), ("backward_x", "through_mu = dmu / N", "through_mu = dmu")),
    _backward("x_hat path not divided", "the path through x_hat is not divided by the standard deviation", "sec-backward-nodes",
           (X, *DX), ("backward_x", "dx_hat / np.sqrt(var + eps)", "dx_hat")),
    _backward("eps missing in dx", "eps is left out of the path through x_hat", "sec-backward-nodes",
           (X, *DX), ("backward_x", "dx_hat / np.sqrt(var + eps)", "dx_hat / np.sqrt(var)")),
    _backward("eps missing in backward", "eps is left out of the backward pass", "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", _ALT, "gamma / np.sqrt(inv_std**-2 - eps) * (dout - dbeta / N - x_hat * dgamma / N)"),
           ("batchnorm_backward_alt", "_, x_hat, _, _, inv_std, gamma, _ = cache", "_, x_hat, _, _, inv_std, gamma, eps = cache")),
    _backward("eps outside the root in backward", "eps is added outside the square root in the backward pass",
           "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", _ALT, "gamma / (np.sqrt(inv_std**-2 - eps) + eps) * (dout - dbeta / N - x_hat * dgamma / N)"),
           ("batchnorm_backward_alt", "_, x_hat, _, _, inv_std, gamma, _ = cache", "_, x_hat, _, _, inv_std, gamma, eps = cache")),
    _backward("constant eps in backward", "eps is always 1e-5 in the backward pass", "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", _ALT, "gamma / np.sqrt(inv_std**-2 - eps + 1e-5) * (dout - dbeta / N - x_hat * dgamma / N)"),
           ("batchnorm_backward_alt", "_, x_hat, _, _, inv_std, gamma, _ = cache", "_, x_hat, _, _, inv_std, gamma, eps = cache")),
    _backward("N-1 in the means", "the means of dout and of dout * x_hat divide by N - 1 instead of N", "sec-backward-closed-form",
           DX, ("batchnorm_backward_alt", _ALT, "gamma * inv_std * (dout - dbeta / (N - 1) - x_hat * dgamma / (N - 1))")),
    _backward("cache overwritten", "the cache is changed, so that a second call finds other numbers in it",
           "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", "dx = " + _ALT, "x_hat *= dgamma / N\n    dx = gamma * inv_std * (dout - dbeta / N - x_hat)")),
    _backward("not divided by the standard deviation", "dx is not divided by the standard deviation", "sec-backward-closed-form",
           DX, ("batchnorm_backward_alt", _ALT, "gamma * (dout - dbeta / N - x_hat * dgamma / N)")),
    _backward("divided by the variance in backward", "dx is divided by the variance and not by its square root",
           "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", _ALT, "gamma * inv_std**2 * (dout - dbeta / N - x_hat * dgamma / N)")),
    _backward("1/N dropped", "the means of dout and of dout * x_hat are sums, without the division by N",
           "sec-backward-closed-form", DX,
           ("batchnorm_backward_alt", _ALT, "gamma * inv_std * (dout - dbeta - x_hat * dgamma)")),
    _backward("dout overwritten", "dout is overwritten", "sec-backward-closed-form", DX,
           ("batchnorm_backward", "dx_hat = backward_x_hat(dout, gamma)", "dout *= gamma\n    dx_hat = dout")),
    _backward("dgamma from x", "dgamma is the sum of dout * x and not of dout * x_hat", "sec-backward-parameters",
           DGAMMA, ("batchnorm_backward", _RETURN, "return dx, (dout * x).sum(axis=0), dbeta")),
    _backward("dgamma from x - mu", "dgamma is the sum of dout * (x - mu) and not of dout * x_hat", "sec-backward-parameters",
           DGAMMA, ("batchnorm_backward", _RETURN, "return dx, (dout * (x - mu)).sum(axis=0), dbeta")),
    _backward("dgamma from the scaled output", "dgamma is the sum of dout * gamma * x_hat and not of dout * x_hat",
           "sec-backward-parameters", DGAMMA,
           ("batchnorm_backward", _RETURN, "return dx, (dout * gamma * x_hat).sum(axis=0), dbeta")),
    _backward("parameter gradients averaged", "dgamma and dbeta are means over the batch and not sums", "sec-backward-parameters",
           (*DGAMMA, *DBETA), ("batchnorm_backward", _RETURN, "return dx, dgamma / len(dout), dbeta / len(dout)")),
    _backward("parameter gradients of shape (1, D)", "dgamma and dbeta have shape (1, D)", "sec-backward-parameters",
           (*DGAMMA, *DBETA), ("batchnorm_backward", _RETURN, "return dx, dgamma[None], dbeta[None]")),
    _backward("parameter gradients not summed", "dgamma and dbeta are not summed over the batch", "sec-backward-parameters",
           (*DGAMMA, *DBETA), ("batchnorm_backward", _RETURN, "return dx, dout * x_hat, dout")),
    _backward("parameter gradients summed to a number", "dgamma and dbeta are summed over the features too",
           "sec-backward-parameters", (*DGAMMA, *DBETA),
           ("batchnorm_backward", _RETURN, "return dx, dgamma.sum(), dbeta.sum()")),
    _backward("dgamma and dbeta swapped", "dgamma and dbeta have changed places", "sec-backward-parameters",
           (*DGAMMA, *DBETA), ("batchnorm_backward", _RETURN, "return dx, dbeta, dgamma")),
)
# fmt: on

CATALOGUE = FORWARD + BACKWARD
