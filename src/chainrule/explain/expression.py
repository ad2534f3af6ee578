"""Expressions as text: parsed, checked against a list of what is allowed, and computed gate by gate.

The text is never executed: Python's parser makes a tree of it, and whatever in the tree is not on the list is an error.
"""

import ast
import math
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from chainrule.autodiff.traced import Traced

# More than anybody reads, and far less than what the parser dies of.
_LONGEST = 4000
_DEEPEST = 300

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}
_OF_ONE = (
    *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "elu", "exp", "expm1"),
    *("leaky_relu", "log", "log10", "log1p", "log2", "log_sigmoid", "reciprocal", "relu", "sigmoid", "sin"),
    *("sinh", "softplus", "sqrt", "square", "tan", "tanh", "transpose"),
)
_OF_TWO = (
    *("atan2", "dot", "hinge", "hypot", "logaddexp", "maximum", "minimum", "multiclass_hinge"),
    *("sigmoid_cross_entropy", "softmax_cross_entropy"),
)
_ALONG_AN_AXIS = (
    *("log_softmax", "logsumexp", "max", "mean", "min", "norm", "prod", "softmax", "std", "sum", "var"),
)
_ALIASES = {"s": "sigmoid"}
_CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS = (*_OF_ONE, *_OF_TWO, *_ALONG_AN_AXIS, *_ALIASES)
# What is written on paper and in other languages, and how it is written here.
_SIGNS = {"^": "**", "²": "**2", "³": "**3", "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "\u2013": "-"}
_ELSEWHERE = {"amax": "max", "amin": "min", "ln": "log", "tg": "tan"}


@final
@dataclass(frozen=True)
class Expression:
    """A checked expression: results in their order, each with its name or ""."""

    text: str
    statements: tuple[tuple[str, ast.expr], ...]

    def run(self, space: Any, values: dict[str, Any]) -> Any:
        """Return the last result, computed in a recorder from arrays by their names."""
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
        """Compute a tree from its leaves up, with no recursion."""
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
        settings: dict[str, Any] = {}
        if isinstance(node, ast.BinOp):
            name = _OPERATORS[type(node.op)]
        else:
            assert isinstance(node, ast.Call)
            assert isinstance(node.func, ast.Name)
            name = _ALIASES.get(node.func.id, node.func.id)
            if node.keywords:
                settings["axis"] = _integer(node.keywords[0].value)
        if not any(isinstance(x, Traced) for x in operands):
            operands[0] = space.number(operands[0])
        try:
            result = _gate(space, name, operands, settings)
        except ValueError as error:
            raise ValueError(f"explain: {self._part(node)}: {error}") from None
        if not result.level and not math.isfinite(space._base.sum(result.value)):
            raise ValueError(f"explain: {self._part(node)} is no finite number; write smaller ones")
        return result

    def _part(self, node: ast.AST) -> str:
        return _shown(self.text, node)


def parse(text: str, names: Sequence[str]) -> Expression:
    """Return a checked expression of values with these names.

    Allowed are numbers, names, + - * / ** @, parentheses, the calls of FUNCTIONS, and assignments of names to parts,
    with a semicolon or a new line between two of them. ValueError for anything else, for a name that is not known,
    and for a value that is not used.
    """
    if len(text) > _LONGEST:
        raise ValueError(
            f"explain: expected an expression of at most {_LONGEST} characters, got {len(text)}; write a function"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = getattr(error, "msg", None) or "nested too deeply"
        raise ValueError(f"explain: {_cut(text)!r} is no expression: {_remedy(text) or said}") from None
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
    idle = [name for name in names if name not in used]
    if idle:
        raise ValueError(f"explain: the expression does not use {', '.join(idle)}; leave it out")
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
    """Return what to write instead of what no program reads: a sign of paper, or a product without a sign."""
    for sign, ours in _SIGNS.items():
        if sign in text:
            return f"write {ours} for {sign}"
    product = re.search(r"(?<![\w.])(\d+\.?\d*)([^\W\d]\w*)", text)
    return f"write {product[1]}*{product[2]} for {product[0]}" if product else ""


def _checked(text: str, tree: ast.expr, known: Collection[str]) -> Iterator[str]:
    """Yield the names in a tree of which every node is allowed; ValueError for any other."""
    stack = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > _DEEPEST:
            raise ValueError(
                f"explain: expected parts in at most {_DEEPEST} others, got more; name some of them"
            )
        fault = _fault(node, known)
        if fault:
            raise ValueError(f"explain: {_shown(text, node)!r} is not allowed: {fault}")
        if isinstance(node, ast.Name):
            yield node.id
        stack += [(part, depth + 1) for part in _operands(node)]


def _fault(node: ast.expr, known: Collection[str]) -> str:
    """Return why a node is not allowed, or "" where it is."""
    if isinstance(node, ast.Name):
        return ""
    if isinstance(node, ast.Constant):
        if not isinstance(node.value, int | float) or isinstance(node.value, bool):
            return "numbers alone are"
        return "" if _is_finite(node.value) else "the number is too large"
    if isinstance(node, ast.UnaryOp):
        return "" if isinstance(node.op, ast.USub | ast.UAdd) else "of signs, + and - alone are"
    if isinstance(node, ast.BinOp):
        power = "; write ** for ^" if isinstance(node.op, ast.BitXor) else ""
        return "" if type(node.op) in _OPERATORS else f"of operators, + - * / ** @ alone are{power}"
    if isinstance(node, ast.Call):
        return _fault_of_call(node, known)
    kind = type(node).__name__.lower()
    return f"{kind} is none of numbers, names, + - * / ** @ and calls of functions"


def _fault_of_call(node: ast.Call, known: Collection[str]) -> str:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        if name in known or not isinstance(node.func, ast.Name | ast.Attribute):
            return "a product needs its sign; write * before the parenthesis"
        meant = _meant(node.func.attr if isinstance(node.func, ast.Attribute) else name)
        return f"{f'write {meant}; ' if meant else ''}the functions are {', '.join(FUNCTIONS)}"
    counts = (1, 2) if name in ("max", "min") else (2,) if name in _OF_TWO else (1,)
    if len(node.args) not in counts:
        return f"{name} takes {' or '.join(map(str, counts))} values, not {len(node.args)}"
    if any(isinstance(x, ast.Starred) for x in node.args):
        return "a star is none of numbers, names, + - * / ** @ and calls of functions"
    for keyword in node.keywords:
        if keyword.arg != "axis" or name not in _ALONG_AN_AXIS or len(node.args) > 1:
            return "no such setting; sum, mean and their kin take axis=0"
        if _integer(keyword.value) is None:
            return "axis is a whole number"
    return "" if len(node.keywords) < 2 else "axis is given twice"


def _meant(name: str) -> str:
    """Return the function that is called by this name elsewhere, or ""."""
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


def _gate(space: Any, name: str, operands: list[Any], settings: dict[str, Any]) -> Any:
    numbers = any(not isinstance(x, Traced) or x.ndim == 0 for x in operands)
    if name == "matmul" and numbers:
        raise ValueError("@ is the product of matrices and vectors; write * for numbers")
    if name in ("max", "min") and len(operands) == 2:
        return getattr(space, f"{name}imum")(*operands)
    if name == "dot":
        return (space.multiply if numbers else space.matmul)(*operands)
    if name == "norm":
        return space.linalg.vector_norm(*operands, **settings)
    if name == "transpose":
        return operands[0].T
    return getattr(space, name)(*operands, **settings)


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
