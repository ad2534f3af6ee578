"""The page that a training run leaves: all of its report in one file that needs no network and runs no script.

Every number stands in a `data` element too, whose value is the number of report.json or history.csv as it is.
"""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.training.report.svg_chart import CSS as CHART_CSS
from chainrule.training.report.svg_chart import line_chart

# Wider tables are folded, and beyond the second number left to report.json.
_FOLDED, _TOO_MANY = 20, 200
# Costs further apart are drawn on a logarithmic scale: on the other the end would be a flat line.
_FAR_APART = 20
# Rows of the history that the page shows; all of them stand in history.csv.
_ROWS = 200

_CSS = (
    """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --soft: #5c6470; --rule: #d5dae0; --panel: #f5f7f9;
  --right: 0, 114, 178; --wrong: 213, 94, 0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e8eaed; --soft: #a3abb6; --rule: #363d46;
  --panel: #1d2228; --right: 60, 145, 205; --wrong: 225, 110, 30; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .6rem; }
p { max-width: 46rem; } .soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.facts div { background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem; padding: .6rem .8rem; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; }
.wide { overflow-x: auto; margin: .6rem 0; } figure { margin: 0; }
figure > .wide { max-width: 46rem; }
img { max-width: max(100%, 32rem); height: auto; background: #fff; border-radius: .4rem; display: block; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .25rem .6rem; text-align: right; border: 1px solid var(--rule); }
th { font-weight: 600; background: var(--panel); } th[scope=row] { position: sticky; left: 0; }
.text td, .text th { text-align: left; } .text td { overflow-wrap: anywhere; }
.right { background: rgba(var(--right), var(--share)); outline: 2px solid rgb(var(--right)); outline-offset: -2px; }
.wrong { background: rgba(var(--wrong), var(--share)); } .none { color: var(--soft); }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: .4rem; padding: .7rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; }
summary { cursor: pointer; margin: .6rem 0; }
"""
    + CHART_CSS
)


class Picture(NamedTuple):
    """A PNG, what it shows in words, and what to know when looking at it."""

    png: bytes
    alt: str
    caption: str


def report_page(
    report: dict[str, Any],
    columns: Sequence[str],
    history: Sequence[Sequence[float | None]],
    layers: Mapping[str, Sequence[float | None]],
    pictures: dict[str, Picture],
) -> bytes:
    """Return the page of a run.

    report      what report.json has
    columns     the names of the columns of `history`, whose rows are those of history.csv; the first three are the
                step, the cost and the largest |gradient|, the fourth the validation or None
    layers      the largest |gradient| of each layer, by its name, as long as the history
    pictures    under their headings
    """
    accuracy = report["accuracy"]
    title = _title(report)
    said = f"{accuracy['held out']:.2%} of {report['rows']['held out']} held-out rows answered right"
    sections = [
        f"<h1>{_text(title)}</h1>\n<p>{said}. Always the commonest class: {accuracy['commoner class']:.2%}.</p>",
        _facts(report),
        _curves(report, history, layers),
        _confusion(report),
        _mistakes(report, pictures),
        *(
            f"<h2>{_text(name)}</h2>\n{_figure(picture)}"
            for name, picture in pictures.items()
            if name != _MISTAKES
        ),
        _origin(report),
        _numbers(columns, history),
    ]
    body = "\n".join(f"<section>\n{section}\n</section>" for section in sections if section)
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(title)}: {said}</title>
<style>{_CSS}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
    # A file name that is no text has halves of surrogate pairs, which no encoding takes.
    return page.encode("utf-8", "backslashreplace")


_MISTAKES = "Worst mistakes"
_CONFUSION = "held-out confusion, true class down, answer across"


def _title(report: dict[str, Any]) -> str:
    classes = report["classes"]
    if isinstance(classes, dict):
        return f"{classes['positive']!r} or {classes['negative']!r}"
    return f"{len(classes)} classes told apart"


def _facts(report: dict[str, Any]) -> str:
    accuracy = report["accuracy"]
    names = {"train": "training", "validation": "validation", "held out": "held out"}
    facts = [
        (f"right, {name}", _number(accuracy[key], f"{accuracy[key]:.2%}"))
        for key, name in names.items()
        if key in accuracy
    ]
    facts.append(("steps", _number(report["steps"])))
    if report["cost"] is not None:
        facts.append(("last cost", _number(report["cost"], f"{report['cost']:.4g}")))
        facts.append(
            ("largest |gradient|", _number(report["largest gradient"], f"{report['largest gradient']:.2e}"))
        )
    facts.append(("seconds of learning", _number(report["seconds"], f"{report['seconds']:.2f}")))
    items = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts)
    return f'<dl class="facts">{items}</dl>'


def _curves(
    report: dict[str, Any],
    history: Sequence[Sequence[float | None]],
    layers: Mapping[str, Sequence[float | None]],
) -> str:
    if not history:
        return "<h2>Cost</h2>\n<p>No step was reported.</p>"
    lines = {"training": _points(history, [row[1] for row in history])}
    validated = _points(history, [row[3] for row in history])
    (start, first), (end, last) = lines["training"][0], lines["training"][-1]
    words = f"Cost of the training rows: {first:.4g} at step {start:g}, {last:.4g} at step {end:g}."
    caption, mark = f"Stopped after step {report['steps']}: {report['stopped']}.", None
    if validated:
        lines["validation"] = validated
        mark = (report["best"]["step"], report["best"]["validation"])
        caption += f" Kept, in the ring: the parameters after step {mark[0]}, validation {mark[1]:.4g}."
        words += f" Lowest validation: {mark[1]:.4g} at step {mark[0]}."
    numbers = [y for points in lines.values() for _, y in points]
    log = min(numbers) > 0 and max(numbers) > _FAR_APART * min(numbers)
    caption += " On a logarithmic scale." if log else ""
    cost = line_chart(lines, label=words, log=log, mark=mark)
    drawn = {name: _points(history, column) for name, column in layers.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    spoken = "; ".join(f"{name} from {p[0][1]:.2e} to {p[-1][1]:.2e}" for name, p in drawn.items())
    gradients = line_chart(drawn, label=f"Largest |gradient| of each layer: {spoken}.", log=True)
    return f"""<div class="two">
<figure><h2>Cost</h2><div class="wide">{cost}</div><figcaption>{_text(caption)}</figcaption></figure>
<figure><h2>Largest |gradient| by layer</h2><div class="wide">{gradients}</div>
<figcaption>Of weights and biases, at each report, on a logarithmic scale.</figcaption></figure>
</div>"""


def _points(
    history: Sequence[Sequence[float | None]], column: Sequence[float | None]
) -> list[tuple[float, float]]:
    return [(row[0] or 0, y) for row, y in zip(history, column, strict=True) if y is not None]


def _confusion(report: dict[str, Any]) -> str:
    shares = report["held-out accuracy by class"]
    classes = list(shares)
    counts = np.asarray(report[_CONFUSION])
    heading = "<h2>Confusion</h2>"
    where = "The whole table stands in report.json."
    if len(classes) > _TOO_MANY:
        return f"{heading}\n{_confused(classes, counts)}<p>{where}</p>"
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in classes)
    rows: list[str] = []
    for name, row in zip(classes, counts, strict=True):
        i, total = len(rows), row.sum() or 1
        cells = []
        for j, count in enumerate(row):
            # The root, because one row of many is worth seeing; never so strong that the number could not be read.
            share = 0.1 + 0.55 * float(count / total) ** 0.5
            kind = "right" if i == j else "wrong" if count else "none"
            cells.append(f'<td class="{kind}" style="--share:{share:.2f}">{count}</td>')
        known = shares[name]
        right = "no row" if known is None else _number(known, f"{known:.1%}")
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{"".join(cells)}<td>{right}</td></tr>')
    words = (
        "<p>Framed in blue: answered right; orange: taken for another class. The stronger the colour, the larger the "
        "share of the class.</p>"
    )
    table = (
        f'{words}<div class="wide"><table id="confusion"><caption>Held-out rows: the true class down, the answer '
        f'across</caption><thead><tr><th scope="col">true \\ answer</th>{head}<th scope="col">right</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    if len(classes) <= _FOLDED:
        return f"{heading}\n{table}"
    folded = f"<details><summary>The table, {len(classes)} classes</summary>{table}</details>"
    return f"{heading}\n{_confused(classes, counts)}{folded}"


def _confused(classes: Sequence[str], counts: np.ndarray) -> str:
    """Return a table of the pairs of classes that were confused most often."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [divmod(int(k), len(classes)) for k in order if wrong.flat[k]]
    if not pairs:
        return "<p>No held-out row was taken for another class.</p>"
    rows = [(_text(classes[i]), _text(classes[j]), _number(int(counts[i, j]))) for i, j in pairs]
    return _table("Confused most often", ("class", "taken for", "rows"), rows)


def _mistakes(report: dict[str, Any], pictures: dict[str, Picture]) -> str:
    worst = report["worst mistakes"]
    parts = [_figure(pictures[_MISTAKES])] if _MISTAKES in pictures else []
    if not worst:
        parts.append("<p>Every held-out row was answered right.</p>")
    else:
        rows = [
            (
                _number(one["held-out row"]),
                _text(one["class"]),
                _text(one["answer"]),
                _number(one["probability of the answer"], f"{one['probability of the answer']:.4f}"),
            )
            for one in worst
        ]
        head = ("held-out row, from 0", "class", "answer", "probability of the answer")
        parts.append(_table("The answers that held the true class least probable", head, rows))
    return f"<h2>{_MISTAKES}</h2>\n{''.join(parts)}"


def _origin(report: dict[str, Any]) -> str:
    """Return what the run was made from: the command, the data, the machine, every setting."""
    about = {
        key: report[key]
        for key in (
            "ended",
            "resumed after step",
            "seconds reading",
            "seconds",
            "data",
            "rows",
            "classes",
            "python",
            "versions",
            "device",
            "threads while learning",
            "dtype",
            "settings",
        )
        if report.get(key) is not None
    }
    rows = [
        (_text(name), _number(value) if type(value) in (int, float) else _text(value))
        for name, value in _flat(about)
    ]
    table = _table("", ("what", "value"), rows, kind="origin")
    return f"<h2>How it came about</h2>\n<pre><code>{_text(report['command'])}</code></pre>\n{table}"


def _flat(tree: dict[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each entry of a nested dict by the words that lead to it; lists as their items, settings left open as -."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}: ")
        else:
            items = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{above}{key}", "-" if items is None else items


def _numbers(columns: Sequence[str], history: Sequence[Sequence[float | None]]) -> str:
    every = max(1, -(-len(history) // _ROWS))
    shown = [*history[:-1:every], *history[-1:]]
    kept = [k for k in range(len(columns)) if any(row[k] is not None for row in shown)]
    rows = [["" if x is None else _number(x) for x in (row[k] for k in kept)] for row in shown]
    note = "" if every == 1 else f" Of {len(history)} reports about one in {every}; all stand in history.csv."
    table = _table(f"What the reports saw.{note}", [_text(columns[k]) for k in kept], rows, kind="history")
    return (
        f"<h2>Numbers</h2>\n<details><summary>{len(shown)} reports</summary>{table}</details>"
        if shown
        else ""
    )


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Return a table of cells that are HTML already."""
    named = f' id="{kind}"' if kind else ""
    text = "" if kind == "history" else ' class="text"'
    above = f"<caption>{caption}</caption>" if caption else ""
    first = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = (f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    return (
        f'<div class="wide"><table{named}{text}>{above}<thead><tr>{first}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _figure(picture: Picture) -> str:
    source = base64.b64encode(picture.png).decode()
    # The header of a PNG has its width in pixels here; screens of phones have more of them than they say.
    width = round(int.from_bytes(picture.png[16:20]) / 1.25)
    return (
        f'<figure><div class="wide"><img width="{width}" alt="{_text(picture.alt)}" '
        f'src="data:image/png;base64,{source}"></div>'
        f"<figcaption>{_text(picture.caption)}</figcaption></figure>"
    )


def _number(value: float, shown: str | None = None) -> str:
    """Return a number as it is, to be read by programs, under the way in which it is shown."""
    return f'<data value="{value!r}">{shown or format(value, ".6g")}</data>'


def _text(value: object) -> str:
    return html.escape(str(value))
