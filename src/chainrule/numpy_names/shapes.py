"""NumPy's functions that reshape, join, split, turn and pad arrays, as far as the standard does not have them.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import itertools
import math
import operator
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_arrays
from chainrule.numpy_names.names import numpy_name
from chainrule.validation import whole_number


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
    return _each([_deep(xp, x) for x in as_arrays(xp, arys)])


def _deep(xp: Any, x: Array) -> Array:
    return xp.reshape(x, ((1, 1, 1), (1, *x.shape, 1), (*x.shape, 1))[x.ndim]) if x.ndim < 3 else x


def _each(results: list[Array]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


@numpy_name()
def broadcast_arrays(xp: Any, *args: Any) -> tuple[Array, ...]:
    """Return every array in the shape that all of them broadcast to."""
    return xp.broadcast_arrays(*as_arrays(xp, args))  # type: ignore[no-any-return]


@numpy_name()
def meshgrid(xp: Any, *xi: Any, indexing: str = "xy") -> tuple[Array, ...]:
    """Return the coordinates of a grid from the coordinates on its axes."""
    return xp.meshgrid(*as_arrays(xp, xi), indexing=indexing)  # type: ignore[no-any-return]


@numpy_name()
def concatenate(xp: Any, arrays: Any, axis: int | None = 0) -> Array:
    """Return arrays one after another along an axis, or all their elements in a row."""
    return xp.concat(as_arrays(xp, arrays), axis=axis)


@numpy_name()
def stack(xp: Any, arrays: Any, axis: int = 0) -> Array:
    """Return arrays of one shape along a new axis."""
    return xp.stack(as_arrays(xp, arrays), axis=axis)


@numpy_name()
def append(xp: Any, arr: Any, values: Any, axis: int | None = None) -> Array:
    """Return arr followed by values along an axis, or all elements of both in a row."""
    return xp.concat(as_arrays(xp, (arr, values)), axis=axis)


@numpy_name()
def vstack(xp: Any, tup: Any) -> Array:
    """Return the rows of all arrays, one array below the other; a vector is a row."""
    return xp.concat([atleast(xp, x, 2) for x in as_arrays(xp, tup)], axis=0)


@numpy_name()
def hstack(xp: Any, tup: Any) -> Array:
    """Return arrays side by side, along the second axis; vectors along their only one."""
    parts = [atleast(xp, x, 1) for x in as_arrays(xp, tup)]
    return xp.concat(parts, axis=0 if parts[0].ndim == 1 else 1)


@numpy_name()
def dstack(xp: Any, tup: Any) -> Array:
    """Return arrays behind each other, along the third axis."""
    return xp.concat([_deep(xp, x) for x in as_arrays(xp, tup)], axis=2)


@numpy_name()
def column_stack(xp: Any, tup: Any) -> Array:
    """Return vectors as columns, and the columns of matrices, side by side."""
    return xp.concat([x if x.ndim > 1 else xp.reshape(x, (-1, 1)) for x in as_arrays(xp, tup)], axis=1)


@numpy_name()
def array_split(xp: Any, ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return the parts of an array along an axis, given their number or the indices where they end."""
    return _parts("array_split", ary, indices_or_sections, axis)


def _parts(name: str, ary: Array, indices_or_sections: Any, axis: int, equal: bool = False) -> list[Array]:
    axis = axis_number(f"numpy.{name}", axis, ary.ndim)
    n = ary.shape[axis]
    try:
        ends = [0, *map(operator.index, indices_or_sections), n]
    except TypeError:
        sections = whole_number(
            f"numpy.{name}",
            "indices_or_sections, where it is no list of whole numbers,",
            indices_or_sections,
            1,
        )
        if equal and n % sections:
            raise ValueError(
                f"numpy.{name}: expected a number of parts that divides the length {n}; got {sections}. "
                "Write numpy.array_split for unequal parts"
            ) from None
        ends = [i * (n // sections) + min(i, n % sections) for i in range(sections + 1)]
    before = (slice(None),) * axis
    return [ary[(*before, slice(start, end), ...)] for start, end in itertools.pairwise(ends)]


@numpy_name()
def split(xp: Any, ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return parts of equal lengths along an axis, given their number, or those that end at given indices."""
    return _parts("split", ary, indices_or_sections, axis, equal=True)


@numpy_name()
def vsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return the parts of a matrix or a stack of matrices along the first axis."""
    if ary.ndim < 2:
        raise ValueError(f"numpy.vsplit: expected 2 axes or more; got shape {ary.shape}. Write numpy.split")
    return _parts("vsplit", ary, indices_or_sections, 0, equal=True)


@numpy_name()
def hsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return the parts of an array along the second axis; those of a vector along its only one."""
    return _parts("hsplit", ary, indices_or_sections, min(1, max(ary.ndim - 1, 0)), equal=True)


@numpy_name()
def dsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return the parts of an array along the third axis."""
    return _parts("dsplit", ary, indices_or_sections, 2, equal=True)


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
def ravel(xp: Any, a: Array, order: str = "C") -> Array:
    """Return all elements in a row."""
    if order != "C":
        raise TypeError(f"numpy.ravel: order={order!r} cannot be traced; leave it out, or transpose first")
    return xp.reshape(a, (-1,))


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


@numpy_name()
def pad(xp: Any, array: Array, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Return the array with constants before and after it along each axis."""
    if mode != "constant":
        raise TypeError(f"numpy.pad: mode={mode!r} cannot be traced; join the parts with numpy.concatenate")
    widths, fills = np.asarray(pad_width), np.asarray(constant_values)
    if widths.dtype.kind not in "iu" or np.any(widths < 0):
        raise ValueError(
            f"numpy.pad: expected whole numbers from 0 up, one for all sides, (before, after), or such a pair for "
            f"each axis; got {pad_width!r}"
        )
    widths, fills = (np.broadcast_to(x, (array.ndim, 2)).tolist() for x in (widths, fills))
    for i in range(array.ndim):
        parts = [array]
        for side, at in ((0, 0), (1, 2)):
            shape = tuple(widths[i][side] if j == i else n for j, n in enumerate(array.shape))
            parts.insert(at, xp.full(shape, fills[i][side], dtype=array.dtype, device=array.device))
        array = xp.concat(parts, axis=i)
    return array
