"""How well a model answers rows of known classes, and the files that a run leaves."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.backend.device import Device
from chainrule.data.dataset import Dataset
from chainrule.models.objective import class_probabilities
from chainrule.optim import Report
from chainrule.training.model_file import Model, save_model
from chainrule.training.report import figures
from chainrule.training.report.html import Picture, report_page
from chainrule.training.rows import BLOCK
from chainrule.training.storage import write_bytes, write_json


def probabilities(device: Device, model: Model, X: np.ndarray) -> np.ndarray:
    """Return the probability of each class for raw rows X (m, n), as (m, k), computed on `device`."""
    params = [(device.asarray(W), device.asarray(b)) for W, b in model.params]
    parts = []
    for start in range(0, len(X), BLOCK):
        rows = device.asarray(model.scaling.apply(X[start : start + BLOCK], model.dtype))
        parts.append(device.to_numpy(model.net.forward(params, rows)))
    return class_probabilities(np.concatenate(parts))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How rows of known classes y (m,) were answered: P (m, k) has the probability of each class."""

    P: np.ndarray
    y: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The number of the likeliest class of each row; of equal ones the first."""
        return np.asarray(np.argmax(self.P, axis=1))

    @property
    def accuracy(self) -> float:
        """The share of rows that were answered right."""
        return float(np.mean(self.answers == self.y))

    @property
    def commonest(self) -> float:
        """The share of the commonest class: what answering it always would get."""
        return float(np.bincount(self.y).max() / len(self.y))

    @property
    def confusion(self) -> np.ndarray:
        """How many rows of each class (down) were answered by each class (across), (k, k)."""
        k = self.P.shape[1]
        return np.bincount(self.y * k + self.answers, minlength=k * k).reshape(k, k)

    def accuracy_by_class(self) -> list[float | None]:
        """Return the share answered right in each class; None where it has no row."""
        table = self.confusion
        rows = table.sum(axis=1)
        return [float(table[c, c] / rows[c]) if rows[c] else None for c in range(len(table))]

    @property
    def worst(self) -> np.ndarray:
        """The rows that were answered wrong, at most 12, those whose class was held least probable first."""
        wrong = np.flatnonzero(self.answers != self.y)
        return wrong[np.argsort(self._of_truth[wrong], kind="stable")][:12]

    @property
    def least_certain(self) -> np.ndarray:
        """The 12 rows whose class was held least probable, right or wrong."""
        return np.argsort(self._of_truth, kind="stable")[:12]

    @property
    def _of_truth(self) -> np.ndarray:
        return np.asarray(self.P[np.arange(len(self.y)), self.y])


def save(
    out: Path,
    model: Model,
    history: Sequence[Report],
    report: dict[str, Any],
    test: Dataset,
    held_out: Evaluation,
) -> list[str]:
    """Write model, history, report and pictures into the folder `out`, each whole or not at all; return their names."""
    classes = model.classes
    title = f"{classes[1]!r} or {classes[0]!r}" if len(classes) == 2 else f"{len(classes)} classes"
    names = [f"d{kind}{k}" for k in range(1, len(model.net.sizes)) for kind in "Wb"]
    columns = (*Report._fields[:4], *(f"largest_{name}" for name in names))
    # Reports of an older checkpoint have no gradients by array.
    rows = [(*told[:4], *(told.largest_by_array or [None] * len(names))) for told in history]
    save_model(out / "model.safetensors", model)
    write_json(out / "report.json", report)
    write_bytes(out / "history.csv", _table(columns, rows))
    weights, caption = _weights(model)
    shown = {"Weights": Picture(weights, caption, f"{caption}.")}
    files = {"cost.png": figures.cost_curve(history, title), "weights.png": weights}
    image = model.image
    if image is not None:
        # With no mistake to show, the rows that came nearest to one.
        worst = held_out.worst
        chosen = worst if len(worst) else held_out.least_certain
        heading = f"the {len(worst)} worst mistakes" if len(worst) else "no mistakes; the least certain"
        said = held_out.answers
        titles = [
            f"{classes[held_out.y[i]]}\np({classes[said[i]]}) = {held_out.P[i, said[i]]:.3f}" for i in chosen
        ]
        rows_shown = np.asarray(test.X[chosen])
        files["mistakes.png"] = figures.mistakes(rows_shown, titles, image, f"{heading}, held out")
        words = "; ".join(f"a {classes[held_out.y[i]]} taken for {classes[said[i]]}" for i in chosen)
        caption = "Above each picture its class, and the probability of the answer."
        shown["Worst mistakes"] = Picture(files["mistakes.png"], f"{heading}: {words}", caption)
    layers = _by_layer([told.largest_by_array for told in history], len(model.net.shapes))
    files["report.html"] = report_page(report, columns, rows, layers, shown)
    for name, content in files.items():
        write_bytes(out / name, content)
    return ["model.safetensors", "report.json", "history.csv", *files]


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
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


def _weights(model: Model) -> tuple[bytes, str]:
    """Draw the first layer, and say what is drawn.

    Of one output what counts for and against, of several each as a picture, or all in sum.
    """
    W, image, classes = model.params[0][0], model.image, model.classes
    if model.net.sizes[1:] == (1,):
        words = f"blue counts for {classes[1]!r}, orange for {classes[0]!r}"
        if image is None:
            return figures.weight_bars(
                W[:, 0], model.features, classes
            ), f"The largest weights as bars: {words}"
        return figures.weight_image(W[:, 0], image, classes), f"The weights as a picture: {words}"
    if image is None:
        return figures.feature_bars(
            W, model.features
        ), "What the first layer looks at: the norm of each feature's weights"
    names = classes if len(model.net.sizes) == 2 else ()
    what = "of each class" if names else "of units of the first layer"
    return figures.weight_grid(
        W, image, names
    ), f"The weights {what} as pictures: blue counts for, orange against"
