"""What each gate computes, as equations with numbers: one forward, and one backward for each input."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.explain import notation
from chainrule.explain.format import FEW, brief, number

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Node

_HIDDEN_SETTINGS = ("copy", "device", "keepdims", "dtype")


class Equations(NamedTuple):
    """The value of a node, and the share of the gradient of each input that is traced."""

    forward: str
    backward: tuple[str, ...]


@np.errstate(all="ignore")
def equations(graph: "Graph", node: "Node") -> Equations:
    """Return the equations of a node's gate with the numbers put in.

    For q = x + y at -2 and 5: forward "q = x + y = -2 + 5 = 3" and, with -4 for dq, backward
    ("dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"). Before backward the numbers are "not computed yet".
    """
    forward, backward = sides(graph, node)
    return Equations(" = ".join(forward), tuple(map(" = ".join, backward)))


@np.errstate(all="ignore")
def sides(graph: "Graph", node: "Node") -> tuple[list[str], list[list[str]]]:
    """Return the equations as lists of what stands between their equality signs."""
    return _forward(graph, node), _backward(graph, node)


def rule(gate: str, inputs: int) -> list[str]:
    """Return the value v of a gate, and what flows to each of its inputs x, y, z, where dv is the gradient of v."""
    row, names = notation.of(gate), [*notation.INPUTS[:inputs]]
    value = row.written if row.is_written_with(inputs) else f"{gate}({', '.join(names)})"
    formulas = row.flows or [f"g * {slope}" for slope in row.slopes]
    found = [f"v = {value}"]
    for k, x in enumerate(names):
        known = formulas[k] if k < len(formulas) else formulas[-1] if row.flows else f"g * dv/d{x}"
        found.append(f"d{x} += {notation.filled(known, {'g': 'dv'})}")
    return found


def _forward(graph: "Graph", node: "Node") -> list[str]:
    value = brief(node.value)
    if node.gate == "constant" and node.name == value:
        return [value]
    if not node.inputs:
        return [node.name, value]
    inputs = [graph.nodes[i] for i in node.inputs]
    sides = [node.name, _written(node, [x.name for x in inputs])]
    small = all(x.value.size <= FEW for x in inputs)
    numbers = [brief(x.value) if small or not x.value.ndim else str(x.value.shape) for x in inputs]
    with_numbers = _written(node, numbers)
    if with_numbers != sides[-1]:
        sides.append(with_numbers)
    return [*sides, value]


def _written(node: "Node", inputs: list[str]) -> str:
    """Return the gate of a node as its notation writes it, with these texts for its inputs."""
    row = notation.of(node.gate)
    if node.gate == "getitem":
        return f"{inputs[0]}[{index(node.settings['key'])}]"
    if not row.is_written_with(len(inputs)):
        return f"{node.gate}({', '.join([*inputs, *settings(node)])})"
    if row.binds_first:
        inputs = [_parenthesised(x) for x in inputs]
    return notation.filled(row.written, dict(zip(notation.INPUTS, inputs, strict=False)))


def settings(node: "Node") -> list[str]:
    """Return the settings that stand behind the inputs where a gate is written as a call."""
    return [f"{k}={v}" for k, v in node.settings.items() if k not in _HIDDEN_SETTINGS and v is not None]


def index(key: Any) -> str:
    """Return what stands between the brackets of an index, such as "1:, 0"."""
    if isinstance(key, tuple):
        return ", ".join(map(index, key)) + ("," if len(key) == 1 else "") if key else "()"
    if isinstance(key, slice):
        start, stop, step = ("" if part is None else str(part) for part in (key.start, key.stop, key.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if key is Ellipsis:
        return "..."
    if isinstance(key, np.ndarray | np.generic):
        return brief(key)
    return f"{key.dtype} {tuple(key.shape)}" if hasattr(key, "dtype") else str(key)


def _backward(graph: "Graph", node: "Node") -> list[list[str]]:
    if not node.traced or not node.inputs:
        return []
    if node.index not in graph.ancestors:
        return [[f"{graph.output.name} does not depend on {node.name}: 0 flows back"]]
    return [_share(graph, node, k) for k, i in enumerate(node.inputs) if graph.nodes[i].traced]


def _share(graph: "Graph", node: "Node", k: int) -> list[str]:
    """Return what the gate of a node adds to the gradient of its k-th input."""
    x, local, g = graph.nodes[node.inputs[k]], node.local[k], node.gradient
    share = f"d{x.name} += {_formula(graph, node, k)}"
    if g is None:
        return [f"{share}: not computed yet"]
    if local is not None and local.size <= FEW:
        total = _summed_to(g * local, x.value.shape)
        if x.gradient is not None:  # what a selection left out gets 0, at a slope that is infinite too
            total = np.where(np.isnan(total) & ~np.isnan(x.gradient), 0, total)
        summed = "summed: " if total.shape != local.shape else ""
        return [share, f"{brief(g)} * {_factor(local)}", f"{summed}{brief(total)}"]
    if graph.uses[x.index] == 1 and x.gradient is not None:
        return [share, brief(x.gradient)]
    return [f"{share}, shape {x.value.shape}"]


def _formula(graph: "Graph", node: "Node", k: int) -> str:
    """Return the share of the k-th input as a formula of names."""
    inputs = [graph.nodes[i] for i in node.inputs]
    symbols = dict(zip(notation.INPUTS, (_parenthesised(x.name) for x in inputs), strict=False))
    symbols |= {"v": node.name, "g": f"d{node.name}"}
    symbols["n"] = str(inputs[0].value.size // max(node.value.size, 1))
    row = notation.of(node.gate)
    if node.local[k] is None and row.flows:
        return notation.filled(row.flows[min(k, len(row.flows) - 1)], symbols)
    if node.local[k] is not None and k < len(row.slopes):
        return notation.filled(f"g * {row.slopes[k]}", symbols)
    return f"d{node.name} * d{node.name}/d{inputs[k].name}"


def _parenthesised(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _factor(local: np.ndarray) -> str:
    return _parenthesised(number(local)) if local.ndim == 0 else brief(local)


def _summed_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return g summed over the axes along which an input of this shape was broadcast."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return np.asarray(g.sum(axis=stretched, keepdims=True) if stretched else g)
