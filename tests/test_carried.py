"""A mistake in a forward pass of one's own costs its own marks, and not those of a gradient that belongs to it."""

import numpy as np
import pytest
from graded import SECRETS, graded, named
from wrong_implementations import SECOND
from wrong_implementations.spatial import gradient, layer

from autograder.checks.topics import CATALOGUE, TOPICS

CARRIED = [name for topic in TOPICS.values() for name in topic.carried]
ENTRIES = {entry.name: entry for entry in CATALOGUE}
FORWARD_ALONE = [name for name in CARRIED if not any("_backward-" in part for part in ENTRIES[name].breaks)]


def backward_of(verdicts):
    return {part.rpartition("-")[2]: verdict for part, verdict in verdicts.items() if "_backward-" in part}


@pytest.mark.parametrize("name", FORWARD_ALONE)
def test_a_gradient_that_belongs_to_a_wrong_forward_pass_gets_every_point(name):
    for secret in SECRETS[:2]:
        verdicts = backward_of(graded(SECOND[name], secret))
        assert {gradient: verdict.share for gradient, verdict in verdicts.items()} == {"dx": 1, "dgamma": 1, "dbeta": 1}


@pytest.mark.parametrize("name", ["channels not moved", "statistics per pixel", "layer statistics over the batch"])
def test_it_is_told_whose_gradient_it_is(name):
    remarks = backward_of(graded(SECOND[name]))["dx"].remarks
    assert any(ENTRIES[name].sentence in remark and "gradient of that one" in remark for remark in remarks)


def test_a_right_forward_pass_needs_no_such_remark():
    verdicts = backward_of(graded(layer()))
    assert all(verdict.share == 1 and not verdict.remarks for verdict in verdicts.values())


@pytest.mark.parametrize("mistake", ["mean path of maps missing", "variance path of maps missing"])
@pytest.mark.parametrize("forward", ["eps added twice to maps", "statistics per image"])
def test_a_mistake_on_top_of_a_wrong_forward_pass_loses_its_marks(forward, mistake):
    functions = SECOND[mistake] | {"spatial_batchnorm_forward": SECOND[forward]["spatial_batchnorm_forward"]}
    assert backward_of(graded(functions))["dx"].share == 0


def test_a_mistake_on_top_of_a_wrong_forward_pass_is_named():
    functions = dict(SECOND["mean path of maps missing"])
    functions["spatial_batchnorm_forward"] = SECOND["eps added twice to maps"]["spatial_batchnorm_forward"]
    assert named(backward_of(graded(functions))["dx"]) == {"mean path of maps missing"}


def test_means_over_other_axes_than_those_of_the_forward_pass_are_no_gradient_of_it():
    functions = layer(keep="chw", dx=lambda dout, c: gradient(dout, c, keep="c"))
    assert backward_of(graded(functions))["dx"].share == 0


def scale_and_shift(x, gamma, beta, bn_param):
    out = x * gamma[:, None, None] + beta[:, None, None]
    bn_param["running_mean"] = bn_param["running_var"] = np.zeros(len(gamma))
    return out, (x, gamma)


def back_through_scale_and_shift(dout, cache):
    x, gamma = cache
    return dout * gamma[:, None, None], (dout * x).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


def test_the_gradient_of_a_layer_of_ones_own_counts_for_nothing():
    functions = {
        "spatial_batchnorm_forward": scale_and_shift,
        "spatial_batchnorm_backward": back_through_scale_and_shift,
    }
    verdicts = backward_of(graded(functions))
    assert {gradient: verdict.share for gradient, verdict in verdicts.items()} == {"dx": 0, "dgamma": 0, "dbeta": 1}


def test_only_forward_passes_that_normalize_are_carried():
    forward_parts = {topic.diagnosed_by for topic in TOPICS.values() if topic.carried}
    for name in CARRIED:
        assert forward_parts & set(ENTRIES[name].breaks)
        assert "without being normalized" not in ENTRIES[name].sentence
