"""The inputs on which a part is tried."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Probe:
    """One set of inputs for batch normalization, enough for every part.

    Attributes
    ----------
    x, x_next : ndarray of shape (N, D)
        Two mini-batches.
    gamma, beta : ndarray of shape (D,)
    dout : ndarray of shape (N, D)
        Upstream gradient of x.
    running_mean, running_var : ndarray of shape (D,)
        Running averages, far from the statistics of x.
    eps, momentum : float
    """

    x: np.ndarray
    x_next: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    dout: np.ndarray
    running_mean: np.ndarray
    running_var: np.ndarray
    eps: float
    momentum: float

    def to_json(self) -> dict[str, Any]:
        """Return the probe as lists and floats; float64 survives exactly."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Probe":
        """Rebuild a probe from what `to_json` returned."""
        values: dict[str, Any] = {name: np.array(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**values)
