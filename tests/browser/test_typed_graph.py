"""The page on which a graph is typed in, against cr.explain."""

import ast
import math
import random

import pytest

import chainrule as cr
from chainrule.explain.wording import equations

OF_ONE = ("tanh", "exp", "sin", "s", "abs", "relu", "square", "sqrt", "softplus", "log", "leaky_relu")
OF_TWO = ("max", "min", "hypot", "logaddexp", "dot")
# The nodes of a text: everything that explain says of them.
NODES = """([text, values]) => {
  const nodes = computed(parsed(text), values);
  return nodes.map((node) => ({
    name: node.name, gate: node.gate, inputs: node.inputs, traced: node.traced, x: String(node.x), g: String(node.g),
    forward: forwardLine(nodes, node), backward: backwardLines(nodes, node),
  }));
}"""


def written(rng, depth):
    """Return a random expression."""
    if depth == 0:
        return rng.choice(["a", "b", "c", "x1", "über", f"{rng.uniform(-3, 3):.2f}", "2", "1.5e-1", "pi"])
    parts = written(rng, depth - 1), written(rng, depth - 1)
    kind = rng.randrange(9)
    if kind < 4:
        return f"{parts[0]} {rng.choice('+-*/')} {parts[1]}"
    if kind == 4:
        return f"({parts[0]}){rng.choice('+-*/')}({parts[1]})"
    if kind == 5:
        return f"-{parts[0]}"
    if kind == 6:
        return f"({parts[0]})**{rng.choice(['2', '3', '-1', '0.5', 'a', '-b**2'])}"
    if kind == 7:
        return f"{rng.choice(OF_ONE)}({parts[0]})"
    return f"{rng.choice(OF_TWO)}({', '.join(parts)})"


def names_of(text):
    """Return the names that need a value, in the order in which they are first read."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    own = {node.id for node in found if isinstance(node.ctx, ast.Store)} | {"pi", "e", *OF_ONE, *OF_TWO}
    found.sort(key=lambda node: node.col_offset)
    return [name for name in dict.fromkeys(node.id for node in found) if name not in own]


def assert_same(tab, text, values):
    graph = cr.explain(text, **values)
    nodes = tab.evaluate(NODES, [text, values])
    assert [node["name"] for node in nodes] == [node.name for node in graph.nodes], text
    for mine, node in zip(nodes, graph.nodes, strict=True):
        where = (text, values, node.name)
        assert (mine["gate"], mine["inputs"]) == (node.gate, list(node.inputs)), where
        assert mine["traced"] == node.traced, where
        assert same(mine["x"], node.value), where
        if node.traced:
            assert same(mine["g"], node.gradient), where
        if node.inputs:
            said = equations(graph, node)
            assert mine["forward"] == said.forward, where
            # The equations of explain do not know what is masked: they write 0 * inf = nan where its gradient is 0.
            known = [line for line in said.backward if "nan" not in line]
            assert set(known) <= set(mine["backward"]), where


def same(ours, theirs):
    ours, theirs = float(ours.replace("Infinity", "inf")), float(theirs)
    both_nan = math.isnan(ours) and math.isnan(theirs)
    return both_nan or ours == pytest.approx(theirs, rel=1e-9, abs=1e-13)


def test_random_expressions_have_the_nodes_numbers_and_equations_of_explain(moving):
    tab = moving("typed-graph")
    rng, done = random.Random(0), 0
    while done < 250:
        text = written(rng, rng.randrange(1, 4))
        if rng.random() < 0.3:
            text = f"u = {written(rng, 2)}; {text} + u*u"
        values = {name: round(rng.uniform(-2, 2), 2) for name in names_of(text)}
        try:
            if values:
                assert_same(tab, text, values)
        except ValueError as error:
            # Of constants alone explain takes no infinity.
            if "is not a finite number" not in str(error):
                raise
        else:
            done += 1


def test_every_function_of_the_page_is_that_of_explain(moving):
    tab = moving("typed-graph")
    calls = tab.evaluate("CALLS")
    assert {"tanh", "s", "max", "sigmoid_cross_entropy"} <= calls.keys()
    for name, (_, count) in calls.items():
        for values in ([0.3, 0.8], [-1.7, 0.25], [0.0, 0.0], [2.0, 2.0]):
            given = dict(zip("ab", values, strict=True)) if count == 2 else {"a": values[0]}
            assert_same(tab, f"{name}({', '.join(given)})", given)


GRAMMAR = [
    ("3*(a+b*c)", {"a": 5.0, "b": 3.0, "c": 2.0}),
    ("-a**2", {"a": 3.0}),
    ("2**-a", {"a": 3.0}),
    ("a**b**c", {"a": 2.0, "b": 1.5, "c": 0.5}),
    ("a - b - c", {"a": 1.0, "b": 2.0, "c": 4.0}),
    ("a / b / c * a", {"a": 1.0, "b": 2.0, "c": 4.0}),
    ("- - a + +b", {"a": 1.0, "b": 2.0}),
    ("u = a*b; v = u + a", {"a": 1.0, "b": 2.0}),
    ("u = a; v = u*u; v*b;", {"a": 3.0, "b": 2.0}),
    ("u = 3; a*u", {"a": 3.0}),
    ("f = a*a; f + 1", {"a": 3.0}),
    ("a*e + pi", {"a": 3.0}),
    ("u = a*b; 2*c", {"a": 1.0, "b": 2.0, "c": 3.0}),
    ("a*a*a", {"a": 3.0}),
    # What a selection left out stays at 0 before an infinite slope; a gradient that happens to be 0 does not.
    ("max(log(a), b)", {"a": 0.0, "b": 1.0}),
    ("relu(sqrt(a) - 1)*b", {"a": 0.0, "b": 1.0}),
    ("max(sqrt(a), b) + a", {"a": 0.0, "b": 1.0}),
    ("max(log(a), b)", {"a": -1.0, "b": 1.0}),
    ("max(hinge(log(a), b), 0)", {"a": 0.0, "b": 0.0}),
    ("0*sqrt(a)", {"a": 0.0}),
    ("(a*0)*(1/a)", {"a": 0.0}),
    (".5*a + 1.*a", {"a": 3.0}),
]


def test_the_grammar_is_that_of_explain(moving):
    tab = moving("typed-graph")
    for text, values in GRAMMAR:
        assert_same(tab, text, values)


WRONG = [
    ("", 0, "Type an expression"),
    ("3*(a+b", 6, "The text ends where ) is missing."),
    ("3*(a+", 5, "The text ends where a value is missing."),
    ("a + * b", 4, "Expected a number, a name or a parenthesis here, found *."),
    ("a)", 1, "Expected an operator or the end here, found )."),
    ("a^2", 1, "Write ** for ^."),
    ("a²", 1, "Write **2 for ²."),
    ("a × b", 2, "Write * for ×."),
    ("2a + 1", 1, "Write 2*a for 2a."),
    ("a b", 2, "An operator is missing before b"),
    ("(a)(b)", 3, "An operator is missing before ("),
    ("a(b + 1)", 0, "There is no function a"),
    ("tan + 1", 0, "tan is a function; write tan(...) of a value."),
    ("max(a)", 0, "max takes 2 values, not 1."),
    ("tanh()", 0, "tanh takes 1 value, not 0."),
    ("tanh(a b)", 7, "An operator is missing before b"),
    ("a @ b", 2, "@ is not a sign of these expressions"),
    ("a = ", 3, "The text ends where a value is missing."),
    ("a*b; a + 1", 0, "This part has no name"),
    ("u = a; u = b; u*u", 7, "u has a value already"),
    ("a = a + 1; a", 0, "a has a value already"),
    ("lambda*2", 0, "lambda is a word of Python"),
    ("a*1e999", 2, "1e999 is too large for float64."),
    ("🙂 + a", 0, "🙂 is not a sign of these expressions"),
    ("a.b", 1, ". is not a sign of these expressions"),
    ("tanh(a, axis=0)", 12, "Expected ) here, found =."),
]


# explain takes vectors too, and here the names a and b have values already.
ONLY_HERE = ("max(a)", "a @ b")


def test_an_error_points_at_its_character_and_the_last_graph_stays(moving):
    tab = moving("typed-graph")
    field = tab.get_by_role("textbox", name="expression")
    for text, at, said in WRONG:
        field.fill(text)
        first, pointer, sentence = tab.locator("#fault").text_content().split("\n")
        assert (first, pointer) == (text, " " * at + "^")
        assert said in sentence
        assert field.get_attribute("aria-invalid") == "true"
        assert tab.locator("#pane.stale [data-node]").count() == 7
        field.fill("3*(a+b*c)")
        assert tab.locator("#fault").is_hidden()
        assert tab.locator("#pane.stale").count() == 0
        if text not in ONLY_HERE:
            with pytest.raises(ValueError, match="explain"):
                cr.explain(text, a=1.0, b=2.0)


def test_a_graph_of_too_many_gates_is_an_error_of_its_own(moving):
    tab = moving("typed-graph")
    tab.get_by_role("textbox", name="expression").fill("a" + "+a" * 41)
    assert "at most 40" in tab.inner_text("#fault")
    tab.get_by_role("textbox", name="expression").fill("a" + "+a" * 40)
    assert tab.locator("#fault").is_hidden()


def test_steps_go_forward_and_then_backward(moving):
    tab = moving("typed-graph")
    assert tab.inner_text("#seen").startswith("f = 33. Raise a by 0.001, and f changes by about 0.003.")
    tab.get_by_role("button", name="Reset").click()
    assert tab.inner_text("#seen") == "The inputs are given."
    assert tab.inner_text("#lines").split("\n") == ["a = 5", "b = 3", "c = 2"]
    step = tab.get_by_role("button", name="Step")
    told = []
    for _ in range(7):
        visible = tab.locator(".value:not(.pending), .gradient:not(.pending)").filter(has_text=r"").count()
        step.click()
        now = tab.locator(".value:not(.pending), .gradient:not(.pending)").filter(has_text=r"").count()
        assert now > visible
        told.append((tab.locator(".now").get_attribute("data-node"), tab.inner_text("#lines").split("\n")))
    assert told == [
        ("3", ["v3 = b * c = 3 * 2 = 6"]),
        ("4", ["v4 = a + v3 = 5 + 6 = 11"]),
        ("6", ["f = 3 * v4 = 3 * 11 = 33"]),
        ("6", ["df = 1"]),
        ("6", ["dv4 += df * 3 = 1 * 3 = 3"]),
        ("4", ["da += dv4 * 1 = 3 * 1 = 3", "dv3 += dv4 * 1 = 3 * 1 = 3"]),
        ("3", ["db += dv3 * c = 3 * 2 = 6", "dc += dv3 * b = 3 * 3 = 9"]),
    ]
    assert tab.locator(".lit.back").count() == 2
    tab.get_by_role("spinbutton", name="step").fill("2")
    assert tab.inner_text("#seen") == "Forward: v4, gate add."
    assert tab.locator(".lit").count() == 2


def test_play_walks_to_the_end(moving):
    tab = moving("typed-graph")
    tab.clock.install()
    tab.get_by_role("button", name="Play").click()
    for _ in range(8):
        assert tab.get_by_role("button", name="Pause").count() == 1
        tab.clock.run_for(1500)
    assert tab.get_by_role("button", name="Play").count() == 1
    assert tab.inner_text("#seen").startswith("f = 33.")


def test_a_slider_changes_every_number_and_a_name_keeps_its_value(moving):
    tab = moving("typed-graph")
    tab.get_by_role("spinbutton", name="b", exact=True).fill("-0.5")
    assert tab.inner_text("#seen").startswith("f = 12.")
    assert "Raise c by 0.001, and f changes by about -0.0015." in tab.inner_text("#seen")
    tab.get_by_role("textbox", name="expression").fill("b*zeta")
    assert tab.get_by_role("spinbutton", name="b", exact=True).input_value() == "-0.5"
    assert tab.get_by_role("spinbutton", name="zeta").count() == 1
    assert tab.get_by_role("spinbutton", name="a", exact=True).count() == 0
    tab.get_by_role("combobox", name="examples").select_option("max(a*b, c)**2")
    assert tab.get_by_role("textbox", name="expression").input_value() == "max(a*b, c)**2"
    assert tab.inner_text("#seen").startswith("f = 4.")


LARGE = "log(1+exp(-y*(w1*x1 + w2*x2 + w3*x3 + b))) + 0.1*(w1**2+w2**2+w3**2)"


@pytest.mark.parametrize("text", ["a", "3*(a+b*c)", "u = w*x + b; s(u)*(1-s(u)) + u", LARGE])
def test_nodes_and_their_numbers_lie_apart_and_wires_lead_to_the_right(moving, text):
    tab = moving("typed-graph", viewport={"width": 1280, "height": 900})
    tab.get_by_role("textbox", name="expression").fill(text)
    boxes = tab.evaluate(
        """() => [...document.querySelectorAll("[data-node]")].flatMap((group) =>
            [...group.querySelectorAll(".pill, .mark, .value, .gradient")].map((part) => {
                const { x, y, width, height } = part.getBBox();
                return [x, y, x + width, y + height];
            }))"""
    )
    boxes = [box for box in boxes if box[2] > box[0]]
    for k, one in enumerate(boxes):
        for other in boxes[:k]:
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across <= 0.5 or down <= 0.5, (one, other)
    layers = tab.evaluate("layers(nodes)")
    for end, node in enumerate(tab.evaluate("nodes.map((node) => node.inputs)")):
        assert all(layers[start] < layers[end] for start in node)
    wires = sum(len(set(inputs)) for inputs in tab.evaluate("nodes.map((node) => node.inputs)"))
    assert tab.locator("[data-to] .tip").count() == wires
