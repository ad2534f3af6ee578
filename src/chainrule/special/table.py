"""The table of special functions, and how their gates reach the library that computes the values.

A gate has SciPy's name. Its values are those of SciPy or of the library that has its functions for other arrays; the
slopes are written here.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.autodiff.namespace import first_space
from chainrule.backend.special_functions import special_function
from chainrule.gates.helpers import is_transformed
from chainrule.gates.standard import note_flow
from chainrule.gates.types import Array, Gate, Pullback

# By SciPy's names, of which some are two names of one function; a function of two results is two gates.
GATES: dict[str, Gate | tuple[Gate, ...]] = {}

_F = TypeVar("_F", bound=Callable[..., Any])


def special(*names: str) -> Callable[[_F], _F]:
    """Enter an elementwise gate under its own name and under others."""

    def enter(gate: _F) -> _F:
        GATES.update(dict.fromkeys((gate.__name__, *names), gate))
        return slope(gate)

    return enter


def slope(gate: _F) -> _F:
    """Note that a gate is elementwise: a slope that is a gate itself, so that its own slopes are right as well."""
    note_flow(gate, "elementwise")
    return gate


def library(gate: Gate, xp: Any, *arrays: Any) -> Any:
    """Return the value of a gate by the library of its arrays; it is recorded where an array is traced.

    Raises TypeError where the library has no such function.
    """
    for array in arrays:
        if is_transformed(array):
            return array.record(gate, arrays, {})
    return values(gate.__name__, xp, *arrays)


def values(name: str, xp: Any, *arrays: Any) -> Any:
    """Return the values of a function of scipy.special for plain arrays; TypeError where their library has none."""
    found = special_function(xp, name)
    if found is None:
        own = xp.__name__.removeprefix("array_api_compat.")
        raise TypeError(f"{name}: {own} has no such special function. Convert the array to NumPy's")
    y = found(*arrays)
    return (
        tuple(_narrowed(xp, one, arrays) for one in y) if isinstance(y, tuple) else _narrowed(xp, y, arrays)
    )


def _narrowed(xp: Any, y: Array, arrays: tuple[Any, ...]) -> Array:
    """Return y in float32 where all arrays are: some functions of SciPy's and CuPy's give float64 for them."""
    dtypes = [x.dtype for x in arrays if hasattr(x, "dtype")]
    narrow = y.dtype == xp.float64 and dtypes and all(dtype == xp.float32 for dtype in dtypes)
    return xp.astype(y, xp.float32) if narrow else y


def as_arrays(items: Sequence[Any]) -> list[Array]:
    """Return numbers and lists as arrays of the dtype and on the device of the first array of real floating dtype."""
    if all(hasattr(x, "dtype") for x in items):
        return list(items)
    given = [x for x in items if hasattr(x, "dtype")] or [np.asarray(0.0)]
    xp = first_space(given)._base
    floats = [x for x in given if xp.isdtype(x.dtype, "real floating")]
    like = (floats or given)[0]
    dtype = like.dtype if any(x is like for x in items) and floats else None
    return [x if hasattr(x, "dtype") else xp.asarray(x, dtype=dtype, device=like.device) for x in items]


def refuse_complex(name: str, space: Any, arrays: Sequence[Any]) -> None:
    """Raise TypeError for complex arrays, for which the slopes are not written."""
    for x in arrays:
        if hasattr(x, "dtype") and space._base.isdtype(x.dtype, "complex floating"):
            raise TypeError(f"{name}: its gradient is known for real numbers alone; got {x.dtype}")


def defined(xp: Any, y: Array, slope: Array) -> Array:
    """Return a slope, and NaN where the value y is: outside the domain the formula may give a number."""
    return xp.where(xp.isnan(y), math.nan, slope)


def unknown(name: str, argument: str) -> Pullback:
    """Return a pullback to an argument with respect to which no derivative is known: a TypeError that says so."""

    def pullback(g: Array) -> Array:
        raise TypeError(
            f"{name}: its derivative with respect to {argument} is not known here. "
            f"Use chainrule.stop_gradient on {argument}, or give {name} a rule with chainrule.gate"
        )

    return pullback
