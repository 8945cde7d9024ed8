"""The sigmoid, forward and backward, and two measurements of its saturation."""

from autograder.checks.topic import Topic
from autograder.checks.topics.sigmoid.catalogue import CATALOGUE
from autograder.checks.topics.sigmoid.probes import hidden, visible
from autograder.checks.topics.sigmoid.reference import REFERENCE

TOPIC = Topic(REFERENCE, CATALOGUE, visible(), hidden)
