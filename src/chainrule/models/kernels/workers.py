"""Shares of rows, computed by threads at once."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def of_shares(f: Callable[[slice], T], bounds: list[int]) -> list[T]:
    """Return f(share) for the rows between each bound and the next one, each share in its own thread."""
    first, *others = (slice(*pair) for pair in pairwise(bounds))
    # The caller takes a share itself: to wake a thread takes time.
    try:
        waiting = [_pool(len(others), os.getpid()).submit(f, share) for share in others]
    except RuntimeError:  # the main thread has ended before this one, and no pool takes anything any more
        return [f(share) for share in (first, *others)]
    try:
        return [f(first), *(share.result() for share in waiting)]
    finally:
        wait(waiting)


@cache
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    # Kept, because starting threads takes longer than a small step; by process, because a fork loses them.
    return ThreadPoolExecutor(workers, thread_name_prefix=f"chainrule-{process}")
