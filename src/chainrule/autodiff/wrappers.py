"""How the functions of a differentiable namespace are made: recorded, composed, constant or refusing."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import gates
from chainrule.autodiff.tape import Node, Parts, admit, apply, check_settings, watch
from chainrule.autodiff.traced import Traced, plain_value, unwrapped
from chainrule.gates.types import Array, Gate


def part(i: int, g: Array) -> Parts:
    """Return the gradient of the i-th result among those of its gate."""
    return Parts({i: g})


def recorded(space: Any, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    """Make the function that records a gate, and computes `plain` where nothing is followed."""
    kinds = [p.kind for p in list(inspect.signature(gate).parameters.values())[1:]]
    settings = kinds.count(inspect.Parameter.KEYWORD_ONLY)
    arrays = kinds.count(inspect.Parameter.POSITIONAL_ONLY)
    if gate.__name__ not in gates.SEVERAL_RESULTS and arrays + settings == len(kinds):
        if arrays == 1:
            return _described(_unary(space, gate, plain), gate)
        if arrays == 2 and not settings:
            return _described(_binary(space, gate, plain), gate)

    def function(*arrays: Any, **static: Any) -> Any:
        return apply(space, gate, plain, arrays, static)

    return _described(function, gate)


# The two functions that follow are `apply` for its commonest cases, in a third of its time: small networks
# spend most of theirs here.


def _unary(space: Any, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space.gates

    def function(x: Array, /, **static: Any) -> Any:
        if type(x) is Traced and x.level:
            value = x.value
            if type(value) is not Traced:
                if static:
                    check_settings(gate, static)
                result, (back,) = gate(xp, value, **static)
                node, dtype = x.node, result.dtype
                if dtype is node.dtype and back is not None:
                    return Traced(result, space, x.level, Node(((node, back),), result.shape, dtype, None))
        return apply(space, gate, plain, (x,), static)

    return function


def _binary(space: Any, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space.gates

    def function(x1: Array, x2: Array, /) -> Any:
        edges: Any = None
        if type(x1) is Traced and x1.level:
            a, level = x1.value, x1.level
            if type(x2) is Traced:
                b = x2.value
                if x2.level == level and type(a) is not Traced and type(b) is not Traced:
                    result, (back1, back2) = gate(xp, a, b)
                    if back2 is not None:
                        edges, watched = ((x1.node, back1), (x2.node, back2)), None
            elif type(a) is not Traced:
                watched = watch(x2, None) if type(x2) is np.ndarray else admit(x2)
                result, (back1, _) = gate(xp, a, x2)
                edges = ((x1.node, back1),)
        elif type(x1) is not Traced and type(x2) is Traced and x2.level and type(x2.value) is not Traced:
            level = x2.level
            watched = watch(x1, None) if type(x1) is np.ndarray else admit(x1)
            result, (_, back2) = gate(xp, x1, x2.value)
            if back2 is not None:
                edges = ((x2.node, back2),)
        if edges is not None and result.dtype is edges[0][0].dtype:
            return Traced(result, space, level, Node(edges, result.shape, result.dtype, watched))
        return apply(space, gate, plain, (x1, x2), {})

    return function


def unnamed(space: Any, gate: Gate) -> Callable[..., Any]:
    """Make the function that records a gate that the standard has no name for."""

    def function(*arrays: Any, **static: Any) -> Any:
        return space.run(gate, arrays, static)

    return _described(function, gate)


def composed(space: Any, composed: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that is written in the namespace's others."""

    def function(*arrays: Any, **static: Any) -> Any:
        if is_followed(arrays) or is_followed(static.values()):
            return composed(space, *arrays, **static)
        return space.wrap(plain(*map(unwrapped, arrays), **{k: unwrapped(v) for k, v in static.items()}))

    return _described(function, composed)


def constant(space: Any, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function whose results no gradient flows through."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return space.wrap(plain(*map(unwrapped, args), **{k: unwrapped(v) for k, v in kwargs.items()}))

    return function


def unwrapping(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function whose results are no arrays."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return plain(*map(unwrapped, args), **kwargs)

    return function


def refusing(space: Any, plain: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Make the function that has no rule: constants pass through, what is followed is an error."""
    passing = constant(space, plain)

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        refuse_followed(name, (*args, *kwargs.values()), "a rule of your own with chainrule.gate")
        return passing(*args, **kwargs)

    return function


def of_a_list(space: Any, recorded: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that takes its arrays in a list."""

    @functools.wraps(plain)
    def function(arrays: Any, /, *, axis: Any = 0) -> Any:
        if is_followed(arrays):
            return recorded(*arrays, axis=axis)
        return space.wrap(plain([unwrapped(a) for a in arrays], axis=axis))

    return function


def clip(space: Any, recorded: Callable[..., Any]) -> Callable[..., Any]:
    """Make clip, whose bounds may come by name and may both be missing."""

    def clip(x: Array, /, min: Any = None, max: Any = None) -> Any:
        if min is None and max is None:
            return space.positive(x)
        return recorded(x, min, max)

    return clip


def astype(space: Any, recorded: Callable[..., Any]) -> Callable[..., Any]:
    """Make astype, which follows floating dtypes alone."""

    def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        settings = {"copy": copy} if device is None else {"copy": copy, "device": device}
        if type(x) is Traced and x.level and not space.is_floating(dtype):
            if space.base.isdtype(dtype, "complex floating"):
                raise TypeError(
                    f"astype: a followed array cannot become {dtype}: complex numbers have no gradient here. "
                    "Use chainrule.stop_gradient(x) first"
                )
            return space.wrap(space.base.astype(plain_value(x), dtype, **settings))
        return recorded(x, dtype, **settings)

    return astype


def _described(function: Callable[..., Any], gate: Callable[..., Any]) -> Callable[..., Any]:
    """Give a namespace's function the name, text and signature of its gate, less the leading xp."""
    function.__name__ = function.__qualname__ = gate.__name__
    function.__doc__ = gate.__doc__
    signature = inspect.signature(gate)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:], return_annotation=inspect.Signature.empty
    )
    return function


def is_followed(values: Any) -> bool:
    """Say whether there is a followed array among values, also inside lists and tuples."""
    for value in values:
        if type(value) is Traced:
            if value.level:
                return True
        elif isinstance(value, list | tuple) and is_followed(value):
            return True
    return False


def refuse_followed(name: str, values: Any, instead: str) -> None:
    """Raise TypeError where a value is followed."""
    if is_followed(values):
        raise TypeError(
            f"{name}: has no gradient rule, and one of its arguments is followed. "
            f"Use chainrule.stop_gradient on it, or write {instead}"
        )
