"""NumPy's functions of elements, along an axis, and about arrays, as far as the standard does not have them.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import math
from collections.abc import Callable
from typing import Any

from chainrule.gates.helpers import is_complex
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_arrays, as_operands
from chainrule.numpy_names.names import numpy_name


@numpy_name()
def nan_to_num(
    xp: Any, x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """Return x with given numbers in the place of NaN and the infinities, by default 0 and the dtype's limits."""
    if not copy:
        raise TypeError(
            "numpy.nan_to_num: copy=False changes x in place, which cannot be traced; leave it out"
        )
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"numpy.nan_to_num: expected real numbers; got {x.dtype}")
    if not xp.isdtype(x.dtype, "real floating"):
        return x
    limits = xp.finfo(x.dtype)
    y = xp.where(xp.isnan(x), nan, x)
    y = xp.where(x == math.inf, limits.max if posinf is None else posinf, y)
    return xp.where(x == -math.inf, limits.min if neginf is None else neginf, y)


@numpy_name()
def select(xp: Any, condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """Return for each element the choice of the first condition that holds, or else the default."""
    count = len(condlist)
    if not 0 < count == len(choicelist):
        raise ValueError(
            f"numpy.select: expected a choice for each condition; got {count} conditions and {len(choicelist)} choices"
        )
    *arrays, result = as_arrays(xp, (*condlist, *choicelist, default))
    *choices, default = as_operands(xp, *choicelist, default)
    result = xp.astype(result, xp.result_type(*choices, default))
    for condition, choice in zip(reversed(arrays[:count]), reversed(choices), strict=True):
        result = xp.where(condition, choice, result)
    return result


@numpy_name(ufunc=True)
def exp2(xp: Any, x: Array) -> Array:
    """Return 2^x."""
    return xp.pow(2.0, x)


@numpy_name(ufunc=True)
def cbrt(xp: Any, x: Array) -> Array:
    """Return the cube root, of negative numbers too."""
    return xp._cbrt(x)


@numpy_name("deg2rad", "radians", ufunc=True)
def deg2rad(xp: Any, x: Array) -> Array:
    """Return angles in radians, given in degrees."""
    return x * (math.pi / 180)


@numpy_name("rad2deg", "degrees", ufunc=True)
def rad2deg(xp: Any, x: Array) -> Array:
    """Return angles in degrees, given in radians."""
    return x * (180 / math.pi)


@numpy_name(ufunc=True)
def fmax(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the larger of two numbers; where one is NaN, the other."""
    return _ignoring_nan(xp, xp.maximum, x1, x2)


@numpy_name(ufunc=True)
def fmin(xp: Any, x1: Any, x2: Any) -> Array:
    """Return the smaller of two numbers; where one is NaN, the other."""
    return _ignoring_nan(xp, xp.minimum, x1, x2)


def _ignoring_nan(xp: Any, choose: Callable[..., Any], x1: Any, x2: Any) -> Array:
    x1, x2 = as_operands(xp, x1, x2)
    y = choose(x1, x2)
    for x, other in ((x1, x2), (x2, x1)):
        # A NaN alone differs from itself, also among numbers; of two of them the result is NaN.
        y = xp.where((x != x) & (other == other), other, y)
    return y


@numpy_name(ufunc=True)
def logaddexp2(xp: Any, x1: Any, x2: Any) -> Array:
    """Return log2(2^x1 + 2^x2)."""
    return xp._logaddexp2(*as_operands(xp, x1, x2))


@numpy_name()
def sinc(xp: Any, x: Array) -> Array:
    """Return sin(pi x) / (pi x); near 0, where the quotient has no derivative, by its Taylor series."""
    z = x * math.pi
    # Below 1 the two terms of the quotient's slope are nearly equal.
    near = xp.abs(z) < 1
    away = xp.where(near, 1.0, z)
    z2 = xp.where(near, z, 0.0) ** 2
    series = xp.ones_like(z2)
    for k in range(9, 0, -1):
        series = 1 - z2 / (2 * k * (2 * k + 1)) * series
    return xp.where(near, series, xp.sin(away) / away)


@numpy_name()
def where(xp: Any, condition: Any, *branches: Any) -> Any:
    """Return x where the condition holds and y elsewhere; of a condition alone, the places where it holds."""
    if not branches:
        return xp.nonzero(condition)
    if len(branches) != 2:
        raise TypeError(
            "numpy.where: expected a condition alone or with two arrays; got 2 arguments. "
            "Write numpy.where(condition, x, y)"
        )
    return xp.where(*as_operands(xp, condition, *branches))


@numpy_name()
def take(xp: Any, a: Any, indices: Any, axis: int | None = None) -> Array:
    """Return the elements at integer indices along an axis, or among all elements in a row."""
    a, indices = as_arrays(xp, (a, indices))
    a, axis = _in_a_row(xp, a, axis)
    return xp.take(a, indices, axis=axis)


@numpy_name()
def take_along_axis(xp: Any, arr: Any, indices: Any, axis: int | None = -1) -> Array:
    """Return the elements at integer indices in each row along an axis, or among all elements in a row."""
    arr, indices = as_arrays(xp, (arr, indices))
    arr, axis = _in_a_row(xp, arr, axis)
    return xp.take_along_axis(arr, indices, axis=axis)


@numpy_name()
def sort(xp: Any, a: Array, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Array:
    """Return the elements in ascending order along an axis, or of all elements in a row."""
    a, axis = _in_a_row(xp, a, axis)
    return xp.sort(a, axis=axis, stable=_is_stable("sort", kind, stable))


@numpy_name()
def argsort(xp: Any, a: Array, axis: int | None = -1, kind: Any = None, *, stable: Any = None) -> Array:
    """Return the indices that sort the elements along an axis, or all elements in a row."""
    a, axis = _in_a_row(xp, a, axis)
    return xp.argsort(a, axis=axis, stable=_is_stable("argsort", kind, stable))


@numpy_name()
def cumsum(xp: Any, a: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the sums of the elements so far along an axis, or of all elements in a row."""
    a, axis = _in_a_row(xp, a, axis if a.shape or axis not in (0, -1) else None)
    return xp.cumulative_sum(a, axis=axis, dtype=dtype)


@numpy_name()
def cumprod(xp: Any, a: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the products of the elements so far along an axis, or of all elements in a row."""
    a, axis = _in_a_row(xp, a, axis if a.shape or axis not in (0, -1) else None)
    return xp.cumulative_prod(a, axis=axis, dtype=dtype)


def _in_a_row(xp: Any, x: Array, axis: int | None) -> tuple[Array, int]:
    """Return an array and an axis of it; without an axis, NumPy takes all elements in a row."""
    return (xp.reshape(x, (-1,)), 0) if axis is None else (x, axis)


def _is_stable(name: str, kind: Any, stable: bool | None) -> bool:
    """Return whether equal elements must keep their order.

    A `kind` names an algorithm of NumPy's, which a stable one may always take the place of.
    """
    if kind is not None and stable is not None:
        raise TypeError(f"numpy.{name}: got stable= by two names; write one of them")
    return kind is not None if stable is None else stable


@numpy_name()
def result_type(xp: Any, *arrays_and_dtypes: Any) -> Any:
    """Return the dtype that operands combine to."""
    return xp.result_type(*arrays_and_dtypes)


@numpy_name()
def isclose(xp: Any, a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Array:
    """Return for each pair of elements whether |a - b| <= atol + rtol |b|."""
    a, b = (xp.stop_gradient(x) for x in as_arrays(xp, (a, b)))
    finite = xp.isfinite(a) & xp.isfinite(b)
    x, y = xp.where(finite, a, 0), xp.where(finite, b, 0)
    near = finite & (xp.abs(x - y) <= atol + rtol * xp.abs(y))
    return near | (a == b) | (xp.isnan(a) & xp.isnan(b) & equal_nan)


@numpy_name()
def allclose(xp: Any, a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> bool:
    """Return whether `isclose` holds for every pair of elements."""
    return bool(xp.all(isclose(xp, a, b, rtol, atol, equal_nan)))


@numpy_name()
def array_equal(xp: Any, a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Return whether two arrays have the same shape and the same elements."""
    a1, a2 = as_arrays(xp, (a1, a2))
    return a1.shape == a2.shape and allclose(xp, a1, a2, 0.0, 0.0, equal_nan)


@numpy_name()
def angle(xp: Any, z: Any, deg: bool = False) -> Array:
    """Return the angles of complex numbers, in radians or in degrees; at 0 the gradient is 0."""
    (z,) = as_arrays(xp, (z,))
    y = xp.atan2(xp.imag(z), xp.real(z)) if is_complex(xp, z) else xp.where(z < 0, math.pi, xp.zeros_like(z))
    return y * (180 / math.pi) if deg else y


@numpy_name("fft.fft2")
def fft2(xp: Any, a: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Array:
    """Return the Fourier transform along two axes."""
    return xp.fft.fftn(a, s=s, axes=axes, norm=norm)


@numpy_name("fft.ifft2")
def ifft2(xp: Any, a: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Array:
    """Return the inverse Fourier transform along two axes."""
    return xp.fft.ifftn(a, s=s, axes=axes, norm=norm)


@numpy_name("fft.rfft2")
def rfft2(xp: Any, a: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Array:
    """Return the first half of the Fourier transform of real numbers along two axes."""
    return xp.fft.rfftn(a, s=s, axes=axes, norm=norm)


@numpy_name("fft.irfft2")
def irfft2(xp: Any, a: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Array:
    """Return the real numbers whose Fourier transform along two axes begins with a."""
    return xp.fft.irfftn(a, s=s, axes=axes, norm=norm)


@numpy_name()
def iscomplexobj(xp: Any, x: Array) -> bool:
    """Return whether x has a complex dtype."""
    return bool(xp.isdtype(x.dtype, "complex floating"))


@numpy_name()
def isrealobj(xp: Any, x: Array) -> bool:
    """Return whether x has a dtype that is not complex."""
    return not iscomplexobj(xp, x)
