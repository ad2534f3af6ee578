"""NumPy's functions of elements, along an axis, and about arrays, as far as the standard does not have them.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import math
from collections.abc import Callable
from typing import Any

from chainrule.gates.helpers import axis_number, is_complex, somewhere
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import (
    as_array,
    as_arrays,
    as_operands,
    dtype_of,
    integers,
    is_array,
    is_inexact,
)
from chainrule.numpy_names.names import SPECIAL, numpy_name


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


@numpy_name(ufunc=True)
def heaviside(xp: Any, x1: Any, x2: Any) -> Array:
    """Return 0 where x1 < 0, x2 where it is 0, and 1 beyond; the slope in x1 is 0."""
    x1, x2 = as_operands(xp, x1, x2)
    x1 = x1 if is_array(x1) else xp.full_like(x2, x1)
    if is_array(x2):
        x1 = xp.astype(x1, xp.result_type(x1, x2), copy=False)
    step = xp.where(x1 == x1, xp.astype(x1 > 0, x1.dtype), math.nan)
    return xp.where(x1 == 0, x2, step)


@numpy_name(ufunc=True)
def fmod(xp: Any, x1: Any, x2: Any) -> Array:
    """Return what division leaves of x1, with the sign of x1."""
    x1, x2 = as_operands(xp, x1, x2)
    below = x1 < 0

    def turned(x: Any) -> Any:
        return xp.where(below, -x, x) if is_array(below) else -x if below else x

    return turned(xp.remainder(turned(x1), abs(x2)))


@numpy_name(ufunc=True)
def float_power(xp: Any, x1: Any, x2: Any) -> Array:
    """Return x1^x2 in float64 or complex128."""
    both = as_arrays(xp, (x1, x2))
    dtype = xp.complex128 if any(iscomplexobj(xp, x) for x in both) else xp.float64
    return xp.pow(*(xp.astype(x, dtype, copy=False) for x in both))


@numpy_name("divmod", ufunc=True)
def divmod(xp: Any, x1: Any, x2: Any) -> tuple[Array, Array]:
    """Return the quotient, rounded down, and the remainder."""
    x1, x2 = as_operands(xp, x1, x2)
    return xp.floor_divide(x1, x2), xp.remainder(x1, x2)


@numpy_name(ufunc=True)
def modf(xp: Any, x: Any) -> tuple[Array, Array]:
    """Return the part behind the point, whose slope is 1, and the whole number before it."""
    x = as_array(xp, x)
    whole = xp.trunc(x)
    return xp.where(xp.isinf(x), 0, x) - xp.where(xp.isinf(x), 0, whole), whole


@numpy_name()
def linspace(
    xp: Any,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Return num points at equal distances from start to stop, along a new axis; with `retstep` the distance too."""
    start, stop = as_operands(xp, start, stop)
    y = xp.linspace(start, stop, num, endpoint=endpoint)
    y = y if dtype is None else xp.astype(y, dtype_of(xp, dtype), copy=False)
    y = xp.moveaxis(y, 0, axis) if axis else y
    steps = num - bool(endpoint)
    return (y, (stop - start) / steps if steps > 0 else math.nan) if retstep else y


@numpy_name()
def logspace(
    xp: Any,
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Return powers of a base, or of bases, with `linspace` as their exponents."""
    start, stop, base = as_operands(xp, start, stop, base)
    if getattr(base, "ndim", 0):
        start, stop, base = xp.broadcast_arrays(*as_arrays(xp, (start, stop, base)))
        base = xp.expand_dims(base, axis=axis)
    y = xp.pow(base, linspace(xp, start, stop, num, endpoint, axis=axis))
    return y if dtype is None else xp.astype(y, dtype_of(xp, dtype), copy=False)


@numpy_name()
def geomspace(
    xp: Any, start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Return num points from start to stop, each the same multiple of the one before, along a new axis."""
    start, stop = (xp.astype(x, xp.result_type(x, xp.float64)) for x in as_arrays(xp, (start, stop)))
    sign = xp.sign(start)
    first, last = xp.log10(start / sign), xp.log10(stop / sign)
    y = logspace(xp, first, last, num, endpoint) * sign
    ruler = xp.reshape(xp.arange(num, device=y.device), (-1, *(1,) * (y.ndim - 1)))
    # Powers of logarithms are rounded, and both ends are not.
    y = xp.where(ruler == 0, start, xp.where(ruler == num - 1, stop, y) if endpoint else y)
    y = y if dtype is None else xp.astype(y, dtype_of(xp, dtype), copy=False)
    return xp.moveaxis(y, 0, axis) if axis else y


@numpy_name()
def apply_along_axis(xp: Any, func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Array:
    """Return what a function gives for each row along an axis, in the place of the row."""
    arr = as_array(xp, arr)
    along = axis_number("numpy.apply_along_axis", axis, arr.ndim)
    rows = xp.moveaxis(arr, along, -1)
    outer, flat = rows.shape[:-1], xp.reshape(rows, (-1, rows.shape[-1]))
    results = as_arrays(xp, [func1d(flat[i, :], *args, **kwargs) for i in range(flat.shape[0])])
    y = xp.reshape(xp.stack(results), (*outer, *results[0].shape))
    k = results[0].ndim
    return xp.moveaxis(y, tuple(range(len(outer), len(outer) + k)), tuple(range(along, along + k)))


@numpy_name()
def apply_over_axes(xp: Any, func: Any, a: Any, axes: Any) -> Array:
    """Return what func(a, axis) makes of an array, along one axis after the other, which are kept."""
    a = as_array(xp, a)
    for axis in (axes,) if isinstance(axes := integers(axes), int) else axes:
        along = axis_number("numpy.apply_over_axes", axis, a.ndim)
        y = func(a, along)
        a = y if y.ndim == a.ndim else xp.expand_dims(y, axis=along)
    return a


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
def cumsum(xp: Any, a: Any, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the sums of the elements so far along an axis, or of all elements in a row."""
    a = as_array(xp, a)
    a, axis = _in_a_row(xp, a, axis if a.shape or axis not in (0, -1) else None)
    return xp.cumulative_sum(a, axis=axis, dtype=dtype_of(xp, dtype))


@numpy_name()
def cumprod(xp: Any, a: Any, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the products of the elements so far along an axis, or of all elements in a row."""
    a = as_array(xp, a)
    a, axis = _in_a_row(xp, a, axis if a.shape or axis not in (0, -1) else None)
    return xp.cumulative_prod(a, axis=axis, dtype=dtype_of(xp, dtype))


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
def i0(xp: Any, x: Any) -> Array:
    """Return the modified Bessel function of order 0, that of chainrule.special."""
    x = as_array(xp, x)
    y = SPECIAL["i0"](xp, x)
    return xp.astype(y, x.dtype, copy=False) if is_inexact(xp, x) else y


@numpy_name()
def real_if_close(xp: Any, a: Any, tol: float = 100) -> Array:
    """Return the real part where every imaginary part is below tol units in the last place of 1, and else a itself."""
    a = as_array(xp, a)
    if not iscomplexobj(xp, a):
        return a
    least = tol * float(xp.finfo(a.dtype).eps) if tol > 1 else tol
    return a if somewhere(xp, xp.abs(xp.imag(a)) >= least) else xp.real(a)


@numpy_name(ufunc=True)
def ldexp(xp: Any, x1: Any, x2: Any) -> Array:
    """Return x1 2^x2, for whole numbers x2."""
    x1, x2 = as_arrays(xp, (x1, x2))
    # In two steps: a power may overflow where the product does not.
    half = x2 // 2
    return x1 * xp.pow(2.0, xp.astype(half, x1.dtype)) * xp.pow(2.0, xp.astype(x2 - half, x1.dtype))


@numpy_name(ufunc=True)
def frexp(xp: Any, x: Any) -> tuple[Array, Array]:
    """Return mantissas m from 0.5 to 1 and whole numbers k with x = m 2^k; the slope of m is 2^-k."""
    x = as_array(xp, x)
    if is_complex(xp, x):
        raise TypeError(f"numpy.frexp: expected real numbers; got an array of {x.dtype}")
    size = xp.abs(xp.stop_gradient(x))
    has_one = xp.logical_and(size > 0, xp.isfinite(size))
    # Logarithms are rounded, so k may be off by one.
    k = xp.astype(xp.floor(xp.log2(xp.where(has_one, size, 0.5))), xp.int32) + 1
    m = ldexp(xp, xp.where(has_one, size, 0.5), -k)
    k = k + xp.astype(m >= 1, xp.int32) - xp.astype(m < 0.5, xp.int32)
    return ldexp(xp, x, -k), k


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


@numpy_name(ufunc=True)  # that of CuPy's
@numpy_name()
def angle(xp: Any, z: Any, deg: bool = False) -> Array:
    """Return the angles of complex numbers, in radians or in degrees; at 0 the gradient is 0."""
    (z,) = as_arrays(xp, (z,))
    y = xp.atan2(xp.imag(z), xp.real(z)) if is_complex(xp, z) else xp.where(z < 0, math.pi, xp.zeros_like(z))
    return y * (180 / math.pi) if deg else y


def _along_two_axes(name: str) -> None:
    def transform(xp: Any, a: Array, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Array:
        return getattr(xp.fft, f"{name}n")(a, s=s, axes=axes, norm=norm)

    transform.__doc__ = f"Return numpy.fft.{name}n along two axes."
    numpy_name(f"fft.{name}2")(transform)


for _name in ("fft", "ifft", "rfft", "irfft"):
    _along_two_axes(_name)


@numpy_name()
def array_equiv(xp: Any, a1: Any, a2: Any) -> bool:
    """Return whether two arrays have the same elements once one is broadcast to the other."""
    a1, a2 = as_arrays(xp, (a1, a2))
    try:
        shape = xp.broadcast_shapes(a1.shape, a2.shape)
    except ValueError:
        return False
    return shape in (a1.shape, a2.shape) and bool(xp.all(a1 == a2))


@numpy_name()
def isposinf(xp: Any, x: Any) -> Array:
    """Return which elements are infinity."""
    return as_array(xp, x) == math.inf


@numpy_name()
def isneginf(xp: Any, x: Any) -> Array:
    """Return which elements are minus infinity."""
    return as_array(xp, x) == -math.inf


@numpy_name()
def isreal(xp: Any, x: Any) -> Array:
    """Return which elements have no imaginary part."""
    return xp.logical_not(iscomplex(xp, x))


@numpy_name()
def iscomplex(xp: Any, x: Any) -> Array:
    """Return which elements have an imaginary part."""
    x = as_array(xp, x)
    return xp.imag(x) != 0 if iscomplexobj(xp, x) else xp.zeros_like(x, dtype=xp.bool)


@numpy_name()
def iscomplexobj(xp: Any, x: Array) -> bool:
    """Return whether x has a complex dtype."""
    return bool(xp.isdtype(x.dtype, "complex floating"))


@numpy_name()
def isrealobj(xp: Any, x: Array) -> bool:
    """Return whether x has a dtype that is not complex."""
    return not iscomplexobj(xp, x)
