"""Forward and backward propagation, written once for NumPy and CuPy."""

from typing import TYPE_CHECKING, Any

from chainrule import functions, optim
from chainrule.autodiff.gradcheck import check_gradients
from chainrule.autodiff.namespace import differentiable
from chainrule.autodiff.remat import checkpoint
from chainrule.autodiff.transforms import (
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
from chainrule.backend.device import Device, get_device, use_device
from chainrule.explain import explain
from chainrule.models import logistic
from chainrule.models.mlp import MLP
from chainrule.models.penalties import L1, L2, ElasticNet

if TYPE_CHECKING:
    from chainrule.estimators import LogisticRegression as LogisticRegression
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRegressor as MLPRegressor

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
    "explain",
    "functions",
    "gate",
    "get_device",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "logistic",
    "optim",
    "optimizers",
    "stop_gradient",
    "use_device",
    "value_and_grad",
    "variable",
    "vjp",
]

__version__ = "0.1.0"

# The older name of `optim`.
optimizers = optim

# scikit-learn, which they need, is imported with the first of them.
_ESTIMATORS = ("LogisticRegression", "MLPClassifier", "MLPRegressor")


def __getattr__(name: str) -> Any:
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from chainrule import estimators

    return getattr(estimators, name)
