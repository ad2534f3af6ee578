"""Expressions as text: parsed, checked and computed gate by gate.

The text is never executed. Python's parser makes a tree of it, and a node of the tree that is not explicitly allowed is
an error.
"""

import ast
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from chainrule.autodiff.traced import Traced
from chainrule.explain.notation import NOTATION

# More than anybody reads, and far less than the parser's own limits, which end the process.
_LONGEST = 4000
_DEEPEST = 300
_MOST_NUMBERS = 10**7
# No array of NumPy has more.
_MOST_AXES = 64


@final
@dataclass(frozen=True)
class _Function:
    """A function of the language: how many values it takes, whether axis= too, and the gates that it runs."""

    counts: tuple[int, ...]
    axis: bool
    run: Callable[..., Any]  # of a recorder, arrays and numbers


def _operators() -> dict[type[ast.operator], str]:
    """Return the gate of each operator of Python that stands between x and y in the notation of a gate."""
    trees = {gate: ast.parse(row.written, mode="eval").body for gate, row in NOTATION.items() if row.written}
    return {
        type(tree.op): gate
        for gate, tree in trees.items()
        if isinstance(tree, ast.BinOp)
        and isinstance(tree.left, ast.Name)
        and isinstance(tree.right, ast.Name)
    }


def _gate_by_name(gate: str) -> Callable[..., Any]:
    # Losses of whole rows need arrays; other gates of two arrays take a number as it is.
    needs_arrays = not NOTATION[gate].slopes

    def run(space: Any, *operands: Any, **settings: Any) -> Any:
        if needs_arrays:
            operands = tuple(x if isinstance(x, Traced) else space.number(x) for x in operands)
        return getattr(space, gate)(*operands, **settings)

    return run


def _largest(space: Any, x: Any, *y: Any, **settings: Any) -> Any:
    return space.maximum(x, *y) if y else space.max(x, **settings)


def _smallest(space: Any, x: Any, *y: Any, **settings: Any) -> Any:
    return space.minimum(x, *y) if y else space.min(x, **settings)


def _dot(space: Any, x: Any, y: Any) -> Any:
    return space.multiply(x, y) if _is_number(x) or _is_number(y) else space.matmul(x, y)


def _norm(space: Any, x: Any, **settings: Any) -> Any:
    return space.linalg.vector_norm(x, **settings)


_OPERATORS = _operators()
# First the gates that are called by their own names, then the functions that are not one gate of the same name.
FUNCTIONS = {
    gate: _Function((row.call,), row.axis, _gate_by_name(gate)) for gate, row in NOTATION.items() if row.call
} | {
    "dot": _Function((2,), False, _dot),
    "max": _Function((1, 2), True, _largest),
    "min": _Function((1, 2), True, _smallest),
    "norm": _Function((1,), True, _norm),
    "s": _Function((1,), False, _gate_by_name("sigmoid")),
    "transpose": _Function((1,), False, lambda space, x: x.T),
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
# Signs of paper, and functions of other languages, with their spellings in this language.
_SIGNS = {"^": "**", "²": "**2", "³": "**3", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "\u2013": "-"}
_ELSEWHERE = {"amax": "max", "amin": "min", "ln": "log", "tg": "tan"}


@final
@dataclass(frozen=True)
class Expression:
    """A checked expression: its statements in order, each a name, or "", and the tree of its result."""

    text: str
    statements: tuple[tuple[str, ast.expr], ...]

    def run(self, space: Any, values: dict[str, Any]) -> Any:
        """Return the last result, computed in a recorder from arrays, which `values` names."""
        known = dict(values)
        result = None
        for name, tree in self.statements:
            result = self._computed(tree, space, known)
            if name:
                if not isinstance(tree, ast.Name):
                    result = result if isinstance(result, Traced) else space.number(result)
                    space.name(result, name)
                known[name] = result
        return result if isinstance(result, Traced) else space.number(result)

    def _computed(self, tree: ast.expr, space: Any, known: dict[str, Any]) -> Any:
        """Compute a tree from its leaves up, without recursion."""
        results: list[Any] = []
        for node in _leaves_first(tree):
            if isinstance(node, ast.Constant):
                results.append(node.value)
            elif isinstance(node, ast.Name):
                results.append(known[node.id] if node.id in known else _CONSTANTS[node.id])
            else:
                n = len(_operands(node))
                operands = results[len(results) - n :]
                del results[len(results) - n :]
                results.append(self._applied(node, space, operands))
        return results[0]

    def _applied(self, node: ast.expr, space: Any, operands: list[Any]) -> Any:
        if isinstance(node, ast.UnaryOp):
            (x,) = operands
            if isinstance(node.op, ast.UAdd):
                return x
            return space.negative(x) if isinstance(x, Traced) else -x
        if not any(isinstance(x, Traced) for x in operands):
            operands[0] = space.number(operands[0])
        size = _size_of_result(node, operands)
        if size > _MOST_NUMBERS:
            raise ValueError(
                f"explain: {self._part(node)} would have {size} numbers; {_MOST_NUMBERS} are the most"
            )
        try:
            result = _result(node, space, operands)
        except ValueError as error:
            raise ValueError(f"explain: {self._part(node)}: {error}") from None
        if not result.level and not math.isfinite(space._base.sum(result.value)):
            raise ValueError(f"explain: {self._part(node)} is not a finite number; write smaller numbers")
        return result

    def _part(self, node: ast.AST) -> str:
        return _shown(self.text, node)


def parse(text: str, names: Sequence[str]) -> Expression:
    """Return the checked expression of a text, in values with these names.

    Allowed are numbers, names, + - * / ** @, parentheses, calls of FUNCTIONS, and assignments of names to parts, with a
    semicolon or a new line between two of them. Raises ValueError for any other text, for a name without a value, and
    for a value that is not used.
    """
    if len(text) > _LONGEST:
        raise ValueError(
            f"explain: expected an expression of at most {_LONGEST} characters, got {len(text)}; "
            "write a function instead"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", None) or "nested too deeply"
        raise ValueError(f"explain: {_cut(text)!r} is not an expression: {_remedy(text) or said}") from None
    if not body:
        raise ValueError('explain: expected an expression such as "3*(a+b*c)", got an empty text')
    statements: list[tuple[str, ast.expr]] = []
    known, used = {*names}, set[str]()
    for number, line in enumerate(body, start=1):
        name, tree = _statement(text.strip(), line, last=number == len(body))
        for leaf in _checked(text.strip(), tree, known):
            if leaf not in known and leaf in FUNCTIONS:
                raise ValueError(f"explain: {leaf} is a function; write {leaf}(...) of a value")
            if leaf not in known and leaf not in _CONSTANTS:
                raise ValueError(
                    f"explain: {leaf} has no value; give it one, such as {leaf}=1, besides {_listed(known)}"
                )
            used.add(leaf)
        if name in known:
            raise ValueError(f"explain: {name} has a value already; give the result another name")
        known |= {name} if name else set()
        statements.append((name, tree))
    unused = [name for name in names if name not in used]
    if unused:
        raise ValueError(f"explain: the expression does not use {', '.join(unused)}; leave it out")
    return Expression(text.strip(), tuple(statements))


def _statement(text: str, line: ast.stmt, last: bool) -> tuple[str, ast.expr]:
    if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
        return line.targets[0].id, line.value
    if isinstance(line, ast.Expr):
        if last:
            return "", line.value
        raise ValueError(f"explain: {_shown(text, line)!r} has no name; write u = {_shown(text, line)}")
    raise ValueError(
        f"explain: {_shown(text, line)!r} is not allowed; write expressions, and names for them: u = b*c; 3*u"
    )


def _remedy(text: str) -> str:
    """Return a correction of a sign of paper, or of a product without a sign; "" where there is neither."""
    for sign, ours in _SIGNS.items():
        if sign in text:
            return f"write {ours} for {sign}"
    product = re.search(r"(?<![\w.])(\d+\.?\d*)([^\W\d]\w*)", text)
    return f"write {product[1]}*{product[2]} for {product[0]}" if product else ""


def _checked(text: str, tree: ast.expr, known: Collection[str]) -> Iterator[str]:
    """Yield the names in a tree; ValueError where a node of the tree is not allowed."""
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > _DEEPEST:
            raise ValueError(
                f"explain: expected parts nested at most {_DEEPEST} deep, got more; name some of them"
            )
        fault = _fault(node, known)
        if fault:
            raise ValueError(f"explain: {_shown(text, node)!r} is not allowed: {fault}")
        if isinstance(node, ast.Name):
            yield node.id
        stack += [(part, depth + 1) for part in _operands(node)]


def _fault(node: ast.expr, known: Collection[str]) -> str:
    """Return why a node is not allowed, or "" where it is allowed."""
    if isinstance(node, ast.Name):
        return ""
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            return "a constant must be a number"
        return "" if _is_finite(node.value) else "the number is too large"
    if isinstance(node, ast.UnaryOp):
        return "" if isinstance(node.op, ast.USub | ast.UAdd) else "a sign must be + or -"
    if isinstance(node, ast.BinOp):
        power = "; write ** for ^" if isinstance(node.op, ast.BitXor) else ""
        return "" if type(node.op) in _OPERATORS else f"an operator must be one of + - * / ** @{power}"
    if isinstance(node, ast.Call):
        return _fault_of_call(node, known)
    kind = type(node).__name__.lower()
    return f"{kind} is not a number, a name, an operator + - * / ** @ or a call of a function"


def _fault_of_call(node: ast.Call, known: Collection[str]) -> str:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        if name in known or not isinstance(node.func, ast.Name | ast.Attribute):
            return "a product needs its sign; write * before the parenthesis"
        meant = _meant(node.func.attr if isinstance(node.func, ast.Attribute) else name)
        return f"{f'write {meant}; ' if meant else ''}the functions are {', '.join(sorted(FUNCTIONS))}"
    function = FUNCTIONS[name]
    if len(node.args) not in function.counts:
        return f"{name} takes {' or '.join(map(str, function.counts))} values, not {len(node.args)}"
    if any(isinstance(x, ast.Starred) for x in node.args):
        return "a star is not a number, a name, an operator + - * / ** @ or a call of a function"
    for keyword in node.keywords:
        if keyword.arg != "axis" or not function.axis or len(node.args) > 1:
            return "the only setting is axis, as in axis=0, of sum, mean and other reductions"
        axis = _integer(keyword.value)
        if axis is None or abs(axis) > _MOST_AXES:
            return "axis must be a whole number, that of an axis"
    return "" if len(node.keywords) < 2 else "axis is given twice"


def _meant(name: str) -> str:
    """Return the function that has this name in other languages, or ""."""
    name = name.lower()
    name = _ELSEWHERE.get(name, name.replace("arc", "a", 1))
    return name if name in FUNCTIONS else ""


def _integer(node: ast.expr) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _integer(node.operand)
        return None if value is None else -value
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    return node.args if isinstance(node, ast.Call) else []


def _leaves_first(tree: ast.expr) -> list[ast.expr]:
    order, stack = [], [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack += _operands(node)
    return order[::-1]


def _result(node: ast.expr, space: Any, operands: list[Any]) -> Any:
    """Return the result of an operator or a call."""
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.MatMult) and any(map(_is_number, operands)):
            raise ValueError("@ is the product of matrices and vectors; write * for numbers")
        return getattr(space, _OPERATORS[type(node.op)])(*operands)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    settings = {"axis": _integer(node.keywords[0].value)} if node.keywords else {}
    return FUNCTIONS[node.func.id].run(space, *operands, **settings)


def _size_of_result(node: ast.expr, operands: list[Any]) -> int:
    """Return how many numbers the operands make, where they are spread over each other; 0 where they do not fit."""
    shapes = [x.shape for x in operands if isinstance(x, Traced)]
    try:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            rows, columns = shapes[0][:-1], shapes[1][-1:] if len(shapes[1]) > 1 else ()
            return int(math.prod(rows) * math.prod(columns))
        return math.prod(np.broadcast_shapes(*shapes))
    except (IndexError, ValueError):
        return 0


def _is_number(x: Any) -> bool:
    return not isinstance(x, Traced) or x.ndim == 0


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _shown(text: str, node: ast.AST) -> str:
    return _cut(ast.get_source_segment(text, node) or type(node).__name__)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names - {""})) or "none so far"
