"""A computation that explain was given, written as Python: forward and backward."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import differentiable, plain_namespace
from chainrule.autodiff.traced import Traced
from chainrule.autodiff.transforms import value_and_grad
from chainrule.backend.namespaces import namespace
from chainrule.program.names import variable_of


def written(f: Callable[..., Any], name: str, values: dict[str, Any]) -> str:
    """Return the program of f and its gradient in the floating ones of the values, which it takes in their order."""

    def summed(*arrays: Any) -> Any:
        out = f(*arrays)
        return namespace(out).sum(out) if getattr(out, "shape", ()) != () else out

    summed.__name__ = name
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    summed.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(key, kind) for key in values]
    )
    arrays = list(map(_as_arrays, values.values()))
    traced = [i for i, x in enumerate(arrays) if pytree.flat(x) and all(map(_is_floating, pytree.flat(x)))]
    return source_of(value_and_grad(summed, traced) if traced else summed, arrays)


def source_of(f: Callable[..., Any], arguments: Sequence[Any]) -> str:
    """Return the program of a function for such arguments."""
    from chainrule.program.compiled import compile as compiled

    return str(compiled(f).source(*arguments))


def _as_arrays(value: Any) -> Any:
    """Return numbers and lists of numbers as arrays, and trees of arrays as they are."""
    if any(hasattr(x, "dtype") for x in pytree.flat(value)) or not isinstance(
        value, int | float | list | tuple
    ):
        return value
    return np.asarray(value, dtype=float)


def _is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and bool(plain_namespace(x).isdtype(x.dtype, "real floating"))


class Names:
    """What an expression needs of a recorder, over the differentiable namespace of the arrays that it is given."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._space = differentiable(namespace(*arrays) if arrays else np)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def number(self, value: float) -> Traced:
        """Return a number as a constant array."""
        return Traced(self._space._base.asarray(float(value)), self._space)

    def name(self, x: Any, name: str) -> None:
        """Name a recorded array."""
        variable = variable_of(x)
        if variable is not None:
            variable.name = name
