"""Nested parameters as one vector, and back."""

from collections.abc import Callable
from typing import Any

import chainrule.autograd.numpy as np
from chainrule.autograd.core import make_vjp


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the elements of nested lists, tuples and dicts in one vector, and the function back from such a vector.

    The items of a dict come in the order of its keys.
    """
    unflatten, vector = make_vjp(_joined, value)
    return vector, unflatten


def flatten_func(
    func: Callable[..., Any], example: Any
) -> tuple[Callable[..., Any], Callable[[Any], Any], Any]:
    """Return func as a function from vector to vector, the function back from a vector, and the example's vector."""
    vector, unflatten = flatten(example)
    return lambda x, *args: flatten(func(unflatten(x), *args))[0], unflatten, vector


def _joined(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        items = [value[key] for key in sorted(value)] if isinstance(value, dict) else value
        parts = [_joined(item) for item in items]
        return np.concatenate(parts) if parts else np.zeros(0)
    return np.ravel(value)
