"""The report of a run: what it learnt from and how, how it went, and how well it answers; its JSON is report.json."""

import platform
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np

from chainrule.models.mlp import MLP
from chainrule.optim import Descent, Report
from chainrule.training.evaluation import Evaluation, Prediction
from chainrule.training.run import Run
from chainrule.training.storage import finite

STOPPED = {
    "steps": "all steps taken",
    "tol": "the largest |gradient| is under tol",
    "patience": "no better report for so long",
    "asked": "interrupted; what was learnt is kept",
}


class _As(NamedTuple):
    """How JSON has a field: under `key`, by default its name with spaces, or `flat`: its own fields in its place."""

    key: str = ""
    flat: bool = False


class _Entries:
    """What the dataclasses of a report share: their JSON, each field under its key."""

    def as_json(self, *names: str) -> dict[str, Any]:
        """Return all fields, or those of these names, in what JSON has.

        A field that is None is left out where None is its default.
        """
        found: dict[str, Any] = {}
        hints = get_type_hints(type(self), include_extras=True)
        entries = {entry.name: entry for entry in fields(self)}  # type: ignore[arg-type]
        for name in names or entries:
            value = getattr(self, name)
            (form,) = getattr(hints[name], "__metadata__", (_As(),))
            if form.flat:
                found |= value.as_json()
            elif value is not None or entries[name].default is MISSING:
                found[form.key or name.replace("_", " ")] = _json(value)
        return found


@dataclass(frozen=True)
class Sources(_Entries):
    """Where the rows came from, how many features they have, and what was left out of them or guessed.

    `pictures` is the size to which pictures were brought. Held-out rows with one checksum are the same.
    """

    train: str
    held_out: str
    features: int
    notes: list[str] | None = None
    pictures: str | None = None
    checksum: Annotated[str | None, _As("checksum of held-out rows")] = None


@dataclass(frozen=True)
class Choices(_Entries):
    """What was chosen of the data: the column of labels, the class told from all others, the shares held back."""

    label: str | None = None
    positive: str | None = None
    held_out: Annotated[float | None, _As("held-out share")] = None
    validation: Annotated[float | None, _As("validation share")] = None


@dataclass(frozen=True)
class RowCounts(_Entries):
    """How many rows there are to learn from, to test on and to validate by."""

    train: int
    held_out: int
    validation: int | None = None


@dataclass(frozen=True)
class TwoClasses(_Entries):
    """The names of two classes; the network gives the probability of the positive one."""

    negative: str
    positive: str


@dataclass(frozen=True)
class Accuracy(_Entries):
    """The share of rows answered right; `commonest` is what answering the commonest class always would get."""

    train: float
    held_out: float
    commonest: Annotated[float, _As("commoner class")]
    validation: float | None = None


@dataclass(frozen=True)
class Mistake(_Entries):
    """A held-out row that was answered wrong: its number among these, its class, the answer and its probability.

    `file` is its picture, or else `number` its number among the rows of the data, from 1.
    """

    row: Annotated[int, _As("held-out row")]
    true: Annotated[str, _As("class")]
    answer: str
    probability: Annotated[float, _As("probability of the answer")]
    file: str | None = None
    number: Annotated[int | None, _As("row of the data, from 1")] = None


@dataclass(frozen=True)
class Summary(_Entries):
    """How well a model answers rows.

    accuracy_by_class   the share of held-out rows of each class answered right, None where it has no row
    confusion           how many held-out rows of each class (down) were answered by each class (across)
    mistakes            the worst of them, the least probable true class first
    """

    accuracy: Accuracy
    accuracy_by_class: Annotated[dict[str, float | None], _As("held-out accuracy by class")]
    confusion: Annotated[list[list[int]], _As("held-out confusion, true class down, answer across")]
    mistakes: Annotated[list[Mistake], _As("worst mistakes")]


@dataclass(frozen=True)
class Share(_Entries):
    """A number of the rows learnt from, of those held out and of those validated by."""

    train: float
    held_out: float
    validation: float | None = None


@dataclass(frozen=True)
class Missed(_Entries):
    """A held-out row: its number among these, the number to predict, the prediction, and where it came from."""

    row: Annotated[int, _As("held-out row")]
    true: Annotated[float, _As("number")]
    predicted: Annotated[float, _As("prediction")]
    file: str | None = None
    number: Annotated[int | None, _As("row of the data, from 1")] = None


@dataclass(frozen=True)
class Regression(_Entries):
    """How well a model predicts numbers: see `evaluation.Prediction`; `worst` are the furthest of held-out rows."""

    explained: Annotated[Share, _As("R^2")]
    error: Annotated[Share, _As("root mean square error")]
    mean_error: Annotated[Share, _As("mean absolute error")]
    spread: Annotated[float, _As("standard deviation of held-out numbers")]
    worst: Annotated[list[Missed], _As("furthest predictions")]


@dataclass(frozen=True)
class ChunkTimes(_Entries):
    """The chunks of a run, and where the seconds of all its steps went.

    `computing` is that of the busiest thread of each step, and `rest` the other seconds of the steps, in which chunks
    were moved, read where they are not kept on workers, and waited for.
    """

    number: int
    tallest: Annotated[int, _As("rows of the tallest")]
    kept: Annotated[bool, _As("kept on workers")]
    steps: Annotated[int, _As("steps computed")]
    seconds: Annotated[float, _As("seconds of steps")]
    computing: Annotated[float, _As("seconds of computing")]
    rest: Annotated[float, _As("seconds of moving, reading and waiting")]
    computing_of_all: Annotated[float, _As("seconds of computing, summed over all threads")]
    validating: Annotated[float, _As("seconds of validating, beside the steps")]


@dataclass(frozen=True)
class RunReport(_Entries):
    """All that a run says of itself.

    name                the folder that it was written to
    command             the command line
    ended               when, in UTC
    device, threads     where it was computed
    network             its layers in words
    settings            those of the configuration
    stopped             why it stopped
    cost                that of the last report, and so is `largest_gradient`; None where no step was reported
    best                the report whose parameters are kept, or None
    resumed_after       the step of the checkpoint from which the run went on, or None
    """

    name: Annotated[str, _As("run")]
    command: str
    ended: str
    device: dict[str, str]
    threads: Annotated[int, _As("threads while learning")]
    dtype: str
    versions: dict[str, str]
    python: str
    data: Sources
    rows: RowCounts
    classes: TwoClasses | tuple[str, ...]
    network: str
    choices: Choices
    settings: dict[str, Any]
    steps: int
    stopped: str
    cost: float | None
    largest_gradient: float | None
    best: Report | None
    resumed_after: Annotated[int | None, _As("resumed after step")]
    seconds_reading: float
    seconds: float
    summary: Annotated[Summary | Regression, _As(flat=True)]
    chunks: ChunkTimes | None = None


def summary(
    classes: Sequence[str], held_out: Evaluation, accuracy: dict[str, float], places: np.ndarray
) -> Summary:
    """Return how well a model answers rows.

    `accuracy` is that of the rows "train" and, where there are some, "validation". `places` are those of held-out rows.
    """
    return Summary(
        Accuracy(held_out=held_out.accuracy, commonest=held_out.commonest, **accuracy),
        dict(zip(classes, held_out.accuracy_by_class(), strict=True)),
        held_out.confusion.tolist(),
        [_mistake(held_out, classes, int(row), places) for row in held_out.worst],
    )


def regression(held_out: Prediction, others: dict[str, Prediction], places: np.ndarray) -> Regression:
    """Return how well a model predicts numbers.

    `others` are the rows "train" and, where there are some, "validation". `places` are those of held-out rows.
    """

    def share(name: str) -> Share:
        values = {part: getattr(of, name) for part, of in others.items()}
        return Share(held_out=getattr(held_out, name), **values)

    worst = [
        Missed(int(i), float(held_out.y[i]), float(held_out.y_hat[i]), *_place(places[i]))
        for i in held_out.worst
    ]
    return Regression(share("explained"), share("error"), share("mean_error"), held_out.spread, worst)


def report_of(
    run: Run,
    result: Descent,
    summary: Summary | Regression,
    *,
    name: str,
    command: str,
    choices: Choices,
    checksum: str,
    resumed_after: int,
    seconds_reading: float,
    seconds: float,
    chunks: ChunkTimes | None,
) -> RunReport:
    """Return the report of a run that ended with `result`."""
    problem, classes, image = run.problem, run.problem.classes, run.problem.train.image
    pictures = f"{image.height} x {image.width}, {image.channels} channels" if image else None
    last = result.history[-1] if result.history else None
    return RunReport(
        name=name,
        command=command,
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        device={"name": run.device.name, **run.device.describe()},
        threads=run.threads,
        dtype=run.dtype,
        versions={name: version(name) for name in ("chainrule", "numpy", "array-api-compat")},
        python=platform.python_version(),
        data=Sources(
            problem.train.source, problem.test.source, problem.features, problem.notes, pictures, checksum
        ),
        rows=RowCounts(
            len(problem.train.y),
            len(problem.test.y),
            None if problem.validation is None else len(problem.validation.y),
        ),
        classes=TwoClasses(*classes) if len(classes) == 2 else classes,
        network=network_in_words(run.config.net),
        choices=choices,
        settings=run.config.settings(),
        steps=result.steps,
        stopped=STOPPED[result.stopped],
        cost=last and last.cost,
        largest_gradient=last and last.largest_gradient,
        best=result.best,
        resumed_after=resumed_after or None,
        seconds_reading=seconds_reading,
        seconds=seconds,
        summary=summary,
        chunks=chunks,
    )


def network_in_words(net: MLP) -> str:
    """Return the sizes of the layers with their activations, such as 64 - 16 relu - 10 softmax."""
    hidden = "".join(f"{size} {net.activation} - " for size in net.sizes[1:-1])
    return f"{net.sizes[0]} - {hidden}{net.sizes[-1]} {net.output}"


def _mistake(held_out: Evaluation, classes: Sequence[str], row: int, places: np.ndarray) -> Mistake:
    answer = held_out.answers[row]
    p = float(held_out.P[row, answer])
    return Mistake(row, classes[held_out.y[row]], classes[answer], p, *_place(places[row]))


def _place(place: Any) -> tuple[str | None, int | None]:
    """Return the file of a row and None, or None and its number."""
    return (str(place), None) if isinstance(place, str) else (None, int(place))


def _json(value: Any) -> Any:
    if isinstance(value, _Entries):
        return value.as_json()
    if isinstance(value, Report):
        return value._asdict()
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    # The share of a variance of 0 is NaN.
    return finite(value)
