"""The logistic step of several classes as compiled code that takes each row of X from memory once. Needs Numba.

The code takes a tile of rows at a time: X W, the softmax of each row, then dZ^T X, while the tile is in the cache and
the next one is prefetched. Both products go in blocks of four rows by five classes, whose twenty sums, or slopes, stay
in registers: a vector of X serves five times, and a vector of W four times.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

from chainrule.models.kernels.jit import ROWS, call, compiled, in_one_row, read_only, takes
from chainrule.models.kernels.simd import LINE, Vectors, opened, places

__all__ = ["MOST", "ROWS", "sums", "takes"]

# Classes up to which the code is quicker than a BLAS, with the 32 long registers of AVX-512 and with fewer or shorter.
MOST = 256 if "+avx512f" in get_host_cpu_features() else 10
_TILE = 32
_CLASSES = 5
# Columns of a panel: the parts of X and W that a block needs then stay in the first cache. In float32 a row of a panel
# is an odd number of cache lines, so that the rows of the classes do not compete for one place in the cache.
_PANEL = 784
# Sums of more rows would lose digits in float32.
_RECENT = 256


def sums(X: Any, y: Any, w: Any, b: Any) -> tuple[Any, Any, Any] | None:
    """Return the sums of losses, of dw^T (k, n) and of db (k,) over X (m, n), NumPy arrays for which `takes(X)`.

    m is a multiple of ROWS. Returns None where a label is no class number. Python's lock is released, so that threads
    may share the rows out.
    """
    n, k = w.shape
    starts, classes = range(0, n, _PANEL), -(-k // _CLASSES) * _CLASSES
    panels = _zeros((len(starts), classes, _PANEL), X.dtype)
    recent, dw = _zeros(panels.shape, X.dtype), np.zeros(panels.shape)
    for panel, start in zip(panels, starts, strict=True):
        piece = w[start : start + _PANEL].T
        panel[:k, : piece.shape[1]] = piece
    bias = np.zeros(classes, X.dtype)
    bias[:k] = b
    arguments = n, k, read_only(y), panels, bias, recent, dw
    known, cost, db = call(_kernel, *in_one_row(X), *arguments)
    if not known:
        return None
    whole = np.empty((k, n), X.dtype)
    for part, start in zip(dw, starts, strict=True):
        piece = whole[:, start : start + _PANEL]
        piece[:] = part[:k, : piece.shape[1]]
    return X.dtype.type(cost), whole, db[:k].astype(X.dtype)


def _zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return zeros that begin at a cache line, so that no vector lies in two lines."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + LINE, "uint8")
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def _forward_code(_: Any, x: Any, step: Any, ahead: Any, other: Any, w: Any, z: Any, classes: Any) -> Any:
    """Add the products of the rows of x, `step` apart, and a block of w to a block of z, and prefetch two rows beyond.

    x has the columns of a panel; a row of z begins `classes` numbers after the row before.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = Vectors(context, builder, x.dtype)
        data, step, *beyond, weights, sums, classes = opened(context, builder, signature, arguments)
        zero, one, panel = step.type(0), step.type(1), step.type(_PANEL)
        totals = [[vectors.zeros() for _ in range(_CLASSES)] for _ in range(ROWS)]

        def add(column: Any, mask: Any) -> None:
            of_classes = places(builder, zero, panel, column, _CLASSES)
            every = [vectors.load(weights.data, at, None) for at in of_classes]
            for row, at in zip(totals, places(builder, zero, step, column, ROWS), strict=True):
                features = vectors.load(data.data, at, mask)
                for total, weight in zip(row, every, strict=True):
                    builder.store(vectors.add_product(builder.load(total), features, weight), total)
            for at in beyond:
                vectors.fetch(data.data, builder.add(at, column))

        vectors.over(data, add)
        for row, start in zip(totals, places(builder, zero, classes, zero, ROWS), strict=True):
            for total, at in zip(row, places(builder, start, one, zero, _CLASSES), strict=True):
                place = builder.gep(sums.data, [at])
                builder.store(builder.fadd(builder.load(place), vectors.sum(builder.load(total))), place)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, types.intp, w, z, types.intp), generate


def _backward_code(_: Any, x: Any, step: Any, ahead: Any, other: Any, dw: Any, dz: Any, classes: Any) -> Any:
    """Add the products of a block of dz and the rows of x to a block of dw, and prefetch two rows beyond."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = Vectors(context, builder, x.dtype)
        data, step, *beyond, gradient, slopes, classes = opened(context, builder, signature, arguments)
        zero, one, panel = step.type(0), step.type(1), step.type(_PANEL)
        factors = [
            [
                vectors.all(builder.load(builder.gep(slopes.data, [at])))
                for at in places(builder, start, one, zero, _CLASSES)
            ]
            for start in places(builder, zero, classes, zero, ROWS)
        ]

        def add(column: Any, mask: Any) -> None:
            of_rows = places(builder, zero, step, column, ROWS)
            rows = [vectors.load(data.data, at, mask) for at in of_rows]
            for u, at in enumerate(places(builder, zero, panel, column, _CLASSES)):
                total = vectors.load(gradient.data, at, None)
                for features, of_classes in zip(rows, factors, strict=True):
                    total = vectors.add_product(total, features, of_classes[u])
                vectors.store(total, gradient.data, at, None)
            for at in beyond:
                vectors.fetch(data.data, builder.add(at, column))

        vectors.over(data, add)
        return context.get_dummy_value()

    return types.void(x, types.intp, types.intp, types.intp, dw, dz, types.intp), generate


_forward, _backward = intrinsic(_forward_code), intrinsic(_backward_code)


def _sweep(
    forward: bool, X: Any, start: int, step: int, n: int, W: Any, Z: Any, rows: int, lead: int
) -> None:
    K = W.shape[1]
    for panel in range(len(W)):
        j = panel * _PANEL
        for r in range(0, rows, ROWS):
            at = start + r * step + j
            x = X[at : at + min(_PANEL, n - j)]
            for u in range(0, K, _CLASSES):
                # The first block prefetches one row and the second block the next row; a single block prefetches both.
                ahead = lead if u == 0 else lead + step
                other = lead + step if K == _CLASSES else ahead
                if forward:
                    _forward(x, step, ahead, other, W[panel, u], Z[r * K + u :], K)
                else:
                    _backward(x, step, ahead, other, W[panel, u], Z[r * K + u :], K)


def _softmax(z: Any, k: int) -> Any:
    """Put softmax(z) where z[:k] was; return the largest z, and the sum of e^(z - largest) over the others."""
    peak = 0
    for u in range(1, k):
        peak = u if z[u] > z[peak] else peak
    top, others = z[peak], 0.0
    for u in range(k):
        z[u] = math.exp(z[u] - top)
    z[peak] = 0
    for u in range(k):
        others += z[u]
    z[peak] = 1
    share = z.dtype.type(1 / (1 + others))
    for u in range(k):
        z[u] *= share
    return top, others


def _sums(X: Any, step: int, n: int, k: int, y: Any, W: Any, b: Any, recent: Any, dw: Any) -> Any:
    m, K = len(y), len(b)
    Z, cost, db = np.empty(_TILE * K, X.dtype), 0.0, np.zeros(K)
    for first in range(0, m, _TILE):
        start, rows = first * step, min(_TILE, m - first)
        for r in range(rows):
            Z[r * K : (r + 1) * K] = b
        # This sweep prefetches two of each four rows of the next tile, and the sweep below the other two.
        _sweep(True, X, start, step, n, W, Z, rows, _TILE * step)
        every = 0.0
        for r in range(rows):
            label, z = y[first + r], Z[r * K : (r + 1) * K]
            if not (0 <= label < k and label == int(label)):
                return False, cost, db
            hit = int(label)
            of_hit = z[hit]
            top, others = _softmax(z, k)
            cost += top - of_hit
            # The product of all 1 + others, less 1: one logarithm for all rows, with no digit of a small one lost.
            every += others + every * others
            z[hit] -= 1
            for u in range(k):
                db[u] += z[u]
        cost += math.log1p(every)
        _sweep(False, X, start, step, n, recent, Z, rows, (_TILE + 2) * step)
        if first % _RECENT == _RECENT - _TILE or first + _TILE >= m:
            dw += recent
            recent[:] = 0
    return True, cost, db


_sweep, _softmax = compiled(_sweep), compiled(_softmax)
_kernel = compiled(_sums, kept=True)
