"""Tiles: rows of X that are still in the cache when they are read again, and compiled code that reads them once."""

import math
import operator
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache, reduce
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from chainrule.backend import hardware, threads
from chainrule.gates.types import Array
from chainrule.models.kernels.workers import of_shares
from chainrule.models.types import Step

# Features from which compiled code is the faster one: with fewer, most of its time is the exponential of each row.
KERNEL_FROM = 256
# Features up to which the first cache of a core holds a row and w.
_SHORT = 2048


class Plan(NamedTuple):
    """How a step goes through the rows of X: shares between `bounds`, each in tiles or by compiled code."""

    rows: int  # of a tile
    bounds: list[int]  # between the shares of the workers; rows beyond the last bound go in tiles
    kernel: Any  # compiled code, a module with `sums`, or None


def plan(xp: Any, X: Array, w: Array, rows: int | None, workers: int | None) -> Plan:
    """Return the plan for X (m, n) and w (n,) or (n, k); None lets `rows` and `workers` be what is best here."""
    m, n = X.shape
    columns = math.prod(w.shape[1:])
    kernel = None
    if rows is None:
        # A row brings its features and about sixteen numbers a class that the gate makes on the way.
        rows = tile_height(X, (n + 16 * columns) * xp.finfo(X.dtype).bits // 8)
        kernel = _kernel_for(X, columns) if xp is np else None
    if kernel:
        tiles = m // kernel.ROWS
        workers = min(workers or threads.blas_threads(), tiles)
        return Plan(rows, [tiles * i // workers * kernel.ROWS for i in range(workers + 1)], kernel)
    # Only products of NumPy can be kept in the thread of the worker that asks for them.
    if rows >= m or xp is not np or not threads.can_limit_blas():
        return Plan(rows, [0, m], None)
    workers = min(workers or threads.blas_threads(), -(-m // rows))
    return Plan(rows, [m * i // workers for i in range(workers + 1)], None)


def sums(plan: Plan, sums_of: Callable[[Array, Array], Step], X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return the sums over all rows, where `sums_of(X, y)` returns those of a tile."""

    def of_share(share: slice) -> Step:
        return _of_tiles(sums_of, X[share, :], y[share], plan.rows)

    def by_kernel(share: slice) -> Step:
        # A label of no class is named by the tiles.
        found: Step | None = plan.kernel.sums(X[share], y[share], w, b)
        return found or of_share(share)

    m, (*_, end) = X.shape[0], plan.bounds
    if plan.rows >= m and not plan.kernel:
        return sums_of(X, y)
    alone = len(plan.bounds) == 2 or plan.kernel
    with nullcontext() if alone else threads.one_blas_thread():
        parts = of_shares(by_kernel if plan.kernel else of_share, plan.bounds)
    if end < m:
        parts.append(of_share(slice(end, m)))
    return reduce(_added, parts)


def products(xp: Any, X: Array, w: Array, rows: int) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return forward(X, w) = X w and backward(dz, X) = dz X of a tile; of classes, backward(dZ, X) = dZ^T X."""
    # np.matmul and np.vecdot hold Python's global lock for fewer than 500 results, so tiles would wait for each other;
    # np.dot lets go of it always.
    product = np.dot if xp is np else xp.matmul
    m, n = X.shape
    if w.ndim == 2:
        short = n <= _SHORT
        return (
            # The order in which OpenBLAS is quicker where classes are few and rows are not long.
            (lambda X, w: product(w.T, X.T).T) if short else product,
            lambda dZ, X: product(dZ.T, X),
        )
    if xp is np and X.flags.c_contiguous and 64 <= n <= _SHORT and 500 < rows < m:
        # Row by row X streams from memory faster than four rows at a time, where a row and w fit the first cache.
        return np.vecdot, product
    return product, product


def tile_height(X: Any, bytes_per_row: int) -> int:
    """Return how many rows of X (m, n) one pass may take so that they are still in cache when read again.

    It is m, all of them, where tiles cost more than they save: on a GPU, where starting the kernels of a tile takes
    longer than reading it again, and up to twice the last cache, where enough of X survives between two readings.
    """
    m = int(X.shape[0])
    if array_api_compat.is_cupy_array(X) or m * bytes_per_row <= 2 * hardware.cache_bytes(3):
        return m
    share = max(hardware.cache_bytes(2), hardware.cache_bytes(3) // (4 * threads.blas_threads()))
    return max(1, share // bytes_per_row)


def _kernel_for(X: Array, columns: int) -> Any:
    """Return the compiled code that is quicker than tiles for X, one of NumPy's, or None."""
    n = X.shape[1]
    # Of a smaller X most stays in the cache, where a BLAS is the quicker one at long rows.
    caches = 2.0 if n > _SHORT and columns == 1 else 0.75
    if n < KERNEL_FROM or X.nbytes <= caches * hardware.cache_bytes(3):
        return None
    kernel = compiled_kernel(columns)
    return kernel if kernel and kernel.takes(X) else None


@cache
def compiled_kernel(columns: int) -> Any:
    """Return the compiled code for so many columns of w, or None: for many, or without a Numba that works here."""
    try:
        if columns == 1:
            from chainrule.models.kernels import binary

            return binary
        from chainrule.models.kernels import multiclass
    except (ImportError, OSError):  # the latter: LLVM's library cannot be loaded
        return None
    return multiclass if columns <= multiclass.MOST else None


def _of_tiles(sums_of: Callable[[Array, Array], Step], X: Array, y: Array, rows: int) -> Step:
    m = X.shape[0]
    tiles = (slice(start, min(start + rows, m)) for start in range(0, m, rows))
    return reduce(_added, (sums_of(X[tile, :], y[tile]) for tile in tiles))


def _added(one: Step, other: Step) -> Step:
    cost, dw, db = map(operator.add, one, other)
    return cost, dw, db
