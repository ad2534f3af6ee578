"""The page of a graph, as text: its numbers; it loads nothing, and no name in it becomes markup."""

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings

import chainrule as cr
from chainrule.explain.graph import Graph, Node
from chainrule.explain.render import page
from tests.explain.test_svg import CIRCUITS, graphs


class Reader(HTMLParser):
    """What a browser would find: tags with their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._script = [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "script":
            self.scripts.append("")
        self._script = tag == "script"

    def handle_data(self, data):
        if self._script:
            self.scripts[-1] += data

    def handle_endtag(self, tag):
        self._script = False


def data_of(text):
    return json.loads(Reader(text).scripts[0])


@pytest.mark.parametrize("expression", CIRCUITS)
def test_the_numbers_of_the_circuits_stand_in_the_pages_data(expression):
    values, expected = CIRCUITS[expression]
    data = data_of(cr.explain(expression, **values).to_html())
    assert data["fixed"] == ""
    assert data["backward"]
    boxes = {box["name"]: box for box in data["boxes"]}
    for name, (value, gradient) in expected.items():
        box = boxes[name]
        assert (box["sums"], box["value"], box["gradient"]) == ([value, gradient], str(value), str(gradient))
    given = {name: [value] for name, value in values.items()}
    assert {name: box["x"] for name, box in boxes.items() if box["gate"] == "input"} == given


def test_the_equations_are_in_the_pages_data_with_their_numbers():
    boxes = {
        box["name"]: box
        for box in data_of(cr.explain("q = x + y; q * z", x=-2, y=5, z=-4).to_html())["boxes"]
    }
    assert boxes["q"]["forward"] == ["q", "x + y", "-2 + 5", "3"]
    assert boxes["q"]["backward"] == [["dx += dq * 1", "-4 * 1", "-4"], ["dy += dq * 1", "-4 * 1", "-4"]]


def test_before_backward_the_page_has_no_gradient():
    text = cr.explain("x * y", x=2.0, y=3.0).forward().to_html()
    assert not data_of(text)["backward"]
    assert all(box["gradient"] is None for box in data_of(text)["boxes"])
    assert "not computed yet" in text


def test_the_page_forbids_the_network_and_runs_its_own_script_alone():
    reader = Reader(cr.explain("x * y", x=2.0, y=3.0).to_html())
    policy = next(a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    digest = base64.b64encode(hashlib.sha256(reader.scripts[1].encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    links = [a[key] for tag, a in reader.tags for key in ("src", "href", "action") if key in a]
    assert all(link.startswith("data:") for link in links)


@pytest.mark.parametrize("name", page._SCRIPTS)
def test_the_scripts_are_short_enough_to_be_read(name):
    assert len(page._asset(name).splitlines()) < 450


def test_the_page_has_the_gates_of_its_graph_and_what_these_call_alone():
    script = Reader(cr.explain("logsumexp(x) * y", x=[1.0, 2.0], y=3.0).to_html()).scripts[1]
    assert re.findall(r"^(\w+): \{ written", script, re.MULTILINE) == [
        "multiply",
        "log_softmax",
        "logsumexp",
    ]


@settings(max_examples=40)
@given(graphs())
def test_no_name_and_no_value_breaks_out_of_the_page(graph):
    text = graph.to_html()
    text.encode()
    reader = Reader(text)
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert len(data_of(text)["boxes"]) == len(graph.nodes)
    known = {tag for tag, _ in Reader(cr.explain("exp(x)", x=np.ones(9)).to_html()).tags}
    assert {tag for tag, _ in reader.tags} <= known


def test_a_name_that_ends_a_script_stays_a_name():
    name = "</script><script>document.title='broken'</script>"
    text = Graph((Node(0, name, "input", (), {}, np.ones(()), ()),), name).to_html()
    assert text.count("<script") == 2
    assert data_of(text)["boxes"][0]["name"] == name


def test_infinities_and_nan_are_written_as_javascript_reads_them():
    boxes = data_of(cr.explain("x * y * z", x=np.inf, y=-np.inf, z=np.nan).to_html())["boxes"]
    assert {box["name"]: box["x"] for box in boxes if box["gate"] == "input"} == {
        "x": ["Infinity"],
        "y": ["-Infinity"],
        "z": ["NaN"],
    }


@cr.gate
def tripled(xp, x):
    return 3 * x, (lambda g: 3 * g,)


@pytest.mark.parametrize(
    ("f", "x", "why"),
    [
        (lambda x: sum(x * k for k in range(99)), 1.0, "no nodes are folded"),
        (np.sum, np.ones(3000), "at most 2,000 numbers"),
        (lambda x: x * np.float16(2), np.float16(1), "cannot compute with float16"),
        (lambda x: np.clip(x, 0.0, 1.0), 0.5, "cannot compute clip itself"),
        (lambda x: cr.functions.leaky_relu(x, slope=0.5), 0.5, "cannot compute leaky_relu itself"),
        (lambda x: np.var(x, ddof=1), np.ones(3), "cannot compute var itself"),
        (lambda x: np.sum(x[x > 0]), np.ones(3), "depends on the values"),
        (lambda x: np.ones((1, 2, 3)) @ x, np.ones(3), "cannot compute matmul itself"),
        (lambda x: tripled(x), 1.0, "cannot compute tripled itself"),
        (lambda x: x * 2 if x > 0 else -x, 1.0, "depends on the values"),
        (lambda x: x * float(cr.stop_gradient(x)), 1.0, "depends on the values"),
    ],
)
def test_where_the_page_cannot_compute_it_is_told_why(f, x, why):
    data = data_of(cr.explain(f, **{"a" if f is np.sum else "x": x}).to_html())
    assert why in data["fixed"]
    assert not any("x" in box for box in data["boxes"])


def test_a_large_graph_is_folded():
    data = data_of(cr.explain(lambda x: sum(x * k for k in range(99)), x=1.0).to_html())
    assert sum(box.get("fold", False) for box in data["boxes"]) == 1


def test_a_notebook_shows_the_page_in_a_frame_of_its_own():
    graph = cr.explain("x * y", x=2.0, y=3.0)
    ((tag, attributes),) = Reader(graph._repr_html_()).tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == graph.to_html()
    assert attributes["sandbox"] == "allow-scripts"
    assert re.match(r"<svg ", graph._repr_svg_())


def test_the_title_is_escaped():
    graph = Graph((Node(0, "x", "input", (), {}, np.ones(()), ()),), "<i>x</i>")
    assert f"<h1>{html.escape('<i>x</i>')}</h1>" in graph.to_html()
