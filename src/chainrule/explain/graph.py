"""The graph of a computation: its nodes in forward order, each with its value and its gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, final

import numpy as np

NumpyArray = np.ndarray[Any, Any]


@final
@dataclass(frozen=True, eq=False)
class Node:
    """One value of a computation, and the gate that it came from.

    index      its place in forward order: a node comes after all that it was computed from
    name       as the expression, the parameter or the network calls it; "v7" where nobody named it
    gate       "input", "constant", or the gate's name
    inputs     the indices of what it was computed from, in the order of the gate's arguments; one used twice stands
               here twice
    settings   the gate's settings, such as axis
    value      on the host, in the dtype as computed
    local      for each input d(this) / d(input), shaped as this, where the gate is element-wise or both are numbers;
               else None, as for an input that no gradient flows to
    gradient   d(output) / d(this), shaped as value; None where it is not computed yet, or `followed` is False
    group      the repeated layer that it belongs to, "layer 2", or ""
    followed   whether gradients flow to it: not to constants, comparisons and integers
    """

    index: int
    name: str
    gate: str
    inputs: tuple[int, ...]
    settings: Mapping[str, Any]
    value: NumpyArray
    local: tuple[NumpyArray | None, ...]
    gradient: NumpyArray | None = None
    group: str = ""
    followed: bool = True


class Tape(Protocol):
    """What a graph asks for the gradients: its nodes go by their indices."""

    def gradients(self, of: int, seed: NumpyArray) -> dict[int, NumpyArray]:
        """Return the gradient at every node that `of` was computed from, and at `of` itself, where it is the seed."""


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes of a computation in forward order; the last is the output, one number.

    `title` is the expression, or the name of the function.
    """

    nodes: tuple[Node, ...]
    title: str
    tape: Tape | None = field(default=None, repr=False)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def node(self, name_or_index: str | int) -> Node:
        """Return the node of a name or an index; KeyError, with the known ones, where there is none."""
        if isinstance(name_or_index, int):
            if -len(self.nodes) <= name_or_index < len(self.nodes):
                return self.nodes[name_or_index]
            raise KeyError(f"no node {name_or_index}: the nodes are 0 to {len(self.nodes) - 1}")
        found = [node for node in self.nodes if node.name == name_or_index]
        if len(found) == 1:
            return found[0]
        if found:
            indices = ", ".join(str(node.index) for node in found[:10])
            raise KeyError(f"several nodes are called {name_or_index!r}: ask by index, {indices}")
        names = list(dict.fromkeys(node.name for node in self.nodes))
        known = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
        raise KeyError(f"no node is called {name_or_index!r}: the nodes are {known}")

    def forward(self) -> "Graph":
        """Return the graph as it is before backward: no gradient is computed yet."""
        return self._with(lambda node: None)

    def backward(self) -> "Graph":
        """Return the graph with the gradient of the output at every node."""
        found = self._gradients(self.output, np.ones_like(self.output.value))

        def gradient(node: Node) -> NumpyArray | None:
            if not node.followed and node is not self.output:
                return None
            return found.get(node.index, np.zeros_like(node.value))

        return self._with(gradient)

    def derivative(self, of: str | int, by: str | int) -> NumpyArray:
        """Return d(of) / d(by) of any two nodes, shaped as of.shape + by.shape: 0 where `of` does not depend on `by`.

        KeyError for a name that no node has; ValueError for a `by` that no gradient flows to.
        """
        top, bottom = self.node(of), self.node(by)
        if not bottom.followed:
            raise ValueError(
                f"derivative: {bottom.name} is a {bottom.gate} that no gradient flows to; "
                "make it a value of its own to ask for a derivative by it"
            )
        rows = np.zeros((top.value.size, *bottom.value.shape), np.result_type(top.value, bottom.value))
        if top.followed and bottom.index <= top.index:
            for k in range(top.value.size):
                seed = np.zeros_like(top.value)
                seed.flat[k] = 1
                found = self._gradients(top, seed)
                if bottom.index not in found:
                    break
                rows[k] = found[bottom.index]
        return rows.reshape(top.value.shape + bottom.value.shape)

    @cached_property
    def uses(self) -> tuple[int, ...]:
        """How many times each node is an argument of a gate."""
        counts = [0] * len(self.nodes)
        for node in self.nodes:
            for i in node.inputs:
                counts[i] += 1
        return tuple(counts)

    @cached_property
    def leading(self) -> frozenset[int]:
        """The indices of the nodes that the output was computed from, its own too."""
        found = {self.output.index}
        for node in reversed(self.nodes):
            if node.index in found:
                found.update(node.inputs)
        return frozenset(found)

    def to_text(self) -> str:
        """Return a table of the forward steps and one of the backward steps, with the rule of each gate."""
        from chainrule.explain.render.text import text

        return text(self)

    def to_svg(self) -> str:
        """Return the picture of the graph as SVG: the value above each arrow, the gradient below."""
        from chainrule.explain.render.svg import svg

        return svg(self)

    def to_html(self) -> str:
        """Return one page that steps forward and backward, with everything that it needs in it."""
        from chainrule.explain.render.page import html

        return html(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        from chainrule.explain.render.page import frame

        return frame(self)

    def _gradients(self, of: Node, seed: NumpyArray) -> dict[int, NumpyArray]:
        if self.tape is None:
            raise ValueError("this graph has no tape to compute gradients by; make it with chainrule.explain")
        return self.tape.gradients(of.index, seed)

    def _with(self, gradient: Callable[[Node], NumpyArray | None]) -> "Graph":
        def changed(node: Node) -> Node:
            g = gradient(node)
            return replace(node, gradient=None if g is None else read_only(g))

        return replace(self, nodes=tuple(map(changed, self.nodes)))


def read_only(x: Any) -> NumpyArray:
    """Return a view of an array, or of a number, that refuses changes."""
    view = np.asarray(x).view()
    view.flags.writeable = False
    return view
