"""Validation of arguments, as far as several public functions share it."""

import math
import operator
from typing import Any

import numpy as np

# Classes of other libraries that look like arrays: why they are not accepted as arrays, and what to do.
_NOT_ARRAYS = {
    ("numpy", "MaskedArray"): "whose mask would be lost; give x.filled(...), or the rows that are not masked",
    ("numpy", "matrix"): "on which * is the matrix product; give np.asarray(x)",
    ("pandas", "Series"): "which has an index; give x.to_numpy()",
    ("pandas", "DataFrame"): "which has an index; give x.to_numpy()",
}


def check_array_class(kind: type[Any]) -> None:
    """Raise TypeError for a class whose instances look like arrays and behave otherwise, such as np.matrix."""
    for base in kind.__mro__:
        # By its name, because importing pandas or NumPy's masked arrays for this test would take long.
        if why := _NOT_ARRAYS.get((base.__module__.partition(".")[0], base.__name__)):
            raise TypeError(f"expected a plain array; got a {base.__name__}, {why}")


def is_refused(kind: type[Any]) -> bool:
    """Say whether `check_array_class` refuses a class."""
    return any((base.__module__.partition(".")[0], base.__name__) in _NOT_ARRAYS for base in kind.__mro__)


def check_array(x: Any) -> None:
    """Raise TypeError for an instance of np.ndarray whose class `check_array_class` refuses."""
    if issubclass(type(x), np.ndarray):
        check_array_class(type(x))


def check_targets(who: str, cost: str, y: Any, most: float = 1.0) -> None:
    """Raise ValueError for targets y, a NumPy array, outside the range from 0 to `most` that a cost needs, or NaN.

    `who` is the function to name in the message.
    """
    low, high = y.min(), y.max()
    # The slack leaves room for finite differences at both ends.
    if not (low >= -1e-3 and high <= most + 1e-3):
        wanted = "up" if most == math.inf else f"to {most:g}"
        remedy = "no negative number" if most == math.inf else "0 and 1, or shares between"
        raise ValueError(
            f"{who}: {cost} needs targets from 0 {wanted}, got {low:g} .. {high:g}; give {remedy}"
        )


def check_scalar_cost(who: str, cost: Any) -> None:
    """Raise ValueError for a cost that is not a single number."""
    if shape := getattr(cost, "shape", ()):
        raise ValueError(f"{who}: expected a cost of shape (), got {tuple(shape)}; take its sum or its mean")


def check_function(who: str, f: Any) -> None:
    """Raise TypeError for an f that cannot be called."""
    if not callable(f):
        raise TypeError(f"{who}: expected a function; got {type(f).__name__}, which cannot be called")


def whole_number(who: str, name: str, value: Any, least: int | None = 0) -> int:
    """Return an integer of any type, NumPy's included, as Python's int.

    Raises TypeError for any other value, True and False included, and ValueError for an integer below `least`.
    """
    wanted = f"{who}: {name} must be a whole number" + ("" if least is None else f" from {least} up")
    # To Python, True is an integer; as an argument here it is a mistake.
    if isinstance(value, bool):
        raise TypeError(f"{wanted}, got {value}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{wanted}, got {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{wanted}, got {number}")
    return number


def real_number(who: str, name: str, value: Any) -> float:
    """Return a number of any type as Python's float; TypeError for any other value, text included."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{who}: {name} must be a number, got {value!r}") from None
