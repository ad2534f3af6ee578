"""What public functions ask of what they are given, wherever that is the same."""

import operator
from typing import Any

import numpy as np

# Of other libraries' classes that look like arrays, why they are none here, and what to do.
_OTHERS = {
    ("numpy", "MaskedArray"): "whose mask would be lost; give x.filled(...), or the rows that are not masked",
    ("numpy", "matrix"): "on which * is the matrix product; give np.asarray(x)",
    ("pandas", "Series"): "which has an index; give x.to_numpy()",
    ("pandas", "DataFrame"): "which has an index; give x.to_numpy()",
}


def check_kind(kind: type[Any]) -> None:
    """Raise TypeError for a class whose instances would be taken for arrays that they are not."""
    for base in kind.__mro__:
        # By its name: NumPy itself does not import the module of masked arrays, and nobody here pandas.
        if why := _OTHERS.get((base.__module__.partition(".")[0], base.__name__)):
            raise TypeError(f"expected a plain array; got a {base.__name__}, {why}")


def check_array(x: Any) -> None:
    """Raise TypeError for one of NumPy's arrays whose class `check_kind` refuses."""
    if isinstance(x, np.ndarray):
        check_kind(type(x))


def check_shares(who: str, cost: str, y: Any, most: float = 1.0) -> None:
    """Raise ValueError for targets y, of NumPy, that are not from 0 to `most` as a cost takes them, NaN among them.

    The slack lets somebody take differences at the ends.
    """
    low, high = y.min(), y.max()
    if not (low >= -1e-3 and high <= most + 1e-3):
        raise ValueError(
            f"{who}: {cost} needs targets from 0 to {most:g}, got {low:g} .. {high:g}; give 0 and 1, or shares between"
        )


def check_cost(who: str, cost: Any) -> None:
    """Raise ValueError for a cost that is more than one number."""
    if shape := getattr(cost, "shape", ()):
        raise ValueError(f"{who}: expected a cost of shape (), got {tuple(shape)}; take its sum or its mean")


def check_function(who: str, f: Any) -> None:
    """Raise TypeError for what cannot be called."""
    if not callable(f):
        raise TypeError(f"{who}: expected a function; got {type(f).__name__}, which cannot be called")


def whole_number(who: str, name: str, value: Any, least: int | None = 0) -> int:
    """Return a whole number of any kind, NumPy's too, as Python's.

    Raises TypeError for anything else, True among it, and ValueError for one that is under `least`.
    """
    wanted = f"{who}: {name} must be a whole number" + ("" if least is None else f" from {least} up")
    # True is a whole number to Python, and a slip here.
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
    """Return a number of any kind as Python's float; TypeError for what is none."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{who}: {name} must be a number, got {value!r}") from None
