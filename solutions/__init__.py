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
from solutions.conventions import CONVENTIONS, Convention
from solutions.gradcheck import check_gradients, numerical_gradient, relative_error
from solutions.hidden_layer import (
    hidden_backward,
    hidden_forward,
    shift_percentiles,
    stack_backward,
    stack_forward,
)
from solutions.inference import convert_running, fold_batchnorm
from solutions.layernorm import layernorm_backward, layernorm_forward
from solutions.network import Network, softmax_cross_entropy, train
from solutions.sigmoid import gradient_norms, saturated_fraction, sigmoid_backward, sigmoid_forward
from solutions.spatial import spatial_batchnorm_backward, spatial_batchnorm_forward

__all__ = [
    "CONVENTIONS",
    "Convention",
    "Network",
    "backward_mu",
    "backward_var",
    "backward_x",
    "backward_x_hat",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "check_gradients",
    "convert_running",
    "fold_batchnorm",
    "gradient_norms",
    "hidden_backward",
    "hidden_forward",
    "layernorm_backward",
    "layernorm_forward",
    "numerical_gradient",
    "relative_error",
    "saturated_fraction",
    "shift_percentiles",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_cross_entropy",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "stack_backward",
    "stack_forward",
    "train",
]
