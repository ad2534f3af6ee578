"""A training run on rows in chunks: what `chainrule train` does, without ever having all rows in one memory."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from dask import delayed

from chainrule import data
from chainrule.backend.device import VARIABLE, Device, get_device
from chainrule.cluster.chunked_rows import ChunkedRows, can_be_kept, taken
from chainrule.cluster.client import computed, threads
from chainrule.data.chunked import chunked, is_store, open_rows, open_test
from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault
from chainrule.data.scaling import Scaling
from chainrule.models.logistic import learning_rate_bound
from chainrule.models.mlp import MLP
from chainrule.optim import CostAndGradients, Sampler
from chainrule.training import evaluation
from chainrule.training import run as training
from chainrule.training.checkpoint import fingerprint
from chainrule.training.config import Recipe, Wishes
from chainrule.training.model_file import Model

Array = Any


@dataclass(frozen=True)
class Chunks:
    """The stages of a training run for rows in chunks of `height` rows, by default of 64 MiB."""

    height: int | None = None

    def device(self, name: str | None) -> Device:
        """Return the device of this process, which computes what is small; chunks are computed on each worker's own."""
        if name is not None:
            raise ValueError(
                f"--device: chunks are computed on each worker's own device, got {name!r}; leave it out, and set "
                f"{VARIABLE} where the workers start"
            )
        return get_device("cpu")

    def load(
        self, path: Path | None, *, label: str | None, image_size: int
    ) -> tuple[Dataset, Dataset | None]:
        """As `data.load`: a store is opened, and every other kind of data is read, then cut."""
        if path is not None and is_store(path):
            if label is not None:
                raise fault(
                    path, "label= only for a .csv file, whose column it names", "it here", "leave it out"
                )
            return open_rows(path, self.height)
        train, test = data.load(path, label=label, image_size=image_size)
        return chunked(train, self.height), None if test is None else chunked(test, self.height)

    def load_test(self, path: Path, train: Dataset, *, label: str | None) -> Dataset:
        """As `data.load_test`."""
        if is_store(path):
            return open_test(path, train, self.height)
        return chunked(data.load_test(path, train, label=label), self.height)

    def split(self, rows: Dataset, *, held_out: float, seed: int) -> tuple[Dataset, Dataset]:
        """As `data.split`, and the same rows."""
        # Numbers in the place of rows are split, and rows are then taken by them.
        numbers = np.arange(len(rows.y))[:, None]
        numbered = replace(rows, X=numbers, image=None, features=(), full_scale=None)
        one, other = (
            replace(rows, X=taken(rows.X, part.X[:, 0]), y=part.y, source=part.source)
            for part in data.split(numbered, held_out=held_out, seed=seed)
        )
        return one, other

    def prepare(self, train: Dataset, test: Dataset, *, validation: float, seed: int) -> training.Task:
        """As `training.prepare`."""
        return training.prepare(
            train, test, validation=validation, seed=seed, split=self.split, fit=fit_scaling
        )

    def settled(self, wishes: Wishes, rows: Dataset) -> Wishes:
        """Return the wishes with all decided for these rows: the usual mini-batch is one chunk."""
        settled = wishes.settled(len(rows.classes))
        if wishes.batch is None and settled.batch != "all":
            X: Any = rows.X
            settled = replace(settled, batch=str(max(X.chunks[0])))
        return settled

    def run(self, place: Device, task: training.Task, dtype: str) -> "ChunkedRun":
        """As `training.Run`; each worker computes on its own device."""
        return ChunkedRun(place, task, dtype)

    def verdicts(self, place: Device, model: Model, task: training.Task) -> dict[str, Any]:
        """Return what the model makes of held-out rows, and which share of the others it answers right."""
        parts = {"train": task.train} | ({"validation": task.validation} if task.validation else {})
        found: dict[str, Any] = {}
        for name, rows in parts.items():
            answers = np.concatenate(_mapped(rows.X, _answers, model))
            found[name] = Right(float(np.mean(answers == rows.y)))
        P = np.concatenate(_mapped(task.test.X, _probabilities, model))
        return found | {"held out": evaluation.Verdict(P, task.test.y)}


@dataclass(frozen=True)
class Right:
    """The share of rows that were answered right."""

    accuracy: float


class ChunkedRun(training.Run):
    """A recipe and a task whose rows lie in chunks: parameters are here, on the CPU, and rows on the workers."""

    def __init__(self, place: Device, task: training.Task, dtype: str) -> None:
        self.place, self.task, self.dtype = get_device("cpu"), task, dtype
        # Rows that cannot be judged in the end are told before all the learning.
        _mapped(task.test.X, _scaled_extremes, task.scaling, dtype)
        held_back = [] if task.validation is None else [task.validation]
        numbers = sum(rows.X.size for rows in (task.train, *held_back))
        self._keep = can_be_kept(numbers * np.dtype(dtype).itemsize)
        self.rows = self._rows_of(task.train)
        self._bound, self._text = _survey(self.rows)
        self.held_back = None if task.validation is None else self._rows_of(task.validation)
        if self.held_back is not None:
            self._text += "; to validate by " + _survey(self.held_back)[1]

    def longest_safe_rate(self, net: MLP) -> float:
        """As `training.Run.longest_safe_rate`."""
        return self._safe_rate_of(net, self._bound)

    def rows_an_epoch(self, batch: str | None) -> int:
        """Return for how many rows an epoch counts: its batches, which are of whole chunks, times their size."""
        if batch in (None, "all"):
            return super().rows_an_epoch(batch)
        return len(self.rows.batches(int(batch))) * int(batch)

    def spent(self) -> dict[str, Any]:
        """Return how many threads computed, and of the chunks where the seconds of all steps went, as Spent has it."""
        spent, validated = self.rows.spent, self.held_back.spent.wall if self.held_back else 0.0
        return {
            "threads while learning": threads(),
            "chunks": {
                "number": len(self.rows.heights),
                "rows of the tallest": max(self.rows.heights),
                "kept on workers": self.rows.kept,
                "steps computed": spent.steps,
                "seconds of steps": spent.wall,
                "seconds of computing": spent.busiest,
                "seconds of moving, reading and waiting": spent.rest,
                "seconds of computing, summed over all threads": spent.compute,
                "seconds of validating, beside the steps": validated,
            },
        }

    def _rows_of(self, rows: Dataset) -> ChunkedRows:
        X: Any = rows.X
        scaled = X.map_blocks(_scaled, self.task.scaling, str(self.dtype), dtype=self.dtype)
        # One byte a row goes further than eight.
        return ChunkedRows(scaled, rows.y.astype(np.min_scalar_type(len(rows.classes))), keep=self._keep)

    def _sampled(self, recipe: Recipe) -> tuple[CostAndGradients, Sampler | None]:
        batches = None if recipe.batch is None else self.rows.batches(recipe.batch, seed=recipe.seed)
        return self.rows.cost_and_gradients(recipe.net), batches

    def _validation(self, net: MLP) -> Callable[[Any], Array] | None:
        if self.held_back is None:
            return None
        return self.held_back.cost_of(replace(net, penalty=None))

    def _fingerprint(self, net: MLP) -> str:
        return self._text

    def _threads(self, recipe: Recipe) -> AbstractContextManager[None]:
        return nullcontext()


def fit_scaling(rows: Dataset) -> Scaling:
    """As `data.Scaling.fit`, of rows in chunks: two passes over them where nothing fixes what counts as 1."""
    if rows.white is not None:
        return Scaling.fit(rows)
    X = rows.X.astype(np.float64)
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


def _survey(rows: ChunkedRows) -> tuple[float, str]:
    """Return the longest safe rate of logistic regression, and a text that differs where any row or chunk does."""
    found = rows.each(_rate_and_fingerprint)
    rate = rows.harmonic_mean([rate for rate, _ in found])
    whole = hashlib.blake2b("\n".join(text for _, text in found).encode(), digest_size=16)
    return rate, f"{rows.shape} {rows.dtype} in {len(found)} chunks, checksum {whole.hexdigest()}"


def _mapped(X: Any, f: Callable[..., Any], *arguments: Any) -> list[Any]:
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


def _rate_and_fingerprint(part: tuple[Array, Array, Array | None], nothing: tuple[()]) -> tuple[float, str]:
    X, y, _ = part
    return learning_rate_bound(X), fingerprint(X, y)


def _probabilities(X: np.ndarray, model: Model) -> np.ndarray:
    return evaluation.probabilities(get_device(), model, X)


def _answers(X: np.ndarray, model: Model) -> np.ndarray:
    P = _probabilities(X, model)
    answers: np.ndarray = np.argmax(P, axis=1).astype(np.min_scalar_type(P.shape[1]))
    return answers
