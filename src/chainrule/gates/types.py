"""The names that every gate's signature uses."""

from collections.abc import Callable
from typing import Any

Array = Any  # an array of any namespace of the standard; the standard gives it no nominal type
Pullback = Callable[[Array], Array]
Pullbacks = tuple[Pullback | None, ...]  # None: this argument gets no gradient, whatever its dtype
Result = tuple[Array, Pullbacks]
Gate = Callable[..., tuple[Any, Pullbacks]]
Axes = int | tuple[int, ...] | None
