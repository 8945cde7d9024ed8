"""Mutants of the reference that keep every point because they are no mistake, each with the reason."""

_BY_REASON: dict[str, tuple[str, ...]] = {
    "running averages of float32 batches may be kept in float64": (
        "batchnorm_forward: running_mean = bn_param.get('running_mean', np.zeros(x.shape[1]))",
        "batchnorm_forward: running_var = bn_param.get('running_var', np.zeros(x.shape[1]))",
    ),
    "the last axis of an array of two is its axis 1": (
        "batchnorm_forward: running_mean = bn_param.get('running_mean', np.zeros(x.shape[-1], dtype=x.dtype))",
        "batchnorm_forward: running_var = bn_param.get('running_var', np.zeros(x.shape[-1], dtype=x.dtype))",
        "shift_percentiles: return np.percentile(history, [15, 50, 85], axis=-1)",
    ),
    "the cache belongs to its author, and what cannot read it is tried with the given forward pass": (
        "batchnorm_forward: cache = (x_hat, x, mu, var, inv_std, gamma, eps)",
    ),
    "an error names the mode that was given; the rest of its wording is free": (
        "batchnorm_forward: raise ValueError(f\"bn_param['mode'] must be 'train' or 'test', not ?{mode!r}\")",
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
}

EQUIVALENT = {mutant: reason for reason, mutants in _BY_REASON.items() for mutant in mutants}
