"""The misconceptions about differences and relative errors."""

from autograder.checks.topic import Misconception

VALUE, KEEPS = "numerical_gradient-value", "numerical_gradient-keeps"
ERROR, ZEROS, NAN = (f"relative_error-{part}" for part in ("value", "zeros", "nan"))


def _gradient(name: str, sentence: str, breaks: tuple[str, ...], *changes: tuple[str, str]) -> Misconception:
    planted = tuple(("numerical_gradient", *change) for change in changes)
    return Misconception(
        name, sentence, "sec-gradcheck-difference", breaks, planted, "gradcheck", only=("numerical_gradient",)
    )


def _error(name: str, sentence: str, breaks: tuple[str, ...], *changes: tuple[str, str]) -> Misconception:
    planted = tuple(("relative_error", *change) for change in changes)
    return Misconception(name, sentence, "sec-gradcheck-error", breaks, planted, "gradcheck", only=("relative_error",))


# Lines of the reference that the changes below replace.
_COPY = "point = x.copy()"
_ABOVE = "point[index] = x[index] + h"
_BELOW = "point[index] = x[index] - h"
_BACK = "        point[index] = x[index]\n"
_SUM = "np.sum((above - below) * df)"
_SCALE = "scale = np.maximum(np.abs(a), np.abs(b))"
_DISTANCE = "distance = np.abs(a - b)"
_QUOTIENT = "distance / np.where(scale == 0, 1, scale)"
_ZERO_PASSED_OVER = (_QUOTIENT, "np.divide(distance, scale, out=np.zeros_like(distance), where=scale != 0)")

# fmt: off
CATALOGUE = (
    _gradient("difference to the right", "f is compared at x + h and at x itself, a one-sided difference", (VALUE,),
              (_BELOW, "point[index] = x[index]"), ("/ (2 * h)", "/ h")),
    _gradient("difference to the left", "f is compared at x itself and at x - h, a one-sided difference", (VALUE,),
              (_ABOVE, "point[index] = x[index]"), ("/ (2 * h)", "/ h")),
    _gradient("divided by h", "the difference between x + h and x - h is divided by h", (VALUE,),
              ("/ (2 * h)", "/ h")),
    _gradient("one-sided and divided by 2 h", "f is compared at x + h and at x itself, and the difference is divided by 2 h",
              (VALUE,), (_BELOW, "point[index] = x[index]")),
    _gradient("not divided by the step", "the difference is not divided by the step", (VALUE,), (" / (2 * h)", "")),
    _gradient("h ignored", "h is always 1e-5, whatever is given", (VALUE,),
              ("dx = np.zeros_like(x)", "dx, h = np.zeros_like(x), 1e-5")),
    _gradient("half the step", "f is evaluated at x + h / 2 and at x - h / 2", (VALUE,),
              ("dx = np.zeros_like(x)", "dx, h = np.zeros_like(x), h / 2")),
    _gradient("df ignored", "df is not multiplied in", (VALUE,), (_SUM, "np.sum(above - below)")),
    _gradient("df on one value", "df multiplies f(x + h) and not f(x - h)", (VALUE,), (_SUM, "np.sum(above * df - below)")),
    _gradient("mean over the outputs", "the mean of (f(x + h) - f(x - h)) * df is taken and not the sum", (VALUE,),
              (_SUM, "np.mean((above - below) * df)")),
    _gradient("signs of the difference", "f(x + h) is subtracted from f(x - h)", (VALUE,),
              (_SUM, "np.sum((below - above) * df)")),
    _gradient("df summed by itself", "the differences and df are summed before they are multiplied", (VALUE,),
              (_SUM, "np.sum(above - below) * np.sum(df)")),
    _gradient("whole rows moved", "all entries of a row are moved together", (VALUE,),
              ("np.ndindex(x.shape)", "range(len(x))")),
    _gradient("entries not put back", "an entry is not put back before the next one is moved", (VALUE,), (_BACK, "")),
    _gradient("x left moved", "the entries of x itself are moved and not put back", (VALUE, KEEPS),
              (_COPY, "point = x"), (_BELOW, "point[index] = x[index] - 2 * h"), (_BACK, "")),
    _gradient("f gets the array that is moved",
              "f gets the very array whose entries are moved, so that what f writes, or returns, is lost", (KEEPS,),
              ("above = f(point.copy())", "above = f(point)"), ("below = f(point.copy())", "below = f(point)")),
    _error("relative to a alone", "the difference is divided by the magnitude of a", (ERROR,), (_SCALE, "scale = np.abs(a)"), _ZERO_PASSED_OVER),
    _error("relative to b alone", "the difference is divided by the magnitude of b", (ERROR,), (_SCALE, "scale = np.abs(b)"), _ZERO_PASSED_OVER),
    _error("relative to the sum", "the difference is divided by the sum of the two magnitudes", (ERROR,),
           (_SCALE, "scale = np.abs(a) + np.abs(b)")),
    _error("relative to the mean", "the difference is divided by the mean of the two magnitudes", (ERROR,),
           (_SCALE, "scale = (np.abs(a) + np.abs(b)) / 2")),
    _error("relative to the smaller", "the difference is divided by the smaller of the two magnitudes", (ERROR, ZEROS),
           (_SCALE, "scale = np.minimum(np.abs(a), np.abs(b))"), _ZERO_PASSED_OVER),
    _error("relative to the largest of all", "all differences are divided by the largest magnitude in the arrays", (ERROR,),
           (_SCALE, "scale = np.full(a.shape, max(np.abs(a).max(), np.abs(b).max()))")),
    _error("signed scale", "the difference is divided by the larger of the two numbers and not of their magnitudes", (ERROR,),
           (_SCALE, "scale = np.maximum(a, b)"), _ZERO_PASSED_OVER),
    _error("absolute difference", "the difference is not divided at all", (ERROR, ZEROS), (_SCALE, "scale = np.ones_like(a)")),
    _error("signed difference", "a - b enters with its sign, so that a smaller a counts as no error", (ERROR,),
           (_DISTANCE, "distance = a - b")),
    _error("mean over the entries", "the mean over the entries is taken and not the maximum", (ERROR,),
           ("np.max(distance", "np.mean(distance")),
    _error("norms of the arrays", "the norm of a - b is divided by the larger of the norms of a and b", (ERROR,),
           (_DISTANCE, "distance = np.array([np.linalg.norm(a - b)])"),
           (_SCALE, "scale = np.array([max(np.linalg.norm(a), np.linalg.norm(b))])")),
    _error("zero divided by zero", "the quotient of two zeros is left as it is, NaN", (ZEROS,), (_QUOTIENT, "distance / scale")),
    _error("a floor under the scale", "tiny numbers count as equal, as they do with a floor such as 1e-8 under the scale", (ZEROS,),
           (_SCALE, "scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-8)")),
    _error("one zero is enough", "entries where one of the two is zero are left out", (ZEROS,),
           (_DISTANCE, "distance = np.abs(np.where((a != 0) & (b != 0), a - b, 0))")),
    _error("NaN passed over", "entries that are NaN are left out", (NAN,), ("np.max(", "np.nanmax(")),
    _error("a overwritten", "the difference is written into a", (ERROR,),
           ("    " + _SCALE + "\n", ""), (_DISTANCE, _SCALE + "\n    a -= b\n    distance = np.abs(a)")),
)
# fmt: on
