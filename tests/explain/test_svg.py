"""The drawing of a graph: its numbers can be read back, and it is well-formed for any names and values."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.explain.graph import Graph, Node
from chainrule.explain.render import svg as faces
from chainrule.explain.render.page import _style
from tests.explain.test_layout import overlap

SVG = "{http://www.w3.org/2000/svg}"
CIRCUITS = {
    "f = (x + y) * z": (
        {"x": -2, "y": 5, "z": -4},
        {"x": (-2, -4), "y": (5, -4), "z": (-4, 3), "f": (-12, 1)},
    ),
    "u = b * c; v = a + u; J = 3 * v": (
        {"a": 5, "b": 3, "c": 2},
        {"a": (5, 3), "b": (3, 6), "c": (2, 9), "u": (6, 3), "v": (11, 3), "J": (33, 1)},
    ),
    "out = 2 * (x * y + maximum(z, w))": (
        {"x": 3, "y": -4, "z": 2, "w": -1},
        {"x": (3, -8), "y": (-4, 6), "z": (2, 2), "w": (-1, 0), "out": (-20, 1)},
    ),
}


def nodes_of(text):
    return {g.get("data-name"): g for g in ET.fromstring(text).iter(f"{SVG}g") if g.get("data-box")}


def written(g, kind):
    """Return what is drawn in a node as its value or its gradient."""
    return [
        "".join(text.itertext()) for text in g.iter(f"{SVG}text") if kind in (text.get("class") or "").split()
    ]


@pytest.mark.parametrize("expression", CIRCUITS)
def test_the_numbers_of_the_circuits_are_read_back(expression):
    values, expected = CIRCUITS[expression]
    nodes = nodes_of(cr.explain(expression, **values).to_svg())
    for name, (value, gradient) in expected.items():
        assert json.loads(nodes[name].get("data-value")) == value
        assert json.loads(nodes[name].get("data-gradient")) == gradient
        assert written(nodes[name], "value") == [str(value)]
        assert written(nodes[name], "gradient") == [str(gradient)]


def test_the_value_stands_above_the_wire_and_the_gradient_below():
    for g in nodes_of(cr.explain("(x + y) * z", x=-2, y=5, z=-4).to_svg()).values():
        shape = g.find(f"{SVG}rect")
        wire = float(shape.get("y")) + float(shape.get("height")) / 2
        places = {text.get("class").split()[0]: float(text.get("y")) for text in g.iter(f"{SVG}text")}
        assert places["value"] < wire < places["gradient"]


def test_before_backward_the_drawing_says_so_once_and_leaves_the_gradients_blank():
    text = cr.explain("(x + y) * z", x=-2, y=5, z=-4).forward().to_svg()
    root = ET.fromstring(text)
    drawn = ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]
    assert sum("not computed yet" in line for line in drawn) == 1
    assert "not computed yet" in root.find(f"{SVG}desc").text
    assert not any(g.get("data-gradient") or written(g, "gradient") for g in nodes_of(text).values())
    assert "not computed yet" not in cr.explain("x * x", x=1.0).to_svg()


def test_gates_are_labelled_with_their_signs():
    nodes = nodes_of(cr.explain("a = x @ y; f = sum(exp(a)) + 1", x=np.eye(2), y=np.ones((2, 2))).to_svg())
    signs = {name: written(g, "sign")[0] for name, g in nodes.items()}
    assert signs["a"] == "@"
    assert {"exp", "Σ", "+", "1"} <= set(signs.values())


def test_a_small_array_is_numbers_and_a_large_one_a_heatmap_with_shape_range_and_norm():
    r = np.random.default_rng(0)
    x = r.normal(size=(2, 3))
    nodes = nodes_of(cr.explain("sum(x @ W)", x=x, W=r.normal(size=(3, 40))).to_svg())
    assert json.loads(nodes["x"].get("data-value")) == x.tolist()
    assert nodes["x"].find(f".//{SVG}image") is None
    pictures = list(nodes["W"].iter(f"{SVG}image"))
    assert [p.get("href")[:22] for p in pictures] == ["data:image/png;base64,"] * 2
    (lines,) = written(nodes["W"], "value")
    assert re.search(r"3 × 40.* \.\. .*norm ", lines)
    assert nodes["W"].get("data-value") is None
    assert json.loads(nodes["W"].get("data-shape")) == [3, 40]


def test_a_screen_reader_gets_every_node_in_words():
    root = ET.fromstring(cr.explain("q = x + y; f = q * z", x=-2, y=5, z=-4).to_svg())
    assert root.get("role") == "img"
    assert root.get("aria-labelledby").split() == [
        root.find(f"{SVG}{tag}").get("id") for tag in ("title", "desc")
    ]
    assert "q: add of x, y, value 3, gradient -4." in root.find(f"{SVG}desc").text


names = st.text(min_size=1, max_size=30) | st.sampled_from(
    ["<b>", "]]>", "&amp;", "a\x00b", "\ud800", '"', "权重", "-->"]
)
numbers = st.floats(width=32) | st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e-300])


@st.composite
def graphs(draw, most=25):
    nodes = []
    for i in range(draw(st.integers(1, most))):
        shape = draw(st.sampled_from([(), (), (), (3,), (2, 3), (7,), (5, 90), (0,), (1, 2, 9)]))
        fed = tuple(draw(st.lists(st.integers(0, i - 1), max_size=3))) if i else ()
        gate = draw(st.sampled_from(["add", "subtract", "sigmoid", "matmul", "a_long_name_of_a_gate"]))
        value = np.full(shape, draw(numbers))
        gradient = np.full(shape, draw(numbers)) if draw(st.booleans()) else None
        group = draw(st.sampled_from(["", "layer 1", "layer 2"]))
        gate = gate if fed else draw(st.sampled_from(["input", "constant"]))
        nodes.append(Node(i, draw(names), gate, fed, {}, value, (None,) * len(fed), gradient, group))
    return Graph(tuple(nodes), draw(names))


@settings(max_examples=60)
@given(graphs(), st.sampled_from([3, 8, 40]))
def test_any_graph_is_well_formed_and_no_two_nodes_overlap(graph, most):
    text = faces.svg(graph, most=most)
    text.encode()
    shapes = [g.find(f"{SVG}rect") for g in ET.fromstring(text).iter(f"{SVG}g") if g.get("data-box")]
    boxes = []
    for shape in shapes:
        x, y, width, height = (float(shape.get(key)) for key in ("x", "y", "width", "height"))
        boxes.append((x, y, x + width, y + height))
    assert len(boxes) == len(graph.nodes) or len(boxes) <= most
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))


def test_names_come_back_as_they_were_given_and_begin_no_element():
    name = '<script>alert(1)</script> & "it\'s"'
    node = Node(0, name, "input", (), {}, np.ones(()), ())
    text = faces.svg(Graph((node,), name))
    assert "<script" not in text
    assert list(nodes_of(text)) == [name]


def test_a_graph_of_thousands_of_nodes_is_folded_and_says_what_is_in_the_fold():
    def f(x):
        for _ in range(2000):
            x = x * 0.999
        return x

    graph = cr.explain(f, x=1.0)
    root = ET.fromstring(graph.to_svg())
    folds = [int(g.get("data-folded")) for g in root.iter(f"{SVG}g") if g.get("data-folded")]
    drawn = [g for g in root.iter(f"{SVG}g") if g.get("data-box")]
    assert len(drawn) <= faces.MOST
    assert sum(folds) + len(drawn) - 1 == len(graph.nodes)
    assert f"× {folds[0]:,} more" in "".join(root.itertext())


def colours(css):
    """Return the custom properties of light and of dark: the first block and the one within the media query."""
    blocks = re.findall(r"\{[^{}]*--paper:[^{}]*", css)
    light, dark = (dict(re.findall(r"--([a-z]+):(#[0-9a-f]+)", block)) for block in blocks)
    return light, dark


def luminance(colour):
    """Source: Web Content Accessibility Guidelines 2.2, "relative luminance" (W3C, 2023)."""
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize(
    ("css", "texts", "grounds"),
    [
        (faces.STYLE, ("ink", "soft", "value", "gradient"), ("paper", "gate", "given", "fold")),
        (_style(), ("ink", "soft", "value", "gradient"), ("paper", "panel")),
    ],
    ids=["drawing", "page"],
)
def test_text_has_a_contrast_of_at_least_4_and_a_half_in_light_and_dark(css, texts, grounds):
    for theme in colours(css):
        for text in texts:
            for ground in grounds:
                high, low = sorted((luminance(theme[text]), luminance(theme[ground])), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground, theme[text], theme[ground])
