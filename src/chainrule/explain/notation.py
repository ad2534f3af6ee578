"""The notation of gates, one row a gate: how it is written, its local gradient, and both in JavaScript for the page.

In a formula x, y and z stand for the inputs of the gate, v for its output, g for the gradient of v; [a > b] is 1 where
a > b, else 0. A gate without a row is written as a call, and its local gradient as dv/dx.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import final

from chainrule.gates import FLOWS

_SYMBOL = re.compile(r"\b[gnvxyz]\b")
INPUTS = "xyz"


@final
@dataclass(frozen=True)
class Notation:
    """How one gate is written, drawn, called and computed again.

    slopes    the local gradient in each input, as a factor: of an element-wise gate, and where there are flows too, of
              single numbers
    flows     the gradient of each input where it is no product with a slope; the last formula serves all further
              inputs, and n is how many elements of x make one of v
    written   the gate as a formula; where empty, a call such as "tanh(x)"
    js        the value, then the slopes, in JavaScript; where empty or missing, the formula itself is JavaScript; None
              where the page does not compute the gate
    rows      of a gate of rows, in JavaScript: the value, a number or one for each element, of rows x and y; then for
              each input the gradient of its element i, where v is the value and g its gradient
    along     the axes of the rows where the gate is given none: "all", or "last"
    moves     whether each element of the value is one of the inputs', in another place
    sign      what stands on the drawn gate; where empty, its name
    call      how many arrays an expression gives to the gate by its name; 0 where expressions do not call it
    axis      whether an expression may say axis=
    ordered   whether wires enter the drawn gate in the order of its inputs
    """

    slopes: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()
    written: str = ""
    js: tuple[str, ...] | None = ()
    rows: tuple[str, ...] = ()
    along: str = "all"
    moves: bool = False
    sign: str = ""
    call: int = 0
    axis: bool = False
    ordered: bool = False

    @property
    def is_elementwise(self) -> bool:
        """Whether each element of the output is computed from one element of each input."""
        return bool(self.slopes) and not self.flows

    @property
    def is_computed_by_the_page(self) -> bool:
        """Whether value and slopes, or those of rows, are formulas of JavaScript."""
        return bool(self.rows) or (bool(self.slopes) and self.js is not None)

    @property
    def binds_first(self) -> bool:
        """Whether an input with a minus sign needs parentheses: -(-2), (-2)**2."""
        return self.written.startswith("-") or "**" in self.written

    def is_written_with(self, inputs: int) -> bool:
        """Tell whether `written` is a formula of so many inputs."""
        return set(_SYMBOL.findall(self.written)) == set(INPUTS[:inputs])


# The sum is near 1 by all but the largest, so that none of their digits is lost.
_LOG_SOFTMAX = """{
    const [top, first] = [Math.max(...x), x.indexOf(Math.max(...x))];
    const log = Math.log1p(x.reduce((sum, a, k) => (k == first ? sum : sum + Math.exp(a - top)), 0));
    return x.map((a) => a - top - log);
  }"""
_MARGINS = "x.map((a) => 1 + a - x.reduce((sum, b, k) => sum + y[k] * b, 0))"
# Equals share the gradient; no element equals NaN.
_SHARED = "x[i] == v ? g / x.filter((a) => a == v).length : v != v && g != 0 ? NaN : 0"

NOTATION: dict[str, Notation] = {
    # Operators. Where inputs are equal, maximum and minimum share the gradient evenly.
    "add": Notation(("1", "1"), written="x + y", sign="+"),
    "subtract": Notation(("1", "(-1)"), written="x - y", sign="−", ordered=True),
    "multiply": Notation(("y", "x"), written="x * y", sign="×"),
    "divide": Notation(("(1 / y)", "(-v / y)"), written="x / y", sign="÷", ordered=True),
    "pow": Notation(
        ("y * x**(y - 1)", "v * log(x)"),
        written="x**y",
        js=("", "x == 0 && y == 0 ? 0 : y * x**(y - 1)", "x == 0 && y > 0 ? 0 : v * log(x)"),
        sign="xʸ",
        ordered=True,
    ),
    "matmul": Notation(flows=("g @ y.T", "x.T @ g"), written="x @ y", sign="@", ordered=True),
    "negative": Notation(("(-1)",), written="-x", sign="−x"),
    "positive": Notation(("1",), js=("x",)),
    "maximum": Notation(
        ("[x > y]", "[y > x]"),
        written="max(x, y)",
        js=("", "v != v ? NaN : [x > y] + [x == y] / 2", "v != v ? NaN : [y > x] + [x == y] / 2"),
        sign="max",
        call=2,
    ),
    "minimum": Notation(
        ("[x < y]", "[y < x]"),
        written="min(x, y)",
        js=("", "v != v ? NaN : [x < y] + [x == y] / 2", "v != v ? NaN : [y < x] + [x == y] / 2"),
        sign="min",
        call=2,
    ),
    "where": Notation(("0", "[x]", "[not x]"), js=("x ? y : z", "0", "[x]", "[!x]")),
    "equal": Notation(("0", "0"), written="x == y", sign="="),
    "greater": Notation(("0", "0"), written="x > y"),
    "greater_equal": Notation(("0", "0"), written="x >= y"),
    "less": Notation(("0", "0"), written="x < y"),
    "less_equal": Notation(("0", "0"), written="x <= y"),
    "not_equal": Notation(("0", "0"), written="x != y"),
    # Element-wise functions.
    "abs": Notation(("sign(x)",), sign="|x|", call=1),
    "acos": Notation(("(-1 / sqrt((1 - x) * (1 + x)))",), call=1),
    "acosh": Notation(("(1 / (sqrt(x - 1) * sqrt(x + 1)))",), call=1),
    "asin": Notation(("(1 / sqrt((1 - x) * (1 + x)))",), call=1),
    "asinh": Notation(("(1 / hypot(x, 1))",), call=1),
    "atan": Notation(("(1 / (1 + x**2))",), call=1),
    "atan2": Notation(
        ("(y / (x**2 + y**2))", "(-x / (x**2 + y**2))"),
        js=(
            "",
            "x == 0 && y == 0 ? 0 : y / hypot(x, y) / hypot(x, y)",
            "x == 0 && y == 0 ? 0 : -x / hypot(x, y) / hypot(x, y)",
        ),
        call=2,
    ),
    "atanh": Notation(("(1 / ((1 - x) * (1 + x)))",), call=1),
    "cbrt": Notation(("(1 / (3 * v**2))",), js=None),
    "clip": Notation(("[v == x]",), js=None),  # either bound may be missing
    "conj": Notation(("1",), js=("x",)),
    "copysign": Notation(("sign(x) * sign(v)",), js=None),  # no gradient flows to its second input
    "cos": Notation(("(-sin(x))",), call=1),
    "cosh": Notation(("sinh(x)",), call=1),
    "exp": Notation(("v",), call=1),
    "expm1": Notation(("(v + 1)",), call=1),
    "hypot": Notation(("(x / v)", "(y / v)"), js=("", "v == 0 ? 0 : x / v", "v == 0 ? 0 : y / v"), call=2),
    "imag": Notation(("0",), js=("0",)),
    "log": Notation(("(1 / x)",), call=1),
    "log10": Notation(("(1 / (x * log(10)))",), call=1),
    "log1p": Notation(("(1 / (1 + x))",), call=1),
    "log2": Notation(("(1 / (x * log(2)))",), call=1),
    "logaddexp": Notation(
        ("sigmoid(x - y)", "sigmoid(y - x)"),
        js=("x == y ? x + log(2) : max(x, y) + log1p(exp(-abs(x - y)))",),
        call=2,
    ),
    "logaddexp2": Notation(("(1 / (1 + 2**(y - x)))", "(1 / (1 + 2**(x - y)))"), js=None),
    "real": Notation(("1",), js=("x",)),
    "reciprocal": Notation(("(-v**2)",), written="1 / x", js=("", "-v * v"), sign="1/x", call=1),
    "remainder": Notation(("1", "(-floor(x / y))"), js=("x - y * floor(x / y)",)),
    "sign": Notation(("0",)),
    "sin": Notation(("cos(x)",), call=1),
    "sinh": Notation(("cosh(x)",), call=1),
    "sqrt": Notation(("(1 / (2 * v))",), sign="√", call=1),
    "square": Notation(("2 * x",), written="x**2", sign="x²", call=1),
    "tan": Notation(("(1 + v**2)",), call=1),
    "tanh": Notation(("(1 - v**2)",), call=1),
    # Activations. The page computes those with settings as they are without: alpha = 1 of elu, slope = 0.01.
    "elu": Notation(
        ("([x > 0] + [x <= 0] * (v + alpha))",),
        js=("x <= 0 ? expm1(x) : x", "v != v ? NaN : x <= 0 ? v + 1 : 1"),
        call=1,
    ),
    "leaky_relu": Notation(
        ("([x > 0] + [x <= 0] * slope)",),
        js=("x <= 0 ? 0.01 * x : x", "v != v ? NaN : x <= 0 ? 0.01 : 1"),
        call=1,
    ),
    "log_sigmoid": Notation(("(1 - sigmoid(x))",), js=("-softplus(-x)", "sigmoid(-x)"), call=1),
    "relu": Notation(("[x > 0]",), js=("max(x, 0)", "v != v ? NaN : [x > 0]"), call=1),
    "sigmoid": Notation(
        ("v * (1 - v)",),
        js=("x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))", "v * sigmoid(-x)"),
        sign="σ",
        call=1,
    ),
    "softplus": Notation(("sigmoid(x)",), js=("max(x, 0) + log1p(exp(-abs(x)))",), call=1),
    # Differences of products, where Python's rules avoid 1 less what is nearly 1 in another way.
    "log_softmax": Notation(
        rows=(_LOG_SOFTMAX, "v.reduce((sum, u, k) => sum + g[i] * exp(u) - g[k] * exp(v[i]), 0)"),
        along="last",
        call=1,
        axis=True,
    ),
    "logsumexp": Notation(
        rows=("max(...x) - max(...GATES.log_softmax.value(x))", "g * exp(GATES.log_softmax.value(x)[i])"),
        call=1,
        axis=True,
    ),
    "softmax": Notation(
        flows=("(g - sum(g * v)) * v",),
        rows=(
            "GATES.log_softmax.value(x).map(Math.exp)",
            "v[i] * v.reduce((sum, u, k) => sum + (g[i] - g[k]) * u, 0)",
        ),
        along="last",
        call=1,
        axis=True,
    ),
    # Losses.
    "hinge": Notation(
        ("[x * y < 1] * (-y)", "[x * y < 1] * (-x)"),
        js=("max(0, 1 - y * x)", "v != v ? NaN : x * y < 1 ? -y : 0", "v != v ? NaN : x * y < 1 ? -x : 0"),
        call=2,
    ),
    "multiclass_hinge": Notation(
        rows=(
            f"{_MARGINS}.reduce((sum, m, k) => sum + (1 - y[k]) * max(m, 0), 0)",
            f"v != v ? NaN : g * {_MARGINS}"
            ".reduce((sum, m, k) => sum + (m > 0 ? (1 - y[k]) * ((k == i) - y[i]) : 0), 0)",
            f"v != v ? NaN : -g * {_MARGINS}"
            ".reduce((sum, m, k) => sum + (m > 0 ? (k == i) * m + (1 - y[k]) * x[i] : 0), 0)",
        ),
        along="last",
        call=2,
    ),
    "sigmoid_cross_entropy": Notation(
        ("(sigmoid(x) - y)", "(-x)"),
        js=(
            "((x >= 0) - y) * x + log1p(exp(-abs(x)))",
            "(x >= 0) - y + (x >= 0 ? -1 : 1) * sigmoid(-abs(x))",
        ),
        sign="cross entropy",
        call=2,
    ),
    "softmax_cross_entropy": Notation(
        flows=("g * (softmax(x) - y)", "-g * log(softmax(x))"),
        rows=(
            "-GATES.log_softmax.value(x).reduce((sum, u, k) => sum + y[k] * u, 0)",
            "g * GATES.softmax.value(x).reduce((sum, p, k, ps) => sum + ps[i] * y[k] - p * y[i], 0)",
            "-g * GATES.log_softmax.value(x)[i]",
        ),
        along="last",
        sign="cross entropy",
        call=2,
    ),
    # Reductions.
    "max": Notation(flows=("g, to the largest",), rows=("max(...x)", _SHARED), call=1, axis=True),
    "mean": Notation(
        ("1",),
        flows=("g / n, to every element",),
        rows=("GATES.sum.value(x) / x.length", "g / x.length"),
        call=1,
        axis=True,
    ),
    "min": Notation(flows=("g, to the smallest",), rows=("min(...x)", _SHARED), call=1, axis=True),
    "prod": Notation(
        rows=("x.reduce((p, a) => p * a, 1)", "x.reduce((p, a, k) => (k == i ? p : p * a), g)"),
        sign="∏",
        call=1,
        axis=True,
    ),
    "std": Notation(
        rows=(
            "sqrt(GATES.var.value(x))",
            "x.every((a) => a == x[0]) ? 0 : g * (x[i] - GATES.mean.value(x)) / (v * x.length)",
        ),
        call=1,
        axis=True,
    ),
    "sum": Notation(
        ("1",),
        flows=("g, to every element",),
        rows=("x.reduce((sum, a) => sum + a, 0)", "g"),
        sign="Σ",
        call=1,
        axis=True,
    ),
    "var": Notation(
        rows=(
            "GATES.mean.value(x.map((a) => (a - GATES.mean.value(x))**2))",
            "2 * g * (x[i] - GATES.mean.value(x)) / x.length",
        ),
        call=1,
        axis=True,
    ),
    "vector_norm": Notation(flows=("g * x / v",), rows=("hypot(...x)", "g * (v == 0 ? 0 : x[i] / v)")),
    # What moves elements.
    "broadcast_to": Notation(flows=("g, summed over its copies",), moves=True),
    "concat": Notation(flows=("the part of g that is its own",), moves=True),
    "expand_dims": Notation(flows=("g, in the shape of x",), moves=True),
    "flip": Notation(flows=("g, flipped back",), moves=True),
    "getitem": Notation(flows=("g, to the elements that were taken",), moves=True),
    "matrix_transpose": Notation(flows=("g.T",), written="x.T", moves=True, sign="ᵀ"),
    "permute_dims": Notation(flows=("g, its axes in the order of x",), moves=True),
    "reshape": Notation(flows=("g, in the shape of x",), moves=True),
    "roll": Notation(flows=("g, rolled back",), moves=True),
    "squeeze": Notation(flows=("g, in the shape of x",), moves=True),
    "stack": Notation(flows=("the part of g that is its own",), moves=True),
}
_BY_DEFAULT = Notation()


def of(gate: str) -> Notation:
    """Return the row of a gate; of a gate without one, that of a call."""
    return NOTATION.get(gate, _BY_DEFAULT)


def filled(formula: str, symbols: Mapping[str, str]) -> str:
    """Return a formula with other texts for its symbols."""
    return _SYMBOL.sub(lambda symbol: symbols.get(symbol[0], symbol[0]), formula)


def javascript(gates: Collection[str] = NOTATION) -> str:
    """Return those of the gates that the page computes as a JavaScript object, and the gates that these call.

    A row says how its gate is written; how it passes on what a selection left out; the value and the slopes, or of a
    gate of rows the shares.
    """
    flows = {gate.__name__: flow for gate, flow in FLOWS.items()}
    rows = {
        gate: _row(gate, flows.get(gate, "")) for gate, row in NOTATION.items() if row.is_computed_by_the_page
    }
    wanted, waiting = set[str](), [gate for gate in gates if gate in rows]
    while waiting:
        gate = waiting.pop()
        if gate not in wanted:
            wanted.add(gate)
            waiting += re.findall(r"GATES\.(\w+)", rows[gate])
    return "{\n" + "".join(f"  {gate}: {text},\n" for gate, text in rows.items() if gate in wanted) + "}"


def _row(gate: str, flow: str) -> str:
    row = NOTATION[gate]
    if row.rows:
        rows = ", ".join(INPUTS[: len(row.rows) - 1])
        value, *formulas = map(_in_javascript, row.rows)
        shares = [f"(g, v, i, {rows}) => {formula}" for formula in formulas]
        return _object(row, flow, f"({rows}) => {value}", "shares", shares)
    js = row.js or ()
    inputs = ", ".join(INPUTS[: len(row.slopes)])
    formulas = [row.written or f"{gate}({inputs})", *row.slopes]
    value, *slopes = (
        _in_javascript(re.sub(r"\[(.*?)\]", r"+(\1)", own or formula))  # brackets are numbers
        for own, formula in zip([*js, *formulas[len(js) :]], formulas, strict=True)
    )
    functions = [f"(v, {inputs}) => {slope}" for slope in slopes]
    return _object(row, flow, f"({inputs}) => {value}", "slopes", functions)


def _object(row: Notation, flow: str, value: str, name: str, listed: list[str]) -> str:
    written = f'written: "{row.written}", bindsFirst: {str(row.binds_first).lower()}, flow: "{flow}"'
    return f"{{ {written}, value: {value}, {name}: [{', '.join(listed)}] }}"


def _in_javascript(formula: str) -> str:
    """Return a formula whose functions are those of other rows or of Math."""
    return re.sub(
        r"(?<!\.)\b([a-z]\w*)\(",
        lambda call: f"GATES.{call[1]}.value(" if _is_own(call[1]) else f"Math.{call[1]}(",
        formula,
    )


def _is_own(gate: str) -> bool:
    """Tell whether the value of a gate is more than a function of Math."""
    js = of(gate).js
    return bool(js and js[0])
