"""What the page and the pictures of a run have for numbers that are predicted, in the place of classes."""

from collections.abc import Sequence

import numpy as np

from chainrule.training.evaluation import Prediction
from chainrule.training.report.elements import Figure, number, table
from chainrule.training.report.figures import prediction_cloud
from chainrule.training.run_report import Missed, Regression, RunReport

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
    rows = [(number(one.row), number(one.true), number(one.predicted)) for one in missed]
    head = ("held-out row, from 0", "number", "prediction")
    return f"<h2>Furthest predictions</h2>\n{table('The furthest first', head, rows)}"


def cloud(held_out: Prediction) -> Figure:
    """Draw the predictions of held-out rows over their numbers, and how far they are off."""
    off = held_out.y_hat - held_out.y
    words = (
        f"Predictions of {len(held_out.y)} held-out rows over their numbers, and how far they are off: "
        f"from {np.min(off):.4g} to {np.max(off):.4g}"
    )
    caption = "On the line a prediction is exact. On the right, how many rows are how far off."
    return Figure(prediction_cloud(held_out.y, held_out.y_hat), words, caption)
