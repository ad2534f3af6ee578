"""Which nodes of a graph are drawn: all of a small one; of a large one both ends, and the middle as one box."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Node


@dataclass(frozen=True)
class Box:
    """One box of a drawing: a node, or many nodes folded into one box.

    members   the indices of its nodes
    inputs    the numbers of the boxes that feed it; of a single node in the order of its inputs
    title     "" for a single node
    inside    lines that say which nodes are folded into it
    """

    members: tuple[int, ...]
    inputs: tuple[int, ...]
    title: str = ""
    inside: tuple[str, ...] = ()


def folded(graph: "Graph", most: int) -> list[Box]:
    """Return the boxes, each after those that feed it: one a node where that is at most `most` (>= 3) boxes."""
    if most < 3:
        raise ValueError(f"folded: expected at least 3 boxes, got most={most}")
    order = _inputs_at_first_use(graph.nodes)
    all_fit = len(order) <= most
    start, end = (len(order),) * 2 if all_fit else _middle(graph.nodes, order, (most - 1) // 2)
    parts: list[tuple[int, ...]] = [(i,) for i in order[:start]]
    if end > start:
        parts.append(tuple(order[start:end]))
    parts += [(i,) for i in order[end:]]
    box_of = {i: number for number, members in enumerate(parts) for i in members}
    boxes = []
    for number, members in enumerate(parts):
        feeding = [box_of[j] for i in members for j in graph.nodes[i].inputs if box_of[j] != number]
        if len(members) == 1:
            boxes.append(Box(members, tuple(feeding)))
        else:
            nodes = [graph.nodes[i] for i in members]
            boxes.append(Box(members, tuple(sorted(set(feeding))), *_summary(nodes)))
    return boxes


def _inputs_at_first_use(nodes: "Sequence[Node]") -> list[int]:
    """Return the indices in a forward order in which each input stands right before the gate that first uses it.

    A network's parameters then stand with their layer; inputs without a gate come first, and the output last. Folding
    any stretch of a forward order makes no circle of boxes.
    """
    order: list[int] = []
    listed = [False] * len(nodes)
    for node in nodes:
        if node.inputs:
            for i in (*node.inputs, node.index):
                if not listed[i]:
                    listed[i] = True
                    order.append(i)
    return [node.index for node in nodes if not listed[node.index]] + order


def _middle(nodes: "Sequence[Node]", order: list[int], kept: int) -> tuple[int, int]:
    """Return the stretch to fold: about `kept` nodes stay at each end, and a layer is cut only where it is too long."""
    groups = [nodes[i].group for i in order]
    edges = [k for k in range(1, len(order)) if groups[k] != groups[k - 1]]
    start = max((k for k in edges if k <= kept), default=kept)
    end = min((k for k in edges if k >= len(order) - kept), default=len(order) - kept)
    return start, end


def _summary(nodes: "list[Node]") -> tuple[str, tuple[str, ...]]:
    """Return the title of a fold, and the lines that say which nodes are in it."""
    layers = list(dict.fromkeys(node.group for node in nodes))
    gates = Counter(node.gate for node in nodes if node.inputs)
    given = len(nodes) - sum(gates.values())
    listed = len(gates) if len(gates) < 5 else 3
    counts = [f"{gate} × {count:,}" for gate, count in gates.most_common(listed)]
    if len(gates) > listed:
        counts.append(f"{len(gates) - listed} other kinds")
    if given:
        counts.append(f"inputs × {given:,}")
    if "" in layers:
        return f"× {len(nodes):,} more", tuple(counts)
    names = f"{layers[0]} … {layers[-1]}" if len(layers) > 1 else layers[0]
    return f"× {len(layers):,} more", (names, *counts)
