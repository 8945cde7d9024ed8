"""Pictures of figures, as Jupyter's inline backend makes them, in half of the time.

To cut off the margins, matplotlib lays a figure out, measures everything in it and draws it again. A figure that is
laid out so that all of it is on the canvas can be drawn once and cut in the picture.
"""

import struct
import zlib
from base64 import b64encode
from functools import partial
from typing import Any

import numpy as np
from IPython.core import pylabtools
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import _setattr_cm
from matplotlib.figure import Figure

_COMPRESSION = 1  # of 9: these pictures hardly get smaller, and take twice the time

_print_figure = pylabtools.print_figure


def install() -> None:
    """Have figures that are shown drawn here."""
    pylabtools.print_figure = print_figure


def print_figure(fig: Figure, fmt: str = "png", bbox_inches: Any = "tight", base64: bool = False, **more: Any) -> Any:
    """Return the picture of a figure; see `IPython.core.pylabtools.print_figure`."""
    standard = partial(_print_figure, fig, fmt, bbox_inches, base64, **more)
    usual = fmt == "png" and bbox_inches == "tight" and base64 and not more
    if not (usual and _fits(fig)):
        return standard()
    try:
        pixels = _cut(_drawn(fig.canvas), max(round(rcParams["savefig.pad_inches"] * fig.dpi), 1))
    except Exception:
        return standard()  # and its error, if it has one
    return standard() if pixels is None else b64encode(_png(pixels)).decode("ascii")


def _fits(fig: Figure) -> bool:
    """Tell whether a figure holds axes alone, with a layout that keeps all that belongs to them on its canvas."""
    others = (fig.texts, fig.lines, fig.patches, fig.images, fig.legends, fig.artists, fig.subfigs)
    laid_out = fig.get_layout_engine() is not None and type(fig.canvas) is FigureCanvasAgg
    return laid_out and not any(map(bool, others))


def _drawn(canvas: Any) -> np.ndarray:
    """Return the pixels of a canvas: of each one number that holds its four bytes."""
    with _setattr_cm(canvas, _is_saving=True):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba()).view(np.uint32)[..., 0]


def _cut(pixels: np.ndarray, margin: int) -> np.ndarray | None:
    """Cut a picture to what is on it, with a margin around it; None if it is empty, or goes on beyond the canvas."""
    there = pixels != pixels[0, 0]
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    height, width = there.shape
    if not rows.size or rows[0] == 0 or columns[0] == 0 or rows[-1] == height - 1 or columns[-1] == width - 1:
        return None
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    framed = np.full((cut.shape[0] + 2 * margin, cut.shape[1] + 2 * margin), pixels[0, 0])
    framed[margin:-margin, margin:-margin] = cut
    return framed


def _png(pixels: np.ndarray) -> bytes:
    """Write a picture as PNG: of each line, by how much it differs from the line above it."""
    height, width = pixels.shape
    colours = pixels.view(np.uint8).reshape(height, width, 4)
    opaque = bool((colours[..., 3] == 255).all())
    lines = (colours[..., :3] if opaque else colours).reshape(height, -1)
    filtered = np.full((height, lines.shape[1] + 1), 2, np.uint8)
    filtered[0, 1:] = lines[0]
    np.subtract(lines[1:], lines[:-1], out=filtered[1:, 1:])
    head = struct.pack("!IIBBBBB", width, height, 8, 2 if opaque else 6, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), _COMPRESSION)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))
