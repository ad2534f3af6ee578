"""The page that a training run leaves: its report in one file that needs no network and runs no script.

Every number stands in a `data` element too, whose value is the number of report.json or history.csv as it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.training.report import regression
from chainrule.training.report.elements import number, page, table, text, wide
from chainrule.training.report.regression import place, place_heading
from chainrule.training.report.svg_chart import line_chart
from chainrule.training.run_report import Mistake, Regression, RunReport, Summary, TwoClasses

# The heading under which the worst mistakes stand, and their figure where rows are pictures.
MISTAKES = "Worst mistakes"

# A confusion of more classes is folded, and one of more than the second number is left to report.json.
_FOLDED, _TOO_MANY = 20, 200
# Costs further apart are drawn on a logarithmic scale: on a linear one the end would be a flat line.
_FAR_APART = 20
# Rows of the history that the page shows; all of them stand in history.csv.
_ROWS = 200

# The fields of the report that say how the run came about.
_ORIGIN = (
    "ended",
    "resumed_after",
    "seconds_reading",
    "seconds",
    "data",
    "choices",
    "rows",
    "classes",
    "network",
    "python",
    "versions",
    "device",
    "threads",
    "dtype",
    "settings",
)


def render(
    report: RunReport,
    columns: Sequence[str],
    history: Sequence[Sequence[float | None]],
    layers: Mapping[str, Sequence[float | None]],
    figures: Mapping[str, str],
) -> bytes:
    """Return the page of a run.

    columns     the names of the columns of `history`, whose rows are those of history.csv; the first three are the
                step, the cost and the largest |gradient|, the fourth the validation or None
    layers      the largest |gradient| of each layer at each row of the history, by the name of the layer
    figures     as HTML, by their headings
    """
    summary = report.summary
    if isinstance(summary, Regression):
        said = first = regression.said(report, summary)
        answers = [regression.worst(summary.worst)]
    else:
        said = f"{summary.accuracy.held_out:.2%} of {report.rows.held_out} held-out rows answered right"
        first = f"{said}. Always the commonest class: {summary.accuracy.commonest:.2%}"
        answers = [_confusion(summary), _mistakes(summary.mistakes, figures.get(MISTAKES))]
    sections = [
        f"<h1>{text(title(report))}</h1>\n<p>{first}.</p>\n{_about(report)}",
        _facts(report),
        _curves(report, history, layers),
        *answers,
        *(f"<h2>{text(name)}</h2>\n{shown}" for name, shown in figures.items() if name != MISTAKES),
        _origin(report),
        _numbers(columns, history),
    ]
    return page(f"{report.name}: {said}, {_date(report)}", sections)


def title(report: RunReport) -> str:
    """Return the heading of a run: its name, and what it learnt."""
    classes = report.classes
    learnt = f"{len(classes)} classes told apart" if isinstance(classes, tuple) else ""
    if isinstance(classes, TwoClasses):
        learnt = f"{classes.positive!r} or {classes.negative!r}"
    return f"{report.name}: {learnt if classes else regression.TITLE}"


def _about(report: RunReport) -> str:
    """Return what was learnt from, by what and when, and what a reader should know of the data."""
    source = text(report.data.train.removesuffix(", training rows"))
    learnt = f"Learnt from {source}, {report.rows.train} rows, by the network {text(report.network)}, {_date(report)}."
    notes = "".join(f"<li>{text(note)}</li>" for note in report.data.notes or ())
    return f'<p class="soft">{learnt}</p>' + (f"<ul>{notes}</ul>" if notes else "")


def _date(report: RunReport) -> str:
    """Return when a run ended, to the minute."""
    return text(report.ended[:16].replace("T", " ") + " UTC")


def _facts(report: RunReport) -> str:
    """Return the numbers that come first: a mapping from their names to the numbers, as HTML."""
    if isinstance(report.summary, Regression):
        facts = regression.facts(report.summary)
    else:
        accuracy = report.summary.accuracy
        right = {
            "right, training": accuracy.train,
            "right, validation": accuracy.validation,
            "right, held out": accuracy.held_out,
        }
        facts = {name: number(share, f"{share:.2%}") for name, share in right.items() if share is not None}
    facts["steps"] = number(report.steps)
    if report.cost is not None:
        facts["last cost"] = number(report.cost, f"{report.cost:.4g}")
    if report.largest_gradient is not None:
        facts["largest |gradient|"] = number(report.largest_gradient, f"{report.largest_gradient:.2e}")
    facts["seconds of learning"] = number(report.seconds, f"{report.seconds:.2f}")
    items = "".join(f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items())
    return f'<dl class="facts">{items}</dl>'


def _curves(
    report: RunReport,
    history: Sequence[Sequence[float | None]],
    layers: Mapping[str, Sequence[float | None]],
) -> str:
    if not history:
        return "<h2>Cost</h2>\n<p>No step was reported.</p>"
    drawn = {name: _points(history, column) for name, column in layers.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    spoken = "; ".join(f"{name} from {p[0][1]:.2e} to {p[-1][1]:.2e}" for name, p in drawn.items())
    gradients = line_chart(drawn, label=f"Largest |gradient| of each layer: {spoken}.", log=True)
    cost, caption = _cost_curve(report, history)
    return f"""<div class="two">
<div><h2>Cost</h2><figure>{wide(cost, "Chart")}<figcaption>{text(caption)}</figcaption></figure></div>
<div><h2>Largest |gradient| by layer</h2><figure>{wide(gradients, "Chart")}
<figcaption>Of weights and biases, at each report, on a logarithmic scale.</figcaption></figure></div>
</div>"""


def _cost_curve(report: RunReport, history: Sequence[Sequence[float | None]]) -> tuple[str, str]:
    """Return the chart of the costs of training and validation rows, and its caption."""
    lines = {"training": _points(history, [row[1] for row in history])}
    (start, first), (end, last) = lines["training"][0], lines["training"][-1]
    words = f"Cost of the training rows: {first:.4g} at step {start:g}, {last:.4g} at step {end:g}."
    caption, mark = f"Stopped after step {report.steps}: {report.stopped}.", None
    validated = _points(history, [row[3] for row in history])
    if report.best is not None and report.best.validation is not None:
        lines["validation"] = validated
        mark = (report.best.step, report.best.validation)
        caption += f" Kept, in the ring: the parameters after step {mark[0]}, validation {mark[1]:.4g}."
        words += f" Lowest validation: {mark[1]:.4g} at step {mark[0]}."
    numbers = [y for points in lines.values() for _, y in points]
    log = min(numbers) > 0 and max(numbers) > _FAR_APART * min(numbers)
    caption += " On a logarithmic scale." if log else ""
    return line_chart(lines, label=words, log=log, mark=mark), caption


def _points(
    history: Sequence[Sequence[float | None]], column: Sequence[float | None]
) -> list[tuple[float, float]]:
    return [(row[0] or 0, y) for row, y in zip(history, column, strict=True) if y is not None]


def _confusion(summary: Summary) -> str:
    classes, counts = list(summary.accuracy_by_class), np.asarray(summary.confusion)
    heading = "<h2>Confusion</h2>"
    if len(classes) > _TOO_MANY:
        where = "The whole table stands in report.json."
        return f"{heading}\n{_most_confused(classes, counts)}<p>{where}</p>"
    whole = _confusion_table(summary.accuracy_by_class, counts)
    if len(classes) <= _FOLDED:
        return f"{heading}\n{whole}"
    folded = f"<details><summary>The table, {len(classes)} classes</summary>{whole}</details>"
    return f"{heading}\n{_most_confused(classes, counts)}{folded}"


def _confusion_table(shares: Mapping[str, float | None], counts: np.ndarray) -> str:
    """Return the table of counts (k, k), and the share of each class that was answered right."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in shares)
    rows: list[str] = []
    for i, ((name, known), row) in enumerate(zip(shares.items(), counts, strict=True)):
        right = "no row" if known is None else number(known, f"{known:.1%}")
        cells = "".join(_count_cells(row, i))
        rows.append(f'<tr><th scope="row">{text(name)}</th>{cells}<td>{right}</td></tr>')
    return (
        "<p>Framed in blue: answered right; orange: taken for another class. The stronger the colour, the larger the "
        "share of the class.</p>"
    ) + wide(
        '<table id="confusion"><caption>Held-out rows: the true class down, the answer across</caption>'
        f'<thead><tr><th scope="col">true \\ answer</th>{head}<th scope="col">right</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _count_cells(row: np.ndarray, true: int) -> Iterator[str]:
    """Yield the cells of a row of the confusion, coloured by the share of the class."""
    total = row.sum() or 1
    for j, count in enumerate(row):
        # The root makes one row of many visible; the limit keeps the number readable on the colour.
        share = 0.1 + 0.55 * float(count / total) ** 0.5
        kind = "right" if j == true else "wrong" if count else "none"
        yield f'<td class="{kind}" style="--share:{share:.2f}">{count}</td>'


def _most_confused(classes: Sequence[str], counts: np.ndarray) -> str:
    """Return a table of the pairs of classes that were confused most often."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [divmod(int(k), len(classes)) for k in order if wrong.flat[k]]
    if not pairs:
        return "<p>No held-out row was taken for another class.</p>"
    rows = [(text(classes[i]), text(classes[j]), number(int(counts[i, j]))) for i, j in pairs]
    return table("Confused most often", ("class", "taken for", "rows"), rows)


def _mistakes(mistakes: Sequence[Mistake], shown: str | None) -> str:
    parts = [] if shown is None else [shown]
    rows = [
        (place(one), text(one.true), text(one.answer), number(one.probability, f"{one.probability:.4f}"))
        for one in mistakes
    ]
    if rows:
        head = (place_heading(mistakes), "class", "answer", "probability of the answer")
        parts.append(table("The answers that held the true class least probable", head, rows))
    else:
        parts.append("<p>Every held-out row was answered right.</p>")
    return f"<h2>{MISTAKES}</h2>\n{''.join(parts)}"


def _origin(report: RunReport) -> str:
    """Return how the run came about: the command, the data, the machine, every setting."""
    entries = {key: value for key, value in report.as_json(*_ORIGIN).items() if value is not None}
    rows = [
        (text(name), number(value) if type(value) in (int, float) else text(value))
        for name, value in _flat(entries)
    ]
    origin = table("", ("what", "value"), rows, kind="origin")
    return f"<h2>How it came about</h2>\n<pre><code>{text(report.command)}</code></pre>\n{origin}"


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each entry of a nested dict by the keys that lead to it; a list as its items, None as -."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}: ")
        else:
            items = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{above}{key}", "-" if items is None else items


def _numbers(columns: Sequence[str], history: Sequence[Sequence[float | None]]) -> str:
    """Return the table of the history, thinned where it is long, without the columns that are empty."""
    every = max(1, -(-len(history) // _ROWS))
    shown = [*history[:-1:every], *history[-1:]]
    if not shown:
        return ""
    kept = [k for k in range(len(columns)) if any(row[k] is not None for row in shown)]
    rows = [["" if x is None else number(x) for x in (row[k] for k in kept)] for row in shown]
    note = "" if every == 1 else f" Of {len(history)} reports about one in {every}; all stand in history.csv."
    head = [text(columns[k]) for k in kept]
    history_table = table(f"The numbers of the reports.{note}", head, rows, kind="history")
    return f"<h2>Numbers</h2>\n<details><summary>{len(shown)} reports</summary>{history_table}</details>"
