"""CuPy's array API namespace: array-api-compat's, with functions of its own where that one waits for the GPU."""

import importlib
import math
from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

from chainrule.backend.fusion import fused
from chainrule.gates.types import Array

_CREATION = (
    *("arange", "empty", "eye", "full", "linspace", "ones", "zeros"),
    *("empty_like", "full_like", "ones_like", "zeros_like"),
)


@cache
def cupy_namespace() -> Any:
    """Return `array_api_compat.cupy` with other functions for creation, `sign`, `clip`, `solve` and `cholesky`.

    array-api-compat makes arrays on the current GPU, whatever `device` and the array to be like say. It writes NaN and
    bounds through masks, and the host must know how many elements a mask has. CuPy's own solve does not broadcast
    stacks, and its own cholesky leaves finite numbers where it fails.
    """
    compat: Any = importlib.import_module("array_api_compat.cupy")
    import cupy

    def sign(x: Array, /) -> Array:
        """Return the sign of each element; of a complex number x / |x|, and 0 for 0."""
        if x.dtype.kind == "c":
            return cupy.where(x == 0, 0, x / cupy.abs(x))
        return _sign_of_real(compat, x) if x.dtype.kind == "f" else compat.sign(x)

    def clip(x: Array, /, min: Any = None, max: Any = None) -> Array:
        """Return x within [min, max], in the dtype of x."""
        if x.dtype.kind != "f" or (min is None and max is None):
            return compat.clip(x, min, max)
        for bound, closer in ((min, cupy.maximum), (max, cupy.minimum)):
            if bound is not None:
                x = closer(x, bound.astype(x.dtype) if isinstance(bound, cupy.ndarray) else float(bound))
        return x

    def solve(x1: Array, x2: Array, /) -> Array:
        """Return the solution x of x1 x = x2, for each pair of matrices in stacks that broadcast."""
        if x2.ndim > 1 and x1.shape[:-2] != x2.shape[:-2]:
            stack = cupy.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
            x1, x2 = (cupy.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (x1, x2))
        return compat.linalg.solve(x1, x2)

    def cholesky(x: Array, /, *, upper: bool = False) -> Array:
        """Return the factor L of each x = L L^H, or L^H; NaN for a matrix that is not positive definite."""
        factor = compat.linalg.cholesky(x, upper=upper)
        pivots = cupy.diagonal(factor, axis1=-2, axis2=-1).real
        found = cupy.all(pivots > 0, axis=-1)[..., None, None]
        return cupy.where(found, factor, math.nan)

    def placed(make: Callable[..., Array]) -> Callable[..., Array]:
        """Return a creation function that makes its array on `device`, else on the GPU of the array to be like."""

        @wraps(make)
        def on_device(*given: Any, device: Any = None, **settings: Any) -> Array:
            if device is None and given and isinstance(given[0], cupy.ndarray):
                device = given[0].device
            with cupy.cuda.Device(device):
                return make(*given, **settings)

        return on_device

    creation = {name: placed(getattr(compat, name)) for name in _CREATION}
    linalg = _with(compat.linalg, solve=solve, cholesky=cholesky)
    return _with(compat, sign=sign, clip=clip, linalg=linalg, **creation)


@fused
def _sign_of_real(xp: Any, x: Array) -> Array:
    return xp.where(x > 0, 1, xp.where(x < 0, -1, xp.where(x == 0, 0, x)))


def _with(module: ModuleType, **functions: Any) -> ModuleType:
    """Return a module like another, with some functions replaced."""
    made = ModuleType(module.__name__, module.__doc__)
    vars(made).update(vars(module) | functions)
    return made
