"""Wrong implementations, one module a topic.

`SECOND` maps each misconception of the catalogue to functions that make the same mistake and are written in another
style; `OUTSIDE` holds mistakes of which the catalogue knows nothing.
"""

from wrong_implementations import batchnorm, gradcheck, hidden_layer, sigmoid

__all__ = ["OUTSIDE", "SECOND"]

SECOND = {**batchnorm.SECOND, **gradcheck.SECOND, **sigmoid.SECOND, **hidden_layer.SECOND}
OUTSIDE = {**batchnorm.OUTSIDE, **gradcheck.OUTSIDE, **sigmoid.OUTSIDE, **hidden_layer.OUTSIDE}
