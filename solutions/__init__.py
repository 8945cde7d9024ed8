"""The reference implementation of everything that the book derives and the assignments ask for. NumPy only."""

from solutions.batchnorm import (
    backward_mu,
    backward_var,
    backward_x,
    backward_x_hat,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
)
from solutions.gradcheck import numerical_gradient, relative_error

__all__ = [
    "backward_mu",
    "backward_var",
    "backward_x",
    "backward_x_hat",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "numerical_gradient",
    "relative_error",
]
