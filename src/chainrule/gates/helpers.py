"""What many local rules share: undoing a broadcast, denominators, axes."""

import operator
from typing import Any

from chainrule.gates.types import Array, Axes, Gate


def unbroadcast(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    """Sum g, shaped as a broadcast result, back to the shape of the operand: the adjoint of broadcasting."""
    added = g.ndim - len(shape)
    if added == 1 and 1 not in shape:
        # The bias of a layer. NumPy's add.reduce is what its sum calls, without the checks in Python before it.
        total = getattr(xp.add, "reduce", xp.sum)
        return total(g, axis=0)
    stretched = tuple(added + i for i, n in enumerate(shape) if n == 1 and g.shape[added + i] != 1)
    g = xp.sum(g, axis=(*range(added), *stretched), keepdims=True)
    return xp.reshape(g, shape) if added else g


def nonzero(xp: Any, d: Array) -> Array:
    """Return d with 1 in the place of 0: the denominator of a slope that is 0 where d is 0."""
    return xp.where(d == 0, 1, d)


def output(gate: Gate, xp: Any, *arrays: Array, **static: Any) -> Array:
    """Return what a gate computes inside the rule of another; it is recorded where an array is traced."""
    for array in arrays:
        if is_transformed(array):
            return array.record(gate, arrays, static)
    return gate(xp, *arrays, **static)[0]


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


def transposed(xp: Any, x: Array) -> Array:
    """Return the matrix transpose of x, by the attribute where it is cheap."""
    return x.T if x.ndim == 2 else xp.matrix_transpose(x)
