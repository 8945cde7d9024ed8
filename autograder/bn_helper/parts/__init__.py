"""What each part of an assignment tries, as scripts of calls.

A claim is a script: it calls functions by name and notes what it sees. Run with the student's functions it
notes what they do; run with the reference it notes what is right. `judge` compares the two.
"""

from . import batchnorm, check_gradients, gradcheck, hidden_layer, inference, layernorm, shift, sigmoid, spatial, stack
from .claims import Part

TOPICS: dict[str, tuple[Part, ...]] = {
    "batchnorm": batchnorm.PARTS,
    "gradcheck": gradcheck.PARTS,
    "check_gradients": check_gradients.PARTS,
    "sigmoid": sigmoid.PARTS,
    "hidden_layer": hidden_layer.PARTS,
    "stack": stack.PARTS,
    "shift": shift.PARTS,
    "spatial": spatial.PARTS,
    "layernorm": layernorm.PARTS,
    "inference": inference.PARTS,
}

PARTS = {part.id: part for parts in TOPICS.values() for part in parts}


def topic_of(part: str) -> str:
    """Return the topic to which a part belongs: its probes are those of the topic."""
    return next(topic for topic, parts in TOPICS.items() if PARTS[part] in parts)
