"""Arguments of SciPy's functions: numbers, lists and arrays of any library, and the namespace that they share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.traced import Traced
from chainrule.gates.helpers import innermost, is_transformed
from chainrule.gates.types import Array, Pullback, Pullbacks
from chainrule.numpy_names.coercion import array_of, holds_transformed
from chainrule.special.sums import floats


def prepared(*items: Any) -> tuple[Any, ...]:
    """Return the namespace of the items, and each as an array of numbers that are not whole by their dtype; None stays.

    The namespace is the plain one where no item is of a transformed namespace. Lists may have traced numbers in them.
    """
    found = iter(floats([_joined(x) for x in items if x is not None]))
    arrays = [x if x is None else next(found) for x in items]
    return namespace_of([x for x in arrays if x is not None]), *arrays


def _joined(x: Any) -> Any:
    """Return a list of which some numbers are traced, or what pandas holds, as one array, and the rest as it is."""
    if hasattr(type(x), "to_numpy"):
        return x.to_numpy()  # SciPy drops the index too
    if not holds_transformed(x):
        return x
    return array_of(next(leaf.space for leaf in pytree.flat(x) if is_transformed(leaf)), x)


def namespace_of(arrays: list[Array]) -> Any:
    """Return the namespace to compute with these arrays in: the plain one where none is of a transformed namespace."""
    space = first_space(arrays)
    return space if any(map(is_transformed, arrays)) else space._base


def as_constants(tree: Any, space: Any) -> Any:
    """Return a tree with its plain arrays as constants of a transformed namespace.

    Not every plain array lets a transformed one stand on its right.
    """
    return pytree.mapped(
        lambda x: space._wrap(x) if hasattr(x, "dtype") and not is_transformed(x) else x, tree
    )


def refuse_infinite(name: str, asked: bool, *arrays: Array) -> None:
    """Raise ValueError for infinities and NaN in NumPy's arrays, as SciPy does; other libraries would have to wait."""
    for x in arrays if asked else ():
        plain = innermost(x)
        if issubclass(type(plain), np.ndarray) and not np.isfinite(plain).all():
            raise ValueError(
                f"{name}: expected finite numbers; got infinities or NaN. Give check_finite=False to compute with them"
            )


def largest(xp: Any, x: Array) -> float:
    """Return the largest element of x, also of a batch, as a number of Python's; 0 where x is empty."""
    plain = innermost(x)
    if not plain.size:
        return 0.0
    return float((x.space._base if is_transformed(x) else xp).max(plain))


def shared_pullbacks(gradients: Callable[[Array], dict[int, Array]], count: int) -> Pullbacks:
    """Return a pullback for each of the arguments of a gate, where one computation gives all gradients of a g."""
    latest: list[Any] = [None, {}]

    def pullback_to(i: int) -> Pullback:
        def pull(g: Array) -> Array:
            # Each gradient is handed out once: g may be another one at the next call, in the same memory.
            if latest[0] is not g or i not in latest[1]:
                latest[:] = [g, gradients(g)]
            return latest[1].pop(i)

        return pull

    return tuple(pullback_to(i) for i in range(count))


def below_the_tape(*arrays: Array) -> bool:
    """Say whether a gate is handed arrays that are traced, or constants, at a lower level.

    Its value is then recorded, or computed, there.
    """
    return any(type(x) is Traced for x in arrays)
