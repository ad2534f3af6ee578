"""A gate without a family, such as one of a user, for a batch: its rule and its pullbacks run on batched arrays."""

import functools
from collections.abc import Sequence
from typing import Any

from chainrule.batching.array import NoSingleValueError
from chainrule.batching.families import Batch, row_by_row
from chainrule.gates import FLOWS
from chainrule.gates.helpers import is_transformed, output, unbroadcast
from chainrule.gates.types import Array, Gate, Pullback


def run(b: Batch, gate: Gate, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
    """Return what a gate computes for the batch; a rule that asks for single numbers gets one element at a time."""
    if FLOWS.get(gate) == "elementwise":
        return b.wrap(output(gate, b.xp, *b.aligned(arrays), **settings))
    try:
        result = output(_for_batch(b, gate, arrays), b.xp, *map(b.below, arrays), **settings)
    except NoSingleValueError:
        result = row_by_row(b, functools.partial(output, gate, b.xp), *arrays, **settings)
    return b.wrap(result)


def _for_batch(b: Batch, gate: Gate, arrays: Sequence[Any]) -> Gate:
    """Return the gate of whole values, to be recorded where these are traced: so its own pullbacks serve there."""
    batched = [b.holds(x) for x in arrays]

    @functools.wraps(gate)
    def whole(xp: Any, *values: Any, **settings: Any) -> Any:
        own = [b.wrap(v) if its else b.space._wrap(v) for v, its in zip(values, batched, strict=True)]
        out, pullbacks = gate(b.space, *own, **settings)
        shapes = [getattr(x, "shape", None) for x in own]
        backs = [
            None if pullback is None else _pulled(b, pullback, shape, its)
            for pullback, shape, its in zip(pullbacks, shapes, batched, strict=True)
        ]
        return (tuple(_full(b, y) for y in out) if isinstance(out, tuple) else _full(b, out)), tuple(backs)

    return whole


def _full(b: Batch, y: Any) -> Array:
    """Return the value for the whole batch of a result, which may be the same for all elements."""
    return y.value if b.holds(y) else _below_constant(b.space.broadcast_to(y, (b.n, *y.shape)))


def _below_constant(x: Any) -> Array:
    return x.value if not x.level else x


def _sum(b: Batch, x: Array) -> Array:
    return x.space.sum(x, axis=0) if is_transformed(x) else b.space._base.sum(x, axis=0)


def _pulled(b: Batch, pullback: Pullback, shape: Any, batched: bool) -> Pullback:
    def pull(g: Any) -> Array:
        share = pullback(b.wrap(g))
        if shape is not None and share.shape != shape:
            share = unbroadcast(b.space, share, shape)
        if batched:
            return _full(b, share)
        # An array that is the same for all elements gets the sum of their gradients.
        share = b.space.asarray(share)
        return _sum(b, share.value) if b.holds(share) else _below_constant(share) * b.n

    return pull
