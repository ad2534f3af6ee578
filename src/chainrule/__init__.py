"""Forward and backward propagation, written once for NumPy and CuPy."""

import importlib
from typing import TYPE_CHECKING, Any

from chainrule import functions, special
from chainrule.autodiff.custom_gate import gate
from chainrule.autodiff.gradcheck import check_gradients
from chainrule.autodiff.namespace import at, differentiable
from chainrule.autodiff.remat import checkpoint
from chainrule.autodiff.transforms import (
    elementwise_grad,
    grad,
    hvp,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from chainrule.autodiff.variables import backward, variable
from chainrule.backend.device import Device, get_device, use_device
from chainrule.batching.jacobians import hessian, jacobian
from chainrule.batching.namespace import batched
from chainrule.batching.vmap import vmap
from chainrule.explain import explain

if TYPE_CHECKING:
    from chainrule import numpy as numpy
    from chainrule import optim as optim
    from chainrule import optim as optimizers  # the older name
    from chainrule.estimators import LogisticRegression as LogisticRegression
    from chainrule.estimators import MLPClassifier as MLPClassifier
    from chainrule.estimators import MLPRegressor as MLPRegressor
    from chainrule.models import logistic as logistic
    from chainrule.models.mlp import MLP as MLP
    from chainrule.models.penalties import L1 as L1
    from chainrule.models.penalties import L2 as L2
    from chainrule.models.penalties import ElasticNet as ElasticNet
    from chainrule.program.compiled import compile as compile
    from chainrule.trained import load_model as load_model

__all__ = [
    "L1",
    "L2",
    "MLP",
    "Device",
    "ElasticNet",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "at",
    "backward",
    "batched",
    "check_gradients",
    "checkpoint",
    "compile",
    "differentiable",
    "elementwise_grad",
    "explain",
    "functions",
    "gate",
    "get_device",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load_model",
    "logistic",
    "numpy",
    "optim",
    "optimizers",
    "scipy",
    "special",
    "stop_gradient",
    "use_device",
    "value_and_grad",
    "variable",
    "vjp",
    "vmap",
]

__version__ = "0.1.0"

# What not every program needs: modules under a public name, and the modules that other names come from.
_MODULES = {
    "logistic": "models.logistic",
    "numpy": "numpy",
    "optim": "optim",
    "optimizers": "optim",
    "scipy": "scipy",
}
_HOMES = {
    **dict.fromkeys(("L1", "L2", "ElasticNet"), "models.penalties"),
    "MLP": "models.mlp",
    "compile": "program.compiled",
}
_ESTIMATORS = ("LogisticRegression", "MLPClassifier", "MLPRegressor")


def __getattr__(name: str) -> Any:
    """Import what not every program needs when it is first asked for; the estimators need scikit-learn too."""
    if name in _MODULES:
        return importlib.import_module(f"chainrule.{_MODULES[name]}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"chainrule.{_HOMES[name]}"), name)
    if name == "load_model":
        from chainrule.trained import load_model

        return load_model
    if name in _ESTIMATORS:
        import chainrule.estimators

        return getattr(chainrule.estimators, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
