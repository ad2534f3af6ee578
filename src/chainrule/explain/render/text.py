"""The graph for a terminal: what ran forward, then what flows backward, a line of each gate's rule with its numbers."""

import textwrap
from collections.abc import Iterator

import numpy as np

from chainrule.explain.format import FEW, brief, picture
from chainrule.explain.graph import Graph, Node, NumpyArray
from chainrule.explain.wording import rule

_WIDTH = 100
# Up to this many nodes every one has its lines.
_ALL = 60
_LONGEST_PERIOD = 16
_MOST = 200


def text(graph: Graph) -> str:
    """Return both tables, at most 100 columns wide; of steps that repeat the first and the last are shown."""
    lines = [graph.title if len(graph.title) <= _WIDTH else f"{graph.title[: _WIDTH - 3]}...", "", "forward"]
    runs = _runs(graph)
    gates = max(len(node.gate) for node in graph.nodes)
    digits = len(str(len(graph.nodes) - 1))
    group = ""

    def row(node: Node, said: list[str]) -> Iterator[str]:
        first = f"  {node.index:>{digits}}  {node.gate:<{gates}}  "
        for k, sentence in enumerate(said):
            room = _WIDTH - len(first)
            cut = (
                textwrap.wrap(sentence, room, subsequent_indent="  ") if len(sentence) > room else [sentence]
            )
            for j, part in enumerate(cut):
                yield (first if k == j == 0 else " " * len(first)) + part

    for item in runs:
        if isinstance(item, str):
            lines.append(f"  {item}")
            continue
        if item.group != group:
            group = item.group
            lines.append(f"  {group}:" if group else "  then:")
        said = [rule(graph, item).forward]
        lines += row(item, said + (_drawn(item.value) if not item.inputs else []))
    lines += ["", "backward"]
    for item in reversed(runs):
        if isinstance(item, str):
            lines.append(f"  {item}")
        elif item.followed:
            said = [_gradient(item), *rule(graph, item).backward]
            lines += row(item, said + ([] if item.inputs else _drawn(item.gradient)))
        elif item.gate == "input" and item.value.dtype.kind in "iu":
            lines += row(
                item, [f"no gradient flows to {item.name}, {item.value.dtype}; give floats to see one"]
            )
    return "\n".join(line.rstrip() for line in lines)


def _gradient(node: Node) -> str:
    return (
        f"d{node.name}: not computed yet"
        if node.gradient is None
        else f"d{node.name} = {brief(node.gradient)}"
    )


def _drawn(x: NumpyArray | None) -> list[str]:
    if x is None or x.ndim != 2 or min(x.shape) < 2 or x.size <= FEW or np.iscomplexobj(x):
        return []
    return [f"|{line}|" for line in picture(x, height=4)]


def _runs(graph: Graph) -> list[Node | str]:
    """Return the nodes to show, in forward order, and a sentence for each gap between them."""
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


def _offset(node: Node, i: int) -> int:
    """Return how far back an input lies; those from far away, parameters, are all alike."""
    return min(node.index - i, _LONGEST_PERIOD + 1)


def _repeated(marks: list[tuple[object, ...]], at: int) -> tuple[int, int]:
    """Return the length of the pattern that begins here, and how many times it comes in a row."""
    for period in range(1, _LONGEST_PERIOD + 1):
        pattern = marks[at : at + period]
        times = 1
        while marks[at + times * period : at + (times + 1) * period] == pattern:
            times += 1
        if times >= 4:
            return period, times
    return 1, 1
