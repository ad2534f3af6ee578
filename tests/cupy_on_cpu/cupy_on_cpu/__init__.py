"""CuPy without a GPU: the installed package, over a device that is pretended on the host.

CuPy's own code runs as it is: which arguments its functions accept and refuse, how dtypes are promoted, how its fusion
writes a function, which kernels are started and which copies go to the host. The calls below CuPy are replaced: memory
is the host's (`calls`, `machine`), kernels are compiled by g++ (`kernels`), and the libraries are NumPy and LAPACK
(`blas`, `solver`, `sorting`).

    PYTHONPATH=$PWD/tests/cupy_on_cpu python -c "import cupy; print(cupy.arange(3) * 2)"
"""

import importlib.machinery
import platform
import shutil
import sys
from pathlib import Path
from types import ModuleType

from cupy_on_cpu.machine import counts

__all__ = ["become", "counts"]


def become(module: ModuleType, folder: Path) -> None:
    """Make `module`, found in `folder`, the CuPy that is installed elsewhere on the path, over the pretended device.

    Raises ImportError where this machine lacks something for it.
    """
    others = [path for path in sys.path if Path(path or ".").resolve() != folder.resolve()]
    spec = importlib.machinery.PathFinder.find_spec("cupy", others)
    if spec is None or spec.loader is None or spec.origin is None:
        raise ImportError("cupy_on_cpu: CuPy itself is not installed; pip install cupy-cuda13x")
    if platform.machine() != "x86_64":
        raise ImportError(f"cupy_on_cpu: needs an x86-64 processor, and this one is {platform.machine()}")
    if shutil.which("g++") is None:
        raise ImportError("cupy_on_cpu: g++ is not installed; it compiles the kernels")
    from cupy_on_cpu import calls

    calls.put_below()
    module.__spec__, module.__file__ = spec, spec.origin
    module.__path__ = list(spec.submodule_search_locations or [])
    spec.loader.exec_module(module)
    calls.put_above(module)
