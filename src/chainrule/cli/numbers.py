"""What `predict` says of a model that predicts numbers."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import typer

from chainrule import data
from chainrule.backend.device import Device
from chainrule.cli.console import complain, err, printable
from chainrule.trained.answers import as_learnt, open_for
from chainrule.training.evaluation import outputs
from chainrule.training.model_file import Model
from chainrule.training.storage import write_bytes


def tell_numbers(
    device: Device,
    model: Model,
    inputs: Sequence[Path],
    *,
    as_json: bool,
    table: Path | None,
    **settings: Any,
) -> None:
    """Print the number that the model predicts for each row of the inputs, one line each, or write them as a table.

    `settings` are those of `open_for`. Where rows have their numbers beside them, the root mean square error is told.
    """
    told: list[dict[str, Any]] = []
    failed = False
    for path in inputs:
        try:
            for answer in _predicted(device, model, path, settings):
                told.append(answer)
                if not as_json and table is None:
                    where = printable(f"{path}:{answer['row']}")
                    print(f"{where}\t{answer['prediction']:.6g}")
        except (data.DataError, ImportError) as error:
            failed = True
            complain(error)
    if as_json:
        print(json.dumps(told, indent=1))
    if table is not None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ("input", "row", "prediction", "number"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(told)
        write_bytes(table, text.getvalue().encode(errors="surrogateescape"))
    if apart := [one["prediction"] - one["number"] for one in told if "number" in one]:
        square = float(np.sqrt(np.mean(np.square(apart))))
        err.print(f"note: root mean square error of {len(apart)} rows: {square:.6g}", markup=False)
    if failed:
        raise typer.Exit(1)


def _predicted(
    device: Device, model: Model, path: Path, settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the answer for each row in `path`, with the row's own number where it has one."""
    for block in open_for(model, path, **settings).blocks:
        X, _ = as_learnt(model, block, "no")
        for k, number in enumerate(outputs(device, model, X)[:, 0].tolist()):
            answer = {"input": str(path), "row": block.first + k, "prediction": number}
            with suppress(ValueError):
                answer["number"] = float(block.labels[k] or "")
            yield answer
