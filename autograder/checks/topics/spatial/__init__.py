"""Batch normalization of feature maps, forward and backward."""

from autograder.checks.numerical import layer_of
from autograder.checks.topic import Functions, Topic
from autograder.checks.topics.spatial.catalogue import CARRIED, CATALOGUE
from autograder.checks.topics.spatial.probes import hidden, visible
from solutions import spatial_batchnorm_forward

NAMES = ("spatial_batchnorm_forward", "spatial_batchnorm_backward")


def _on(functions: Functions) -> Functions:
    """Return the reference that belongs to another forward pass."""
    return layer_of(functions[NAMES[0]], NAMES)


TOPIC = Topic(
    layer_of(spatial_batchnorm_forward, NAMES),
    CATALOGUE,
    visible(),
    hidden,
    needs=NAMES[1:],
    diagnosed_by="spatial_batchnorm_forward-train",
    reference_on=_on,
    carried=CARRIED,
)
