"""NumPy's functions that make arrays of numbers, lists and one value: traced ones stay traced.

NumPy does not ask their arguments; `chainrule.numpy` does.
"""

from typing import Any

from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import array_of, dtype_of, is_array, lengths
from chainrule.numpy_names.names import numpy_name


@numpy_name("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite")
def array(
    xp: Any,
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    copy: Any = None,
    ndmin: int = 0,
    device: Any = None,
) -> Array:
    """Return an array, or nested lists of arrays and numbers, as one array; the order in memory says nothing here."""
    x = array_of(xp, a, dtype_of(xp, dtype), device)
    return xp.reshape(x, (1,) * (ndmin - x.ndim) + tuple(x.shape)) if x.ndim < ndmin else x


@numpy_name()
def full(
    xp: Any, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None
) -> Array:
    """Return an array of a shape filled with one value, or with an array that is broadcast to it."""
    x = array_of(xp, fill_value, dtype_of(xp, dtype), device)
    return xp.broadcast_to(x, lengths(shape))


@numpy_name()
def full_like(
    xp: Any,
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    *,
    shape: Any = None,
    device: Any = None,
) -> Array:
    """Return an array of the shape and the dtype of a, filled with one value or with an array."""
    a = array_of(xp, a)
    shape, dtype = a.shape if shape is None else lengths(shape), dtype_of(xp, dtype) or a.dtype
    device = a.device if device is None else device
    if not is_array(fill_value) and not isinstance(fill_value, list | tuple):
        return xp.full(tuple(shape), fill_value, dtype=dtype, device=device)
    return full(xp, tuple(shape), fill_value, dtype, device=device)


@numpy_name()
def isscalar(xp: Any, element: Any) -> bool:
    """Return whether an element is a number: a traced array of shape () is one, as the float that it stands for."""
    return is_array(element) and not element.shape
