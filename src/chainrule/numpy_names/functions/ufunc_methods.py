"""The methods of universal functions: `np.add.reduce(x)`, `np.maximum.accumulate(x)` and others.

Each takes the namespace, the name of the function and what runs it, then the arguments of NumPy's method.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number, innermost
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_array, as_arrays, integers
from chainrule.numpy_names.functions.elementwise import cumprod, cumsum
from chainrule.numpy_names.names import FUNCTIONS, UFUNC_METHODS

_REDUCTIONS = {
    **{"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"},
    **{"logical_and": "all", "logical_or": "any", "logaddexp": "logsumexp"},
}


def reduce(
    xp: Any, name: str, run: Callable[..., Any], array: Any, axis: Any = 0, dtype: Any = None, **settings: Any
) -> Array:
    """Return what a function of two numbers makes of all elements along axes, one after the other."""
    array, axis = as_array(xp, array, dtype), integers(axis)
    reduction = _REDUCTIONS.get(name)
    if reduction is not None:
        f = FUNCTIONS.get(reduction)
        f = functools.partial(f, xp) if f else getattr(xp, reduction)
        return f(array, axis=axis, **settings)
    if axis is None or isinstance(axis, tuple):
        if len(axis or range(array.ndim)) != 1:
            raise TypeError(
                f"numpy.{name}.reduce: expected one axis, because the order of the elements matters; got {axis}"
            )
        axis = axis[0] if axis else 0
    keepdims, parts = settings.pop("keepdims", False), list(xp.unstack(array, axis=axis))
    initial = settings.pop("initial", None)
    if initial is None and len(parts) == 1:
        initial = getattr(getattr(np, name, None), "identity", None)  # hypot(0, x) is |x|
    if settings or not parts:
        raise TypeError(
            f"numpy.{name}.reduce: expected elements along axis {axis}, keepdims= and initial= alone; got {settings}"
        )
    y = functools.reduce(run, parts if initial is None else [initial, *parts])
    return xp.expand_dims(y, axis=axis) if keepdims else y


def accumulate(
    xp: Any, name: str, run: Callable[..., Any], array: Any, axis: int = 0, dtype: Any = None
) -> Array:
    """Return what a function of two numbers makes of the elements so far along an axis."""
    array, axis = as_array(xp, array, dtype), integers(axis)
    if name in ("add", "multiply"):
        return (cumsum if name == "add" else cumprod)(xp, array, axis)
    return xp.stack(list(itertools.accumulate(xp.unstack(array, axis=axis), run)), axis=axis)


def reduceat(
    xp: Any, name: str, run: Callable[..., Any], array: Any, indices: Any, axis: int = 0, dtype: Any = None
) -> Array:
    """Return `reduce` of the elements from each index up to the next one, or the element where that does not follow."""
    array, places = as_array(xp, array, dtype), integers(np.asarray(innermost(indices)))
    along = axis_number(f"numpy.{name}.reduceat", axis, array.ndim)
    before, found = (slice(None),) * along, []
    for i, j in itertools.pairwise((*places, array.shape[along])):
        one = array[(*before, i, ...)]
        found.append(reduce(xp, name, run, array[(*before, slice(i, j), ...)], along) if j > i + 1 else one)
    return xp.stack(found, axis=along)


def outer_of(xp: Any, name: str, run: Callable[..., Any], a: Any, b: Any, **settings: Any) -> Array:
    """Return what a function of two numbers makes of each element of a with each of b."""
    a, b = as_arrays(xp, (a, b))
    return run(xp.reshape(a, (*a.shape, *(1,) * b.ndim)), b, **settings)


UFUNC_METHODS |= {"accumulate": accumulate, "outer": outer_of, "reduce": reduce, "reduceat": reduceat}
