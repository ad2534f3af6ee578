"""Memory of the host: how much is free, and how much freed memory the process keeps for its next arrays."""

from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np


@cache
def keep_freed_memory() -> None:
    """Have glibc keep up to 62 MiB of freed memory for later arrays.

    It has an effect once a process, and none with allocators other than glibc's. glibc returns freed memory to the
    system, except up to twice the largest block, of at most 32 MiB, that was freed so far; a step whose temporaries
    were returned takes page faults for them again. One freed block of 31 MiB raises that bound. No page of it is
    touched, so it takes no memory itself.
    """
    with suppress(MemoryError):
        np.empty(31 << 20, dtype="uint8")


def free_bytes() -> float:
    """Return how many bytes of memory the system says are free for new arrays; infinity where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024.0
    return float("inf")
