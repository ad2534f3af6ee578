"""What a training run is judged by, and what it leaves behind."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data, logistic, pictures
from chainrule.descent import Descent, Report
from chainrule.device import Device
from chainrule.files import Model, save_model, write_bytes, write_json


def probabilities(place: Device, model: Model, X: np.ndarray) -> np.ndarray:
    """Return the probability of the positive class for raw rows X (m, n), computed on `place`."""
    rows = place.asarray(model.scaling.apply(X, model.w.dtype))
    return place.to_numpy(logistic.predict(rows, place.asarray(model.w), place.asarray(model.b)))


def worst(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rows on the wrong side of one half, at most 12, the farthest first."""
    distance = np.where(y == 1, 1 - p, p)
    wrong = np.flatnonzero((p > 0.5) != y)
    return wrong[np.argsort(-distance[wrong], kind="stable")][:12]


def save(
    out: Path,
    model: Model,
    result: Descent,
    report: dict[str, Any],
    test_set: data.Dataset,
    p_test: np.ndarray,
    y_test: np.ndarray,
    worst: np.ndarray,
) -> list[str]:
    """Write model, history, report and pictures into the folder `out`, each whole or not at all; return their names."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(Report._fields)
    writer.writerows(result.history)
    title = f"{model.classes[1]!r} or {model.classes[0]!r}"
    files: dict[str, Callable[[], bytes]] = {
        "history.csv": lambda: table.getvalue().encode(),
        "cost.png": lambda: pictures.cost_curve(result.history, title),
    }
    image = model.image
    if image is None:
        files["weights.png"] = lambda: pictures.weight_bars(model.w, model.features, model.classes)
    else:
        files["weights.png"] = lambda: pictures.weight_image(model.w, image, model.classes)
        # With no mistake to show, the rows that came nearest to one.
        shown = worst if len(worst) else np.argsort(np.abs(p_test - 0.5), kind="stable")[:12]
        heading = f"the {len(worst)} worst mistakes" if len(worst) else "no mistakes; the least certain"
        titles = [f"{model.classes[y_test[i]]}\np({model.classes[1]}) = {p_test[i]:.3f}" for i in shown]
        files["mistakes.png"] = lambda: pictures.mistakes(
            test_set.X[shown], titles, image, f"{heading}, held out"
        )
    save_model(out / "model.safetensors", model)
    write_json(out / "report.json", report)
    for name, content in files.items():
        write_bytes(out / name, content())
    return ["model.safetensors", "report.json", *files]
