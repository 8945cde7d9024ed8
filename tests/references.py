"""Independent references in JAX, written from the papers: forward passes only, every gradient is JAX's own."""

import os
from functools import partial

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


# --- the formulas -----------------------------------------------------------------------------------------------


def mean(x):
    return jnp.sum(x, axis=0) / x.shape[0]


def variance(x, mu):
    return jnp.sum(jnp.square(x - mu), axis=0) / x.shape[0]


def normalize(x, mu, var, eps):
    return (x - mu) / jnp.sqrt(var + eps)


def batchnorm(x, gamma, beta, eps):
    mu = mean(x)
    return gamma * normalize(x, mu, variance(x, mu), eps) + beta


def spatial_batchnorm(x, gamma, beta, eps):
    axes = (0, 2, 3)
    x_hat = (x - jnp.mean(x, axes, keepdims=True)) / jnp.sqrt(jnp.var(x, axes, keepdims=True) + eps)
    return gamma[:, None, None] * x_hat + beta[:, None, None]


def layernorm(x, gamma, beta, eps):
    def one_example(row):
        return gamma * (row - jnp.mean(row)) / jnp.sqrt(jnp.var(row) + eps) + beta

    return jax.vmap(one_example)(x)


def sigmoid(x):
    return jax.nn.sigmoid(x)


def fully_connected_loss(params, x, labels, activation, eps):
    """Return the mean cross-entropy of a network whose params are those of solutions.Network."""
    activate = {"sigmoid": sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[activation]
    for layer in params[:-1]:
        x = x @ layer["W"] + layer["b"]
        if "gamma" in layer:
            x = batchnorm(x, layer["gamma"], layer["beta"], eps)
        x = activate(x)
    logits = x @ params[-1]["W"] + params[-1]["b"]
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels])


# --- their gradients --------------------------------------------------------------------------------------------


def as_numpy(tree):
    return jax.tree.map(lambda leaf: np.array(leaf, dtype=np.float64), tree)


def float64(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype=jnp.float64), tree)


@partial(jax.jit, static_argnums=0)
def _value_and_gradients(f, args, dout, constants):
    out, pull_back = jax.vjp(lambda *args: f(*args, *constants), *args)
    return out, pull_back(dout)


def value_and_gradients(f, args, dout, *constants):
    """Return f(*args, *constants) and the gradients of sum(f * dout) with respect to each of args, in float64."""
    return as_numpy(_value_and_gradients(f, *float64((args, dout, constants))))


@jax.jit
def _nodes(dx_hat, dvar, dmu, x, mu, var, eps):
    def through_x_hat(x, mu, var):
        return jnp.sum(dx_hat * normalize(x, mu, var, eps))

    def through_var(x, mu):
        return jnp.sum(dvar * variance(x, mu))

    def through_mu(x):
        return jnp.sum(dmu * mean(x))

    return {
        "var": jax.grad(through_x_hat, 2)(x, mu, var),
        "mu": jax.grad(through_x_hat, 1)(x, mu, var) + jax.grad(through_var, 1)(x, mu),
        "x": jax.grad(through_x_hat)(x, mu, var) + jax.grad(through_var)(x, mu) + jax.grad(through_mu)(x),
    }


def nodes(dx_hat, dvar, dmu, x, mu, var, eps):
    """Return the gradients that meet at var, mu and x, each from the gradients of what is computed from it."""
    return as_numpy(_nodes(*float64((dx_hat, dvar, dmu, x, mu, var, eps))))


@jax.jit
def _sigmoid_network_gradients(x, weights, dout):
    def layers_from(start, x):
        for W in weights[start:]:
            x = sigmoid(x @ W)
        return jnp.sum(x * dout)

    inputs = [x]
    for W in weights[:-1]:
        inputs.append(sigmoid(inputs[-1] @ W))
    return [jax.grad(partial(layers_from, start))(inputs[start]) for start in range(len(weights))]


def sigmoid_network_gradients(x, weights, dout):
    """Return the gradient of sum(output * dout) with respect to the input of each layer, the first layer's first."""
    return as_numpy(_sigmoid_network_gradients(*float64((x, list(weights), dout))))


@partial(jax.jit, static_argnums=3)
def _network_gradients(params, x, labels, activation, eps):
    return jax.value_and_grad(fully_connected_loss)(params, x, labels, activation, eps)


def network_gradients(params, x, labels, activation, eps):
    """Return the loss of a network and its gradients with respect to all params."""
    loss, grads = _network_gradients(float64(params), float64(x), jnp.asarray(labels), activation, eps)
    return float(loss), as_numpy(grads)
