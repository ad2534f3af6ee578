"""The names that every gate's signature uses, and the gradients of several arrays at once."""

from collections.abc import Callable
from typing import Any

Array = Any  # an array of any namespace of the standard; the standard gives it no nominal type
Pullback = Callable[[Array], Array]
Pullbacks = tuple[Pullback | None, ...]  # None: this argument gets no gradient, whatever its dtype
Result = tuple[Array, Pullbacks]
Gate = Callable[..., tuple[Any, Pullbacks]]
Axes = int | tuple[int, ...] | None


class Cotangents:
    """The gradients of several arrays that came from one node, as far as they have arrived.

    They are pairs of which array, by its number or its key, and its gradient.

    Addition joins the pairs in place, for the walk alone holds them: n pairs take n steps.
    """

    __slots__ = ("pairs",)

    shape = dtype = device = None  # nothing to broadcast, cast or move, for the arrays differ in these

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs

    def __add__(self, other: "Cotangents") -> "Cotangents":
        self.pairs += other.pairs
        return self
