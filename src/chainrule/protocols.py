"""NumPy's and CuPy's dispatch protocols: `np.sin(x)` on a traced array is `sin` of its namespace."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

_NAMES = {
    "absolute": "abs",
    "fabs": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "concatenate": "concat",
    "conjugate": "conj",
    "cumprod": "cumulative_prod",
    "cumsum": "cumulative_sum",
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "mod": "remainder",
    "power": "pow",
    "right_shift": "bitwise_right_shift",
    "transpose": "permute_dims",
    "true_divide": "divide",
    "amax": "max",
    "amin": "min",
}
_SETTINGS = {"ddof": "correction", "newshape": "shape", "a_min": "min", "a_max": "max", "kind": "stable"}
# NumPy's own functions of these names work on other axes than the standard's.
_NUMPY_ONLY = ("cross", "diagonal", "outer", "trace")


def as_numpy(value: Any, dtype: Any, copy: bool | None) -> Any:
    """Return a plain array as a NumPy one."""
    return np.asarray(value, dtype=dtype) if copy is None else np.array(value, dtype=dtype, copy=copy)


def ufunc(space: Any, kernel: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Run a NumPy or CuPy universal function on arrays of which some are traced."""
    name = getattr(kernel, "__name__", None) or kernel.name.removeprefix("cupy_")
    name = _NAMES.get(name, name)
    if method != "__call__" or settings:
        asked = f"numpy.{name}" + (f".{method}" if method != "__call__" else f" with {', '.join(settings)}")
        raise TypeError(f"{asked}: cannot be followed; write it with the functions of the array API standard")
    if name == "matvec":
        name = "matmul"
    found = space.by_ufunc[kernel] = _found(space, name)
    return found(*inputs)


def function(
    space: Any, numpy_function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run one of NumPy's other functions: its arguments by the names that the standard gives them."""
    name = numpy_function.__name__
    name = _NAMES.get(name, name)
    part = numpy_function.__module__.removeprefix("numpy").removeprefix(".")
    linalg = part == "linalg"
    if name in _NUMPY_ONLY and not linalg:
        raise TypeError(
            f"numpy.{name}: cannot be followed; numpy.linalg.{name} can, on the axes of the standard"
        )
    if name in ("ndim", "shape", "size") and len(args) == 1:
        return getattr(args[0], name)
    if name == "dot" and len(args) == 2:
        ndims = [getattr(a, "ndim", 0) for a in args]
        if max(ndims) <= 2:
            return (space.matmul if min(ndims) else space.multiply)(*args)
    if (
        name == "norm"
        and len(args) == 1
        and "ord" not in kwargs
        and isinstance(kwargs.get("axis"), int | None)
    ):
        return space.linalg.vector_norm(*args, **kwargs)
    target = _found(getattr(space, part) if part in ("linalg", "fft") else space, name)
    if name == "where" or (name in ("concat", "stack") and len(args) == 1):
        return target(*args, **kwargs)
    bound = inspect.signature(numpy_function).bind(*args, **kwargs).arguments
    wanted = inspect.signature(target).parameters
    room = sum(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in wanted.values())
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in wanted.values())
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter, value in bound.items():
        setting = _SETTINGS.get(parameter, parameter)
        if variadic and parameter in ("args", "xi"):
            positional.extend(value)
        elif len(positional) < room:
            positional.append(value)
        elif setting in wanted:
            named[setting] = value
        elif value is not None and value is not np._NoValue:
            raise TypeError(f"numpy.{name}: {parameter}= cannot be followed; leave it out")
    if name == "permute_dims" and named.get("axes") is None:
        named["axes"] = tuple(reversed(range(positional[0].ndim)))
    return target(*positional, **named)


def _found(space: Any, name: str) -> Callable[..., Any]:
    found = getattr(space, name, None)
    if found is None:
        raise TypeError(
            f"numpy.{name}: has no gradient rule. Write it with the functions of the array API standard, "
            "or give it a rule with chainrule.gate"
        )
    return found  # type: ignore[no-any-return]
