"""The graph as one HTML page that loads nothing else and steps forward and backward."""

import base64
import hashlib
import html as markup
import json
import re
import warnings
from collections.abc import Collection, Sequence
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.autodiff.traced import is_traced
from chainrule.explain import notation
from chainrule.explain.format import brief
from chainrule.explain.render import palette
from chainrule.explain.render.folding import Box, folded
from chainrule.explain.render.labels import shortened
from chainrule.explain.render.svg import MOST, clean, computed, draw
from chainrule.explain.wording import index, rule, settings, sides
from chainrule.gates.indexing import parts_of
from chainrule.gates.standard import RULES
from chainrule.program.recording import NotReplayableError

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph, Node, NumpyArray, Program

_SCRIPTS = ("evaluate.js", "words.js", "labels.js", "page.js")

_MOST_NUMBERS = 2000
"""A page computes with at most so many numbers."""

_CHOSEN = "Which gates run depends on the values of the inputs, so the inputs cannot be changed."

_KINDS = ("bool", "int64", "float32", "float64")
_NEUTRAL = {"correction": 0, "ord": 2, "keepdims": None, "axis": None}
"""Settings of gates of rows that a page computes with; where a number is here, with that alone."""


def html(graph: "Graph") -> str:
    """Return the page of a graph, a whole file."""
    boxes = folded(graph, MOST)
    program, is_for_all = _program(graph, boxes)
    needed = _needed(graph, boxes) if is_for_all else _CHOSEN
    data = _data(graph, boxes, needed, program)
    script = _script([node.gate for node in graph.nodes] if isinstance(needed, list) else [])
    return Template(_asset("page.html")).substitute(
        title=_text(graph.title),
        heading=_text(shortened(graph.title, 100)),
        above=graph.above,
        under=f"how fast {_text(graph.output.name)} grows with it" if computed(graph) else "not computed yet",
        drawing=draw(graph, boxes, heading=False, changing=isinstance(needed, list)),
        # Without "<" no text of a user can end the element or begin another.
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
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


def _script(gates: Collection[str], names: Sequence[str] = _SCRIPTS) -> str:
    """Return scripts of the page as one, with the notation of gates in it and without comments."""
    script, empty = "".join(map(_asset, names)), "const GATES = {};"
    assert script.count(empty) == 1
    script = script.replace(empty, f"const GATES = {notation.javascript(gates)};")
    return re.sub(r"^ *//.*\n|^ +", "", script, flags=re.MULTILINE)


def _data(
    graph: "Graph", boxes: Sequence[Box], needed: list[dict[str, Any]] | str, program: "Program | None"
) -> dict[str, Any]:
    lines = program.lines if program else ()
    own = needed if isinstance(needed, list) else [{} for _ in boxes]
    gates = {node.gate: len(node.inputs) for node in graph.nodes if node.inputs}
    return {
        "title": graph.title,
        "backward": computed(graph),
        "fixed": needed if isinstance(needed, str) else "",
        "boxes": [
            _box(graph, box) | more | ({"lines": lines[box.members[0]]} if lines else {})
            for box, more in zip(boxes, own, strict=True)
        ],
        "rules": {gate: rule(gate, inputs) for gate, inputs in gates.items()},
        "colours": [palette.ABOVE, palette.BELOW, palette.ZERO, palette.NOT_A_NUMBER],
        "code": program.source.split("\n") if program else None,
    }


def _needed(graph: "Graph", boxes: Sequence[Box]) -> list[dict[str, Any]] | str:
    """Return what the page needs of each box to compute it again, or why it cannot."""
    if len(boxes) < len(graph.nodes) or sum(node.value.size for node in graph.nodes) > _MOST_NUMBERS:
        return (
            "The inputs can be changed only where no nodes are folded, and all values together are at most "
            f"{_MOST_NUMBERS:,} numbers."
        )
    found = []
    for box in boxes:
        node = graph.nodes[box.members[0]]
        if node.value.dtype.name not in _KINDS:
            return f"This page cannot compute with {node.value.dtype}, so the inputs cannot be changed."
        own = _own(graph, node)
        if own is None:
            return f"This page cannot compute {node.gate} itself, so the inputs cannot be changed."
        sums = [_weighed(x) for x in (node.value, node.gradient) if x is not None]
        found.append({"shape": node.value.shape, "dtype": node.value.dtype.name, "sums": sums, **own})
    return found


def _own(graph: "Graph", node: "Node") -> dict[str, Any] | None:
    """Return what the page needs beside shape and dtype to compute a node; None where it cannot."""
    if not node.inputs:
        return {"x": [_number(x) for x in node.value.ravel().tolist()], "index": node.index}
    row, inputs = notation.of(node.gate), [graph.nodes[i].value for i in node.inputs]
    given = {key: setting for key, setting in node.settings.items() if setting is not None}
    if row.moves:
        moved = _moved(node, inputs, given)
        key = {"written": f"x[{index(given['key'])}]"} if "key" in given else {}
        form = {"written": row.written} if row.written else {}
        return None if moved is None else {"moved": moved, "settings": settings(node), **form, **key}
    if node.gate == "matmul":
        return {"written": row.written} if max(x.ndim for x in inputs) <= 2 and not given else None
    if row.rows and len(inputs) == len(row.rows) - 1:
        if any(
            _NEUTRAL.get(key, setting) not in (None, setting) or key not in _NEUTRAL
            for key, setting in given.items()
        ):
            return None
        ndim = max(x.ndim for x in inputs)
        # NumPy reduces a single number along axis 0, which it does not have.
        axes = () if ndim == 0 else given.get("axis", -1 if row.along == "last" else tuple(range(ndim)))
        return {"axes": np.lib.array_utils.normalize_axis_tuple(axes, ndim), "settings": settings(node)}
    known = row.is_computed_by_the_page and not row.rows and len(inputs) == len(row.slopes)
    return {} if known and not given else None


def _moved(node: "Node", inputs: "list[NumpyArray]", given: dict[str, Any]) -> list[int] | None:
    """Return where each element of a value stands in the inputs, one behind the other; None where it cannot be told."""
    gate = (RULES["main"] | RULES["internal"]).get(node.gate)
    # What a computed key picks would change with the inputs.
    if gate is None or any(map(is_traced, parts_of(given.get("key")))):
        return None
    ends = np.cumsum([0, *(x.size for x in inputs)])
    places = [np.arange(end - x.size, end).reshape(x.shape) for x, end in zip(inputs, ends[1:], strict=True)]
    try:
        moved = gate(np, *places, **given)[0]
    except (TypeError, ValueError, IndexError):
        return None
    elements = np.concatenate([x.ravel() for x in inputs])
    same = moved.shape == node.value.shape and np.array_equal(elements[moved], node.value, equal_nan=True)
    return moved.ravel().tolist() if same else None


def _weighed(x: "NumpyArray") -> float | str:
    """Return a sum in which each element has a weight of its own, by which the page holds its numbers against these."""
    with np.errstate(all="ignore"):
        return _number(float(f"{np.sum(x.ravel() * np.arange(1.0, x.size + 1)):.9g}"))


def _number(x: float) -> float | str:
    """Return a number for JSON, or, for one that JSON has not, its name in JavaScript."""
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(x), x)


def _program(graph: "Graph", boxes: Sequence[Box]) -> "tuple[Program | None, bool]":
    """Return the program of a graph, where it is known which of its lines belong to which node.

    And whether the gates are the same for all inputs, as far as writing a program shows.
    """
    if graph.program is None or len(boxes) < len(graph.nodes):
        return None, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "compile")  # of what another run would not repeat
            program = graph.program()
    except NotReplayableError:
        return None, False
    except (
        Exception
    ):  # what a function does in a second run, or what no program can have: the drawing stands alone
        return None, True
    return (program if program.lines and computed(graph) else None), True


def _box(graph: "Graph", box: Box) -> dict[str, Any]:
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
    forward, backward = sides(graph, node)
    return {
        "name": node.name,
        "gate": node.gate,
        "inputs": box.inputs,
        "traced": node.traced,
        "value": brief(node.value),
        "gradient": None if node.gradient is None else brief(node.gradient),
        "forward": forward,
        "backward": backward,
    }
