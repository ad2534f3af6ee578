"""The command predict."""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from chainrule import data
from chainrule.backend.device import get_device
from chainrule.cli.console import (
    DeviceOption,
    MemoryOption,
    ModelArgument,
    complain,
    faults_told,
    load,
    printable,
)
from chainrule.cli.numbers import tell_numbers
from chainrule.data.limits import at_most
from chainrule.training import evaluation
from chainrule.training.model_file import Model


def predict(
    model_path: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGES...", help="Pictures of any size; or .csv and .npz files of rows."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, with the probability of every class.")
    ] = False,
    memory: MemoryOption = None,
    device: DeviceOption = None,
) -> None:
    """Print the class of each picture and its probability, one line each.

    A .csv file (with the columns that the model learnt from) or an .npz file (with X) has a line for each row. An
    input that cannot be read is named on the error stream, the others are still answered, and the exit status is 1.
    """
    with faults_told(), at_most(memory):
        place, model = get_device(device), load(model_path)
        if not model.classes:
            tell_numbers(place, model, inputs, rows_of, as_json=as_json)
            return
        answers: list[dict[str, Any]] = []
        failed = False
        for path in inputs:
            try:
                P = evaluation.probabilities(place, model, rows_of(path, model))
            except (data.DataError, ImportError) as error:
                failed = True
                complain(error)
                continue
            many = data.is_table(path)
            for row, p in enumerate(P, start=1):
                likeliest = int(np.argmax(p))
                answer: dict[str, Any] = {"input": str(path)} | ({"row": row} if many else {})
                answer |= {"class": model.classes[likeliest], "probability": float(p[likeliest])}
                answer["probabilities"] = dict(zip(model.classes, map(float, p), strict=True))
                answers.append(answer)
                if not as_json:
                    where = f"{path}:{row}" if many else str(path)
                    told = (where, answer["class"], f"{answer['probability']:.4f}")
                    print("\t".join(map(printable, told)))
        if as_json:
            print(json.dumps(answers, indent=1))
        if failed:
            raise typer.Exit(1)


def rows_of(path: Path, model: Model) -> np.ndarray:
    """Return raw rows (m, n) on the scale of the data that the model learnt from."""
    if data.is_table(path):
        return data.read_rows(path, model.features, model.net.sizes[0])
    if model.image is None or model.white is None:
        learnt = "a table" if model.image is None else "pictures whose white is not known"
        raise data.DataError(
            f"{path}: expected a .csv or .npz file, for this model learnt from {learnt}; give rows"
        )
    return data.read_image(path, model.image)[None, :] * (model.white / 255)
