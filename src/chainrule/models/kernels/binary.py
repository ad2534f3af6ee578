"""The logistic step of two classes as compiled code that takes each row of X from memory once. Needs Numba.

The code takes four rows at a time: one sweep over their columns computes their z, a second sweep adds dz x to dw. In
the second sweep the rows are still in the core's own cache. Both sweeps prefetch the next rows, because a processor
that sees four short streams prefetches too late by itself.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from chainrule.models.kernels.jit import ROWS, call, compiled, in_one_row, read_only, takes
from chainrule.models.kernels.simd import Vectors, opened, places

__all__ = ["ROWS", "sums", "takes"]

# How many bytes a core computes with while memory answers one request, where rows are short.
_LEAD = 16384


def sums(X: Any, y: Any, w: Any, b: Any) -> tuple[Any, Any, Any]:
    """Return the sums of losses, of dw (n,) and of db over X (m, n), NumPy arrays for which `takes(X)`.

    m is a multiple of ROWS. Python's lock is released, so that threads may share the rows out.
    """
    dw = np.zeros(w.shape)
    cost, db = call(_kernel, *in_one_row(X), read_only(y), read_only(w), float(b), dw)
    return X.dtype.type(cost), dw.astype(X.dtype), X.dtype.type(db)


def _forward_code(_: Any, X: Any, start: Any, step: Any, ahead: Any, w: Any, z: Any) -> Any:
    """Add the products of w and the rows of X from `start` on to z (ROWS,), and prefetch two rows from `ahead` on.

    One request goes out with each line that is read: more at a time would have to queue.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = Vectors(context, builder, X.dtype)
        x, start, step, ahead, weights, sums = opened(context, builder, signature, arguments)
        totals = [vectors.zeros() for _ in range(ROWS)]

        def add(column: Any, mask: Any) -> None:
            weight = vectors.load(weights.data, column, mask)
            for total, at in zip(totals, places(builder, start, step, column, ROWS), strict=True):
                product = vectors.add_product(builder.load(total), vectors.load(x.data, at, mask), weight)
                builder.store(product, total)
            for at in places(builder, ahead, step, column, 2):
                vectors.fetch(x.data, at)

        vectors.over(weights, add)
        for r, total in enumerate(totals):
            place = builder.gep(sums.data, [start.type(r)])
            wide = context.cast(builder, vectors.sum(builder.load(total)), X.dtype, types.float64)
            builder.store(builder.fadd(builder.load(place), wide), place)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, types.intp, w, z), generate


def _backward_code(_: Any, X: Any, start: Any, step: Any, ahead: Any, dz: Any, dw: Any) -> Any:
    """Add dz (ROWS,) times the rows of X from `start` on to dw, and prefetch two rows from `ahead` on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = Vectors(context, builder, X.dtype)
        x, start, step, ahead, slopes, gradient = opened(context, builder, signature, arguments)
        factors = [vectors.all(builder.load(builder.gep(slopes.data, [start.type(r)]))) for r in range(ROWS)]

        def add(column: Any, mask: Any) -> None:
            total = vectors.load(gradient.data, column, mask)
            for factor, at in zip(factors, places(builder, start, step, column, ROWS), strict=True):
                total = vectors.add_product(total, vectors.load(x.data, at, mask), factor)
            vectors.store(total, gradient.data, column, mask)
            for at in places(builder, ahead, step, column, 2):
                vectors.fetch(x.data, at)

        vectors.over(gradient, add)
        return context.get_dummy_value()

    return types.void(X, types.intp, types.intp, types.intp, dz, dw), generate


_forward, _backward = intrinsic(_forward_code), intrinsic(_backward_code)


def _sums(X: Any, step: int, y: Any, w: Any, b: float, dw: Any) -> Any:
    m, n = len(y), len(w)
    # Beyond the next four rows: a row that this sweep prefetches may arrive only after the next sweep has begun.
    lead = (ROWS + max(2, _LEAD // (n * X.itemsize))) * step
    z, dz, recent = np.empty(ROWS), np.empty(ROWS, X.dtype), np.zeros(n, X.dtype)
    cost = db = 0.0
    for i in range(0, m, ROWS):
        start = i * step
        z[:] = b
        _forward(X, start, step, start + lead, w, z)
        others = 0.0
        for r in range(ROWS):
            e = math.exp(-abs(z[r]))
            slope = (1.0 if z[r] >= 0 else e) / (1 + e) - y[i + r]
            cost += (1.0 - y[i + r] if z[r] >= 0 else -y[i + r]) * z[r]
            # The product of all 1 + e, less 1: one logarithm for all rows, with no digit of a small e lost.
            others += e + others * e
            db += slope
            dz[r] = slope
        cost += math.log1p(others)
        _backward(X, start, step, start + lead + 2 * step, dz, recent)
        # A sum of many rows would lose digits in float32.
        if i % 256 == 256 - ROWS or i + ROWS >= m:
            for j in range(n):
                dw[j] += recent[j]
                recent[j] = 0
    return cost, db


_kernel = compiled(_sums, kept=True)
