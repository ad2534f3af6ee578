"""The notation of gates: complete, true, and what the page computes with."""

import inspect
import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain import expression, notation
from chainrule.explain.notation import NOTATION
from chainrule.explain.render import page
from chainrule.gates import activations, elementwise, losses, statistical

SPACE = cr.differentiable(np)
CHAPTERS = (elementwise, activations, losses, statistical)
GATES = {
    name: f
    for chapter in CHAPTERS
    for name, f in vars(chapter).items()
    if getattr(f, "__module__", "") == chapter.__name__ and hasattr(SPACE, name)
}
POINTS = ((0.3, 0.7, -1.2), (2.5, -0.6, 0.4), (-1.5, 3.0, 2.0), (1.7, 0.2, 5.0))


def value(gate, x, y, z):
    """Return what a gate gives for as many of the three arrays as it takes."""
    xp = x.__array_namespace__()
    run = getattr(cr.functions, gate, None) or getattr(xp, gate, None) or getattr(xp, f"_{gate}")
    if gate == "where":
        return run(x > 0, y, z)
    if gate == "clip":
        return run(x, -1.0, 2.0)
    if gate == "copysign":
        return run(x, y)
    return run(*(x, y, z)[: len(NOTATION[gate].slopes)])


def evaluated(formula, **known):
    """Return the value of a formula of the notation in plain Python."""
    functions = {name: getattr(math, name) for name in dir(math) if not name.startswith("_")}
    functions |= {"sign": np.sign, "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "alpha": 1.0, "slope": 0.01}
    return float(eval(re.sub(r"\[(.*?)\]", r"float(\1)", formula), functions | known))


def missing():
    known = {*GATES, *expression._OPERATORS.values(), *expression.FUNCTIONS}
    return known - {*NOTATION} - {"dot", "norm", "s", "transpose"} - {"cumulative_prod", "cumulative_sum"}


def test_every_gate_that_an_expression_can_write_and_every_elementwise_one_has_a_row(monkeypatch):
    assert missing() == set()
    monkeypatch.delitem(NOTATION, "tanh")
    assert missing() == {"tanh"}


@pytest.mark.parametrize("gate", [gate for gate, row in NOTATION.items() if row.slopes])
def test_the_slopes_are_those_of_the_engine(gate):
    tried = 0
    for point in POINTS:
        with np.errstate(all="ignore"):
            graph = cr.explain(
                lambda x, y, z: value(gate, x, y, z) * 1.0, **dict(zip("xyz", point, strict=True))
            )
        node = next(n for n in graph.nodes if n.gate == gate)
        if not np.isfinite(node.value):
            continue
        known = {"v": float(node.value)} | {
            symbol: float(graph.nodes[i].value) for symbol, i in zip("xyz", node.inputs, strict=False)
        }
        for local, slope in zip(node.local, NOTATION[gate].slopes, strict=gate not in ("clip", "copysign")):
            expected = 0.0 if local is None else float(local)
            if np.isfinite(expected):
                assert evaluated(slope, **known) == pytest.approx(expected, rel=1e-12), (gate, point, slope)
                tried += 1
    assert tried >= len(NOTATION[gate].slopes)


@pytest.mark.parametrize("gate", [gate for gate, row in NOTATION.items() if row.call])
def test_an_expression_calls_a_gate_with_the_arrays_and_the_axis_that_it_takes(gate):
    parameters = list(inspect.signature(GATES[gate]).parameters.values())[1:]
    assert NOTATION[gate].call == sum(p.kind is p.POSITIONAL_ONLY for p in parameters)
    assert NOTATION[gate].axis == any(p.name == "axis" for p in parameters)


def test_formulas_are_of_the_inputs_that_the_slopes_or_flows_are_of():
    for gate, row in NOTATION.items():
        if row.written:
            assert row.is_written_with(len(row.slopes or row.flows)), gate
        assert len(row.js or ()) <= 1 + len(row.slopes), gate


def test_the_operators_of_expressions_come_from_the_notation():
    operators = {operator.__name__: gate for operator, gate in expression._OPERATORS.items()}
    assert operators == {
        "Add": "add",
        "Sub": "subtract",
        "Mult": "multiply",
        "Div": "divide",
        "Pow": "pow",
        "MatMult": "matmul",
    }


def test_the_page_computes_with_the_notation_and_has_no_mathematics_of_its_own():
    table = notation.javascript()
    gates = re.findall(r"^  (\w+): \{", table, re.MULTILINE)
    assert gates == [gate for gate, row in NOTATION.items() if row.is_computed_by_the_page]
    assert (
        'tanh: { written: "", bindsFirst: false, flow: "elementwise", value: (x) => Math.tanh(x), slopes: [(v, x) => (1 - v**2)] },'
        in table
    )
    assert "value: (x) => -GATES.softplus.value(-x), slopes: [(v, x) => GATES.sigmoid.value(-x)]" in table
    assert "shares: [(g, v, i, x) => g * Math.exp(GATES.log_softmax.value(x)[i])]" in table
    assert "tanh: " in page._script(["tanh"])
    found = {name: set(re.findall(r"Math\.(\w+)", page._asset(name))) for name in page._SCRIPTS}
    assert found["evaluate.js"] == {"max", "fround"}
    assert found["words.js"] == {"min", "max", "hypot"}


def test_a_gate_without_a_row_is_written_as_a_call():
    @cr.gate
    def triple(xp, x, y):
        return 3 * x * y, (lambda g: g * 3 * y, lambda g: g * 3 * x)

    lines = cr.explain(lambda x, y: triple(x, y), x=2.0, y=5.0).to_text().splitlines()
    assert any(line.endswith("= triple(x, y) = triple(2, 5) = 30") for line in lines)
    assert any("dx += " in line and "/dx = 1 * 15 = 15" in line for line in lines)


def test_a_gate_of_a_users_own_with_the_name_of_another_is_written_with_all_its_inputs():
    @cr.gate
    def subtract(xp, x):
        return 1 - x, (lambda g: -g,)

    assert "= subtract(x) = subtract(2) = -1" in cr.explain(lambda x: subtract(x) * 1.0, x=2.0).to_text()


def test_signs_are_guarded_where_an_operator_binds_first():
    text = cr.explain("f = -x * x**2 - x**y", x=-2.0, y=-1.0).to_text()
    assert "= -x = -(-2) = 2" in text
    assert "= x**2 = (-2)**2 = 4" in cr.explain("square(x) * 1", x=-2.0).to_text()
    assert "= x**y = (-2)**(-1) = -0.5" in text


def test_a_loss_of_rows_asks_for_rows_where_a_number_is_given():
    with pytest.raises(
        ValueError, match=r"^explain: multiclass_hinge\(x, 2\): multiclass_hinge: expected z and y"
    ):
        cr.explain("multiclass_hinge(x, 2)", x=[1.0, 2.0])
