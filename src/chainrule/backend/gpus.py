"""Several GPUs: CuPy computes on the current one, and results belong on the GPU of the arguments."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from chainrule import pytree

_Function = TypeVar("_Function", bound=Callable[..., Any])


def on_their_gpu(f: _Function) -> _Function:
    """Return f with the GPU of the first CuPy array among its arguments, nested ones too, as CuPy's current one.

    With arrays of other libraries, and where there is one GPU, f runs as it is.
    """

    @wraps(f)
    def run(*args: Any, **settings: Any) -> Any:
        if "cupy" not in sys.modules:
            return f(*args, **settings)
        with _gpu_of([args, settings]):
            return f(*args, **settings)

    return cast(_Function, run)


def _gpu_of(arguments: Any) -> AbstractContextManager[Any]:
    if gpu_count() > 1:
        import cupy

        for x in pytree.flat(arguments):
            device = getattr(x, "device", None)
            if isinstance(device, cupy.cuda.Device):
                return cast(AbstractContextManager[Any], device)
    return nullcontext()


def gpu_count() -> int:
    """Return how many GPUs CuPy sees, 0 where it cannot work; CuPy must be installed."""
    import cupy

    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0
