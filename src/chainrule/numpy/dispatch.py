"""NumPy's and CuPy's dispatch protocols: `np.sin(x)` on a traced array is `sin` of its namespace."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.numpy import functions as numpy_names
from chainrule.numpy.coercion import as_arrays, weak

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
    "around": "round",
    "fix": "trunc",
    "rint": "round",
}
_SETTINGS = {"ddof": "correction", "newshape": "shape", "a_min": "min", "a_max": "max", "kind": "stable"}
# NumPy takes its own integers here, and lists for tuples; gates take Python's, and tuples.
_INTEGERS = (
    *("axis", "axes", "axis1", "axis2", "destination", "newshape", "reps", "shape", "shift", "source"),
    *("axisa", "axisb", "axisc", "k", "n", "offset"),
)
# Without an axis, NumPy's functions of these names work on all elements in a row.
_FLATTENING = ("argsort", "cumprod", "cumsum", "sort", "take", "take_along_axis")
_OPERATORS = {
    **{"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "power": "**"},
    **{"floor_divide": "//", "remainder": "%", "matmul": "@", "bitwise_and": "&", "bitwise_or": "|"},
    **{"bitwise_xor": "^", "left_shift": "<<", "right_shift": ">>"},
}

_signature = functools.cache(inspect.signature)


def as_numpy(value: Any, dtype: Any, copy: bool | None) -> Any:
    """Return a plain array as a NumPy one."""
    return np.asarray(value, dtype=dtype) if copy is None else np.array(value, dtype=dtype, copy=copy)


def ufunc(space: Any, kernel: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Run a NumPy or CuPy universal function on arrays of which some are traced."""
    shown = getattr(kernel, "__name__", None) or kernel.name.removeprefix("cupy_")
    name = _NAMES.get(shown, shown)
    # SciPy's universal functions come this way too.
    full = f"numpy.{shown}" if hasattr(np, shown) else shown
    if method == "__call__" and "out" in settings:
        symbol, out = _OPERATORS.get(shown), settings["out"]
        inplace = symbol and inputs[0] is (out[0] if isinstance(out, tuple) else out)
        write = f"z = z {symbol} a" if inplace else f"z = numpy.{shown}(...)"
        raise TypeError(
            f"numpy.{shown}: out= and operators such as += change an array in place, which cannot be "
            f"followed. Write {write}"
        )
    if method != "__call__" or settings:
        asked = full + (f".{method}" if method != "__call__" else f" with {', '.join(settings)}")
        raise TypeError(f"{asked}: cannot be followed; write it with the functions of the array API standard")
    found: Callable[..., Any]
    if name in ("matvec", "vecmat"):
        found = functools.partial(_matrix_times_vectors, space, name)
    elif shown in numpy_names.UFUNCS:
        found = functools.partial(numpy_names.UFUNCS[shown], space)
    else:
        found = _found(space, name, full)
    space._by_ufunc[kernel] = found
    return found(*inputs)


def function(
    space: Any, numpy_function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run one of NumPy's other functions: its arguments by the names that the standard gives them."""
    part = numpy_function.__module__.removeprefix("numpy").removeprefix(".")
    shown = numpy_function.__name__
    full = f"numpy.{part}.{shown}" if part else f"numpy.{shown}"
    name = _NAMES.get(shown, shown)
    if name in ("ndim", "shape", "size") and len(args) == 1:
        return getattr(args[0], name)
    if name == "result_type":
        return space.result_type(*args)
    own = {"": numpy_names.MAIN, "linalg": numpy_names.LINALG}.get(part, {}).get(shown)
    if own is not None:
        return _own(space, own, full, args, kwargs)
    # Functions of other parts, such as numpy.emath, may have the name of one of these and compute something else.
    target = _found({"": space, "linalg": space.linalg, "fft": space.fft}.get(part), name, full)
    if name == "where":
        return _where(space, *args, **kwargs)
    if name in ("concat", "stack"):
        return _joined(space, target, shown, *args, **kwargs)
    signature = _signature(numpy_function)
    bound = signature.bind(*args, **kwargs).arguments
    wanted = _signature(target).parameters
    # The first of NumPy's is an array, whatever it is called.
    room = max(1, sum(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in wanted.values()))
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in wanted.values())
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter, value in bound.items():
        setting = _SETTINGS.get(parameter, parameter)
        if parameter in _INTEGERS:
            value = integers(value)
            if parameter in ("newshape", "reps", "shape") and isinstance(value, int):
                value = (value,)
        if variadic and parameter in ("args", "xi"):
            positional.extend(as_arrays(space, value))
        elif len(positional) < room:
            if isinstance(value, list | tuple) and parameter not in _INTEGERS:
                value = weak(space, value, *args)[0]
            positional.append(value)
        elif setting in named:
            raise TypeError(f"{full}: got {setting}= by two names; write one of them")
        elif setting in wanted:
            named[setting] = value
        elif value is not None and value is not np._NoValue:
            raise TypeError(f"{full}: {parameter}= cannot be followed; leave it out")
    if name == "permute_dims":
        axes = named.get("axes")
        order = tuple(reversed(range(positional[0].ndim))) if axes is None else axes
        named["axes"] = (order,) if isinstance(order, int) else order
    elif name == "squeeze" and named.get("axis") is None:
        named["axis"] = tuple(i for i, length in enumerate(positional[0].shape) if length == 1)
    elif name == "tensordot" and isinstance(named.get("axes"), tuple):
        named["axes"] = tuple((axes,) if isinstance(axes, int) else axes for axes in named["axes"])
    elif name == "take":
        positional = as_arrays(space, positional)
    if shown in _FLATTENING and named.get("axis", signature.parameters["axis"].default) is None:
        positional[0] = space.reshape(positional[0], (-1,))
        named["axis"] = 0
    return target(*positional, **named)


def _own(space: Any, own: Callable[..., Any], full: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run one of NumPy's functions that the standard does not have."""
    args = [int(a) if isinstance(a, np.integer) else a for a in args]
    wanted = _signature(own).parameters
    kwargs = {
        k: integers(v) if k in _INTEGERS else v
        for k, v in kwargs.items()
        if v is not np._NoValue and (k in wanted or (v is not None and (k, v) != ("casting", "same_kind")))
    }
    try:
        return own(space, *args, **kwargs)
    except TypeError:
        try:
            _signature(own).bind(space, *args, **kwargs)
        except TypeError as error:
            known = ", ".join(list(wanted)[1:])
            raise TypeError(f"{full}: {error}; what can be followed takes {known}") from None
        raise


def integers(value: Any) -> Any:
    """Return a setting with Python's integers for NumPy's, and tuples for lists."""
    if isinstance(value, np.integer | np.ndarray):
        value = value.tolist()
    return tuple(map(integers, value)) if isinstance(value, list | tuple) else value


def _where(space: Any, condition: Any, *branches: Any) -> Any:
    if not branches:
        return space.nonzero(condition)
    if len(branches) != 2:
        raise TypeError(
            "numpy.where: expected a condition alone or with two arrays; got 2 arguments. "
            "Write numpy.where(condition, x, y)"
        )
    return space.where(*weak(space, condition, *branches))


def _joined(
    space: Any, target: Any, shown: str, arrays: Any, axis: Any = 0, out: Any = None, **settings: Any
) -> Any:
    for setting, value in {"out": out, **settings}.items():
        if value is not None and (setting, value) != ("casting", "same_kind"):
            raise TypeError(
                f"numpy.{shown}: {setting}= cannot be followed; leave it out, and write xp.astype for a dtype"
            )
    return target(as_arrays(space, arrays), axis=integers(axis))


def _matrix_times_vectors(space: Any, name: str, first: Any, second: Any) -> Any:
    first, second = as_arrays(space, (first, second))
    matrix, vectors = (first, second) if name == "matvec" else (second, first)
    if matrix.ndim < 2 or vectors.ndim < 1:
        raise ValueError(
            f"numpy.{name}: expected a matrix and a vector, or stacks of them; "
            f"got shapes {first.shape} and {second.shape}. Write numpy.multiply or numpy.vecdot for others"
        )
    if name == "matvec":
        return space.matmul(matrix, vectors[..., None])[..., 0]
    if space.isdtype(vectors.dtype, "complex floating"):
        vectors = space.conj(vectors)
    return space.matmul(vectors[..., None, :], matrix)[..., 0, :]


def _found(space: Any, name: str, full: str) -> Callable[..., Any]:
    found = getattr(space, name, None)
    if found is None:
        raise TypeError(
            f"{full}: has no gradient rule. Write it with the functions of the array API standard, "
            "or give it a rule with chainrule.gate"
        )
    return found  # type: ignore[no-any-return]
