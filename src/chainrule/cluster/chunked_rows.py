"""The cost of rows in chunks and its gradient: computed for each chunk where its rows are, and summed in a tree.

The cost is J = sum over chunks i of share_i * J_i, where J_i is the cost of the rows of chunk i alone and share_i is
their part of all rows (of all weights, where rows are weighted). Chunks and the order of sums are fixed by the data,
whichever worker is quick: any number of workers gives the same numbers, bit for bit, where their processors and
libraries are alike.
"""

import math
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import dask.array as da
import numpy as np
from dask import delayed

from chainrule import pytree
from chainrule.backend import threads
from chainrule.backend.device import get_device
from chainrule.backend.namespaces import to_numpy
from chainrule.backend.threads import Watch
from chainrule.cluster import client
from chainrule.cluster.client import client_in_use, computed, memory_limit, persisted
from chainrule.gates.types import Array
from chainrule.models.mlp import MLP
from chainrule.models.objective import class_probabilities, learning_rate_bound, on_all_rows
from chainrule.models.types import Params
from chainrule.optim import Batches

# How many sums one task of the tree adds: the tree has few levels, and no worker is sent much at once.
FAN_IN = 8
# The share of all workers' memory that rows may take; from 0.6 on Dask writes to disk.
_SHARE_OF_MEMORY = 0.4


def is_dask(x: Any) -> bool:
    """Return whether x is an array of Dask."""
    return isinstance(x, da.Array)


def can_be_kept(size: int) -> bool:
    """Return whether the workers' memory has room for rows of so many bytes, and for computing with them."""
    return size <= _SHARE_OF_MEMORY * memory_limit()


@dataclass
class StepTimes:
    """How many steps were computed, and their seconds.

    wall        as the caller saw them
    compute     of computing costs and gradients, summed over all threads
    busiest     of computing, where each step counts only the thread that computed longest: threads work side by side
    """

    steps: int = 0
    wall: float = 0.0
    compute: float = 0.0
    busiest: float = 0.0

    @property
    def rest(self) -> float:
        """The seconds of steps in which the busiest thread did not compute.

        Then chunks were moved, scheduled and waited for, and rows that are not kept were read.
        """
        return self.wall - self.busiest


class ChunkedRows:
    """Rows X (m, n), targets y (m, ...) and weights (m,) or None, in chunks that are computed where they lie.

    X is a Dask array of float32 or float64, and its chunks along the rows are the chunks; y and weight are Dask's or
    NumPy's. Where the workers of the client in use have memory for all rows, or with `keep`, rows are read once and
    stay on each worker's own device (its CHAINRULE_DEVICE); else each step reads them again. Without a client the
    threads of this process are the workers. `spent` says where the time went.

    Raises TypeError and ValueError for arrays of another kind, or of other numbers of rows.
    """

    def __init__(self, X: Any, y: Array, weight: Array | None = None, *, keep: bool | None = None) -> None:
        if not is_dask(X) or X.ndim != 2 or X.dtype not in (np.float32, np.float64):
            got = f"{type(X).__name__} of {getattr(X, 'dtype', '?')} {getattr(X, 'shape', '')}"
            raise TypeError(
                f"ChunkedRows: expected X as a Dask array (m, n) of float32 or float64, got {got}"
            )
        if any(math.isnan(k) for k in X.chunks[0]):
            raise ValueError(
                "ChunkedRows: expected chunks of known sizes, got some that are not; call X.compute_chunk_sizes() first"
            )
        for name, column in (("y", y), ("weight", weight)):
            if column is not None and column.shape[:1] != X.shape[:1]:
                raise ValueError(
                    f"ChunkedRows: expected {name} with {X.shape[0]} rows as X has, got shape {tuple(column.shape)}"
                )
        # One column is one target a row, which is how logistic regression by tiles takes it.
        y = y[:, 0] if y.shape[1:] == (1,) else y
        heights = tuple(k for k in X.chunks[0] if k)
        X = X.rechunk((heights, -1))
        columns = [None if column is None else _cut(column, heights) for column in (y, weight)]
        self.dtype, self.shape, self.heights = X.dtype, X.shape, heights
        self.spent = StepTimes()
        blocks = [x if x is None else x.to_delayed().reshape(-1).tolist() for x in (X, *columns)]
        self.kept = can_be_kept(X.nbytes) if keep is None else keep
        place = delayed(_placed, pure=False)
        parts = [
            place(*(None if column is None else column[i] for column in blocks), str(X.dtype))
            for i in range(len(heights))
        ]
        self.parts = persisted(parts) if self.kept else parts
        self.weights = [float(k) for k in heights]
        if weight is not None:
            self.weights = [float(total) for total in self.each(_weight_of)]

    def __len__(self) -> int:
        return int(self.shape[0])

    def batches(self, rows: int, *, seed: int = 0, shuffle: bool = True) -> "ChunkBatches":
        """Return mini-batches of about so many rows: whole chunks, in an order that `seed` draws anew each epoch."""
        return ChunkBatches(self.heights, rows, seed=seed, shuffle=shuffle)

    def cost_and_gradients(self, net: MLP) -> Callable[..., tuple[Array, Params]]:
        """Return f(params) of all rows, or f(params, numbers of chunks) of those, as `descend` and `lbfgs` call it.

        Parameters and results are NumPy's. A mini-batch of weighted rows gives its share of J, so that the mean over
        an epoch is J.
        """
        bare = replace(net, penalty=None)

        def cost_and_gradients(params: Params, chosen: Iterable[int] | None = None) -> tuple[Array, Params]:
            cost, *leaves = self._summed(_cost_and_gradients, bare, params, chosen)
            gradients: Params = pytree.rebuilt(params, iter(leaves))
            if net.penalty is None:
                return cost, gradients
            return net.penalty.added(np, params, cost, gradients)

        return cost_and_gradients

    def cost_of(self, net: MLP) -> Callable[[Params], Array]:
        """Return f(params), the cost of all rows by forward alone."""
        bare = replace(net, penalty=None)

        def cost_of(params: Params) -> Array:
            (cost,) = self._summed(_cost_alone, bare, params, None)
            return cost if net.penalty is None else net.penalty.added_cost(np, params, cost)

        return cost_of

    def learning_rate_bound(self) -> float:
        """Return `logistic.learning_rate_bound` of all rows, each weighed by its weight over the mean weight."""
        scale = self.shape[0] / math.fsum(self.weights)
        return self.harmonic_mean(self.each(_bound, scale))

    def harmonic_mean(self, bounds: Iterable[float]) -> float:
        """Return the bound of all rows from those of the chunks: 4 over a bound is a mean over rows."""
        return float(self.shape[0]) / math.fsum(
            k / bound for k, bound in zip(self.heights, bounds, strict=True)
        )

    def forward(self, net: MLP, params: Params) -> np.ndarray:
        """Return y_hat (m, k) of all rows, on the host."""
        return np.concatenate(self.each(_forward, net, params))

    def answers(self, net: MLP, params: Params) -> np.ndarray:
        """Return the number (m,) of the likeliest class of each row, of equal ones the first, on the host."""
        return np.concatenate(self.each(_answers, net, params))

    def threads(self, net: MLP, batch: int | None) -> int:
        """Return how many threads compute chunks at the same time, whatever the network and the batch."""
        return client.threads()

    def threads_for(self, net: MLP, batch: int | None = None) -> AbstractContextManager[Watch]:
        """Return a context that changes nothing: the threads are Dask's."""
        return nullcontext(threads.unwatched)

    def each(self, f: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Return f((X, y, weight), arguments) of each chunk, computed by its worker."""
        sent = delayed(arguments, traverse=False, pure=False)
        # Each chunk is the argument of its own task, so that no worker has to hold two.
        return self._computed([delayed(f, pure=False)(part, sent) for part in self.parts])

    def _summed(
        self, f: Callable[..., Any], net: MLP, params: Params, chosen: Iterable[int] | None
    ) -> list[Array]:
        started = time.perf_counter()
        numbers = range(len(self.parts)) if chosen is None else sorted(int(i) for i in chosen)
        rows = sum(self.heights[i] for i in numbers)
        # A chunk whose weights are all 0 has no mean.
        numbers = [i for i in numbers if self.weights[i] > 0]
        if not numbers:
            raise ValueError(
                "ChunkedRows: expected a row of a weight above 0 in every batch; leave out the others"
            )
        m, total = self.shape[0], math.fsum(self.weights)
        # One key in the graph: Dask sends it once to each worker that needs it, and makes it again where it is lost.
        sent = delayed((net, params), traverse=False, pure=False)
        task = delayed(f, pure=False)
        sums = []
        for i in numbers:
            share = 1.0
            if net.cost != "summed_squared_error":
                share = self.weights[i] * m / (total * rows)
            bias_share = share * (self.heights[i] / rows if net.bias_gradient == "mean" else 1.0)
            sums.append(task(self.parts[i], sent, share, bias_share))
        add = delayed(_added, pure=False)
        while len(sums) > 1:
            sums = [add(*sums[k : k + FAN_IN]) for k in range(0, len(sums), FAN_IN)]
        (found,) = self._computed(sums)
        seconds, *leaves = found
        self.spent.steps += 1
        self.spent.compute += math.fsum(seconds.values())
        self.spent.busiest += max(seconds.values())
        self.spent.wall += time.perf_counter() - started
        return [np.asarray(leaf) for leaf in leaves]

    def _computed(self, tasks: list[Any]) -> list[Any]:
        # Without a client Dask's threads compute in this process, and those of the BLAS would be too many beside them.
        alone = client_in_use() is None and threads.can_limit_blas()
        with threads.one_blas_thread() if alone else nullcontext():
            return computed(tasks)


class ChunkBatches:
    """Mini-batches of whole chunks, as `descend` draws them: every epoch is a new permutation of all chunks.

    A batch has as many chunks as fit into `rows`, counted as if each were the tallest: at least one, and all chunks
    where `rows` is all rows.
    """

    def __init__(self, heights: Sequence[int], rows: int, *, seed: int = 0, shuffle: bool = True) -> None:
        self.heights = list(heights)
        size = len(self.heights) if rows >= sum(self.heights) else max(1, int(rows) // max(self.heights))
        self._batches = Batches(len(self.heights), size, seed=seed, like=np.zeros(1), shuffle=shuffle)

    def __len__(self) -> int:
        return len(self._batches)

    def __call__(self, step: int, /) -> list[int]:
        """Return the numbers of the chunks of step number `step`, from 0."""
        return [int(i) for i in self._batches(step)]

    def rows(self, step: int, /) -> int:
        """Return how many rows those are."""
        return sum(self.heights[i] for i in self(step))


def taken(X: Any, numbers: np.ndarray) -> Any:
    """Return the rows of these numbers of a Dask array X, in ascending order; workers are sent a bit for each row."""
    X = X.rechunk({1: -1})
    chosen = np.zeros(X.shape[0], dtype=np.bool_)
    chosen[numbers] = True
    ends = np.cumsum(X.chunks[0])
    pieces = []
    for block, end, height in zip(X.to_delayed().reshape(-1), ends, X.chunks[0], strict=True):
        here = chosen[end - height : end]
        count = int(here.sum())
        if count:
            rows = delayed(_picked, pure=False)(block, np.packbits(here))
            pieces.append(da.from_delayed(rows, (count, X.shape[1]), X.dtype))
    return da.concatenate(pieces)


def _cut(column: Any, heights: tuple[int, ...]) -> Any:
    chunks = (heights, *column.shape[1:])
    return column.rechunk(chunks) if is_dask(column) else da.from_array(column, chunks=chunks)


# What follows runs on the workers.


def _picked(X: np.ndarray, bits: np.ndarray) -> np.ndarray:
    return X[np.unpackbits(bits, count=len(X)).astype(np.bool_)]


class _Chunk(tuple[Any, ...]):
    """(X, y, weight) on a worker's device, which goes from worker to worker by way of the host.

    Dask moves a GPU's arrays itself only with packages that the workers may lack, and tries without end.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        X, columns = to_numpy(self[0]), self[1:]
        return _placed, (X, *(None if x is None else to_numpy(x) for x in columns), X.dtype.name)


def _placed(X: Array, y: Array, weight: Array | None, dtype: str) -> tuple[Array, Array, Array | None]:
    """Return a chunk on the worker's device."""
    place = get_device()
    held = None if weight is None else place.asarray(weight, dtype)
    return _Chunk((place.asarray(X, dtype), place.asarray(y), held))


def _weight_of(part: tuple[Array, Array, Array], nothing: tuple[()]) -> float:
    return float(to_numpy(part[2]).sum(dtype=np.float64))


def _bound(part: tuple[Array, Array, Array | None], given: tuple[float]) -> float:
    X, _, weight = part
    return learning_rate_bound(X, None if weight is None else weight * given[0])


def _forward(part: tuple[Array, Array, Array | None], given: tuple[MLP, Params]) -> np.ndarray:
    net, params = _on_device(given)
    return to_numpy(net.forward(params, part[0]))


def _answers(part: tuple[Array, Array, Array | None], given: tuple[MLP, Params]) -> np.ndarray:
    P = class_probabilities(_forward(part, given))
    # A byte a row goes further than eight, on the way to the host too.
    answers: np.ndarray = np.argmax(P, axis=1).astype(np.min_scalar_type(P.shape[1]))
    return answers


def _cost_and_gradients(
    part: tuple[Array, Array, Array | None], given: tuple[MLP, Params], share: float, bias_share: float
) -> list[Any]:
    """Return [seconds by thread, share of J, share of dW_1, share of db_1, ...] of a chunk, on the host."""
    started = time.perf_counter()
    (X, y, weight), (net, params) = part, _on_device(given)
    with np.errstate(over="ignore", invalid="ignore"):
        cost, gradients = on_all_rows(net, X, y, params, weight=weight)
        leaves = [x for dW, db in gradients for x in (dW * share, db * bias_share)]
        found = [to_numpy(x) for x in (cost * share, *leaves)]
    return [_seconds_since(started), *found]


def _cost_alone(
    part: tuple[Array, Array, Array | None], given: tuple[MLP, Params], share: float, bias_share: float
) -> list[Any]:
    """Return [seconds by thread, share of J] of a chunk, on the host."""
    started = time.perf_counter()
    (X, y, weight), (net, params) = part, _on_device(given)
    with np.errstate(over="ignore", invalid="ignore"):
        cost = to_numpy(net.cost_of(params, X, y, sample_weight=weight) * share)
    return [_seconds_since(started), cost]


def _on_device(given: tuple[MLP, Params]) -> tuple[MLP, Params]:
    """Return the network and its parameters on the worker's device."""
    net, params = given
    place = get_device()
    return net, [(place.asarray(W), place.asarray(b)) for W, b in params]


def _seconds_since(started: float) -> dict[str, float]:
    """Return the seconds since then under the name of this thread, which no thread of any worker shares."""
    thread = f"{platform.node()} {os.getpid()} {threading.get_ident()}"
    return {thread: time.perf_counter() - started}


def _added(*sums: list[Any]) -> list[Any]:
    # Never in place: Dask may give the arguments of a task to another task too.
    times, *columns = zip(*sums, strict=True)
    seconds: dict[str, float] = {}
    for thread, time_of_it in (pair for found in times for pair in found.items()):
        seconds[thread] = seconds.get(thread, 0.0) + time_of_it
    return [seconds, *(sum(column[1:], start=column[0]) for column in columns)]
