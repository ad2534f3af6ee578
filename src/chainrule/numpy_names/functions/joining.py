"""NumPy's functions that join, split and pad arrays.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import functools
import itertools
import operator
from typing import Any

import numpy as np

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_array, as_arrays
from chainrule.numpy_names.functions.shapes import atleast, copy, deep
from chainrule.numpy_names.names import FUNCTIONS, numpy_name
from chainrule.validation import whole_number


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
    return xp.concat([deep(xp, x) for x in as_arrays(xp, tup)], axis=2)


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
def block(xp: Any, arrays: Any) -> Array:
    """Return arrays in nested lists as one: the innermost lists along the last axis, each list around along another."""
    depth = _depth(arrays)
    ndim = max(depth, *(x.ndim for x in as_arrays(xp, _leaves(arrays))))

    def joined(part: Any, axis: int) -> Array:
        if not isinstance(part, list):
            return atleast(xp, as_arrays(xp, [part, *_leaves(arrays)])[0], ndim)
        return xp.concat([joined(x, axis + 1) for x in part], axis=axis)

    return joined(arrays, -depth) if depth else copy(xp, joined(arrays, 0))


def _leaves(arrays: Any) -> list[Any]:
    return [x for part in arrays for x in _leaves(part)] if isinstance(arrays, list) else [arrays]


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(part) for part in arrays}
    if len(depths) != 1:
        raise ValueError(
            f"numpy.block: expected lists of one depth, none of them empty; got depths {sorted(depths)}"
        )
    return 1 + depths.pop()


@numpy_name()
def pad(
    xp: Any,
    array: Any,
    pad_width: Any,
    mode: str = "constant",
    *,
    constant_values: Any = 0,
    end_values: Any = 0,
    stat_length: Any = None,
    reflect_type: str = "even",
) -> Array:
    """Return the array with elements before and after it along each axis, in any mode of NumPy's but a function."""
    array, widths = as_array(xp, array), np.asarray(pad_width)
    if widths.dtype.kind not in "iu" or np.any(widths < 0):
        raise ValueError(
            f"numpy.pad: expected whole numbers from 0 up, one for all sides, (before, after), or such a pair for "
            f"each axis; got {pad_width!r}"
        )
    if mode not in ("constant", "empty", "linear_ramp", *_PICKING, *_STATISTICS):
        raise ValueError(f"numpy.pad: expected a mode of NumPy's by its name; got {mode!r}")
    ends = {"constant": constant_values, "linear_ramp": end_values, "empty": 0}.get(mode, stat_length)
    settings = np.broadcast_to(np.asarray(ends), (array.ndim, 2)).tolist()
    for i, sides in enumerate(np.broadcast_to(widths, (array.ndim, 2)).tolist()):
        if not any(sides):
            continue
        if mode in _PICKING:
            array = _continued(xp, array, i, sides, mode, reflect_type)
        else:
            parts = [_end(xp, array, i, side, sides[side], mode, settings[i][side]) for side in (0, 1)]
            array = xp.concat([parts[0], array, parts[1]], axis=i)
    return array if np.any(widths) else copy(xp, array)


_PICKING = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS = {"maximum": "max", "minimum": "min", "mean": "mean", "median": "median"}


def _continued(xp: Any, x: Array, axis: int, sides: list[int], mode: str, kind: str) -> Array:
    """Return x continued along an axis with its own elements, or, reflected oddly, with differences of them."""
    n = x.shape[axis]
    if not n:
        raise ValueError(
            f"numpy.pad: expected elements along axis {axis} for mode={mode!r}; got shape {x.shape}"
        )
    if mode in ("reflect", "symmetric") and kind == "odd":
        # Each element of the result is a sum of elements of x, with weights that NumPy finds for the unit vectors.
        weights = np.pad(np.eye(n), ((0, 0), sides), mode, reflect_type="odd")  # type: ignore[call-overload]
        matrix = xp.asarray(weights, dtype=x.dtype, device=x.device)
        return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), matrix), -1, axis)
    places = np.pad(np.arange(n), sides, mode)  # type: ignore[call-overload]
    return xp.take(x, xp.asarray(places, device=x.device), axis=axis)


def _end(xp: Any, x: Array, axis: int, side: int, width: int, mode: str, setting: Any) -> Array:
    """Return the elements that are put before (side 0) or after (1) x along an axis."""
    shape = tuple(width if i == axis else n for i, n in enumerate(x.shape))
    if mode in ("constant", "empty"):
        return xp.full(shape, setting, dtype=x.dtype, device=x.device)
    before, n = (slice(None),) * axis, x.shape[axis]
    if mode in _STATISTICS:
        count = n if setting is None else min(setting, n)
        near = x[(*before, slice(0, count) if side == 0 else slice(n - count, n), ...)]
        reduced = getattr(xp, _STATISTICS[mode], None) or functools.partial(FUNCTIONS["median"], xp)
        return xp.broadcast_to(reduced(near, axis=axis, keepdims=True), shape)
    edge = x[(*before, slice(0, 1) if side == 0 else slice(n - 1, n), ...)]
    ramp = xp.arange(width, dtype=x.dtype, device=x.device) / max(width, 1)
    ramp = xp.flip(ramp) if side else ramp
    return setting + (edge - setting) * xp.reshape(ramp, (*(1,) * axis, -1, *(1,) * (x.ndim - axis - 1)))
