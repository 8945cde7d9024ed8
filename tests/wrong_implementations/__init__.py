"""Wrong implementations, one module a topic.

`SECOND` maps each misconception of the catalogue to functions that make the same mistake and are written in another
style; `OUTSIDE` holds mistakes of which the catalogue knows nothing.
"""

from wrong_implementations import batchnorm, gradcheck, hidden_layer, inference, layernorm, sigmoid, spatial

__all__ = ["OUTSIDE", "SECOND"]

SECOND = {
    **batchnorm.SECOND,
    **gradcheck.SECOND,
    **sigmoid.SECOND,
    **hidden_layer.SECOND,
    **spatial.SECOND,
    **layernorm.SECOND,
    **inference.SECOND,
}
OUTSIDE = {
    **batchnorm.OUTSIDE,
    **gradcheck.OUTSIDE,
    **sigmoid.OUTSIDE,
    **hidden_layer.OUTSIDE,
    **spatial.OUTSIDE,
    **layernorm.OUTSIDE,
    **inference.OUTSIDE,
}
