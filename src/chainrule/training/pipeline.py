"""The stages of a training run, in order: load, split, scale, rows for the steps, and evaluation.

Rows lie in the memory of one device (`InMemory`), or in chunks on workers (`chunked.Chunked`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chainrule import data
from chainrule.backend.device import Device, get_device
from chainrule.data.dataset import Dataset
from chainrule.data.scaling import Scaling
from chainrule.models import objective
from chainrule.training.checkpoint import fingerprint
from chainrule.training.evaluation import Evaluation, Prediction, outputs, probabilities
from chainrule.training.model_file import Model
from chainrule.training.problem import Problem, classes_of
from chainrule.training.rows import DeviceRows, RunRows
from chainrule.training.run_report import ChunkTimes


class Pipeline(Protocol):
    """The stages of a training run."""

    def about(self) -> dict[str, str]:
        """Return facts for a reader about where rows are computed, under their headings."""

    def device(self, name: str | None) -> Device:
        """Return the device of this process, by default the one that `get_device` chooses."""

    def load(
        self, path: Path | None, *, label: str | None, image_size: int, task: str | None = None
    ) -> tuple[Dataset, Dataset | None]:
        """Return training rows and held-out rows, or None, as `data.load` does."""

    def load_test(self, path: Path, train: Dataset, *, label: str | None) -> Dataset:
        """Return held-out rows that fit `train`, as `data.load_test` does."""

    def split(self, rows: Dataset, *, held_out: float, seed: int) -> tuple[Dataset, Dataset]:
        """Return training rows and a share of held-out rows, as `data.split` does."""

    def fit(self, rows: Dataset) -> Scaling:
        """Return the scaling of these rows, as `Scaling.fit` does."""

    def usual_batch(self, rows: Dataset) -> int | None:
        """Return how many rows a mini-batch has where nobody says, or None for the usual number of the settings."""

    def rows(self, problem: Problem, device: Device, dtype: str) -> RunRows:
        """Return the scaled rows of a run with their targets, where its steps are computed.

        Raises DataError for rows that `dtype` cannot hold once scaled, those of `problem.test` among them.
        """

    def evaluate(self, model: Model, rows: Dataset, device: Device) -> Evaluation | Prediction:
        """Return how a model answers raw rows of known classes or numbers."""

    def checksum(self, rows: Dataset) -> str:
        """Return a text that differs where held-out rows do."""

    def times(self, rows: RunRows) -> ChunkTimes | None:
        """Return where the seconds of all steps on chunks went, or None where there are no chunks."""


class InMemory:
    """The stages for rows that lie in the memory of this process, then in that of one device."""

    def about(self) -> dict[str, str]:
        """Return nothing: rows are computed in this process."""
        return {}

    def device(self, name: str | None) -> Device:
        """Return the device that `get_device` chooses."""
        return get_device(name)

    def load(
        self, path: Path | None, *, label: str | None, image_size: int, task: str | None = None
    ) -> tuple[Dataset, Dataset | None]:
        """As `data.load`."""
        return data.load(path, label=label, image_size=image_size, task=task)

    def load_test(self, path: Path, train: Dataset, *, label: str | None) -> Dataset:
        """As `data.load_test`."""
        return data.load_test(path, train, label=label)

    def split(self, rows: Dataset, *, held_out: float, seed: int) -> tuple[Dataset, Dataset]:
        """As `data.split`."""
        return data.split(rows, held_out=held_out, seed=seed)

    def fit(self, rows: Dataset) -> Scaling:
        """As `Scaling.fit`."""
        return Scaling.fit(rows)

    def usual_batch(self, rows: Dataset) -> int | None:
        """Return None: the usual number of the settings."""
        return None

    def rows(self, problem: Problem, device: Device, dtype: str) -> RunRows:
        """Return the rows of a run on a device; each array is moved there once."""
        # Refused before the run: test rows that the dtype cannot hold once scaled. The extremes of each column suffice.
        test = problem.test.X
        problem.scaling.apply(np.stack([test.min(axis=0), test.max(axis=0)]), dtype)
        parts = [part for part in (problem.train, problem.validation) if part is not None]
        # Hashed before they leave the host, to which nothing has to come back then.
        host = [(problem.scaling.apply(part.X, dtype), targets_of(problem, part.y, dtype)) for part in parts]
        text = fingerprint(*(array for pair in host for array in pair))
        train, *validation = (DeviceRows(device.asarray(X), device.asarray(y)) for X, y in host)
        return RunRows(train, validation[0] if validation else None, text, train.learning_rate_bound)

    def evaluate(self, model: Model, rows: Dataset, device: Device) -> Evaluation | Prediction:
        """Return how a model answers raw rows of known classes or numbers, computed on `device`."""
        if not model.classes:
            return Prediction(outputs(device, model, rows.X)[:, 0], rows.y)
        return Evaluation(probabilities(device, model, rows.X), rows.y)

    def checksum(self, rows: Dataset) -> str:
        """Return a text that differs where any raw number of held-out rows does, or any class."""
        return fingerprint(rows.X, rows.y)

    def times(self, rows: RunRows) -> ChunkTimes | None:
        """Return None: there are no chunks."""
        return None


def targets_of(problem: Problem, y: np.ndarray, dtype: str) -> np.ndarray:
    """Return classes, or numbers to predict, as the targets of a network, on the host."""
    if problem.target is not None:
        return problem.target.apply(y, dtype)
    return objective.targets(y, objective.outputs_for(len(problem.classes)), dtype)


def prepare(
    pipeline: Pipeline, train: Dataset, test: Dataset, *, positive: str | None, validation: float, seed: int
) -> Problem:
    """Return the problem, with a share of the training rows held back to validate by, scaled by the rest of them."""
    rest = positive is not None and len(train.classes) > 2
    train, test = classes_of(train, test, positive)
    held_back = None
    if validation:
        if train.classes and np.bincount(train.y).max() < 2:
            raise data.DataError(
                f"{train.source}: expected a class with 2 training rows, to validate by one of them, got a row of each "
                "at most; give more samples, or --validation 0"
            )
        train, held_back = pipeline.split(train, held_out=validation, seed=seed)
    return Problem(train, held_back, test, pipeline.fit(train), rest)


@contextmanager
def open_pipeline(
    path: Path | None,
    *,
    chunk_rows: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    **how: Any,
) -> Iterator[Pipeline]:
    """Yield the stages for the data at `path`: in memory, unless chunks are asked for or the data are never read whole.

    Chunks of `chunk_rows` rows are computed by so many local worker processes, by the cluster of a scheduler, or by
    threads of this process; `how` goes to `cluster.connected`.
    """
    if chunk_rows is None and workers is None and scheduler is None and not _only_in_chunks(path):
        yield InMemory()
        return
    from chainrule.cluster import connected
    from chainrule.training.chunked import Chunked

    with connected(workers, scheduler, **how) as client:
        yield Chunked(chunk_rows, client)


def _only_in_chunks(path: Path | None) -> bool:
    """Return whether data are of a format that is never read whole."""
    reader = None if path is None else data.reader_of(path)
    return reader is not None and not reader.in_memory
