"""Products of plain arrays that leave the range of their dtype on the way: numbers as m 2^k, with k of any size."""

import math
from typing import Any

from chainrule.gates.types import Array

Wide = tuple[Array, Array]


def products_of_others(xp: Any, x: Array) -> Array:
    """Return for each element the product of the others along the last axis."""
    before = _earlier(xp, _running_products(xp, split(xp, x)), 1, 1.0)
    backward = split(xp, xp.flip(x, axis=-1))
    after = _earlier(xp, _running_products(xp, backward), 1, 1.0)
    return join(xp, *_times(xp, before, (xp.flip(after[0], axis=-1), xp.flip(after[1], axis=-1))))


def cumulative_prod_adjoint(xp: Any, x: Array, g: Array) -> Array:
    """Return dx_i = p_(i-1) S_i, where S_i = g_i + x_(i+1) S_(i+1), along the last axis, by doubling."""
    n = x.shape[-1]
    before = _earlier(xp, _running_products(xp, split(xp, x)), 1, 1.0)
    # From the end to the start: what follows an element then comes before it.
    total = split(xp, xp.flip(g, axis=-1))
    factor = _earlier(xp, split(xp, xp.flip(x, axis=-1)), 1, 0.0)
    step = 1
    while step < n:
        total = _plus(xp, total, _times(xp, factor, _earlier(xp, total, step, 0.0)))
        factor = _times(xp, factor, _earlier(xp, factor, step, 0.0))
        step *= 2
    return join(xp, *_times(xp, before, (xp.flip(total[0], axis=-1), xp.flip(total[1], axis=-1))))


def split(xp: Any, x: Array) -> Wide:
    """Return m and a whole k with x = m 2^k, where |m| is from 1 to 2; k is 0 for 0, infinities and NaN."""
    size = xp.abs(x)
    k = xp.floor(xp.log2(xp.where(xp.logical_and(xp.isfinite(x), size > 0), size, 1)))
    # In two steps: 2^-k overflows for the smallest numbers.
    half = xp.floor(k / 2)
    return x * xp.pow(2.0, -half) * xp.pow(2.0, half - k), k


def join(xp: Any, m: Array, k: Array) -> Array:
    """Return m 2^k, which may be 0 or infinite in the dtype of m."""
    # In four steps, each of a power of 2 that the dtype has.
    limit = 2.4 * math.log2(float(xp.finfo(m.dtype).max))
    k = xp.round(xp.clip(k, -limit, limit))
    quarter = xp.round(k / 4)
    power = xp.pow(2.0, quarter)
    return m * power * power * power * xp.pow(2.0, k - 3 * quarter)


def _times(xp: Any, a: Wide, b: Wide) -> Wide:
    m, k = split(xp, a[0] * b[0])
    return m, k + a[1] + b[1]


def _plus(xp: Any, a: Wide, b: Wide) -> Wide:
    first = xp.where(a[0] == 0, b[1], a[1])
    second = xp.where(b[0] == 0, a[1], b[1])
    top = xp.maximum(first, second)
    m, k = split(xp, a[0] * xp.pow(2.0, first - top) + b[0] * xp.pow(2.0, second - top))
    return m, k + top


def _earlier(xp: Any, x: Wide, step: int, start: float) -> Wide:
    """Return x moved `step` places on along the last axis, with `start` in the places that become free."""
    m, k = x
    step = min(step, m.shape[-1])
    rest = m.shape[-1] - step
    return (
        xp.concat([xp.zeros_like(m[..., :step]) + start, m[..., :rest]], axis=-1),
        xp.concat([xp.zeros_like(k[..., :step]), k[..., :rest]], axis=-1),
    )


def _running_products(xp: Any, x: Wide) -> Wide:
    """Return the products of the elements so far along the last axis, by doubling."""
    step = 1
    while step < x[0].shape[-1]:
        x = _times(xp, x, _earlier(xp, x, step, 1.0))
        step *= 2
    return x
