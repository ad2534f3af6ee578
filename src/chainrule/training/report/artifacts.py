"""The files that a training run leaves in its folder: model, history, report and figures."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape
from chainrule.optim import Report
from chainrule.training.evaluation import Evaluation, Prediction
from chainrule.training.model_file import Model, save_model
from chainrule.training.report import figures, html, regression
from chainrule.training.report.elements import Figure
from chainrule.training.run_report import RunReport
from chainrule.training.storage import write_bytes, write_json

# All that a run may leave beside its checkpoint.
FILES = (
    *("model.safetensors", "report.json", "history.csv"),
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
    """Write model, history, report and figures into the folder `out`, and return the names of the files.

    `held_out` says how the model answered the rows of `test`. Each file is whole or not there.
    """
    columns, rows = _table(history, len(model.net.shapes))
    save_model(out / "model.safetensors", model)
    write_json(out / "report.json", report.as_json())
    write_bytes(out / "history.csv", _csv(columns, rows))
    shown = {"Weights": _weights(model)}
    if isinstance(held_out, Prediction):
        shown[regression.PREDICTIONS] = regression.cloud(held_out)
    elif model.image is not None:
        shown[html.MISTAKES] = _mistakes(model.classes, model.image, test, held_out)
    files = {
        "cost.png": figures.cost_curve(history, _title(model.classes)),
        "weights.png": shown["Weights"].png,
    }
    if regression.PREDICTIONS in shown:
        files["predictions.png"] = shown[regression.PREDICTIONS].png
    if html.MISTAKES in shown:
        files["mistakes.png"] = shown[html.MISTAKES].png
    layers = _by_layer([told.largest_by_array for told in history], len(model.net.shapes))
    files["report.html"] = html.render(report, columns, rows, layers, shown)
    for name, content in files.items():
        write_bytes(out / name, content)
    return ["model.safetensors", "report.json", "history.csv", *files]


def _title(classes: Sequence[str]) -> str:
    if not classes:
        return regression.TITLE
    return f"{classes[1]!r} or {classes[0]!r}" if len(classes) == 2 else f"{len(classes)} classes"


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
    return table.getvalue().encode()


def _by_layer(gradients: Sequence[Sequence[float]], layers: int) -> dict[str, list[float | None]]:
    """Return the largest |gradient| of each layer at each report, None where it was not taken; W and b are adjacent."""
    return {
        f"layer {k + 1}": [max(found[2 * k : 2 * k + 2]) if found else None for found in gradients]
        for k in range(layers)
    }


def _weights(model: Model) -> Figure:
    """Draw the first layer: for and against of one output, an image of each of several, or the norms in bars."""
    W, image, classes = model.params[0][0], model.image, model.classes
    if model.net.sizes[1:] == (1,):
        words = "blue raises the number, orange lowers it"
        if classes:
            words = f"blue counts for {classes[1]!r}, orange for {classes[0]!r}"
        if image is None:
            png = figures.weight_bars(W[:, 0], model.features, classes)
            return _captioned(png, f"The largest weights as bars: {words}")
        return _captioned(figures.weight_image(W[:, 0], image, classes), f"The weights as an image: {words}")
    if image is None:
        words = "What the first layer looks at: the norm of each feature's weights"
        return _captioned(figures.feature_bars(W, model.features), words)
    names = classes if len(model.net.sizes) == 2 else ()
    which = "of each class" if names else "of units of the first layer"
    words = f"The weights {which} as images: blue counts for, orange against"
    return _captioned(figures.weight_grid(W, image, names), words)


def _captioned(png: bytes, words: str) -> Figure:
    return Figure(png, words, f"{words}.")


def _mistakes(classes: Sequence[str], image: ImageShape, test: Dataset, held_out: Evaluation) -> Figure:
    """Draw the worst mistakes; with no mistake to show, the rows that came nearest to one."""
    worst, answers = held_out.worst, held_out.answers
    chosen = worst if len(worst) else held_out.least_certain
    heading = f"the {len(worst)} worst mistakes" if len(worst) else "no mistakes; the least certain"
    pairs = [(classes[held_out.y[i]], classes[answers[i]], held_out.P[i, answers[i]]) for i in chosen]
    titles = [f"{true}\np({answer}) = {p:.3f}" for true, answer, p in pairs]
    png = figures.mistakes(np.asarray(test.X[chosen]), titles, image, f"{heading}, held out")
    words = "; ".join(f"a {true} taken for {answer}" for true, answer, _ in pairs)
    caption = "Above each picture its class, and the probability of the answer."
    return Figure(png, f"{heading}: {words}", caption)
