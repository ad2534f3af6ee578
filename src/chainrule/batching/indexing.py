"""The families of x[key], take and their adjoints."""

import math
from typing import Any

from chainrule.batching.array import of_batch
from chainrule.batching.families import Batch, Family
from chainrule.gates.helpers import axis_number, output
from chainrule.gates.indexing import put as put_gate
from chainrule.gates.types import Array
from chainrule.numpy_names.assignment import layout_of


def getitem(b: Batch, f: Family, x: Any, /, *, key: Any) -> Any:
    """x[key]: positions in a row of all elements, wherever the key is more than integers and slices."""
    parts = _parts(key)
    if not any(hasattr(part, "dtype") or isinstance(part, list) for part in parts):
        return x.value[(slice(None), *parts)]
    if not b.holds(x):
        return _by_batched_key(b, x, parts)
    # Where the elements of the result lie is found once, by the same key: by the library's own rules for it.
    at = _positions(b, x.shape, x.device, key)
    if not any(map(b.holds, parts)):
        picked = b.xp.take(b.flat(x), b.xp.reshape(at, (-1,)), axis=1)
        return b.xp.reshape(picked, (b.n, *at.shape))
    picked = b.xp.take_along_axis(b.flat(x), b.xp.reshape(at, (b.n, math.prod(at.shape[1:]))), axis=1)
    return b.xp.reshape(picked, at.shape)


def _positions(b: Batch, shape: tuple[int, ...], device: Any, key: Any) -> Array:
    """Return which elements of an array of a shape, in a row, x[key] picks; by a batched key for the batch."""
    ruler = b.xp.reshape(b.xp.arange(math.prod(shape), device=device), shape)
    parts = _parts(key)
    return _by_batched_key(b, ruler, parts) if any(map(b.holds, parts)) else _picked(b, ruler, key)


def _picked(b: Batch, x: Array, key: Any) -> Array:
    # A plain array would ask a transformed one among the indices for its numbers.
    return b.xp._getitem(x, key=key) if of_batch((key,)) is not None else x[key]


def _by_batched_key(b: Batch, x: Any, parts: tuple[Any, ...]) -> Array:
    """Return x[key] for an x that is the same for the whole batch, and a key of which some arrays are batched."""
    parts = tuple(index for part in parts for index in _indices(b, part, x.device))
    ndim = max(part.ndim for part in parts if hasattr(part, "dtype"))
    key = tuple(b.with_axes(part, ndim) for part in parts)
    y = _picked(b, x, key if len(key) > 1 else key[0])
    # The axes of the indices stand where the first array is, or in front where a slice lies between two of them.
    advanced = [i for i, part in enumerate(parts) if hasattr(part, "dtype") or isinstance(part, int)]
    if advanced[-1] - advanced[0] + 1 != len(advanced):
        return y
    place = _axes_before(x.ndim, parts, advanced[0])
    return b.xp.moveaxis(y, place, 0) if place else y


def _indices(b: Batch, part: Any, device: Any) -> tuple[Any, ...]:
    """Return a part of a key, with arrays of integers in the place of a mask."""
    if isinstance(part, list):
        part = b.xp.asarray(part, device=device)
    if isinstance(part, bool) or not hasattr(part, "dtype") or not b.xp.isdtype(part.dtype, "bool"):
        return (part,)
    if b.holds(part):
        raise TypeError(
            "x[mask]: how many elements a mask picks may differ from one element of the batch to the next. "
            "Write xp.where(mask, x, 0), which keeps the shape"
        )
    return tuple(b.xp.nonzero(part))


def _axes_before(ndim: int, parts: tuple[Any, ...], first: int) -> int:
    """Return how many axes of x[key] stand before those of the part number `first`."""
    count = 0
    for part in parts[:first]:
        if part is Ellipsis:
            taken = sum(p is not None and p is not Ellipsis for p in parts)
            count += ndim - taken
        else:
            count += 1
    return count


def take(b: Batch, f: Family, x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The elements along an axis at indices, each of which may be batched."""
    if axis is None and x.ndim > 1:
        raise ValueError(f"take: expected an axis for an array of shape {x.shape}")
    x = x if x.ndim else x[None]
    xp, along = b.xp, axis_number("take", axis or 0, x.ndim)
    if not b.holds(indices):
        return f(x.value, indices, axis=along + 1)
    if not b.holds(x):
        y = f(x, xp.reshape(indices.value, (-1,)), axis=along)
        shape = (*x.shape[:along], b.n, *indices.shape, *x.shape[along + 1 :])
        return xp.moveaxis(xp.reshape(y, shape), along, 0)
    shape, k = x.shape, indices.size
    at = xp.reshape(indices.value, (b.n, *(1,) * along, k, *(1,) * (x.ndim - along - 1)))
    at = xp.broadcast_to(at, (b.n, *shape[:along], k, *shape[along + 1 :]))
    y = xp.take_along_axis(x.value, at, axis=along + 1)
    return xp.reshape(y, (b.n, *shape[:along], *indices.shape, *shape[along + 1 :]))


def take_along_axis(b: Batch, f: Family, x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """One index per element along an axis."""
    if x.ndim != indices.ndim:
        raise ValueError(
            f"take_along_axis: expected as many axes as indices; got {x.shape} and {indices.shape}"
        )
    return f(b.full(x), b.full(indices), axis=axis_number("take_along_axis", axis, x.ndim) + 1)


def scatter(b: Batch, f: Family, /, *gs: Any, keys: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    """Zeros with each g added at its key."""
    if not any(hasattr(part, "dtype") or isinstance(part, list) for key in keys for part in _parts(key)):
        keys = tuple((slice(None), *_parts(key)) for key in keys)
        return f(*map(b.full, gs), keys=keys, shape=(b.n, *shape))
    size, total = math.prod(shape), None
    for g, key in zip(gs, keys, strict=True):
        at = _positions(b, shape, of_batch((*gs, *_parts(key))).device, key)
        if not any(map(b.holds, _parts(key))):
            at = b.xp.broadcast_to(at, (b.n, *at.shape))
        share = _put(b, b.xp.broadcast_to(b.full(g), at.shape), at, size)
        total = share if total is None else total + share
    return b.xp.reshape(total, (b.n, *shape))


def assigned(b: Batch, f: Family, x: Any, v: Any, /, *, key: Any) -> Any:
    """x with v at key: at positions in one long vector, wherever the key is more than integers and slices."""
    parts, full = _parts(key), x.value if b.holds(x) else _repeated(b, x)
    if not any(hasattr(part, "dtype") or isinstance(part, list) for part in parts):
        key = (slice(None), *parts)
        return f(full, b.with_axes(v, full[key].ndim - 1), key=key)
    shape, size, n = tuple(x.shape), math.prod(x.shape), b.n
    at = _positions(b, shape, full.device, key)
    if not any(map(b.holds, parts)):
        at = b.xp.broadcast_to(at, (n, *at.shape))
    v = b.xp.broadcast_to(b.with_axes(v, at.ndim - 1), at.shape)
    at = at + b.xp.reshape(b.xp.arange(n, device=full.device) * size, (n, *(1,) * (at.ndim - 1)))
    long = f(b.xp.reshape(full, (-1,)), b.xp.reshape(v, (-1,)), key=b.xp.reshape(at, (-1,)))
    return b.xp.reshape(long, (n, *shape))


def _repeated(b: Batch, x: Any) -> Array:
    """Return x once for each element of the batch, each lying in memory as x does.

    A copy of a broadcast array has the batch last in memory, and views of its elements would be copies.
    """
    flags = layout_of(x)
    if getattr(flags, "c_contiguous", True) or not flags.f_contiguous:
        return b.xp.repeat(b.xp.expand_dims(x, axis=0), b.n, axis=0)
    turned = b.xp.permute_dims(x, tuple(reversed(range(x.ndim))))
    return b.xp.permute_dims(_repeated(b, turned), (0, *reversed(range(1, x.ndim + 1))))


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def put(b: Batch, f: Family, g: Any, /, *, positions: Any, size: int) -> Any:
    """A vector of zeros with g added at positions."""
    return _put(b, b.full(g), b.full(positions), size)


def _put(b: Batch, g: Array, positions: Array, size: int) -> Array:
    """Return one vector for each element of the batch, of zeros with g added at its positions."""
    xp, k = b.xp, math.prod(positions.shape[1:])
    g, positions = xp.reshape(g, (b.n, k)), xp.reshape(positions, (b.n, k))
    if not hasattr(b.space._base.add, "at"):
        # Without a scattered sum: a row for each element of g, a column for each place.
        there = positions[..., None] == xp.arange(size, device=g.device)
        return xp.sum(xp.where(there, g[..., None], 0), axis=1)
    # One long vector, in which each element of the batch has its own stretch.
    positions = positions + xp.reshape(xp.arange(b.n, device=g.device) * size, (b.n, 1))
    flat, long = xp.reshape(g, (b.n * k,)), b.n * size
    return xp.reshape(
        output(put_gate, xp, flat, positions=xp.reshape(positions, (b.n * k,)), size=long), (b.n, size)
    )
