"""Data in and results out: whatever library holds them, they are checked, brought to where it is computed, and back.

X is looked at where it lives. y and sample_weight, which are small beside it, are checked on the host. Errors about
data are those of scikit-learn's own checks, whatever the library.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
from sklearn import get_config
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from chainrule import validation
from chainrule.backend import threads
from chainrule.backend.device import asked_for, get_device
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.models.mlp import MLP
from chainrule.optim import CostAndGradients

Array = Any


class Place(NamedTuple):
    """Where arrays live: the namespace of their library and one of its devices."""

    xp: Any
    device: Any

    @classmethod
    def of(cls, x: Array) -> "Place":
        """Return where x lives."""
        return cls(namespace(x), array_api_compat.device(x))

    @classmethod
    def home_of(cls, X: Array) -> "Place":
        """Return where what is learnt from X belongs: where X lives, but on the host where X is in Dask's chunks."""
        return HOST if in_chunks(X) else cls.of(X)

    def bring(self, x: Array) -> Array:
        """Return x here, as it is where it lives here already."""
        return x if Place.of(x) == self else self.xp.asarray(on_host(x), device=self.device)


HOST = Place(np, "cpu")


@dataclass(frozen=True, eq=False)
class Data:
    """Rows to learn from, in one place: X (m, n), y (m, ...), weight (m,) or None where all count alike.

    `total` is the sum of the weights, m where there are none. A Dask X stays in its chunks, and is computed where
    they are; y and weight are then on the host.
    """

    X: Array
    y: Array
    weight: Array | None
    total: float

    @classmethod
    def at(cls, place: Place, X: Array, y: np.ndarray, weight: np.ndarray | None) -> "Data":
        """Return the rows of a weight above 0, at `place`, all in X's dtype."""
        if weight is not None and not weight.all():
            # A row that counts for nothing is no row: it takes no seat in a mini-batch.
            kept = np.flatnonzero(weight)
            X, y, weight = take(X, kept), y[kept], weight[kept]
        total = float(X.shape[0] if weight is None else weight.sum())
        if in_chunks(X):
            place = HOST
        else:
            X = place.bring(X)
        kind = np.dtype("float32" if X.dtype == place.xp.float32 else "float64")
        weight = None if weight is None else place.bring(weight.astype(kind))
        return cls(X, place.bring(y.astype(kind)), weight, total)

    def rows(self, numbers: np.ndarray) -> "Data":
        """Return these rows, in any order where X is in chunks, which an order would mix."""
        if in_chunks(self.X):
            numbers = np.sort(numbers)
        weight = None if self.weight is None else take(self.weight, numbers)
        total = float(len(numbers)) if weight is None else float(namespace(weight).sum(weight))
        return Data(take(self.X, numbers), take(self.y, numbers), weight, total)

    @property
    def place(self) -> Place:
        """Where parameters are kept that learn from these rows."""
        return Place.home_of(self.X)

    @cached_property
    def chunks(self) -> Any:
        """Return the rows as `cluster.ChunkedRows`; X is Dask's."""
        from chainrule.cluster import ChunkedRows

        return ChunkedRows(self.X, self.y, self.weight)

    def forward(self, network: MLP) -> Callable[[Any], Array]:
        """Return f(params), what a network makes of all rows."""
        if in_chunks(self.X):
            return partial(self.chunks.forward, network)
        return lambda params: network.forward(params, self.X)

    def cost_and_gradients(self, network: MLP) -> CostAndGradients:
        """Return f(params), a network's cost of all rows and its gradients."""
        if in_chunks(self.X):
            return self.chunks.cost_and_gradients(network)  # type: ignore[no-any-return]
        return lambda params: network.cost_and_gradients(params, self.X, self.y, sample_weight=self.weight)

    def threads_for(
        self, shapes: Sequence[tuple[int, int]], rows: int | None = None
    ) -> AbstractContextManager[None]:
        """Return a context in which steps of all rows, or of so many, have as many threads as are best for them.

        `shapes` are those of the weights. The threads of chunks are Dask's.
        """
        if in_chunks(self.X):
            return nullcontext()
        return threads.threads_for(self.X.shape[0] if rows is None else rows, shapes)


def take(x: Array, rows: np.ndarray) -> Array:
    """Return these rows of x, where it lives; of a Dask x in the order of its rows."""
    if in_chunks(x):
        from chainrule.cluster import taken

        return taken(x, rows)
    place = Place.of(x)
    return place.xp.take(x, place.bring(rows), axis=0)


def in_chunks(x: Any) -> bool:
    """Return whether x is an array of Dask."""
    return bool(array_api_compat.is_dask_array(x))


def by_chunks(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method of X give for a Dask X a Dask array: of each chunk what it gives for that."""

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
    # A chunk may well have no rows, which scikit-learn's checks refuse.
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


def checked_rows(estimator: Any, X: Any, method: str, fitted: str) -> Array:
    """Return X (m, n) for a fitted estimator's `method`, float32 or float64; `fitted` names an array that fit left.

    Raises NotFittedError, ValueError or TypeError in scikit-learn's words; and ValueError for an X that does not live
    where fit's lived, where scikit-learn's array_api_dispatch is on: it is scikit-learn's rule there.
    """
    check_is_fitted(estimator, fitted)
    X, _ = _checked(estimator, X, "no_validation", reset=False)
    learnt = getattr(estimator, fitted)
    learnt = learnt[0] if isinstance(learnt, list) else learnt
    if get_config()["array_api_dispatch"] and Place.of(X) != Place.of(learnt):
        who = f"{type(estimator).__name__}.{method}()"
        raise ValueError(
            f"{who}: X must use the same namespace and the same device as the X of fit while array_api_dispatch is on, "
            f"got {Place.of(X)} after {Place.of(learnt)}; move X, or turn array_api_dispatch off to have {who} follow X"
        )
    return X


def checked_data(estimator: Any, X: Any, y: Any, *, reset: bool, **settings: Any) -> tuple[Array, np.ndarray]:
    """Return X (m, n) where it lives, float32 or float64, and y on the host; `settings` are those of check_X_y.

    With `reset` the estimator is no longer fitted: should the new fit fail, no prediction mixes it with the last one.
    """
    if reset:
        for fitted in ("coef_", "coefs_"):
            vars(estimator).pop(fitted, None)
    return _checked(estimator, X, on_host(y), reset=reset, **settings)


def checked_weight(estimator: Any, weight: Any, m: int) -> np.ndarray | None:
    """Return sample_weight (m,) on the host in float64, None where there is none.

    Raises ValueError for another shape, for a negative weight, and where no weight is above zero.
    """
    if weight is None:
        return None
    validation.check_array(weight)
    if isinstance(weight, numbers.Real):
        weight = np.full(m, float(weight))
    w: np.ndarray = check_array(
        on_host(weight), ensure_2d=False, dtype=np.float64, input_name="sample_weight", estimator=estimator
    )
    who = f"{type(estimator).__name__}.fit"
    if w.shape != (m,):
        raise ValueError(f"{who}: sample_weight must be ({m},), one number a row of X, got {w.shape}")
    if (w < 0).any() or not w.any():
        raise ValueError(
            f"{who}: sample_weight must hold no negative number and not only zeros, got {w.min():g} .. {w.max():g}"
        )
    return w


def check_parameters(estimator: Any, rules: dict[str, tuple[str, Callable[[Any], bool]]]) -> None:
    """Raise ValueError for the first parameter that breaks its rule; a rule is what is expected, in words and as f."""
    for name, (expected, holds) in rules.items():
        value = getattr(estimator, name)
        if not holds(value):
            raise ValueError(f"{type(estimator).__name__}.fit: {name} must be {expected}, got {value!r}")


def is_count(value: Any) -> bool:
    """Return whether value is a whole number from 1 up."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def is_size(value: Any) -> bool:
    """Return whether value is a finite number from 0 up."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= float(value) < math.inf


def _checked(estimator: Any, X: Any, y: Any, *, reset: bool, **settings: Any) -> tuple[Array, Any]:
    dtypes = [np.float64, np.float32]
    with_y = not isinstance(y, str)
    for given in (X, y):
        validation.check_array(given)
    if not elsewhere(X):
        out = validate_data(estimator, X, y, reset=reset, dtype=dtypes, **settings)
        return out if with_y else (out, None)
    if in_chunks(X) and any(math.isnan(k) for k in X.shape):
        raise ValueError(
            f"{type(estimator).__name__}: expected a Dask X whose chunks have known sizes, got shape {X.shape}; call "
            "X.compute_chunk_sizes() first"
        )
    xp = namespace(X)
    real = xp.isdtype(X.dtype, ("bool", "integral", "real floating"))
    floating = real and xp.isdtype(X.dtype, "real floating")
    sound = X.ndim == 2 and real and (not floating or bool(xp.all(xp.isfinite(X))))
    # Zeros of X's shape, in the memory of one, serve for every check that reads no number of X; an X that cannot
    # pass is copied, so that the error shows it, but of a Dask X, which may be larger than memory, a bad row alone.
    if sound:
        seen = np.broadcast_to(0.0, tuple(X.shape))
    elif floating and X.ndim == 2 and in_chunks(X):
        bad = int(np.argmin(on_host(xp.all(xp.isfinite(X), axis=1))))
        seen = on_host(X[bad : bad + 1])
    else:
        seen = on_host(X)
    out = validate_data(
        estimator, seen, y, reset=reset, dtype=dtypes, ensure_all_finite=not sound, **settings
    )
    X = X if X.dtype in (xp.float32, xp.float64) else xp.astype(X, xp.float64)
    return X, out[1] if with_y else None
