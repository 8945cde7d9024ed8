"""The layers among which the assignment `gradcheck` has you find those whose backward pass is wrong."""

from ..siblings import LAYERS, Pair

_ORDER = ("scaled dgamma", "centre", "spread", "power", "sign", "own eps", "bend", "mean")


def line_up() -> dict[str, Pair]:
    """Return layers by letters: each a forward and a backward pass, as those of batch normalization are called.

    Returns
    -------
    layers : dict
        From a letter to (forward, backward): forward(x, gamma, beta, bn_param) -> (out, cache) and
        backward(dout, cache) -> (dx, dgamma, dbeta).
    """
    return {letter: LAYERS[name]() for letter, name in zip("ABCDEFGH", _ORDER, strict=True)}
