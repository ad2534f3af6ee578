"""Devices: where new arrays are made.

The environment variable CHAINRULE_DEVICE is read when a device is asked for, never at import:

    cpu              NumPy
    cuda, cuda:N     CuPy on the first, or the N-th, NVIDIA GPU
    auto             cuda where it works, else cpu (the default)
    strict           array-api-strict, which refuses whatever the standard does not promise; for tests
    strict:device1   the same on its second, simulated device, whose arrays never become NumPy's by accident
"""

import importlib
import importlib.util
import os
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import array_api_compat
import numpy as np

from chainrule.backend import hardware, threads
from chainrule.backend.cupy_namespace import cupy_namespace
from chainrule.backend.gpus import gpu_count
from chainrule.backend.namespaces import to_numpy
from chainrule.validation import whole_number

VARIABLE = "CHAINRULE_DEVICE"
KNOWN = ("cpu", "cuda", "cuda:N", "auto", "strict", "strict:device1")

_in_use: ContextVar[str | None] = ContextVar("chainrule_device", default=None)


class DeviceError(RuntimeError):
    """A device of a known name that does not work here; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class Device(ABC):
    """Where arrays are made and computed with, such as the CPU with NumPy.

    `name` is what `get_device` takes to return it again; `xp` is its array API namespace.
    """

    name: str
    xp: Any

    @abstractmethod
    def asarray(self, x: Any, dtype: Any = None) -> Any:
        """Return x, an array of any device or a nested list, as an array of this device and of x's shape.

        `dtype` is a name such as "float32" or a dtype of `xp`; by default it is that of x, and for lists the default
        of `xp`. Raises ValueError for an unknown dtype, TypeError where x does not hold numbers.
        """

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has finished all computations that were started."""

    def as_current(self) -> AbstractContextManager[Any]:
        """Return a context in which this device is the current one of its library, where that knows of such."""
        return nullcontext()

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """Return facts as texts by their names: hardware, library with version, memory, threads."""

    def to_numpy(self, x: Any) -> np.ndarray[Any, Any]:
        """Return x, an array of any device, as a NumPy array; from a GPU it waits for x and copies it."""
        return to_numpy(x)

    def standard_normal(self, shape: tuple[int, ...], *, seed: int, dtype: Any = "float64") -> Any:
        """Return random numbers of a normal distribution with mean 0 and variance 1, as an array of `shape`.

        One seed, a whole number from 0 up, gives the same numbers on every device: NumPy draws them in float64, then
        they are rounded to `dtype` and moved.
        """
        seed = whole_number("standard_normal", "seed", seed)
        return self.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return get_device, (self.name,)

    def _dtype(self, dtype: Any) -> Any:
        found = getattr(self.xp, dtype, None) if isinstance(dtype, str) else dtype
        with suppress(TypeError, ValueError):
            if dtype is None or (found is not None and self.xp.empty(0, dtype=found) is not None):
                return found
        raise ValueError(
            f"asarray: dtype must be a dtype of the array API standard such as 'float32', got {dtype!r}"
        )


@final
class _Cpu(Device):
    def asarray(self, x: Any, dtype: Any = None) -> Any:
        made = np.asarray(to_numpy(x) if _is_array(x) else x, dtype=self._dtype(dtype))
        if made.dtype.kind not in "biufc":
            raise TypeError(f"asarray: expected numbers, got {type(x).__name__} of dtype {made.dtype}")
        return made

    def synchronize(self) -> None:
        return

    def describe(self) -> dict[str, str]:
        return {
            "hardware": f"{hardware.cpu_name()}, {hardware.cpu_count()} processors",
            "library": f"numpy {np.__version__}",
            "memory": _memory(hardware.memory_bytes()),
            "caches": f"{_mib(hardware.cache_bytes(2))} a core, {_mib(hardware.cache_bytes(3))} shared",
            "threads": "; ".join(threads.blas_libraries()) or f"{threads.blas_threads()}",
        }


@final
class _Strict(Device):
    def asarray(self, x: Any, dtype: Any = None) -> Any:
        place = self.xp.Device(self.name.partition(":")[2] or "CPU_DEVICE")
        # Through NumPy, because array-api-strict takes no array of another library to its simulated devices.
        data = to_numpy(x) if _is_array(x) else x
        return self.xp.asarray(data, dtype=self._dtype(dtype), device=place)

    def synchronize(self) -> None:
        return

    def describe(self) -> dict[str, str]:
        return {
            "hardware": "none: arrays of NumPy behind the standard's own rules, for tests",
            "library": f"array-api-strict {self.xp.__version__}, numpy {np.__version__}",
        }


@final
@dataclass(frozen=True)
class _Cuda(Device):
    index: int

    def asarray(self, x: Any, dtype: Any = None) -> Any:
        import cupy

        with cupy.cuda.Device(self.index):
            if isinstance(x, cupy.ndarray) and x.device.id != self.index:
                x = x.copy()
            elif _is_array(x) and not isinstance(x, cupy.ndarray):
                x = to_numpy(x)
            return self.xp.asarray(x, dtype=self._dtype(dtype))

    def as_current(self) -> AbstractContextManager[Any]:
        import cupy

        return cupy.cuda.Device(self.index)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        import cupy

        cupy.cuda.Device(self.index).synchronize()

    def describe(self) -> dict[str, str]:
        import cupy
        from cupy._core import _routines_linalg as products

        facts = cupy.cuda.runtime.getDeviceProperties(self.index)
        with cupy.cuda.Device(self.index):
            free, total = cupy.cuda.runtime.memGetInfo()
            # Asked of CuPy's products: the variable CUPY_TF32 is read once, and an older card cannot follow it.
            tf32 = products.get_compute_type("float32") == products.COMPUTE_TYPE_TF32
        return {
            "hardware": f"{facts['name'].decode()}, compute capability {facts['major']}.{facts['minor']}",
            "library": f"cupy {cupy.__version__}, numpy {np.__version__}",
            "CUDA": f"runtime {_cuda_version(cupy.cuda.runtime.runtimeGetVersion())}, "
            f"driver for up to {_cuda_version(cupy.cuda.runtime.driverGetVersion())}",
            "memory": _memory((total, free)),
            "TF32": "on" if tf32 else "off",
        }


def get_device(name: str | None = None) -> Device:
    """Return the device called `name`; by default that of `use_device`, else of CHAINRULE_DEVICE, else auto.

    Raises ValueError for an unknown name, DeviceError for a device that does not work here.
    """
    return _make(_wanted(name)[0])


@contextmanager
def use_device(name: str) -> Iterator[Device]:
    """Return a context manager in which `get_device()` returns the device called `name`.

    It holds for the thread, or the asyncio task, that enters the block; threads started inside do not inherit it. A GPU
    is CuPy's current one there, for the whole thread.
    Raises what `get_device` raises.
    """
    device = get_device(name)
    token = _in_use.set(device.name)
    try:
        with device.as_current():
            yield device
    finally:
        _in_use.reset(token)


def asked_for() -> Device | None:
    """Return the device that `use_device`, else CHAINRULE_DEVICE, names; None where neither does, or it is auto."""
    if _in_use.get() is None and os.environ.get(VARIABLE, "").strip() in ("", "auto"):
        return None
    return get_device()


@dataclass(frozen=True)
class Availability:
    """Whether the device called `name` works here: the device itself, or None and the reason in `fault`."""

    name: str
    device: Device | None
    fault: str = ""


def survey() -> list[Availability]:
    """Return, for every device that this machine could have, whether it works."""
    gpus = [f"cuda:{index}" for index in range(_gpu_count())] or ["cuda"]
    return [_try(name) for name in ("cpu", *gpus, "strict", "strict:device1")]


def choice() -> tuple[Device, str]:
    """Return the device that `get_device()` gives, and why."""
    name, why = _wanted(None)
    return _make(name), why


def _wanted(name: str | None) -> tuple[str, str]:
    """Return the name of the device to make, and why it is that one."""
    if name is not None:
        return _checked(name, "get_device"), "asked for by name"
    if (used := _in_use.get()) is not None:
        return used, "asked for by use_device"
    if asked := os.environ.get(VARIABLE, "").strip():
        name, why = _checked(asked, VARIABLE), f"asked for by {VARIABLE}={asked}"
    else:
        name, why = "auto", f"{VARIABLE} is not set, which means auto"
    if name != "auto":
        return name, why
    return _automatic(why)


def _checked(name: str, who: str) -> str:
    if isinstance(name, str) and re.fullmatch("|".join(KNOWN).replace("N", "[0-9]{1,4}"), name):
        return name
    raise ValueError(
        f"{who}: expected one of {', '.join(KNOWN)} (N a number), got {name!r}; set one of these"
    )


def _automatic(why: str) -> tuple[str, str]:
    if importlib.util.find_spec("cupy") is None:
        return "cpu", f"{why}; CuPy is not installed, so cpu"
    cuda = _try("cuda")
    if cuda.device is None:
        _warn_once(cuda.fault)
        return "cpu", f"{why}; CuPy is installed but cannot work, so cpu"
    return "cuda", f"{why}; cuda works"


@cache
def _warn_once(fault: str) -> None:
    warnings.warn(
        f"CuPy is installed but cannot work, so the CPU is used: {fault}", RuntimeWarning, stacklevel=5
    )


def _try(name: str) -> Availability:
    try:
        return Availability(name, _make(name))
    except DeviceError as error:
        return Availability(name, None, str(error))


def _make(name: str) -> Device:
    kind, _, rest = name.partition(":")
    if kind == "auto":
        return _make(_automatic("asked for by name")[0])
    if kind == "cpu":
        return _Cpu("cpu", np)
    if kind == "strict":
        return _Strict(name, _strict())
    return _cuda(int(rest or 0))


def _strict() -> Any:
    try:
        return importlib.import_module("array_api_strict")
    except ModuleNotFoundError:
        raise DeviceError(
            "strict: the package array-api-strict is missing; pip install array-api-strict"
        ) from None


@cache
def _cuda(index: int) -> Device:
    """Return a GPU after one small computation on it, which fails too where a compiler or header is missing."""
    if importlib.util.find_spec("cupy") is None:
        raise DeviceError(
            "cuda: the package CuPy is missing; pip install '.[cuda13]' in chainrule's folder, "
            "or '.[cuda12]' for drivers before version 580"
        )
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            f"cuda: the package CuPy does not import ({error}); reinstall it: "
            "pip install --force-reinstall '.[cuda13]' in chainrule's folder (or cuda12)"
        ) from error
    if tuple(map(int, cupy.__version__.split(".")[:2])) < (14, 2):
        raise DeviceError(
            f"cuda: CuPy {cupy.__version__} is installed, and repeat, sort or fusion fail before 14.2; "
            "pip install --upgrade '.[cuda13]' in chainrule's folder (or cuda12)"
        )
    runtime = cupy.cuda.runtime
    driver, built_for = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        raise DeviceError(
            "cuda: the NVIDIA driver is missing; install it from https://www.nvidia.com/drivers (nvidia-smi "
            "must answer), or start the container with --gpus all"
        )
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        older = driver // 1000 < built_for // 1000
        raise DeviceError(
            f"cuda: the driver serves CUDA {_cuda_version(driver)} and CuPy was built for "
            f"{_cuda_version(built_for)}; update the driver, or pip install "
            f"'.[cuda{driver // 1000}]' after removing the other CuPy"
            if older
            else f"cuda: no device answers ({error}); see whether nvidia-smi lists one, and CUDA_VISIBLE_DEVICES"
        ) from error
    if index >= count:
        raise DeviceError(
            f"cuda:{index}: no such device, this machine has {count} (numbered from 0); choose one of "
            f"{', '.join(f'cuda:{i}' for i in range(count)) or 'cpu'}"
        )
    try:
        with cupy.cuda.Device(index):
            worked = float(cupy.sum(cupy.arange(3.0) * 2.0)) == 6.0
    except Exception as error:
        raise DeviceError(
            f"cuda:{index}: a first computation failed ({error}); the CUDA toolkit's libraries come with "
            f"pip install '.[cuda{built_for // 1000}]' in chainrule's folder"
        ) from error
    if not worked:
        raise DeviceError(f"cuda:{index}: a first computation gave a wrong number; test the card before use")
    return _Cuda(f"cuda:{index}", cupy_namespace(), index)


def _gpu_count() -> int:
    if _try("cuda").device is None:
        return 0
    return gpu_count()


def _is_array(x: Any) -> bool:
    return bool(array_api_compat.is_array_api_obj(x))


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _mib(size: int) -> str:
    return f"{size / 2**20:g} MiB"


def _memory(sizes: tuple[int, int] | None) -> str:
    return f"{sizes[0] / 2**30:.1f} GiB, {sizes[1] / 2**30:.1f} GiB free" if sizes else "not known"
