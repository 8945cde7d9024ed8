"""The conventions by which four sources keep the running statistics of batch normalization, ready to run."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Convention:
    """How one source estimates the statistics that normalize in test mode, and its defaults.

    Attributes
    ----------
    name : str
    momentum : float or None
        The default. None: every batch has the same weight, whatever its place.
    momentum_weighs : {'old', 'new', None}
        What momentum multiplies: the old running average or the new batch.
    batch_ddof, running_ddof : int
        The variance is divided by N - ddof, where it normalizes the batch and where it is stored:
        0 is the biased variance, 1 the unbiased one.
    initial_mean, initial_var : float or None
        Where the running averages start. None: nothing is needed before the first batch.
    eps : float or None
        The default. None: the source names no value.
    source : str
        Where this can be read.
    """

    name: str
    momentum: float | None
    momentum_weighs: str | None
    batch_ddof: int
    running_ddof: int
    initial_mean: float | None
    initial_var: float | None
    eps: float | None
    source: str

    def weight_of_batch(self, step):
        """Return the weight that batch number `step`, counted from 1, gets in the running averages."""
        if self.momentum is None:
            return 1 / step
        return self.momentum if self.momentum_weighs == "new" else 1 - self.momentum

    def start(self, D):
        """Return the running mean and variance before the first batch, each of shape (D,)."""
        return np.full(D, self.initial_mean or 0.0), np.full(D, self.initial_var or 0.0)

    def statistics(self, x):
        """Return the mean and variance, each of shape (D,), that normalize the batch x of shape (N, D)."""
        return x.mean(axis=0), x.var(axis=0, ddof=self.batch_ddof)

    def update(self, running_mean, running_var, x, step):
        """Take one step of the running averages towards a batch.

        Parameters
        ----------
        running_mean, running_var : ndarray of shape (D,)
            Not modified.
        x : ndarray of shape (N, D)
            The batch. An unbiased variance needs N > 1.
        step : int
            The number of this batch, counted from 1. Only the plain average of the paper depends on it.

        Returns
        -------
        running_mean, running_var : ndarray of shape (D,)
        """
        weight = self.weight_of_batch(step)
        mean, var = x.mean(axis=0), x.var(axis=0, ddof=self.running_ddof)
        return running_mean + weight * (mean - running_mean), running_var + weight * (var - running_var)


CONVENTIONS = {
    "paper": Convention(
        name="paper",
        momentum=None,
        momentum_weighs=None,
        batch_ddof=0,
        running_ddof=1,
        initial_mean=None,
        initial_var=None,
        eps=None,
        source="Ioffe and Szegedy (2015), Algorithms 1 and 2",
    ),
    "book": Convention(
        name="this book",
        momentum=0.9,
        momentum_weighs="old",
        batch_ddof=0,
        running_ddof=0,
        initial_mean=0.0,
        initial_var=0.0,
        eps=1e-5,
        source="solutions.batchnorm_forward",
    ),
    "pytorch": Convention(
        name="PyTorch",
        momentum=0.1,
        momentum_weighs="new",
        batch_ddof=0,
        running_ddof=1,
        initial_mean=0.0,
        initial_var=1.0,
        eps=1e-5,
        source="documentation of torch.nn.BatchNorm1d",
    ),
    "keras": Convention(
        name="Keras",
        momentum=0.99,
        momentum_weighs="old",
        batch_ddof=0,
        running_ddof=0,
        initial_mean=0.0,
        initial_var=1.0,
        eps=1e-3,
        source="documentation of keras.layers.BatchNormalization, Keras 3",
    ),
}
