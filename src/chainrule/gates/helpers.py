"""What many local rules share: undoing a broadcast, denominators, axes."""

import math
import operator
from collections.abc import Iterable
from typing import Any

from chainrule.gates.types import Array, Axes, Gate


def unbroadcast(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """Sum g, shaped as a broadcast result, back to the shape of the operand: the adjoint of broadcasting."""
    added = g.ndim - len(shape)
    if added == 1 and 1 not in shape:
        # The bias of a layer. NumPy's add.reduce is what its sum calls, without the checks in Python before it.
        if (n := g.shape[0]) <= _FEW or (n <= _ROWS and wider(xp, g.dtype)[0] != 16):
            return getattr(xp.add, "reduce", xp.sum)(g, axis=0)
        return total(xp, g, 0)
    g = total(xp, g, copied_axes(g.shape, shape), keepdims=True)
    return xp.reshape(g, shape) if added else g


def copied_axes(full: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of a broadcast result, shaped `full`, along which it has copies of an operand of this shape."""
    added = len(full) - len(shape)
    return (*range(added), *(added + i for i, n in enumerate(shape) if n == 1 and full[added + i] != 1))


# As many numbers as NumPy itself adds one by one to one sum, and as many rows.
_FEW, _ROWS = 16, 256


def total(xp: Any, x: Array, axis: Axes, *, keepdims: bool = False) -> Array:
    """Return the sum of floating numbers, as exact as if all had been added in pairs; of many float16 in float32.

    Along another axis than the last NumPy adds row by row, with an error that grows with their number.
    """
    axes = tuple(axes_of(axis, x.ndim))
    if not is_transformed(x):
        for a in axes:
            x = _in_blocks(xp, x, a)
    count = 1
    for a in axes:
        count *= x.shape[a]
    if count <= _FEW:
        return xp.sum(x, axis=axes, keepdims=keepdims)
    bits, wide = wider(xp, x.dtype)
    if bits == 16:
        return xp.sum(x, axis=axes, dtype=wide, keepdims=keepdims)
    if count <= _ROWS or wide == x.dtype:
        return xp.sum(x, axis=axes, keepdims=keepdims)
    return xp.astype(xp.sum(x, axis=axes, dtype=wide, keepdims=keepdims), x.dtype)


def _in_blocks(xp: Any, x: Array, axis: int) -> Array:
    """Return sums of some rows each where there are many along an axis that is not the last."""
    while x.shape[axis] > _ROWS and axis < x.ndim - 1:
        n, (bits, wide) = x.shape[axis], wider(xp, x.dtype)
        whole = n // 64
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        key = (slice(None),) * axis
        # 64 blocks side by side: their sums go along rows that lie together, which is quicker than row by row.
        blocks = xp.reshape(x[(*key, slice(whole * 64), ...)], (*before, 64, whole, *after))
        sums = xp.sum(blocks, axis=axis, dtype=wide if bits == 16 else None)
        rest = x[(*key, slice(whole * 64, None), ...)]
        x = xp.concat([sums, xp.astype(rest, sums.dtype, copy=False)], axis=axis) if n % 64 else sums
    return x


_wider: dict[Any, tuple[int, Any]] = {}


def wider(xp: Any, dtype: Any) -> tuple[int, Any]:
    """Return the bits of a floating dtype, and the dtype with twice as many; with 64 it is the same."""
    # By the class too: dtypes of two libraries are not compared.
    key = type(dtype), dtype
    if key not in _wider:
        bits, real = xp.finfo(dtype).bits, xp.isdtype(dtype, "real floating")
        wide = xp.float32 if bits == 16 else xp.float64 if real else xp.complex128
        _wider[key] = bits, dtype if bits == 64 else wide
    return _wider[key]


_complex: dict[Any, bool] = {}


def is_complex(xp: Any, x: Any) -> bool:
    """Say whether x is a complex number or an array of them."""
    if not hasattr(x, "dtype"):
        return isinstance(x, complex)
    key = type(x.dtype), x.dtype
    if key not in _complex:
        _complex[key] = bool(xp.isdtype(x.dtype, "complex floating"))
    return _complex[key]


def conjugate(xp: Any, x: Array) -> Array:
    """Return the conjugate of x, and x itself where it is real."""
    return xp.conj(x) if is_complex(xp, x) else x


def real_product(xp: Any, g: Array, x: Array) -> Array:
    """Return Re(g conj(x)), element by element: the product of g and x as points of the plane."""
    return xp.real(g * xp.conj(x)) if is_complex(xp, x) else g * x


def nothing(xp: Any, y: Array, g: Array) -> Array:
    """Return what a selection hands to what it did not pick: 0, and NaN beside a NaN in its result y.

    It is linear in g, so that rates and second derivatives beside a NaN are NaN too.
    """
    # A g that is a number is met by the array y alone: CuPy would make a float64 of two numbers.
    return xp.where(y == y, 0, g * math.nan if hasattr(g, "shape") else y)


def nonzero(xp: Any, d: Array) -> Array:
    """Return d with 1 in the place of 0: the denominator of a slope that is 0 where d is 0."""
    return xp.where(d == 0, 1, d)


def output(gate: Gate, xp: Any, *arrays: Array, **static: Any) -> Array:
    """Return what a gate computes inside the rule of another; it is recorded where an array is traced."""
    for array in arrays:
        if is_transformed(array):
            return array.record(gate, arrays, static)
    return gate(xp, *arrays, **static)[0]


def highest(arrays: Iterable[Any]) -> Any:
    """Return the array of the highest level, out of the constants that may hide it; None where none has a level."""
    top = None
    for x in arrays:
        x = below_constants(x)
        if is_transformed(x) and (top is None or x.level > top.level):
            top = x
    return top


def below_constants(x: Any) -> Any:
    """Return x, or what is below where x is a constant of a transformed namespace."""
    while is_transformed(x) and not x.level:
        x = x.value
    return x


def top_of(arrays: Iterable[Any]) -> Any:
    """Return the array of the highest level, or else a constant of a transformed namespace; None without either."""
    arrays = list(arrays)
    top = highest(arrays)
    return next(filter(is_transformed, arrays), None) if top is None else top


def device_of(x: Any) -> Any:
    """Return the device that an array lies on; None of an array that does not tell, such as Dask's."""
    return getattr(x, "device", None)


def somewhere(xp: Any, condition: Array) -> bool:
    """Say whether a condition holds for any element, also for one of a batch."""
    xp = condition.space._base if is_transformed(condition) else xp
    return bool(xp.any(innermost(condition)))


def innermost(x: Any) -> Any:
    """Return the plain array below every transform of x; that of a batched array is the whole batch."""
    while is_transformed(x):
        x = x.value
    return x


def is_transformed(x: Any) -> bool:
    """Say whether x is an array of a transformed namespace, such as differentiable(xp), traced or constant."""
    return hasattr(x, "record")


def axes_of(axis: Axes, ndim: int) -> set[int]:
    """Return the axes that a reduction over `axis` removes, counted from 0."""
    # NumPy lets arrays of shape () be reduced along an axis that they do not have.
    if axis is None or not ndim:
        return set(range(ndim))
    return {operator.index(a) % ndim for a in (axis if isinstance(axis, tuple | list) else (axis,))}


def kept_shape(shape: tuple[int, ...], axis: Axes) -> tuple[int, ...]:
    """Return the shape that a reduction of `shape` over `axis` leaves with keepdims=True."""
    axes = axes_of(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def axis_number(name: str, axis: int, ndim: int) -> int:
    """Return an axis counted from 0, also where it was counted from the end; IndexError where there is none."""
    if not hasattr(axis, "__index__"):
        raise TypeError(f"{name}: expected a whole number as an axis; got {axis!r}")
    if not -ndim <= axis < ndim:
        had = f"one from {-ndim} to {ndim - 1}" if ndim else "none, for an array of shape ()"
        raise IndexError(f"{name}: got axis {axis}; expected {had}")
    return operator.index(axis) % ndim


def adjoint(xp: Any, x: Array) -> Array:
    """Return the conjugate transpose of x, which is the transpose of a real x."""
    return conjugate(xp, xp.matrix_transpose(x))


def transposed(xp: Any, x: Array) -> Array:
    """Return the matrix transpose of x, by the attribute where it is cheap."""
    return x.T if x.ndim == 2 else xp.matrix_transpose(x)
