"""The graph drawn as SVG: the value above the wire that leaves each node, the gradient below."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain import notation
from chainrule.explain.format import FEW, number
from chainrule.explain.render import palette
from chainrule.explain.render.folding import Box, folded
from chainrule.explain.render.labels import LINE, Label, label, room, shortened, text_width
from chainrule.explain.render.layout import Layout, arranged
from chainrule.explain.wording import index

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Node

MOST = 40
"""A graph of more nodes is folded."""

STYLE = palette.coloured(
    """
.cr-graph{$light;background:var(--paper);font:500 14px system-ui,"Segoe UI",Roboto,sans-serif}
@media (prefers-color-scheme:dark){.cr-graph{$dark}}
.cr-graph .paper{fill:var(--paper)}
.cr-graph text{fill:var(--ink)}
.cr-graph .head{font-size:16px;font-weight:650}
.cr-graph .key,.cr-graph .inside{font-size:12px}
.cr-graph .inside{fill:var(--soft)}
.cr-graph .name{font-size:12px;fill:var(--soft)}
.cr-graph .shape{fill:var(--gate);stroke:var(--soft);stroke-width:1.5}
.cr-graph .input .shape{fill:var(--given)}
.cr-graph .constant .shape{fill:var(--given);stroke-dasharray:3 3}
.cr-graph .fold .shape{fill:var(--fold)}
.cr-graph .wire{fill:none;stroke:var(--wire);stroke-width:1.5}
.cr-graph .tip{fill:var(--wire)}
.cr-graph .value,.cr-graph .gradient{font-family:ui-monospace,"SF Mono",Consolas,"DejaVu Sans Mono",monospace;
font-size:11px;white-space:pre}
.cr-graph .number{font-size:13px}
.cr-graph .value,.cr-graph .value tspan{fill:var(--value);font-weight:650}
.cr-graph .gradient,.cr-graph .gradient tspan{fill:var(--gradient);font-style:italic}
.cr-graph image{image-rendering:pixelated}
.cr-graph .frame{fill:none;stroke:var(--wire);stroke-width:.75}
""",
    palette.OF_DRAWINGS,
)

# In user units.
_PILL = 34.0  # height of the outline of a node, and its smallest width
_MARGIN = 16.0
_SPACE = 6.0  # between a pill, the text at its wire, and the end of the wire
_LETTER = 8.4  # width of a letter in a pill
_SMALL_LETTER = 6.6
_ENTERING = 9.0  # between wires that enter one gate


@dataclass(frozen=True)
class _Cell:
    """A box with its texts, before it has a position.

    node   the node of the box; of a fold, its last node
    sign   the text in the pill
    name   the text above the pill
    pill   the width of the pill
    room   the width that is kept free at the wire
    """

    box: Box
    node: "Node"
    sign: str
    name: str
    pill: float
    value: Label
    gradient: Label
    room: float

    @property
    def size(self) -> tuple[float, float]:
        wire = max(self.value.width, self.gradient.width, self.room, 22.0) + 2 * _SPACE
        over = self.value.height + _SPACE
        under = self.gradient.height + _SPACE
        inside = self.box.inside
        beside = _PILL / 2 + (LINE * (1 + len(inside)) if inside else LINE if self.name else 0)
        return self.pill + wire, 2 * max(over, under, beside)


def svg(graph: "Graph", *, most: int = MOST) -> str:
    """Return the graph as an SVG document: well-formed XML with its own style, for light and dark.

    Each node is a `g` with data-name, data-gate, data-shape and, where its value has at most 6 elements, data-value and
    data-gradient (JSON). In a graph of more than `most` nodes the middle is folded into one box.
    """
    return draw(graph, folded(graph, most))


def draw(graph: "Graph", boxes: Sequence[Box], heading: bool = True, changing: bool = False) -> str:
    """Draw boxes of a graph, with or without the title and the key; `changing` keeps room for other numbers."""
    cells = [_cell(graph, box, changing) for box in boxes]
    wires = [(start, end) for end, box in enumerate(boxes) for start in box.inputs]
    layout = arranged([cell.size for cell in cells], wires)
    head = _heading(graph, cells) if heading else []
    top = _MARGIN + (20 * len(head) + 12 if head else 0)
    texts = [text_width(text, 8.8 if k == 0 else _SMALL_LETTER) for k, (_, text) in enumerate(head)]
    width = max([layout.width, *texts]) + 2 * _MARGIN
    height = top + layout.height + _MARGIN
    parts = [
        f'<text class="{kind}" x="{_MARGIN:g}" y="{_MARGIN + 14 + 20 * k:g}">{_text(text)}</text>'
        for k, (kind, text) in enumerate(head)
    ]
    parts.append(f'<g transform="translate({_MARGIN:g} {top:g})">')
    ports = _ports(cells, layout, boxes)
    lines = [_wire(cells, layout, start, end, ports[start, end]) for start, end in dict.fromkeys(wires)]
    parts.append(f"<g>{''.join(lines)}</g>")
    used = {start for start, _ in wires}
    parts += [_drawn(graph, k, cell, layout, k in used, changing) for k, cell in enumerate(cells)]
    body = "\n".join((*parts, "</g>"))
    key = hashlib.sha256(body.encode()).hexdigest()[:8]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-graph" role="img" aria-labelledby="t{key} d{key}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">\n'
        f'<title id="t{key}">{_text(f"Graph of {graph.title}")}</title>\n'
        f'<desc id="d{key}">{_text(description(graph, boxes))}</desc>\n'
        f'<style>{STYLE}</style>\n<rect class="paper" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def description(graph: "Graph", boxes: Sequence[Box]) -> str:
    """Return the drawing in words, for screen readers."""
    said = [] if computed(graph) else ["Gradients: not computed yet."]
    for box in boxes:
        if box.title:
            said.append(f"{box.title}: {', '.join(box.inside)}.")
            continue
        node = graph.nodes[box.members[0]]
        fed = f" of {', '.join(graph.nodes[i].name for i in node.inputs)}" if node.inputs else ""
        gradient = "" if node.gradient is None else f", gradient {_spoken(node.gradient)}"
        said.append(f"{node.name}: {node.gate}{fed}, value {_spoken(node.value)}{gradient}.")
    return " ".join(said)


def computed(graph: "Graph") -> bool:
    """Tell whether the gradients of a graph are computed."""
    return graph.output.gradient is not None


def _spoken(x: np.ndarray) -> str:
    lines = label(x).lines
    return number(x) if x.ndim == 0 else ", ".join(lines)


def _heading(graph: "Graph", cells: Sequence[_Cell]) -> list[tuple[str, str]]:
    """Return the (kind, text) of each line above the drawing: the title, then the key."""
    out = shortened(graph.output.name, 12)
    lines = [("head", shortened(graph.title, 60)), ("key value", "above a wire: the value")]
    if computed(graph):
        lines.append(("key gradient", f"below it: the gradient, how fast {out} grows with it"))
    else:
        lines.append(("key gradient", "below it: the gradient, not computed yet"))
    if any(cell.value.heatmap for cell in cells):
        lines.append(("key", "pictures: blue above 0, orange below, deeper is larger"))
    return lines


def _cell(graph: "Graph", box: Box, changing: bool) -> _Cell:
    node = graph.nodes[box.members[-1]]
    if box.title:
        widest = max(
            text_width(box.title, _LETTER), *(text_width(line, _SMALL_LETTER) for line in box.inside)
        )
        return _Cell(box, node, box.title, "", widest + 20, Label(), Label(), 0.0)
    if node.inputs:
        sign = notation.of(node.gate).sign or _index(node) or shortened(node.gate.replace("_", " "), 24)
        name = shortened(node.name, 12)
    else:
        sign, name = shortened(node.name, 18), ""
    pill = max(_PILL, text_width(sign, _LETTER) + 16)
    sight = graph.sight.get(node.name)
    slopes = sight if sight and sight.picture else None
    labels = label(node.value, sight=sight), label(node.gradient, with_shape=False, sight=slopes)
    return _Cell(box, node, sign, name, pill, *labels, room(node.value) if changing else 0.0)


def _index(node: "Node") -> str:
    return f"[{shortened(index(node.settings['key']), 22)}]" if node.gate == "getitem" else ""


def _ports(cells: Sequence[_Cell], layout: Layout, boxes: Sequence[Box]) -> dict[tuple[int, int], float]:
    """Return the y at which each wire enters its box: spread out, in the order of the arguments or of few crossings."""
    ports = {}
    for end, box in enumerate(boxes):
        starts = list(dict.fromkeys(box.inputs))

        def height(start: int, end: int = end) -> float:
            bends = layout.bends[start, end]
            return bends[-1][0] if bends else layout.middle[start]

        if box.title or not notation.of(cells[end].node.gate).ordered:
            starts.sort(key=height)
        step = min(_ENTERING, (_PILL - 10) / max(len(starts) - 1, 1))
        level = next(
            (k for k, start in enumerate(starts) if abs(height(start) - layout.middle[end]) < 4), None
        )
        # A wire that comes from the gate's own height enters straight where the other wires have room beside it.
        middle = level if level is not None and len(starts) < 3 else (len(starts) - 1) / 2
        for k, start in enumerate(starts):
            ports[start, end] = layout.middle[end] + (k - middle) * step
    return ports


def _wire(cells: Sequence[_Cell], layout: Layout, start: int, end: int, port: float) -> str:
    x, y = layout.right[start], layout.middle[start]
    path = [f"M{layout.left[start] + cells[start].pill:.1f} {y:.1f}H{x:.1f}"]
    tip = layout.left[end] + _inset(cells[end], port - layout.middle[end])
    stops = [*layout.bends[start, end], (port, layout.left[end] - 6, tip - 5)]
    for to_y, left, right in stops:
        half = (left - x) / 2
        path.append(f"C{x + half:.1f} {y:.1f} {left - half:.1f} {to_y:.1f} {left:.1f} {to_y:.1f}H{right:.1f}")
        x, y = right, to_y
    return (
        f'<path class="wire" data-from="{start}" data-to="{end}" d="{"".join(path)}"/>'
        f'<path class="tip" data-from="{start}" data-to="{end}" d="M{tip:.1f} {port:.1f}l-8 -4v8z"/>'
    )


def _inset(cell: _Cell, dy: float) -> float:
    """Return how far the outline of a pill lies right of its leftmost point, at a height of dy above its middle."""
    radius = _radius(cell)
    past = max(abs(dy) - (_PILL / 2 - radius), 0)
    return radius - math.sqrt(radius**2 - past**2)


def _radius(cell: _Cell) -> float:
    return _PILL / 2 if cell.node.inputs and not cell.box.title else 6.0


def _drawn(graph: "Graph", index: int, cell: _Cell, layout: Layout, used: bool, changing: bool) -> str:
    left, y, right = layout.left[index], layout.middle[index], layout.right[index]
    box, node = cell.box, cell.node
    without_inputs = "constant" if node.gate == "constant" else "input"
    kind = "fold" if box.title else "gate" if node.inputs else without_inputs
    bottom = y - _PILL / 2 + (_PILL if not box.title else _PILL + LINE * len(box.inside))
    middle = left + cell.pill / 2
    free = max(cell.room, cell.value.width, cell.gradient.width)
    room = f' data-room="{free:.0f}"' if changing else ""
    parts = [f'<g class="node {kind}" data-box="{index}"{_data(box, node)}{room}>']
    parts.append(f"<title>{_text(_tooltip(graph, box, node))}</title>")
    parts.append(
        f'<rect class="shape" x="{left:.1f}" y="{y - _PILL / 2:.1f}" width="{cell.pill:.1f}" '
        f'height="{bottom - y + _PILL / 2:.1f}" rx="{_radius(cell):g}"/>'
    )
    parts.append(_centred("sign", middle, y + 5, cell.sign))
    for k, line in enumerate(box.inside):
        parts.append(_centred("inside", middle, y + _PILL / 2 + LINE * k + 3, line))
    if cell.name:
        parts.append(_centred("name", middle, y - _PILL / 2 - 5, cell.name))
    start = left + cell.pill
    if not used:
        parts.append(f'<path class="wire" d="M{start:.1f} {y:.1f}H{right:.1f}"/>')
    above, below = y - _SPACE + 1 - cell.value.height, y + _SPACE - 1
    parts += [
        _label(written, kind, start + _SPACE, top)
        for written, kind, top in ((cell.value, "value", above), (cell.gradient, "gradient", below))
        if written.lines
    ]
    return "".join((*parts, "</g>"))


def _label(written: Label, kind: str, x: float, top: float) -> str:
    """Draw a label whose top is at `top`."""
    if written.scalar:
        return f'<text class="{kind} number" x="{x:.1f}" y="{top + 12:.1f}">{_text(written.lines[0])}</text>'
    parts = []
    lines_top = top
    if written.heatmap:
        width, height = written.size
        data = base64.b64encode(written.heatmap).decode()
        area = f'x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        parts.append(f'<image {area} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>')
        parts.append(f'<rect class="frame" {area}/>')
        lines_top += height
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{lines_top + 10 + LINE * k:.1f}">{_text(line)}</tspan>'
        for k, line in enumerate(written.lines)
    )
    parts.append(f'<text class="{kind}" xml:space="preserve">{spans}</text>')
    return f'<g class="{kind}">{"".join(parts)}</g>' if written.heatmap else parts[0]


def _centred(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{_text(text)}</text>'


def _data(box: Box, node: "Node") -> str:
    if box.title:
        return f' data-folded="{len(box.members)}"'
    attributes = {"name": node.name, "gate": node.gate, "shape": json.dumps(node.value.shape)}
    if node.group:
        attributes["group"] = node.group
    if 0 < node.value.size <= FEW:
        attributes["value"] = _json(node.value)
        if node.gradient is not None:
            attributes["gradient"] = _json(node.gradient)
    return "".join(f' data-{key}="{_attribute(text)}"' for key, text in attributes.items())


def _json(x: np.ndarray) -> str:
    return json.dumps(x.tolist(), default=str)


def _tooltip(graph: "Graph", box: Box, node: "Node") -> str:
    if box.title:
        return f"{len(box.members):,} nodes: {', '.join(box.inside)}"
    fed = f"({', '.join(graph.nodes[i].name for i in node.inputs)})" if node.inputs else ""
    layer = f", {node.group}" if node.group else ""
    return f"{node.name} = {node.gate}{fed}{layer}" if fed else f"{node.name}: {node.gate}{layer}"


def clean(text: str) -> str:
    """Return text without the characters that XML cannot carry, each replaced by U+FFFD."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def _text(text: str) -> str:
    return escape(clean(text), quote=False)


def _attribute(text: str) -> str:
    # Written as such, a tab or a new line in an attribute is read as a space.
    return re.sub(r"[\t\n\r]", lambda c: f"&#{ord(c[0])};", escape(clean(text)))
