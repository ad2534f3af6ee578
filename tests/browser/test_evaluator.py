"""The notation that the page computes with, against the engine: values, gradients and equations, for each gate."""

import json
import math

import array_api_compat
import pytest

import chainrule as cr
from chainrule.explain.format import number
from chainrule.explain.notation import NOTATION
from chainrule.explain.wording import equations
from tests.explain.test_page import Reader

UNARY = (-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 3.0)
BINARY = (
    (1.5, 2.0),
    (2.0, 1.5),
    (0.0, 0.0),
    (-1.0, -1.0),
    (-2.0, 3.0),
    (0.0, 2.0),
    (3.0, 0.0),
    (40.0, -700.0),
)
COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
COMPUTED = [gate for gate, row in NOTATION.items() if row.is_computed_by_the_page]
SEVERAL = [gate for gate in COMPUTED if len(NOTATION[gate].slopes) > 1]


def computed(gate):
    """Return f(x, y) that runs one gate on x and, where it takes two, on y."""

    def f(x, y):
        xp = array_api_compat.array_namespace(x, y)
        if gate == "where":
            return xp.where(x > y, x * 1.0, y)
        if gate in COMPARISONS:
            return xp.where(getattr(xp, gate)(x, y), x, y)
        run = getattr(cr.functions, gate, None) or getattr(xp, gate)
        return run(x, y) if gate in SEVERAL else run(x) + 0.0 * y

    return f


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-12, abs=1e-300)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_gate_computes_what_python_does_and_says_it_in_the_same_words(opened):
    tab = opened(cr.explain("x * y", x=1.0, y=1.0))
    gates = tab.evaluate("Object.keys(GATES)")
    assert gates == COMPUTED
    cases = [
        (gate, x, y) for gate in gates for x, y in (BINARY if gate in SEVERAL else [(x, 1.0) for x in UNARY])
    ]
    # The page is handed each gate as it first was at other numbers, the inputs changed.
    first = {gate: boxes_of(cr.explain(computed(gate), x=0.7, y=0.2)) for gate in gates}
    assert not any(box["settings"] for boxes in first.values() for box in boxes)
    assert all(gate in [box["gate"] for box in boxes] for gate, boxes in first.items())
    found = tab.evaluate(
        """(cases) => JSON.parse(cases).map(([boxes, given]) => {
            for (const box of boxes.filter((box) => box.name in given)) {
                box.x = given[box.name];
                box.forward = `${box.name} = ${number(box.x)}`;
            }
            recompute(boxes);
            return boxes;
        })""",
        json.dumps([[first[gate], {"x": x, "y": y}] for gate, x, y in cases]),
    )
    for case, boxes in zip(cases, found, strict=True):
        gate, x, y = case
        expected = cr.explain(computed(gate), x=x, y=y)
        for box in boxes:
            node = expected.nodes[box["index"]]
            assert same(float(box["x"]), float(node.value)), (*case, node.name)
            assert (box["g"] is None) == (node.gradient is None), (*case, node.name)
            assert node.gradient is None or same(float(box["g"]), float(node.gradient)), (*case, node.name)
            said = equations(expected, node)
            assert (box["forward"], box["backward"]) == (said.forward, list(said.backward)), case


def boxes_of(graph):
    return json.loads(Reader(graph.to_html()).scripts[0])["boxes"]


# Numbers at which one format passes into another, and those that have no digits.
NUMBERS = [
    0.0,
    -0.0,
    1.0,
    -4.0,
    0.1,
    1 / 3,
    2 / 3,
    1e-4,
    9.99999e-5,
    99999.95,
    123456.7,
    1234567.0,
    1e6,
    1e22,
    1e-300,
]
NUMBERS += [math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 12.5, -0.00012345678]


def test_numbers_are_written_as_python_writes_them(opened):
    tab = opened(cr.explain("x * y", x=1.0, y=1.0))
    written = tab.evaluate("(numbers) => numbers.map(number)", NUMBERS)
    assert written == [number(x) for x in NUMBERS]
