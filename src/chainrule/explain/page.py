"""The graph as one HTML page, without a network, that steps forward and backward."""

import base64
import hashlib
import html as markup
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from chainrule.explain.folding import Box, folded
from chainrule.explain.graph import Graph
from chainrule.explain.rules import rule
from chainrule.explain.show import brief
from chainrule.explain.svg import MOST, clean, computed, draw

_ROOM = 9
"""Letters that are kept free at each wire of a graph whose numbers a reader may change."""


def html(graph: Graph) -> str:
    """Return the page of a graph: one file, to be opened as it is."""
    boxes = folded(graph, MOST)
    single = _is_of_numbers(graph) and len(boxes) == len(graph.nodes)
    script, style = _asset("page.js"), _asset("page.css")
    data = json.dumps(_data(graph, boxes, single), allow_nan=False).replace("<", "\\u003c")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    title, out = markup.escape(clean(graph.title)), markup.escape(clean(graph.output.name))
    under = f"how fast {out} grows with it" if computed(graph) else "not computed yet"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="key">Above a wire: <span class="value">the value</span>. Below it: <span class="gradient">the gradient</span>, \
{under}.</p>
<div class="steps" role="group" aria-label="Steps">
<button type="button" id="first">First</button>
<button type="button" id="back">Back</button>
<button type="button" id="play">Play</button>
<button type="button" id="next">Next</button>
<button type="button" id="last">Last</button>
<span id="place"></span>
</div>
<div class="rule" aria-live="polite" aria-atomic="true">
<p id="head"></p>
<ul id="lines"></ul>
</div>
<div id="pane" tabindex="0" role="group" aria-label="The graph">
{draw(graph, boxes, heading=False, room=_ROOM if single else 0)}</div>
<button type="button" id="zoom" aria-pressed="true" hidden>Fit to the width</button>
<div id="inputs" role="group" aria-label="Inputs"></div>
<p id="changed" aria-live="polite"></p>
<p id="fixed"></p>
<details>
<summary>All numbers as a table</summary>
<div class="scroll" tabindex="0" role="group" aria-label="All numbers">
<table>
<thead><tr><th scope="col">name</th><th scope="col">gate</th><th scope="col">value</th><th scope="col">gradient</th></tr>
</thead>
<tbody id="rows"></tbody>
</table>
</div>
</details>
<footer>Keys: <kbd>←</kbd> <kbd>→</kbd> a step, <kbd>Home</kbd> <kbd>End</kbd> the first and the last, \
<kbd>Space</kbd> plays.</footer>
</main>
<script type="application/json" id="graph">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def frame(graph: Graph, height: int = 760) -> str:
    """Return the page within an iframe, for notebooks: its style and its script touch nothing around it."""
    content = markup.escape(html(graph))
    title = markup.escape(clean(f"Graph of {graph.title}"))
    look = f"width:100%;height:{height}px;border:0"
    return f'<iframe srcdoc="{content}" title="{title}" style="{look}" sandbox="allow-scripts"></iframe>'


def _asset(name: str) -> str:
    return files("chainrule.explain").joinpath(name).read_text(encoding="utf-8")


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
        data["settings"] = any(setting is not None for setting in node.settings.values())
    return data
