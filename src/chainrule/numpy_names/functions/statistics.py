"""NumPy's reductions with masks, means, variances and covariances, as far as the standard does not have them.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library. A mask `where` says which elements
take part: the others get the gradient 0, whatever they are. The functions that begin with `nan` mask NaN.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from chainrule.gates.helpers import axes_of, conjugate, somewhere, wider
from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_array, as_arrays, as_operand, is_inexact
from chainrule.numpy_names.functions.elementwise import cumprod, cumsum
from chainrule.numpy_names.functions.shapes import atleast
from chainrule.numpy_names.names import numpy_name

# --- Reductions ---


@numpy_name("sum")
def sum(
    xp: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Return sums along axes, of the elements where a mask holds, and of an initial number."""
    a = _taking_part(xp, as_array(xp, a, dtype), where, 0)
    return _with_initial(xp, xp.add, xp.sum(a, axis=axis, keepdims=keepdims), initial)


@numpy_name("prod")
def prod(
    xp: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    *,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Return products along axes, of the elements where a mask holds, and of an initial number."""
    a = _taking_part(xp, as_array(xp, a, dtype), where, 1)
    return _with_initial(xp, xp.multiply, xp.prod(a, axis=axis, keepdims=keepdims), initial)


@numpy_name("max", "amax")
def max(
    xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Return the largest elements along axes, of those where a mask holds, and of an initial number."""
    return _extreme(xp, "max", a, axis, keepdims, initial, where)


@numpy_name("min", "amin")
def min(
    xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Return the smallest elements along axes, of those where a mask holds, and of an initial number."""
    return _extreme(xp, "min", a, axis, keepdims, initial, where)


def _extreme(
    xp: Any, name: str, a: Any, axis: Any, keepdims: bool, initial: Any = None, where: Any = None
) -> Array:
    a, upper = as_array(xp, a), name == "max"
    if initial is None and _masks(where):
        raise ValueError(f"numpy.{name}: expected initial= beside where=, for a row without an element")
    if initial is None:
        return getattr(xp, name)(a, axis=axis, keepdims=keepdims)
    if 0 in (a.shape[i] for i in axes_of(axis, a.ndim)):
        return _with_initial(xp, xp.add, xp.sum(a, axis=axis, keepdims=keepdims), initial)
    a = _taking_part(xp, a, where, _least(xp, a.dtype) if upper else _greatest(xp, a.dtype))
    y = getattr(xp, name)(a, axis=axis, keepdims=keepdims)
    return _with_initial(xp, xp.maximum if upper else xp.minimum, y, initial)


def _least(xp: Any, dtype: Any) -> Any:
    return -math.inf if xp.isdtype(dtype, "real floating") else xp.iinfo(dtype).min


def _greatest(xp: Any, dtype: Any) -> Any:
    return math.inf if xp.isdtype(dtype, "real floating") else xp.iinfo(dtype).max


def _masks(where: Any) -> bool:
    return where is not None and where is not True


def _taking_part(xp: Any, a: Array, where: Any, neutral: Any) -> Array:
    if not _masks(where):
        return a
    where = as_arrays(xp, (a, where))[1]
    return xp.where(xp.broadcast_to(where, a.shape), a, neutral)  # a larger mask would repeat a


def _with_initial(xp: Any, combine: Any, y: Array, initial: Any) -> Array:
    return y if initial is None else xp.astype(combine(y, initial), y.dtype, copy=False)


@numpy_name("all")
def all(xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, where: Any = None) -> Array:
    """Return whether all elements along axes are true, of those where a mask holds."""
    return xp.all(
        _taking_part(xp, xp.astype(as_array(xp, a), xp.bool), where, True), axis=axis, keepdims=keepdims
    )


@numpy_name("any")
def any(xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, where: Any = None) -> Array:
    """Return whether any element along axes is true, of those where a mask holds."""
    return xp.any(
        _taking_part(xp, xp.astype(as_array(xp, a), xp.bool), where, False), axis=axis, keepdims=keepdims
    )


@numpy_name()
def ptp(xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False) -> Array:
    """Return the largest less the smallest elements along axes."""
    a = as_array(xp, a)
    return xp.max(a, axis=axis, keepdims=keepdims) - xp.min(a, axis=axis, keepdims=keepdims)


@numpy_name("mean")
def mean(
    xp: Any, a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False, where: Any = None
) -> Array:
    """Return means along axes, of the elements where a mask holds."""
    a = as_array(xp, a, dtype)
    if not _masks(where):
        return xp.mean(a, axis=axis, keepdims=keepdims)
    wide = _for_sums(xp, a)
    y = sum(xp, wide, axis, keepdims=keepdims, where=where) / _count(xp, wide, axis, keepdims, where)
    return xp.astype(y, a.dtype, copy=False) if wide is not a else y


def _for_sums(xp: Any, a: Array) -> Array:
    """Return an array whose dtype holds sums and counts: float16 ends at 65504, and counts in twos from 2048 on."""
    return xp.astype(a, xp.float32) if is_inexact(xp, a) and wider(xp, a.dtype)[0] == 16 else a


def _count(xp: Any, a: Array, axis: Any, keepdims: bool, where: Any) -> Any:
    """Return how many elements take part, in the dtype of a where a mask says which."""
    if not _masks(where):
        return math.prod(a.shape[i] for i in axes_of(axis, a.ndim))
    where = xp.broadcast_to(as_operand(xp, where, (a,)), a.shape)
    real = xp.finfo(a.dtype).dtype if xp.isdtype(a.dtype, "complex floating") else a.dtype
    return xp.astype(xp.count_nonzero(where, axis=axis, keepdims=keepdims), real)


def _about_means(name: str, text: str, of_deviations: Callable[..., Array]) -> Callable[..., Array]:
    """Return `var` or `std`, by what it makes of deviations from means and of the number of degrees of freedom."""

    def function(
        xp: Any,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        *,
        ddof: Any = None,
        keepdims: bool = False,
        where: Any = None,
        mean: Any = None,
        correction: Any = None,
    ) -> Array:
        if ddof is not None and correction is not None:
            raise TypeError(f"numpy.{name}: got correction= by two names; write one of them")
        a, less = as_array(xp, a, dtype), (ddof or 0.0) if correction is None else correction
        if not _masks(where) and mean is None:
            return getattr(xp, name)(a, axis=axis, correction=less, keepdims=keepdims)
        wide = _for_sums(xp, a)
        d, n = _deviations(xp, wide, axis, where, mean), _count(xp, wide, axis, keepdims, where)
        y = of_deviations(xp, d, _freedom(xp, n, less), axis=axis, keepdims=keepdims)
        return xp.astype(y, a.dtype, copy=False) if wide is not a else y

    function.__name__, function.__doc__ = name, text
    return numpy_name(name)(function)


def _variance(xp: Any, d: Array, free: Any, **settings: Any) -> Array:
    squares = xp.real(d * xp.conj(d)) if xp.isdtype(d.dtype, "complex floating") else d * d
    return xp.sum(squares, **settings) / free


def _deviation(xp: Any, d: Array, free: Any, **settings: Any) -> Array:
    return xp.linalg.vector_norm(d, **settings) / (
        xp.sqrt(free) if hasattr(free, "dtype") else math.sqrt(free)
    )


var = _about_means(
    *("var", "Return variances along axes, of the elements where a mask holds; `mean` may be given."),
    _variance,
)
std = _about_means(
    "std",
    "Return standard deviations along axes, of the elements where a mask holds; their slope at 0 is 0.",
    _deviation,
)


def _deviations(xp: Any, a: Array, axis: Any, where: Any, center: Any) -> Array:
    if center is None:
        center = mean(xp, a, axis, keepdims=True, where=where)
    return _taking_part(xp, a - center, where, 0)


def _freedom(xp: Any, n: Any, less: Any) -> Any:
    """Return n - less; NaN where nothing is left, as NumPy divides by 0 there."""
    if hasattr(n, "dtype"):
        return xp.where(n > less, n - less, math.nan)
    return n - less if n > less else math.nan


# --- Reductions of what is not NaN ---


def _numbers(xp: Any, a: Any, dtype: Any, where: Any) -> tuple[Array, Any]:
    """Return an array and the mask of its elements that take part and are not NaN."""
    a = as_array(xp, a, dtype)
    if not is_inexact(xp, a):
        return a, where
    numbers = xp.logical_not(xp.isnan(a))
    return a, xp.logical_and(numbers, as_operand(xp, where, (a,))) if _masks(where) else numbers


def _of_numbers(reduction: Callable[..., Array]) -> Callable[..., Array]:
    """Return a reduction of the elements that are not NaN."""

    @functools.wraps(reduction)
    def function(
        xp: Any, a: Any, axis: Any = None, dtype: Any = None, *, where: Any = None, **settings: Any
    ) -> Array:
        a, where = _numbers(xp, a, dtype, where)
        return reduction(xp, a, axis, where=where, **settings)

    return function


for _reduction in (sum, prod, mean, var, std):
    numpy_name(f"nan{_reduction.__name__}")(_of_numbers(_reduction))


@numpy_name()
def nancumsum(xp: Any, a: Any, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the sums of the elements so far along an axis, or of all in a row, NaN counting as 0."""
    a, where = _numbers(xp, a, dtype, None)
    return cumsum(xp, _taking_part(xp, a, where, 0), axis)


@numpy_name()
def nancumprod(xp: Any, a: Any, axis: int | None = None, dtype: Any = None) -> Array:
    """Return the products of the elements so far along an axis, or of all in a row, NaN counting as 1."""
    a, where = _numbers(xp, a, dtype, None)
    return cumprod(xp, _taking_part(xp, a, where, 1), axis)


@numpy_name()
def nanmax(
    xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Return the largest elements along axes that are not NaN; NaN where there is none."""
    return _nan_extreme(xp, "max", a, axis, keepdims, initial, where)


@numpy_name()
def nanmin(
    xp: Any, a: Any, axis: Any = None, *, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Return the smallest elements along axes that are not NaN; NaN where there is none."""
    return _nan_extreme(xp, "min", a, axis, keepdims, initial, where)


def _nan_extreme(xp: Any, name: str, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Array:
    a = as_array(xp, a)
    least = -math.inf if name == "max" else math.inf
    if not xp.isdtype(a.dtype, "real floating"):
        return _extreme(xp, name, a, axis, keepdims, initial, where)
    is_number = _numbers(xp, a, None, where)[1]
    if initial is not None:
        return _extreme(xp, name, a, axis, keepdims, initial, is_number)
    y = getattr(xp, name)(xp.where(is_number, a, least), axis=axis, keepdims=keepdims)
    return xp.where(xp.any(is_number, axis=axis, keepdims=keepdims), y, math.nan)


@numpy_name()
def nanargmax(xp: Any, a: Any, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Return the indices of the largest elements along an axis that are not NaN."""
    return _nan_argument(xp, "argmax", a, axis, keepdims)


@numpy_name()
def nanargmin(xp: Any, a: Any, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Return the indices of the smallest elements along an axis that are not NaN."""
    return _nan_argument(xp, "argmin", a, axis, keepdims)


def _nan_argument(xp: Any, name: str, a: Any, axis: int | None, keepdims: bool) -> Array:
    a = as_array(xp, a)
    empty = xp.isnan(a)
    if somewhere(xp, xp.all(empty, axis=axis)):
        raise ValueError(f"numpy.nan{name}: expected a number in every row; got one of NaN alone")
    filled = xp.where(empty, -math.inf if name == "argmax" else math.inf, a)
    return getattr(xp, name)(filled, axis=axis, keepdims=keepdims)


# --- Means with weights, covariances ---


@numpy_name()
def average(
    xp: Any, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Return means along axes with weights, shaped as a or along these axes alone; NaN where their sum is 0.

    With `returned` a tuple: the means and the sums of the weights.
    """
    if weights is None:
        y = xp.mean(as_array(xp, a), axis=axis, keepdims=keepdims)
        total: Any = _count(xp, as_array(xp, a), axis, keepdims, None)
        return (y, xp.full_like(y, total)) if returned else y
    a, w = as_arrays(xp, (a, weights))
    if w.shape != a.shape:
        w = along_axes(xp, "average", a, w, axis)
    if not is_inexact(xp, a):
        a = xp.astype(a, xp.float64)
    total = xp.sum(w, axis=axis, keepdims=keepdims)
    y = xp.sum(a * w, axis=axis, keepdims=keepdims) / total
    total = xp.astype(total, xp.result_type(a, w), copy=False)
    return (y, xp.broadcast_to(total, y.shape)) if returned else y


def along_axes(xp: Any, name: str, a: Array, w: Array, axis: Any) -> Array:
    """Return weights that lie along axes of a with as many axes as a has."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = [i % a.ndim for i in axes if i is not None]
    if len(places) != len(axes) or w.shape != tuple(a.shape[i] for i in places):
        raise (TypeError if axis is None else ValueError)(
            f"numpy.{name}: expected weights of shape {a.shape}, or of the lengths of the axes {axis}; got {w.shape}"
        )
    w = xp.permute_dims(w, tuple(sorted(range(w.ndim), key=places.__getitem__)))
    return xp.reshape(w, tuple(n if i in places else 1 for i, n in enumerate(a.shape)))


@numpy_name()
def cov(
    xp: Any,
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Array:
    """Return the covariances of variables, which are the rows of m and y; in float64 unless a dtype is named.

    Observations count as often as `fweights` says, and weigh what `aweights` says.
    """
    parts = [as_array(xp, part) for part in (m, y) if part is not None]
    if dtype is None:
        dtype = xp.result_type(*parts, xp.float64)
    X, *others = [atleast(xp, as_array(xp, part, dtype), 2) for part in parts]
    X = xp.matrix_transpose(X) if not rowvar and parts[0].ndim > 1 else X
    for other in others:
        turned = not rowvar and other.shape[0] != 1
        X = xp.concat([X, xp.matrix_transpose(other) if turned else other], axis=0)
    less = (0 if bias else 1) if ddof is None else ddof
    given = [as_array(xp, w, X.dtype) for w in (fweights, aweights) if w is not None]
    if not given:
        n: Any = X.shape[1]
        X = X - xp.mean(X, axis=1, keepdims=True)
        weighted, n = X, n - less
    else:
        w = math.prod(given)
        n = xp.sum(w)
        X = X - xp.sum(X * w, axis=1, keepdims=True) / n
        again = 1 if aweights is None else xp.sum(w * given[-1]) / n
        weighted, n = X * w, n - less * again
    C = xp.matmul(X, xp.matrix_transpose(conjugate(xp, weighted)))
    C = C / xp.where(n > 0, n, 0) if hasattr(n, "dtype") else C * (1 / n if n > 0 else math.inf)
    return xp.reshape(C, tuple(length for length in C.shape if length != 1))


@numpy_name()
def corrcoef(xp: Any, x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """Return the correlations of variables, which are the rows of x and y, within [-1, 1]."""
    C = cov(xp, x, y, rowvar, dtype=dtype)
    if not C.ndim:
        return C / C
    scale = xp.sqrt(xp.real(xp.linalg.diagonal(C)))
    C = C / scale[:, None] / scale[None, :]
    return C if xp.isdtype(C.dtype, "complex floating") else xp.clip(C, -1, 1)
