"""The wire between the grader and a submission: plain values cross it exactly, others as a name, rubbish never."""

import socket
import struct
import threading
import tracemalloc
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from autograder.engine.student_side import wire
from autograder.engine.student_side.wire import Opaque, WireError, decode, encode

PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    npst.arrays(st.sampled_from("?bBhHiIqQefdFD"), npst.array_shapes(min_dims=0, min_side=0, max_side=4)),
    npst.arrays(st.sampled_from("bHqfdD"), ()).map(lambda array: array[()]),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
    ),
    max_leaves=12,
)


def same(a, b):
    """Tell whether two values are the same in type and content; nan equals nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    return repr(a) == repr(b) and (a == b or a != a)


# ---- what crosses ----


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_a_plain_value_crosses_exactly(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("value", [-(2**200), 2**63, "\ud800", "", b"", (), [], {}, np.zeros((0, 3)), np.float32(0.1)])
def test_values_at_the_edge_cross_too(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_crosses_whatever_its_layout(order):
    array = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
    for view in (array, array.T, array[::2], array[:, ::-1], np.broadcast_to(array[0], (3, 4))):
        crossed = decode(encode(view))
        assert np.array_equal(crossed, view)
        assert crossed.flags.writeable
        assert crossed.flags.owndata


def test_what_crosses_is_a_copy():
    array = np.zeros(3)
    decode(encode(array))[0] = 1
    assert not array.any()


class Sub(np.ndarray):
    pass


class Liar(int):
    __class__ = float


class EqualToAll:
    def __eq__(self, other):
        return True

    __hash__ = None


Pair = namedtuple("Pair", "a b")

STRANGERS = [
    (object(), "object"),
    (len, "builtin_function_or_method"),
    (Pair(1, 2), "Pair"),
    (OrderedDict(a=1), "OrderedDict"),
    ({1: 2}, "dict"),
    ({1, 2}, "set"),
    (Liar(3), "Liar"),
    (EqualToAll(), "EqualToAll"),
    (type("Text", (str,), {})("x"), "Text"),
    (type("Number", (float,), {})(1.0), "Number"),
    (np.zeros(2).view(Sub), "Sub"),
    (np.ma.masked_array([1.0, 2.0]), "MaskedArray"),
    (np.array([object()]), "ndarray"),
    (np.zeros(2, dtype=">f8"), "ndarray"),
    (np.array(["a"]), "ndarray"),
    (np.zeros(1, dtype=[("a", float)]), "ndarray"),
    (np.longdouble(1), "longdouble"),
    (np.datetime64("2020-01-01"), "datetime64"),
    (NotImplementedError("x"), "NotImplementedError"),
    (int, "type"),
    (bytearray(b"x"), "bytearray"),
    (range(3), "range"),
]


@pytest.mark.parametrize(("value", "name"), STRANGERS, ids=[name for _, name in STRANGERS])
def test_everything_else_crosses_as_the_name_of_its_type(value, name):
    assert decode(encode(value)) == Opaque(name)
    assert decode(encode([value])) == [Opaque(name)]


def test_methods_of_a_strange_value_are_never_called():
    class Trap:
        def __getattribute__(self, name):
            raise AssertionError(name)

        def __reduce__(self):
            raise AssertionError

    assert decode(encode({"a": Trap()})) == {"a": Opaque("Trap")}


def test_what_was_opaque_stays_opaque_on_the_way_back():
    assert decode(encode(Opaque("Cache"))) == Opaque("Cache")


def test_a_long_name_of_a_type_is_cut():
    assert decode(encode(type("A" * 5000, (), {})())) == Opaque("A" * 200)


def test_a_value_that_contains_itself_crosses_as_far_as_the_wire_goes():
    value = []
    value.append(value)
    crossed, depth = decode(encode(value)), 0
    while type(crossed) is list:
        crossed, depth = crossed[0], depth + 1
    assert crossed == Opaque("list")
    assert depth == wire.MAX_DEPTH


# ---- what does not ----


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_is_a_wire_error_and_nothing_else(data):
    try:
        value = decode(data)
    except WireError:
        return
    assert same(decode(encode(value)), value)


@settings(max_examples=500, deadline=None)
@given(VALUES, st.data())
def test_a_damaged_value_is_a_wire_error_or_another_plain_value(value, data):
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(encoded))
    except WireError:
        return
    encode(decoded)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.data())
def test_a_value_cut_off_or_drawn_out_is_a_wire_error(value, data):
    encoded = encode(value)
    with pytest.raises(WireError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(WireError):
        decode(encoded + data.draw(st.binary(min_size=1, max_size=20)))


def frame(tag, body):
    return tag + struct.pack("!Q", len(body)) + body


def claimed(count):
    return struct.pack("!Q", count)


NONE = frame(b"N", b"")
MALFORMED = {
    "an array of a huge shape": frame(b"A", b"d\x02" + struct.pack("!2Q", 1 << 40, 1 << 20)),
    "an array whose size overflows": frame(b"A", b"d\x02" + struct.pack("!2Q", 1 << 62, 4)),
    "an array of size -1": frame(b"A", b"d\x01" + struct.pack("!Q", (1 << 64) - 1) + bytes(16)),
    "an array of 255 dimensions": frame(b"A", b"d\xff" + struct.pack("!255Q", *[1] * 255) + bytes(8)),
    "an array of objects": frame(b"A", b"O\x01" + struct.pack("!Q", 1) + bytes(8)),
    "an array without a shape": frame(b"A", b"d\x02"),
    "an array with too few bytes": frame(b"A", b"d\x01" + struct.pack("!Q", 3) + bytes(16)),
    "a long list of nothing": frame(b"L", claimed(1 << 60)),
    "a list longer than its items": frame(b"L", claimed(3)) + NONE,
    "bytes that are not there": b"B" + claimed(1 << 60),
    "a text that is not UTF-8": frame(b"S", b"\xff\xff"),
    "a key that is a number": frame(b"M", claimed(1)) + frame(b"I", b"\x01") + NONE,
    "a key that is a list": frame(b"M", claimed(1)) + frame(b"L", claimed(0)) + NONE,
    "a dict without its last value": frame(b"M", claimed(1)) + frame(b"S", b"a"),
    "an integer of no bytes": frame(b"I", b""),
    "a truth value of 2": frame(b"T", b"\x02"),
    "None with content": frame(b"N", b"x"),
    "a float of four bytes": frame(b"F", bytes(4)),
    "two numbers in one": frame(b"G", b"d" + bytes(16)),
    "a number of no bytes": frame(b"G", b"d"),
    "an unknown tag": frame(b"X", b""),
    "nested too deeply": frame(b"L", claimed(1)) * 30 + NONE,
    "nothing": b"",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=list(MALFORMED))
def test_a_claim_that_the_bytes_do_not_keep_is_refused_before_memory_is_taken(data):
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_many_small_values_are_refused_after_a_bounded_number():
    count = wire.MAX_ITEMS + 1
    with pytest.raises(WireError):
        decode(frame(b"L", claimed(count)) + NONE * count)
    with pytest.raises(WireError):
        encode([None] * count)


@pytest.mark.parametrize(
    "value",
    [np.zeros(wire.MAX_BYTES // 8 + 1), bytes(wire.MAX_BYTES + 1), [bytes(wire.MAX_BYTES // 2)] * 3],
    ids=["array", "bytes", "list"],
)
def test_a_value_that_is_too_large_is_a_wire_error(value):
    with pytest.raises(WireError, match="too large"):
        encode(value)


def test_an_array_that_takes_no_memory_is_not_written_out():
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="too large"):
            encode(np.broadcast_to(0.0, (1 << 40,)))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


# ---- frames ----


def test_frames_arrive_one_after_the_other():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        values = [{"number": 1}, np.arange(5.0), "x" * 100_000]
        sender = threading.Thread(target=lambda: [wire.send(theirs, value) for value in values])
        sender.start()
        assert all(same(wire.receive(ours), value) for value in values)
        sender.join()


@pytest.mark.parametrize("sent", [b"", b"\x00\x00", struct.pack("!Q", 100) + b"half"])
def test_the_end_of_the_other_side_is_an_eof_error(sent):
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(sent)
        with pytest.raises(EOFError):
            wire.receive(ours)


def test_a_frame_that_claims_to_be_huge_is_refused_unread():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("!Q", 1 << 62))
        with pytest.raises(WireError, match="too large"):
            wire.receive(ours)
