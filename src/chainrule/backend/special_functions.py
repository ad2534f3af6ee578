"""The special functions of each library: scipy.special, cupyx.scipy.special, and those of PyTorch and JAX."""

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.backend.namespaces import to_numpy

# Where the special functions of a library's arrays are.
_SPECIAL = {
    "numpy": "scipy.special",
    "cupy": "cupyx.scipy.special",
    "torch": "torch.special",
    "jax.numpy": "jax.scipy.special",
}
_BESSEL_IN_TORCH = {name: f"bessel_{name}" for name in ("j0", "j1", "y0", "y1")}


def special_function(xp: Any, name: str) -> Callable[..., Any] | None:
    """Return a function of scipy.special, by its name, for the plain arrays of a namespace; None where it has none.

    A namespace that notes calls answers for its library. Arrays of array-api-strict, which is there for tests, are
    computed by NumPy. Raises ImportError without SciPy.
    """
    if hasattr(xp, "_special_function"):
        return xp._special_function(name)  # type: ignore[no-any-return]
    own = xp.__name__.removeprefix("array_api_compat.")
    if own == "array_api_strict":
        return _by_numpy(xp, special_function(np, name))
    if own not in _SPECIAL:
        return None
    room = _SPECIAL[own]
    try:
        functions = importlib.import_module(room)
    except ImportError as error:
        raise ImportError(
            f'{name} needs {room}, which is not installed: pip install "chainrule[app]"'
        ) from error
    if name == "polygamma" and own != "numpy":
        return functools.partial(_polygamma, functions)
    if name == "zeta" and own != "numpy":
        # Riemann's function is Hurwitz's at 1; SciPy has it below 1 too.
        return lambda x, q=1.0: functions.zeta(x, q)
    return getattr(functions, _BESSEL_IN_TORCH.get(name, name) if own == "torch" else name, None)


def _polygamma(functions: Any, n: Any, x: Any) -> Any:
    """Return polygamma(n, x) for a number n, by SciPy's formula.

    PyTorch's own has 10 digits, JAX's takes integers alone, and CuPy's arrays alone.
    """
    if hasattr(n, "dtype"):
        return functions.polygamma(n, x)
    if n != int(n) or n < 0:
        raise ValueError(f"polygamma: expected a whole number n from 0 up; got {n}")
    n = int(n)
    return (-1) ** (n + 1) * math.factorial(n) * functions.zeta(n + 1.0, x) if n else functions.digamma(x)


def _by_numpy(xp: Any, f: Any) -> Callable[..., Any]:
    def function(*arrays: Any) -> Any:
        device = next(x.device for x in arrays if hasattr(x, "dtype"))
        y = f(*(to_numpy(x) if hasattr(x, "dtype") else x for x in arrays))
        y = tuple(
            xp.asarray(np.asarray(part), device=device) for part in (y if isinstance(y, tuple) else (y,))
        )
        return y if len(y) > 1 else y[0]

    return function
