"""What an assignment gives you: the builder leaves out each module of which the notebook imports nothing."""

from contextlib import suppress

with suppress(ImportError):
    from .forward_pass import batchnorm_forward as batchnorm_forward
with suppress(ImportError):
    from .backward_pass import batchnorm_backward as batchnorm_backward
with suppress(ImportError):
    from .sigmoid import saturated_fraction as saturated_fraction
    from .sigmoid import sigmoid_backward as sigmoid_backward
    from .sigmoid import sigmoid_forward as sigmoid_forward
with suppress(ImportError):
    from .digits import load_digits as load_digits
with suppress(ImportError):
    from .line_up import line_up as line_up

__all__ = [name for name in dir() if not name.startswith("_") and callable(globals()[name]) and name != "suppress"]
