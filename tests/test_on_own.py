"""An error costs once: what builds on a wrong function is tried on top of it, and a trick earns nothing there."""

import numpy as np
import pytest
from graded import SECRETS, graded, losing, named
from wrong_implementations.hidden_layer import LAYER, RIGHT, STACK, by_hand, by_steps, layer, squash, stack, whitened

HIDDEN = "hidden_forward-value"
GRADIENTS = {f"hidden_backward-{name}" for name in ("dx", "dW", "dgamma", "dbeta")}
STACKED = {"stack_forward-value", "stack_backward-dx", "stack_backward-grads"}
CONSISTENT = [name for name in LAYER if losing(graded(LAYER[name])) == {HIDDEN}]


def on_top_of(hidden):
    """Return a notebook whose stack, which is right, calls the hidden layer that is given."""

    def stack_forward(x, layers, bn_params):
        caches = []
        for parameters, bn_param in zip(layers, bn_params, strict=True):
            x, cache = hidden["hidden_forward"](x, *(parameters[name] for name in ("W", "gamma", "beta")), bn_param)
            caches.append(cache)
        return x, caches

    def stack_backward(dout, caches):
        grads = []
        for cache in caches[::-1]:
            dout, *rest = hidden["hidden_backward"](dout, cache)
            grads.append(dict(zip(("W", "gamma", "beta"), rest, strict=True)))
        return dout, grads[::-1]

    return {**hidden, "stack_forward": stack_forward, "stack_backward": stack_backward}


def test_many_wrong_forward_passes_have_a_gradient_that_belongs_to_them():
    assert len(CONSISTENT) >= 8


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", CONSISTENT)
def test_a_wrong_forward_pass_costs_neither_its_own_gradient_nor_the_stack(name, secret):
    verdicts = graded(on_top_of(LAYER[name]), secret)
    assert losing(verdicts) == {HIDDEN}
    assert all(verdicts[part].share == 1 for part in GRADIENTS | STACKED)
    assert "on top of your other functions" in verdicts["hidden_backward-dx"].message()


@pytest.mark.parametrize("name", [name for name in LAYER if name not in CONSISTENT])
def test_a_wrong_gradient_does_not_cost_the_stack(name):
    lost = losing(graded(on_top_of(LAYER[name])))
    assert lost
    assert not lost & STACKED


@pytest.mark.parametrize("name", STACK)
def test_a_wrong_stack_is_still_wrong_on_top_of_a_wrong_layer(name):
    hidden = LAYER["beta added twice"]
    wrong = {**STACK[name], **hidden}
    rebuilt = {n: _with_layer(wrong[n], hidden) for n in ("stack_forward", "stack_backward")}
    verdicts = graded({**hidden, **rebuilt})
    assert losing(verdicts) & STACKED
    assert not losing(verdicts) & GRADIENTS


def _with_layer(function, hidden):
    """Return a function of a stack that calls another layer than the right one."""

    def called(*args):
        kept = dict(RIGHT)
        RIGHT.update(hidden)
        try:
            return function(*args)
        finally:
            RIGHT.update(kept)

    return called


@pytest.mark.parametrize(
    "hidden",
    [
        by_steps(lambda x, W, g, b, eps: 0 * (x @ W) * g + b * 0),
        by_steps(lambda x, W, g, b, eps: 0 * (x @ W) + 0.5),
        by_steps(lambda x, W, g, b, eps: (x @ W) * g + b),
        by_steps(lambda x, W, g, b, eps: squash((x @ W) * g + b)),
    ],
    ids=["zeros", "a constant", "linear", "no normalization"],
)
def test_a_forward_pass_that_does_nothing_to_differentiate_earns_nothing_for_its_gradient(hidden):
    assert losing(graded(hidden)) == {HIDDEN} | GRADIENTS


def test_a_gradient_of_zeros_earns_nothing_whatever_the_forward_pass():
    for f in (layer, lambda x, W, g, b, eps: g * whitened(x @ W, eps)[0] + b):
        zeros = {**by_steps(f), "hidden_backward": lambda dout, cache: tuple(np.zeros_like(v) for v in cache[0])}
        assert losing(graded(zeros)) >= GRADIENTS


def test_a_stack_of_constants_earns_nothing():
    constant = by_steps(lambda x, W, g, b, eps: 0 * (x @ W) + 0.5)
    assert losing(graded(on_top_of(constant))) >= STACKED


def test_of_a_right_layer_nothing_is_said_about_other_functions():
    for functions in (by_hand(), stack()):
        assert not any(verdict.remarks for verdict in graded(functions).values())


def test_a_mistake_on_top_of_another_gets_no_name_that_is_not_there():
    shifted = by_steps(lambda x, W, g, b, eps: layer(x, W, g, 2 * b, eps))
    backward = shifted["hidden_backward"]

    def averaged(dout, cache):
        dx, dW, dgamma, dbeta = backward(dout, cache)
        return dx, dW / len(dout), dgamma, dbeta

    verdicts = graded({**shifted, "hidden_backward": averaged})
    assert losing(verdicts) == {HIDDEN, "hidden_backward-dW"}
    assert named(verdicts[HIDDEN]) == {"beta added twice"}
    assert named(verdicts["hidden_backward-dW"]) == set()
