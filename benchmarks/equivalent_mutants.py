"""Mutants of the reference that keep every point because they are no mistake, each with the reason."""

_BY_REASON: dict[str, tuple[str, ...]] = {
    "running averages of float32 batches may be kept in float64": (
        "batchnorm_forward: running_mean = bn_param.get('running_mean', np.zeros(x.shape[1]))",
        "batchnorm_forward: running_var = bn_param.get('running_var', np.zeros(x.shape[1]))",
        "spatial_batchnorm_forward: running_mean = bn_param.get('running_mean', np.zeros(x.shape[1]))",
        "spatial_batchnorm_forward: running_var = bn_param.get('running_var', np.zeros(x.shape[1]))",
    ),
    "the last axis of an array of two is its axis 1": (
        "batchnorm_forward: running_mean = bn_param.get('running_mean', np.zeros(x.shape[-1], dtype=x.dtype))",
        "batchnorm_forward: running_var = bn_param.get('running_var', np.zeros(x.shape[-1], dtype=x.dtype))",
        "shift_percentiles: return np.percentile(history, [15, 50, 85], axis=-1)",
        "layernorm_forward: mu = x.mean(axis=-1, keepdims=True)",
        "layernorm_forward: var = ((x - mu) ** 2).mean(axis=-1, keepdims=True)",
        "layernorm_backward: along_ones = dx_hat.mean(axis=-1, keepdims=True)",
        "layernorm_backward: along_x_hat = (dx_hat * x_hat).mean(axis=-1, keepdims=True)",
    ),
    "the cache belongs to its author, and what cannot read it is tried with the given forward pass": (
        "batchnorm_forward: cache = (x_hat, x, mu, var, inv_std, gamma, eps)",
    ),
    "an error names what was given; the rest of its wording is free": (
        "batchnorm_forward: raise ValueError(f\"bn_param['mode'] must be 'train' or 'test', not ?{mode!r}\")",
        "spatial_batchnorm_forward: raise ValueError(f\"bn_param['mode'] must be 'train' or 'test', not ?{mode!r}\")",
        "convert_running: raise ValueError(f\"the unbiased variance of 'pytorch' needs at least 2 values per feature, "
        'not n = ?{n}")',
        "convert_running: raise ValueError(f\"a convention must be 'book', 'keras' or 'pytorch', not ?{name!r}\")",
    ),
    "the deviations from the mean sum to zero, so this path is zero up to rounding, whatever its factor": (
        "backward_mu: through_var = (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar / -2 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * (x - mu).mean(axis=0)",
        "backward_mu: through_var = -2 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * -2 * (x - mu).mean()",
        "backward_mu: through_var = dvar * 2 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * -2 * (x - mu).sum(axis=0)",
        "backward_mu: through_var = dvar * -0 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * -3 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * -4 * (x - mu).mean(axis=0)",
        "backward_mu: through_var = dvar * --2 * (x - mu).mean(axis=0)",
        "backward_mu: return through_x_hat - through_var",
        "backward_mu: return through_x_hat",
    ),
    "at 0 both forms of the sigmoid are one half": ("sigmoid_forward: out = np.where(x > 0, 1, e) / (1 + e)",),
    "out serves as the cache, so the two are the same array": ("sigmoid_forward: return (cache, out)",),
    "there is one bn_param for each layer": (
        "stack_forward: for layer, bn_param in zip(layers, bn_params):",
        "stack_forward: for layer, bn_param in zip(layers, bn_params, strict=False):",
    ),
    "the list of caches is as long as that of weights": (
        "gradient_norms: for W, cache in zip(reversed(weights), reversed(caches)):",
        "gradient_norms: for W, cache in zip(reversed(weights), reversed(caches), strict=False):",
    ),
    "every entry is written before it is read": ("numerical_gradient: dx = np.ones_like(x)",),
    "the order of names, or of axes that are averaged together, does not matter": (
        "convert_running: for name in (target, source):",
        "convert_running: if 'pytorch' in (target, source) and n < 2:",
        "convert_running: if name not in ('keras', 'book', 'pytorch'):",
        "spatial_batchnorm_forward: mu = x.mean(axis=(2, 0, 3))",
        "spatial_batchnorm_forward: var = ((x - mu[:, None, None]) ** 2).mean(axis=(2, 0, 3))",
        "spatial_batchnorm_backward: dbeta = dout.sum(axis=(2, 0, 3))",
        "spatial_batchnorm_backward: dgamma = (dout * x_hat).sum(axis=(2, 0, 3))",
    ),
    "of four axes, the last but one is the axis 2": (
        "spatial_batchnorm_forward: mu = x.mean(axis=(0, -2, 3))",
        "spatial_batchnorm_forward: var = ((x - mu[:, None, None]) ** 2).mean(axis=(0, -2, 3))",
        "spatial_batchnorm_backward: dbeta = dout.sum(axis=(0, -2, 3))",
        "spatial_batchnorm_backward: dgamma = (dout * x_hat).sum(axis=(0, -2, 3))",
    ),
    "zero divided by any other number is zero": (
        "relative_error: return float(np.max(distance / np.where(scale == 0, 2, scale)))",
        "relative_error: return float(np.max(distance / np.where(scale == 0, -1, scale)))",
    ),
    "all channels have as many values": ("spatial_batchnorm_backward: n = dout[:, 1].size",),
    "a result may share memory with an argument: nobody writes into it": (
        "convert_running: return (mean.view(), var.copy(), momentum)",
        "convert_running: return (mean.copy(), var.view(), momentum)",
        "convert_running: return (mean.view(), var * (n / (n - 1)), 1 - momentum)",
        "convert_running: return (mean.view(), var * ((n - 1) / n), 1 - momentum)",
    ),
}

# A test of a layer is right if it accepts every right layer and refuses every planted mistake. A change that leaves it
# so has changed a choice which is the test's own.
_CHOICES = {
    "the inputs of a test are its own choice": (
        *(f"check_gradients: {name} = " for name in ("rng", "x", "gamma", "beta", "dout", "running", "bn_param")),
        "check_gradients: return all((agrees(",
    ),
    "the tolerance of a test, and what it is measured by, are its own choice": (
        "check_gradients: return all((np.shape(got) == want.shape and ",
    ),
    "the two of a pair may be compared either way round": ("check_gradients: pairs = ",),
    "what a test hands to a layer that writes into nothing need be no copy": (
        "check_gradients: return forward(",
        "check_gradients: dx, dgamma, dbeta = backward(",
    ),
}

EQUIVALENT = {mutant: reason for reason, mutants in _BY_REASON.items() for mutant in mutants}


def reason(mutant: str) -> str | None:
    """Return why a mutant that keeps every point is no mistake; None if that is not known."""
    choices = (why for why, beginnings in _CHOICES.items() if mutant.startswith(beginnings))
    return EQUIVALENT.get(mutant) or next(choices, None)
