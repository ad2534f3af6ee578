"""NumPy's functions that reshape and turn arrays, as far as the standard does not have them.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import math
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.numpy_names.assignment import layout_of, note_view
from chainrule.numpy_names.coercion import as_array, as_arrays, lengths
from chainrule.numpy_names.names import numpy_name


@numpy_name()
def ndim(xp: Any, a: Array) -> int:
    """Return the number of axes."""
    return a.ndim  # type: ignore[no-any-return]


@numpy_name()
def shape(xp: Any, a: Array) -> tuple[int, ...]:
    """Return the lengths of the axes."""
    return a.shape  # type: ignore[no-any-return]


@numpy_name()
def size(xp: Any, a: Array, axis: Any = None) -> int:
    """Return the number of elements, or that along axes."""
    if axis is None:
        return a.size  # type: ignore[no-any-return]
    axes = axis if isinstance(axis, tuple) else (axis,)
    return math.prod(a.shape[axis_number("numpy.size", i, a.ndim)] for i in axes)


@numpy_name()
def copy(xp: Any, a: Array) -> Array:
    """Return a copy, traced like a."""
    return xp.asarray(a, copy=True)


def atleast(xp: Any, x: Array, ndim: int) -> Array:
    """Return x with axes of length 1 in front, ndim axes or more in all."""
    return xp.reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


@numpy_name()
def atleast_1d(xp: Any, *arys: Any) -> Any:
    """Return each array with one axis or more."""
    return _each([atleast(xp, x, 1) for x in as_arrays(xp, arys)])


@numpy_name()
def atleast_2d(xp: Any, *arys: Any) -> Any:
    """Return each array with two axes or more; new ones come first."""
    return _each([atleast(xp, x, 2) for x in as_arrays(xp, arys)])


@numpy_name()
def atleast_3d(xp: Any, *arys: Any) -> Any:
    """Return each array with three axes or more: a matrix gets a last one, a vector one on each side."""
    return _each([deep(xp, x) for x in as_arrays(xp, arys)])


def deep(xp: Any, x: Array) -> Array:
    """Return x with three axes or more: a matrix gets a last one, a vector one on each side."""
    return xp.reshape(x, ((1, 1, 1), (1, *x.shape, 1), (*x.shape, 1))[x.ndim]) if x.ndim < 3 else x


def _each(results: list[Array]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


@numpy_name()
def broadcast_arrays(xp: Any, *args: Any) -> tuple[Array, ...]:
    """Return every array in the shape that all of them broadcast to."""
    arrays = as_arrays(xp, args)
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(xp.broadcast_to(x, shape) for x in arrays)


@numpy_name()
def meshgrid(xp: Any, *xi: Any, indexing: str = "xy") -> tuple[Array, ...]:
    """Return the coordinates of a grid from the coordinates on its axes."""
    return xp.meshgrid(*as_arrays(xp, xi), indexing=indexing)  # type: ignore[no-any-return]


@numpy_name()
def diff(xp: Any, a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """Return the n-th differences of neighbours along an axis, after `prepend` and `append` are joined to its ends."""
    along = axis_number("numpy.diff", axis, a.ndim)
    ends = {}
    for name, end in (("prepend", prepend), ("append", append)):
        if end is not None:
            _, x = as_arrays(xp, (a, end))
            shape = tuple(1 if i == along else length for i, length in enumerate(a.shape))
            ends[name] = x if x.ndim else xp.broadcast_to(x, shape)
    return xp.diff(a, axis=along, n=n, **ends)


@numpy_name()
def ravel(xp: Any, a: Any, order: str = "C") -> Array:
    """Return all elements in a row: the last index (C) or the first (F) changes fastest; A, K: as they lie."""
    return xp.reshape(as_array(xp, a), (-1,)) if order == "C" else reshape(xp, a, (-1,), order)


@numpy_name("reshape")
def reshape(xp: Any, a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    """Return the same elements in another shape, read and written in an order as `ravel` has it."""
    a, shape = as_array(xp, a), lengths(shape)
    if _order_in_memory("reshape", a, order) == "C":
        return xp.reshape(a, shape, copy=copy)
    reversed_axes = xp.permute_dims(a, tuple(range(a.ndim))[::-1])
    return xp.permute_dims(xp.reshape(reversed_axes, shape[::-1], copy=copy), tuple(range(len(shape)))[::-1])


def _order_in_memory(name: str, a: Array, order: str) -> str:
    """Return C or F, also where the order of the elements in memory is asked for."""
    if order in ("C", "F"):
        return order
    flags = layout_of(a)
    if order not in ("A", "K") or flags is None:
        raise ValueError(
            f"numpy.{name}: expected order= 'C' or 'F', or 'A' or 'K' of NumPy's arrays; got {order!r}"
        )
    if not flags.c_contiguous and not flags.f_contiguous and order == "K":
        raise TypeError(
            f"numpy.{name}: order='K' of an array with gaps in memory cannot be traced; write 'C' or 'F'"
        )
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


@numpy_name()
def resize(xp: Any, a: Any, new_shape: Any) -> Array:
    """Return an array of another shape, with the elements over and over."""
    row, shape = xp.reshape(as_array(xp, a), (-1,)), lengths(new_shape)
    places = np.resize(np.arange(row.shape[0]), math.prod(shape))
    return xp.reshape(xp.take(row, xp.asarray(places, device=row.device), axis=0), shape)


@numpy_name()
def rollaxis(xp: Any, a: Array, axis: int, start: int = 0) -> Array:
    """Return the array with an axis before the one at `start`."""
    axis = axis_number("numpy.rollaxis", axis, a.ndim)
    start = start + a.ndim if start < 0 else start
    return xp.moveaxis(a, axis, start - 1 if axis < start else start)


@numpy_name("lib.stride_tricks.sliding_window_view")
def sliding_window_view(
    xp: Any, x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Array:
    """Return all windows of a shape, with their places along the axes of x and their elements behind."""
    x, widths = as_array(xp, x), lengths(window_shape)
    viewed = x
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) != len(widths):
        raise ValueError(
            f"numpy.lib.stride_tricks.sliding_window_view: expected a width for each axis; got {widths} for {axes}"
        )
    for along, width in zip(axes, widths, strict=True):
        along = axis_number("numpy.lib.stride_tricks.sliding_window_view", along, x.ndim)
        n = x.shape[along] - width + 1
        if n < 1 or width < 0:
            raise ValueError(
                f"numpy.lib.stride_tricks.sliding_window_view: expected windows from 0 to {x.shape[along]} long; got "
                f"{width}"
            )
        places = np.reshape(np.arange(n)[:, None] + np.arange(width), -1)
        windows = xp.take(x, xp.asarray(places, device=x.device), axis=along)
        x = xp.reshape(windows, (*x.shape[:along], n, width, *x.shape[along + 1 :]))
        x = xp.moveaxis(x, along + 1, -1)

    def again(x: Any) -> Any:
        return sliding_window_view(x.space, x, window_shape, axis)

    # A copy, which is taken anew after a write as a view is.
    return note_view(x, viewed, again, writable=False, always=True)


@numpy_name()
def transpose(xp: Any, a: Array, axes: Any = None) -> Array:
    """Return the array with its axes in another order, reversed unless one is given."""
    if axes is None:
        axes = range(a.ndim)[::-1]
    return xp.permute_dims(a, (axes,) if isinstance(axes, int) else tuple(axes))


@numpy_name()
def squeeze(xp: Any, a: Array, axis: Any = None) -> Array:
    """Return the array without the given axes of length 1, or without any."""
    if axis is None:
        axis = tuple(i for i, n in enumerate(a.shape) if n == 1)
    return xp.squeeze(a, axis=axis)


@numpy_name()
def swapaxes(xp: Any, a: Array, axis1: int, axis2: int) -> Array:
    """Return the array with two axes exchanged."""
    order = list(range(a.ndim))
    first, second = (axis_number("numpy.swapaxes", axis, a.ndim) for axis in (axis1, axis2))
    order[first], order[second] = second, first
    return xp.permute_dims(a, tuple(order))


@numpy_name()
def flipud(xp: Any, m: Array) -> Array:
    """Return the array reversed along its first axis."""
    return xp.flip(m, axis=0)


@numpy_name()
def fliplr(xp: Any, m: Array) -> Array:
    """Return the array reversed along its second axis."""
    return xp.flip(m, axis=axis_number("numpy.fliplr", 1, m.ndim))


@numpy_name()
def rot90(xp: Any, m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Return the array rotated by k times 90 degrees from the first of two axes towards the second."""
    first, second = _two("rot90", m, *axes)
    for _ in range(k % 4):
        m = xp.flip(swapaxes(xp, m, first, second), axis=first)
    return m


def _two(name: str, x: Array, *axes: int) -> tuple[int, ...]:
    """Return two axes counted from 0; ValueError where they are the same."""
    found = tuple(axis_number(f"numpy.{name}", axis, x.ndim) for axis in axes)
    if len(axes) != 2 or found[0] == found[1]:
        raise ValueError(f"numpy.{name}: expected two different axes; got {axes}")
    return found


@numpy_name()
def diagonal(xp: Any, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the diagonals of the matrices that lie in two axes."""
    axes = _two("diagonal", a, axis1, axis2)
    return xp.linalg.diagonal(xp.moveaxis(a, axes, (-2, -1)), offset=offset)


@numpy_name()
def trace(xp: Any, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """Return the sums of the diagonals of the matrices that lie in two axes."""
    return xp.sum(diagonal(xp, a, offset, axis1, axis2), axis=-1, dtype=dtype)


@numpy_name()
def diag(xp: Any, v: Array, k: int = 0) -> Array:
    """Return the diagonal of a matrix, or a matrix with v as its diagonal."""
    if v.ndim == 2:
        return diagonal(xp, v, k)
    if v.ndim != 1:
        raise ValueError(f"numpy.diag: expected a vector or a matrix; got shape {v.shape}")
    n = v.shape[0] + abs(k)
    padded = xp.concat([v, xp.zeros((abs(k),), dtype=v.dtype, device=v.device)])
    ruler = xp.arange(n, device=v.device)
    here = xp.reshape(ruler, (1, n)) - xp.reshape(ruler, (n, 1)) == k
    return xp.where(here, xp.reshape(padded, (n, 1) if k >= 0 else (1, n)), 0)


@numpy_name()
def diagflat(xp: Any, v: Array, k: int = 0) -> Array:
    """Return a matrix with all elements of v as its diagonal."""
    return diag(xp, xp.reshape(v, (-1,)), k)
