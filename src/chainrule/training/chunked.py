"""The stages of a training run for rows in chunks: all that `InMemory` does, with never all rows in one memory."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from dask import delayed

from chainrule import data
from chainrule.backend.device import VARIABLE, Device, get_device
from chainrule.cluster import ChunkedRows, taken
from chainrule.cluster.chunked_rows import can_be_kept
from chainrule.cluster.client import computed, workers_of
from chainrule.data.chunked import chunked, is_store, open_rows, open_test
from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault, misfit
from chainrule.data.scaling import Scaling
from chainrule.gates.types import Array
from chainrule.models.objective import learning_rate_bound
from chainrule.training.checkpoint import fingerprint
from chainrule.training.evaluation import Evaluation, probabilities
from chainrule.training.model_file import Model
from chainrule.training.problem import Problem
from chainrule.training.rows import RunRows
from chainrule.training.run_report import ChunkTimes


@dataclass(frozen=True)
class Chunked:
    """The stages for rows in chunks of `height` rows, by default of 64 MiB, computed by the workers of a client.

    `client` is Dask's, or None where threads of this process are the workers. Parameters are in this process, on the
    CPU; each worker computes on its own device.
    """

    height: int | None = None
    client: Any = None

    def about(self) -> dict[str, str]:
        """Return which workers there are, and where Dask shows what they do."""
        if self.client is None:
            return {"workers": "threads of this process"}
        workers = f"{len(workers_of(self.client))} of {self.client.scheduler.address}"
        return {"workers": workers, "seen at": self.client.dashboard_link}

    def device(self, name: str | None) -> Device:
        """Return the device of this process, the CPU, which computes what is small."""
        if name is not None:
            raise ValueError(
                f"--device: chunks are computed on each worker's own device, got {name!r}; leave it out, and set "
                f"{VARIABLE} where the workers start"
            )
        return get_device("cpu")

    def load(
        self, path: Path | None, *, label: str | None, image_size: int, task: str | None = None
    ) -> tuple[Dataset, Dataset | None]:
        """As `data.load`: a store is opened, and data of any other format are read, then cut."""
        if task == "regression":
            remedy = "give data that are read whole, without --chunk-rows, --workers and --scheduler"
            raise fault(path or "chunks", "classes to tell apart", "numbers to predict", remedy)
        if path is not None and is_store(path):
            if label is not None:
                expected = "no column of labels, which only a .csv file has"
                raise misfit("label", path, expected, f"{label!r}", "leave it out")
            return open_rows(path, self.height)
        train, test = data.load(path, label=label, image_size=image_size, task=task)
        return chunked(train, self.height), None if test is None else chunked(test, self.height)

    def load_test(self, path: Path, train: Dataset, *, label: str | None) -> Dataset:
        """As `data.load_test`."""
        if is_store(path):
            return open_test(path, train, self.height)
        return chunked(data.load_test(path, train, label=label), self.height)

    def split(self, rows: Dataset, *, held_out: float, seed: int) -> tuple[Dataset, Dataset]:
        """As `data.split`, and the same rows."""
        # The numbers of the rows are split, and the rows are then taken by their numbers.
        numbers = np.arange(len(rows.y))[:, None]
        numbered = replace(rows, X=numbers, image=None, features=(), full_scale=None)
        one, other = (
            replace(rows, X=taken(rows.X, part.X[:, 0]), y=part.y, origin=part.origin, source=part.source)
            for part in data.split(numbered, held_out=held_out, seed=seed)
        )
        return one, other

    def fit(self, rows: Dataset) -> Scaling:
        """As `Scaling.fit`, in two passes over the rows where nothing fixes what counts as 1."""
        if rows.white is not None:
            return Scaling.fit(rows)
        X: Any = rows.X
        X = X.astype(np.float64)
        low, high = computed([X.min(axis=0), X.max(axis=0)])
        with np.errstate(over="ignore", invalid="ignore"):
            span = high - low
        if not np.isfinite(span).all():
            column = int(np.argmin(np.isfinite(span)))
            got = f"others in column {column} (counted from 0)"
            raise fault(
                rows.source, "finite numbers that span less than 1.8e308", got, "mend or scale them first"
            )
        U = (X - low) / np.where(span > 0, span, 1)
        mean, deviation = computed([U.mean(axis=0), U.std(axis=0)])
        # The mean of a feature that never changes is rounded, which would be a deviation to divide by.
        return Scaling(low + span * mean, np.where((span > 0) & (deviation > 0), span * deviation, 1.0))

    def usual_batch(self, rows: Dataset) -> int | None:
        """Return the rows of the tallest chunk."""
        X: Any = rows.X
        return int(max(X.chunks[0]))

    def rows(self, problem: Problem, device: Device, dtype: str) -> RunRows:
        """Return the rows of a run in their chunks; training and validation rows stay on the workers, or neither do."""
        # Refused before the run: test rows that the dtype cannot hold once scaled.
        _each_chunk(problem.test.X, _scaled_extremes, problem.scaling, dtype)
        parts = [part for part in (problem.train, problem.validation) if part is not None]
        keep = can_be_kept(sum(part.X.size for part in parts) * np.dtype(dtype).itemsize)
        train, *validation = (_rows_of(part, problem.scaling, dtype, keep) for part in parts)
        surveys = [_survey(rows) for rows in (train, *validation)]
        text = "; to validate by ".join(text for _, text in surveys)
        return RunRows(train, validation[0] if validation else None, text, lambda: surveys[0][0])

    def evaluate(self, model: Model, rows: Dataset, device: Device) -> Evaluation:
        """Return how a model answers raw rows of known classes, computed by the workers."""
        return Evaluation(np.concatenate(_each_chunk(rows.X, _probabilities, model)), rows.y)

    def checksum(self, rows: Dataset) -> str:
        """Return a text that differs where the source of held-out rows does, or any class; X is not read for it."""
        return f"{rows.source}, {fingerprint(rows.places, rows.y)}"

    def times(self, rows: RunRows) -> ChunkTimes | None:
        """Return where the seconds of all steps went."""
        train, validation = rows.train, rows.validation
        assert isinstance(train, ChunkedRows)
        spent = train.spent
        return ChunkTimes(
            number=len(train.heights),
            tallest=max(train.heights),
            kept=train.kept,
            steps=spent.steps,
            seconds=spent.wall,
            computing=spent.busiest,
            rest=spent.rest,
            computing_of_all=spent.compute,
            validating=validation.spent.wall if isinstance(validation, ChunkedRows) else 0.0,
        )


def _rows_of(rows: Dataset, scaling: Scaling, dtype: str, keep: bool) -> ChunkedRows:
    X: Any = rows.X
    scaled = X.map_blocks(_scaled, scaling, str(dtype), dtype=dtype)
    # Class numbers, and not rows with a single 1: a byte a row goes further than one number a class.
    return ChunkedRows(scaled, rows.y.astype(np.min_scalar_type(len(rows.classes))), keep=keep)


def _survey(rows: ChunkedRows) -> tuple[float, str]:
    """Return, from one pass, the bound on the learning rate and a text that differs where any row or chunk does."""
    found = rows.each(_bound_and_fingerprint)
    bound = rows.harmonic_mean([bound for bound, _ in found])
    whole = hashlib.blake2b("\n".join(text for _, text in found).encode(), digest_size=16)
    return bound, f"{rows.shape} {rows.dtype} in {len(found)} chunks, checksum {whole.hexdigest()}"


def _each_chunk(X: Any, f: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Return f(chunk, *arguments) of each chunk of a Dask array, computed by the workers."""
    sent = delayed(arguments, traverse=False, pure=False)
    blocks = X.to_delayed().reshape(-1)
    return computed([delayed(_applied, pure=False)(f, block, sent) for block in blocks])


# What follows runs on the workers.


def _applied(f: Callable[..., Any], X: np.ndarray, arguments: tuple[Any, ...]) -> Any:
    return f(X, *arguments)


def _scaled(X: np.ndarray, scaling: Scaling, dtype: str) -> np.ndarray:
    return scaling.apply(X, dtype)


def _scaled_extremes(X: np.ndarray, scaling: Scaling, dtype: str) -> None:
    scaling.apply(np.stack([X.min(axis=0), X.max(axis=0)]), dtype)


def _bound_and_fingerprint(part: tuple[Array, Array, Array | None], nothing: tuple[()]) -> tuple[float, str]:
    X, y, _ = part
    return learning_rate_bound(X), fingerprint(X, y)


def _probabilities(X: np.ndarray, model: Model) -> np.ndarray:
    return probabilities(get_device(), model, X)
