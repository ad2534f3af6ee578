"""Reductions and running sums along axes."""

import math
from typing import Any

from chainrule.gates.helpers import (
    axes_of,
    axis_number,
    is_transformed,
    kept_shape,
    nonzero,
    output,
    real_product,
    total,
    wider,
)
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Axes, Pullback, Result
from chainrule.gates.wide import cumulative_prod_adjoint, products_of_others


@rule("main", flow="moves")
def sum(xp: Any, x: Array, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Result:
    """Every element gets the gradient of the sum."""
    # NumPy's add.reduce is what its sum calls, without the checks in Python before it.
    add = getattr(xp.add, "reduce", xp.sum)
    return add(x, axis=axis, dtype=dtype, keepdims=keepdims), (_spread(xp, x.shape, axis),)


@rule("main", flow="moves")
def mean(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """Every element gets 1/n of the gradient of the mean."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis)
    return xp.mean(x, axis=axis, keepdims=keepdims), (lambda g: spread(_divided(xp, g, n)),)


@rule("main")
def var(
    xp: Any, x: Array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Result:
    """sum (x - mean)^2 / (n - correction): slope 2 (x - mean) / (n - correction)."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis) - correction
    return xp.var(x, axis=axis, correction=correction, keepdims=keepdims), (
        lambda g: spread(_divided(xp, 2 * g, n)) * _deviations(xp, x, axis),
    )


@rule("main")
def std(
    xp: Any, x: Array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False
) -> Result:
    """sqrt(var): slope (x - mean) / ((n - correction) std); 0 where all elements are equal."""
    spread, n = _spread(xp, x.shape, axis), _count(x.shape, axis) - correction
    root = math.sqrt(n) if n > 0 else 0

    def pullback(g: Array) -> Array:
        # Equal elements differ from their rounded mean, and not from their minimum.
        above = x - xp.min(x, axis=axis, keepdims=True) if math.prod(x.shape) else x
        if _count(x.shape, axis) == 1:
            return spread(_divided(xp, g, root)) * above  # 0 wherever x lies
        return spread(_divided(xp, g, root)) * output(unit, xp, _deviations(xp, above, axis), axis=axis)

    return xp.std(x, axis=axis, correction=correction, keepdims=keepdims), (pullback,)


@rule("internal", adjoint=True)
def unit(xp: Any, x: Array, /, *, axis: Axes = None) -> Result:
    """x over its length along axes; where the length is 0, 0 without a slope: NaN."""
    if is_transformed(x):
        y, length = output(unit, xp, x, axis=axis), xp.linalg.vector_norm(x, axis=axis, keepdims=True)
    elif math.prod(x.shape):
        # The squares of an array overflow and vanish where its length does not: those of x / largest do not.
        largest = xp.max(xp.abs(x), axis=axis, keepdims=True)
        y = x / nonzero(xp, largest)
        scaled = xp.sqrt(total(xp, xp.square(xp.abs(y)), axis, keepdims=True))
        y, length = xp.astype(y / nonzero(xp, scaled), x.dtype, copy=False), largest * scaled
    else:
        y = length = x

    def pullback(g: Array) -> Array:
        across = g - total(xp, real_product(xp, g, y), axis, keepdims=True) * y
        return across / xp.where(length == 0, math.nan, length)

    return y, (pullback,)


@rule("main", flow="selects")
def max(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """The largest gets the gradient; equal elements share it evenly."""
    y = xp.max(x, axis=axis, keepdims=keepdims)
    return y, (_shared(xp, x, y, axis),)


@rule("main", flow="selects")
def min(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """The smallest gets the gradient; equal elements share it evenly."""
    y = xp.min(x, axis=axis, keepdims=keepdims)
    return y, (_shared(xp, x, y, axis),)


@rule("main")
def prod(xp: Any, x: Array, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Result:
    """Each element gets the product of the others, where zeros are no exception."""
    y = xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)
    shape, kept = x.shape, kept_shape(x.shape, axis)

    def pullback(g: Array) -> Array:
        if not is_transformed(x) and xp.all(_is_normal(xp, y)):
            return xp.reshape(g, kept) * (xp.reshape(y, kept) / x)
        reduced = tuple(sorted(axes_of(axis, len(shape))))
        order = tuple(i for i in range(len(shape)) if i not in reduced) + reduced
        moved = xp.permute_dims(x, order)
        row = xp.reshape(
            moved, (*(shape[i] for i in order if i not in reduced), math.prod(shape[i] for i in reduced))
        )
        back = tuple(sorted(range(len(order)), key=order.__getitem__))
        others = xp.permute_dims(xp.reshape(_others(xp, row), moved.shape), back)
        return xp.reshape(g, kept) * others

    return y, (pullback,)


@rule("main", flow="moves")
def cumulative_sum(
    xp: Any, x: Array, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Result:
    """Running sums: x_i gets the sum of the gradients from i on."""
    y = xp.cumulative_sum(x, axis=axis, dtype=dtype, include_initial=include_initial)
    along = axis_number("cumulative_sum", axis or 0, x.ndim)

    def pullback(g: Array) -> Array:
        if include_initial:
            g = g[_slice(g.ndim, along, 1, None)]
        wide = wider(xp, g.dtype)[1]
        return xp.flip(xp.cumulative_sum(xp.flip(g, axis=along), axis=along, dtype=wide), axis=along)

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
        if 0 in x.shape:
            return g
        if not (is_transformed(x) or is_transformed(g) or _windows_are_normal(xp, y)):
            rows = (xp.moveaxis(array, along, -1) for array in (x, g))
            return xp.moveaxis(cumulative_prod_adjoint(xp, *rows), -1, along)
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


def _deviations(xp: Any, x: Array, axis: Axes) -> Array:
    """Return x less its mean along axes."""
    mean = total(xp, x, axis, keepdims=True) / (_count(x.shape, axis) or 1)
    return x - xp.astype(mean, x.dtype, copy=False)


def _shared(xp: Any, x: Array, y: Array, axis: Axes) -> Pullback:
    """Return the pullback of max and min: g divided among the elements that equal the extreme."""
    kept = kept_shape(x.shape, axis)

    def pullback(g: Array) -> Array:
        chosen = x == xp.reshape(y, kept)
        count = total(xp, xp.astype(chosen, x.dtype), axis, keepdims=True)
        # No element equals a NaN; all gradients are NaN then, as the extreme is, unless nothing is asked of it.
        g = xp.reshape(g, kept)
        unknown = xp.logical_and(count == 0, g != 0)
        share = g / xp.where(unknown, math.nan, nonzero(xp, count))
        return xp.where(xp.logical_or(chosen, unknown), share, 0)

    return pullback


def _others(xp: Any, x: Array) -> Array:
    """Return for each element the product of the others along the last axis."""
    if not is_transformed(x):
        return products_of_others(xp, x)
    before = xp.cumulative_prod(x, axis=-1, include_initial=True)[..., :-1]
    after = xp.cumulative_prod(xp.flip(x, axis=-1), axis=-1, include_initial=True)[..., :-1]
    return before * xp.flip(after, axis=-1)


def _is_normal(xp: Any, y: Array) -> Array:
    """Return where a product has all its digits: it neither overflowed nor vanished nor is 0."""
    return xp.logical_and(xp.isfinite(y), xp.abs(y) >= float(xp.finfo(y.dtype).smallest_normal))


def _windows_are_normal(xp: Any, y: Array) -> bool:
    """Say whether no product of neighbours overflows or vanishes, by the products from the start to each."""
    size = xp.abs(y)
    low, high = (float(extreme(size)) for extreme in (xp.min, xp.max))
    ratio = float(xp.finfo(y.dtype).smallest_normal) * 8
    return low >= ratio * high and low >= ratio and ratio * high <= 1


def _divided(xp: Any, g: Array, n: float) -> Array:
    """Return g / n, and NaN for n = 0: the value of the mean is NaN there too."""
    # In float16 1 / n of a large n has few digits, and n itself may be infinite.
    g = xp.astype(g, xp.float32) if n > 16 and wider(xp, g.dtype)[0] == 16 else g
    return g * (1 / n if n else math.nan)


def _count(shape: tuple[int, ...], axis: Axes) -> int:
    return math.prod(shape[i] for i in axes_of(axis, len(shape)))


def _slice(ndim: int, axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if i == axis else slice(None) for i in range(ndim))
