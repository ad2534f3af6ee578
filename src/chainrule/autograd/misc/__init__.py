"""Flat vectors of nested parameters, optimizers, fixed points."""

from chainrule.autograd.misc.flatten import flatten
from chainrule.autograd.misc.tracers import const_graph

__all__ = ["const_graph", "flatten"]
