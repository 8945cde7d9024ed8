"""Experiments of the chapter on well-scaled inputs: a linear model under gradient descent, and scales through depth."""

import numpy as np

from solutions import Network, batchnorm_forward
from solutions.network import ACTIVATIONS


def hessian(x):
    """Compute the Hessian of a linear model from its inputs (N, D)."""
    return x.T @ x / len(x)  # (D, N) @ (N, D) -> (D, D)


def condition_number(x):
    """Divide the largest eigenvalue of the Hessian by the smallest."""
    eigenvalues = np.linalg.eigvalsh(hessian(x))  # (D,), ascending
    return eigenvalues[-1] / eigenvalues[0]


def descend(x, t, learning_rate, steps):
    """Walk downhill from w = 0 and keep every w on the way."""
    w = np.zeros(x.shape[1])
    path = [w]
    for _ in range(steps):
        dw = x.T @ (x @ w - t) / len(x)  # (D,)
        w = w - learning_rate * dw
        path.append(w)
    return np.array(path)  # (steps + 1, D)


def whiten(x):
    """Give the features mean 0, variance 1 and no correlation."""
    x = x - x.mean(axis=0)  # (N, D)
    eigenvalues, Q = np.linalg.eigh(hessian(x))  # (D,), (D, D)
    return x @ Q @ np.diag(eigenvalues**-0.5) @ Q.T


def standardize(x):
    """Give each feature of x, (N, D), mean 0 and variance 1."""
    D = x.shape[1]
    return batchnorm_forward(x, np.ones(D), np.zeros(D), {"mode": "train", "eps": 0.0})[0]


def with_bias(x):
    """Append the feature 1, whose weight is the bias: (N, D) becomes (N, D + 1)."""
    return np.column_stack([x, np.ones(len(x))])


def best_rate(x):
    """Return the learning rate with the fastest descent from the worst start, 2 / (smallest + largest eigenvalue)."""
    eigenvalues = np.linalg.eigvalsh(hessian(x))
    return 2 / (eigenvalues[0] + eigenvalues[-1])


def steps_to(path, minimum, tol=0.01):
    """Count the steps until the distance to the minimum has fallen to tol of that at the start.

    Parameters
    ----------
    path : ndarray of shape (steps + 1, D)
    minimum : ndarray of shape (D,)
    tol : float

    Returns
    -------
    steps : int or None
        None if the path ends before.
    """
    distance = np.linalg.norm(path - minimum, axis=1)
    arrived = np.flatnonzero(distance <= tol * distance[0])
    return int(arrived[0]) if len(arrived) else None


def measured_steps(x, tol=0.01):
    """Count the steps at the best learning rate from the worst start, for inputs x of shape (N, D).

    The worst start is equally far from the minimum along the steepest and the flattest axis, and nowhere else.
    """
    _, Q = np.linalg.eigh(hessian(x))
    minimum = Q[:, 0] + Q[:, -1]
    enough = int(3 * condition_number(x) * np.log(1 / tol)) + 2
    return steps_to(descend(x, x @ minimum, best_rate(x), enough), minimum, tol)


def predicted_steps(condition, tol=0.01):
    """Predict the same number, not rounded, from the condition number alone, by {eq}`eq-steps`."""
    condition = np.asarray(condition, dtype=float)
    return np.log(1 / tol) / np.log((condition + 1) / (condition - 1))


def measured_features(N=500):
    """Draw five correlated features in units of their own, far from zero, and targets that depend on them.

    Returns
    -------
    x : ndarray of shape (N, 5)
        Standard deviations 1, 2, 3, 5 and 8, means twice as large, correlations near 0.6.
    t : ndarray of shape (N,)
        Linear in x, plus noise.
    """
    rng = np.random.default_rng(0)
    spread = np.array([1.0, 2, 3, 5, 8])
    common, own = rng.normal(size=(N, 1)), rng.normal(size=(N, len(spread)))
    x = spread * (2 + np.sqrt(0.6) * common + np.sqrt(0.4) * own)
    return x, x @ (rng.normal(size=len(spread)) / spread) + 0.1 * rng.normal(size=N)


def two_features(N=200):
    """Draw two correlated features with unequal spreads, away from zero, and targets that are linear in them.

    Returns
    -------
    x : ndarray of shape (N, 2)
        Means 1.6 and 4, standard deviations near 0.6 and 1.5, correlation near 0.8.
    t : ndarray of shape (N,)
        Of mean 0.
    """
    z = np.random.default_rng(0).normal(size=(N, 2))
    x = [1.6, 4] + z @ np.array([[0.6, 1.2], [0, 0.9]])
    return x, (x - x.mean(axis=0)) @ [-1.5, 1.0]


def preparations(x):
    """Return x of shape (N, D) as it is, centred, standardized and whitened, in a dict."""
    return {
        "as measured": x,
        "centred": x - x.mean(axis=0),
        "standardized": standardize(x),
        "whitened": whiten(x),
    }


def excess_loss(x, t, steps):
    """Follow the loss above its minimum under gradient descent at the best rate, as a share of that at the start.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    t : ndarray of shape (N,)
    steps : int

    Returns
    -------
    excess : ndarray of shape (steps + 1,)
    """
    minimum = np.linalg.lstsq(x, t, rcond=None)[0]
    error = descend(x, t, best_rate(x), steps) - minimum  # (steps + 1, D)
    excess = (error @ hessian(x) * error).sum(axis=1) / 2
    return excess / excess[0]


def layer_inputs(activation, weight_scale, layers=10, width=100, N=500):
    """Send standardized random inputs through a network at its random start.

    Parameters
    ----------
    activation : 'sigmoid', 'tanh' or 'relu'
    weight_scale : float
        Weights are normal with standard deviation weight_scale / sqrt(width); biases are 0.
    layers, width, N : int

    Returns
    -------
    inputs : list of ndarray of shape (N, width), layers + 1 long
        The data, then the activations of each layer.
    """
    x = standardize(np.random.default_rng(0).normal(size=(N, width)))
    sizes = (width,) * (layers + 1) + (1,)
    network = Network(sizes, activation, batchnorm=False, rng=np.random.default_rng(1), weight_scale=weight_scale)
    _, trace = network.forward(x)
    return [at["input"] for at in trace]


def root_mean_square(a):
    """Return the root of the mean of all squared entries."""
    return float(np.sqrt(np.mean(a**2)))


def predicted_root_mean_square(activation, weight_scale, layers=10):
    """Predict the root mean square of each layer's activations, as if every sum of many terms were normal.

    Returns
    -------
    rms : ndarray of shape (layers + 1,)
    """
    z, weights = np.polynomial.hermite_e.hermegauss(100)  # mean of f(Z), Z standard normal: sum of weights * f(z)
    weights = weights / weights.sum()
    activate, _ = ACTIVATIONS[activation]
    rms = [1.0]
    for _ in range(layers):
        out, _ = activate(weight_scale * rms[-1] * z)
        rms.append(np.sqrt(weights @ out**2))
    return np.array(rms)


def steepest_share(x):
    """Divide the largest eigenvalue of the Hessian by the sum of all, for inputs x of shape (N, D)."""
    eigenvalues = np.linalg.eigvalsh(hessian(x))
    return eigenvalues[-1] / eigenvalues.sum()
