"""Reductions and running sums along axes."""

import math
from typing import Any

from chainrule.gates.helpers import axes_of, axis_number, kept_shape, nonzero, quotient
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Axes, Pullback, Result


@rule("main")
def sum(xp: Any, x: Array, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Result:
    """Every element gets the gradient of the sum."""
    return xp.sum(x, axis=axis, dtype=dtype, keepdims=keepdims), (_spread(xp, x.shape, axis),)


@rule("main")
def mean(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """Every element gets 1/n of the gradient of the mean."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis)
    return xp.mean(x, axis=axis, keepdims=keepdims), (lambda g: spread(g * _share(n)),)


@rule("main")
def var(
    xp: Any, x: Array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Result:
    """sum (x - mean)^2 / (n - correction): slope 2 (x - mean) / (n - correction)."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis) - correction
    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims), (
        lambda g: spread(g) * ((x - xp.mean(x, axis=axis, keepdims=True)) * (2 * _share(n))),
    )


@rule("main")
def std(
    xp: Any, x: Array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Result:
    """sqrt(var): slope (x - mean) / ((n - correction) std); 0 where all elements are equal."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis) - correction
    y = xp.std(x, axis=axis, correction=correction, keepdims=keepdims)
    return y, (
        lambda g: (
            spread(quotient(xp, g, nonzero(xp, y)) * _share(n)) * (x - xp.mean(x, axis=axis, keepdims=True))
        ),
    )


@rule("main")
def max(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """The largest gets the gradient; equal elements share it evenly."""
    y = xp.max(x, axis=axis, keepdims=keepdims)
    return y, (_shared(xp, x, y, axis),)


@rule("main")
def min(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """The smallest gets the gradient; equal elements share it evenly."""
    y = xp.min(x, axis=axis, keepdims=keepdims)
    return y, (_shared(xp, x, y, axis),)


@rule("main")
def prod(xp: Any, x: Array, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Result:
    """Each element gets the product of the others; nothing is divided, so zeros are no exception."""
    y = xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)
    shape, kept = x.shape, kept_shape(x.shape, axis)

    def pullback(g: Array) -> Array:
        reduced = tuple(sorted(axes_of(axis, len(shape))))
        order = tuple(i for i in range(len(shape)) if i not in reduced) + reduced
        moved = xp.permute_dims(x, order)
        row = xp.reshape(
            moved, (*(shape[i] for i in order if i not in reduced), math.prod(shape[i] for i in reduced))
        )
        before = xp.cumulative_prod(row, axis=-1, include_initial=True)[..., :-1]
        after = xp.flip(
            xp.cumulative_prod(xp.flip(row, axis=-1), axis=-1, include_initial=True)[..., :-1], axis=-1
        )
        back = tuple(sorted(range(len(order)), key=order.__getitem__))
        others = xp.permute_dims(xp.reshape(before * after, moved.shape), back)
        return xp.reshape(g, kept) * others

    return y, (pullback,)


@rule("main")
def cumulative_sum(
    xp: Any, x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Result:
    """Running sums: x_i gets the sum of the gradients from i on."""
    y = xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)
    along = axis_number("cumulative_sum", axis or 0, x.ndim)

    def pullback(g: Array) -> Array:
        if include_initial:
            g = g[_slice(g.ndim, along, 1, None)]
        return xp.flip(xp.cumulative_sum(xp.flip(g, axis=along), axis=along), axis=along)

    return y, (pullback,)


@rule("main")
def cumulative_prod(
    xp: Any, x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Result:
    """Running products: dx_i = p_(i-1) S_i, where S_i = g_i + x_(i+1) S_(i+1).

    Nothing is divided, so zeros are no exception. The recurrence is solved by doubling, in log2(n) steps of whole
    arrays.
    Source: Hillis and Steele, Data parallel algorithms, Communications of the ACM 29 (12), 1986.
    """
    along = axis_number("cumulative_prod", axis or 0, x.ndim)
    y = xp.cumulative_prod(x, axis=axis, dtype=dtype, include_initial=include_initial)
    n = x.shape[along]

    def pullback(g: Array) -> Array:
        def part(array: Array, start: int | None, stop: int | None) -> Array:
            return array[_slice(x.ndim, along, start, stop)]

        if include_initial:
            g = part(g, 1, None)
        if n == 0:
            return g
        before = part(xp.cumulative_prod(x, axis=along, include_initial=True), None, n)
        nothing = xp.zeros_like(part(x, 0, 1))
        factor, total, step = xp.concat([part(x, 1, None), nothing], axis=along), g, 1
        while step < n:
            gap = xp.concat([nothing] * step, axis=along)
            total = total + xp.concat([part(total, step, None), gap], axis=along) * factor
            factor = factor * xp.concat([part(factor, step, None), gap], axis=along)
            step *= 2
        return total * before

    return y, (pullback,)


def _spread(xp: Any, shape: tuple[int, ...], axis: Axes) -> Pullback:
    """Return the pullback of a sum over `axis`: g repeated over the axes that were summed."""
    if axis is None:
        return lambda g: xp.broadcast_to(g, shape)
    kept = kept_shape(shape, axis)
    return lambda g: xp.broadcast_to(xp.reshape(g, kept), shape)


def _shared(xp: Any, x: Array, y: Array, axis: Axes) -> Pullback:
    """Return the pullback of max and min: g divided among the elements that equal the extreme."""
    kept = kept_shape(x.shape, axis)

    def pullback(g: Array) -> Array:
        chosen = x == xp.reshape(y, kept)
        # No element equals a NaN: the count is then 0, and no gradient flows.
        count = xp.maximum(xp.sum(xp.astype(chosen, x.dtype), axis=axis, keepdims=True), 1)
        return xp.where(chosen, xp.reshape(g, kept) / count, 0)

    return pullback


def _share(n: float) -> float:
    """Return 1 / n, and NaN for n = 0: the value of the mean is NaN there too."""
    return 1 / n if n else math.nan


def _count(shape: tuple[int, ...], axis: Axes) -> int:
    return math.prod(shape[i] for i in axes_of(axis, len(shape)))


def _slice(ndim: int, axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if i == axis else slice(None) for i in range(ndim))
