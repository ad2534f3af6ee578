"""NumPy's and CuPy's dispatch protocols: `np.sin(x)` on a traced array is `sin` of its namespace."""

import functools
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gates.helpers import is_transformed
from chainrule.numpy_names.coercion import as_operand, integers, lengths
from chainrule.numpy_names.names import (
    FUNCTIONS,
    SPECIAL,
    STANDARD_ARGUMENTS,
    STANDARD_NAMES,
    UFUNC_METHODS,
    UFUNCS,
)

__all__ = ["as_numpy", "function", "integers", "ufunc"]

# NumPy takes its own integers and lists for these arguments; the standard takes Python's integers and tuples.
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            *(
                "axis",
                "axes",
                "s",
                "axis1",
                "axis2",
                "axisa",
                "axisb",
                "axisc",
                "destination",
                "k",
                "n",
                "offset",
            ),
            *("shift", "source"),
        ),
        integers,
    ),
    **dict.fromkeys(("newshape", "reps", "shape"), lengths),
}
# Functions whose answers are texts, dtypes and plans, to which no gradient flows.
_ABOUT_ARRAYS = {
    *(
        "array2string",
        "array_repr",
        "array_str",
        "common_type",
        "einsum_path",
        "isfortran",
        "min_scalar_type",
    ),
}
# How each ufunc is written as an operator, for the error about changes in place.
_OPERATORS = {
    "add": "+",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
    "divide": "/",
    "floor_divide": "//",
    "left_shift": "<<",
    "matmul": "@",
    "multiply": "*",
    "power": "**",
    "remainder": "%",
    "right_shift": ">>",
    "subtract": "-",
    "true_divide": "/",
}

# Whose universal functions are taken by their names. Others' may share a name and compute something else.
_LIBRARIES = ("numpy", "scipy.special", "cupy", "cupyx.scipy.special")

_signature = functools.cache(inspect.signature)


def as_numpy(value: Any, dtype: Any, copy: bool | None) -> Any:
    """Return a plain array as a NumPy one."""
    return np.asarray(value, dtype=dtype) if copy is None else np.array(value, dtype=dtype, copy=copy)


def ufunc(space: Any, kernel: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Run a universal function of NumPy, CuPy or SciPy on arrays of which some are traced.

    Raises TypeError for a function without a gradient rule, for its methods such as `reduce`, and for settings.
    """
    if settings and is_transformed(out := _one_out(settings)):
        return _written(out, ufunc(space, kernel, method, inputs, _without_out(settings)))
    full = getattr(kernel, "__name__", None) or kernel.name
    # CuPy's kernels are called cupy_exp, cupyx_scipy_gamma and cupyx_scipy_special_erf.
    name = re.sub("^cupyx?_(scipy_)?(special_)?", "", full)
    library = next((own for own in _LIBRARIES if getattr(sys.modules.get(own), name, None) is kernel), None)
    # The ufuncs inside CuPy's functions, such as cupy.where, have no name in a module.
    of_cupy = f"{type(kernel).__module__}.{type(kernel).__name__}" == "cupy._core._kernel.ufunc"
    if library is None and not (of_cupy and full.startswith("cupy_")):
        raise TypeError(
            f"{name}: expected a function of NumPy, SciPy or CuPy; got another one of this name ({kernel!r}), whose "
            "gradient is not known. Give it a rule with chainrule.gate"
        )
    full = f"numpy.{name}" if library == "numpy" else name
    settings = {key: value for key, value in settings.items() if not _is_default(key, value)}
    of_method = UFUNC_METHODS.get(method)
    if "out" in settings or (settings and of_method is None) or (method != "__call__" and of_method is None):
        _refuse(name, full, method, inputs, settings)
    own = UFUNCS.get(name) or SPECIAL.get(name)
    run = functools.partial(own, space) if own else _standard(space, STANDARD_NAMES.get(name, name), full)
    if of_method is not None:
        return of_method(space, name, run, *inputs, **settings)
    space._by_ufunc[kernel] = run
    return run(*inputs)


def function(
    space: Any, numpy_function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run one of NumPy's other functions on arrays of which some are traced.

    It is the function of that name in FUNCTIONS, or else the standard's, with the standard's names for its arguments.
    Raises TypeError for a function without a gradient rule, and for arguments that cannot be traced.
    """
    if is_transformed(out := _one_out(kwargs)):
        result = function(space, numpy_function, args, _without_out(kwargs))
        if result.shape != out.shape:
            raise ValueError(
                f"numpy.{numpy_function.__name__}: expected out= of shape {result.shape}; got {out.shape}"
            )
        return _written(out, result)
    part = numpy_function.__module__.removeprefix("numpy").removeprefix(".")
    shown = numpy_function.__name__
    name = f"{part}.{shown}" if part else shown
    own = FUNCTIONS.get(name)
    if own is not None:
        return _call_own(space, own, f"numpy.{name}", args, kwargs)
    if name in _ABOUT_ARRAYS:
        return numpy_function(*_below(name, args), **kwargs)
    # Functions of other parts, such as numpy.emath, may share a name with the standard and compute something else.
    home = {"": space, "linalg": space.linalg, "fft": space.fft}.get(part)
    target = _standard(home, STANDARD_NAMES.get(shown, shown), f"numpy.{name}")
    bound = _signature(numpy_function).bind(*args, **kwargs).arguments
    return _call_standard(space, target, f"numpy.{name}", bound)


def _one_out(settings: dict[str, Any]) -> Any:
    """Return where a result is to be written, if that is one array."""
    out = settings.get("out")
    return out[0] if isinstance(out, tuple) and len(out) == 1 else out


def _without_out(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "out"}


def _written(out: Any, result: Any) -> Any:
    """Return an array of a transformed namespace with a result written to it, if its items may be set."""
    out[...] = result
    return out


def _below(name: str, x: Any) -> Any:
    """Return what is below every level of x, in tuples too; of a batch there is none."""
    if isinstance(x, tuple):
        return tuple(_below(name, y) for y in x)
    while is_transformed(x):
        x = x.value if hasattr(x, "node") else x._converted(f"numpy.{name}")
    return x


def _call_own(space: Any, own: Callable[..., Any], full: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call a function of FUNCTIONS, which has NumPy's names for its arguments."""
    names, by_place, takes_any = _argument_names(own)
    for name, value in kwargs.items():
        if not (name in names or takes_any or _is_default(name, value)):
            written = " and write xp.astype on the result" if name == "dtype" else ""
            raise TypeError(
                f"{full}: {name}= cannot be traced; leave it out{written}. "
                f"What can be traced takes {', '.join(names)}"
            )
    args = [*map(_converted, by_place, args), *args[len(by_place) :]]
    kwargs = {
        k: _converted(k, v) for k, v in kwargs.items() if (k in names or takes_any) and v is not np._NoValue
    }
    try:
        return own(space, *args, **kwargs)
    except TypeError:
        try:
            _signature(own).bind(space, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{full}: {error}; what can be traced takes {', '.join(names)}") from None
        raise


@functools.cache
def _argument_names(own: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
    """Return the names of the arguments after the namespace, those that may be given by place, and whether any may."""
    parameters = list(_signature(own).parameters.values())[1:]
    by_place = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    return [p.name for p in parameters], by_place, takes_any


def _call_standard(space: Any, target: Callable[..., Any], full: str, bound: dict[str, Any]) -> Any:
    """Call a function of the standard with NumPy's arguments, `bound` to NumPy's names."""
    wanted = _signature(target).parameters
    # NumPy's first argument is an array, whatever the standard's signature says.
    room = max(1, sum(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in wanted.values()))
    places = {name: i for i, name in enumerate(wanted)}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter, given in bound.items():
        value, setting = _converted(parameter, given), STANDARD_ARGUMENTS.get(parameter, parameter)
        is_next = setting not in wanted or places[setting] == len(positional)  # not so max= without min=
        if len(positional) < room and is_next:
            is_setting = parameter in _CONVERSIONS
            positional.append(value if is_setting else as_operand(space, value, bound.values()))
        elif setting in named:
            raise TypeError(f"{full}: got {setting}= by two names; write one of them")
        elif setting in wanted:
            named[setting] = value
        elif not _is_default(parameter, value):
            raise TypeError(f"{full}: {parameter}= cannot be traced; leave it out")
    return target(*positional, **named)


def _converted(name: str, value: Any) -> Any:
    return _CONVERSIONS[name](value) if name in _CONVERSIONS else value


def _is_default(name: str, value: Any) -> bool:
    """Return whether a setting says nothing, so that it may be left out."""
    return value is None or value is np._NoValue or (name == "casting" and value == "same_kind")


def _standard(namespace: Any, name: str, full: str) -> Callable[..., Any]:
    found = getattr(namespace, name, None)
    if found is None:
        raise TypeError(
            f"{full}: has no gradient rule. Write it with the functions of the array API standard, "
            "or give it a rule with chainrule.gate"
        )
    return found  # type: ignore[no-any-return]


def _refuse(name: str, full: str, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> None:
    """Raise TypeError for a call of a ufunc that has settings, or is one of its methods."""
    if method == "__call__" and "out" in settings:
        symbol, out = _OPERATORS.get(name), settings["out"]
        in_place = symbol and inputs[0] is (out[0] if isinstance(out, tuple) else out)
        write = f"z = z {symbol} a" if in_place else f"z = {full}(...)"
        raise TypeError(
            f"{full}: out= and operators such as += change an array in place, which cannot be traced. Write {write}"
        )
    asked = full + (f".{method}" if method != "__call__" else f" with {', '.join(settings)}")
    raise TypeError(f"{asked}: cannot be traced; write it with the functions of the array API standard")
