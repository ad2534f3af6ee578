"""Forward and backward propagation, written once for NumPy and CuPy."""

from chainrule import functions, logistic, optimizers
from chainrule.checking import check_gradients
from chainrule.checkpointing import checkpoint
from chainrule.device import Device, get_device, use_device
from chainrule.mlp import MLP
from chainrule.namespace import differentiable
from chainrule.penalties import L1, L2, ElasticNet
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
    "L1",
    "L2",
    "MLP",
    "Device",
    "ElasticNet",
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
    "optimizers",
    "stop_gradient",
    "use_device",
    "value_and_grad",
    "variable",
    "vjp",
]

__version__ = "0.1.0"
