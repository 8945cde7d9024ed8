"""The wire between the grader and a student's process: a closed codec and frames of bytes.

It carries None, bool, int, float, complex, str, bytes, list, tuple, dict with str keys and numeric arrays, and
nothing else: no code, no class, no pickle. Whatever else a student's function returns crosses as an `Opaque` that
tells its type's name.
"""

import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 20
MAX_ITEMS = 200_000
_DTYPES = {d: np.dtype(d) for d in ("?", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "e", "f", "d", "F", "D")}
_SCALARS = {dtype.type for dtype in _DTYPES.values()}
_LENGTH = struct.Struct("!Q")


class WireError(Exception):
    """A value cannot cross the wire, or bytes on it are no value."""


@dataclass(frozen=True)
class Opaque:
    """Stands for a value that does not cross the wire."""

    type_name: str


def encode(value: Any) -> bytes:
    """Encode a value; what does not belong to the codec, or is nested too deeply, becomes an `Opaque`.

    Raises
    ------
    WireError
        If the value is too large.
    """
    chunks: list[bytes] = []
    size = _encode(value, chunks, 0, 0)
    if size > MAX_BYTES:
        raise WireError("the value is too large")
    return b"".join(chunks)


def _put(chunks: list[bytes], tag: bytes, body: bytes, size: int) -> int:
    size += len(body) + 9
    if size > MAX_BYTES or len(chunks) > 3 * MAX_ITEMS:
        raise WireError("the value is too large")
    chunks += (tag, _LENGTH.pack(len(body)), body)
    return size


def _encode(value: Any, chunks: list[bytes], depth: int, size: int) -> int:
    kind = type(value)
    if value is None:
        return _put(chunks, b"N", b"", size)
    if kind is bool:
        return _put(chunks, b"T", bytes([value]), size)
    if kind is int:
        return _put(chunks, b"I", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True), size)
    if kind is float:
        return _put(chunks, b"F", struct.pack("!d", value), size)
    if kind is complex:
        return _put(chunks, b"C", struct.pack("!dd", value.real, value.imag), size)
    if kind is str:
        return _put(chunks, b"S", value.encode("utf-8", "surrogatepass"), size)
    if kind is bytes:
        return _put(chunks, b"B", value, size)
    if kind is np.ndarray and value.dtype.char in _DTYPES and value.dtype.isnative:
        if value.nbytes > MAX_BYTES:
            raise WireError("the array is too large")
        shape = struct.pack(f"!{value.ndim}Q", *value.shape)
        head = value.dtype.char.encode() + bytes([value.ndim]) + shape
        return _put(chunks, b"A", head + np.ascontiguousarray(value).tobytes(), size)
    if kind in _SCALARS:
        return _put(chunks, b"G", value.dtype.char.encode() + value.tobytes(), size)
    deep = depth >= MAX_DEPTH
    if (kind is list or kind is tuple) and not deep:
        size = _put(chunks, b"L" if kind is list else b"U", _LENGTH.pack(len(value)), size)
        for item in value:
            size = _encode(item, chunks, depth + 1, size)
        return size
    if kind is dict and not deep and all(type(key) is str for key in value):
        size = _put(chunks, b"M", _LENGTH.pack(len(value)), size)
        for key, item in value.items():
            size = _encode(item, chunks, depth + 1, _encode(key, chunks, depth + 1, size))
        return size
    name = value.type_name if kind is Opaque else kind.__name__
    return _put(chunks, b"O", name.encode("utf-8", "surrogatepass")[:200], size)


def decode(data: bytes) -> Any:
    """Decode what `encode` wrote.

    Raises
    ------
    WireError
        If the bytes are anything else.
    """
    try:
        value, end = _decode(memoryview(data), 0, 0, [MAX_ITEMS])
    except WireError:
        raise
    except Exception as error:
        raise WireError(f"malformed bytes: {type(error).__name__}") from error
    if end != len(data):
        raise WireError("bytes left over")
    return value


def _decode(data: memoryview, at: int, depth: int, left: list[int]) -> tuple[Any, int]:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise WireError("too deeply nested, or too many values")
    tag = bytes(data[at : at + 1])
    (length,) = _LENGTH.unpack(data[at + 1 : at + 9])
    body, at = data[at + 9 : at + 9 + length], at + 9 + length
    if len(body) != length:
        raise WireError("cut off")
    if tag in b"LUM" and tag:
        (count,) = _LENGTH.unpack(body)
        if count > len(data):
            raise WireError("more items than bytes")
        items = []
        for _ in range(count * (2 if tag == b"M" else 1)):
            item, at = _decode(data, at, depth + 1, left)
            items.append(item)
        if tag == b"M":
            if not all(type(key) is str for key in items[::2]):
                raise WireError("a key that is no text")
            return dict(zip(items[::2], items[1::2], strict=True)), at
        return (items if tag == b"L" else tuple(items)), at
    return _decode_leaf(tag, bytes(body)), at


def _decode_leaf(tag: bytes, body: bytes) -> Any:
    match tag:
        case b"N" if not body:
            return None
        case b"T" if body in (b"\x00", b"\x01"):
            return body == b"\x01"
        case b"I" if body:
            return int.from_bytes(body, "big", signed=True)
        case b"F":
            return struct.unpack("!d", body)[0]
        case b"C":
            return complex(*struct.unpack("!dd", body))
        case b"S":
            return body.decode("utf-8", "surrogatepass")
        case b"B":
            return body
        case b"O":
            return Opaque(body.decode("utf-8", "replace"))
        case b"G":
            (number,) = np.frombuffer(body[1:], _DTYPES[chr(body[0])])
            return number
        case b"A":
            dtype, ndim = _DTYPES[chr(body[0])], body[1]
            shape = struct.unpack(f"!{ndim}Q", body[2 : 2 + 8 * ndim])
            return np.frombuffer(body[2 + 8 * ndim :], dtype).reshape(shape).copy()
    raise WireError(f"no value of the kind {tag!r}")


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
