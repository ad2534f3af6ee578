"""What the page and the pictures of a run have for numbers that are predicted, in the place of classes."""

from collections.abc import Sequence

import numpy as np

from chainrule.training.evaluation import Prediction
from chainrule.training.report import svg_chart
from chainrule.training.report.elements import number, table, text, wide
from chainrule.training.run_report import Missed, Mistake, Regression, RunReport

TITLE = "Numbers predicted"
PREDICTIONS = "Predictions"


def said(report: RunReport, summary: Regression) -> str:
    """Return the sentence that stands first."""
    error = summary.error
    return (
        f"{report.rows.held_out} held-out rows predicted with an error of {error.held_out:.6g} (root mean square); the "
        f"mean of the numbers would have {summary.spread:.6g}"
    )


def facts(summary: Regression) -> dict[str, str]:
    """Return the numbers that come first, as HTML, by their names."""
    parts = {"training": "train", "validation": "validation", "held out": "held_out"}
    found: dict[str, str] = {}
    for name, share in (("R², ", summary.explained), ("error, ", summary.error)):
        for part, field in parts.items():
            value = getattr(share, field)
            if value is not None:
                found[name + part] = number(value, f"{value:.4g}")
    return found


def worst(missed: Sequence[Missed]) -> str:
    """Return the section of the predictions that were furthest from the truth."""
    rows = [(place(one), number(one.true), number(one.predicted)) for one in missed]
    head = (place_heading(missed), "number", "prediction")
    return f"<h2>Furthest predictions</h2>\n{table('The furthest first', head, rows)}"


def place(one: Mistake | Missed) -> str:
    """Return where a held-out row came from, as HTML: its file, or its number among the rows of the data."""
    return text(one.file) if one.number is None else number(one.number)


def place_heading(rows: Sequence[Mistake | Missed]) -> str:
    """Return the heading of a column of places."""
    return "file" if any(one.file is not None for one in rows) else "row of the data, from 1"


def cloud(held_out: Prediction) -> str:
    """Draw the predictions of held-out rows over their numbers, and how far they are off, as HTML."""
    off = held_out.y_hat - held_out.y
    points = sorted(zip(held_out.y.tolist(), held_out.y_hat.tolist(), strict=True))
    counts, edges = np.histogram(off, bins=min(40, max(5, len(off) // 5)))
    words = f"how far {len(off)} predictions are off: from {np.min(off):.4g} to {np.max(off):.4g}"
    one = svg_chart.cloud(points, label="Predictions of held-out rows over their numbers.", across="number")
    other = svg_chart.histogram(counts.tolist(), edges.tolist(), label=words, across="prediction - number")
    return (
        f'<div class="two"><figure>{wide(one, "Chart")}<figcaption>Predictions over numbers; on the line a '
        f"prediction is exact.</figcaption></figure><figure>{wide(other, 'Chart')}<figcaption>Upwards rows: "
        f"{words}.</figcaption></figure></div>"
    )
