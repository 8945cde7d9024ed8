"""What goes wrong when a layer is folded or moved, each made from the reference by a change of a line or two."""

from autograder.checks.topic import Misconception

FOLD = ("fold_batchnorm-value",)
STATISTICS, MOMENTUM, ERRORS = (f"convert_running-{part}" for part in ("statistics", "momentum", "errors"))


def _fold(name: str, sentence: str, *changes: tuple[str, str], section: str = "sec-beyond-folding") -> Misconception:
    planted = tuple(("fold_batchnorm", *change) for change in changes)
    return Misconception(name, sentence, section, FOLD, planted, "inference")


def _convert(name: str, sentence: str, breaks: tuple[str, ...], *changes: tuple[str, str]) -> Misconception:
    planted = tuple(("convert_running", *change) for change in changes)
    return Misconception(name, sentence, "sec-forward-conventions", breaks, planted, "inference")


# Lines of the reference that the changes below replace.
_SCALE = "scale = gamma / np.sqrt(running_var + eps)"
_W = "return W * scale, "
_B = "(b - running_mean) * scale + beta"
_NAMES = "    for name in (source, target):"
_KNOWN = 'if name not in ("book", "keras", "pytorch"):'
_UNKNOWN = "raise ValueError(f\"a convention must be 'book', 'keras' or 'pytorch', not {name!r}\")"
_SINGLE = 'if "pytorch" in (source, target) and n < 2:'
_TO = 'if source != "pytorch" and target == "pytorch":\n        return mean.copy(), var * (n / (n - 1)), 1 - momentum'
_FROM = 'if source == "pytorch" and target != "pytorch":\n        return mean.copy(), var * ((n - 1) / n), 1 - momentum'
_SAME = "return mean.copy(), var.copy(), momentum"

# fmt: off
FOLDING = (
    _fold("no eps in folding", "eps is left out of the folded layer", (_SCALE, "scale = gamma / np.sqrt(running_var)"),
          section="sec-forward-inference"),
    _fold("constant eps in folding", "the folded layer has an eps of 1e-5, whatever it was given",
          (_SCALE, "scale = gamma / np.sqrt(running_var + 1e-5)"), section="sec-forward-inference"),
    _fold("eps outside the root in folding", "eps is added outside the square root in the folded layer",
          (_SCALE, "scale = gamma / (np.sqrt(running_var) + eps)"), section="sec-forward-inference"),
    _fold("no root in folding", "the folded layer divides by the variance and not by its square root",
          (_SCALE, "scale = gamma / (running_var + eps)"), section="sec-forward-inference"),
    _fold("multiplied by the standard deviation", "the folded layer multiplies by the standard deviation and does not divide",
          (_SCALE, "scale = gamma * np.sqrt(running_var + eps)")),
    _fold("gamma forgotten in folding", "gamma is left out of the folded layer", (_SCALE, "scale = 1 / np.sqrt(running_var + eps)")),
    _fold("rows of W scaled", "the rows of W are scaled and not its columns", (_W, "return W * scale[:, None], ")),
    _fold("W not scaled", "the weights W stay as they were", (_W, "return W.copy(), ")),
    _fold("b forgotten in folding", "the bias of the linear layer is left out", (_B, "-running_mean * scale + beta")),
    _fold("b not scaled", "the bias of the linear layer is added without the scale", (_B, "b - running_mean * scale + beta")),
    _fold("running mean not scaled", "the running mean is subtracted without the scale", (_B, "b * scale - running_mean + beta")),
    _fold("neither b nor running mean scaled", "the bias and the running mean enter the folded bias without the scale",
          (_B, "b - running_mean + beta")),
    _fold("running mean forgotten", "the running mean is left out", (_B, "b * scale + beta")),
    _fold("running mean added", "the running mean is added and not subtracted", (_B, "(b + running_mean) * scale + beta")),
    _fold("beta forgotten in folding", "beta is left out of the folded bias", (_B, "(b - running_mean) * scale")),
    _fold("beta scaled", "beta is scaled as well", (_B, "(b - running_mean + beta) * scale")),
    _fold("beta subtracted in folding", "beta is subtracted from the folded bias", (_B, "(b - running_mean) * scale - beta")),
    _fold("b as it was", "the bias stays as it was", (_B, "b.copy()")),
    _fold("W overwritten", "W is overwritten", (_W, "W *= scale\n    return W, ")),
    _fold("b overwritten", "b is overwritten", (_W + _B, "b -= running_mean\n    b *= scale\n    b += beta\n    return W * scale, b")),
    _fold("folded from the variance in place", "the running variance is overwritten",
          (_SCALE, "running_var += eps\n    scale = gamma / np.sqrt(running_var)")),
)

CONVERTING = (
    _convert("momentum not converted", "momentum keeps its value where it changes sides", (MOMENTUM,),
             (_TO, _TO.replace("1 - momentum", "momentum")), (_FROM, _FROM.replace("1 - momentum", "momentum"))),
    _convert("momentum always converted", "momentum becomes 1 - momentum even where it stays on its side", (MOMENTUM,),
             (_SAME, "return mean.copy(), var.copy(), 1 - momentum")),
    _convert("momentum of Keras with PyTorch's", "Keras is taken to weigh the batch by momentum, as PyTorch does", (MOMENTUM,),
             (_NAMES, '    swapped = 1 - momentum if (source == "book") != (target == "book") else momentum\n' + _NAMES),
             (_TO, _TO.replace("1 - momentum", "swapped")), (_FROM, _FROM.replace("1 - momentum", "swapped")),
             (_SAME, "return mean.copy(), var.copy(), swapped")),
    _convert("variance not converted", "the variance is the same in all conventions", (STATISTICS,),
             (_TO, _TO.replace("var * (n / (n - 1))", "var.copy()")), (_FROM, _FROM.replace("var * ((n - 1) / n)", "var.copy()"))),
    _convert("factor of the variance inverted", "the variance is multiplied where it should be divided, and the other way round",
             (STATISTICS,), (_TO, _TO.replace("n / (n - 1)", "(n - 1) / n")), (_FROM, _FROM.replace("(n - 1) / n", "n / (n - 1)"))),
    _convert("factor of the variance one way", "the variance is multiplied by n / (n - 1) in both directions", (STATISTICS,),
             (_FROM, _FROM.replace("(n - 1) / n", "n / (n - 1)"))),
    _convert("variance to PyTorch alone", "the variance is converted on the way to PyTorch and not on the way back", (STATISTICS,),
             (_FROM, _FROM.replace("var * ((n - 1) / n)", "var.copy()"))),
    _convert("variance from PyTorch alone", "the variance is converted on the way from PyTorch and not on the way there", (STATISTICS,),
             (_TO, _TO.replace("var * (n / (n - 1))", "var.copy()"))),
    _convert("variance of Keras unbiased", "Keras is taken to store the unbiased variance, as PyTorch does", (STATISTICS,),
             (_NAMES, '    unbiased = ("keras", "pytorch")\n'
              '    factor = (n / (n - 1) if n > 1 else 1) ** ((target in unbiased) - (source in unbiased))\n' + _NAMES),
             (_TO, _TO.replace("(n / (n - 1))", "factor")), (_FROM, _FROM.replace("((n - 1) / n)", "factor")),
             (_SAME, "return mean.copy(), var * factor, momentum")),
    _convert("n - 1 taken for n", "n - 1 and n - 2 stand where n and n - 1 belong", (STATISTICS,),
             (_TO, _TO.replace("n / (n - 1)", "(n - 1) / np.float64(n - 2)")), (_FROM, _FROM.replace("(n - 1) / n", "(n - 2) / (n - 1)"))),
    _convert("n + 1 taken for n", "n + 1 and n stand where n and n - 1 belong", (STATISTICS,),
             (_TO, _TO.replace("n / (n - 1)", "(n + 1) / n")), (_FROM, _FROM.replace("(n - 1) / n", "n / (n + 1)"))),
    _convert("root of the factor", "the variance is converted by the root of the factor, as a standard deviation would be",
             (STATISTICS,), (_TO, _TO.replace("(n / (n - 1))", "np.sqrt(n / (n - 1))")),
             (_FROM, _FROM.replace("((n - 1) / n)", "np.sqrt((n - 1) / n)"))),
    _convert("mean converted too", "the running mean is multiplied like the variance", (STATISTICS,),
             (_TO, _TO.replace("mean.copy()", "mean * (n / (n - 1))")), (_FROM, _FROM.replace("mean.copy()", "mean * ((n - 1) / n)"))),
    _convert("converted in place", "the running variance that is handed over is overwritten", (STATISTICS,),
             (_TO, 'if source != "pytorch" and target == "pytorch":\n        var *= n / (n - 1)\n        return mean, var, 1 - momentum'),
             (_FROM, 'if source == "pytorch" and target != "pytorch":\n        var *= (n - 1) / n\n        return mean, var, 1 - momentum')),
    _convert("unknown convention accepted", "an unknown convention is taken for one of the three", (ERRORS,),
             (_UNKNOWN, "pass")),
    _convert("unknown convention not named", "the ValueError does not say which convention is unknown", (ERRORS,),
             (_UNKNOWN, 'raise ValueError("unknown convention")')),
    _convert("unknown convention is a KeyError", "an unknown convention raises another error than a ValueError", (ERRORS,),
             (_UNKNOWN, "raise KeyError(name)")),
    _convert("only the source is looked at", "an unknown target is taken for one of the three", (ERRORS,),
             (_NAMES, "    for name in (source,):")),
    _convert("only the target is looked at", "an unknown source is taken for one of the three", (ERRORS,),
             (_NAMES, "    for name in (target,):")),
    _convert("equal names not looked at", "two equal names are not looked at, known or unknown", (ERRORS,),
             (_KNOWN, 'if source != target and name not in ("book", "keras", "pytorch"):')),
    _convert("n = 1 accepted", "n = 1 is not refused with a ValueError, although PyTorch's variance needs two values", (ERRORS,),
             (_SINGLE, "if n < 1:")),
    _convert("n = 1 refused for all", "n = 1 is refused between any two conventions", (ERRORS,), (_SINGLE, "if n < 2:")),
)
# fmt: on

CATALOGUE = FOLDING + CONVERTING
