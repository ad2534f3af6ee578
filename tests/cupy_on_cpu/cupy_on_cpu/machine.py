"""The pretended device: its properties, and the counts of its work."""

import ctypes
import os
from collections import Counter
from typing import Any

NAME = b"a CPU that pretends to be a GPU"
CAPABILITY = 90
DEVICES = int(os.environ.get("CUPY_ON_CPU_DEVICES", "1"))
# Kernels are started and compute nothing: the time that remains is CuPy's and the caller's own.
IDLE = os.environ.get("CUPY_ON_CPU_IDLE", "") == "1"
MEMORY = 8 << 30
# Values by the numbers of CUDA's device attributes: 75 and 76 are the compute capability, the others are sizes.
_ATTRIBUTES = {
    75: CAPABILITY // 10,
    76: CAPABILITY % 10,
    1: 1024,
    8: 49152,
    10: 32,
    16: 132,
    39: 2048,
    97: 232448,
}


class _Counters(ctypes.Structure):
    """The counters of driver_calls.cpp."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("to_device", "to_host", "on_device", "fills", "waits", "allocations", "started")
    ]


class Counts:
    """The work that the device was given since the last `clear`.

    launches, libraries             kernels by name, and calls of libraries, each of which starts one or more
    to_device, to_host, on_device   copies
    fills, waits, allocations       memsets, waits for the device, and blocks of memory that CuPy's pool asked for
    log                             the names of kernels and of calls of libraries, in their order
    """

    def __init__(self) -> None:
        self._counters = _Counters()
        self.clear()

    def attach(self, library: Any) -> None:
        """Read the counters of driver_calls.cpp from now on."""
        self._counters = _Counters.in_dll(library, "counters")

    def clear(self) -> None:
        """Set every count to 0."""
        self.launches: Counter[str] = Counter()
        self.libraries: Counter[str] = Counter()
        self.log: list[str] = []
        ctypes.memset(ctypes.addressof(self._counters), 0, ctypes.sizeof(self._counters))

    def __getattr__(self, name: str) -> int:
        return int(getattr(self._counters, name))

    @property
    def kernels(self) -> int:
        """The number of kernels that were started; a call of a library counts as one."""
        return self.launches.total() + self.libraries.total() + self.started


counts = Counts()


def launched(name: str) -> None:
    """Count a kernel."""
    counts.launches[name] += 1
    counts.log.append(name)


def asked_library(name: str) -> None:
    """Count a call of a library."""
    counts.libraries[name] += 1
    counts.log.append(name)


def attribute(number: int, _device: int) -> int:
    """Return a device attribute of CUDA, and 0 for those that nobody needs."""
    return _ATTRIBUTES.get(number, 0)


def properties(_device: int) -> dict[str, Any]:
    """Return the properties that CuPy and chainrule ask for."""
    return {
        "name": NAME,
        "major": CAPABILITY // 10,
        "minor": CAPABILITY % 10,
        "totalGlobalMem": MEMORY,
        "multiProcessorCount": 132,
        "warpSize": 32,
        "maxThreadsPerBlock": 1024,
    }
