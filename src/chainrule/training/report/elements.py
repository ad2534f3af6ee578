"""Pieces of HTML: the frame of a page, numbers that programs can read, texts, tables, bars and pictures."""

import base64
import html
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from chainrule.training.report.palette import BLUE, BLUE_BEHIND_TEXT, ORANGE, ORANGE_BEHIND_TEXT, channels
from chainrule.training.report.svg_chart import CSS as CHART_CSS

CSS = (
    f"""
:root {{ color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --soft: #5c6470; --rule: #d5dae0; --panel: #f5f7f9;
  --right: {channels(BLUE)}; --wrong: {channels(ORANGE)}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #14171b; --ink: #e8eaed; --soft: #a3abb6; --rule: #363d46;
  --panel: #1d2228; --right: {channels(BLUE_BEHIND_TEXT)}; --wrong: {channels(ORANGE_BEHIND_TEXT)}; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }} h2 {{ font-size: 1.2rem; margin: 2.5rem 0 .6rem; }}
p {{ max-width: 46rem; }} .soft, figcaption, caption {{ color: var(--soft); font-size: .9rem; }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }}
.facts div {{ background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem; }}
.facts dt {{ color: var(--soft); font-size: .85rem; }}
.facts dd {{ margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }}
.two {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }}
.wide {{ overflow-x: auto; margin: .6rem 0; }} figure {{ margin: 0; }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1.2rem 1rem; }}
.tiles img {{ width: 8.5rem; height: auto; image-rendering: pixelated; display: block; border: 1px solid var(--rule); }}
.tiles figcaption {{ overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; padding-bottom: .4rem; }}
th, td {{ padding: .25rem .6rem; text-align: right; border: 1px solid var(--rule); }}
th {{ font-weight: 600; background: var(--panel); }} th[scope=row] {{ position: sticky; left: 0; }}
.text td, .text th {{ text-align: left; }} .text td {{ overflow-wrap: anywhere; min-width: 4.5rem; }}
.bar {{ min-width: 9rem; background: linear-gradient(90deg, transparent var(--from), rgb(var(--hue)) var(--from)
  var(--to), transparent var(--to)); }} .for {{ --hue: var(--right); }} .against {{ --hue: var(--wrong); }}
.right {{ background: rgba(var(--right), var(--share)); outline: 2px solid rgb(var(--right)); outline-offset: -2px; }}
.wrong {{ background: rgba(var(--wrong), var(--share)); }} .none {{ color: var(--soft); }}
pre {{ background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .7rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; }} code {{ font-size: .9rem; }}
summary {{ cursor: pointer; margin: .6rem 0; }}
"""
    + CHART_CSS
)


class Tile(NamedTuple):
    """A PNG, what it shows in words, and its caption, which is HTML already."""

    png: bytes
    alt: str
    caption: str


def page(title: str, sections: Iterable[str]) -> bytes:
    """Return a page of sections, which are HTML already; it needs no network and runs no script."""
    body = "\n".join(f"<section>\n{section}\n</section>" for section in sections if section)
    whole = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
    # A file name that is no UTF-8 has halves of surrogate pairs, which no encoding takes.
    return whole.encode("utf-8", "backslashreplace")


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
    return wide(
        f"<table{named}{aligned}>{above}<thead><tr>{first}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def wide(drawn: str, kind: str = "Table") -> str:
    """Return a table or a chart in a frame that scrolls sideways where it is wider than the screen, by keys too."""
    return f'<div class="wide" tabindex="0" role="group" aria-label="{kind}">{drawn}</div>'


def bars(
    caption: str,
    head: Sequence[str],
    values: Sequence[float],
    names: Sequence[str],
    form: Callable[[float], str] = "{:.4g}".format,
) -> str:
    """Return a table of numbers by their names with a bar beside each: blue to the right, orange to the left for minus.

    `head` has the headings of the names and of the numbers, and `form` writes a number.
    """
    most = max(map(abs, values), default=0.0) or 1.0
    # Where no number is negative the bars have the whole width.
    zero, width = (50.0, 50.0) if min(values, default=0.0) < 0 else (0.0, 100.0)
    lines = []
    for name, value in zip(names, values, strict=True):
        start, end = sorted((zero, zero + width * value / most))
        kind = "against" if value < 0 else "for"
        lines.append(
            f'<tr><th scope="row">{text(name)}</th><td>{number(value, form(value))}</td>'
            f'<td class="bar {kind}" style="--from:{start:.1f}%;--to:{end:.1f}%"></td></tr>'
        )
    first = "".join(f'<th scope="col">{text(cell)}</th>' for cell in head)
    return wide(
        f"<table><caption>{text(caption)}</caption><thead><tr>{first}<td></td></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def tiles(shown: Sequence[Tile], caption: str) -> str:
    """Return pictures side by side, each over its caption, under a common one."""
    each = "".join(
        f'<figure><img alt="{text(one.alt)}" src="data:image/png;base64,{base64.b64encode(one.png).decode()}">'
        f"<figcaption>{one.caption}</figcaption></figure>"
        for one in shown
    )
    return f'<p class="soft">{text(caption)}</p><div class="tiles">{each}</div>'
