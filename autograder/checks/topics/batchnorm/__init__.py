"""Batch normalization: forward, node by node backward, and backward."""

from autograder.checks.topic import Topic
from autograder.checks.topics.batchnorm.catalogue import CATALOGUE
from autograder.checks.topics.batchnorm.probes import hidden, visible
from autograder.checks.topics.batchnorm.reference import REFERENCE, reference_on
from solutions import batchnorm_backward, batchnorm_backward_alt

TOPIC = Topic(
    REFERENCE,
    CATALOGUE,
    visible(),
    hidden,
    given={"batchnorm_forward": "bn_helper.batchnorm_forward"},
    needs=("batchnorm_backward", "batchnorm_backward_alt"),
    diagnosed_by="batchnorm_forward-train",
    reference_on=reference_on,
    formulas=tuple(
        {"batchnorm_backward": backward, "batchnorm_backward_alt": backward}
        for backward in (batchnorm_backward, batchnorm_backward_alt)
    ),
)
