"""Mini-batches: the rows of each step, shuffled by a seed, the same on all devices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.backend.namespaces import namespace
from chainrule.gates.types import Array
from chainrule.numpy_names.sparse import is_sparse
from chainrule.validation import whole_number


class Batches:
    """The rows of each step: every epoch is a new permutation of all m rows, cut into batches of `size`.

    `batches(step)` returns the row numbers (k,) of a step, from 0, as integers on the device of the array `like`. They
    depend on m, size, seed and step alone, so that a run can be resumed at any step. Where size does not divide m, the
    last batch of each epoch is shorter. Without `shuffle` the rows of every epoch come in their order. `len(batches)`
    is the number of steps in an epoch.

    m and size are whole numbers from 1 up, seed from 0 up. Raises TypeError and ValueError for others, and TypeError
    where `like` is no array.
    """

    def __init__(self, m: int, size: int, *, seed: int = 0, like: Array, shuffle: bool = True) -> None:
        self.m, self.size = whole_number("Batches", "m", m, 1), whole_number("Batches", "size", size, 1)
        self.seed = whole_number("Batches", "seed", seed)
        if not hasattr(like, "dtype"):
            raise TypeError(f"Batches: like must be an array, such as X, got {type(like).__name__}")
        self.shuffle = shuffle
        self._xp, self._device = namespace(like), like.device
        self._drawn: tuple[int | None, Array] = None, None

    def __reduce__(self) -> tuple[Any, ...]:
        # A namespace cannot be pickled; an empty array carries it and the device.
        like = self._xp.empty(0, device=self._device)
        return partial(Batches, seed=self.seed, like=like, shuffle=self.shuffle), (self.m, self.size)

    def __len__(self) -> int:
        return -(-self.m // self.size)

    def rows(self, step: int) -> int:
        """Return the number of rows of step number `step`, from 0."""
        return min(self.size, self.m - step % len(self) * self.size)

    def __call__(self, step: int) -> Array:
        """Return the row numbers (k,) of step number `step`, from 0."""
        epoch, part = divmod(step, len(self))
        epoch = epoch if self.shuffle else 0
        drawn, order = self._drawn
        if epoch != drawn:
            generator = np.random.default_rng([self.seed, epoch])
            rows = generator.permutation(self.m) if self.shuffle else np.arange(self.m)
            # One copy to the device an epoch, of which the batches are slices. Epoch and order are kept as one pair,
            # so that another thread never sees the one without the other.
            order = self._xp.asarray(rows, device=self._device)
            self._drawn = epoch, order
        return order[part * self.size : part * self.size + self.rows(step)]


def on_rows(f: Callable[..., Any], *arrays: Array | None) -> Callable[[Any, Array], Any]:
    """Return the function (params, rows) that calls f(params, ...) with those rows of each array; None stays None.

    `f` is a cost such as `MLP.cost_and_gradients`, the arrays are X (m, n), y (m,) and the like, on one device, X dense
    or sparse in rows (CSR), and `rows` the row numbers (k,) of a batch.
    """

    def on(params: Any, rows: Array) -> Any:
        xp = namespace(rows)
        return f(params, *(None if x is None else _rows_of(xp, x, rows) for x in arrays))

    return on


def _rows_of(xp: Any, x: Any, rows: Array) -> Any:
    return x[rows] if is_sparse(x) else xp.take(x, rows, axis=0)
