"""NumPy's own functions that the standard does not have, written in those that it has.

Each takes NumPy's arguments after the namespace; `np.kron(a, b)` on traced arrays runs `kron` of this file,
whatever library the arrays below are of.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.numpy import shapes
from chainrule.numpy.coercion import as_arrays, weak
from chainrule.numpy.einsum import einsum
from chainrule.numpy.shapes import atleast


def dot(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of a and the last but one of b."""
    a, b = as_arrays(xp, (a, b))
    if not (a.ndim and b.ndim):
        return xp.multiply(a, b)
    if a.ndim == 1 or b.ndim < 3:
        return xp.matmul(a, b)
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


def inner(xp: Any, a: Any, b: Any) -> Array:
    """Return sums of products over the last axis of both."""
    a, b = as_arrays(xp, (a, b))
    return xp.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,))) if a.ndim and b.ndim else xp.multiply(a, b)


def outer(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with every element of b."""
    a, b = as_arrays(xp, (a, b))
    return xp.multiply(xp.reshape(a, (-1, 1)), xp.reshape(b, (1, -1)))


def kron(xp: Any, a: Any, b: Any) -> Array:
    """Return the products of every element of a with the whole of b, in blocks."""
    a, b = as_arrays(xp, (a, b))
    a, b = atleast(xp, a, b.ndim) if a.ndim else a, atleast(xp, b, a.ndim) if b.ndim else b
    if not (a.ndim and b.ndim):
        return xp.multiply(a, b)
    apart = xp.expand_dims(a, axis=tuple(range(1, 2 * a.ndim, 2))) * xp.expand_dims(
        b, axis=tuple(range(0, 2 * b.ndim, 2))
    )
    return xp.reshape(apart, tuple(m * n for m, n in zip(a.shape, b.shape, strict=True)))


def cross(
    xp: Any, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Array:
    """Return the cross products of vectors of three components that lie in an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_arrays(xp, (a, b))
    last = [xp.moveaxis(x, axis_number("numpy.cross", i, x.ndim), -1) for x, i in ((a, axisa), (b, axisb))]
    return xp.moveaxis(xp.linalg.cross(*last), -1, axisc)


def norm(xp: Any, x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """NumPy's linalg.norm: of vectors along one axis, of matrices along two."""
    if ord is None:
        return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)
    if axis is None:
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return xp.linalg.vector_norm(x, ord=ord, axis=axes[0], keepdims=keepdims)
    if len(axes) != 2:
        raise ValueError(f"numpy.linalg.norm: expected one axis or two with ord={ord!r}; got {axes}")
    y = xp.linalg.matrix_norm(xp.moveaxis(x, axes, (-2, -1)), ord="fro" if ord == "f" else ord)
    return xp.expand_dims(y, axis=tuple(sorted(a % x.ndim for a in axes))) if keepdims else y


def _scaled(xp: Any, factor: float, *items: Any) -> list[Any]:
    return [xp.multiply(x, factor) if hasattr(x, "dtype") else x * factor for x in weak(xp, *items)]


def nan_to_num(
    xp: Any, x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """Return x with numbers in the place of NaN and the infinities."""
    if not copy:
        raise TypeError(
            "numpy.nan_to_num: copy=False changes x in place, which cannot be followed; leave it out"
        )
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"numpy.nan_to_num: expected real numbers; got {x.dtype}")
    if not xp.isdtype(x.dtype, "real floating"):
        return x
    limits = xp.finfo(x.dtype)
    y = xp.where(xp.isnan(x), nan, x)
    y = xp.where(x == math.inf, limits.max if posinf is None else posinf, y)
    return xp.where(x == -math.inf, limits.min if neginf is None else neginf, y)


def select(xp: Any, condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """Return of each element the choice of the first condition that holds."""
    count = len(condlist)
    if not 0 < count == len(choicelist):
        raise ValueError(
            f"numpy.select: expected a choice for each condition; got {count} conditions and {len(choicelist)} choices"
        )
    *arrays, result = as_arrays(xp, (*condlist, *choicelist, default))
    *choices, default = weak(xp, *choicelist, default)
    result = xp.astype(result, xp.result_type(*choices, default))
    for condition, choice in zip(reversed(arrays[:count]), reversed(choices), strict=True):
        result = xp.where(condition, choice, result)
    return result


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
    return _other_than_nan(xp, xp.maximum, x1, x2)


def fmin(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the smaller of two numbers, and the other one of a NaN."""
    return _other_than_nan(xp, xp.minimum, x1, x2)


def _other_than_nan(xp: Any, choose: Callable[..., Any], x1: Any, x2: Any) -> Array:
    x1, x2 = weak(xp, x1, x2)
    y = choose(x1, x2)
    for x, other in ((x1, x2), (x2, x1)):
        y = xp.where(xp.isnan(x if hasattr(x, "dtype") else y), other, y)
    return y


def logaddexp2(xp: Any, x1: Any, x2: Any) -> Array:
    """Return log2(2^x1 + 2^x2)."""
    return xp.logaddexp(*_scaled(xp, math.log(2), x1, x2)) / math.log(2)


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
    """Return the matrix product of all arrays: matrices, of which the first and the last may be vectors."""
    parts = as_arrays(xp, arrays)
    ndims = [x.ndim for x in parts]
    if len(parts) < 2 or {*ndims[1:-1]} - {2} or {ndims[0], ndims[-1]} - {1, 2}:
        raise ValueError(
            "numpy.linalg.multi_dot: expected two matrices or more, of which the first and the last may be vectors; "
            f"got shapes {', '.join(str(x.shape) for x in parts)}"
        )
    return functools.reduce(xp.matmul, parts)


def isclose(xp: Any, a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Say of each pair of elements whether |a - b| <= atol + rtol |b|."""
    a, b = (xp.stop_gradient(x) for x in as_arrays(xp, (a, b)))
    finite = xp.isfinite(a) & xp.isfinite(b)
    x, y = xp.where(finite, a, 0), xp.where(finite, b, 0)
    near = finite & (xp.abs(x - y) <= atol + rtol * xp.abs(y))
    return near | (a == b) | (xp.isnan(a) & xp.isnan(b) & equal_nan)


def allclose(xp: Any, *arrays: Any, **settings: Any) -> bool:
    """Say whether `isclose` holds of every pair of elements."""
    return bool(xp.all(isclose(xp, *arrays, **settings)))


def array_equal(xp: Any, a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Say whether two arrays have the same shape and elements."""
    a1, a2 = as_arrays(xp, (a1, a2))
    return a1.shape == a2.shape and allclose(xp, a1, a2, 0.0, 0.0, equal_nan)


def iscomplexobj(xp: Any, x: Array) -> bool:
    """Say whether x is of a complex dtype."""
    return bool(xp.isdtype(x.dtype, "complex floating"))


def isrealobj(xp: Any, x: Array) -> bool:
    """Say whether x is of no complex dtype."""
    return not iscomplexobj(xp, x)


LINALG: dict[str, Callable[..., Any]] = {f.__name__: f for f in (multi_dot, norm, svd)}
MAIN: dict[str, Callable[..., Any]] = shapes.MAIN | {
    f.__name__: f
    for f in (
        *(allclose, array_equal, cross, dot, einsum, inner, isclose, iscomplexobj, isrealobj, kron),
        *(nan_to_num, outer, select, sinc),
    )
}
UFUNCS: dict[str, Callable[..., Any]] = {
    **{f.__name__: f for f in (cbrt, deg2rad, exp2, fmax, fmin, logaddexp2, rad2deg)},
    "degrees": rad2deg,
    "radians": deg2rad,
}
