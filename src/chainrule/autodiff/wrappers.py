"""How a differentiable namespace makes the functions that are no gates, from those of the plain namespace."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.traced import any_traced, is_traced, plain_value, unwrapped
from chainrule.gates import composed as composed_functions
from chainrule.gates.helpers import is_complex, is_transformed
from chainrule.gates.types import Array

Function = Callable[..., Any]


def composed(space: Any, written: Function, plain: Function) -> Function:
    """Make the function that is written in others of the namespace."""

    def function(*arrays: Any, **settings: Any) -> Any:
        if any_traced(arrays) or any_traced(settings.values()):
            return written(space, *arrays, **settings)
        return space._wrap(plain(*map(unwrapped, arrays), **{k: unwrapped(v) for k, v in settings.items()}))

    return function


def constant(space: Any, _: None, plain: Function) -> Function:
    """Make the function whose results no gradient flows through."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return space._made(plain(*map(unwrapped, args), **{k: unwrapped(v) for k, v in kwargs.items()}))

    return function


def refusing(space: Any, _: None, plain: Function) -> Function:
    """Make the function without a rule: it takes constants, and raises TypeError for a traced array."""
    of_constants = constant(space, None, plain)

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        refuse_traced(plain.__name__, (*args, *kwargs.values()), "a rule of your own with chainrule.gate")
        return of_constants(*args, **kwargs)

    return function


def about_dtypes(space: Any, _: None, plain: Function) -> Function:
    """Make the function whose results are no arrays."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return plain(*map(unwrapped, args), **kwargs)

    return function


def value(space: Any, _: None, plain: Any) -> Any:
    """Return a dtype or a number as it is."""
    return plain


def unnamed(space: Any, gate: Function) -> Function:
    """Make the function that records a gate for which the plain namespace has no function."""

    def function(*arrays: Any, **settings: Any) -> Any:
        return space._record(gate, arrays, settings)

    return described(function, gate)


# --- Functions whose arguments the standard writes otherwise than their gates ---


def _of_a_list(space: Any, recorded: Function, plain: Function) -> Function:
    """Make the function that takes its arrays in a list."""

    @functools.wraps(plain)
    def function(arrays: Any, /, *, axis: Any = 0) -> Any:
        if any_traced(arrays):
            return recorded(*arrays, axis=axis)
        return space._wrap(plain([unwrapped(a) for a in arrays], axis=axis))

    return function


def _clip(space: Any, recorded: Function, plain: Function) -> Function:
    """Make clip, whose bounds may be given by name and may both be missing."""

    def clip(x: Array, /, min: Any = None, max: Any = None) -> Any:
        if min is None and max is None:
            return space.positive(x)
        if is_transformed(min) or is_transformed(max):
            x = _as_result(space, x, [bound for bound in (min, max) if bound is not None])
        return recorded(x, min, max)

    return clip


def _as_result(space: Any, x: Any, others: list[Any]) -> Any:
    """Return a number or an array of integers in the dtype of its result with others, of which one is an array."""
    if not hasattr(x, "dtype"):
        # As NumPy, whose numbers in the place of x are arrays of float64 and int64.
        x = space.asarray(x, device=next(y.device for y in others if hasattr(y, "device")))
    return x if space._is_floating(x.dtype) else space.astype(x, space.result_type(x, *others))


def _astype(space: Any, recorded: Function, plain: Function) -> Function:
    """Make astype, whose result is traced for floating dtypes alone."""

    def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        settings = {"copy": copy} if device is None else {"copy": copy, "device": device}
        if is_traced(x) and not space._is_floating(dtype):
            return space._wrap(space._plain.astype(plain_value(x), dtype, **settings))
        return recorded(x, dtype, **settings)

    return astype


def _linspace(space: Any, recorded: Function, plain: Function) -> Function:
    """Make linspace, whose ends may be arrays; the plain function of the standard takes numbers alone."""

    @functools.wraps(recorded)
    def function(start: Any, stop: Any, /, num: Any = 50, **settings: Any) -> Any:
        if is_transformed(start) or is_transformed(stop):
            return composed_functions.linspace(space, start, stop, num, **settings)
        return recorded(start, stop, num, **settings)

    return function


def _sign(space: Any, recorded: Function, plain: Function) -> Function:
    """Make sign, which is constant for real numbers and has a slope for complex ones."""

    @functools.wraps(recorded)
    def sign(x: Array, /) -> Any:
        return space._direction(x) if is_complex(space._base, x) else recorded(x)

    return sign


# Each takes (space, the recorded function, the plain function).
ADAPTERS: dict[str, Callable[[Any, Function, Function], Function]] = {
    "astype": _astype,
    "clip": _clip,
    "concat": _of_a_list,
    "linspace": _linspace,
    "sign": _sign,
    "stack": _of_a_list,
}


def described(function: Function, gate: Function) -> Function:
    """Give a namespace's function the name, text and signature of its gate, less the leading xp."""
    function.__name__ = function.__qualname__ = gate.__name__
    function.__doc__ = gate.__doc__
    signature = inspect.signature(gate)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:], return_annotation=inspect.Signature.empty
    )
    return function


def refuse_traced(name: str, values: Any, instead: str) -> None:
    """Raise TypeError where a value is traced."""
    if any_traced(values):
        raise TypeError(
            f"{name}: has no gradient rule, and one of its arguments is traced. "
            f"Use chainrule.stop_gradient on it, or write {instead}"
        )
