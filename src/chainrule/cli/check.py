"""The command check: the gradients that a trained model learns by, compared with differences of its cost."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from chainrule import data
from chainrule.autodiff import gradcheck
from chainrule.backend.device import get_device
from chainrule.backend.threads import fixed_threads
from chainrule.cli.console import (
    DeviceOption,
    JsonOption,
    MemoryOption,
    ModelArgument,
    ThreadsOption,
    faults_told,
    out,
    print_json,
    reserve_output,
    tell,
)
from chainrule.data.limits import at_most
from chainrule.models import objective
from chainrule.trained.model import read_model
from chainrule.training.model_file import Model
from chainrule.training.pipeline import open_pipeline


def check(
    model_path: ModelArgument,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Rows with labels, in any layout that train reads. Default: scikit-learn's digits.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to take of the data.", min=1)] = 32,
    most: Annotated[
        int, typer.Option("--elements", help="Elements of each parameter to move one by one.", min=2)
    ] = 64,
    label: Annotated[str | None, typer.Option(help="The label column of a .csv file.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choice of rows and elements.", min=0)] = 0,
    as_json: JsonOption = False,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Compare the gradients that the model learns by with finite differences of its cost, in float64.

    Where both disagree, the parameter and the element are named with both values; the exit status is then 1, and also
    where the cost's rounding hides whether they agree.

    Examples: chainrule check chainrule-run | chainrule check cats photos/
    """
    with faults_told(), at_most(memory), fixed_threads(threads):
        reserve_output({}, as_json=as_json)
        place, model = get_device(device), read_model(model_path)
        raw, y = _labelled(path, model, label)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(y))[:rows])
        X = place.asarray(model.scaling.apply(np.asarray(raw[chosen]), "float64"), "float64")
        targets = place.asarray(objective.targets(y[chosen], model.net.sizes[-1], "float64"))
        params = [tuple(place.asarray(part, "float64") for part in layer) for layer in model.params]
        tell("model", f"{model.net}")
        tell("data", f"{len(chosen)} rows of {path or 'the digits'}, float64 on {place.name}")
        ways = {"": lambda params: model.net.cost_and_gradients(params, X, targets)}
        if objective.goes_by_tiles(model.net):
            ways[" by tiles"] = lambda params: objective.on_all_rows(model.net, X, targets, params)
        checks = []
        for way, cost_and_gradients in ways.items():
            for checked in gradcheck.check_handwritten_gradients(
                lambda params: model.net.cost_of(params, X, targets),
                cost_and_gradients,
                params,
                names=[f"{part}{layer}{way}" for layer in range(len(params)) for part in ("W", "b")],
                most=most,
                seed=seed,
            ):
                checks.append(checked)
                out.print(f"  {_line(checked)}", markup=False)
        tell("verdict", _verdict(checks))
        if as_json:
            print_json({"verdict": _verdict(checks), "parameters": [_entry(checked) for checked in checks]})
        if any(checked.worst or checked.untold for checked in checks):
            raise typer.Exit(1)


def _entry(checked: gradcheck.ParameterCheck) -> dict[str, Any]:
    found = "wrong" if checked.worst else "too small to tell" if checked.untold else "right"
    at = checked.worst or checked.untold
    return {
        "name": checked.name,
        "shape": list(checked.shape),
        "elements": checked.elements,
        "found": found,
        "at": at and str(at),
    }


def _line(checked: gradcheck.ParameterCheck) -> str:
    about = f"{checked.name} {checked.shape}, {checked.elements} elements"
    if checked.worst:
        return f"{about}: wrong at {checked.worst}"
    if checked.untold:
        return f"{about}: too small to tell at {checked.untold}"
    return f"{about}: right"


def _verdict(checks: list[gradcheck.ParameterCheck]) -> str:
    failed = sum(checked.worst is not None for checked in checks)
    untold = sum(checked.untold is not None for checked in checks)
    if failed:
        return f"{failed} of {len(checks)} parameters have gradients that are not those of the cost"
    if untold:
        return (
            f"no gradient is found wrong, {untold} of {len(checks)} are too small to tell; give rows that the model "
            "answers wrong, or one that has learnt for fewer steps"
        )
    return "the gradients are those of the cost"


def _labelled(path: Path | None, model: Model, label: str | None) -> tuple[Any, np.ndarray]:
    """Return raw rows (m, n), and the number (m,) that the model gives to the class of each, or that it is to predict.

    Rows that are read in chunks alone are a Dask array.
    """
    side = model.image.height if model.image else 64
    task = "classes" if model.classes else "regression"
    with open_pipeline(path) as pipeline:
        rows, _ = pipeline.load(path, label=label, image_size=side, task=task)
    for note in rows.notes:
        tell("note", note)
    if rows.X.shape[1] != model.net.sizes[0]:
        raise data.DataError(
            f"{rows.source}: expected {model.net.sizes[0]} features as the model learnt, got {rows.X.shape[1]}; "
            "give data of the layout that it learnt from"
        )
    if not model.classes:
        return rows.X, rows.y
    numbers = {name: number for number, name in enumerate(model.classes)}
    unknown = [name for name in rows.classes if name not in numbers]
    if unknown and not (model.rest and model.classes[1] in rows.classes):
        raise data.DataError(
            f"{rows.source}: expected the classes {', '.join(model.classes)}, got {', '.join(unknown[:10])} too; "
            "give data with the classes that the model learnt"
        )
    return rows.X, np.array([numbers.get(name, 0) for name in rows.classes])[rows.y]
