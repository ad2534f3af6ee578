"""A differentiable namespace that records each gate that runs: its inputs, its settings and its result.

Each function of the namespace is the engine's own, and is recorded after it has run at the recorder's level. A
transform inside the recorded function has a higher level; its gates are recorded when they run at the recorder's.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.autodiff.namespace import Namespace
from chainrule.autodiff.tape import backward_pass, leaf, new_level
from chainrule.autodiff.traced import Traced, plain_value
from chainrule.backend.namespaces import to_numpy
from chainrule.explain import notation
from chainrule.explain.format import number
from chainrule.explain.graph import Graph, Node, NumpyArray, read_only
from chainrule.gates import indexing, manipulation
from chainrule.gates.helpers import is_complex
from chainrule.gates.types import Pullback


@dataclass(frozen=True)
class _Step:
    """One result of a gate, with the indices of the steps that its inputs come from."""

    gate: str
    inputs: tuple[int, ...]
    pullbacks: tuple[Pullback | None, ...]
    settings: dict[str, Any]
    result: Any  # a traced array, or a constant: an array or a number
    group: str


class Recorder(Namespace):
    """The differentiable namespace over `base` that records the gates that run on its arrays."""

    def __init__(self, base: Any, level: int | None = None) -> None:
        self._steps: list[_Step] = []
        self._indices: dict[int, int] = {}  # by id, of nodes and of constants
        self._names: dict[int, str] = {}
        self._group = ""
        self._level = level or new_level()
        self.dtype: Any = None  # of the arrays that numbers become
        super().__init__(base)

    def _bind(self, name: str, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._noting(name, function) if kind in ("gate", "constant") else function

    def _noting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*args: Any, **settings: Any) -> Any:
            return self._noted(name, function, args, settings, function(*args, **settings))

        return noting

    def _record(self, gate: Any, arrays: Any, settings: dict[str, Any]) -> Any:
        """Run and record a gate that has no name in the namespace."""
        return self._noted(
            gate.__name__, gate, (None, *arrays), settings, super()._record(gate, arrays, settings)
        )

    def array(self, numbers: Any, like: Any) -> Any:
        """Return numbers as an array on the device of `like`, in the recorder's dtype."""
        return self._base.asarray(numbers, dtype=self.dtype, device=plain_value(like).device)

    def entered(self, x: Any, name: str, traced: bool = True) -> Traced:
        """Return a copy of an array as an input named `name`; integers and booleans are not traced."""
        value = self._base.asarray(plain_value(x), copy=True)
        traced = traced and self._is_floating(value.dtype)
        entered = (
            leaf(value, self, self._level, self._tape_dtype(value.dtype)) if traced else Traced(value, self)
        )
        self._names[self._keep(entered, "input", (), (), {})] = name
        return entered

    def number(self, value: float) -> Traced:
        """Return a number as a constant array."""
        x = Traced(self._base.asarray(float(value), dtype=self.dtype), self)
        self._names[self._keep(x, "constant", (), (), {})] = number(value)
        return x

    def name(self, x: Any, name: str, again: bool = True) -> None:
        """Name a recorded array; where `again` is False, an array that has a name keeps it."""
        index = self._index(x)
        if index is not None and (again or index not in self._names):
            self._names[index] = name

    def begin(self, group: str) -> None:
        """Begin a group, such as "layer 2", of the steps that follow; "" ends it."""
        self._group = group

    def _noted(self, gate: str, function: Any, args: tuple[Any, ...], settings: Any, result: Any) -> Any:
        """Record the result of a gate, or each of its results, and return it."""
        if not any(self._index(x) is not None for x in args):
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
        if type(result) is not Traced or self._index(result) is not None:
            return
        if is_complex(self._base, result):
            raise TypeError(f"explain: {gate} gave {result.dtype}; graphs are drawn of real numbers alone")
        numbers = not (hasattr(manipulation, gate) or hasattr(indexing, gate))
        edges = list(result.node.edges) if result.level else []
        inputs: list[int] = []
        pullbacks: list[Pullback | None] = []
        rest: dict[str, Any] = dict(settings)
        for k, x in enumerate(args):
            if type(x) is Traced or hasattr(x, "dtype") or (numbers and isinstance(x, int | float)):
                index = self._index(x)
                inputs.append(self._constant(x) if index is None else index)
                mine = bool(edges) and type(x) is Traced and edges[0][0] is x.node
                pullbacks.append(edges.pop(0)[1] if mine else None)
            elif x is not None:
                rest[_parameter(function, k)] = x
        self._keep(result, gate, tuple(inputs), tuple(pullbacks), rest)

    def _index(self, x: Any) -> int | None:
        """Return the index of the step whose result is x, or None."""
        if type(x) is not Traced:
            return None if isinstance(x, int | float) else self._indices.get(id(x))
        if x.level:
            return self._indices.get(id(x.node)) if x.level == self._level else None
        return self._indices.get(id(x))

    def _constant(self, x: Any) -> int:
        index = self._keep(x, "constant", (), (), {})
        if isinstance(x, int | float) and not hasattr(x, "dtype"):
            self._names[index] = number(x)
        return index

    def _keep(self, x: Any, gate: str, inputs: Any, pullbacks: Any, settings: dict[str, Any]) -> int:
        index = len(self._steps)
        self._steps.append(_Step(gate, inputs, pullbacks, settings, x, self._group))
        if not isinstance(x, int | float) or hasattr(x, "dtype"):
            self._indices[id(x.node) if type(x) is Traced and x.level else id(x)] = index
        return index

    def graph(self, out: Any, title: str, name: str, shown: tuple[Any, ...] = ()) -> Graph:
        """Return the graph of all inputs, and of every step that `out` or an array of `shown` was computed from."""
        last = self._index(out)
        if last is None:
            last = self._constant(out)
        order = self._needed(last, [self._index(x) for x in shown])
        number_of = {index: k for k, index in enumerate(order)}
        self._names.setdefault(last, "" if name in self._names.values() else name)
        names = self._unique_names(order)
        # A local gradient that is infinite or NaN is shown as it is.
        with np.errstate(all="ignore"):
            nodes = tuple(
                self._node(k, names[index], self._steps[index], number_of) for k, index in enumerate(order)
            )
        results = tuple(self._steps[index].result for index in order)
        return Graph(nodes, title, _EngineTape(self, results)).backward()

    def _unique_names(self, order: list[int]) -> dict[int, str]:
        """Return the given name of each step or else "v" with its number, and "_" where that is another's name."""
        taken = {self._names.get(index, "") for index in order}
        names = {}
        for k, index in enumerate(order):
            name = self._names.get(index) or f"v{k}"
            while index not in self._names and name in taken:
                name += "_"
            names[index] = name
        return names

    def _node(self, k: int, name: str, step: _Step, number_of: dict[int, int]) -> Node:
        local = tuple(
            self._local(step, back, self._steps[index].result)
            for index, back in zip(step.inputs, step.pullbacks, strict=True)
        )
        return Node(
            k,
            name,
            step.gate,
            tuple(number_of[index] for index in step.inputs),
            step.settings,
            _on_the_host(step.result, step.gate == "constant"),
            local,
            group=step.group,
            traced=type(step.result) is Traced and step.result.level == self._level,
        )

    def _needed(self, out: int, shown: list[int | None]) -> list[int]:
        """Return the indices of the inputs and of the steps that `out` and `shown` need, in order, and `out` last."""
        needed = {index for index, step in enumerate(self._steps) if step.gate == "input"}
        stack = [out, *(index for index in shown if index is not None)]
        while stack:
            index = stack.pop()
            if index not in needed or index == out:
                needed.add(index)
                stack += [i for i in self._steps[index].inputs if i not in needed]
        needed.discard(out)
        return [*sorted(needed), out]

    def _local(self, step: _Step, back: Pullback | None, x: Any) -> NumpyArray | None:
        """Return d(result) / dx, shaped as the result, of an element-wise gate or of single numbers; else None."""
        if back is None:
            return None
        value = plain_value(step.result)
        if not notation.of(step.gate).is_elementwise and (value.shape or np.shape(plain_value(x))):
            return None
        slope = to_numpy(back(self._base.ones_like(value)))
        return read_only(slope if slope.shape == value.shape else np.broadcast_to(slope, value.shape))


class _EngineTape:
    """The tape of a graph: the engine's backward pass over the nodes of its results."""

    def __init__(self, space: Recorder, results: tuple[Any, ...]) -> None:
        self._space, self._results = space, results
        self._index = {
            id(x.node): i for i, x in enumerate(results) if type(x) is Traced and x.level == space._level
        }

    def gradients(self, of: int, seed: NumpyArray) -> dict[int, NumpyArray]:
        """Return the gradient at `of`, which is `seed`, and at every node that `of` was computed from."""
        top = self._results[of]
        if type(top) is not Traced or not top.level:
            return {of: seed}
        value = plain_value(top)
        g = self._space._base.asarray(seed, dtype=value.dtype, device=value.device)
        with np.errstate(all="ignore"):
            found = backward_pass(self._space, [(top.node, g)], keep=True)
        return {self._index[id(node)]: to_numpy(g) for node, g in found.items() if id(node) in self._index}


def _parameter(function: Any, k: int) -> str:
    """Return the name of a function's k-th parameter, or of its last one where further arguments go."""
    names = list(inspect.signature(function).parameters)
    return names[min(k, len(names) - 1)]


def _on_the_host(x: Any, copy: bool) -> NumpyArray:
    value = plain_value(x)
    value = to_numpy(value) if hasattr(value, "dtype") else value
    return read_only(np.array(value) if copy else np.asarray(value))
