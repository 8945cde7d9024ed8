"""The numerical gradient and the relative error."""

from autograder.checks.topic import Topic
from autograder.checks.topics.gradcheck.catalogue import CATALOGUE
from autograder.checks.topics.gradcheck.probes import hidden, visible
from solutions import numerical_gradient, relative_error

TOPIC = Topic(
    {"numerical_gradient": numerical_gradient, "relative_error": relative_error}, CATALOGUE, visible(), hidden
)
