"""NumPy's functions that sort and count: quantiles, orders, sets, bins.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library. Places and counts are constants.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from chainrule.gates.helpers import axes_of, axis_number, kept_shape, somewhere
from chainrule.gates.types import Array, Axes
from chainrule.numpy_names.coercion import as_array, as_arrays, as_operand, is_inexact
from chainrule.numpy_names.functions.statistics import along_axes
from chainrule.numpy_names.names import numpy_name

# --- Quantiles ---


@numpy_name()
def median(xp: Any, a: Any, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Return the elements in the middle along axes, or the means of the two there; equal elements share."""
    a = as_array(xp, a)
    rows, n = _sorted_rows(xp, "median", a, axis)
    y = xp.mean(rows[..., (n - 1) // 2 : n // 2 + 1], axis=-1)
    is_nan = xp.any(xp.isnan(rows[..., -1:]), axis=-1)  # of no element the mean is NaN
    return _placed(xp, xp.where(is_nan, y * math.nan, y)[..., None], a, axis, (), keepdims)


@numpy_name()
def nanmedian(xp: Any, a: Any, axis: Axes = None, *, keepdims: bool = False) -> Array:
    """Return the median along axes of the elements that are not NaN."""
    a = as_array(xp, a)
    rows, n = _sorted_rows(xp, "nanmedian", a, axis)
    count = xp.count_nonzero(xp.logical_not(xp.isnan(rows)), axis=-1, keepdims=True)
    middle = xp.concat([xp.clip(count - 1, 0, None) // 2, xp.clip(count // 2, None, n - 1)], axis=-1)
    y = xp.mean(xp.take_along_axis(rows, middle, axis=-1) if n else rows, axis=-1)
    return _placed(xp, y[..., None], a, axis, (), keepdims)


def _of_shares(name: str, text: str) -> Callable[..., Array]:
    """Return `quantile`, or one of those beside it, which differ in what the whole is and in whether NaN counts."""

    def function(
        xp: Any,
        a: Any,
        q: Any,
        axis: Axes = None,
        *,
        method: str = "linear",
        keepdims: bool = False,
        weights: Any = None,
    ) -> Array:
        return _quantile(xp, name, a, q, axis, method, keepdims, weights)

    function.__name__, function.__doc__ = name, text
    return numpy_name(name)(function)


quantile = _of_shares(
    "quantile",
    """Return quantiles q from 0 to 1 along axes, by any method of NumPy's; equal elements share.

    Where a method interpolates there is a slope in q too. Weights are for method="inverted_cdf" alone, shaped as a or
    along the axes; their own slope is 0, and where they are negative or all 0 the result is NaN. Source: Hyndman and
    Fan, Sample quantiles in statistical packages, The American Statistician 50 (4), 1996.
    """,
)
percentile = _of_shares("percentile", "Return `quantile` for percentages q from 0 to 100.")
nanquantile = _of_shares("nanquantile", "Return `quantile` of the elements that are not NaN.")
nanpercentile = _of_shares("nanpercentile", "Return `percentile` of the elements that are not NaN.")


# How far a method reaches beyond both ends of n sorted elements: alpha and beta of the source.
_BEYOND = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
# The place, counted from 0, and the weight of the element after it; None where a method does not interpolate.
_PLACES: dict[str, Callable[[Any, Any, Any], tuple[Array, Any]]] = {
    "linear": lambda xp, n, q: _between(xp, (n - 1) * q),
    **{
        name: lambda xp, n, q, a=a, b=b: _between(xp, n * q + (a + q * (1 - a - b)) - 1)  # type: ignore[misc]
        for name, (a, b) in _BEYOND.items()
    },
    "inverted_cdf": lambda xp, n, q: (xp.ceil(n * q - 1), None),
    "averaged_inverted_cdf": lambda xp, n, q: _halfway(xp, n * q - 1, 0.5, 1.0),
    "closest_observation": lambda xp, n, q: (_nearest_odd(xp, n * q - 1.5), None),
    "lower": lambda xp, n, q: (xp.floor((n - 1) * q), None),
    "higher": lambda xp, n, q: (xp.ceil((n - 1) * q), None),
    "midpoint": lambda xp, n, q: _halfway(xp, (n - 1) * q, 0.0, 0.5),
    "nearest": lambda xp, n, q: (xp.round((n - 1) * q), None),
}


def _between(xp: Any, place: Array) -> tuple[Array, Array]:
    floor = xp.floor(place)
    return floor, place - floor


def _halfway(xp: Any, place: Array, at: float, between: float) -> tuple[Array, Array]:
    floor = xp.floor(place)
    return floor, between + (at - between) * xp.astype(place == floor, place.dtype)


def _nearest_odd(xp: Any, place: Array) -> Array:
    floor = xp.floor(place)
    return floor + 1 - xp.astype(xp.logical_and(place == floor, floor % 2 == 1), place.dtype)


def _quantile(
    xp: Any, name: str, a: Any, q: Any, axis: Axes, method: str, keepdims: bool, weights: Any
) -> Array:
    if method not in _PLACES:
        raise ValueError(f"numpy.{name}: expected method= one of {', '.join(_PLACES)}; got {method!r}")
    a = as_array(xp, a)
    q, whole, keeps_dtype = _shares(xp, name, q, a)
    if name.startswith("nan") and q.ndim > 1:
        raise ValueError(f"numpy.{name}: expected a number or a row of them as q; got shape {q.shape}")
    rows, n = _sorted_rows(xp, name, a, axis)
    fractions = xp.reshape(q / whole, (1,) * (rows.ndim - 1) + (-1,))
    if name.startswith("nan"):
        n = xp.count_nonzero(xp.logical_not(xp.isnan(rows)), axis=-1, keepdims=True)
        n = xp.astype(n, xp.float64)
    if weights is None:
        place, weight = _PLACES[method](xp, n, fractions)
    else:
        place, weight = _weighted_place(xp, name, a, weights, axis, method, fractions), None
    known = xp.where(xp.isnan(place), 0, place)
    y = xp.take_along_axis(rows, _within(xp, known, n), axis=-1)
    if weight is not None:
        weight = xp.astype(weight, a.dtype, copy=False) if keeps_dtype else weight
        later = xp.take_along_axis(rows, _within(xp, place + 1, n), axis=-1)
        gap = later - y
        y = xp.where(weight >= 0.5, later - gap * (1 - weight), y + gap * weight)
    # Outside of [0, 1] no number is right; NumPy's error would ask a device for the values.
    wrong = xp.logical_or(xp.logical_or(fractions < 0, fractions > 1), xp.isnan(place))
    if not name.startswith("nan"):
        wrong = xp.logical_or(wrong, xp.isnan(rows[..., -1:]))
    return _placed(xp, xp.where(wrong, y * math.nan, y), a, axis, q.shape, keepdims)


def _weighted_place(xp: Any, name: str, a: Array, weights: Any, axis: Axes, method: str, q: Array) -> Array:
    """Return how many sorted elements have less than the share q of all weights together up to them."""
    if method != "inverted_cdf":
        raise ValueError(f"numpy.{name}: expected method='inverted_cdf' beside weights=; got {method!r}")
    a, w = (xp.stop_gradient(x) for x in as_arrays(xp, (a, weights)))
    w = w if w.shape == a.shape else xp.broadcast_to(along_axes(xp, name, a, w, axis), a.shape)
    rows, w = _rows(xp, name, a, axis), _rows(xp, name, w, axis)
    if name.startswith("nan"):
        w = xp.where(xp.isnan(rows), 0, w)
    w = xp.take_along_axis(w, xp.argsort(rows, axis=-1), axis=-1)
    # A negative weight, and a total of 0, make NaN of all.
    w = xp.where(xp.any(w < 0, axis=-1, keepdims=True), math.nan, xp.astype(w, xp.float64))
    upto = xp.cumulative_sum(w, axis=-1)
    total = xp.where(upto[..., -1:] == 0, math.nan, upto[..., -1:])
    share = xp.astype(upto / total, q.dtype)[..., None]
    # An element in front without a weight is not the quantile 0 either.
    less = xp.logical_or(share < q[..., None, :], share == 0)
    place = xp.astype(xp.count_nonzero(less, axis=-2), xp.float64)
    return xp.where(xp.isnan(share[..., -1, :]), math.nan, place)


def _shares(xp: Any, name: str, q: Any, a: Array) -> tuple[Array, int, bool]:
    """Return q as an array, what the whole is, and whether weights leave the dtype as it is."""
    whole = 100 if "percentile" in name else 1
    # Python's numbers do, and so do whole ones, between which nothing is interpolated.
    keeps_dtype = type(q) in (int, float) or (type(q) is np.float64 and _scalars_keep_dtype(name))
    numbers = q if isinstance(q, list | tuple) else (q,)
    if all(isinstance(x, int | float | np.ndarray | np.generic) and not hasattr(x, "space") for x in numbers):
        plain = np.asarray(q)
        if np.any((plain < 0) | (plain > whole)):
            raise ValueError(f"numpy.{name}: expected q from 0 to {whole}; got {q}")
        q = xp.asarray(plain, device=a.device)
    q = as_arrays(xp, (a, q))[1]
    if not xp.isdtype(q.dtype, "real floating"):
        q, keeps_dtype = xp.astype(q, xp.float64), keeps_dtype or whole == 1
    return q, whole, keeps_dtype


@functools.cache
def _scalars_keep_dtype(name: str) -> bool:
    """Return whether NumPy's function of float32 by an np.float64 gives float32: its versions differ."""
    return bool(getattr(np, name)(np.ones(1, np.float32), np.float64(0.5)).dtype == np.float32)


def _within(xp: Any, place: Array, n: Any) -> Array:
    """Return places as indices of n elements."""
    return xp.astype(xp.clip(xp.clip(place, None, n - 1), 0, None), xp.int64)


def _sorted_rows(xp: Any, name: str, a: Array, axis: Axes) -> tuple[Array, int]:
    """Return the elements along axes in rows, each in ascending order and NaN last, and their number in a row."""
    rows = _rows(xp, name, a, axis)
    return xp.sort(rows, axis=-1), rows.shape[-1]


def _rows(xp: Any, name: str, a: Array, axis: Axes) -> Array:
    """Return the elements along axes in rows."""
    given = range(a.ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    reduced = sorted(axis_number(f"numpy.{name}", i, a.ndim) for i in given)
    if len(set(reduced)) < len(reduced):
        raise ValueError(f"numpy.{name}: expected different axes; got {axis}")
    rest = [i for i in range(a.ndim) if i not in reduced]
    n = math.prod(a.shape[i] for i in reduced)
    return xp.reshape(xp.permute_dims(a, (*rest, *reduced)), (*(a.shape[i] for i in rest), n))


def _placed(xp: Any, y: Array, a: Array, axis: Axes, front: tuple[int, ...], keepdims: bool) -> Array:
    """Return results, which lie in the last axis, in axes in front of those that a reduction of a leaves."""
    kept = kept_shape(a.shape, axis)
    rest = kept if keepdims else tuple(n for i, n in enumerate(a.shape) if i not in axes_of(axis, a.ndim))
    return xp.reshape(xp.moveaxis(y, -1, 0), (*front, *rest))


# --- Orders ---


@numpy_name()
def digitize(xp: Any, x: Any, bins: Any, right: bool = False) -> Array:
    """Return the number of the bin of each element: bins[i - 1] <= x < bins[i], or < and <= with `right`.

    The edges ascend or descend.
    """
    x, bins = as_arrays(xp, (x, bins))
    side, n = "left" if right else "right", bins.shape[0]
    descends = n > 1 and somewhere(xp, bins[-1] < bins[0])
    if descends:
        bins = xp.flip(bins, axis=0)
    if somewhere(xp, bins[1:] < bins[:-1]):
        raise ValueError("numpy.digitize: expected bins that ascend or descend")
    place = searchsorted(xp, bins, x, side)
    return n - place if descends else place


@numpy_name()
def searchsorted(xp: Any, a: Any, v: Any, side: str = "left", sorter: Any = None) -> Array:
    """Return where elements v belong in a row a that ascends, or that ascends in the order of the indices `sorter`."""
    a, v = (xp.stop_gradient(x) for x in as_arrays(xp, (a, v)))
    a = a if sorter is None else xp.take(a, as_array(xp, sorter), axis=0)
    return xp.reshape(xp.searchsorted(a, xp.reshape(v, (-1,)), side=side), v.shape)


@numpy_name()
def lexsort(xp: Any, keys: Any, axis: int = -1) -> Array:
    """Return the indices that sort by the last key, and among equal elements by the one before, along an axis."""
    keys = as_arrays(xp, keys) if isinstance(keys, tuple | list) else xp.unstack(keys)
    order = xp.argsort(keys[0], axis=axis, stable=True)
    for key in keys[1:]:
        again = xp.argsort(xp.take_along_axis(key, order, axis=axis), axis=axis, stable=True)
        order = xp.take_along_axis(order, again, axis=axis)
    return order


@numpy_name()
def partition(xp: Any, a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect") -> Array:
    """Return the elements sorted along an axis, which is more than a partition asks for."""
    a = as_array(xp, a)
    return xp.sort(xp.reshape(a, (-1,)) if axis is None else a, axis=-1 if axis is None else axis)


@numpy_name()
def argpartition(xp: Any, a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect") -> Array:
    """Return the indices that sort the elements along an axis, which is more than a partition asks for."""
    a = as_array(xp, a)
    return xp.argsort(xp.reshape(a, (-1,)) if axis is None else a, axis=-1 if axis is None else axis)


# --- Sets ---


@numpy_name()
def unique(
    xp: Any,
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the different elements in ascending order, or the different slices along an axis, as NumPy does.

    Equal elements share the gradient of the one that stands for them; of slices the first one gets it.
    """
    ar = as_array(xp, ar)
    x = xp.reshape(ar, (-1,)) if axis is None else xp.moveaxis(ar, axis, 0)
    order, differs = _runs(xp, x, equal_nan and axis is None)
    first = xp.nonzero(differs)[0]
    values = xp.take(xp.sort(x) if axis is None else xp.take(x, order, axis=0), first, axis=0)
    results = [values if axis is None else xp.moveaxis(values, 0, axis)]
    if return_index:
        results.append(xp.take(order, first, axis=0))
    if return_inverse:
        run = xp.cumulative_sum(xp.astype(differs, xp.int64)) - 1
        inverse = xp.take(run, xp.argsort(order), axis=0)
        results.append(xp.reshape(inverse, ar.shape) if axis is None else inverse)
    if return_counts:
        ends = xp.concat([first[1:], xp.asarray([x.shape[0]], device=first.device)])
        results.append(ends - first)
    return results[0] if len(results) == 1 else tuple(results)


def _runs(xp: Any, x: Array, equal_nan: bool) -> tuple[Array, Array]:
    """Return the indices that sort the slices of x, and where in that order one differs from the one before."""
    columns = xp.reshape(xp.stop_gradient(x), (x.shape[0], -1))
    order = lexsort(xp, [columns[:, i] for i in range(columns.shape[1])][::-1]) if columns.shape[1] else None
    if order is None:
        order = xp.arange(x.shape[0], device=x.device)
    columns = xp.take(columns, order, axis=0)
    differs = columns[1:, :] != columns[:-1, :]
    if equal_nan:
        differs = xp.logical_and(
            differs, (columns[1:, :] == columns[1:, :]) | (columns[:-1, :] == columns[:-1, :])
        )
    start = xp.ones((min(x.shape[0], 1),), dtype=xp.bool, device=x.device)
    return order, xp.concat([start, xp.any(differs, axis=1)])


class _UniqueCounts(NamedTuple):
    values: Array
    counts: Array


class _UniqueInverse(NamedTuple):
    values: Array
    inverse_indices: Array


class _UniqueAll(NamedTuple):
    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


@numpy_name()
def unique_values(xp: Any, x: Any) -> Array:
    """Return the different elements in ascending order, a NaN each for itself."""
    return unique(xp, x, equal_nan=False)


@numpy_name()
def unique_counts(xp: Any, x: Any) -> _UniqueCounts:
    """Return `unique_values` and how often each occurs."""
    return _UniqueCounts(*unique(xp, x, return_counts=True, equal_nan=False))


@numpy_name()
def unique_inverse(xp: Any, x: Any) -> _UniqueInverse:
    """Return `unique_values` and which of them each element is."""
    return _UniqueInverse(*unique(xp, x, return_inverse=True, equal_nan=False))


@numpy_name()
def unique_all(xp: Any, x: Any) -> _UniqueAll:
    """Return `unique_values`, where each occurs first, which of them each element is, and how often each occurs."""
    return _UniqueAll(*unique(xp, x, True, True, True, equal_nan=False))


@numpy_name()
def union1d(xp: Any, ar1: Any, ar2: Any) -> Array:
    """Return the different elements of two arrays in ascending order."""
    return unique(xp, xp.concat(as_arrays(xp, (ar1, ar2)), axis=None))


@numpy_name()
def intersect1d(xp: Any, ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    """Return the elements that are in both arrays, in ascending order."""
    joined = _joined(xp, ar1, ar2, assume_unique)
    return xp.take(joined, xp.nonzero(joined[1:] == joined[:-1])[0])


@numpy_name()
def setxor1d(xp: Any, ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    """Return the elements that are in one of two arrays alone, in ascending order."""
    joined = _joined(xp, ar1, ar2, assume_unique)
    end = xp.ones((min(joined.shape[0], 1),), dtype=xp.bool, device=joined.device)
    differs = xp.concat([end, joined[1:] != joined[:-1], end])
    return xp.take(joined, xp.nonzero(xp.logical_and(differs[1:], differs[:-1]))[0])


def _joined(xp: Any, ar1: Any, ar2: Any, assume_unique: bool) -> Array:
    parts = [x if assume_unique else unique(xp, x) for x in as_arrays(xp, (ar1, ar2))]
    return xp.sort(xp.concat(parts, axis=None))


@numpy_name()
def setdiff1d(xp: Any, ar1: Any, ar2: Any, assume_unique: bool = False) -> Array:
    """Return the elements of the first array that are not in the second."""
    ar1, ar2 = as_arrays(xp, (ar1, ar2))
    x = xp.reshape(ar1, (-1,)) if assume_unique else unique(xp, ar1)
    return xp.take(x, xp.nonzero(xp.logical_not(xp.isin(x, ar2)))[0])


# --- Counts ---


@numpy_name()
def bincount(xp: Any, x: Any, weights: Any = None, minlength: int = 0) -> Array:
    """Return how often each whole number occurs, or the sums of the weights where it does."""
    x = as_array(xp, x)
    weights = None if weights is None else as_operand(xp, weights, (x,))
    n = max(int(xp.max(x)) + 1 if x.shape[0] else 0, minlength)
    return _binned(xp, x, weights, n)


def _binned(xp: Any, places: Array, weights: Any, n: int) -> Array:
    """Return the sums of weights at places in [0, n), in float64; without weights their counts."""
    if weights is None:
        ones = xp.ones(places.shape, dtype=xp.float64, device=places.device)
        return xp.astype(xp._put(ones, positions=places, size=n), xp.int64)
    return xp._put(xp.astype(weights, xp.float64), positions=places, size=n)


@numpy_name()
def histogram_bin_edges(xp: Any, a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Array:
    """Return the edges of bins: those given, or so many at equal distances, or of a rule that NumPy names."""
    a = xp.reshape(as_array(xp, a), (-1,))
    if isinstance(bins, str):
        bins = np.histogram_bin_edges(np.asarray(xp.stop_gradient(a)), bins, range).shape[0] - 1
    if not isinstance(bins, int | np.integer):
        edges = as_arrays(xp, (a, bins.tolist() if issubclass(type(bins), np.ndarray) else bins))[1]
        if somewhere(xp, edges[1:] < edges[:-1]):
            raise ValueError("numpy.histogram: expected edges that ascend")
        return edges
    first, last = range if range is not None else (xp.min(a), xp.max(a)) if a.shape[0] else (0.0, 1.0)
    first, last = as_arrays(xp, (a, first, last))[1:]
    if somewhere(xp, xp.logical_not(xp.isfinite(last - first))):
        raise ValueError("numpy.histogram: expected finite numbers, or a finite range=")
    gap = xp.astype(first == last, first.dtype) / 2
    edges = xp.linspace(first - gap, last + gap, int(bins) + 1)
    return xp.astype(edges, a.dtype, copy=False) if is_inexact(xp, a) else edges


@numpy_name()
def histogram(
    xp: Any, a: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Array, Array]:
    """Return the counts of elements in bins, or the sums of their weights, and the edges; a density integrates to 1.

    Counts are constants; in the weights and the edges there are slopes.
    """
    a = xp.reshape(as_array(xp, a), (-1,))
    edges = histogram_bin_edges(xp, a, bins, range)
    n = edges.shape[0] - 1
    w = None if weights is None else xp.reshape(as_operand(xp, weights, (a,)), (-1,))
    counts = _binned(xp, _bins_of(xp, a, edges), w, n + 1)[:n]
    counts = counts if w is None else xp.astype(counts, w.dtype, copy=False)
    return (counts / xp.diff(edges) / xp.sum(counts) if density else counts), edges


def _bins_of(xp: Any, x: Array, edges: Array) -> Array:
    """Return the bins of elements, one more than there are for those outside of all; the last one has both edges."""
    n = edges.shape[0] - 1
    place = xp.where(x == edges[-1], n - 1, searchsorted(xp, edges, x, "right") - 1)
    return xp.where(xp.logical_and(place >= 0, place < n), place, n)


@numpy_name()
def histogramdd(
    xp: Any, sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Any = None
) -> tuple[Array, list[Array]]:
    """Return the counts of points, or the sums of their weights, in boxes, and the edges along each axis."""
    columns = as_arrays(xp, sample) if isinstance(sample, list | tuple) else list(xp.unstack(sample, axis=1))
    bins = [bins] * len(columns) if isinstance(bins, int | np.integer) else bins
    ranges = [None] * len(columns) if range is None else range
    if not len(columns) == len(bins) == len(ranges):
        raise ValueError(
            f"numpy.histogramdd: expected bins and a range for each of {len(columns)} coordinates"
        )
    edges = [histogram_bin_edges(xp, x, b, r) for x, b, r in zip(columns, bins, ranges, strict=True)]
    shape, place = [e.shape[0] for e in edges], 0
    for x, e in zip(columns, edges, strict=True):
        place = place * e.shape[0] + _bins_of(xp, x, e)
    w = None if weights is None else as_operand(xp, weights, columns)
    counts = xp.reshape(xp.astype(_binned(xp, place, w, math.prod(shape)), xp.float64), tuple(shape))
    counts = counts[tuple(slice(n - 1) for n in shape)]
    if density:
        total = xp.sum(counts)
        for i, e in enumerate(edges):
            counts = counts / xp.reshape(xp.diff(e), (-1, *(1,) * (len(edges) - 1 - i)))
        counts = counts / total
    return counts, edges


@numpy_name()
def histogram2d(
    xp: Any,
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Any = None,
) -> tuple[Array, Array, Array]:
    """Return `histogramdd` of points (x, y): the counts and the edges along both axes."""
    one = not isinstance(bins, int | np.integer) and len(bins) not in (1, 2)
    counts, edges = histogramdd(xp, [x, y], [bins, bins] if one else bins, range, density, weights)
    return counts, edges[0], edges[1]
