"""Right implementations, no two alike: one module a topic, each a dict `RIGHT` from names to notebooks."""

from right_implementations import batchnorm, beyond, gradcheck, hidden_layer, sigmoid
from right_implementations.notebooks import IMPORTS, functions_of, source_of

__all__ = ["IMPORTS", "RIGHT", "functions_of", "source_of"]

RIGHT = {**batchnorm.RIGHT, **gradcheck.RIGHT, **sigmoid.RIGHT, **hidden_layer.RIGHT, **beyond.RIGHT}
