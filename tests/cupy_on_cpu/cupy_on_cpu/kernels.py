"""CUDA C++ compiled by g++, kept on disk, and started.

Every source that CuPy hands to NVRTC comes here: the kernels of universal functions, reductions, fused functions and
raw kernels. Each source is kept beside its library, so that NVRTC can be asked about it later (`nvrtc`).
"""

import ctypes
import functools
import hashlib
import json
import os
import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from cupy_on_cpu import machine

INCLUDE = Path(__file__).parent / "include"
CACHE = Path(os.environ.get("CUPY_ON_CPU_CACHE", Path(tempfile.gettempdir()) / "cupy_on_cpu"))
# A product and a sum become one instruction, as NVRTC does by default.
FLAGS = ["-O1", "-std=c++17", "-fPIC", "-shared", "-w", "-mfma", "-ffp-contract=fast", "-fno-strict-aliasing"]
_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(")
_PLACES = re.compile(
    r"\b(threadIdx|blockIdx|blockDim|gridDim|__sync\w+|__shfl\w+|__shared__|__any_sync|__ballot\w*)\b"
)
_SHARED = re.compile(r"extern\s+__shared__\s+([\w:<> ]+?)\s+(\w+)\s*\[\s*\]\s*;")
# A CuPy kernel with the second name has a return in it.
_ENDS_EARLY = re.compile(r"\breturn\b|no_thread_divergence")
# As Way of cuda_on_cpu.h has them.
AS_ONE, ONE_BY_ONE, TOGETHER = range(3)

_libraries: dict[str, Any] = {}
_modules: dict[int, str] = {}
_functions: dict[int, tuple[str, Any, int, int]] = {}


class CompileError(RuntimeError):
    """g++ refused a kernel's source; the message is its own."""


def build(source: str, headers: str, names: Any, options: Any) -> tuple[Path, dict[str, str] | None]:
    """Return the library of a source, and the names of its kernels' instances there by the names in the source."""
    mapping = {expression: f"instance_{i}" for i, expression in enumerate(names or ())}
    bare = re.sub(r"template\s*<[^>]*>\s*(?:extern\s+\"C\"\s+)?__global__\s+void\s+\w+\s*\(", "", source)
    found = {name: name for name in _KERNEL.findall(bare)}
    entries = found | {name: expression for expression, name in mapping.items()}
    # Shared memory of a size that the launch gives is one block of memory here.
    text = '#include "cuda_on_cpu.h"\n' + _SHARED.sub(
        r"static \1 *const \2 = reinterpret_cast<\1 *>(cupy_on_cpu::shared_memory);", source
    )
    for name, kernel in entries.items():
        text += (
            f'\nextern "C" void cupy_on_cpu_{name}(const unsigned *size, void **params, int way, int flush) '
            f"{{ cupy_on_cpu::launch<{kernel}>(size, params, way, flush); }}\n"
        )
    defined = [option for option in options if option.startswith("-D")]
    own = "".join(path.read_text() for path in sorted(INCLUDE.glob("*.h")))
    key = hashlib.sha256("\0".join((text, headers, own, *FLAGS, *defined)).encode()).hexdigest()[:32]
    CACHE.mkdir(parents=True, exist_ok=True)
    library = CACHE / f"{key}.so"
    if not library.exists():
        about = {"kernels": list(found), "names": list(names or ()), "options": list(options)}
        (CACHE / f"{key}.cu").write_text(source)
        (CACHE / f"{key}.json").write_text(json.dumps(about))
        _compile(text, headers, library, defined)
    return library, mapping or None


def _compile(text: str, headers: str, library: Path, defined: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        path, made = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        path.write_text(text)
        folders = [f"-I{folder}" for folder in (_precompiled(), INCLUDE, headers)]
        command = ["g++", *FLAGS, *folders, *_thrust(headers), *defined, str(path), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            (library.with_suffix(".failed")).write_text(text + "\n" + done.stderr)
            raise CompileError(f"{library.with_suffix('.failed')}: {done.stderr[:3000]}")
        made.replace(library)


@functools.cache
def _precompiled() -> Path:
    """Return a folder with cuda_on_cpu.h as g++ keeps it once read: every kernel begins with it."""
    header = INCLUDE / "cuda_on_cpu.h"
    key = hashlib.sha256("\0".join((header.read_text(), *FLAGS)).encode()).hexdigest()[:32]
    kept = CACHE / f"{key}.read"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder, "made")
            made.mkdir()
            read = made / f"{header.name}.gch"
            subprocess.run(["g++", *FLAGS, "-x", "c++-header", str(header), "-o", str(read)], check=True)
            # Another process may have been first.
            with suppress(OSError):
                made.rename(kept)
    return kept


def driver_calls() -> Any:
    """Return the library of driver_calls.cpp: the calls that must not go through Python."""
    source = INCLUDE / "driver_calls.cpp"
    key = hashlib.sha256(source.read_bytes()).hexdigest()[:32]
    CACHE.mkdir(parents=True, exist_ok=True)
    library = CACHE / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder) / "driver_calls.so"
            subprocess.run(["g++", "-O1", "-fPIC", "-shared", str(source), "-o", str(made)], check=True)
            made.replace(library)
    return ctypes.PyDLL(str(library))


def _thrust(headers: str) -> list[str]:
    return [f"-I{headers}/cupy/_cccl/{part}" for part in ("cub", "thrust", "libcudacxx")]


def load_module(image: bytes) -> int:
    """Return the number of the library that an image names; the other functions take this number."""
    path = image.decode()
    if path not in _libraries:
        # Python's lock stays held while a kernel runs, since its place in the grid is kept in global variables.
        _libraries[path] = ctypes.PyDLL(path)
        _modules[len(_modules) + 1] = path
    return next(number for number, known in _modules.items() if known == path)


def get_function(module: int, name: str) -> int:
    """Return the number of one of its kernels."""
    path = _modules[module]
    entry = getattr(_libraries[path], f"cupy_on_cpu_{name}")
    entry.restype = None
    source = Path(path).with_suffix(".cu").read_text()
    # CuPy's loop over the elements stands in its headers, not in the source.
    way = AS_ONE
    if _PLACES.search(source):
        way = TOGETHER
    elif _ENDS_EARLY.search(source[source.rfind("__global__") :]):
        way = ONE_BY_ONE
    # CuPy tells NVRTC to flush subnormal floats; there is no such setting for doubles.
    flush = int("float" in source and not re.search(r"CArray<(const )?double", source))
    number = len(_functions) + 1
    _functions[number] = (name, entry, way, flush)
    return number


def sources(names: set[str]) -> list[Path]:
    """Return the kept sources that this process has loaded and that hold a kernel of one of these names."""
    kept = [Path(path).with_suffix(".json") for path in _libraries]
    return [path.with_suffix(".cu") for path in kept if names & set(json.loads(path.read_text())["kernels"])]


def launch(function: int, *rest: int) -> None:
    """Run a kernel; the rest is grid, block, bytes of shared memory, stream, and the addresses of its arguments."""
    *size, _shared, _stream, parameters, _extra = rest
    name, entry, way, flush = _functions[function]
    machine.launched(name)
    entry((ctypes.c_uint * 6)(*size), ctypes.c_void_p(parameters), way, flush)
