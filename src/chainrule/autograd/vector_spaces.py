"""The vector space of a value: what its gradients are made of, and how they are added."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.traced import plain_value


class VSpace:
    """The vector space of arrays shaped as one value, or nested as one.

    `shape` and `dtype` are those of the array; of a nested value `shape` is nested as it is. `size` is the number of
    real dimensions: a complex element has two. TypeError for a value that is no number, array or nest of them.
    """

    def __init__(self, value: Any) -> None:
        self._tree = pytree.mapped(_Leaf, value)
        self._leaves = pytree.flat(self._tree)
        if not pytree.is_nested(value):
            self.shape, self.dtype = self._tree.shape, self._tree.dtype
            self.ndim = len(self.shape)
        else:
            self.shape = self._tree
        self.iscomplex = any(leaf.iscomplex for leaf in self._leaves)

    @property
    def size(self) -> int:
        """The number of real dimensions."""
        return sum(math.prod(leaf.shape) * (1 + leaf.iscomplex) for leaf in self._leaves)

    def zeros(self) -> Any:
        """Return the value whose elements are all 0."""
        return self._made(lambda leaf: leaf.of(0.0))

    def ones(self) -> Any:
        """Return the sum of the standard basis: 1, and 1 + 1i for complex elements."""
        return self._made(lambda leaf: leaf.of(1 + 1j if leaf.iscomplex else 1.0))

    def randn(self) -> Any:
        """Return a value of standard normal numbers, drawn from numpy.random."""
        return self._made(lambda leaf: leaf.random())

    def standard_basis(self) -> Iterator[Any]:
        """Yield a value for each real dimension, with 1 there, or 1i, and 0 elsewhere."""
        for k, leaf in enumerate(self._leaves):
            for place in np.ndindex(*leaf.shape):
                for unit in (1.0, 1.0j)[: 1 + leaf.iscomplex]:
                    items = [other.of(0.0) for other in self._leaves]
                    item = np.asarray(items[k])
                    item[place] = unit
                    items[k] = item if leaf.shape else item[()]
                    yield pytree.rebuilt(self._tree, iter(items))

    def add(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return self._of_both(operator.add, x, y)

    mut_add = add

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """Return x times the number a."""
        return self._of_both(lambda one, _: one * a, x, x)

    def covector(self, x: Any) -> Any:
        """Return the conjugate of x, which is x itself where it is real."""
        return pytree.mapped(conjugate, x)

    def inner_prod(self, x: Any, y: Any) -> Any:
        """Return the sum of Re(conj(x) y) over all elements."""
        items = zip(pytree.along(x, self._tree, "x"), pytree.along(y, self._tree, "y"), strict=True)
        return functools.reduce(operator.add, [_dot(one, other) for one, other in items], 0.0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VSpace) and self._tree == other._tree

    def __hash__(self) -> int:
        return hash(tuple(self._leaves))

    def __repr__(self) -> str:
        return f"VSpace({self._tree!r})"

    def _made(self, make: Callable[["_Leaf"], Any]) -> Any:
        return pytree.mapped(make, self._tree)

    def _of_both(self, f: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
        items = zip(pytree.along(x, self._tree, "x"), pytree.along(y, self._tree, "y"), strict=True)
        return pytree.rebuilt(self._tree, iter([f(one, other) for one, other in items]))


def vspace(value: Any) -> VSpace:
    """Return the vector space of a value."""
    return VSpace(value)


class _Leaf:
    """The shape and the dtype of one array."""

    def __init__(self, value: Any) -> None:
        value = plain_value(value)
        self.dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        self.shape = tuple(np.shape(value))
        if getattr(self.dtype, "kind", "f") not in "fciub":
            raise TypeError(f"vspace: expected numbers and arrays of numbers; got {type(value).__name__}")
        self.iscomplex = getattr(self.dtype, "kind", "f") == "c"

    def of(self, number: complex) -> Any:
        return (
            np.full(self.shape, number, dtype=self.dtype)[()]
            if self.shape == ()
            else np.full(self.shape, number, dtype=self.dtype)
        )

    def random(self) -> Any:
        x = np.asarray(np.random.standard_normal(self.shape))
        if self.iscomplex:
            x = x + 1j * np.random.standard_normal(self.shape)
        return x.astype(self.dtype)[()] if self.shape == () else x.astype(self.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Leaf) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


def is_complex(x: Any) -> bool:
    """Say whether x is a complex array or number."""
    return getattr(getattr(x, "dtype", None), "kind", "") == "c" or issubclass(type(x), complex)


def conjugate(x: Any) -> Any:
    """Return the conjugate of a complex array or number, and anything else as it is."""
    return np.conj(x) if is_complex(x) else x


def _dot(x: Any, y: Any) -> Any:
    if is_complex(x) or is_complex(y):
        return np.sum(np.real(np.conj(x) * y))
    return np.sum(x * y)
