"""Processor, memory and caches of this computer, as the system reports them."""

import os
import platform
from functools import cache
from pathlib import Path

# In bytes, by level: what most processors since 2017 have at the least.
_DEFAULT_CACHES = {2: 1 << 20, 3: 16 << 20}


def cpu_name() -> str:
    """Return the processor's model name; its architecture where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cpu_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> tuple[int, int] | None:
    """Return (total, available) main memory in bytes, or None where the system does not say."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


@cache
def cache_bytes(level: int) -> int:
    """Return the size in bytes of one cache of `level` (2: a core's own, 3: the shared one); a default if unknown."""
    sizes = [
        _size((folder / "size").read_text())
        for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")
        if (folder / "level").read_text().strip() == str(level)
    ]
    return max(sizes, default=_DEFAULT_CACHES[level])


def _size(text: str) -> int:
    text = text.strip()
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)
