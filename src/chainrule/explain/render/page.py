"""The graph as one HTML page, without a network, that steps forward and backward."""

import base64
import hashlib
import html as markup
import json
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from chainrule.explain.format import brief
from chainrule.explain.graph import Graph
from chainrule.explain.render.folding import Box, folded
from chainrule.explain.render.labels import shortened
from chainrule.explain.render.svg import MOST, clean, computed, draw
from chainrule.explain.wording import rule

_ROOM = 9
"""Letters that are kept free at each wire of a graph whose numbers a reader may change."""


def html(graph: Graph) -> str:
    """Return the page of a graph: one file, to be opened as it is."""
    boxes = folded(graph, MOST)
    single = _is_of_numbers(graph) and len(boxes) == len(graph.nodes)
    script = _asset("page.js")
    # No text that a user gave can end the element, or begin another, when it holds no "<".
    data = json.dumps(_data(graph, boxes, single), allow_nan=False).replace("<", "\\u003c")
    return Template(_asset("page.html")).substitute(
        title=_text(graph.title),
        heading=_text(shortened(graph.title, 100)),
        under=f"how fast {_text(graph.output.name)} grows with it" if computed(graph) else "not computed yet",
        drawing=draw(graph, boxes, heading=False, room=_ROOM if single else 0),
        data=data,
        style=_asset("page.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def frame(graph: Graph, height: int = 760) -> str:
    """Return the page within an iframe, for notebooks: its style and its script touch nothing around it."""
    content, title = markup.escape(html(graph)), _text(f"Graph of {graph.title}")
    look = f"width:100%;height:{height}px;border:0"
    return f'<iframe srcdoc="{content}" title="{title}" style="{look}" sandbox="allow-scripts"></iframe>'


def _text(text: str) -> str:
    return markup.escape(clean(text))


def _asset(name: str) -> str:
    return files("chainrule.explain.render").joinpath(name).read_text(encoding="utf-8")


def _is_of_numbers(graph: Graph) -> bool:
    kinds = ("bool", "int64", "float32", "float64")
    return all(node.value.ndim == 0 and node.value.dtype.name in kinds for node in graph.nodes)


def _data(graph: Graph, boxes: Sequence[Box], single: bool) -> dict[str, Any]:
    return {
        "title": graph.title,
        "backward": computed(graph),
        "single": single,
        "boxes": [_box(graph, box, single) for box in boxes],
    }


def _box(graph: Graph, box: Box, single: bool) -> dict[str, Any]:
    """Return what the page knows of a box; of one number also its value, to compute with."""
    if box.title:
        inside = ", ".join(box.inside)
        return {
            "name": box.title,
            "gate": "",
            "inputs": box.inputs,
            "fold": True,
            "inside": inside,
            "followed": any(graph.nodes[i].followed for i in box.members),
            "value": "folded",
            "gradient": "folded",
        }
    node = graph.nodes[box.members[0]]
    words = rule(graph, node)
    data: dict[str, Any] = {
        "name": node.name,
        "gate": node.gate,
        "inputs": box.inputs,
        "followed": node.followed,
        "value": brief(node.value),
        "gradient": None if node.gradient is None else brief(node.gradient),
        "forward": words.forward,
        "backward": words.backward,
    }
    if single:
        x = node.value.item()
        # JSON has no word for these; the page reads them as JavaScript writes them.
        odd = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        data |= {"x": odd.get(str(x), x), "rounded": node.value.dtype.name == "float32"}
        data["index"] = node.index
        data["settings"] = any(setting is not None for setting in node.settings.values())
    return data
