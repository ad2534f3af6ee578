"""Lists and numbers among arrays, as NumPy's functions take them, and NumPy's integers among settings."""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj

from chainrule.gates.helpers import is_transformed
from chainrule.gates.types import Array
from chainrule.validation import is_refused


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


def in_double(xp: Any, x: Array) -> Array:
    """Return x in float64 or complex128, as beside NumPy's whole numbers."""
    return xp.astype(x, xp.result_type(x, xp.float64), copy=False)


def is_inexact(xp: Any, x: Array) -> bool:
    """Return whether an array has real or complex floating numbers."""
    return bool(xp.isdtype(x.dtype, ("real floating", "complex floating")))


def as_operand(xp: Any, x: Any, beside: Iterable[Any]) -> Any:
    """Return a list as an array on the device of the traced arrays beside it, and anything else as it is.

    So a number stays a number, and takes the dtype of the array that it is combined with.
    """
    # isinstance would ask a traced array what it is to be taken for, which takes as long as a small product.
    return _array(xp, x, _device(xp, beside)) if issubclass(type(x), (list, tuple)) else x


def as_operands(xp: Any, *items: Any) -> list[Any]:
    """Return `as_operand` of each item beside the others; ForeignOperandError where a class has its own operators."""
    for x in items:
        if is_foreign(x):
            raise ForeignOperandError(
                f"expected an array, a number or a list; got an object of the class {type(x).__name__}"
            )
    return [as_operand(xp, x, items) for x in items]


class ForeignOperandError(TypeError):
    """Raised where an operand is neither an array nor a number, and an operator leaves it to the operand's class."""


# What lets a class take the operator of an array on its left.
_REFLECTED = ("__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rmatmul__", "__rpow__")
_foreign: dict[type, bool] = dict.fromkeys((np.ndarray, int, float, bool, complex, type(None)), False)


def is_foreign(x: Any) -> bool:
    """Say whether x has operators of its own and is no array, number or sequence, as an xarray.DataArray.

    Series of pandas and others that `check_array_class` refuses, with what to write, are none.
    """
    kind = type(x)
    if kind not in _foreign:
        known = isinstance(x, Number | Sequence | np.ndarray | np.generic) or is_transformed(x)
        known = known or is_array_api_obj(x) or is_refused(kind)
        _foreign[kind] = not known and any(hasattr(kind, name) for name in _REFLECTED)
    return _foreign[kind]


def integers(value: Any) -> Any:
    """Return a setting with Python's integers in the place of NumPy's, and tuples in the place of lists."""
    if issubclass(type(value), np.integer | np.ndarray):
        value = value.tolist()
    return tuple(map(integers, value)) if isinstance(value, list | tuple) else value


def lengths(value: Any) -> Any:
    """Return a shape as a tuple of integers, also where NumPy takes a single integer."""
    value = integers(value)
    return (value,) if isinstance(value, int) else value


def array_of(xp: Any, x: Any, dtype: Any = None, device: Any = None) -> Array:
    """Return x as an array of the namespace: nested lists of arrays and numbers as numpy.array makes one of numbers.

    Numbers have NumPy's dtypes, int64 and float64, beside NumPy's arrays; beside those of other libraries they have the
    dtype that the library's arrays and they combine to.
    """
    if holds_transformed(x):
        leaves = list(_flat(x))
        of_numbers = None if xp._base is np or all(map(is_array, leaves)) else xp.result_type(*leaves)
        x = _array(xp, x, _device(xp, leaves) if device is None else device, of_numbers)
        return x if dtype is None else xp.astype(x, dtype)
    return xp.asarray(x, dtype=dtype, device=device)


def holds_transformed(x: Any) -> bool:
    """Say whether x is a list or a tuple, perhaps nested, with an array of a transformed namespace in it."""
    return issubclass(type(x), (list, tuple)) and any(map(is_transformed, _flat(x)))


def _array(xp: Any, x: Any, device: Any, dtype: Any = None) -> Array:
    if is_array(x):
        return x
    if isinstance(x, list | tuple) and any(is_array(y) or isinstance(y, list | tuple) for y in x):
        return xp.stack([_array(xp, y, device, dtype) for y in x])
    return xp.asarray(x, dtype=dtype, device=device)


def _device(xp: Any, items: Iterable[Any]) -> Any:
    """Return the device of the first traced array, also inside lists and tuples; None where there is none."""
    return next((x.device for x in _flat(items) if is_traced_by(xp, x)), None)


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    for x in items:
        if issubclass(type(x), (list, tuple)):
            yield from _flat(x)
        else:
            yield x
