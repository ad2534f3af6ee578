"""Lists and numbers among arrays, as NumPy's functions take them, and NumPy's integers among settings."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from chainrule.gates.types import Array


def is_array(x: Any) -> bool:
    """Return whether x is an array of any library, a scalar of NumPy's included."""
    return hasattr(x, "dtype")


def is_traced_by(xp: Any, x: Any) -> bool:
    """Return whether x is an array of the namespace xp, traced or constant, and not one of the library below xp."""
    namespace = getattr(x, "__array_namespace__", None)
    return namespace is not None and namespace() is xp


def as_arrays(xp: Any, items: Iterable[Any]) -> list[Array]:
    """Return items as arrays: numbers and lists are put on the device of the traced arrays among the items."""
    items = list(items)
    if all(map(is_array, items)):
        return items
    device = _device(xp, items)
    return [_array(xp, x, device) for x in items]


def as_array(xp: Any, x: Any, dtype: Any = None) -> Array:
    """Return x, which may be a list of numbers and traced arrays, as one array, in a dtype where one is named."""
    (x,) = as_arrays(xp, (x,))
    wanted = dtype_of(xp, dtype)
    return x if wanted is None or wanted == x.dtype else xp.astype(x, wanted)


def dtype_of(xp: Any, dtype: Any) -> Any:
    """Return a dtype of the library below xp, which may be named as NumPy names it; None where none is given."""
    return getattr(xp._base, np.dtype(dtype).name) if isinstance(dtype, str | type | np.dtype) else dtype


def is_inexact(xp: Any, x: Array) -> bool:
    """Return whether an array has real or complex floating numbers."""
    return bool(xp.isdtype(x.dtype, ("real floating", "complex floating")))


def as_operand(xp: Any, x: Any, beside: Iterable[Any]) -> Any:
    """Return a list as an array on the device of the traced arrays beside it, and anything else as it is.

    So a number stays a number, and takes the dtype of the array that it is combined with.
    """
    return _array(xp, x, _device(xp, beside)) if isinstance(x, list | tuple) else x


def as_operands(xp: Any, *items: Any) -> list[Any]:
    """Return `as_operand` of each item beside the others."""
    return [as_operand(xp, x, items) for x in items]


def integers(value: Any) -> Any:
    """Return a setting with Python's integers in the place of NumPy's, and tuples in the place of lists."""
    if isinstance(value, np.integer | np.ndarray):
        value = value.tolist()
    return tuple(map(integers, value)) if isinstance(value, list | tuple) else value


def lengths(value: Any) -> Any:
    """Return a shape as a tuple of integers, also where NumPy takes a single integer."""
    value = integers(value)
    return (value,) if isinstance(value, int) else value


def _array(xp: Any, x: Any, device: Any) -> Array:
    if is_array(x):
        return x
    if isinstance(x, list | tuple) and any(is_array(y) or isinstance(y, list | tuple) for y in x):
        return xp.stack([_array(xp, y, device) for y in x])
    return xp.asarray(x, device=device)


def _device(xp: Any, items: Iterable[Any]) -> Any:
    """Return the device of the first traced array, also inside lists and tuples; None where there is none."""
    return next((x.device for x in _flat(items) if is_traced_by(xp, x)), None)


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    for x in items:
        if isinstance(x, list | tuple):
            yield from _flat(x)
        else:
            yield x
