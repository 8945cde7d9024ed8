"""The topics that the grader knows, by the names that their parts have in `bn_helper.parts`."""

from autograder.bn_helper.parts import topic_of
from autograder.checks.topic import Misconception, Topic
from autograder.checks.topics import (
    batchnorm,
    check_gradients,
    gradcheck,
    hidden_layer,
    inference,
    layernorm,
    shift,
    sigmoid,
    spatial,
    stack,
)

TOPICS: dict[str, Topic] = {
    "batchnorm": batchnorm.TOPIC,
    "gradcheck": gradcheck.TOPIC,
    "check_gradients": check_gradients.TOPIC,
    "sigmoid": sigmoid.TOPIC,
    "hidden_layer": hidden_layer.TOPIC,
    "stack": stack.TOPIC,
    "shift": shift.TOPIC,
    "spatial": spatial.TOPIC,
    "layernorm": layernorm.TOPIC,
    "inference": inference.TOPIC,
}

CATALOGUE: tuple[Misconception, ...] = tuple(entry for topic in TOPICS.values() for entry in topic.catalogue)


def topic_with(part: str) -> Topic:
    """Return the topic to which a part belongs."""
    return TOPICS[topic_of(part)]
