"""Tiles: rows that are still in the cache when they are read again."""

from typing import Any

import array_api_compat

from chainrule.backend import hardware, threads


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
