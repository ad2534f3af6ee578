"""A differentiable namespace that keeps what ran: every gate, what went in, its settings and what came out.

Functions of the namespace are the engine's own, each followed by a note. What runs at the level of the recorder is
noted; a transform inside the function has a higher level, and its gates are noted as they run below it.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import gates
from chainrule.autodiff.namespace import Namespace
from chainrule.autodiff.tape import backward_pass, leaf, new_level
from chainrule.autodiff.traced import Traced, plain_value
from chainrule.backend.namespaces import to_numpy
from chainrule.explain.format import number
from chainrule.explain.graph import Graph, Node, NumpyArray, read_only
from chainrule.gates import elementwise, indexing, manipulation
from chainrule.gates.types import Pullback

_OF_ROWS = ("log_softmax", "logsumexp", "multiclass_hinge", "softmax", "softmax_cross_entropy")
_ELEMENTWISE = frozenset(name for name in gates.RULES["main"] if hasattr(elementwise, name)) | frozenset(
    name for name in gates.RULES["beyond"] if name not in _OF_ROWS
)


@dataclass(frozen=True)
class _Step:
    """One result of a gate, with the places of what it was computed from."""

    gate: str
    inputs: tuple[int, ...]
    pullbacks: tuple[Pullback | None, ...]
    settings: dict[str, Any]
    result: Any  # a traced array, or a number or array that entered as a constant
    group: str


class Recorder(Namespace):
    """The differentiable namespace over `base` that notes the gates that run on its arrays."""

    def __init__(self, base: Any) -> None:
        self._steps: list[_Step] = []
        self._places: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._group = ""
        self._level = new_level()
        self.dtype: Any = None  # of numbers that come in
        super().__init__(base)

    def _bind(self, name: str, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._noting(name, function) if kind in ("gate", "constant") else function

    def _noting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*args: Any, **settings: Any) -> Any:
            return self._noted(name, function, args, settings, function(*args, **settings))

        return noting

    def _record(self, gate: Any, arrays: Any, settings: dict[str, Any]) -> Any:
        """Run and note a gate that has no name in the plain namespace."""
        return self._noted(
            gate.__name__, gate, (None, *arrays), settings, super()._record(gate, arrays, settings)
        )

    def array(self, numbers: Any, like: Any) -> Any:
        """Return a number or an array of NumPy as an array beside `like`, in the dtype of numbers."""
        return self._base.asarray(numbers, dtype=self.dtype, device=plain_value(like).device)

    def entered(self, x: Any, name: str, followed: bool = True) -> Traced:
        """Return a copy of an array as an input; integers and booleans are constants."""
        value = self._base.asarray(plain_value(x), copy=True)
        followed = followed and self._is_floating(value.dtype)
        entered = leaf(value, self, self._level) if followed else Traced(value, self)
        self._names[self._keep(entered, "input", (), (), {})] = name
        return entered

    def number(self, value: float) -> Traced:
        """Return a number as a constant array, for arithmetic in which nothing is followed."""
        x = Traced(self._base.asarray(float(value), dtype=self.dtype), self)
        self._names[self._keep(x, "constant", (), (), {})] = number(value)
        return x

    def name(self, x: Any, name: str, again: bool = True) -> None:
        """Call a noted array by a name; unless `again`, one that has a name keeps it."""
        place = self._place(x)
        if place is not None and (again or place not in self._names):
            self._names[place] = name

    def begin(self, group: str) -> None:
        """Put what follows into a group."""
        self._group = group

    def _noted(self, gate: str, function: Any, args: tuple[Any, ...], settings: Any, result: Any) -> Any:
        """Note a result, or each of several, and return it."""
        if not any(self._place(x) is not None for x in args):
            return result
        if any(type(x) is Traced and x.level > self._level for x in args):
            return result
        if isinstance(result, tuple):
            names = getattr(result, "_fields", range(len(result)))
            for name, part in zip(names, result, strict=True):
                self._note(gate, function, args, {**settings, "result": name}, part)
        else:
            self._note(gate, function, args, settings, result)
        return result

    def _note(self, gate: str, function: Any, args: tuple[Any, ...], settings: Any, result: Any) -> None:
        if type(result) is not Traced or self._place(result) is not None:
            return
        numbers = not (hasattr(manipulation, gate) or hasattr(indexing, gate))
        edges = list(result.node.edges) if result.level else []
        inputs: list[int] = []
        pullbacks: list[Pullback | None] = []
        rest: dict[str, Any] = dict(settings)
        for k, x in enumerate(args):
            if type(x) is Traced or hasattr(x, "dtype") or (numbers and isinstance(x, int | float)):
                place = self._place(x)
                inputs.append(self._constant(x) if place is None else place)
                mine = bool(edges) and type(x) is Traced and edges[0][0] is x.node
                pullbacks.append(edges.pop(0)[1] if mine else None)
            elif x is not None:
                rest[_parameter(function, k)] = x
        self._keep(result, gate, tuple(inputs), tuple(pullbacks), rest)

    def _place(self, x: Any) -> int | None:
        if type(x) is not Traced:
            return None if isinstance(x, int | float) else self._places.get(id(x))
        if x.level:
            return self._places.get(id(x.node)) if x.level == self._level else None
        return self._places.get(id(x))

    def _constant(self, x: Any) -> int:
        place = self._keep(x, "constant", (), (), {})
        if isinstance(x, int | float) and not hasattr(x, "dtype"):
            self._names[place] = number(x)
        return place

    def _keep(self, x: Any, gate: str, inputs: Any, pullbacks: Any, settings: dict[str, Any]) -> int:
        place = len(self._steps)
        self._steps.append(_Step(gate, inputs, pullbacks, settings, x, self._group))
        if not isinstance(x, int | float) or hasattr(x, "dtype"):
            self._places[id(x.node) if type(x) is Traced and x.level else id(x)] = place
        return place

    def graph(self, out: Any, title: str, name: str, shown: tuple[Any, ...] = ()) -> Graph:
        """Return the graph of what `out`, and what else is to be shown, was computed from, and of all inputs."""
        place = self._place(out)
        if place is None:
            place = self._constant(out)
        order = self._needed(place, [self._place(x) for x in shown])
        index = {p: i for i, p in enumerate(order)}
        self._names.setdefault(place, "" if name in self._names.values() else name)
        taken = {self._names.get(p, "") for p in order}
        nodes = []
        for i, p in enumerate(order):
            label = self._names.get(p) or f"v{i}"
            while p not in self._names and label in taken:
                label += "_"
            nodes.append((i, label, self._steps[p], tuple(index[j] for j in self._steps[p].inputs)))
        # A slope that is infinite or none is shown as it is.
        with np.errstate(all="ignore"):
            drawn = tuple(self._node(*parts) for parts in nodes)
        results = tuple(self._steps[p].result for p in order)
        return Graph(drawn, title, _Walker(self, results)).backward()

    def _node(self, index: int, name: str, step: _Step, inputs: tuple[int, ...]) -> Node:
        slopes = []
        for place, back in zip(step.inputs, step.pullbacks, strict=True):
            slopes.append(self._slope(step, back, self._steps[place].result))
        followed = type(step.result) is Traced and step.result.level == self._level
        value = _on_the_host(step.result, step.gate == "constant")
        return Node(
            index,
            name,
            step.gate,
            inputs,
            step.settings,
            value,
            tuple(slopes),
            group=step.group,
            followed=followed,
        )

    def _needed(self, out: int, shown: list[int | None]) -> list[int]:
        needed = {p for p, step in enumerate(self._steps) if step.gate == "input"}
        stack = [out, *(p for p in shown if p is not None)]
        while stack:
            p = stack.pop()
            if p not in needed or p == out:
                needed.add(p)
                stack += [q for q in self._steps[p].inputs if q not in needed]
        needed.discard(out)
        return [*sorted(needed), out]

    def _slope(self, step: _Step, back: Pullback | None, x: Any) -> NumpyArray | None:
        """Return d(result) / dx, shaped as the result, of an element-wise gate or of numbers."""
        if back is None:
            return None
        value = plain_value(step.result)
        if step.gate not in _ELEMENTWISE and (value.shape or np.shape(plain_value(x))):
            return None
        slope = to_numpy(back(self._base.ones_like(value)))
        return read_only(slope if slope.shape == value.shape else np.broadcast_to(slope, value.shape))


class _Walker:
    """The way from a graph back to the tape that its arrays are on."""

    def __init__(self, space: Recorder, results: tuple[Any, ...]) -> None:
        self._space, self._results = space, results
        self._index = {
            id(x.node): i for i, x in enumerate(results) if type(x) is Traced and x.level == space._level
        }

    def gradients(self, of: int, seed: NumpyArray) -> dict[int, NumpyArray]:
        """Return the gradient at every node that `of` was computed from, and at `of` itself, where it is the seed."""
        top = self._results[of]
        if type(top) is not Traced or not top.level:
            return {of: seed}
        value = plain_value(top)
        g = self._space._base.asarray(seed, dtype=value.dtype, device=value.device)
        with np.errstate(all="ignore"):
            found = backward_pass(self._space, top.node, g, keep=True)
        return {self._index[id(node)]: to_numpy(g) for node, g in found.items() if id(node) in self._index}


def _parameter(function: Any, k: int) -> str:
    names = list(inspect.signature(function).parameters)
    return names[min(k, len(names) - 1)]


def _on_the_host(x: Any, copy: bool) -> NumpyArray:
    value = plain_value(x)
    value = to_numpy(value) if hasattr(value, "dtype") else value
    return read_only(np.array(value) if copy else np.asarray(value))
