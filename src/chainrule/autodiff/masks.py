"""Masks: the elements of a gradient that selections left out, which stay at 0 on the way back.

A selection (`where`, `maximum`, `clip`, `x[key]`, ...) hands nothing to the elements that it did not pick. These have
no part in the result, so their gradient is 0 whatever the slopes before them: infinite and NaN ones too, whose product
with that 0 would be NaN. An element that merely happens to have a gradient of 0 follows the formula.

A mask passes through gates that are elementwise or move elements, by `FLOWS`; others end it, and so does a use that is
not masked. It is computed where an elementwise gate needs it, and not before.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from chainrule.autodiff.traced import is_traced, plain_value
from chainrule.gates import FLOWS, SELECTING
from chainrule.gates.helpers import copied_axes, is_transformed
from chainrule.gates.types import Array, Cotangents, Pullback

# Where the gradient of a node comes from: the node of the result, the pullback for a gate that moves elements or None
# for an elementwise one, and the device of the gradient.
_Source = tuple[Any, Pullback | None, Any]


class Masks:
    """The masks of one backward pass, by the nodes whose gradients are masked."""

    def __init__(self, space: Any, seeded: Iterable[Any]) -> None:
        self._space, self._xp = space, space._lower
        # None: a use without a mask, as every result is of its own seed.
        self._sources: dict[Any, list[_Source] | None] = dict.fromkeys(seeded)
        self._alive: dict[Any, Array] = {}

    def pull(self, node: Any, parent: Any, pullback: Pullback, g: Array) -> Array:
        """Return pullback(g), the share of a parent of the node, with masked elements at 0."""
        flow, masked = FLOWS.get(node.gate), bool(self._sources.get(node))
        if flow is None or not (masked or node.gate in SELECTING):
            self._sources[parent] = None
            return pullback(g)
        sources = self._sources.setdefault(parent, [])
        if sources is not None:
            moved = flow != "elementwise"
            sources.append((node, pullback, getattr(g, "device", None)) if moved else (node, None, None))
        if flow in ("moves", "selects") or not masked:
            return pullback(g)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = pullback(g)
        # A masked element has g = 0, and 0 times a slope is 0 or NaN. A traced share is masked in any case: the
        # derivatives of its slope may be infinite where the slope itself is not.
        below = share
        while is_transformed(below) and not is_traced(below):
            below = below.value
        if issubclass(type(below), (np.ndarray, np.generic)) and not np.isnan(below).any():
            return share
        xp = share.space if is_transformed(share) else self._xp
        return xp.where(self._alive_at(node), share, 0)

    def _alive_at(self, node: Any) -> Array:
        """Return which elements of a node's gradient are not masked, as booleans in its shape."""
        # Not by recursion: thousands of gates may lie between a selection and here.
        waiting = [node]
        while waiting:
            current = waiting[-1]
            unknown = [n for n, _, _ in self._sources[current] or () if self._is_unknown(n)]
            if unknown:
                waiting += unknown
            else:
                waiting.pop()
                if current not in self._alive:
                    self._alive[current] = self._of_sources(current)
        return self._alive[node]

    def _is_unknown(self, node: Any) -> bool:
        return bool(self._sources.get(node)) and node not in self._alive

    def _of_sources(self, node: Any) -> Array:
        xp, total = self._xp, None
        for result, pullback, device in self._sources[node] or ():
            alive = before = self._alive.get(result)
            if pullback is not None:
                # A gate that moves elements moves those of the mask: what it hands anything to is alive.
                dtype = getattr(
                    result.dtype, "own", result.dtype
                )  # that of complex numbers is in a ComplexType
                if alive is None:
                    alive = xp.ones(result.shape, dtype=dtype, device=device)
                elif dtype:
                    alive = xp.astype(alive, dtype)
                alive = plain_value(pullback(alive))
                if type(alive) is Cotangents:
                    total = alive if total is None else total + alive
                    continue
                alive = alive != 0
                if before is not None and FLOWS[result.gate] == "picks":
                    # Beside a NaN such a gate hands NaN, of a masked element too.
                    alive = xp.logical_and(alive, before)
            alive = _any_of_copies(xp, alive, node.shape)
            total = alive if total is None else xp.logical_or(total, alive)
        return total


def _any_of_copies(xp: Any, alive: Array, shape: tuple[int, ...]) -> Array:
    """Return which elements of an operand of this shape are alive, where copies of them were broadcast."""
    if alive.shape == shape:
        return alive
    return xp.reshape(xp.any(alive, axis=copied_axes(alive.shape, shape), keepdims=True), shape)
