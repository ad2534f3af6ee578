"""NumPy's functions that make arrays of numbers, lists and one value: traced ones stay traced.

NumPy does not ask their arguments; `chainrule.numpy` does.
"""

from typing import Any

import numpy as np

from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import array_of, dtype_of, is_array, lengths
from chainrule.numpy_names.names import numpy_name


@numpy_name("asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite")
def asarray(
    xp: Any, a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, device: Any = None
) -> Array:
    """Return an array, or nested lists of arrays and numbers, as one array; the order in memory says nothing here."""
    x = array_of(xp, a, dtype_of(xp, dtype), device)
    return xp.asarray(x, copy=True) if copy and x is a else x


@numpy_name()
def array(
    xp: Any,
    a: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = None,
    ndmin: int = 0,
    device: Any = None,
) -> Array:
    """Return a copy of an array, or nested lists of arrays and numbers as one array, with axes in front up to ndmin."""
    x = asarray(xp, a, dtype, copy=copy, device=device)
    return xp.reshape(x, (1,) * (ndmin - x.ndim) + tuple(x.shape)) if x.ndim < ndmin else x


@numpy_name()
def require(xp: Any, a: Any, dtype: Any = None, requirements: Any = None) -> Array:
    """Return an array; what is required of its memory says nothing here."""
    return asarray(xp, a, dtype)


@numpy_name()
def arange(
    xp: Any, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: Any = None
) -> Array:
    """Return start + k step, as many as the values of start, stop and step give; no gradient flows to that number."""
    start, stop = (0, start) if stop is None else (start, stop)
    count = len(np.arange(*(float(xp.stop_gradient(x)) if is_array(x) else x for x in (start, stop, step))))
    ruler = array_of(xp, [start, step])
    x = ruler[0] + xp.arange(count, dtype=ruler.dtype, device=ruler.device) * ruler[1]
    return x if dtype is None else xp.astype(x, dtype_of(xp, dtype))


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
