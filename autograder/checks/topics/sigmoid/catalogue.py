"""The misconceptions: wrong implementations that students write, each made from the reference by one change."""

from autograder.checks.topic import Misconception

VALUE, STABLE = "sigmoid_forward-value", "sigmoid_forward-stable"
DX = "sigmoid_backward-dx"
FRACTION, TOL = "saturated_fraction-value", "saturated_fraction-tol"
NORMS, ORDER = "gradient_norms-value", "gradient_norms-order"

Change = tuple[str, str, str]


def _made(name: str, sentence: str, section: str, breaks: tuple[str, ...], *changes: Change) -> Misconception:
    return Misconception(name, sentence, f"sec-saturation-{section}", breaks, changes, "sigmoid")


def _forward(
    name: str, sentence: str, section: str, breaks: tuple[str, ...], out: str, cache: str = "out"
) -> Misconception:
    planted = (("sigmoid_forward", _OUT, out), ("sigmoid_forward", "cache = out\n", f"cache = {cache}\n"))
    return _made(name, sentence, section, breaks, *planted)


def _backward(
    name: str, sentence: str, breaks: tuple[str, ...], dx: str, cache: str = "out", section: str = "derivative"
) -> Misconception:
    planted = (("sigmoid_backward", _DX, dx), ("sigmoid_forward", "cache = out\n", f"cache = {cache}\n"))
    return _made(name, sentence, section, breaks, *planted)


def _fraction(name: str, sentence: str, breaks: tuple[str, ...], share: str) -> Misconception:
    return _made(name, sentence, "fraction", breaks, ("saturated_fraction", _SHARE, f"return {share}"))


def _norms(
    name: str, sentence: str, *changes: tuple[str, str], breaks: tuple[str, ...] = (NORMS, ORDER)
) -> Misconception:
    return _made(name, sentence, "depth", breaks, *(("gradient_norms", *change) for change in changes))


# Lines of the reference that the changes below replace.
_OUT = "out = np.where(x >= 0, 1, e) / (1 + e)"
_DX = "return dout * out * (1 - out)"
_SLOPE = "slope = sigmoid_backward(np.ones_like(x), cache)"
_SHARE = "return float(np.mean(slope < tol))"
_LAYER = "x, cache = sigmoid_forward(x @ W)"
_BACK = "dout = sigmoid_backward(dout, cache) @ W.T"
_NORM = "norms.append(float(np.linalg.norm(dout)))"
_RETURN = "return norms[::-1]"
# saturated_fraction by itself: a share of all, of none or of one tail is what several mistakes would make of it, so that
# none could be named there
_OWN_SLOPE = ("saturated_fraction", _SLOPE, "slope = cache * (1 - cache)")
_SLOPE_OF_X = ("saturated_fraction", _SLOPE, "slope = 1 / (2 + np.exp(x) + np.exp(-x))")
# gradient_norms by itself: from layer to layer exponentials of exponentials overflow, and show no mistake any more
_OWN_LAYER = ("gradient_norms", _LAYER, "x = cache = 1 / (1 + np.exp(-(x @ W)))")

# fmt: off
FORWARD = (
    _forward("sigmoid overflows", "the exponential is taken of large positive numbers, for large negative entries of x",
             "stable", (STABLE,), "out = 1 / (1 + np.exp(-x))"),
    _forward("sigmoid in both forms", "two forms of the sigmoid are computed for every entry, and one of them is chosen afterwards",
             "stable", (STABLE,), "out = np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))"),
    _forward("infinity over infinity", "an exponential is divided by one plus itself, which is infinity over infinity for large entries",
             "stable", (STABLE, DX, FRACTION), "out = np.exp(x) / (1 + np.exp(x))"),
    _forward("sign of the exponent", "the exponent has the other sign, so that the sigmoid falls", "derivative",
             (VALUE, STABLE, NORMS, ORDER), "out = 1 / (1 + np.exp(x))"),
    _forward("both sides alike", "the sigmoid of the magnitude of x is taken, so that both sides get the same out", "stable",
             (VALUE, STABLE, NORMS, ORDER), "out = 1 / (1 + e)"),
    _forward("tanh for the sigmoid", "tanh takes the place of the sigmoid", "relatives",
             (VALUE, STABLE, DX, FRACTION, TOL, NORMS, ORDER), "out = np.tanh(x)"),
    _made("sigmoid without parentheses", "one is divided by one, and the exponential is added to that", "derivative",
          (VALUE, STABLE, DX), ("sigmoid_forward", _OUT, "out = 1 / 1 + np.exp(-x)"), _SLOPE_OF_X, _OWN_LAYER),
    _forward("x overwritten by the sigmoid", "out is written into the array x that was given", "derivative",
             (VALUE, FRACTION), _OUT + "\n    x[...] = out"),
)

BACKWARD = (
    _made("derivative at the output", "the derivative of the sigmoid is taken at out, where it belongs at x", "derivative", (DX, NORMS, ORDER),
          ("sigmoid_backward", _DX, "s = 1 / (1 + np.exp(-out))\n    return dout * s * (1 - s)"), _OWN_SLOPE),
    _backward("x for out in the derivative", "x stands in the formula of the derivative where out belongs",
              (DX, FRACTION, TOL, NORMS, ORDER), _DX, cache="x"),
    _backward("dout left out", "dout is not multiplied in", (DX, NORMS, ORDER), "return out * (1 - out)"),
    _made("factor 1 - out lost", "dout is multiplied by out alone, without 1 - out", "derivative", (DX, NORMS, ORDER),
          ("sigmoid_backward", _DX, "return dout * out"), _OWN_SLOPE),
    _made("factor out lost", "dout is multiplied by 1 - out alone, without out", "derivative", (DX, NORMS, ORDER),
          ("sigmoid_backward", _DX, "return dout * (1 - out)"), _OWN_SLOPE),
    _made("sign of the slope", "the derivative has the other sign", "derivative", (DX,),
          ("sigmoid_backward", _DX, "return dout * out * (out - 1)"), _OWN_SLOPE),
    _backward("derivative of tanh", "the derivative is 1 minus the square of out, as it is for tanh",
              (DX, FRACTION, TOL, NORMS, ORDER), "return dout * (1 - out**2)"),
    _backward("slope from overflowing exponentials",
              "the derivative is a quotient of exponentials that both become infinite for large negative entries",
              (DX, FRACTION), "return dout * np.exp(-out) / (1 + np.exp(-out)) ** 2", cache="x", section="stable"),
    _made("sigmoid gradient averaged", "dx is divided by the number of examples", "derivative", (DX, NORMS, ORDER),
          ("sigmoid_backward", _DX, "return dout * out * (1 - out) / len(dout)"), _OWN_SLOPE),
    _backward("dout overwritten by the sigmoid", "dx is written into the array dout that was given", (DX, NORMS),
              "dout *= out * (1 - out)\n    return dout"),
    _backward("sigmoid cache overwritten", "the backward pass changes what the cache holds", (DX,),
              "out *= 1 - out\n    return dout * out"),
)

FRACTIONS = (
    _fraction("lower tail alone", "out, and not the derivative, is compared with tol, so that one tail alone counts",
              (FRACTION, TOL), "float(np.mean(cache < tol))"),
    _fraction("upper tail alone", "the distance of out from 1, and not the derivative, is compared with tol, so that one tail alone counts",
              (FRACTION, TOL), "float(np.mean(cache > 1 - tol))"),
    _fraction("distance from 0 and 1", "the distance of out from 0 and 1 is compared with tol, and not the derivative",
              (FRACTION, TOL), "float(np.mean((cache < tol) | (cache > 1 - tol)))"),
    _fraction("x compared with tol", "x itself is compared with tol", (FRACTION, TOL), "float(np.mean(x < tol))"),
    _fraction("share of the others", "the entries that are not saturated are counted", (FRACTION, TOL),
              "float(np.mean(slope >= tol))"),
    _fraction("number for share", "the saturated entries are counted, and not divided by the number of all",
              (FRACTION, TOL), "float(np.sum(slope < tol))"),
    _fraction("percent for share", "the share is given in percent", (FRACTION, TOL), "float(100 * np.mean(slope < tol))"),
    _fraction("divided by N", "the number of saturated entries is divided by the number of rows and not by that of all entries",
              (FRACTION, TOL), "float(np.sum(slope < tol) / len(x))"),
    _fraction("tol ignored", "tol is always 0.01, whatever is given", (TOL,), "float(np.mean(slope < 0.01))"),
    _fraction("equal counted as below", "an entry counts also where the derivative is equal to tol", (TOL,),
              "float(np.mean(slope <= tol))"),
)

NORMS_OF = (
    _norms("last layer first", "the list begins with the last layer", (_RETURN, "return norms"), breaks=(ORDER,)),
    _norms("dout among the norms", "the norm of dout stands in the list too", ("norms = []", "norms = [float(np.linalg.norm(dout))]")),
    _norms("norms at the outputs", "the gradients are those at the output of each layer and not at its input",
           (_BACK, "back = sigmoid_backward(dout, cache) @ W.T"), (_NORM, _NORM + "\n        dout = back")),
    _norms("norms before the weights", "the gradients are those between the matrix and the sigmoid of each layer",
           (_BACK, "at_sigmoid = sigmoid_backward(dout, cache)\n        dout = at_sigmoid @ W.T"),
           (_NORM, "norms.append(float(np.linalg.norm(at_sigmoid)))")),
    _norms("slope left out", "the gradient goes back through the matrices alone and not through the sigmoids",
           (_BACK, "dout = dout @ W.T")),
    _norms("squared norms", "the root is not taken of the sums of squares", (_NORM, "norms.append(float(np.sum(dout**2)))")),
    _norms("root mean squares", "the root of the mean of the squares is taken and not that of their sum",
           (_NORM, "norms.append(float(np.sqrt(np.mean(dout**2))))")),
    _norms("spectral norms", "the largest singular value is taken and not the root of the sum of squares",
           (_NORM, "norms.append(float(np.linalg.norm(dout, 2)))")),
    _norms("sums of magnitudes", "the magnitudes are added up and not their squares", (_NORM, "norms.append(float(np.abs(dout).sum()))")),
    _norms("largest magnitudes", "the largest magnitude is taken and not the root of the sum of squares",
           (_NORM, "norms.append(float(np.abs(dout).max()))")),
    _norms("norms averaged over the examples", "the norm is taken of each example's gradient, and these are averaged",
           (_NORM, "norms.append(float(np.mean(np.linalg.norm(dout, axis=1))))")),
    _norms("norms divided by N", "the norms are divided by the number of examples", (_NORM, "norms.append(float(np.linalg.norm(dout)) / len(dout))")),
    _norms("norms relative to dout", "the norms are divided by the norm of dout", ("norms = []", "norms, upstream = [], np.linalg.norm(dout)"),
           (_NORM, "norms.append(float(np.linalg.norm(dout) / upstream))")),
    _norms("norms of the weight gradients", "the gradients are those with respect to the weights and not to the inputs",
           (_LAYER, "inputs, (x, cache) = x, sigmoid_forward(x @ W)"), ("caches.append(cache)", "caches.append((inputs, cache))"),
           ("for W, cache in", "for W, (inputs, cache) in"),
           (_BACK, "dW = inputs.T @ sigmoid_backward(dout, cache)\n        dout = sigmoid_backward(dout, cache) @ W.T"),
           (_NORM, "norms.append(float(np.linalg.norm(dW)))")),
    _norms("norms of the layers' inputs", "the norms are those of what goes forward into the layers and not of gradients",
           (_LAYER, "inputs, (x, cache) = x, sigmoid_forward(x @ W)"), ("caches.append(cache)", "caches.append((inputs, cache))"),
           ("for W, cache in", "for W, (inputs, cache) in"), (_NORM, "norms.append(float(np.linalg.norm(inputs)))")),
    _norms("last layer without sigmoid", "the last layer has no sigmoid", ("norms = []", "norms = []\n    last = caches[-1]"),
           (_BACK, "dout = (dout if cache is last else sigmoid_backward(dout, cache)) @ W.T")),
    _norms("sigmoid before the matrix", "each layer takes the sigmoid first and multiplies by its weights afterwards",
           (_LAYER, "x, cache = sigmoid_forward(x)\n        x = x @ W"), (_BACK, "dout = sigmoid_backward(dout @ W.T, cache)")),
    _norms("weights turned round", "the list of weights that was given is turned round and stays so",
           ("norms = []", "norms = []\n    weights.reverse()"), ("zip(reversed(weights),", "zip(weights,"), breaks=(NORMS,)),
)
# fmt: on

CATALOGUE = FORWARD + BACKWARD + FRACTIONS + NORMS_OF
