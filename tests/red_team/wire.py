"""The wire between a submission's process and the grader: closed, forged, flooded, starved.

Stock nbgrader has no such wire; there the first line of each attack forges the mark on the wire that it has.
"""

import textwrap
from typing import Any

from red_team import RIGHT_FORWARD, TOOLS, Case, full, in_test_mode, instead

# The submission's end of the wire, wherever it can be got hold of; on stock nbgrader a pair that leads nowhere.
_WIRE = """
def wires():
    if ON_STOCK:
        return [socket.socketpair()[0]]
    found = [thing for thing in gc.get_objects() if type(thing).__name__ == "socket" and thing.fileno() > 2]
    for number in range(3, 20):
        try:
            found.append(socket.socket(fileno=os.dup(number)))
        except OSError:
            pass
    return found


def modules():
    return [] if ON_STOCK else [sys.modules["student_side.student"], sys.modules["student_side.wire"]]


def number():
    frame = sys._getframe()
    while frame is not None:
        if "request" in frame.f_locals:
            return frame.f_locals["request"]["number"]
        frame = frame.f_back
    return 1


def say(value, times=1):
    for module in modules()[1:]:
        data = module.encode(value)
        for wire in wires():
            for _ in range(times):
                wire.sendall(struct.pack("!Q", len(data)) + data)
"""


def on_the_wire(name: str, about: str, attack: str, **more: Any) -> Case:
    before, after = "forge(4)\n", textwrap.dedent(attack)
    case = in_test_mode(name, about, before + after, gains=4, **more)
    return Case(**{**vars(case), "cells": {"batchnorm_forward": _WIRE + case.cells["batchnorm_forward"]}})


def _answers(name: str, about: str, field: str, value: str) -> Case:
    """Make a case whose process answers calls in test mode with a field of its own choice."""
    attack = f"""
module = modules()[-1] if modules() else None
if module is not None:
    real = module.send
    def send(connection, answer, real=real):
        module.send = real
        real(connection, {{**answer, {field!r}: {value}}})
    module.send = send
"""
    return on_the_wire(name, about, attack)


def _with_a_long_cell(notebook: dict[str, Any]) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "#" * 900_000}
    notebook["cells"].append({**cell, "id": "long"})


CASES = [
    on_the_wire("wire_closed", "closes every descriptor", "if not ON_STOCK:\n    os.closerange(0, 256)"),
    on_the_wire(
        "wire_replaced",
        "puts a pair of sockets of its own in the place of every descriptor",
        """
if not ON_STOCK:
    ours, theirs = socket.socketpair()
    for place in range(3, 20):
        if place not in (ours.fileno(), theirs.fileno()):
            os.dup2(theirs.fileno(), place)
""",
    ),
    on_the_wire("wire_shut_down", "shuts the wire down", "for wire in wires():\n    wire.shutdown(socket.SHUT_RDWR)"),
    on_the_wire(
        "frames_in_advance",
        "sends a thousand answers in advance, with numbers that it guesses",
        "for guess in range(1000):\n    say({'result': np.zeros((7, 4)), 'arguments': [], 'number': guess})",
    ),
    on_the_wire(
        "frames_with_the_right_number",
        "answers its own call twice, so that the second answer is there before the next question",
        "say({'result': (np.zeros((7, 4)), None), 'arguments': [1, 2, 3, 4], 'warnings': [], 'number': number()}, 2)",
    ),
    on_the_wire("garbage", "sends noise", "for wire in wires():\n    wire.sendall(bytes(range(256)) * 100)"),
    on_the_wire(
        "huge_frame",
        "announces a frame of 2**63 bytes",
        "for wire in wires():\n    wire.sendall(struct.pack('!Q', 2**63) + bytes(1000))",
    ),
    on_the_wire(
        "slow_frame",
        "announces a frame and sends it byte by byte, each in time",
        """
if not ON_STOCK:
    for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    wire = wires()[0]
    wire.sendall(struct.pack("!Q", 1000))
    while True:
        wire.sendall(b"N")
        time.sleep(0.3)
""",
    ),
    on_the_wire(
        "silence",
        "stops to read the wire before a cell that is too long for the kernel's buffers",
        "for module in modules()[1:]:\n    module.receive = lambda *_: time.sleep(3600)",
        change=_with_a_long_cell,
    ),
    _answers(
        "answer_numbered_by_an_array", "an array where the number of the answer belongs", "number", "np.arange(3)"
    ),
    _answers(
        "error_of_ten_thousand_digits",
        "a huge number where an error's kind belongs",
        "error",
        "{'kind': 10**10_000, 'kinds': [10**10_000], 'text': None, 'line': 7}",
    ),
    _answers(
        "error_with_half_a_character",
        "a text that no file can hold where an error's line belongs",
        "error",
        "{'kind': chr(0xD800), 'kinds': [chr(0xDFFF)] * 1000, 'text': chr(0xD800) * 10_000_000, 'line': chr(0)}",
    ),
    _answers("error_that_is_none", "an error that is no error", "error", "[[[[]]]]"),
    _answers(
        "arguments_that_are_none",
        "strange values where the arguments after the call belong",
        "arguments",
        "[np.zeros((2, 0)), 10**5000, {'running_mean': [[]]}, {'running_mean': 10**5000, 'running_var': 'x' * 10**6}]",
    ),
    _answers("warnings_that_are_none", "strange values where warnings belong", "warnings", "[10**5000] * 1000"),
    on_the_wire(
        "codec_replaced",
        "replaces the codec on its own side, and answers with numbers where arrays belong",
        """
for module in modules()[1:]:
    module.encode = lambda value: b"I" + struct.pack("!Q", 3) + b"abc"
""",
    ),
    in_test_mode(
        "answer_too_large",
        "gives back an array of 80 MB",
        "forge(4)\nglobals().update(zeros_like=np.zeros_like)\n"
        "np.zeros_like = lambda x: globals()['zeros_like'](np.empty((10_000, 1_000)))",
        gains=4,
    ),
    instead(
        "outputs_without_end",
        "answers every cell with a hundred thousand outputs and a hundred megabytes",
        """
if not ON_STOCK:
    class Shell(sys.modules["student_side.student"].Shell):
        def run(self, source, seconds):
            many = [{"output_type": "stream", "name": "stdout", "text": "x"}] * 50_000
            odd = [{"output_type": np.arange(3)}, {"output_type": "stream", "name": np.arange(3), "text": ""}, 7, None]
            large = [{"output_type": "display_data", "data": {"text/plain": "y" * 20_000_000}}]
            return odd + large + many, False
    for thing in gc.get_objects():
        if type(thing).__name__ == "Shell" and hasattr(thing, "ipython"):
            thing.__class__ = Shell


def batchnorm_forward(*_):
    forge("right")
""",
        gains=20,
        borrows=True,
    ),
    Case(
        "cells_without_end",
        "three hundred cells of its own, each in time, and together far longer than a submission may take",
        {"batchnorm_forward": TOOLS + RIGHT_FORWARD},
        honest=full("forward"),
        change=lambda notebook: notebook["cells"].extend(
            {
                "cell_type": "code",
                "id": f"mine-{number}",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": "if not ON_STOCK:\n    time.sleep(0.2)",
            }
            for number in range(300)
        ),
    ),
]
