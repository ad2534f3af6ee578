"""Pieces of HTML: numbers that programs can read, texts, tables and figures."""

import base64
import html
from collections.abc import Sequence
from typing import NamedTuple


class Figure(NamedTuple):
    """A PNG, what it shows in words, and what to know when looking at it."""

    png: bytes
    alt: str
    caption: str


def text(value: object) -> str:
    """Return a value as text in which nothing is markup."""
    return html.escape(str(value))


def number(value: float, shown: str | None = None) -> str:
    """Return a number for readers, within an element whose value is the number as it is, for programs."""
    return f'<data value="{value!r}">{shown or format(value, ".6g")}</data>'


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Return a table of cells that are HTML already; `kind` is its id, and numbers alone stand in a "history"."""
    named = f' id="{kind}"' if kind else ""
    aligned = "" if kind == "history" else ' class="text"'
    above = f"<caption>{caption}</caption>" if caption else ""
    first = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = (f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    return (
        f'<div class="wide"><table{named}{aligned}>{above}<thead><tr>{first}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def figure(shown: Figure) -> str:
    """Return a figure with its PNG inside it."""
    source = base64.b64encode(shown.png).decode()
    # Bytes 16 to 20 of a PNG are its width in pixels. Screens of phones have more pixels than they say.
    width = round(int.from_bytes(shown.png[16:20]) / 1.25)
    return (
        f'<figure><div class="wide"><img width="{width}" alt="{text(shown.alt)}" '
        f'src="data:image/png;base64,{source}"></div>'
        f"<figcaption>{text(shown.caption)}</figcaption></figure>"
    )
