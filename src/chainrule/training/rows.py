"""Rows to learn from: what a run asks of them, wherever they lie, and those in the memory of one device."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from chainrule.backend import threads
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.backend.threads import Watch
from chainrule.gates.types import Array
from chainrule.models import objective
from chainrule.models.mlp import MLP
from chainrule.models.penalties import Penalty
from chainrule.models.types import Params
from chainrule.optim.batches import Batches, on_rows
from chainrule.optim.descent import CostAndGradients, Sampler

# Rows that are predicted at once: enough to fill a device, few enough for the layers' outputs to fit beside the data.
BLOCK = 8192


class Epochs(Sampler, Protocol):
    """Mini-batches that go through all rows in every epoch; their length is the number of steps in an epoch."""

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""


class Rows(Protocol):
    """Rows X (m, n) with targets: in the memory of one device (`DeviceRows`), or in chunks (`cluster.ChunkedRows`)."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def batches(self, rows: int, *, seed: int = 0, shuffle: bool = True) -> Epochs:
        """Return mini-batches of about so many rows, in an order that `seed` draws anew for each epoch."""

    def cost_and_gradients(self, net: MLP) -> CostAndGradients:
        """Return f(params) of all rows, and f(params, batch) of what the mini-batches draw for a step."""

    def cost_of(self, net: MLP) -> Callable[[Params], Array]:
        """Return f(params), the cost of all rows by forward alone."""

    def forward(self, net: MLP, params: Params) -> Array:
        """Return y_hat (m, k) of all rows."""

    def answers(self, net: MLP, params: Params) -> np.ndarray:
        """Return the number (m,) of the likeliest class of each row, of equal ones the first, on the host."""

    def learning_rate_bound(self) -> float:
        """Return 1 over a bound on the curvature of logistic regression's cost on these rows."""

    def threads(self, net: MLP, batch: int | None) -> int:
        """Return how many threads compute a step of `batch` rows, of all rows for None."""

    def threads_for(self, net: MLP, batch: int | None = None) -> AbstractContextManager[Watch]:
        """Return a context for steps of `batch` rows, of all rows for None, that have the best number of threads.

        It gives a function that wraps the cost of a step, to see how long it takes.
        """


@dataclass(frozen=True, eq=False)
class DeviceRows:
    """Rows X (m, n), targets y (m, ...) and weights (m,) or None: arrays of one device and of one floating dtype.

    `mean_weight` is the mean of the weights, 1 where there are none.
    """

    X: Array
    y: Array
    weight: Array | None = None
    mean_weight: float = 1.0

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def batches(self, rows: int, *, seed: int = 0, shuffle: bool = True) -> Batches:
        """Return mini-batches of so many rows; the last one of an epoch may be shorter."""
        return Batches(len(self), rows, seed=seed, like=self.y, shuffle=shuffle)

    def cost_and_gradients(self, net: MLP) -> CostAndGradients:
        """Return f(params) of all rows and f(params, rows) of a mini-batch, given the numbers (k,) of its rows.

        The mean over an epoch of the costs of mini-batches of one size is the cost of all rows, weighted or not.
        """
        X, y, weight = self.X, self.y, self.weight
        of_batch = on_rows(net.cost_and_gradients, X, y)
        if weight is not None:
            share_of_cost = partial(_share_of_cost, replace(net, penalty=None), net.penalty)
            of_batch = on_rows(share_of_cost, X, y, weight / self.mean_weight)

        def cost_and_gradients(params: Params, rows: Array | None = None) -> tuple[Array, Params]:
            if rows is None:
                return objective.on_all_rows(net, X, y, params, weight=weight)
            cost, gradients = of_batch(params, rows)
            return cost, gradients

        return cost_and_gradients

    def cost_of(self, net: MLP) -> Callable[[Params], Array]:
        """Return f(params), the cost of all rows by forward alone."""
        return lambda params: net.cost_of(params, self.X, self.y, sample_weight=self.weight)

    def forward(self, net: MLP, params: Params) -> Array:
        """Return y_hat (m, k) of all rows, on their device."""
        return net.forward(params, self.X)

    def answers(self, net: MLP, params: Params) -> np.ndarray:
        """Return the number (m,) of the likeliest class of each row, of equal ones the first, on the host."""
        m = len(self)
        blocks = (self.X[start : min(start + BLOCK, m), :] for start in range(0, m, BLOCK))
        y_hat = np.concatenate([to_numpy(net.forward(params, block)) for block in blocks])
        return np.asarray(np.argmax(objective.class_probabilities(y_hat), axis=1))

    def learning_rate_bound(self) -> float:
        """Return 1 over a bound on the curvature of logistic regression's cost on these rows."""
        weight = None if self.weight is None else self.weight / self.mean_weight
        return objective.learning_rate_bound(self.X, weight)

    def threads(self, net: MLP, batch: int | None) -> int:
        """Return how many threads the products of a step of `batch` rows have at most, of all rows for None."""
        return 1 if threads.takes_one_thread(*self._sizes(net, batch)) else threads.blas_threads()

    def threads_for(self, net: MLP, batch: int | None = None) -> AbstractContextManager[Watch]:
        """Return a context for steps of `batch` rows, of all rows for None, as `threads.threads_for` does.

        A GPU does not wait for its results.
        """
        timed = isinstance(self.y, np.ndarray)
        return threads.threads_for(*self._sizes(net, batch), timed=timed)

    def _sizes(self, net: MLP, batch: int | None) -> tuple[int, list[tuple[int, int]]]:
        """Return the rows of a step and the shapes of the weights that they go through."""
        return len(self) if batch is None else min(batch, len(self)), [shape for shape, _ in net.shapes]


@dataclass(frozen=True, eq=False)
class RunRows:
    """The rows of a run: those to learn from, and those to choose the best step by, or None.

    fingerprint             a text that differs where any number differs that the run learns from or chooses by
    learning_rate_bound     as that of `train`
    """

    train: Rows
    validation: Rows | None
    fingerprint: str
    learning_rate_bound: Callable[[], float]


def _share_of_cost(
    net: MLP, penalty: Penalty | None, params: Params, X: Array, y: Array, weight: Array
) -> tuple[Array, Params]:
    """Return the cost of a mini-batch as its share of the cost of all rows, with weights whose mean over all rows is 1.

    The network, which has no penalty, divides by the weights of the batch; a batch of light rows must count for less
    than a heavy one. The penalty counts in full.
    """
    xp = namespace(weight)
    cost, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
    share = xp.mean(weight)
    cost, gradients = cost * share, [(dW * share, db * share) for dW, db in gradients]
    return (cost, gradients) if penalty is None else penalty.added(xp, params, cost, gradients)
