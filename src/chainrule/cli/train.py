"""The command train."""

import platform
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from os import sep
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.backend.device import Device
from chainrule.cli.console import DeviceOption, check_folder, faults_told, tell
from chainrule.cli.progress import follow
from chainrule.cli.stages import ChunkRowsOption, SchedulerOption, Where, WorkersOption, tell_spent
from chainrule.models.activations import ACTIVATIONS
from chainrule.optim import OPTIMIZERS, Descent
from chainrule.training import checkpoint as checkpoints
from chainrule.training import evaluation
from chainrule.training import run as training
from chainrule.training.config import Recipe, Wishes
from chainrule.training.report import artifacts


class Dtype(StrEnum):
    """The two precisions that every device has."""

    float32 = "float32"
    float64 = "float64"


class Kind(StrEnum):
    """What can be learnt."""

    logistic = "logistic"
    mlp = "mlp"


class Weights(StrEnum):
    """How first weights are drawn."""

    he = "he"
    glorot = "glorot"
    lecun = "lecun"
    zeros = "zeros"


def _names(known: Any) -> str:
    return ", ".join(known)


def _positive(value: float | None) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise typer.BadParameter(f"expected a positive, finite number, got {value}")
    return value


def _finite(value: float | None) -> float | None:
    if value is not None and not 0 <= value < float("inf"):
        raise typer.BadParameter(f"expected a finite number from 0 up, got {value}")
    return value


def train(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="A .h5 file in the layout of the cat pictures (its test file is found beside it), an .npz file "
            "with X and y, a .csv file with a label column, a folder with one subfolder of pictures per "
            "class, a folder with the idx files of MNIST or Fashion-MNIST, .gz or not, a .zarr group with X and y, or "
            "a folder with X.npy and y.npy. Default: scikit-learn's handwritten digits.",
        ),
    ] = None,
    model: Annotated[
        Kind | None,
        typer.Option(help="Default: logistic for two classes or with --positive, else mlp, a network."),
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, such as 20,7,5; makes it a network.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help=f"{_names(ACTIVATIONS)}; default: relu.")] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help=f"{_names(OPTIMIZERS)}; default: gradient-descent for logistic, adam for mlp."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Length of a step. Default: for logistic one from the data, at which the cost falls at every step.",
            callback=_positive,
        ),
    ] = None,
    schedule: Annotated[
        str, typer.Option(help="constant, step[:EVERY[:FACTOR]], cosine[:STEPS[:FLOOR]] or warm-up[:STEPS].")
    ] = "constant",
    clip: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient of a step.", callback=_positive)
    ] = None,
    penalty: Annotated[
        str, typer.Option(help="Of the weights: none, l1:STRENGTH, l2:STRENGTH, elastic:STRENGTH:RATIO.")
    ] = "none",
    weights: Annotated[
        Weights | None,
        typer.Option(help="First weights. Default: zeros for logistic, by activation for mlp."),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(help="Rows of a step, or all. Default: all for logistic, 64 for mlp.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps at most. Default: 1000 on all rows; else see --epochs.", min=0)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Times at most that all rows are learnt from. Default: 200.", min=0)
    ] = None,
    tol: Annotated[
        float | None,
        typer.Option(
            help="Stop at the first report whose largest |gradient| is under this.",
            callback=_finite,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Share of the training rows to choose the best step by. Default: 0.1 with batches."
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop after so many reports without a better one. Default: 20 with batches and validation.",
            min=1,
        ),
    ] = None,
    report_every: Annotated[
        int | None,
        typer.Option(help="Steps from one report to the next. Default: an epoch, or 20 reports.", min=1),
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="Precision of data and parameters.")] = Dtype.float32,
    device: DeviceOption = None,
    positive: Annotated[
        str | None, typer.Option(help="The one class to tell from all others. Of two classes the second is.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="The label column of a .csv file.")] = None,
    test: Annotated[Path | None, typer.Option(help="Held-out rows in a file or folder of their own.")] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the rows to hold out where the data bring no held-out rows.")
    ] = 0.2,
    image_size: Annotated[
        int, typer.Option(help="Side in pixels to which a folder's pictures are brought.", min=1)
    ] = 64,
    chunk_rows: ChunkRowsOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    seed: Annotated[
        int, typer.Option(help="Seed of splits, first weights and the order of rows.", min=0)
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out, where there is one.")
    ] = False,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder for the model, the history, the report and pictures.")
    ] = Path("chainrule-run"),
) -> None:
    """Learn to tell classes apart by logistic regression or by a network, and keep what was learnt.

    Shows the cost as it falls, drawn on a terminal and in lines elsewhere, and the accuracy on training and held-out
    rows. Leaves in --out: report.html, to be looked at in a browser, model.safetensors, history.csv, report.json,
    cost.png, weights.png, for pictures mistakes.png, and checkpoint.safetensors, from which --resume goes on as if
    nothing had happened; without it an earlier one is set aside under a new name. Ctrl-C stops after the running step
    and keeps what was learnt.

    Examples: chainrule train | chainrule train --positive 8 | chainrule train pictures/ --hidden 64,32 --out cats
    """
    with faults_told(), Where(chunk_rows, workers, scheduler).stages(path) as at:
        check_folder(folder)
        place = at.device(device)
        reading = time.perf_counter()
        train_set, test_set = at.load(path, label=label, image_size=image_size)
        if test is not None:
            test_set = at.load_test(test, train_set, label=label)
        if test_set is None:
            train_set, test_set = at.split(train_set, held_out=held_out, seed=seed)
        reading = time.perf_counter() - reading
        wishes = Wishes(
            model=model,
            hidden=hidden,
            activation=activation,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            clip=clip,
            penalty=penalty,
            weights=weights,
            batch=batch,
            steps=steps,
            epochs=epochs,
            tol=tol,
            validation=validation,
            patience=patience,
            report_every=report_every,
            seed=seed,
        )
        train_set, test_set = training.classes_of(train_set, test_set, positive)
        wishes = at.settled(wishes, train_set)
        task = at.prepare(train_set, test_set, validation=wishes.validation or 0.0, seed=seed)
        run = at.run(place, task, dtype)
        recipe = wishes.recipe(
            run.rows_an_epoch(wishes.batch), task.train.X.shape[1], len(task.classes), run.longest_safe_rate
        )
        checkpoint = folder / "checkpoint.safetensors"
        if resume and report_every is None:
            every = checkpoints.settings_in(checkpoint).get("report_every")
            if isinstance(every, int) and every >= 1:
                recipe = replace(recipe, report_every=every)
        _announce(run, recipe)
        if not resume and (aside := checkpoints.set_aside(checkpoint)):
            tell("earlier", f"its checkpoint is now {aside}; under its old name --resume goes on from it")
        started = time.perf_counter()
        result, first = _learn(run, recipe, checkpoint, resume)
        seconds = time.perf_counter() - started
        learnt = run.model(recipe.net, result.params)
        verdicts = at.verdicts(place, learnt, task)
        said = verdicts["held out"]
        _conclude(result, seconds, verdicts["train"], said)
        tell_spent(run.spent())
        report = _about(place, dtype, run, recipe, result)
        report |= {"resumed after step": first or None, "seconds reading": reading, "seconds": seconds}
        report |= run.spent() | evaluation.judged(learnt.classes, verdicts)
        names = artifacts.save(folder, learnt, result.history, report, task.test, said)
    tell("saved", f"{folder}{sep}: {', '.join(names)}")


_STOPPED = {
    "steps": "all steps taken",
    "tol": "the largest |gradient| is under tol",
    "patience": "no better report for so long",
    "asked": "interrupted; what was learnt is kept",
}


def _announce(run: training.Run, recipe: Recipe) -> None:
    task, net = run.task, recipe.net
    rows = task.train
    tell("device", f"{run.place.name} ({run.place.describe()['library']}), {run.dtype}")
    tell("data", f"{rows.source}: {len(rows.y)} rows of {rows.X.shape[1]} features")
    if task.validation is not None:
        tell("validate", f"by {len(task.validation.y)} rows")
    tell("held out", f"{task.test.source}: {len(task.test.y)} rows")
    if len(task.classes) == 2:
        rest, positive = task.classes
        number = int(rows.y.sum())
        tell("task", f"{positive!r} ({number} rows) or {rest!r} ({len(rows.y) - number} rows)")
    else:
        tell("task", f"{len(task.classes)} classes: {', '.join(task.classes)}")
    hidden = "".join(f"{size} {net.activation} - " for size in net.sizes[1:-1])
    tell("network", f"{net.sizes[0]} - {hidden}{net.sizes[-1]} {net.output}")
    batch = f", {recipe.batch} rows each" if recipe.batch else ""
    how = "" if recipe.optimizer == "gradient-descent" else f" by {recipe.optimizer}"
    tell("steps", f"{recipe.steps}{how} of learning rate {recipe.learning_rate:g}{batch}")


def _learn(run: training.Run, recipe: Recipe, checkpoint: Path, resume: bool) -> tuple[Descent, int]:
    """Return the end of the run, and after which step it began."""
    first = 0
    with _interrupts_asked() as asked, follow(recipe) as seen:

        def on_begin(step: int) -> None:
            nonlocal first
            first = step
            seen.begin(step)
            if resume:
                tell(
                    "resume", f"after step {step}" if step else f"no checkpoint {checkpoint}; from the start"
                )

        def on_fault(error: OSError) -> None:
            seen.fault(OSError(f"{checkpoint} cannot be written ({error}); learning goes on without"))

        def stop() -> bool:
            seen.advance()
            return asked()

        result = run.learn(
            recipe,
            checkpoint,
            resume=resume,
            on_begin=on_begin,
            on_report=seen.report,
            on_fault=on_fault,
            stop=stop,
        )
    return result, first


def _conclude(result: Descent, seconds: float, train: evaluation.Verdict, test: evaluation.Verdict) -> None:
    tell("stopped", f"after step {result.steps} ({_STOPPED[result.stopped]}), {seconds:.2f} s")
    for last in result.history[-1:]:
        tell("cost", f"{last.cost:.6f}, largest |gradient| {last.largest_gradient:.2e}")
    if result.best is not None and result.best.validation is not None:
        tell("kept", f"the parameters after step {result.best.step}, validation {result.best.validation:.6f}")
    usual = f"always the commonest class: {test.commonest:.2%}"
    tell("accuracy", f"{train.accuracy:.2%} train, {test.accuracy:.2%} held out ({usual})")


def _about(place: Device, dtype: str, run: training.Run, recipe: Recipe, result: Descent) -> dict[str, Any]:
    """Return what the report says of how the run came about and how it went."""
    task, last = run.task, result.history[-1] if result.history else None
    rows = {"train": len(task.train.y), "held out": len(task.test.y)}
    if task.validation is not None:
        rows["validation"] = len(task.validation.y)
    return {
        "command": shlex.join(["chainrule", *sys.argv[1:]]),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": {"name": place.name, **place.describe()},
        "threads while learning": run.threads(recipe),
        "dtype": str(dtype),
        "versions": {name: version(name) for name in ("chainrule", "numpy", "array-api-compat")},
        "python": platform.python_version(),
        "data": {
            "train": task.train.source,
            "held out": task.test.source,
            "features": task.train.X.shape[1],
        },
        "rows": rows,
        "classes": (
            {"negative": task.classes[0], "positive": task.classes[1]}
            if len(task.classes) == 2
            else list(task.classes)
        ),
        "settings": recipe.settings(),
        "steps": result.steps,
        "stopped": _STOPPED[result.stopped],
        "cost": last and last.cost,
        "largest gradient": last and last.largest_gradient,
        "best": result.best and result.best._asdict(),
    }


@contextmanager
def _interrupts_asked() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C of the block into an answer; the second one ends the program as usual."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
