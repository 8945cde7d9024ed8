"""Accuracy far from zero: a layer compared with itself, so that another mistake of its author does not count twice."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .claims import Claim, Notes, Unusable

OFFSET = 1e7  # whose square takes all digits of a variance near one


def beside_offset(
    layer: Callable[[np.ndarray], np.ndarray], x: np.ndarray, other: np.ndarray, axis: int | tuple[int, ...]
) -> Notes:
    """Note what a layer gives for x plus an offset, divided by what it gives for x, and whether it looks at x at all.

    Parameters
    ----------
    layer : callable
        Gives out for an x.
    x, other : ndarray
        Two inputs of one shape.
    axis : int or tuple of int
        Axes over which values are normalized together.
    """
    shifted = x + OFFSET
    far = layer(shifted)
    near = layer(shifted - OFFSET)  # rounded as `shifted` is
    elsewhere = layer(other)
    if not far.shape == near.shape == elsewhere.shape == x.shape:
        raise Unusable("out should have the shape of x.")
    size = np.abs(near)
    large = size > 0.2 * size.max(axis=axis, keepdims=True)
    return {
        "out depends on x": bool(np.all(np.abs(near - elsewhere).max(axis=axis) > 1e-3)),
        "out far from zero, divided by out near zero,": np.where(large | ~np.isfinite(far), far / near, 1.0),
    }


def offset_claim(script: Callable[..., Notes], share: float, betrays: tuple[str, str], **more: Any) -> Claim:
    """Claim that out stays accurate; the numbers of a wrong one are rounding noise, which only `betrays` can name."""
    hint = "The difference of two large squares keeps no digit of the variance."
    return Claim("out stays accurate far from zero", script, share, tolerance=1e-5, hint=hint, betrays=betrays, **more)
