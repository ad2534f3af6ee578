"""The families of matrix products, and of joining and repeating."""

import math
from typing import Any

from chainrule.batching.array import Batched
from chainrule.batching.families import Batch, Family
from chainrule.gates.helpers import axis_number, transposed


def matmul(b: Batch, f: Family, x1: Any, x2: Any, /) -> Any:
    """A matrix that is the same for the whole batch meets all rows of it in one product."""
    if not (x1.ndim and x2.ndim):
        raise ValueError(f"matmul: expected vectors or matrices; got shapes {x1.shape} and {x2.shape}")
    xp, row, column = b.xp, x1.ndim == 1, x2.ndim == 1
    if not b.holds(x2) and x2.ndim == 2 and x1.ndim < 3:
        if row:
            return f(x1.value, x2)
        m, k = x1.shape
        return xp.reshape(f(xp.reshape(x1.value, (b.n * m, k)), x2), (b.n, m, x2.shape[1]))
    if not b.holds(x1) and x1.ndim == 2 and x2.ndim < 3:
        # A B = (B^T A^T)^T, so that here too the batch's rows come first.
        rows = x2.value if column else xp.matrix_transpose(x2.value)
        y = f(xp.reshape(rows, (math.prod(rows.shape[:-1]), rows.shape[-1])), transposed(xp, x1))
        y = xp.reshape(y, (*rows.shape[:-1], x1.shape[0]))
        return y if column else xp.matrix_transpose(y)
    left, right = b.below(x1), b.below(x2)
    left = left[..., None, :] if row else left
    right = right[..., None] if column else right
    left, right = _stacks(b, (x1, left), (x2, right))
    y = f(left, right)
    y = y[..., 0] if column else y
    return (y[..., 0] if column else y[..., 0, :]) if row else y


def _stacks(b: Batch, *pairs: tuple[Any, Any]) -> list[Any]:
    """Return values, each beside the array that it comes from, with equally many axes after the batch's."""
    ndim = max(value.ndim - b.holds(x) for x, value in pairs)
    return [
        b.xp.reshape(value, (b.n, *(1,) * (ndim + 1 - value.ndim), *value.shape[1:])) if b.holds(x) else value
        for x, value in pairs
    ]


def solve(b: Batch, f: Family, x1: Any, x2: Any, /) -> Any:
    """A y = b for each element; a vector is a column, which stacks would be taken for a matrix without."""
    if x1.ndim < 2 or not x2.ndim:
        raise ValueError(f"solve: expected a matrix and a vector or a matrix; got {x1.shape} and {x2.shape}")
    vector = x2.ndim == 1
    if vector and x1.ndim == 2 and not b.holds(x1):
        return transposed(b.xp, f(x1, transposed(b.xp, x2.value)))
    right = b.below(x2)[..., None] if vector else b.below(x2)
    y = f(*_stacks(b, (x1, b.below(x1)), (x2, right)))
    return y[..., 0] if vector else y


def vecdot(b: Batch, f: Family, x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Dot products along an axis of each, which is moved to the end."""
    last = [
        b.space.moveaxis(x, axis_number("vecdot", axis, x.ndim), -1)
        if b.holds(x)
        else b.xp.moveaxis(x, axis_number("vecdot", axis, x.ndim), -1)
        for x in (x1, x2)
    ]
    return f(*b.aligned(last), axis=-1)


def concat(b: Batch, f: Family, arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Arrays joined along an axis, or all their elements in a row."""
    if axis is None:
        return f([b.xp.reshape(b.full(x), (b.n, math.prod(x.shape))) for x in arrays], axis=1)
    return f([b.full(x) for x in arrays], axis=axis_number("concat", axis, arrays[0].ndim) + 1)


def stack(b: Batch, f: Family, arrays: Any, /, *, axis: int = 0) -> Any:
    """Arrays along a new axis, counted in the result."""
    return f([b.full(x) for x in arrays], axis=axis_number("stack", axis, arrays[0].ndim + 1) + 1)


def unstack(b: Batch, f: Family, x: Batched, /, *, axis: int = 0) -> Any:
    """The slices of an array along an axis."""
    return f(x.value, axis=axis_number("unstack", axis, x.ndim) + 1)


def tile(b: Batch, f: Family, x: Batched, repetitions: Any, /) -> Any:
    """Copies side by side: none of the batch's axis."""
    counts = tuple(repetitions)
    counts = (1,) * (x.ndim - len(counts)) + counts
    return f(b.with_axes(x, len(counts)), (1, *counts))
