"""Arguments of SciPy's functions: numbers, lists and arrays of any library, and the namespace that they share."""

from typing import Any

import numpy as np

from chainrule.autodiff.namespace import first_space
from chainrule.gates.helpers import innermost, is_transformed
from chainrule.gates.types import Array
from chainrule.special.sums import floats


def prepared(*items: Any) -> tuple[Any, ...]:
    """Return the namespace of the items, and each as an array of numbers that are not whole by their dtype; None stays.

    The namespace is the plain one where no item is of a transformed namespace.
    """
    found = iter(floats([x for x in items if x is not None]))
    arrays = [x if x is None else next(found) for x in items]
    return namespace_of([x for x in arrays if x is not None]), *arrays


def namespace_of(arrays: list[Array]) -> Any:
    """Return the namespace to compute with these arrays in: the plain one where none is of a transformed namespace."""
    space = first_space(arrays)
    return space if any(map(is_transformed, arrays)) else space._base


def check_finite(name: str, asked: bool, *arrays: Array) -> None:
    """Raise ValueError for infinities and NaN in NumPy's arrays, as SciPy does; other libraries would have to wait."""
    for x in arrays if asked else ():
        plain = innermost(x)
        if isinstance(plain, np.ndarray) and not np.isfinite(plain).all():
            raise ValueError(
                f"{name}: expected finite numbers; got infinities or NaN. Give check_finite=False to compute with them"
            )


def largest(xp: Any, x: Array) -> float:
    """Return the largest element of x, also of a batch, as a number of Python's; 0 where x is empty."""
    plain = innermost(x)
    if not plain.size:
        return 0.0
    return float((x.space._base if is_transformed(x) else xp).max(plain))
