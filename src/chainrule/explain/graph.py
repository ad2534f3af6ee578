"""The graph of a computation: its nodes in forward order, each with its value and its gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from chainrule.explain import render

NumpyArray = np.ndarray[Any, Any]


@final
@dataclass(frozen=True, eq=False)
class Node:
    """One value of a computation, and the gate that computed it.

    index      its number in forward order: a node comes after all nodes that it was computed from
    name       the name that the expression, the parameter or the network gives it; "v7" where nothing names it
    gate       "input", "constant", or the gate's name
    inputs     the indices of the nodes that it was computed from, in the order of the gate's arguments; a node that is
               used twice is listed twice
    settings   the gate's settings, such as axis
    value      an array of NumPy of any shape, in the dtype of the computation
    local      for each input the derivative of the value with respect to that input, shaped as value, where the gate is
               element-wise or both are single numbers; else, and for an input that no gradient flows to, None
    gradient   the derivative of the graph's output with respect to the value, shaped as value; None before backward,
               and where `traced` is False
    group      the repeated layer that the node belongs to, such as "layer 2", or ""
    traced   whether gradients flow to the node: they do not to constants, comparisons and integers
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
    traced: bool = True


class Tape(Protocol):
    """What computes gradients for a graph; nodes are named by their indices."""

    def gradients(self, of: int, seed: NumpyArray) -> dict[int, NumpyArray]:
        """Return the gradient at `of`, which is `seed`, and at every node that `of` was computed from."""


Part = tuple[int, int, int]
"""A part of a program: the number of its line, and where it starts and ends there."""


class Lines(NamedTuple):
    """Where the step of a node is in a program.

    forward, backward   the numbers of its lines, the first of the program being 0; none where what the step computes is
                        known before the program runs, or computed by another step
    value, shares       what gives the value, and what the gradients of inputs, where it is a part of a line only
    """

    forward: tuple[int, ...]
    value: tuple[Part, ...]
    backward: tuple[int, ...]
    shares: tuple[Part, ...]


class Sight(NamedTuple):
    """What the numbers (1, n) of a node are: a picture of these channels, height and width, or columns with names."""

    picture: tuple[int, int, int] | None = None
    columns: tuple[str, ...] = ()


class Program(NamedTuple):
    """A computation and its gradients as Python, and the lines of each node; none where these are not known."""

    source: str
    lines: tuple[Lines, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """The nodes of a computation in forward order; the last node is the output, a single number.

    nodes    the nodes, each at the position that its index says
    title    the expression, or the name of the function
    tape     what computes gradients; None for a graph that is only drawn
    program  what writes the computation and its gradients as Python; None where nothing does
    above    HTML that the page has above the drawing
    sight    how drawings show nodes that are more than numbers, by the names of the nodes
    """

    nodes: tuple[Node, ...]
    title: str
    tape: Tape | None = field(default=None, repr=False)
    program: Callable[[], Program] | None = field(default=None, repr=False)
    above: str = field(default="", repr=False)
    sight: Mapping[str, Sight] = field(default_factory=dict, repr=False)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def node(self, name_or_index: str | int) -> Node:
        """Return the node with a name or an index; KeyError, with the known names, where there is none."""
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
        """Return the graph as it is before backward: without gradients."""
        return self._with_gradients(lambda node: None)

    def backward(self) -> "Graph":
        """Return the graph with the gradient of the output at every node."""
        found = self._gradients(self.output, np.ones_like(self.output.value))

        def gradient(node: Node) -> NumpyArray | None:
            if not node.traced and node is not self.output:
                return None
            return found.get(node.index, np.zeros_like(node.value))

        return self._with_gradients(gradient)

    def derivative(self, of: str | int, by: str | int) -> NumpyArray:
        """Return the derivative of any node with respect to any other, of shape (*of.shape, *by.shape).

        It is 0 where `of` does not depend on `by`. Raises KeyError for a name that no node has, and ValueError for a
        node `by` that no gradient flows to.
        """
        top, bottom = self.node(of), self.node(by)
        if not bottom.traced:
            raise ValueError(
                f"derivative: {bottom.name} is a {bottom.gate} that no gradient flows to; "
                "to get a derivative with respect to it, give it to explain as a value of floats"
            )
        rows = np.zeros((top.value.size, *bottom.value.shape), np.result_type(top.value, bottom.value))
        if top.traced and bottom.index <= top.index:
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
    def ancestors(self) -> frozenset[int]:
        """The indices of the output and of all nodes that it was computed from."""
        found = {self.output.index}
        for node in reversed(self.nodes):
            if node.index in found:
                found.update(node.inputs)
        return frozenset(found)

    def to_text(self) -> str:
        """Return a table of the forward steps and one of the backward steps, with the equations of each gate."""
        return render.to_text(self)

    def to_svg(self) -> str:
        """Return the graph drawn as SVG: the value above the wire of each node, the gradient below."""
        return render.to_svg(self)

    def to_html(self) -> str:
        """Return one page that steps forward and backward through the graph; the page loads nothing else."""
        return render.to_html(self)

    def to_code(self) -> str:
        """Return forward and backward as one function of Python, as `chainrule.compile` writes it.

        Raises TypeError, as that does, for a function that branches on what is in an array, and ValueError for a graph
        of no function.
        """
        if self.program is None:
            raise ValueError("this graph has no function to write as code; make it with chainrule.explain")
        return self.program().source

    def __str__(self) -> str:
        return self.to_text()

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return render.to_frame(self)

    def _gradients(self, of: Node, seed: NumpyArray) -> dict[int, NumpyArray]:
        if self.tape is None:
            raise ValueError(
                "this graph has no tape to compute gradients with; make it with chainrule.explain"
            )
        return self.tape.gradients(of.index, seed)

    def _with_gradients(self, gradient: Callable[[Node], NumpyArray | None]) -> "Graph":
        def changed(node: Node) -> Node:
            g = gradient(node)
            return replace(node, gradient=None if g is None else read_only(g))

        return replace(self, nodes=tuple(map(changed, self.nodes)))


def read_only(x: Any) -> NumpyArray:
    """Return a read-only view of an array or a number."""
    view = np.asarray(x).view()
    view.flags.writeable = False
    return view
