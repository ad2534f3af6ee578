"""The calls of CuPy that are replaced: of the runtime, the driver, the compiler and the libraries."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from cupy_on_cpu import blas, kernels, machine, solver, sorting
from cupy_on_cpu.capsules import point, replace

# A CUDA version that CuPy's wheels for CUDA 12 and 13 both accept.
CUDA_VERSION = 13000

# The runtime's functions that are C here, by the names of driver_calls.cpp.
_RUNTIME_IN_C = {
    "getDevice": "get_device",
    "setDevice": "set_device",
    "getDeviceCount": "get_device_count",
    "deviceSynchronize": "wait_for_device",
    "deviceCanAccessPeer": "always",
    "_deviceEnsurePeerAccess": "nothing",
    "deviceEnablePeerAccess": "nothing",
    "malloc": "allocate",
    "mallocAsync": "allocate_on_stream",
    "mallocManaged": "allocate",
    "hostAlloc": "allocate_with_flags",
    "free": "release",
    "freeAsync": "release_on_stream",
    "freeHost": "release",
    "memcpy": "copy",
    "memcpyAsync": "copy_on_stream",
    "memcpyPeer": "copy_between",
    "memcpyPeerAsync": "copy_between_on_stream",
    "memset": "fill",
    "memsetAsync": "fill_on_stream",
    "streamSynchronize": "wait_for_stream",
    "streamQuery": "done",
    "streamWaitEvent": "nothing",
    "streamDestroy": "nothing",
    "eventCreate": "make_event",
    "eventCreateWithFlags": "make_event_with_flags",
    "eventDestroy": "release",
    "eventRecord": "record",
    "eventQuery": "done",
    "eventSynchronize": "wait_for_stream",
    "eventElapsedTime": "between",
    "_ensure_context": "nothing_at_all",
}


def put_below() -> None:
    """Replace the calls that CuPy's compiled modules take up when they are loaded; none of them may be loaded yet."""
    os.environ["CUPY_CACHE_IN_MEMORY"] = "0"
    from cupy_backends.cuda.api import driver, runtime

    in_c = kernels.driver_calls()
    in_c.set_devices(machine.DEVICES)
    machine.counts.attach(in_c)
    for name, function in {
        "driverGetVersion": lambda: CUDA_VERSION,
        "deviceGetAttribute": machine.attribute,
        "getDeviceProperties": machine.properties,
        "memGetInfo": lambda: (machine.MEMORY // 2, machine.MEMORY),
        # CUDA knows nothing of memory of the host.
        "pointerGetMemoryType": lambda pointer: 0,
        "pointerGetAttributes": lambda pointer: runtime.PointerAttributes(-2, 0, pointer, 0),
        "streamIsCapturing": lambda stream: 0,
    }.items():
        replace(runtime, name, function)
    for name, function_in_c in _RUNTIME_IN_C.items():
        point(runtime, name, getattr(in_c, function_in_c))
    for name, function in {
        "moduleLoadData": kernels.load_module,
        "moduleGetFunction": kernels.get_function,
        "launchKernel": kernels.launch,
        "ctxGetCurrent": lambda: 1,
        "funcGetAttribute": lambda attribute, function: 0,
        "occupancyMaxActiveBlocksPerMultiprocessor": lambda function, block, shared: 16,
    }.items():
        replace(driver, name, function)
    point(driver, "moduleUnload", in_c.nothing)
    if machine.IDLE:
        point(driver, "launchKernel", in_c.start_nothing)
    libs = importlib.import_module("cupy_backends.cuda.libs")
    for name, library in (("cublas", blas.module()), ("cusolver", solver.module())):
        sys.modules[f"cupy_backends.cuda.libs.{name}"] = library
        setattr(libs, name, library)


def put_above(cupy: ModuleType) -> None:
    """Replace the functions that exist once CuPy is loaded."""
    sys.modules["cupyx._cusolver"] = solver.above()
    importlib.import_module("cupyx")._cusolver = sys.modules["cupyx._cusolver"]
    headers = str(Path(cupy.__file__ or "").parent / "_core" / "include")

    def compiled(source: str, options: Any = (), *_: Any, name_expressions: Any = None, **__: Any) -> Any:
        made = cupy.cuda.function.Module()
        library, mapping = kernels.build(source, headers, name_expressions, options)
        made.load(str(library).encode())
        made._set_mapping(mapping)
        return made

    cupy.cuda.compiler._compile_module_with_cache = compiled
    for name in ("sort", "argsort", "lexsort"):
        setattr(cupy.cuda.thrust, name, getattr(sorting, name))
    cupy.cuda.cub.cub_reduction = sorting.reduction(cupy.cuda.cub)
    cupy.cuda.cub.cub_scan = sorting.scan(cupy.cuda.cub)
    # CUB's block reductions are compiled for each use, from headers that g++ cannot read; CuPy's own kernels serve.
    cupy._core.set_reduction_accelerators([])
