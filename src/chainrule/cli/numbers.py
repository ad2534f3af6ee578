"""What `predict` says of a model that predicts numbers."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from chainrule import data
from chainrule.backend.device import Device
from chainrule.cli.console import complain, printable
from chainrule.training.evaluation import outputs
from chainrule.training.model_file import Model


def tell_numbers(
    device: Device,
    model: Model,
    inputs: Sequence[Path],
    rows_of: Callable[[Path, Model], np.ndarray],
    *,
    as_json: bool,
) -> None:
    """Print the number that the model predicts for each row of the inputs, which `rows_of` reads, one line each."""
    told: list[dict[str, Any]] = []
    failed = False
    for path in inputs:
        try:
            y_hat = outputs(device, model, rows_of(path, model))[:, 0]
        except (data.DataError, ImportError) as error:
            failed = True
            complain(error)
            continue
        for row, number in enumerate(y_hat.tolist(), start=1):
            told.append({"input": str(path), "row": row, "prediction": number})
            if not as_json:
                print(f"{printable(f'{path}:{row}')}\t{number:.6g}")
    if as_json:
        print(json.dumps(told, indent=1))
    if failed:
        raise typer.Exit(1)
