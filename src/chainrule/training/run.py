"""A training run: a task and a recipe brought together on a device, and learnt by the one loop."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.backend import threads
from chainrule.backend.device import Device
from chainrule.backend.namespaces import namespace
from chainrule.data.dataset import Dataset
from chainrule.data.scaling import Scaling
from chainrule.models import logistic
from chainrule.models.mlp import MLP
from chainrule.optim import Batches, CostAndGradients, Descent, Report, Sampler, descend, on_rows
from chainrule.training.checkpoint import Keeper, fingerprint, load_checkpoint
from chainrule.training.config import Recipe
from chainrule.training.model_file import Model


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learnt, and what it is judged by.

    `train`, `validation` (or None) and `test` hold raw rows with their classes as numbers into `classes`; of two,
    number 1 is the one whose probability a single sigmoid gives.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset
    scaling: Scaling

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers."""
        return self.train.classes


def classes_of(train: Dataset, test: Dataset, positive: str | None) -> tuple[Dataset, Dataset]:
    """Return both with the classes to tell apart: all of more than two, or `positive` and the rest as 1 and 0.

    Of two classes the second is the positive one where none is named.
    """
    if positive is None and len(train.classes) > 2:
        return train, test
    one, other = (_one_against_rest(rows, positive) for rows in (train, test))
    return one, other


def prepare(
    train: Dataset,
    test: Dataset,
    *,
    validation: float,
    seed: int,
    split: Callable[..., tuple[Dataset, Dataset]] = data.split,
    fit: Callable[[Dataset], Scaling] = Scaling.fit,
) -> Task:
    """Return the task, a share of the training rows held back to validate by, scaled by the rest of them."""
    held_back = None
    if validation:
        if np.bincount(train.y).max() < 2:
            raise data.DataError(
                f"{train.source}: expected a class with 2 training rows, to validate by one of them, got a row of each "
                "at most; give more samples, or --validation 0"
            )
        train, held_back = split(train, held_out=validation, seed=seed)
    return Task(train, held_back, test, fit(train))


class Run:
    """A recipe and a task on a device: rows, targets and first parameters are there, and `learn` may begin."""

    def __init__(self, place: Device, task: Task, dtype: str) -> None:
        self.place, self.task, self.dtype = place, task, dtype
        # Rows that cannot be judged in the end are told before all the learning: the extremes of each column tell.
        task.scaling.apply(np.stack([task.test.X.min(axis=0), task.test.X.max(axis=0)]), dtype)
        self.X = place.asarray(task.scaling.apply(task.train.X, dtype), dtype)

    def learn(
        self,
        recipe: Recipe,
        checkpoint: Path,
        *,
        resume: bool = False,
        on_begin: Callable[[int], None] | None = None,
        on_report: Callable[[Report], None] | None = None,
        on_fault: Callable[[OSError], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Descent:
        """Take the steps of the recipe, from the first one or, with `resume`, from the checkpoint where there is one.

        The way is kept in the file `checkpoint`. `on_begin` is told the number of the step that the run begins with,
        and `on_fault` the first time that the way cannot be kept.
        """
        net = recipe.net
        optimizer = recipe.make_optimizer()
        params = net.init(recipe.seed, self.place, self.dtype, weights=recipe.weights)
        cost_and_gradients, batches = self._sampled(recipe)
        # What others follow from stands before them: a refusal names the first that differs.
        settings = {
            "seed": recipe.seed,
            "dtype": str(self.dtype),
            "device": self.place.name,
            "data": self._fingerprint(net),
            **recipe.settings(),
        }
        snapshot = None
        if resume and checkpoint.exists():
            snapshot = load_checkpoint(checkpoint, settings, params, optimizer.init(params), self.place)
        if on_begin:
            on_begin(snapshot.step if snapshot else 0)
        with Keeper(checkpoint, settings, on_fault) as keeper, self._threads(recipe):
            return descend(
                cost_and_gradients,
                params,
                steps=recipe.steps,
                optimizer=optimizer,
                batches=batches,
                report_every=recipe.report_every,
                tol=recipe.tol,
                validate=self._validation(net),
                patience=recipe.patience,
                on_report=on_report,
                on_snapshot=keeper,
                stop=stop,
                resume=snapshot,
            )

    def rows_an_epoch(self, batch: str | None) -> int:
        """Return for how many rows an epoch of mini-batches counts, from the text of their size."""
        return len(self.task.train.y)

    def threads(self, recipe: Recipe) -> int:
        """Return how many threads the products of a step have."""
        return 1 if threads.takes_one_thread(*self._sizes(recipe)) else threads.blas_threads()

    def spent(self) -> dict[str, Any]:
        """Return what the report says of where the time went, beside how long it took."""
        return {}

    def model(self, net: MLP, params: Any) -> Model:
        """Return what was learnt with all that a new sample needs."""
        rows = self.task.train
        learnt = [(self.place.to_numpy(W), self.place.to_numpy(b)) for W, b in params]
        return Model(net, learnt, self.task.scaling, rows.classes, rows.image, rows.white, rows.features)

    def longest_safe_rate(self, net: MLP) -> float:
        """Return a learning rate at which the cost of a network without hidden layers falls at every step.

        Softmax curves twice as much as a sigmoid, and a penalty of squares adds its own to that.
        """
        return self._safe_rate_of(net, logistic.learning_rate_bound(self.X))

    @staticmethod
    def _safe_rate_of(net: MLP, bound: float) -> float:
        rate = bound / (2 if net.output == "softmax" else 1)
        return 1 / (1 / rate + (net.penalty.strength if net.penalty else 0))

    def _sampled(self, recipe: Recipe) -> tuple[CostAndGradients, Sampler | None]:
        """Return what the run learns by, and its mini-batches or None where a step takes all rows."""
        net, X, y = recipe.net, self.X, self._targets(recipe.net, self.task.train)
        if recipe.batch is None:
            return partial(on_all_rows, net, X, y), None
        batches = Batches(X.shape[0], recipe.batch, seed=recipe.seed, like=X)
        return on_rows(net.cost_and_gradients, X, y), batches

    def _validation(self, net: MLP) -> Callable[[Any], Any] | None:
        """Return what the best step is chosen by: the cost without the penalty, which says nothing of new rows."""
        held_back = self._held_back(net)
        return partial(_cost, replace(net, penalty=None), *held_back) if held_back else None

    def _fingerprint(self, net: MLP) -> str:
        """Return a text that differs where any number differs that the run learns from or chooses by."""
        return fingerprint(self.X, self._targets(net, self.task.train), *self._held_back(net))

    def _threads(self, recipe: Recipe) -> AbstractContextManager[None]:
        """Return a context in which the products of a step take as many threads as are good for them."""
        return threads.threads_for(*self._sizes(recipe))

    def _sizes(self, recipe: Recipe) -> tuple[int, list[tuple[int, int]]]:
        """Return the rows of a step and the shapes of the weights that they go through."""
        m = len(self.task.train.y)
        rows = m if recipe.batch is None else min(recipe.batch, m)
        return rows, [shape for shape, _ in recipe.net.shapes]

    def _held_back(self, net: MLP) -> tuple[Any, ...]:
        """Return the rows to validate by and their targets, or nothing."""
        rows = self.task.validation
        if rows is None:
            return ()
        X = self.task.scaling.apply(rows.X, self.dtype)
        return self.place.asarray(X, self.dtype), self._targets(net, rows)

    def _targets(self, net: MLP, rows: Dataset) -> Any:
        return self.place.asarray(targets(net, rows.y), self.dtype)


def goes_by_tiles(net: MLP) -> bool:
    """Whether steps on all rows pass over X once: those of logistic regression do."""
    kind = net.output, net.cost, net.bias_gradient
    return len(net.shapes) == 1 and kind == ("sigmoid", "cross_entropy", "exact")


def on_all_rows(net: MLP, X: Any, y: Any, params: Any) -> Any:
    """Return the cost and the gradients by which a run learns that takes all rows at every step."""
    if not goes_by_tiles(net):
        return net.cost_and_gradients(params, X, y)
    ((W, b),) = params
    xp = namespace(X)
    cost, dw, db = logistic.by_tiles(X, y, W[:, 0], b[0])
    gradients = [(xp.reshape(dw, W.shape), xp.reshape(db, b.shape))]
    return net.penalty.added(xp, params, cost, gradients) if net.penalty else (cost, gradients)


def _cost(net: MLP, X: Any, y: Any, params: Any) -> Any:
    return net.cost_of(params, X, y)


def targets(net: MLP, y: np.ndarray) -> np.ndarray:
    """Return class numbers y (m,) as the network's cost takes them: 0 and 1, or rows (m, k) with a single 1."""
    return y if net.sizes[-1] == 1 else np.eye(net.sizes[-1])[y]


def _one_against_rest(rows: Dataset, positive: str | None) -> Dataset:
    y, positive = data.to_binary(rows, positive)
    others = [name for name in rows.classes if name != positive]
    rest = others[0] if len(others) == 1 else f"not {positive}"
    return replace(rows, y=np.asarray(y), classes=(rest, positive))
