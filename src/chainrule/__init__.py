"""Forward and backward propagation, written once for NumPy and CuPy."""

from chainrule import functions, logistic
from chainrule.checking import check_gradients
from chainrule.checkpointing import checkpoint
from chainrule.device import Device, get_device, use_device
from chainrule.namespace import differentiable
from chainrule.transforms import (
    backward,
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
    "Device",
    "backward",
    "check_gradients",
    "checkpoint",
    "differentiable",
    "functions",
    "gate",
    "get_device",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "logistic",
    "stop_gradient",
    "use_device",
    "value_and_grad",
    "variable",
    "vjp",
]

__version__ = "0.1.0"
