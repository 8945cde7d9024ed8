"""The wire between the grader and a student's process: a closed codec and frames of bytes.

It carries None, bool, int, float, complex, str, bytes, list, tuple, dict with str keys and numeric arrays, and
nothing else: no code, no class, no pickle. Whatever else a student's function returns crosses as an `Opaque` that
tells its type's name.
"""

import math
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 20
MAX_ITEMS = 200_000
_DTYPES = {d: np.dtype(d) for d in ("?", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "e", "f", "d", "F", "D")}
_SCALARS = {dtype.type for dtype in _DTYPES.values()}
_LENGTH = struct.Struct("!Q")
_HEAD = struct.Struct("!cQ")  # of every value: its kind and the bytes of its body, or of those that count its items


class WireError(Exception):
    """A value cannot cross the wire, or bytes on it are no value."""


@dataclass(frozen=True)
class Opaque:
    """Stands for a value that does not cross the wire."""

    type_name: str


class _Chunks:
    """The bytes of a value that is being encoded, and how much more there may be."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.room = MAX_BYTES

    def put(self, tag: bytes, body: bytes) -> None:
        self.room -= len(body) + 9
        if self.room < 0 or len(self.done) > MAX_ITEMS:
            raise WireError("the value is too large")
        self.done.append(_HEAD.pack(tag, len(body)) + body)


def encode(value: Any) -> bytes:
    """Encode a value; what does not belong to the codec, or is nested too deeply, becomes an `Opaque`.

    Raises
    ------
    WireError
        If the value is too large.
    """
    chunks = _Chunks()
    _encode(value, chunks, 0)
    return b"".join(chunks.done)


def _encode(value: Any, chunks: _Chunks, depth: int) -> None:
    kind = type(value)
    if kind is np.ndarray and value.dtype.char in _DTYPES and value.dtype.isnative:
        if value.nbytes > MAX_BYTES:
            raise WireError("the array is too large")
        chunks.put(b"A", _array_head(value.dtype.char, value.shape) + value.tobytes())
    elif kind is str:
        chunks.put(b"S", value.encode("utf-8", "surrogatepass"))
    elif kind is float:
        chunks.put(b"F", struct.pack("!d", value))
    elif kind is int:
        chunks.put(b"I", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    elif value is None:
        chunks.put(b"N", b"")
    elif kind is bool:
        chunks.put(b"T", b"\x01" if value else b"\x00")
    elif kind is dict and depth < MAX_DEPTH and all(type(key) is str for key in value):
        chunks.put(b"M", _LENGTH.pack(len(value)))
        for key, item in value.items():
            chunks.put(b"S", key.encode("utf-8", "surrogatepass"))
            _encode(item, chunks, depth + 1)
    elif (kind is list or kind is tuple) and depth < MAX_DEPTH:
        chunks.put(b"L" if kind is list else b"U", _LENGTH.pack(len(value)))
        for item in value:
            _encode(item, chunks, depth + 1)
    elif kind in _SCALARS:
        chunks.put(b"G", value.dtype.char.encode() + value.tobytes())
    elif kind is bytes:
        chunks.put(b"B", value)
    elif kind is complex:
        chunks.put(b"C", struct.pack("!dd", value.real, value.imag))
    else:
        name = value.type_name if kind is Opaque else kind.__name__
        chunks.put(b"O", name.encode("utf-8", "surrogatepass")[:200])


@lru_cache(256)
def _array_head(char: str, shape: tuple[int, ...]) -> bytes:
    return char.encode() + bytes([len(shape)]) + struct.pack(f"!{len(shape)}Q", *shape)


def decode(data: bytes) -> Any:
    """Decode what `encode` wrote.

    Raises
    ------
    WireError
        If the bytes are anything else.
    """
    try:
        value, end = _decode(data, 0, 0, [MAX_ITEMS - 1])
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"malformed bytes: {type(error).__name__}") from error
    if end != len(data):
        raise WireError("bytes left over")
    return value


def _decode(data: bytes, at: int, depth: int, left: list[int]) -> tuple[Any, int]:
    """Decode the value that begins at a place; return it and the place behind it."""
    tag, length = _HEAD.unpack_from(data, at)
    start, end = at + 9, at + 9 + length
    if end > len(data):
        raise WireError("cut off")
    leaf = _LEAVES.get(tag)
    if leaf is not None:
        return leaf(data, start, end), end
    if tag not in (b"L", b"U", b"M"):
        raise WireError(f"no value of the kind {tag!r}")
    (count,) = _LENGTH.unpack(data[start:end])
    items = count * (2 if tag == b"M" else 1)
    left[0] -= items
    if depth >= MAX_DEPTH or left[0] < 0 or count > len(data):
        raise WireError("too deeply nested, or too many values")
    found = []
    for _ in range(items):
        item, end = _decode(data, end, depth + 1, left)
        found.append(item)
    if tag == b"M":
        if not all(type(key) is str for key in found[::2]):
            raise WireError("a key that is no text")
        return dict(zip(found[::2], found[1::2], strict=True)), end
    return (found if tag == b"L" else tuple(found)), end


def _nothing(data: bytes, start: int, end: int) -> None:
    if start != end:
        raise WireError("None with content")


def _truth(data: bytes, start: int, end: int) -> bool:
    if data[start:end] not in (b"\x00", b"\x01"):
        raise WireError("a truth value that is none")
    return data[start] == 1


def _integer(data: bytes, start: int, end: int) -> int:
    if start == end:
        raise WireError("an integer of no bytes")
    return int.from_bytes(data[start:end], "big", signed=True)


def _number(data: bytes, start: int, end: int) -> Any:
    (number,) = np.frombuffer(data[start + 1 : end], _DTYPES[chr(data[start])])
    return number


def _array(data: bytes, start: int, end: int) -> np.ndarray:
    items = start + 2 + 8 * data[start + 1]
    dtype, shape = _array_kind(data[start:items])
    count = math.prod(shape)
    if count * dtype.itemsize != end - items:
        raise WireError("an array of another size than its bytes")
    return np.frombuffer(data, dtype, count, items).reshape(shape).copy() if count else np.empty(shape, dtype)


@lru_cache(256)
def _array_kind(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    return _DTYPES[chr(head[0])], struct.unpack(f"!{head[1]}Q", head[2:])


_LEAVES: dict[bytes, Callable[[bytes, int, int], Any]] = {
    b"N": _nothing,
    b"T": _truth,
    b"I": _integer,
    b"F": lambda data, start, end: struct.unpack("!d", data[start:end])[0],
    b"C": lambda data, start, end: complex(*struct.unpack("!dd", data[start:end])),
    b"S": lambda data, start, end: data[start:end].decode("utf-8", "surrogatepass"),
    b"B": lambda data, start, end: data[start:end],
    b"O": lambda data, start, end: Opaque(data[start:end].decode("utf-8", "replace")),
    b"G": _number,
    b"A": _array,
}


def send(connection: socket.socket, value: Any) -> None:
    """Send one value as a frame: its length and its bytes."""
    send_encoded(connection, encode(value))


def send_encoded(connection: socket.socket, data: bytes) -> None:
    """Send as a frame what `encode` returned."""
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, deadline: float | None = None) -> Any:
    """Receive one frame and decode it.

    Parameters
    ----------
    connection : socket
    deadline : float, optional
        When the whole frame must be there, by `time.monotonic`.

    Raises
    ------
    EOFError
        If the other side is gone.
    TimeoutError
        If the frame is not there in time, however many bytes have come.
    WireError
        If it sent anything but a frame.
    """
    (length,) = _LENGTH.unpack(_read(connection, _LENGTH.size, deadline))
    if length > MAX_BYTES:
        raise WireError("the frame is too large")
    return decode(_read(connection, length, deadline))


def _read(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    chunks = bytearray()
    while len(chunks) < count:
        if deadline is not None:
            connection.settimeout(max(deadline - time.monotonic(), 1e-3))
        chunk = connection.recv(min(count - len(chunks), 1 << 20))
        if not chunk:
            raise EOFError("the other side closed the wire")
        chunks += chunk
    return bytes(chunks)
