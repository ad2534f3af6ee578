"""The commands: devices, train, predict."""

import json
import os
import platform
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from chainrule import data, logistic, machine, runs
from chainrule.descent import Descent, DivergenceError, Report, descend
from chainrule.device import VARIABLE, Device, DeviceError, choice, get_device, survey
from chainrule.files import Model, ModelError, load_model

app = typer.Typer(
    help="Learn by gradient descent, on a CPU or a GPU, and see the numbers.\n\n"
    f"The device is that of --device, else of the environment variable {VARIABLE} "
    "(cpu, cuda, cuda:N, auto, strict), else a GPU where one works, else the CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Console(Console):
    """A console whose reader may go away: what is being learnt is worth more than the rest of the text."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_out = _Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

_DeviceOption = Annotated[
    str | None, typer.Option("--device", help=f"cpu, cuda, cuda:N, auto or strict; default: {VARIABLE}.")
]


class Dtype(StrEnum):
    """The two precisions that every device has."""

    float32 = "float32"
    float64 = "float64"


def _positive(value: float | None) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise typer.BadParameter(f"expected a positive, finite number, got {value}")
    return value


@app.command()
def devices(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show which devices work here, which is chosen and why, and what is missing for the others."""
    with _faults_told():
        chosen, why = choice()
        findings = survey()
    asked = {name: os.environ.get(name, "not set") for name in machine.THREAD_VARIABLES}
    about = {
        "chosen": chosen.name,
        "why": why,
        "python": platform.python_version(),
        "chainrule": version("chainrule"),
        "array-api-compat": version("array-api-compat"),
        "system": platform.platform(),
        "threads asked for": asked,
    }
    if as_json:
        found = [
            {"name": f.name, "works": True, **f.device.describe()}
            if f.device
            else {"name": f.name, "works": False, "missing": f.fault}
            for f in findings
        ]
        print(json.dumps(about | {"devices": found}, indent=1))
        return
    table = Table(show_lines=True)
    for heading in ("device", "works", "facts, or what is missing and the way to get it"):
        table.add_column(heading, overflow="fold")
    for f in findings:
        facts = (
            "\n".join(f"{name}: {fact}" for name, fact in f.device.describe().items())
            if f.device
            else f.fault
        )
        table.add_row(
            f.name + (" (chosen)" if f.name == chosen.name else ""), "yes" if f.device else "no", facts
        )
    Console(highlight=False).print(table, markup=False)
    _out.print(f"chosen: {chosen.name}, {why}", markup=False)
    _out.print(f"chainrule {about['chainrule']}, array-api-compat {about['array-api-compat']}", markup=False)
    _out.print(f"Python {about['python']} on {about['system']}", markup=False)
    _out.print("threads asked for: " + ", ".join(f"{name} {number}" for name, number in asked.items()))


@app.command()
def train(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="A .h5 file in the layout of the cat pictures (its test file is found beside it), an .npz file "
            "with X and y, a .csv file with a label column, a folder with one subfolder of pictures per "
            "class, or a folder with the idx files of MNIST or Fashion-MNIST, .gz or not. Default: scikit-learn's "
            "handwritten digits.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of gradient descent, each on all rows.", min=0)] = 1000,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Length of a step. Default: one from the data, at which the cost falls at every step.",
            callback=_positive,
        ),
    ] = None,
    tol: Annotated[
        float | None,
        typer.Option(help="Stop at the first report whose largest |gradient| is under this.", min=0),
    ] = None,
    report_every: Annotated[
        int | None, typer.Option(help="Steps from one report to the next. Default: 20 reports.", min=1)
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="Precision of data and parameters.")] = Dtype.float32,
    device: _DeviceOption = None,
    positive: Annotated[
        str | None,
        typer.Option(help="The class to tell from all others. Default: 3 for the digits, the second of two."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="The label column of a .csv file.")] = None,
    test: Annotated[Path | None, typer.Option(help="Held-out rows in a file or folder of their own.")] = None,
    held_out: Annotated[
        float, typer.Option(help="Share of the rows to hold out where the data bring no held-out rows.")
    ] = 0.2,
    image_size: Annotated[
        int, typer.Option(help="Side in pixels to which a folder's pictures are brought.", min=1)
    ] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the held-out split.", min=0)] = 0,
    out: Annotated[
        Path, typer.Option(help="Folder for the model, the history, the report and pictures.")
    ] = Path("chainrule-run"),
) -> None:
    """Learn to tell one class from the others by logistic regression, and keep what was learnt.

    Prints the cost as it falls and the accuracy on training and held-out rows. Leaves in --out: model.safetensors,
    history.csv, report.json, cost.png, weights.png and, for pictures, mistakes.png. Ctrl-C stops after the running
    step and keeps what was learnt.

    Examples: chainrule train --positive 8 | chainrule train pictures/ --steps 2000 --out cats
    """
    with _faults_told():
        _check_folder(out)
        place = get_device(device)
        train_set, test_set = data.load(path, label=label, image_size=image_size)
        if test is not None:
            test_set = data.load_test(test, train_set, label=label)
        if test_set is None:
            train_set, test_set = data.split(train_set, held_out=held_out, seed=seed)
        if positive is None and path is None:
            positive = "3"
        y, positive = data.to_binary(train_set, positive)
        y_test, _ = data.to_binary(test_set, positive)
        scaling = data.Scaling.fit(train_set)
        X = place.asarray(scaling.apply(train_set.X, dtype), dtype)
        others = [name for name in train_set.classes if name != positive]
        classes = (others[0] if len(others) == 1 else f"not {positive}", positive)
        rate = logistic.learning_rate_bound(X) if learning_rate is None else learning_rate
        _tell("device", f"{place.name} ({place.describe()['library']}), {dtype}")
        _tell("data", f"{train_set.source}: {len(y)} rows of {X.shape[1]} features")
        _tell("held out", f"{test_set.source}: {len(y_test)} rows")
        _tell("task", f"{positive!r} ({int(y.sum())} rows) or {classes[0]!r} ({len(y) - int(y.sum())} rows)")
        _tell("steps", f"{steps} of learning rate {rate:g}")
        started = time.perf_counter()
        result = _learn(place, X, y, dtype, rate, steps, tol, report_every or max(1, steps // 20))
        seconds = time.perf_counter() - started
        w, b = (place.to_numpy(value) for value in result.params)
        model = Model(
            w, b.astype(w.dtype), scaling, classes, train_set.image, train_set.white, train_set.features
        )
        p_train, p_test = (runs.probabilities(place, model, rows.X) for rows in (train_set, test_set))
        accuracy, accuracy_test = (
            float(np.mean((p > 0.5) == t)) for p, t in ((p_train, y), (p_test, y_test))
        )
        usual = max(np.mean(y_test), 1 - np.mean(y_test))
        last = result.history[-1]
        _tell("stopped", f"after step {result.steps} ({_STOPPED[result.stopped]}), {seconds:.2f} s")
        _tell("cost", f"{last.cost:.6f}, largest |gradient| {last.largest_gradient:.2e}")
        _tell(
            "accuracy",
            f"{accuracy:.2%} train, {accuracy_test:.2%} held out (always the commoner class: {usual:.2%})",
        )
        worst = runs.worst(p_test, y_test)
        report = {
            "command": shlex.join(["chainrule", *sys.argv[1:]]),
            "device": {"name": place.name, **place.describe()},
            "dtype": str(dtype),
            "versions": {name: version(name) for name in ("chainrule", "numpy", "array-api-compat")},
            "python": platform.python_version(),
            "data": {"train": train_set.source, "held out": test_set.source, "features": int(X.shape[1])},
            "rows": {"train": len(y), "held out": len(y_test)},
            "classes": {"negative": classes[0], "positive": classes[1]},
            "learning rate": rate,
            "seed": seed,
            "steps": result.steps,
            "stopped": _STOPPED[result.stopped],
            "seconds": seconds,
            "cost": last.cost,
            "largest gradient": last.largest_gradient,
            "accuracy": {"train": accuracy, "held out": accuracy_test, "commoner class": float(usual)},
            "worst mistakes": [
                {
                    "held-out row": int(i),
                    "positive": bool(y_test[i]),
                    "probability of positive": float(p_test[i]),
                }
                for i in worst
            ],
        }
        names = runs.save(out, model, result, report, test_set, p_test, y_test, worst)
    _tell("saved", f"{out}{os.sep}: {', '.join(names)}")


@app.command()
def predict(
    model_path: Annotated[
        Path, typer.Argument(metavar="MODEL", help="What train left: the folder, or its model.safetensors.")
    ],
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGES...", help="Pictures of any size; or .csv and .npz files of rows."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    device: _DeviceOption = None,
) -> None:
    """Print the class of each picture and its probability, one line each.

    A .csv file (with the columns that the model learnt from) or an .npz file (with X) has a line for each row. An
    input that cannot be read is named on the error stream, the others are still answered, and the exit status is 1.
    """
    with _faults_told():
        inside = model_path / "model.safetensors"
        place, model = get_device(device), load_model(inside if model_path.is_dir() else model_path)
    answers: list[dict[str, Any]] = []
    failed = False
    for path in inputs:
        try:
            X = _rows_of(path, model)
        except (data.DataError, ImportError) as error:
            failed = True
            _complain(error)
            continue
        many = path.suffix.lower() in data.TABLES
        for row, p in enumerate(runs.probabilities(place, model, X), start=1):
            answer: dict[str, Any] = {"input": str(path)} | ({"row": row} if many else {})
            answer |= {"class": model.classes[int(p > 0.5)], "probability": float(max(p, 1 - p))}
            answers.append(answer)
            if not as_json:
                where = f"{path}:{row}" if many else str(path)
                print(f"{where}\t{answer['class']}\t{answer['probability']:.4f}")
    if as_json:
        print(json.dumps(answers, indent=1))
    if failed:
        raise typer.Exit(1)


_STOPPED = {
    "steps": "all steps taken",
    "tol": "the largest |gradient| is under tol",
    "asked": "interrupted; what was learnt is kept",
}


def _learn(
    place: Device, X: Any, y: np.ndarray, dtype: str, rate: float, steps: int, tol: float | None, every: int
) -> Descent:
    targets = place.asarray(y, dtype)
    zeros = (place.asarray(np.zeros(X.shape[1]), dtype), place.asarray(np.zeros(()), dtype))

    def cost_and_gradients(params: tuple[Any, ...]) -> tuple[Any, tuple[Any, Any]]:
        cost, dw, db = logistic.by_tiles(X, targets, *params)
        return cost, (dw, db)

    bar = Progress(
        TextColumn("step"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("cost {task.fields[cost]}"),
        console=_err,
        transient=True,
        disable=not _err.is_terminal,
    )
    with _interrupts_asked() as asked, bar:
        task = bar.add_task("steps", total=steps, cost="")
        done, shown = 0, time.monotonic()

        def stop() -> bool:
            nonlocal done, shown
            done += 1
            if time.monotonic() - shown > 0.1:
                bar.update(task, completed=done)
                shown = time.monotonic()
            return asked()

        def on_report(report: Report) -> None:
            bar.update(task, completed=report.step, cost=f"{report.cost:.6f}")
            _out.print(f"  cost before step {report.step:>6}: {report.cost:.6f}")

        return descend(
            cost_and_gradients,
            zeros,
            learning_rate=rate,
            steps=steps,
            tol=tol,
            report_every=every,
            on_report=on_report,
            stop=stop,
        )


def _check_folder(out: Path) -> None:
    """Raise an error now for a folder that could not be written to after all the learning."""
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        got = "one that cannot be written to" if above.is_dir() else "a file"
        raise data.DataError(f"--out {out}: expected a folder for the results, got {got}; name another one")


def _rows_of(path: Path, model: Model) -> np.ndarray:
    """Return raw rows (m, n) on the scale of the data that the model learnt from."""
    if path.suffix.lower() in data.TABLES:
        return data.read_rows(path, model.features, len(model.w))
    if model.image is None or model.white is None:
        learnt = "a table" if model.image is None else "pictures whose white is not known"
        raise data.DataError(
            f"{path}: expected a .csv or .npz file, for this model learnt from {learnt}; give rows"
        )
    return data.read_image(path, model.image)[None, :] * (model.white / 255)


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


@contextmanager
def _faults_told() -> Iterator[None]:
    """Print what the user can mend as one line and leave with status 1; everything else is a fault of ours."""
    try:
        yield
    except (data.DataError, DeviceError, ModelError, DivergenceError, ImportError, OSError) as error:
        _complain(error)
        raise typer.Exit(1) from None
    except ValueError as error:
        _complain(error)
        raise typer.Exit(2) from None


def _complain(error: Exception) -> None:
    _err.print(f"chainrule: {error}", markup=False)


def _tell(what: str, fact: str) -> None:
    _out.print(f"{what + ':':10}{fact}", markup=False)
