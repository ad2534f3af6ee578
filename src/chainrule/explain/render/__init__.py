"""A graph as text, as a drawing (SVG) and as a page (HTML).

Each is imported when it is first asked for: they need several modules of the standard library that nothing else in
chainrule imports at its start.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.explain.graph import Graph


def to_text(graph: "Graph") -> str:
    """Return both tables of a graph: the forward steps and the backward steps."""
    from chainrule.explain.render.text import text

    return text(graph)


def to_svg(graph: "Graph") -> str:
    """Return the drawing of a graph as an SVG document."""
    from chainrule.explain.render.svg import svg

    return svg(graph)


def to_html(graph: "Graph") -> str:
    """Return the page of a graph, a whole file."""
    from chainrule.explain.render.page import html

    return html(graph)


def to_frame(graph: "Graph") -> str:
    """Return the page of a graph in an iframe, for notebooks."""
    from chainrule.explain.render.page import frame

    return frame(graph)
