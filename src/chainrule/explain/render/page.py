"""The graph as one HTML page that loads nothing else and steps forward and backward."""

import base64
import hashlib
import html as markup
import json
import warnings
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from chainrule.explain import notation
from chainrule.explain.format import brief
from chainrule.explain.render import palette
from chainrule.explain.render.folding import Box, folded
from chainrule.explain.render.labels import shortened
from chainrule.explain.render.svg import MOST, clean, computed, draw
from chainrule.explain.wording import equations

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Program

_ROOM = 9
"""Digits that are kept free at each wire of a graph whose inputs a reader may change."""


def html(graph: "Graph") -> str:
    """Return the page of a graph, a whole file."""
    boxes = folded(graph, MOST)
    single = _is_of_numbers(graph) and len(boxes) == len(graph.nodes)
    script = _script()
    # Without "<" no text of a user can end the element or begin another.
    data = json.dumps(_data(graph, boxes, single), allow_nan=False).replace("<", "\\u003c")
    return Template(_asset("page.html")).substitute(
        title=_text(graph.title),
        heading=_text(shortened(graph.title, 100)),
        above=graph.above,
        under=f"how fast {_text(graph.output.name)} grows with it" if computed(graph) else "not computed yet",
        drawing=draw(graph, boxes, heading=False, room=_ROOM if single else 0),
        data=data,
        style=_style(),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def frame(graph: "Graph", height: int = 760) -> str:
    """Return the page in an iframe, for notebooks: its style and its script reach nothing of the notebook."""
    content, title = markup.escape(html(graph)), _text(f"Graph of {graph.title}")
    look = f"width:100%;height:{height}px;border:0"
    return f'<iframe srcdoc="{content}" title="{title}" style="{look}" sandbox="allow-scripts"></iframe>'


def _text(text: str) -> str:
    return markup.escape(clean(text))


def _asset(name: str) -> str:
    return files("chainrule.explain.render").joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    return palette.coloured(_asset("page.css"), palette.OF_PAGES)


def _script() -> str:
    """Return the script of the page with the notation of gates in it."""
    script, empty = _asset("page.js"), "const GATES = {};"
    assert script.count(empty) == 1
    return script.replace(empty, f"const GATES = {notation.javascript()};")


def _is_of_numbers(graph: "Graph") -> bool:
    kinds = ("bool", "int64", "float32", "float64")
    return all(node.value.ndim == 0 and node.value.dtype.name in kinds for node in graph.nodes)


def _data(graph: "Graph", boxes: Sequence[Box], single: bool) -> dict[str, Any]:
    program = _program(graph, boxes)
    lines = program.lines if program else ()
    return {
        "title": graph.title,
        "backward": computed(graph),
        "single": single,
        "boxes": [
            _box(graph, box, single) | ({"lines": lines[box.members[0]]} if lines else {}) for box in boxes
        ],
        "code": program.source.split("\n") if program else None,
    }


def _program(graph: "Graph", boxes: Sequence[Box]) -> "Program | None":
    """Return the program of a graph, where it is known which of its lines belong to which node."""
    if graph.program is None or len(boxes) < len(graph.nodes) or not computed(graph):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "compile")  # of what another run would not repeat
            program = graph.program()
    except (
        Exception
    ):  # what a function does in a second run, or what no program can have: the drawing stands alone
        return None
    return program if program.lines else None


def _box(graph: "Graph", box: Box, single: bool) -> dict[str, Any]:
    """Return the data of a box; where every node is a single number, with the number, for the page to compute with."""
    if box.title:
        return {
            "name": box.title,
            "gate": "",
            "inputs": box.inputs,
            "fold": True,
            "inside": ", ".join(box.inside),
            "traced": any(graph.nodes[i].traced for i in box.members),
            "value": "folded",
            "gradient": "folded",
        }
    node = graph.nodes[box.members[0]]
    forward, backward = equations(graph, node)
    data: dict[str, Any] = {
        "name": node.name,
        "gate": node.gate,
        "inputs": box.inputs,
        "traced": node.traced,
        "value": brief(node.value),
        "gradient": None if node.gradient is None else brief(node.gradient),
        "forward": forward,
        "backward": backward,
    }
    if single:
        x = node.value.item()
        # JSON has no such numbers; the page reads them as texts in the spelling of JavaScript.
        odd = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        data |= {"x": odd.get(str(x), x), "rounded": node.value.dtype.name == "float32"}
        data["index"] = node.index
        data["settings"] = any(setting is not None for setting in node.settings.values())
    return data
