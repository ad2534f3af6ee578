"""What each gate does, in words and numbers: one line forward, and one backward for each input."""

from typing import NamedTuple

import numpy as np

from chainrule.explain.format import FEW, brief, number
from chainrule.explain.graph import Graph, Node

# How a gate is written with x and y, its inputs; others are written as calls.
_WRITTEN = {
    "add": "{x} + {y}",
    "subtract": "{x} - {y}",
    "multiply": "{x} * {y}",
    "divide": "{x} / {y}",
    "pow": "{x}**{y}",
    "matmul": "{x} @ {y}",
    "negative": "-{x}",
    "maximum": "max({x}, {y})",
    "minimum": "min({x}, {y})",
    "square": "{x}**2",
    "reciprocal": "1 / {x}",
    "matrix_transpose": "{x}.T",
    "greater": "{x} > {y}",
    "greater_equal": "{x} >= {y}",
    "less": "{x} < {y}",
    "less_equal": "{x} <= {y}",
    "equal": "{x} == {y}",
    "not_equal": "{x} != {y}",
}
# The slope of an element-wise gate in each of its inputs, with v for its output.
_SLOPES = {
    "abs": ("sign({x})",),
    "add": ("1", "1"),
    "subtract": ("1", "(-1)"),
    "multiply": ("{y}", "{x}"),
    "divide": ("(1 / {y})", "(-{v} / {y})"),
    "pow": ("{y} * {x}**({y} - 1)", "{v} * log({x})"),
    "negative": ("(-1)",),
    "positive": ("1",),
    "maximum": ("[{x} > {y}]", "[{y} > {x}]"),
    "minimum": ("[{x} < {y}]", "[{y} < {x}]"),
    "exp": ("{v}",),
    "log": ("(1 / {x})",),
    "sqrt": ("(1 / (2 * {v}))",),
    "square": ("2 * {x}",),
    "reciprocal": ("(-{v}**2)",),
    "sin": ("cos({x})",),
    "cos": ("(-sin({x}))",),
    "tan": ("(1 + {v}**2)",),
    "sigmoid": ("{v} * (1 - {v})",),
    "tanh": ("(1 - {v}**2)",),
    "relu": ("[{x} > 0]",),
    "softplus": ("sigmoid({x})",),
    "log_sigmoid": ("(1 - sigmoid({x}))",),
    "sigmoid_cross_entropy": ("(sigmoid({x}) - {y})", "(-{x})"),
    "where": ("", "[{x}]", "[not {x}]"),
}
# What flows back through the others, with g for the gradient of the output.
_FLOWS = {
    "matmul": ("{g} @ {y}.T", "{x}.T @ {g}"),
    "matrix_transpose": ("{g}.T",),
    "reshape": ("{g}, in the shape of {x}",),
    "sum": ("{g}, to every element",),
    "mean": ("{g} / {n}, to every element",),
    "max": ("{g}, to the largest",),
    "min": ("{g}, to the smallest",),
    "vector_norm": ("{g} * {x} / {v}",),
    "softmax": ("({g} - sum({g} * {v})) * {v}",),
    "softmax_cross_entropy": ("{g} * (softmax({x}) - {y})", "-{g} * log(softmax({x}))"),
    "getitem": ("{g}, to the elements that were taken",),
    "concat": ("the part of {g} that is its own",) * 9,
    "stack": ("the part of {g} that is its own",) * 9,
    "broadcast_to": ("{g}, summed over its copies",),
}
_HIDDEN_SETTINGS = ("copy", "device", "keepdims", "dtype")


class Rule(NamedTuple):
    """A gate at work: what it computed, and what it hands back to each input that gradients flow to."""

    forward: str
    backward: tuple[str, ...]


@np.errstate(all="ignore")
def rule(graph: Graph, node: Node) -> Rule:
    """Return the rule of the gate of a node with the numbers put in.

    For q = x + y at -2 and 5: forward "q = x + y = -2 + 5 = 3" and, with -4 for dq, backward
    ("dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"). Before backward the numbers are "not computed yet".
    """
    return Rule(_forward(graph, node), _backward(graph, node))


def _forward(graph: Graph, node: Node) -> str:
    value = brief(node.value)
    if node.gate == "constant" and node.name == value:
        return value
    if not node.inputs:
        return f"{node.name} = {value}"
    inputs = [graph.nodes[i] for i in node.inputs]
    steps = [node.name, _written(node, [x.name for x in inputs])]
    small = all(x.value.size <= FEW for x in inputs)
    with_numbers = _written(
        node, [brief(x.value) if small or not x.value.ndim else str(x.value.shape) for x in inputs]
    )
    if with_numbers != steps[-1]:
        steps.append(with_numbers)
    return " = ".join([*steps, value])


def _written(node: Node, names: list[str]) -> str:
    pattern = _WRITTEN.get(node.gate)
    if pattern is None or len(names) > 2:
        settings = [
            f"{k}={v}" for k, v in node.settings.items() if k not in _HIDDEN_SETTINGS and v is not None
        ]
        return f"{node.gate}({', '.join([*names, *settings])})"
    if node.gate in ("pow", "negative", "square"):
        names = [f"({name})" if name.startswith("-") else name for name in names]
    return pattern.format(x=names[0], y=names[-1])


def _backward(graph: Graph, node: Node) -> tuple[str, ...]:
    if not node.followed or not node.inputs:
        return ()
    if node.index not in graph.leading:
        return (f"{graph.output.name} does not depend on {node.name}: 0 flows back",)
    return tuple(_handed_back(graph, node, k) for k, i in enumerate(node.inputs) if graph.nodes[i].followed)


def _handed_back(graph: Graph, node: Node, k: int) -> str:
    x, local, g = graph.nodes[node.inputs[k]], node.local[k], node.gradient
    words = _words(graph, node, k)
    if g is None:
        return f"d{x.name} += {words}: not computed yet"
    if local is not None and local.size <= FEW:
        numbers = f" = {brief(g)} * {_factor(local)}"
        share = _summed_to(g * local, x.value.shape)
        summed = "summed: " if share.shape != local.shape else ""
        return f"d{x.name} += {words}{numbers} = {summed}{brief(share)}"
    if graph.uses[x.index] == 1 and x.gradient is not None:
        return f"d{x.name} += {words} = {brief(x.gradient)}"
    return f"d{x.name} += {words}, shape {x.value.shape}"


def _words(graph: Graph, node: Node, k: int) -> str:
    inputs = [graph.nodes[i] for i in node.inputs]
    names = [f"({x.name})" if x.name.startswith("-") else x.name for x in inputs]
    known = {
        "x": names[0],
        "y": names[-1],
        "v": node.name,
        "g": f"d{node.name}",
        "n": _share(node, inputs[0]),
    }
    flows = _FLOWS.get(node.gate, ())
    if k < len(flows) and node.local[k] is None:
        return flows[k].format(**known)
    slopes = _SLOPES.get(node.gate, ())
    if k < len(slopes) and node.local[k] is not None:
        return "{g} * ".format(**known) + slopes[k].format(**known)
    return f"d{node.name} * d{node.name}/d{inputs[k].name}"


def _share(node: Node, x: Node) -> str:
    return str(x.value.size // max(node.value.size, 1))


def _factor(local: np.ndarray) -> str:
    if local.ndim == 0:
        text = number(local)
        return f"({text})" if text.startswith("-") else text
    return brief(local)


def _summed_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return g summed over the axes along which an input of this shape was broadcast."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return np.asarray(g.sum(axis=stretched, keepdims=True) if stretched else g)
