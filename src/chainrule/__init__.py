"""Forward and backward propagation, written once for NumPy and CuPy."""

from chainrule import functions
from chainrule.checking import check_gradients
from chainrule.namespace import differentiable
from chainrule.transforms import (
    backward,
    checkpoint,
    gate,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    variable,
    vjp,
)

__all__ = [
    "backward",
    "check_gradients",
    "checkpoint",
    "differentiable",
    "functions",
    "gate",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "variable",
    "vjp",
]

__version__ = "0.1.0"
