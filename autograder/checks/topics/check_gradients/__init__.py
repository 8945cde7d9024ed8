"""The student's own test of a layer, tried on right layers and on layers with planted mistakes."""

from autograder.checks.topic import Topic
from autograder.checks.topics.check_gradients.catalogue import CATALOGUE
from autograder.checks.topics.check_gradients.probes import hidden, visible
from solutions import check_gradients

TOPIC = Topic({"check_gradients": check_gradients}, CATALOGUE, visible(), hidden)
