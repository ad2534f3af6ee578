"""Gathering, its adjoint scattering, and sorting.

An element that was gathered twice gets the sum of both gradients. The standard has no function for such a sum; `put`
and `scatter` compute it. Their own pullbacks gather, so gradients of gradients pass through them too.
"""

import math
from typing import Any

from chainrule.gates.helpers import axis_number, highest, is_transformed, output, top_of, wider
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Pullback, Result


@rule("internal", flow="selects")
def getitem(xp: Any, x: Array, /, *, key: Any) -> Result:
    """x[key]; an element picked twice gets both gradients."""
    shape, top = x.shape, highest(key if isinstance(key, tuple) else (key,))
    # A plain array would ask a transformed one for its numbers.
    y = x[key] if top is None or is_transformed(x) else top.space._getitem(x, key=key)
    return y, (lambda g: output(scatter, xp, g, keys=(key,), shape=shape),)


@rule("internal", flow="moves")
def scatter(xp: Any, /, *gs: Array, keys: tuple[Any, ...], shape: tuple[int, ...]) -> Result:
    """Zeros of a shape with each g added at its key: the adjoint of x[key], for several keys."""
    top = top_of((*gs, *(part for key in keys for part in (key if isinstance(key, tuple) else (key,)))))
    if top is not None:
        y = top.record(scatter, gs, {"keys": keys, "shape": shape})
    else:
        y = xp.zeros(shape, dtype=_counting(xp, gs[0].dtype), device=gs[0].device)
        for g, key in zip(gs, keys, strict=True):
            y = _added_at(xp, y, key, g, new=len(keys) == 1)
    return y, tuple(map(_taking, keys))


def _counting(xp: Any, dtype: Any) -> Any:
    """Return the dtype to add gradients in one by one: float16 counts to 2048; the tape casts what is added back."""
    bits, wide = wider(xp, dtype)
    return wide if bits == 16 else dtype


def _taking(key: Any) -> Pullback:
    return lambda h: h[key]


def _added_at(xp: Any, y: Array, key: Any, g: Array, new: bool) -> Array:
    """Return y, an array of our own, with g added at key; `new` says that y is 0 there."""
    if _is_basic(key):
        if key is None or (isinstance(key, tuple) and None in key):
            # The standard has new axes in what is read alone.
            key = tuple(part for part in key or () if part is not None)
            key = key if ... in key else (*key, ...)
            g = xp.reshape(g, y[key].shape)
        if new:
            y[key] = g
        else:
            y[key] += g
    elif (add_at := getattr(xp.add, "at", None)) is not None:
        add_at(y, key, g)
    else:
        positions = xp.reshape(xp.arange(y.size, device=y.device), y.shape)[key]
        y = y + xp.reshape(put(xp, g, positions=positions, size=y.size)[0], y.shape)
    return y


@rule("internal", flow="moves")
def put(xp: Any, g: Array, /, *, positions: Array, size: int) -> Result:
    """A vector of zeros with g added at positions, all in [0, size): the adjoint of taking from a vector."""
    shape = g.shape
    top = top_of((g, positions))
    if top is not None:
        y = top.record(put, (g,), {"positions": positions, "size": size})
    elif (add_at := getattr(xp.add, "at", None)) is not None:
        y = xp.zeros((size,), dtype=_counting(xp, g.dtype), device=g.device)
        add_at(y, xp.reshape(positions, (-1,)), xp.reshape(g, (-1,)))
    else:
        # Without a scattered sum: one row per element, one column per place.
        there = xp.reshape(positions, (-1, 1)) == xp.arange(size, device=g.device)
        y = xp.sum(xp.where(there, xp.reshape(g, (-1, 1)), 0), axis=0, dtype=_counting(xp, g.dtype))
    return y, (lambda h: xp.reshape(xp.take(h, xp.reshape(positions, (-1,)), axis=0), shape),)


@rule("main", flow="selects")
def take(xp: Any, x: Array, indices: Array, /, *, axis: int | None = None) -> Result:
    """The elements of x along an axis at indices; an element taken twice gets both gradients."""
    shape, along = x.shape, axis_number("take", axis or 0, x.ndim)
    n, inner, outer = shape[along], math.prod(shape[along + 1 :]), math.prod(shape[:along])

    def pullback(g: Array) -> Array:
        whole = xp.reshape(_from_0(xp, indices, n), (1, -1, 1))
        before = xp.reshape(xp.arange(outer, device=g.device), (-1, 1, 1))
        after = xp.reshape(xp.arange(inner, device=g.device), (1, 1, -1))
        positions = xp.reshape((before * n + whole) * inner + after, (-1,))
        flat = xp.reshape(g, (-1,))
        return xp.reshape(output(put, xp, flat, positions=positions, size=math.prod(shape)), shape)

    return xp.take(x, indices, axis=axis), (pullback, None)


@rule("main", flow="selects")
def take_along_axis(xp: Any, x: Array, indices: Array, /, *, axis: int = -1) -> Result:
    """One index per element along an axis; an element taken twice gets both gradients."""
    shape, along = x.shape, axis_number("take_along_axis", axis, x.ndim)

    def pullback(g: Array) -> Array:
        # Where x was broadcast against the indices, the tape sums the gradients of its copies.
        full = tuple(shape[i] if i == along else n for i, n in enumerate(g.shape))
        return _put_along(xp, g, _from_0(xp, indices, full[along]), along, full)

    return xp.take_along_axis(x, indices, axis=axis), (pullback, None)


def _put_along(xp: Any, g: Array, indices: Array, along: int, shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with g added at one index per element along an axis."""
    positions = xp.broadcast_to(indices, g.shape) * math.prod(shape[along + 1 :])
    for i in range(len(shape)):
        if i != along:
            ruler = xp.arange(shape[i], device=g.device) * math.prod(shape[i + 1 :])
            positions = positions + xp.reshape(ruler, tuple(-1 if j == i else 1 for j in range(len(shape))))
    return xp.reshape(output(put, xp, g, positions=positions, size=math.prod(shape)), shape)


@rule("main", flow="moves")
def sort(xp: Any, x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Result:
    """Sorted along an axis; equal elements, whose order is arbitrary, share their gradients evenly."""
    order = xp.argsort(x, axis=axis, stable=stable)
    if descending:
        # Equal elements are then in another than the stable order; it does not matter, for they share their gradients.
        order = xp.flip(order, axis=axis)
    y, along = xp.take_along_axis(x, order, axis=axis), axis_number("sort", axis, x.ndim)

    def pullback(g: Array) -> Array:
        return _put_along(xp, _shared_among_equals(xp, g, y, axis), order, along, g.shape)

    return y, (pullback,)


def _shared_among_equals(xp: Any, g: Array, y: Array, axis: int) -> Array:
    """Replace each element of g by its mean over the elements whose values in the sorted y are equal."""
    # PyTorch's arrays have a method of the name `size`.
    if not (size := math.prod(g.shape)):
        return g
    rows, values = xp.moveaxis(g, axis, -1), xp.moveaxis(y, axis, -1)
    new = xp.concat(
        [xp.ones_like(values[..., :1] == values[..., :1]), values[..., 1:] != values[..., :-1]], axis=-1
    )
    run = xp.reshape(xp.cumulative_sum(xp.reshape(xp.astype(new, xp.int64), (-1,))) - 1, (-1,))
    flat = xp.reshape(rows, (-1,))
    totals = output(put, xp, flat, positions=run, size=size)
    members = output(put, xp, xp.ones_like(flat), positions=run, size=size)
    means = xp.take(totals, run, axis=0) / xp.take(members, run, axis=0)
    return xp.moveaxis(xp.reshape(means, rows.shape), -1, axis)


def _from_0(xp: Any, indices: Array, n: int) -> Array:
    """Return indices counted from 0, in int64: positions made of them may be larger than their own dtype holds."""
    indices = xp.astype(indices, xp.int64, copy=False)
    return xp.where(indices < 0, indices + n, indices)


def _is_basic(key: Any) -> bool:
    """Say whether a key is made of integers, slices, ... and None, which pick no element twice."""
    return all(map(_is_place, key)) if isinstance(key, tuple) else _is_place(key)


def _is_place(part: Any) -> bool:
    return part is None or part is Ellipsis or (isinstance(part, _PLACES) and not isinstance(part, bool))


_PLACES = (int, slice)  # a tuple, since int | slice would be built at each call
