"""Layer normalization, forward and backward."""

from autograder.checks.numerical import layer_of
from autograder.checks.topic import Functions, Topic
from autograder.checks.topics.layernorm.catalogue import CARRIED, CATALOGUE
from autograder.checks.topics.layernorm.probes import hidden, visible
from solutions import layernorm_forward

NAMES = ("layernorm_forward", "layernorm_backward")


def _on(functions: Functions) -> Functions:
    """Return the reference that belongs to another forward pass."""
    return layer_of(functions[NAMES[0]], NAMES)


TOPIC = Topic(
    layer_of(layernorm_forward, NAMES),
    CATALOGUE,
    visible(),
    hidden,
    needs=NAMES[1:],
    diagnosed_by="layernorm_forward-value",
    reference_on=_on,
    carried=CARRIED,
)
