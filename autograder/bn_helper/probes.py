"""The inputs on which a part is tried."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Probe:
    """One set of inputs, enough for every part of a topic; `probe.x` is the input of that name.

    Attributes
    ----------
    sizes : as messages tell them, such as 'N=7, D=4'
    settings : what else a message about visible inputs tells, such as 'eps=0.1'
    inputs : mapping from names to arrays, numbers, texts, and lists of these
    """

    sizes: str
    settings: str
    inputs: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.inputs:
            raise AttributeError(f"this probe has no input {name!r}")
        return self.inputs[name]

    def where(self, visible: bool) -> str:
        """Say on which inputs something was seen; of hidden ones the sizes alone."""
        told = [self.sizes, self.settings] if visible else ["a hidden test", self.sizes]
        return ", ".join(filter(None, told))

    def to_json(self) -> dict[str, Any]:
        """Return the probe as values that JSON holds; float64 survives exactly."""
        return {"sizes": self.sizes, "settings": self.settings, "inputs": encode(dict(self.inputs))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Probe":
        """Rebuild a probe from what `to_json` returned."""
        return cls(data["sizes"], data["settings"], decode(data["inputs"]))


def encode(value: Any) -> Any:
    """Turn arrays, also inside of lists and dicts, into what JSON holds."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "shape": value.shape}
    if isinstance(value, dict):
        return {"dict": {name: encode(item) for name, item in value.items()}}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """Rebuild what `encode` was given."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {name: decode(item) for name, item in value["dict"].items()}
    return np.array(value["array"], dtype=np.float64).reshape(value["shape"])
