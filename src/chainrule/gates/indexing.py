"""Gathering, its adjoint scattering, writing, and sorting.

An element that was gathered twice gets the sum of both gradients. The standard has no function for such a sum; `put`
and `scatter` compute it. Their own pullbacks gather, so gradients of gradients pass through them too.
"""

import math
from typing import Any

from chainrule.gates.helpers import (
    axis_number,
    device_of,
    highest,
    is_complex,
    is_transformed,
    output,
    top_of,
    wider,
)
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Pullback, Result


@rule("internal", flow="selects")
def getitem(xp: Any, x: Array, /, *, key: Any) -> Result:
    """x[key]; an element picked twice gets both gradients."""
    shape, top = x.shape, highest(key if isinstance(key, tuple) else (key,))
    # A plain array would ask a transformed one for its numbers.
    y = x[key] if top is None or is_transformed(x) else top.space._getitem(x, key=key)
    if hasattr(y, "compute_chunk_sizes") and math.isnan(sum(y.shape)):
        raise TypeError(
            "x[mask]: Dask does not know how many elements a mask picks. Write xp.where(mask, x, 0)"
        )
    return y, (lambda g: output(scatter, xp, g, keys=(key,), shape=shape),)


@rule("internal", flow="selects")
def assigned(xp: Any, x: Array, v: Array, /, *, key: Any) -> Result:
    """x with v at key, in the dtype of x; of several v for one element the last counts."""
    shape, top, distinct = v.shape, top_of((x, v, *parts_of(key))), _picks_once(xp, key)
    if top is not None:
        y = top.record(assigned, (x, v), {"key": key})
    else:
        home = _home(xp, x, v)
        y = _put_in(home, home.asarray(x, copy=True), v, key) if distinct else _last_put_in(home, x, v, key)

    def of_x(g: Array) -> Array:
        zero = (g.space if is_transformed(g) else xp).zeros((), dtype=g.dtype, device=device_of(g))
        return output(assigned, xp, g, zero, key=key)

    def of_v(g: Array) -> Array:
        picked = g[key] if distinct else xp.where(_are_last(xp, _places(xp, g, key)), g[key], 0)
        # NumPy takes a v with more axes than x[key], all of length 1.
        return picked if len(shape) <= picked.ndim else xp.reshape(picked, shape)

    return y, (of_x, of_v)


def _home(xp: Any, *arrays: Array) -> Any:
    """Return the namespace of a recording that notes one of the arrays, beside which others are constants; else xp."""
    return next((x.space for x in arrays if hasattr(x, "space") and not is_transformed(x)), xp)


def _put_in(xp: Any, y: Array, v: Array, key: Any) -> Array:
    """Return y, an array of our own, with v at a key that picks no element twice."""
    v = v if v.dtype == y.dtype else xp.astype(v, y.dtype)
    if (at := getattr(y, "at", None)) is not None:
        return at[key].set(v)  # JAX, whose arrays take no items
    v = xp.reshape(v, v.shape[v.ndim - y[key].ndim :]) if v.ndim > y[key].ndim else v
    if any(part is None for part in parts_of(key)):
        # The standard has new axes in what is read alone.
        v = xp.broadcast_to(v, y[key].shape)
        key = _without_new_axes(key)
        v = xp.reshape(v, y[key].shape)
    y[key] = v
    return y


def _last_put_in(xp: Any, x: Array, v: Array, key: Any) -> Array:
    """Return x with v at a key that may pick an element twice: what is written last stays."""
    places = _places(xp, x, key)
    v = xp.reshape(v, v.shape[v.ndim - places.ndim :]) if v.ndim > places.ndim else v
    v = xp.reshape(xp.broadcast_to(v, places.shape), (-1,))
    flat, size, last = xp.reshape(x, (-1,)), math.prod(x.shape), xp.reshape(_are_last(xp, places), (-1,))
    places = xp.reshape(places, (-1,))
    if hasattr(x, "at") or hasattr(x, "index_add") or hasattr(xp.add, "at"):
        # All others are written to one place more, which is then left out.
        room = xp.concat([flat, xp.zeros((1,), dtype=x.dtype, device=device_of(x))])
        y = xp.reshape(_put_in(xp, room, v, xp.where(last, places, size))[:-1], x.shape)
    else:
        # Where arrays take no items at indices, the sum at a place is that of one v and zeros.
        there = put(xp, xp.astype(last, xp.float32), positions=places, size=size)[0]
        v = put(xp, xp.where(last, v, 0), positions=places, size=size)[0]
        y = xp.reshape(xp.where(there > 0, xp.astype(v, x.dtype), flat), x.shape)
    if getattr(getattr(x, "flags", None), "c_contiguous", True):
        return y
    return _put_in(xp, xp.asarray(x, copy=True), y, ...)  # whose axes lie as those of x


def _places(xp: Any, x: Array, key: Any) -> Array:
    """Return which elements x[key] picks, by their places in a row of all."""
    return xp.reshape(xp.arange(math.prod(x.shape), device=device_of(x)), x.shape)[key]


def _are_last(xp: Any, places: Array) -> Array:
    """Say of each place whether no later one, in a row of all, is the same."""
    flat = xp.reshape(places, (-1,))
    order = xp.argsort(flat, stable=True)
    ranked = xp.take(flat, order)
    ends = xp.concat([ranked[1:] != ranked[:-1], xp.ones_like(ranked[:1] == ranked[:1])])
    return xp.reshape(xp.take(ends, xp.argsort(order)), places.shape)


def _picks_once(xp: Any, key: Any) -> bool:
    """Say whether a key picks no element twice, as far as its kind tells."""
    return _is_basic(key) or (hasattr(key, "dtype") and key.dtype == xp.bool)


@rule("internal", flow="moves")
def scatter(xp: Any, /, *gs: Array, keys: tuple[Any, ...], shape: tuple[int, ...]) -> Result:
    """Zeros of a shape with each g added at its key: the adjoint of x[key], for several keys."""
    top = top_of((*gs, *(part for key in keys for part in (key if isinstance(key, tuple) else (key,)))))
    if top is not None:
        y = top.record(scatter, gs, {"keys": keys, "shape": shape})
    else:
        xp = _home(xp, *gs)
        y = xp.zeros(shape, dtype=_counting(xp, gs[0].dtype), device=device_of(gs[0]))
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
    if (at := getattr(y, "at", None)) is not None:
        return at[key].add(g)  # JAX, whose arrays take no items
    if _is_basic(key):
        if None in parts_of(key):
            # The standard has new axes in what is read alone.
            key = _without_new_axes(key)
            g = xp.reshape(g, y[key].shape)
        if new:
            y[key] = g
        else:
            y[key] += g
    elif hasattr(xp.add, "at"):
        y = _with_added(xp, y, key, g)
    else:
        positions = xp.reshape(xp.arange(math.prod(y.shape), device=device_of(y)), y.shape)[key]
        y = y + xp.reshape(put(xp, g, positions=positions, size=math.prod(y.shape))[0], y.shape)
    return y


def parts_of(key: Any) -> tuple[Any, ...]:
    """Return a key as a tuple, one part for each axis or more."""
    return key if isinstance(key, tuple) else (key,)


def _without_new_axes(key: Any) -> tuple[Any, ...]:
    parts = tuple(part for part in parts_of(key) if part is not None)
    return parts if ... in parts else (*parts, ...)


def _with_added(xp: Any, y: Array, key: Any, g: Array) -> Array:
    """Return y, an array of our own, with g added at a key by the library's scattered sum."""
    if not is_complex(xp, y):
        xp.add.at(y, key, g)
        return y
    # Part by part, because CuPy has that sum of real numbers alone.
    for part, unit in ((xp.real(g), 1), (xp.imag(g), 1j)):
        sums = xp.zeros(y.shape, dtype=part.dtype, device=device_of(g))
        xp.add.at(sums, key, part)
        y = y + xp.astype(sums, y.dtype) * unit
    return y


@rule("internal", flow="moves")
def put(xp: Any, g: Array, /, *, positions: Array, size: int) -> Result:
    """A vector of zeros with g added at positions, all in [0, size): the adjoint of taking from a vector."""
    shape, xp = g.shape, _home(xp, g)
    top = top_of((g, positions))
    if top is not None:
        y = top.record(put, (g,), {"positions": positions, "size": size})
    elif hasattr(g, "at"):
        y = (
            xp.zeros((size,), dtype=_counting(xp, g.dtype))
            .at[xp.reshape(positions, (-1,))]
            .add(xp.reshape(g, (-1,)))
        )
    elif hasattr(g, "index_add"):
        y = xp.zeros((size,), dtype=_counting(xp, g.dtype), device=device_of(g))
        y = y.index_add(0, xp.reshape(positions, (-1,)), xp.astype(xp.reshape(g, (-1,)), y.dtype))
    elif hasattr(xp.add, "at"):
        y = xp.zeros((size,), dtype=_counting(xp, g.dtype), device=device_of(g))
        y = _with_added(xp, y, xp.reshape(positions, (-1,)), xp.reshape(g, (-1,)))
    else:
        # Without a scattered sum: one row per element, one column per place.
        there = xp.reshape(positions, (-1, 1)) == xp.arange(size, device=device_of(g))
        y = xp.sum(xp.where(there, xp.reshape(g, (-1, 1)), 0), axis=0, dtype=_counting(xp, g.dtype))

    def pullback(h: Array) -> Array:
        # NumPy's own take would ask batched positions for their numbers.
        return xp.reshape(output(take, xp, h, xp.reshape(positions, (-1,)), axis=0), shape)

    return y, (pullback,)


@rule("main", flow="selects")
def take(xp: Any, x: Array, indices: Array, /, *, axis: int | None = None) -> Result:
    """The elements of x along an axis at indices; an element taken twice gets both gradients."""
    shape, along = x.shape, axis_number("take", axis or 0, x.ndim)
    n, inner, outer = shape[along], math.prod(shape[along + 1 :]), math.prod(shape[:along])

    def pullback(g: Array) -> Array:
        whole = xp.reshape(_from_0(xp, indices, n), (1, -1, 1))
        before = xp.reshape(xp.arange(outer, device=device_of(g)), (-1, 1, 1))
        after = xp.reshape(xp.arange(inner, device=device_of(g)), (1, 1, -1))
        positions = xp.reshape((before * n + whole) * inner + after, (-1,))
        flat = xp.reshape(g, (-1,))
        return xp.reshape(output(put, xp, flat, positions=positions, size=math.prod(shape)), shape)

    return xp.take(x, indices, axis=along if x.ndim == 1 else axis), (pullback, None)


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
            ruler = xp.arange(shape[i], device=device_of(g)) * math.prod(shape[i + 1 :])
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
