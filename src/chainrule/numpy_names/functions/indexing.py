"""NumPy's functions that pick elements by place or by condition, that leave some out and put others in.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library. Places are constants. What NumPy
changes in place is changed by item assignment.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number, innermost, somewhere
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_array, as_arrays, as_operand, as_operands, integers
from chainrule.numpy_names.names import numpy_name

# --- Picking ---


@numpy_name()
def take(xp: Any, a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Array:
    """Return the elements at integer indices along an axis, or among all elements in a row.

    In the mode "clip" an index outside stands for the nearest one, in "wrap" it is counted on from the other end.
    """
    a, indices = as_arrays(xp, (a, indices))
    a, axis = _in_a_row(xp, a, axis)
    if mode != "raise":
        n = a.shape[axis_number("numpy.take", axis, a.ndim)]
        indices = _brought_inside(xp, "take", indices, n, mode)
    return xp.take(a, indices, axis=axis)


@numpy_name()
def take_along_axis(xp: Any, arr: Any, indices: Any, axis: int | None = -1) -> Array:
    """Return the elements at integer indices in each row along an axis, or among all elements in a row."""
    arr, indices = as_arrays(xp, (arr, indices))
    arr, axis = _in_a_row(xp, arr, axis)
    return xp.take_along_axis(arr, indices, axis=axis)


@numpy_name()
def compress(xp: Any, condition: Any, a: Any, axis: int | None = None) -> Array:
    """Return the elements along an axis, or among all in a row, where a row of conditions holds."""
    condition, a = as_arrays(xp, (condition, a))
    a = xp.reshape(a, (-1,)) if axis is None else a
    return xp.take(a, xp.nonzero(condition)[0], axis=axis or 0)


@numpy_name()
def extract(xp: Any, condition: Any, arr: Any) -> Array:
    """Return the elements where a condition holds, in a row."""
    condition, arr = as_arrays(xp, (condition, arr))
    return compress(xp, xp.reshape(condition, (-1,)), arr)


@numpy_name()
def trim_zeros(xp: Any, filt: Any, trim: str = "fb", axis: Any = None) -> Array:
    """Return the array without the zeros at the front (f) and the back (b) of axes."""
    filt = as_array(xp, filt)
    places, key = xp.nonzero(filt), [slice(None)] * filt.ndim
    for i in range(filt.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,):
        i = axis_number("numpy.trim_zeros", i, filt.ndim)
        some = places[i].shape[0] > 0
        first = int(xp.min(places[i])) if some else filt.shape[i]
        last = int(xp.max(places[i])) + 1 if some else filt.shape[i]
        key[i] = slice(first if "f" in trim.lower() else None, last if "b" in trim.lower() else None)
    return filt[tuple(key)]


@numpy_name()
def choose(xp: Any, a: Any, choices: Any, mode: str = "raise") -> Array:
    """Return for each element the one of the choices that its whole number in `a` names."""
    a, choices = as_array(xp, a), as_operands(xp, *choices)
    n = len(choices)
    a = _brought_inside(xp, "choose", a, n, mode)
    y = choices[-1] if n > 1 else xp.where(a == 0, choices[0], 0)
    for i in range(n - 1):
        y = xp.where(a == i, choices[i], y)
    return y


@numpy_name()
def piecewise(xp: Any, x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """Return for each element what the function of the last condition that holds gives, or 0.

    A function is given the elements where its condition holds, in a row; one more than there are conditions is for the
    others. A number stands for itself.
    """
    x = as_array(xp, x)
    one = hasattr(condlist, "dtype") and condlist.ndim == x.ndim
    one = one or not (isinstance(condlist[0], list | tuple) or hasattr(condlist[0], "dtype"))
    conditions = [xp.astype(c, xp.bool) for c in as_arrays(xp, [condlist] if one else list(condlist))]
    if len(funclist) == len(conditions) + 1:
        conditions.append(xp.logical_not(xp.any(xp.stack(conditions), axis=0)))
    if len(funclist) != len(conditions):
        raise ValueError(
            f"numpy.piecewise: expected a function for each of {len(conditions)} conditions, or one more; got "
            f"{len(funclist)}"
        )
    row, y = xp.reshape(x, (-1,)), xp.zeros_like(x)
    for condition, f in zip(conditions, funclist, strict=True):
        part = f
        if isinstance(f, Callable):  # type: ignore[arg-type]
            places = xp.nonzero(xp.reshape(condition, (-1,)))[0]
            if not places.shape[0]:
                continue
            values = as_operand(xp, f(xp.take(row, places, axis=0), *args, **kw), (x,))
            values = xp.broadcast_to(xp.astype(xp.asarray(values), x.dtype), places.shape)
            part = xp.reshape(xp._put(values, positions=places, size=row.shape[0]), x.shape)
        y = xp.astype(xp.where(condition, part, y), x.dtype, copy=False)
    return y


# --- Places ---


@numpy_name()
def argwhere(xp: Any, a: Any) -> Array:
    """Return the indices of the elements that are not 0, a row for each."""
    a = as_array(xp, a)
    if a.ndim:
        return xp.stack(xp.nonzero(a), axis=-1)
    return xp.reshape(xp.nonzero(xp.reshape(a, (1,)))[0], (-1, 1))[:, :0]


@numpy_name()
def flatnonzero(xp: Any, a: Any) -> Array:
    """Return the places of the elements that are not 0 among all in a row."""
    return xp.nonzero(xp.reshape(as_array(xp, a), (-1,)))[0]


@numpy_name()
def unravel_index(xp: Any, indices: Any, shape: Any, order: str = "C") -> tuple[Array, ...]:
    """Return, for places among all elements in a row, the indices along each axis of an array of a shape."""
    places, found = as_array(xp, indices), []
    _check_places(xp, "unravel_index", places, math.prod(shape))
    for n in shape[:: -1 if order == "C" else 1]:
        found.append(places % n)
        places = places // n
    return tuple(found[:: -1 if order == "C" else 1])


@numpy_name()
def ravel_multi_index(xp: Any, multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Array:
    """Return, for indices along each axis, the places among all elements of an array of shape dims in a row."""
    dims = integers(dims)
    dims = (dims,) if isinstance(dims, int) else dims
    modes = (mode,) * len(dims) if isinstance(mode, str) else mode
    parts = as_arrays(xp, multi_index) if isinstance(multi_index, tuple | list) else xp.unstack(multi_index)
    place: Any = 0
    for i, n, how in list(zip(parts, dims, modes, strict=True))[:: 1 if order == "C" else -1]:
        place = place * n + _brought_inside(xp, "ravel_multi_index", i, n, how)
    return place


def _brought_inside(xp: Any, name: str, i: Array, n: int, mode: str) -> Array:
    """Return places from 0 to n - 1, by one of NumPy's modes of what lies outside."""
    if mode not in ("raise", "clip", "wrap"):
        raise ValueError(f"numpy.{name}: expected mode= 'raise', 'clip' or 'wrap'; got {mode!r}")
    if mode == "raise":
        _check_places(xp, name, i, n)
        return i
    return xp.clip(i, 0, n - 1) if mode == "clip" else i % n


def _check_places(xp: Any, name: str, i: Array, n: int) -> None:
    if somewhere(xp, xp.logical_or(i < 0, i >= n)):
        raise ValueError(f"numpy.{name}: expected places from 0 to {n - 1}; got one outside")


@numpy_name()
def ix_(xp: Any, *args: Any) -> tuple[Array, ...]:
    """Return rows of indices, or of conditions, each along an axis of its own, so that x[ix_(...)] is a grid."""
    rows = [xp.nonzero(x)[0] if xp.isdtype(x.dtype, "bool") else x for x in as_arrays(xp, args)]
    return tuple(
        xp.reshape(x, tuple(-1 if i == j else 1 for j in range(len(rows)))) for i, x in enumerate(rows)
    )


def _indices_of(name: str) -> None:
    def indices(xp: Any, arr: Array, k: int = 0) -> tuple[Array, ...]:
        found = (
            np.diag_indices(arr.shape[0], arr.ndim)
            if name == "diag"
            else getattr(np, f"{name}_indices")(arr.shape[-2], k=k, m=arr.shape[-1])
        )
        return tuple(xp.asarray(i, device=arr.device) for i in found)

    indices.__doc__ = f"Return numpy.{name}_indices for the shape of an array."
    numpy_name(f"{name}_indices_from")(indices)


for _name in ("tril", "triu", "diag"):
    _indices_of(_name)

# --- Leaving out and putting in ---


@numpy_name()
def delete(xp: Any, arr: Any, obj: Any, axis: int | None = None) -> Array:
    """Return the array without the elements at places along an axis, or among all in a row."""
    arr, axis = _in_a_row(xp, as_array(xp, arr), axis)
    kept = np.delete(np.arange(arr.shape[axis]), _plain(obj))
    return xp.take(arr, xp.asarray(kept, device=arr.device), axis=axis)


@numpy_name()
def insert(xp: Any, arr: Any, obj: Any, values: Any, axis: int | None = None) -> Array:
    """Return the array with values, in its dtype, before places along an axis, or among all elements in a row."""
    arr, values = as_arrays(xp, (arr, values))
    arr, axis = _in_a_row(xp, arr, axis)
    axis, obj = axis_number("numpy.insert", axis, arr.ndim), _plain(obj)
    values = xp.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
    n, is_place = arr.shape[axis], np.ndim(obj) == 0 and not isinstance(obj, slice)
    if is_place:
        values = xp.moveaxis(values, 0, axis)
    count = (
        len(range(*obj.indices(n)))
        if isinstance(obj, slice)
        else np.size(np.flatnonzero(obj))
        if np.asarray(obj).dtype == bool
        else np.size(obj)
    )
    count = values.shape[axis] if count == 1 else count
    shape = tuple(count if i == axis else length for i, length in enumerate(arr.shape))
    values = xp.broadcast_to(xp.astype(values, arr.dtype, copy=False), shape)
    order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    return xp.take(xp.concat([arr, values], axis=axis), xp.asarray(order, device=arr.device), axis=axis)


def _plain(obj: Any) -> Any:
    """Return places as NumPy's own, also where they are constants."""
    return np.asarray(innermost(obj)) if hasattr(obj, "dtype") else obj


def _in_a_row(xp: Any, x: Array, axis: int | None) -> tuple[Array, int]:
    """Return an array and an axis of it; without an axis, NumPy takes all elements in a row."""
    return (xp.reshape(x, (-1,)), 0) if axis is None else (x, axis)


@numpy_name()
def fill_diagonal(xp: Any, a: Array, val: Any, wrap: bool = False) -> None:
    """Put values on the diagonal of an array in place."""
    if a.ndim < 2:
        raise ValueError(f"numpy.fill_diagonal: expected 2 axes or more; got shape {a.shape}")
    plain = np.zeros(a.shape, dtype=bool)
    np.fill_diagonal(plain, True, wrap)
    places = tuple(xp.asarray(i, device=a.device) for i in np.nonzero(plain))
    a[places] = _repeated(xp, as_operand(xp, val, (a,)), places[0].shape[0])


@numpy_name()
def put_along_axis(xp: Any, arr: Array, indices: Array, values: Any, axis: int = -1) -> None:
    """Put values at one index for each element along an axis in place."""
    along = axis_number("numpy.put_along_axis", axis, arr.ndim)
    rulers = [
        xp.reshape(xp.arange(n, device=arr.device), tuple(-1 if j == i else 1 for j in range(arr.ndim)))
        for i, n in enumerate(arr.shape)
    ]
    arr[tuple(indices if i == along else ruler for i, ruler in enumerate(rulers))] = as_operand(
        xp, values, (arr,)
    )


@numpy_name()
def put(xp: Any, a: Array, ind: Any, v: Any, mode: str = "raise") -> None:
    """Put values, repeated as needed, at places among all elements in a row in place."""
    places = xp.reshape(as_array(xp, ind), (-1,))
    places = xp.where(places < 0, places + math.prod(a.shape), places) if mode == "raise" else places
    places = _brought_inside(xp, "put", places, math.prod(a.shape), mode)
    a[unravel_index(xp, places, a.shape)] = _repeated(xp, as_operand(xp, v, (a,)), places.shape[0])


@numpy_name()
def place(xp: Any, arr: Array, mask: Any, vals: Any) -> None:
    """Put values, repeated as needed, where a mask holds in place."""
    places = xp.nonzero(as_array(xp, mask))
    arr[places] = _repeated(xp, as_operand(xp, vals, (arr,)), places[0].shape[0])


@numpy_name()
def putmask(xp: Any, a: Array, mask: Any, values: Any) -> None:
    """Put values, repeated as often as a is long, where a mask holds in place."""
    row = _repeated(xp, as_operand(xp, values, (a,)), math.prod(a.shape))
    copyto(xp, a, xp.reshape(row, a.shape) if getattr(row, "ndim", 0) else row, where=mask)


@numpy_name()
def copyto(xp: Any, dst: Array, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Copy values into an array in place, where a mask holds."""
    src = as_operand(xp, src, (dst,))
    dst[...] = src if where is True else xp.where(as_operand(xp, where, (dst,)), src, dst)


def _repeated(xp: Any, values: Any, n: int) -> Any:
    """Return n values: those given, over and over."""
    if not hasattr(values, "dtype") or not values.ndim:
        return values
    row = xp.reshape(values, (-1,))
    return xp.take(row, xp.arange(n, device=row.device) % max(row.shape[0], 1), axis=0)
