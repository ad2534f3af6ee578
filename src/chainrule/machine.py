"""What this computer offers to NumPy: processor, memory, caches, threads. Read from the system, never guessed."""

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_DEFAULT_CACHES = {2: 1 << 20, 3: 16 << 20}
_one_at_a_time = threading.Lock()


def _after_fork() -> None:
    # A child has none of its parent's threads, so a lock that one of them held would never be let go, and the limit
    # that it held is nobody's.
    global _one_at_a_time
    _one_at_a_time = threading.Lock()
    _controller.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def cpu_name() -> str:
    """Return the processor's model name, as the system reports it."""
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
    """Return the size in bytes of one cache of `level` (2: one core's own, 3: the last, shared one).

    Where the system does not say, a size that most processors since 2017 have at the least.
    """
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


def blas_libraries() -> list[str]:
    """Name each BLAS library in this process with its version and threads; empty without threadpoolctl."""
    controller = _controller()
    found = controller.select(user_api="blas").info() if controller else []
    return [f"{lib['internal_api']} {lib['version']}, {_counted(lib['num_threads'])}" for lib in found]


def _counted(threads: int) -> str:
    return f"{threads} thread" + "s" * (threads != 1)


def blas_threads() -> int:
    """Return how many threads NumPy's matrix products use now."""
    controller = _controller()
    if controller:
        found = controller.select(user_api="blas").info()
        return max((int(lib["num_threads"]) for lib in found), default=1)
    asked = [os.environ[name] for name in THREAD_VARIABLES if os.environ.get(name, "").isdigit()]
    return min([cpu_count(), *(int(number) for number in asked if int(number) > 0)])


def can_limit_blas() -> bool:
    """Say whether `one_blas_thread` has the means to do what it says."""
    return _controller() is not None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products inside the block run in the thread that calls them.

    The setting belongs to the whole process, so two blocks never overlap: the second waits for the first.
    """
    controller = _controller()
    if controller is None:
        raise RuntimeError(
            'one_blas_thread: threadpoolctl is missing; pip install "chainrule[app]" brings it'
        )
    with _one_at_a_time, controller.limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return None
    return ThreadpoolController()
