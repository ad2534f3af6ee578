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
    assert data["single"]
    assert data["backward"]
    boxes = {box["name"]: box for box in data["boxes"]}
    for name, (value, gradient) in expected.items():
        assert (boxes[name]["x"], boxes[name]["value"], boxes[name]["gradient"]) == (
            value,
            str(value),
            str(gradient),
        )


def test_the_equations_are_in_the_pages_data_with_their_numbers():
    boxes = {
        box["name"]: box
        for box in data_of(cr.explain("q = x + y; q * z", x=-2, y=5, z=-4).to_html())["boxes"]
    }
    assert boxes["q"]["forward"] == "q = x + y = -2 + 5 = 3"
    assert boxes["q"]["backward"] == ["dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"]


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


def test_the_script_is_short_enough_to_be_read():
    assert len(page._asset("page.js").splitlines()) < 400


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
        "x": "Infinity",
        "y": "-Infinity",
        "z": "NaN",
    }


def test_arrays_and_folded_graphs_are_marked_as_such():
    assert not data_of(cr.explain("sum(x)", x=np.ones(3)).to_html())["single"]
    data = data_of(cr.explain(lambda x: sum(x * k for k in range(99)), x=1.0).to_html())
    assert not data["single"]
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
