"""The graph as text: the forward steps, then the backward steps, each with the equations of its gate."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain.format import FEW, brief, heatmap
from chainrule.explain.wording import equations

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Node, NumpyArray

_WIDTH = 100
_ALL = 60  # graphs of at most so many nodes are written in full
_LONGEST_PERIOD = 16
_MOST = 200  # items of a table


def text(graph: "Graph") -> str:
    """Return both tables, at most 100 columns wide; of a pattern that repeats, the first and the last are written."""
    lines = [graph.title if len(graph.title) <= _WIDTH else f"{graph.title[: _WIDTH - 3]}...", "", "forward"]
    runs = _runs(graph)
    gates = max(len(node.gate) for node in graph.nodes)
    digits = len(str(len(graph.nodes) - 1))
    group = ""

    def row(node: "Node", sentences: list[str]) -> Iterator[str]:
        first = f"  {node.index:>{digits}}  {node.gate:<{gates}}  "
        for k, sentence in enumerate(sentences):
            room = _WIDTH - len(first)
            fits = len(sentence) <= room
            parts = [sentence] if fits else textwrap.wrap(sentence, room, subsequent_indent="  ")
            for j, part in enumerate(parts):
                yield (first if k == j == 0 else " " * len(first)) + part

    for item in runs:
        if isinstance(item, str):
            lines.append(f"  {item}")
            continue
        if item.group != group:
            group = item.group
            lines.append(f"  {group}:" if group else "  then:")
        lines += row(item, [equations(graph, item).forward, *_map_of_input(item, item.value)])
    lines += ["", "backward"]
    for item in reversed(runs):
        if isinstance(item, str):
            lines.append(f"  {item}")
        elif item.traced:
            sentences = [_gradient(item), *equations(graph, item).backward]
            lines += row(item, sentences + _map_of_input(item, item.gradient))
        elif item.gate == "input" and item.value.dtype.kind in "iu":
            reason = f"no gradient flows to {item.name}, {item.value.dtype}; give floats to see one"
            lines += row(item, [reason])
    return "\n".join(line.rstrip() for line in lines)


def _gradient(node: "Node") -> str:
    if node.gradient is None:
        return f"d{node.name}: not computed yet"
    return f"d{node.name} = {brief(node.gradient)}"


def _map_of_input(node: "Node", x: "NumpyArray | None") -> list[str]:
    """Return the heat map of a large matrix that belongs to an input, else nothing."""
    if node.inputs or x is None or x.ndim != 2 or min(x.shape) < 2 or x.size <= FEW or np.iscomplexobj(x):
        return []
    return [f"|{line}|" for line in heatmap(x, height=4)]


def _runs(graph: "Graph") -> "list[Node | str]":
    """Return the nodes to write, in forward order, and a sentence for each gap between them."""
    nodes = graph.nodes
    if len(nodes) <= _ALL:
        return list(nodes)
    marks = [(node.gate, node.value.shape, *(_offset(node, i) for i in node.inputs)) for node in nodes]
    shown: list[Node | str] = []
    at = 0
    while at < len(nodes):
        period, times = _repeated(marks, at)
        if times < 4:
            shown.append(nodes[at])
            at += 1
            continue
        steps = f"{period} steps" if period > 1 else "step"
        shown += [*nodes[at : at + period], f"... {times - 2} times more the same {steps} ..."]
        at += period * times
        shown += nodes[at - period : at]
    if len(shown) > _MOST:
        half = _MOST // 2
        shown = [*shown[:half], f"... {len(shown) - 2 * half} nodes between ...", *shown[-half:]]
    return shown


def _offset(node: "Node", i: int) -> int:
    """Return how far back an input lies; all inputs from far away, such as parameters, count as equally far."""
    return min(node.index - i, _LONGEST_PERIOD + 1)


def _repeated(marks: list[tuple[object, ...]], at: int) -> tuple[int, int]:
    """Return the length of the pattern that begins at a position, and how many times it comes in a row."""
    for period in range(1, _LONGEST_PERIOD + 1):
        pattern = marks[at : at + period]
        times = 1
        while marks[at + times * period : at + (times + 1) * period] == pattern:
            times += 1
        if times >= 4:
            return period, times
    return 1, 1
