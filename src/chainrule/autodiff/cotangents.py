"""The gradients of several arrays that came from one node, on their way back to it."""

from typing import Any


class Cotangents:
    """Pairs of which array, by its number or its key, and its gradient, as far as these have arrived.

    Addition joins the pairs in place, for the walk alone holds them: n pairs take n steps.
    """

    __slots__ = ("pairs",)

    shape = dtype = device = None  # nothing to broadcast, cast or move, for the arrays differ in these

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs

    def __add__(self, other: "Cotangents") -> "Cotangents":
        self.pairs += other.pairs
        return self
