"""Traced values, as programs for autograd ask about them."""

from typing import Any

from chainrule.autodiff.traced import Traced, plain_value
from chainrule.autograd.extend import notrace_primitive, primitive
from chainrule.gates.helpers import is_transformed

__all__ = ["Box", "getval", "isbox", "notrace_primitive", "primitive"]

Box = Traced


def isbox(x: Any) -> bool:
    """Say whether x is an array that a transform follows."""
    return is_transformed(x)


def getval(x: Any) -> Any:
    """Return the plain value of x: a NumPy scalar for one of shape (), which is a float as that of autograd."""
    if not is_transformed(x):
        return x
    value = plain_value(x)
    return value[()] if getattr(value, "shape", None) == () else value
