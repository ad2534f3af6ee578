"""Trace, record, walk backward: the chain rule.

A traced array carries a LEVEL: one number per running transform, higher for the inner one, and 0 for a
constant. An operation belongs to the highest level among its arguments, and lower ones are constants to
it; so d/dx (x d/dy (x + y)) is 1 and not 2. What remains when that level is taken off may be traced
itself: the gate then runs, and is recorded, one level below. That is how gradients of gradients come about.
"""

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff.traced import Traced, plain_value
from chainrule.gates.helpers import unbroadcast
from chainrule.gates.types import Array, Gate, Pullback
from chainrule.validation import check_kind

OBJECT_STYLE = 1
_levels = itertools.count(OBJECT_STYLE + 1)


def new_level() -> int:
    """Return a level above every level that exists."""
    return next(_levels)


class Node:
    """One gate's place on the tape: pairs of a node that it came from and the pullback to it.

    What the pullbacks close over is what is kept. A node refers to earlier nodes only, so there are no
    cycles, and a graph dies with the last array that refers to it.
    """

    __slots__ = ("dtype", "edges", "grad", "shape", "watched")

    grad: Array  # set by `backward` alone

    def __init__(self, edges: "Edges", shape: Any, dtype: Any, watched: Any) -> None:
        self.edges = edges
        self.shape = shape
        self.dtype = dtype
        self.watched = watched


Edges = Sequence[tuple[Node, Pullback]]


class Parts:
    """The gradients of a gate with several results, as far as they have come in."""

    __slots__ = ("items",)

    shape = dtype = None  # nothing to broadcast or cast: the node of such a gate has none either

    def __init__(self, items: dict[int, Array]) -> None:
        self.items = items

    def __add__(self, other: "Parts") -> "Parts":
        items = dict(self.items)
        for i, g in other.items.items():
            items[i] = items[i] + g if i in items else g
        return Parts(items)


def apply(
    space: Any, gate: Gate, plain: Callable[..., Any] | None, arrays: Sequence[Any], static: Any
) -> Any:
    """Run a gate on arrays of which some may be traced, and record it at the highest level among them.

    `plain` computes the same where nothing is followed; without one the gate itself does.
    """
    if static:
        check_settings(gate, static)
    level, below, xp = _taken_off(space, arrays)
    if not level:
        if plain is None:
            return space.wrap(gate(space.base, *below, **static)[0])
        return space.wrap(plain(*below, **static))
    result, pullbacks = gate(xp, *below, **static)
    edges, watched = [], None
    for array, pullback in zip(arrays, pullbacks, strict=False):
        if type(array) is Traced and array.level == level:
            if pullback is not None:
                edges.append((array.node, pullback))
        elif type(array) is np.ndarray or (type(array) is Traced and array.level == 0):
            watched = watch(array, watched)
    return space.traced(gate, result, level, edges, watched)


_admitted: set[type] = set()


def admit(x: Any) -> Any:
    """Raise TypeError for what would be taken for an array that it is not; else there is nothing to watch."""
    if type(x) not in _admitted:
        check_kind(type(x))
        _admitted.add(type(x))
    return None


def check_settings(gate: Gate, static: Any) -> None:
    """Raise an error for a followed array among the settings, where no gradient would flow to it."""
    for name, value in static.items():
        if type(value) is Traced and value.level:
            raise TypeError(
                f"{gate.__name__}: {name} is a setting, to which no gradient flows, and was given a followed array. "
                "Use chainrule.stop_gradient on it, or a rule of your own that takes it among its arrays"
            )


def _taken_off(space: Any, arrays: Sequence[Any]) -> tuple[int, list[Any], Any]:
    """Return the highest level, the arrays with it taken off, and the namespace that they then belong to."""
    level = 0
    for array in arrays:
        if type(array) is Traced and array.level > level:
            level = array.level
    below, lower = [], False
    for array in arrays:
        if type(array) is Traced:
            if array.level == level:
                array = array.value
                lower = lower or type(array) is Traced
            elif array.level:
                lower = True
        elif type(array) is not np.ndarray:
            admit(array)
        below.append(array)
    if lower:
        return level, [space.wrap(a) if space.owns(a) else a for a in below], space
    return level, [a.value if type(a) is Traced else a for a in below], space.gates


def leaf(value: Array, space: Any, level: int) -> Traced:
    """Return an array that gradients at `level` are followed to."""
    return Traced(value, space, level, Node((), value.shape, value.dtype, watch(value, None)))


def walk(space: Any, root: Node, g: Array, keep: bool = False) -> dict[Node, Array]:
    """Carry g from root back to every leaf; return the gradients there, and with keep at every node.

    A node is visited once, when all its uses have handed in their share: no recursion, so no limit to
    depth, and time linear in the number of gates.
    """
    uses = {root: 0}
    stack = [root]
    while stack:
        for parent, _ in stack.pop().edges:
            if parent in uses:
                uses[parent] += 1
            else:
                uses[parent] = 1
                stack.append(parent)
    base = space.base
    grads = {root: g}
    ready = [root]
    while ready:
        node = ready.pop()
        if node.watched is not None:
            _check_unchanged(node.watched)
        if not node.edges:
            continue
        g = grads[node] if keep else grads.pop(node)
        for parent, pullback in node.edges:
            d = pullback(g)
            if d.shape != parent.shape:
                d = unbroadcast(space if type(d) is Traced else base, d, parent.shape)
            if d.dtype is not parent.dtype and d.dtype != parent.dtype:
                d = (space if type(d) is Traced else base).astype(d, parent.dtype)
            if parent in grads:
                # A traced array goes to the left, where its own addition takes over.
                grads[parent] = d + grads[parent] if type(d) is Traced else grads[parent] + d
            else:
                grads[parent] = d
            if uses[parent] == 1:
                ready.append(parent)
            else:
                uses[parent] -= 1
    return grads


# Of arrays up to this many bytes every byte is compared; of larger ones as many elements, evenly spread.
_SAMPLE = 512


def watch(array: Any, watched: Any) -> Any:
    """Note what a NumPy array holds, so that a change before backward is seen; other arrays are not
    watched.
    """
    array = plain_value(array)
    if type(array) is not np.ndarray:
        return watched
    return (weakref.ref(array), _sample(array), watched)


def _sample(array: Any) -> bytes:
    if array.nbytes <= _SAMPLE:
        return array.tobytes()  # type: ignore[no-any-return]
    return array.flat[:: array.size // 64 or 1].tobytes()  # type: ignore[no-any-return]


def _check_unchanged(watched: Any) -> None:
    while watched is not None:
        reference, sample, watched = watched
        array = reference()
        if array is not None and _sample(array) != sample:
            raise RuntimeError(
                f"backward: an array of shape {array.shape} that went into the computation was changed in "
                "place before its gradient was taken; what backward needs of it is lost. Change a copy: "
                "x = x + dx"
            )
