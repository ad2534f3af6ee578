"""Minimisation: optimisers, schedules, mini-batches, gradient descent and L-BFGS."""

from chainrule.optim.batches import Batches, on_rows
from chainrule.optim.descent import CostAndGradients, Descent, Sampler, descend
from chainrule.optim.lbfgs import lbfgs
from chainrule.optim.monitor import DivergenceError, Report, Snapshot
from chainrule.optim.optimizers import (
    OPTIMIZERS,
    Method,
    Optimizer,
    Params,
    State,
    adam,
    adamw,
    clipped,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
)
from chainrule.optim.schedules import SCHEDULES, Schedule, constant, cosine, step_decay, warm_up

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Batches",
    "CostAndGradients",
    "Descent",
    "DivergenceError",
    "Method",
    "Optimizer",
    "Params",
    "Report",
    "Sampler",
    "Schedule",
    "Snapshot",
    "State",
    "adam",
    "adamw",
    "clipped",
    "constant",
    "cosine",
    "descend",
    "gradient_descent",
    "lbfgs",
    "momentum",
    "nesterov",
    "on_rows",
    "rmsprop",
    "step_decay",
    "warm_up",
]
