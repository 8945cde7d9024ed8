"""Folding batch normalization, and converting running averages between conventions."""

from autograder.checks.topic import Topic
from autograder.checks.topics.inference.catalogue import CATALOGUE
from autograder.checks.topics.inference.probes import hidden, visible
from solutions import convert_running, fold_batchnorm

TOPIC = Topic(
    {"fold_batchnorm": fold_batchnorm, "convert_running": convert_running},
    CATALOGUE,
    visible(),
    hidden,
)
