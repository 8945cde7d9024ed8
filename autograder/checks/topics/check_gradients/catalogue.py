"""The misconceptions about tests of a layer: what a careless test lets through, or refuses though it is right."""

from autograder.checks.topic import Misconception

DX, PARAMETERS, EPS, SHAPES = ALL = tuple(f"check_gradients-{part}" for part in ("dx", "parameters", "eps", "shapes"))


def _test(name: str, sentence: str, section: str, breaks: tuple[str, ...], *changes: tuple[str, str]) -> Misconception:
    planted = tuple(("check_gradients", *change) for change in changes)
    return Misconception(
        name, sentence, f"sec-gradcheck-{section}", breaks, planted, "gradcheck", only=("check_gradients",)
    )


# Lines of the reference that the changes below replace.
_X = "x = np.linspace(0.2, 0.6, D) * rng.normal(size=(N, D)) + rng.normal(size=D)"
_GAMMA = "gamma = np.linspace(-1.6, 2.2, D)"
_BETA = "beta = rng.uniform(0.5, 1.5, size=D)"
_DOUT = "dout = rng.normal(size=(N, D)) + np.linspace(1.0, 2.0, D)"
_CACHE = "_, cache = layer(x, gamma, beta)"
_CASES = "[(5, 3, 0.1), (7, 4, 0.01)]"
_SHAPE = "np.shape(got) == want.shape and "
_CLOSE = "np.allclose(got, want, rtol=0, atol=1e-6 * np.max(np.abs(want)))"
_LARGEST = "np.max(np.abs(got - want)) <= 1e-6 * np.max(np.abs(want))"
_WIDE = (_X, "x = np.linspace(3.0, 6.0, D) * rng.normal(size=(N, D)) + rng.normal(size=D)")
_SMALL_EPS = (_CASES, "[(5, 3, 1e-5), (7, 4, 1e-5)]")
_OUT = (_CACHE, "dout, cache = layer(x, gamma, beta)")
_ABSOLUTE = (_CLOSE, "np.allclose(got, want, rtol=1e-3, atol=1e-5)")
_PAIRS = "for got, want in pairs\n"
_ANSWER = "return all(agrees("
_NUMERICAL_DX = "numerical_gradient(lambda x: layer(x, gamma, beta)[0], x, dout)"
_NUMERICAL_DGAMMA = "numerical_gradient(lambda gamma: layer(x, gamma, beta)[0], gamma, dout)"
_NUMERICAL_DBETA = "numerical_gradient(lambda beta: layer(x, gamma, beta)[0], beta, dout)"
_JUDGED_DX = (
    "gamma / np.sqrt(x.var(axis=0) + eps) * (dout - dout.mean(axis=0) - (x - x.mean(axis=0)) / (x.var(axis=0) + eps)"
    " * (dout * (x - x.mean(axis=0))).mean(axis=0))"
)
_JUDGED_DGAMMA = "(dout * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)).sum(axis=0)"

# fmt: off
CATALOGUE = (
    _test("always True", "the answer is True whatever the layer does", "upstream", ALL, (_ANSWER, "return True or all(agrees(")),
    _test("always False", "the answer is False whatever the layer does, as it also is with a tolerance below the rounding"
          " error or a numerical gradient that is off", "error", ALL, (_ANSWER, "return False and all(agrees(")),
    _test("dout of ones", "dout is the same for all examples, so that the right dx of batch normalization is zero", "upstream",
          ALL, (_DOUT, "dout = np.ones((N, D))"), _ABSOLUTE),
    _test("dout of ones and a relative tolerance", "dout is the same for all examples, so that the right dx of batch"
          " normalization is zero and two rounding errors are compared", "upstream", ALL, (_DOUT, "dout = np.ones((N, D))")),
    _test("centred dout", "every column of dout has the mean zero", "upstream", (DX, PARAMETERS, SHAPES),
          (_DOUT, "dout = rng.normal(size=(N, D))\n        dout -= dout.mean(axis=0)"), _ABSOLUTE),
    _test("out for dout", "dout is out itself, as if the loss were the sum of out squared, and eps is small beside the variance", "upstream", (DX, EPS),
          _OUT, _WIDE, _SMALL_EPS, (_CLOSE, "np.allclose(got, want, rtol=1e-3, atol=1e-3)")),
    _test("small eps", "eps is small beside the variance in all trials", "eps", (EPS,), _WIDE, _SMALL_EPS, _ABSOLUTE),
    _test("one eps", "all trials have the same eps", "eps", (EPS,), (_CASES, "[(5, 3, 0.1), (7, 4, 0.1)]")),
    _test("one batch", "all trials have the same eps and the same number of examples, as when there is one", "shapes", (EPS, SHAPES), (_CASES, "[(7, 4, 0.1)]")),
    _test("one batch size", "all trials have the same number of examples", "shapes", (SHAPES,), (_CASES, "[(7, 3, 0.1), (7, 4, 0.01)]")),
    _test("as many examples as features", "all batches have as many examples as features", "shapes", (SHAPES,), (_CASES, "[(4, 4, 0.1), (5, 5, 0.01)]")),
    _test("one feature", "all batches have one feature", "shapes", (SHAPES,), (_CASES, "[(5, 1, 0.1), (7, 1, 0.01)]")),
    _test("sizes compared", "the sizes of the gradients are compared, and not their signs", "error", (DX, PARAMETERS),
          (_CLOSE, _LARGEST.replace("got - want", "np.abs(got) - np.abs(want)"))),
    _test("batches of two", "all batches hold two examples, and eps is small beside the variance", "shapes", (DX, EPS, SHAPES),
          (_CASES, "[(2, 3, 1e-5), (2, 4, 1e-5)]"),
          (_X, "x = np.linspace(3.0, 6.0, D) * np.array([[1.0], [-1.0]]) + rng.normal(size=D)"), _ABSOLUTE),
    _test("gamma of ones", "gamma is one", "upstream", (DX, PARAMETERS), (_GAMMA, "gamma = np.ones(D)")),
    _test("gamma of ones, beta of zeros", "gamma is one and beta is zero", "upstream", (DX, PARAMETERS), (_GAMMA, "gamma = np.ones(D)"), (_BETA, "beta = np.zeros(D)")),
    _test("positive gamma", "gamma is positive", "upstream", (DX,), (_GAMMA, "gamma = np.linspace(0.4, 2.2, D)")),
    _test("dx alone compared", "dx is compared, dgamma and dbeta are not", "upstream", (PARAMETERS, EPS, SHAPES), (_PAIRS, "for got, want in pairs[:1]\n")),
    _test("dx not compared", "dgamma and dbeta are compared, dx is not", "upstream", (DX, EPS, SHAPES), (_PAIRS, "for got, want in pairs[1:]\n")),
    _test("dbeta not compared", "dx and dgamma are compared, dbeta is not", "upstream", (PARAMETERS,), (_PAIRS, "for got, want in pairs[:2]\n")),
    _test("dgamma not compared", "dx and dbeta are compared, dgamma is not", "upstream", (PARAMETERS, EPS), (_PAIRS, "for got, want in pairs[::2]\n")),
    _test("one right gradient is enough", "one right gradient of the three is enough", "upstream", ALL, ("return all(\n", "return any(\n")),
    _test("shapes not compared", "gradients are compared without their shapes, and NumPy stretches them", "shapes", (SHAPES,), (_SHAPE, "")),
    _test("loose tolerance", "a deviation of a percent is allowed", "error", (DX,), (_CLOSE, _LARGEST.replace("1e-6", "1e-2"))),
    _test("last entries left out", "the last example and the last feature are not compared", "error", (DX, PARAMETERS),
          (_CLOSE, "np.max(np.abs(np.atleast_1d(got)[:-1] - want[:-1])) <= 1e-6 * np.max(np.abs(want))")),
    _test("differences averaged", "the differences are averaged with their signs, so that they cancel", "error", (DX, EPS),
          (_CLOSE, "np.abs(np.mean(got - want)) <= 1e-6 * np.max(np.abs(want))")),
    _test("own formula as judge", "the gradients are compared with the formulas of batch normalization and not with the given"
          " forward pass", "blind", ALL, (_NUMERICAL_DX, _JUDGED_DX), (_NUMERICAL_DGAMMA, _JUDGED_DGAMMA), (_NUMERICAL_DBETA, "dout.sum(axis=0)")),
)
# fmt: on
