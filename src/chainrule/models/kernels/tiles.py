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
    kernel: Any = None  # compiled code, a module with `sums`


def plan(xp: Any, X: Array, w: Array, rows: int | None, workers: int | None) -> Plan | None:
    """Return the plan for X (m, n) and w (n,) or (n, k), or None where a single tile of all rows is best.

    `rows` and `workers` override the defaults where they are not None.
    """
    m, n = X.shape
    if rows is None:
        columns = math.prod(w.shape[1:])
        # A row brings its features and about sixteen numbers a class that the gate makes on the way.
        rows = tile_height(X, (n + 16 * columns) * xp.finfo(X.dtype).bits // 8)
        if xp is np and (kernel := _kernel_for(X, columns)):
            fours = m // kernel.ROWS
            workers = min(workers or threads.blas_threads(), fours)
            return Plan(rows, [fours * i // workers * kernel.ROWS for i in range(workers + 1)], kernel)
    if rows >= m:
        return None
    # Only products of NumPy can be kept in the thread of the worker that asks for them.
    can_share = xp is np and threads.can_limit_blas()
    workers = min(workers or threads.blas_threads(), -(-m // rows)) if can_share else 1
    return Plan(rows, [m * i // workers for i in range(workers + 1)])


def sums(plan: Plan, sums_of: Callable[[Array, Array], Step], X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return the sums over all rows, where `sums_of(X, y)` returns those of a tile."""

    def by_tiles(share: slice) -> Step:
        return _of_tiles(sums_of, X[share, :], y[share], plan.rows)

    def by_kernel(share: slice) -> Step:
        # A label of no class is named by the tiles.
        found: Step | None = plan.kernel.sums(X[share], y[share], w, b)
        return found or by_tiles(share)

    alone = plan.kernel or len(plan.bounds) == 2
    with nullcontext() if alone else threads.one_blas_thread():
        parts = of_shares(by_kernel if plan.kernel else by_tiles, plan.bounds)
    end, m = plan.bounds[-1], X.shape[0]
    if end < m:
        parts.append(by_tiles(slice(end, m)))
    return reduce(_added, parts)


def products(xp: Any, X: Array, w: Array, plan: Plan) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return the products of a tile: forward(X, w) = X w, and backward(dz^T, X) = dz^T X.

    np.matmul and np.vecdot hold Python's global lock for fewer than 500 results, so that tiles would wait for each
    other; np.dot lets go of it always. Row by row, as np.vecdot takes it, X streams from memory faster than several
    rows at a time, where the first cache of a core holds a row and w: tiles (5000, 64) of float64 in 18 ms for 200 MB
    beside 28 ms (one thread of an AMD EPYC, NumPy 2.4.6 with OpenBLAS, 2026-11-30).
    """
    if xp is not np:
        return xp.matmul, xp.matmul
    by_rows = w.ndim == 1 and plan.rows > 500 and 64 <= X.shape[1] <= _SHORT and X.flags.c_contiguous
    return np.vecdot if by_rows else np.dot, np.dot


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
    """Return the compiled code that is quicker than tiles for a NumPy array X, or None."""
    n = X.shape[1]
    # A smaller X mostly stays in the cache, where the BLAS is quicker on long rows.
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
