"""NumPy's own functions that the standard does not have, written in those that it has.

Each takes NumPy's arguments after the namespace; `np.vstack(parts)` on traced arrays runs `vstack` of this file,
whatever library the arrays below are of.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.einsum import einsum
from chainrule.gates.types import Array


def as_array(xp: Any, x: Any) -> Array:
    """Return x, or what it is made of where it is a number or a list of numbers and traced arrays."""
    if hasattr(x, "dtype"):
        return x
    if isinstance(x, list | tuple) and any(
        hasattr(item, "dtype") or isinstance(item, list | tuple) for item in x
    ):
        return xp.stack([as_array(xp, item) for item in x])
    return xp.asarray(x)


def _arrays(xp: Any, items: Any, least: int = 0) -> list[Array]:
    parts = [as_array(xp, item) for item in items]
    return [_atleast(xp, part, least) for part in parts]


def _atleast(xp: Any, x: Array, ndim: int) -> Array:
    """Return x with axes of length 1 before its own."""
    return xp.reshape(x, (1,) * (ndim - x.ndim) + x.shape) if x.ndim < ndim else x


def atleast_1d(xp: Any, *arys: Any) -> Any:
    """Return arrays of one axis or more."""
    return _each(_arrays(xp, arys, 1))


def atleast_2d(xp: Any, *arys: Any) -> Any:
    """Return arrays of two axes or more."""
    return _each(_arrays(xp, arys, 2))


def atleast_3d(xp: Any, *arys: Any) -> Any:
    """Return arrays of three axes or more: those of a matrix come first, that of a vector in the middle."""
    parts = _arrays(xp, arys)
    return _each([_deep(xp, x) for x in parts])


def _deep(xp: Any, x: Array) -> Array:
    return xp.reshape(x, ((1, 1, 1), (1, *x.shape, 1), (*x.shape, 1))[x.ndim]) if x.ndim < 3 else x


def _each(results: list[Array]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


def append(xp: Any, arr: Any, values: Any, axis: int | None = None) -> Array:
    """Return arr with values at its end."""
    return xp.concat(_arrays(xp, (arr, values)), axis=axis)


def vstack(xp: Any, tup: Any) -> Array:
    """Return the rows of all arrays below each other."""
    return xp.concat(_arrays(xp, tup, 2), axis=0)


def hstack(xp: Any, tup: Any) -> Array:
    """Return arrays side by side."""
    parts = _arrays(xp, tup, 1)
    return xp.concat(parts, axis=0 if parts[0].ndim == 1 else 1)


def dstack(xp: Any, tup: Any) -> Array:
    """Return arrays behind each other, along the third axis."""
    return xp.concat([_deep(xp, x) for x in _arrays(xp, tup)], axis=2)


def column_stack(xp: Any, tup: Any) -> Array:
    """Return vectors as columns, and the columns of matrices, side by side."""
    return xp.concat([x if x.ndim > 1 else xp.reshape(x, (-1, 1)) for x in _arrays(xp, tup)], axis=1)


def array_split(xp: Any, ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return parts along an axis, by their number or by the places where they end."""
    n = ary.shape[axis]
    if isinstance(indices_or_sections, Sequence | np.ndarray):
        ends = [0, *map(int, indices_or_sections), n]
    else:
        sections = int(indices_or_sections)
        ends = [0]
        for i in range(sections):
            ends.append(ends[-1] + n // sections + (i < n % sections))
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(start, end), ...)] for start, end in itertools.pairwise(ends)]


def split(xp: Any, ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return parts of equal lengths along an axis, or those that end at given places."""
    if not isinstance(indices_or_sections, Sequence | np.ndarray) and ary.shape[axis] % indices_or_sections:
        raise ValueError(
            f"numpy.split: expected a number of parts that divides the length {ary.shape[axis]}; "
            f"got {indices_or_sections}. Write numpy.array_split for unequal parts"
        )
    return array_split(xp, ary, indices_or_sections, axis)


def vsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return parts along the first axis."""
    return split(xp, ary, indices_or_sections, 0)


def hsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return parts along the second axis, of a vector along its only one."""
    return split(xp, ary, indices_or_sections, min(1, ary.ndim - 1))


def dsplit(xp: Any, ary: Array, indices_or_sections: Any) -> list[Array]:
    """Return parts along the third axis."""
    return split(xp, ary, indices_or_sections, 2)


def ravel(xp: Any, a: Array, order: str = "C") -> Array:
    """Return all elements in a row."""
    if order != "C":
        raise TypeError(f"numpy.ravel: order={order!r} cannot be followed; leave it out, or transpose first")
    return xp.reshape(a, (-1,))


def swapaxes(xp: Any, a: Array, axis1: int, axis2: int) -> Array:
    """Return the array with two axes exchanged."""
    order = list(range(a.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return xp.permute_dims(a, tuple(order))


def flipud(xp: Any, m: Array) -> Array:
    """Return the array reversed along its first axis."""
    return xp.flip(m, axis=0)


def fliplr(xp: Any, m: Array) -> Array:
    """Return the array reversed along its second axis."""
    return xp.flip(m, axis=1)


def rot90(xp: Any, m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Return the array turned by k quarters from the first of the axes to the second."""
    first, second = axes
    for _ in range(k % 4):
        m = xp.flip(swapaxes(xp, m, first, second), axis=first)
    return m


def diagonal(xp: Any, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the diagonals of the matrices that lie in two axes."""
    return xp.linalg.diagonal(xp.moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)


def trace(xp: Any, a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """Return the sums of the diagonals of the matrices that lie in two axes."""
    return xp.sum(diagonal(xp, a, offset, axis1, axis2), axis=-1, dtype=dtype)


def diag(xp: Any, v: Array, k: int = 0) -> Array:
    """Return the diagonal of a matrix, or a matrix with v as its diagonal."""
    if v.ndim != 1:
        return diagonal(xp, v, k)
    n = v.shape[0] + abs(k)
    padded = xp.concat([v, xp.zeros((abs(k),), dtype=v.dtype, device=v.device)])
    ruler = xp.arange(n, device=v.device)
    here = xp.reshape(ruler, (1, n)) - xp.reshape(ruler, (n, 1)) == k
    return xp.where(here, xp.reshape(padded, (n, 1) if k >= 0 else (1, n)), 0)


def diagflat(xp: Any, v: Any, k: int = 0) -> Array:
    """Return a matrix with all elements as its diagonal."""
    return diag(xp, xp.reshape(as_array(xp, v), (-1,)), k)


def dot(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of a and the last but one of b."""
    a, b = _arrays(xp, (a, b))
    if not (a.ndim and b.ndim):
        return a * b
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (max(b.ndim - 2, 0),)))


def inner(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of both."""
    a, b = _arrays(xp, (a, b))
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,))) if a.ndim and b.ndim else a * b


def outer(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with every element of b."""
    a, b = _arrays(xp, (a, b))
    return xp.reshape(a, (-1, 1)) * xp.reshape(b, (1, -1))


def kron(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with the whole of b, in blocks."""
    a, b = _arrays(xp, (a, b))
    a, b = _atleast(xp, a, b.ndim) if a.ndim else a, _atleast(xp, b, a.ndim) if b.ndim else b
    if not (a.ndim and b.ndim):
        return a * b
    apart = xp.expand_dims(a, axis=tuple(range(1, 2 * a.ndim, 2))) * xp.expand_dims(
        b, axis=tuple(range(0, 2 * b.ndim, 2))
    )
    return xp.reshape(apart, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


def cross(
    xp: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Array:
    """Return the cross products of vectors that lie in an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _arrays(xp, (a, b))
    last = [xp.moveaxis(x, i, -1) for x, i in ((a, axisa), (b, axisb))]
    return xp.moveaxis(xp.linalg.cross(*xp.broadcast_arrays(*last)), -1, axisc)


def norm(xp: Any, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """NumPy's linalg.norm: of vectors along one axis, of matrices along two."""
    x = as_array(xp, x)
    if ord is None:
        return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return xp.linalg.vector_norm(x, ord=ord, axis=axes[0], keepdims=keepdims)
    if len(axes) != 2:
        raise ValueError(f"numpy.linalg.norm: expected one axis or two with ord={ord!r}; got {axes}")
    y = xp.linalg.matrix_norm(xp.moveaxis(x, axes, (-2, -1)), ord=ord)
    return xp.expand_dims(y, axis=tuple(sorted(a % x.ndim for a in axes))) if keepdims else y


def linspace(xp: Any, start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Array:
    """Return num points from start to stop."""
    start, stop = _arrays(xp, (start, stop))
    steps = xp.linspace(
        0, 1, num, endpoint=endpoint, dtype=(start + stop).dtype, device=(start + stop).device
    )
    return start + (stop - start) * xp.reshape(steps, (-1,) + (1,) * max(start.ndim, stop.ndim))


def nan_to_num(
    xp: Any, x: Array, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """Return x with numbers in the place of NaN and the infinities."""
    limits = xp.finfo(x.dtype)
    x = xp.where(xp.isnan(x), nan, x)
    x = xp.where(x == math.inf, limits.max if posinf is None else posinf, x)
    return xp.where(x == -math.inf, limits.min if neginf is None else neginf, x)


def pad(xp: Any, array: Array, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Return the array in a frame of constants."""
    if mode != "constant":
        raise TypeError(f"numpy.pad: mode={mode!r} cannot be followed; join the parts with numpy.concatenate")
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    fills = np.broadcast_to(constant_values, (array.ndim, 2)).tolist()
    for i in range(array.ndim):
        parts = [array]
        for side, at in ((0, 0), (1, 2)):
            shape = tuple(widths[i][side] if j == i else n for j, n in enumerate(array.shape))
            parts.insert(at, xp.full(shape, fills[i][side], dtype=array.dtype, device=array.device))
        array = xp.concat(parts, axis=i)
    return array


def select(xp: Any, condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """Return of each element the choice of the first condition that holds."""
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = xp.where(condition, choice, result)
    return result


def copy(xp: Any, a: Array) -> Array:
    """Return a copy, followed like a."""
    return xp.positive(a)


def exp2(xp: Any, x: Array) -> Array:
    """Return 2^x."""
    return xp.pow(2.0, x)


def cbrt(xp: Any, x: Array) -> Array:
    """Return the cube root, of negative numbers too."""
    below = x < 0
    return xp.where(below, -xp.pow(xp.where(below, -x, 1.0), 1 / 3), xp.pow(xp.where(below, 1.0, x), 1 / 3))


def deg2rad(xp: Any, x: Array) -> Array:
    """Return the angle in radians."""
    return x * (math.pi / 180)


def rad2deg(xp: Any, x: Array) -> Array:
    """Return the angle in degrees."""
    return x * (180 / math.pi)


def fmax(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the larger of two numbers, and the other one of a NaN."""
    return xp.where(xp.isnan(x1), x2, xp.where(xp.isnan(x2), x1, xp.maximum(x1, x2)))


def fmin(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the smaller of two numbers, and the other one of a NaN."""
    return xp.where(xp.isnan(x1), x2, xp.where(xp.isnan(x2), x1, xp.minimum(x1, x2)))


def logaddexp2(xp: Any, x1: Any, x2: Any) -> Array:
    """Return log2(2^x1 + 2^x2)."""
    return xp.logaddexp(x1 * math.log(2), x2 * math.log(2)) / math.log(2)


def sinc(xp: Any, x: Array) -> Array:
    """sin(pi x) / (pi x), by its series near 0, where the quotient has no derivative."""
    z = x * math.pi
    near = xp.abs(z) < 1e-2
    away = xp.where(near, 1.0, z)
    z2 = xp.where(near, z, 0.0) ** 2
    return xp.where(near, 1 - z2 / 6 * (1 - z2 / 20 * (1 - z2 / 42)), xp.sin(away) / away)


def svd(xp: Any, a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return the singular values, with the vectors unless compute_uv is false."""
    return xp.linalg.svd(a, full_matrices=full_matrices) if compute_uv else xp.linalg.svdvals(a)


def multi_dot(xp: Any, arrays: Any) -> Array:
    """Return the matrix product of all arrays."""
    return functools.reduce(xp.matmul, _arrays(xp, arrays))


def _constant(name: str) -> Callable[..., Any]:
    """Return a question that NumPy answers: nothing of the answer is followed."""

    def plain(x: Any) -> Any:
        return x.constant().value if hasattr(x, "constant") else x

    return lambda xp, *args, **kwargs: getattr(np, name)(*map(plain, args), **kwargs)


LINALG: dict[str, Callable[..., Any]] = {f.__name__: f for f in (multi_dot, norm, svd)}
MAIN: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(append, array_split, atleast_1d, atleast_2d, atleast_3d, column_stack, copy, cross, diag, diagflat),
        *(diagonal, dot, dsplit, dstack, einsum, fliplr, flipud, hsplit, hstack, inner, kron, linspace),
        *(nan_to_num, outer, pad, ravel, rot90, select, sinc, split, swapaxes, trace, vsplit, vstack),
    )
} | {name: _constant(name) for name in ("allclose", "array_equal", "iscomplexobj", "isclose", "isrealobj")}
UFUNCS: dict[str, Callable[..., Any]] = {
    **{f.__name__: f for f in (cbrt, deg2rad, exp2, fmax, fmin, logaddexp2, rad2deg)},
    "degrees": rad2deg,
    "radians": deg2rad,
}
