"""Where data live and where they are computed: brought from any library to a place, and results back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from chainrule import pytree
from chainrule.backend.device import asked_for, get_device
from chainrule.backend.namespaces import namespace, sparse_rows, to_numpy
from chainrule.gates.types import Array
from chainrule.numpy_names.sparse import is_sparse
from chainrule.training.rows import DeviceRows, Rows


class Place(NamedTuple):
    """Where arrays live: the namespace of their library and one of its devices."""

    xp: Any
    device: Any

    @classmethod
    def of(cls, x: Array) -> "Place":
        """Return where x lives."""
        x = x.data if is_sparse(x) else x
        return cls(namespace(x), array_api_compat.device(x))

    @classmethod
    def home_of(cls, X: Array) -> "Place":
        """Return where what is learnt from X belongs: where X lives, but on the host where X is in Dask's chunks."""
        return HOST if in_chunks(X) else cls.of(X)

    def bring(self, x: Array) -> Array:
        """Return x at this place; x itself where it lives here already, a sparse x in rows (CSR)."""
        if is_sparse(x):
            return sparse_rows(x, self.xp)
        return x if Place.of(x) == self else self.xp.asarray(on_host(x), device=self.device)


HOST = Place(np, "cpu")


@dataclass(frozen=True, eq=False)
class Data:
    """Rows to learn from: X (m, n), y (m, ...) and weight (m,), or None where all rows count alike, in one place.

    `total` is the sum of the weights, m where there are none. A Dask X stays in its chunks, and y and weight are then
    on the host.
    """

    X: Array
    y: Array
    weight: Array | None
    total: float

    @classmethod
    def at(cls, place: Place, X: Array, y: np.ndarray, weight: np.ndarray | None) -> "Data":
        """Return the rows of a weight above 0, at `place`, all in X's dtype."""
        if weight is not None and not weight.all():
            # A row of weight 0 is left out: it takes no seat in a mini-batch.
            kept = np.flatnonzero(weight)
            X, y, weight = take(X, kept), y[kept], weight[kept]
        total = float(X.shape[0] if weight is None else weight.sum())
        if in_chunks(X):
            place = HOST
        else:
            X = place.bring(X)
        kind = dtype_of(X, place)
        weight = None if weight is None else place.bring(weight.astype(kind))
        return cls(X, place.bring(y.astype(kind)), weight, total)

    def __len__(self) -> int:
        return int(self.X.shape[0])

    def subset(self, numbers: np.ndarray) -> "Data":
        """Return the rows of these numbers; where X is in chunks, in the order in which they lie there."""
        if in_chunks(self.X):
            numbers = np.sort(numbers)
        weight = None if self.weight is None else take(self.weight, numbers)
        total = float(len(numbers)) if weight is None else float(namespace(weight).sum(weight))
        return Data(take(self.X, numbers), take(self.y, numbers), weight, total)

    @property
    def place(self) -> Place:
        """Where parameters are kept that learn from these rows."""
        return Place.home_of(self.X)

    @property
    def rows(self) -> Rows:
        """The rows as a run takes them: on their device, or in chunks."""
        # Not by cached_property: until Python 3.12 it has a lock, which a fork amid fits may leave closed in the child.
        made: Rows | None = vars(self).get("_rows")
        if made is None:
            made = vars(self)["_rows"] = self._as_rows()
        return made

    def _as_rows(self) -> Rows:
        if in_chunks(self.X):
            from chainrule.cluster import ChunkedRows

            return ChunkedRows(self.X, self.y, self.weight)
        return DeviceRows(self.X, self.y, self.weight, self.total / len(self))


def take(x: Array, rows: np.ndarray) -> Array:
    """Return these rows of x, where it lives; of a Dask x in the order of its rows."""
    if in_chunks(x):
        from chainrule.cluster import taken

        return taken(x, rows)
    if is_sparse(x):
        return x[rows]
    place = Place.of(x)
    return place.xp.take(x, place.bring(rows), axis=0)


def in_chunks(x: Any) -> bool:
    """Return whether x is an array of Dask."""
    return bool(array_api_compat.is_dask_array(x))


def by_chunks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a method of X return, for a Dask X, a Dask array of its results for each chunk."""

    @wraps(method)
    def of_rows(self: Any, X: Any) -> Any:
        if not in_chunks(X):
            return method(self, X)
        like = method(self, np.zeros((1, X.shape[1]), X.dtype))
        X = X.rechunk({1: -1})
        axes = {"drop_axis": 1} if like.ndim == 1 else {"chunks": (X.chunks[0], like.shape[1:])}
        return X.map_blocks(
            partial(_of_chunk, method, self, like[:0]),
            dtype=like.dtype,
            meta=like[:0],
            token=method.__name__,
            **axes,
        )

    return of_rows


def _of_chunk(method: Callable[..., Any], estimator: Any, none: Any, X: Any) -> Any:
    # scikit-learn's checks refuse a chunk without rows.
    return method(estimator, X) if len(X) else none


def elsewhere(x: Any) -> bool:
    """Return whether x is an array of another library than NumPy."""
    return bool(array_api_compat.is_array_api_obj(x)) and not isinstance(x, np.ndarray | np.generic)


def on_host(x: Any) -> Any:
    """Return an array of any library as NumPy's, anything else as it is."""
    if array_api_compat.is_torch_array(x):
        x = array_api_compat.to_device(x, "cpu")
    return to_numpy(x) if elsewhere(x) else x


def computing(device: str | None, home: Place) -> Place:
    """Return where to compute: on `device`, else where CHAINRULE_DEVICE says, else where the data live."""
    asked = asked_for() if device is None else get_device(device)
    return home if asked is None else Place.of(asked.asarray([0.0]))


def brought(tree: Any, place: Place, dtype: Any) -> Any:
    """Return a nesting of arrays at `place` in a dtype; whole numbers, and None, stay as they are."""

    def leaf(x: Any) -> Any:
        if x is None or isinstance(x, int):
            return x
        return place.xp.astype(place.bring(x), dtype, copy=False)

    return pytree.mapped(leaf, tree)


def dtype_of(x: Array, place: Place) -> str:
    """Return "float32" or "float64", the dtype of an array, or of a sparse matrix, at `place`."""
    return "float32" if x.dtype == place.xp.float32 else "float64"
