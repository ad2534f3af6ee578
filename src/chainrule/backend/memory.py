"""Freed memory: how much of it the process keeps for its next arrays."""

from contextlib import suppress
from functools import cache

import numpy as np


@cache
def keep_freed_memory() -> None:
    """Have glibc keep up to 62 MiB of freed memory for later arrays; once a process, other allocators are unmoved.

    glibc gives freed memory back to the system but for twice the size of the largest block, of up to 32 MiB, that it
    has seen freed. A step whose temporaries it gave back takes page faults for them anew. One freed block of 31 MiB
    moves that bound; none of its pages is touched, so it takes no memory itself.
    """
    with suppress(MemoryError):
        np.empty(31 << 20, dtype="uint8")
