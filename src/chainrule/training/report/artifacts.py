"""The files that a training run leaves in its folder: model, history, report and figures."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.optim import Report
from chainrule.training.evaluation import Evaluation, Prediction
from chainrule.training.model_file import Model, save_model
from chainrule.training.report import figures, html, mistakes, regression, weights
from chainrule.training.run_report import RunReport
from chainrule.training.storage import write_bytes, write_json

# All that a run may leave beside its checkpoint.
FILES = (
    *("model.safetensors", "report.json", "history.csv", "held-out.csv"),
    *("cost.png", "weights.png", "mistakes.png", "predictions.png", "report.html"),
)


def save(
    out: Path,
    model: Model,
    history: Sequence[Report],
    report: RunReport,
    test: Dataset,
    held_out: Evaluation | Prediction,
) -> list[str]:
    """Write model, history, answers, report and figures into the folder `out`, and return the names of the files.

    `held_out` says how the model answered the rows of `test`. Each file is whole or not there.
    """
    columns, rows = _table(history, len(model.net.shapes))
    save_model(out / "model.safetensors", model)
    write_json(out / "report.json", report.as_json())
    write_bytes(out / "history.csv", _csv(columns, rows))
    write_bytes(out / "held-out.csv", _csv(*_answers(model.classes, test, held_out)))
    weights_png, weights_html = weights.drawn(model)
    shown, files = (
        {},
        {"cost.png": figures.cost_curve(history, html.title(report)), "weights.png": weights_png},
    )
    if isinstance(held_out, Prediction):
        files["predictions.png"] = figures.prediction_cloud(held_out.y, held_out.y_hat)
        shown[regression.PREDICTIONS] = regression.cloud(held_out)
    elif model.image is not None:
        files["mistakes.png"], shown[html.MISTAKES] = mistakes.drawn(
            model.classes, model.image, model.white, test, held_out
        )
    shown["Weights"] = weights_html
    layers = _by_layer([told.largest_by_array for told in history], len(model.net.shapes))
    files["report.html"] = html.render(report, columns, rows, layers, shown)
    for name, content in files.items():
        write_bytes(out / name, content)
    return ["model.safetensors", "report.json", "history.csv", "held-out.csv", *files]


def _answers(
    classes: Sequence[str], test: Dataset, held_out: Evaluation | Prediction
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the columns and the rows of held-out.csv: where each row came from, its truth, and the answer."""
    places = test.places
    place = "row" if places.dtype.kind == "i" else "file"
    if isinstance(held_out, Prediction):
        numbers = zip(places.tolist(), held_out.y.tolist(), held_out.y_hat.tolist(), strict=True)
        return (place, "number", "prediction"), list(numbers)
    answers = held_out.answers
    p = held_out.P[np.arange(len(answers)), answers]
    told = zip(places.tolist(), held_out.y.tolist(), answers.tolist(), p.tolist(), strict=True)
    rows = [(at, classes[true], classes[answer], chance) for at, true, answer, chance in told]
    return (place, "class", "answer", "probability"), rows


def _table(history: Sequence[Report], layers: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the columns and the rows of history.csv."""
    arrays = [f"d{kind}{k}" for k in range(1, layers + 1) for kind in "Wb"]
    # Reports of an older checkpoint have no gradients by array.
    rows = [(*told[:4], *(told.largest_by_array or [None] * len(arrays))) for told in history]
    return (*Report._fields[:4], *(f"largest_{name}" for name in arrays)), rows


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return table.getvalue().encode(errors="surrogateescape")


def _by_layer(gradients: Sequence[Sequence[float]], layers: int) -> dict[str, list[float | None]]:
    """Return the largest |gradient| of each layer at each report, None where it was not taken; W and b are adjacent."""
    return {
        f"layer {k + 1}": [max(found[2 * k : 2 * k + 2]) if found else None for found in gradients]
        for k in range(layers)
    }
