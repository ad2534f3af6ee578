"""Calls of NumPy's functions at random shapes, axes, dtypes and settings: one table, a function a row."""

from collections.abc import Callable
from typing import Any

import numpy as np


class Draw:
    """What a case is drawn from."""

    def __init__(self, seed: Any) -> None:
        self.random = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def shape(self, least: int = 0, most: int = 3, longest: int = 4, shortest: int = 1) -> tuple[int, ...]:
        ndim = int(self.random.integers(least, most + 1))
        return tuple(int(n) for n in self.random.integers(shortest, longest + 1, ndim))

    def array(self, shape: Any = None, *, holes: bool = False) -> np.ndarray:
        x = self.random.uniform(-3, 3, self.shape() if shape is None else shape)
        return np.where(self.random.random(x.shape) < 0.3, np.nan, x) if holes else x

    def axis(self, ndim: int) -> int:
        return int(self.random.integers(-ndim, ndim))

    def axes(self, ndim: int) -> Any:
        if self.one(True, False) or not ndim:
            return None
        if self.one(True, False):
            return self.axis(ndim)
        return tuple(int(a) for a in self.random.permutation(ndim)[: self.random.integers(0, ndim + 1)])

    def mask(self, shape: Any) -> np.ndarray:
        return self.random.random(shape) < 0.6

    def settings(self, **choices: Any) -> dict[str, Any]:
        """Some of the settings given, each with one of its values."""
        return {k: self.one(*v) for k, v in choices.items() if self.one(True, False)}


Case = tuple[Callable[..., Any], list[np.ndarray]]
CASES: dict[str, Callable[[Draw], Case]] = {}


def case(*names: str) -> Any:
    def enter(make: Any) -> Any:
        for name in names:
            CASES[name] = lambda d, name=name: make(d, name)
        return make

    return enter


def of_numpy(name: str) -> Any:
    f: Any = np
    for part in name.split("."):
        f = getattr(f, part)
    return f


# --- Reductions ---


@case("sum", "prod", "nansum", "nanprod")
def _(d: Draw, name: str) -> Case:
    x = d.array(holes="nan" in name)
    settings = d.settings(
        keepdims=(True, False), initial=(2.5,), where=(d.mask(x.shape), True), dtype=("f4", float, np.float64)
    )
    axis = d.axes(x.ndim)
    return lambda x: of_numpy(name)(x, axis, **settings), [x]


@case("mean", "nanmean", "var", "std", "nanvar", "nanstd")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 5, 3), holes="nan" in name)
    settings = d.settings(keepdims=(True, False), dtype=("f4", float))
    if not name.endswith("mean"):
        settings |= d.settings(ddof=(0, 1, 0.5))
    if d.one(True, False):
        mask = d.mask(x.shape)
        mask[:3] = True
        settings["where"] = mask
    axis = d.one(None, 0, tuple(range(x.ndim)))
    if "nan" in name:
        x[:3] = d.random.uniform(-3, 3, x[:3].shape)
    return lambda x: of_numpy(name)(x, axis, **settings), [x]


@case("max", "min", "amax", "amin", "nanmax", "nanmin")
def _(d: Draw, name: str) -> Case:
    x = d.array(holes="nan" in name)
    settings = d.settings(keepdims=(True, False))
    if d.one(True, False) or "nan" in name:
        settings |= {"initial": d.one(0.5, -9.0), "where": d.mask(x.shape)}
    axis = d.axes(x.ndim)
    return lambda x: of_numpy(name)(x, axis, **settings), [x]


@case("any", "all")
def _(d: Draw, name: str) -> Case:
    x = np.round(d.array())
    axis, settings = d.axes(x.ndim), d.settings(keepdims=(True, False), where=(d.mask(x.shape),))
    return lambda x: of_numpy(name)(x, axis, **settings), [x]


@case("ptp", "median")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    axis, settings = d.axes(x.ndim), d.settings(keepdims=(True, False))
    axis = None if axis == () else axis
    return lambda x: of_numpy(name)(x, axis, **settings), [x]


@case("nancumsum", "nancumprod")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1), holes=True)
    axis = d.one(None, d.axis(x.ndim))
    return lambda x: of_numpy(name)(x, axis), [x]


@case("nanargmax", "nanargmin")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1), holes=True)
    x[(0,) * x.ndim] = 1
    return lambda x: of_numpy(name)(x), [x]


@case("nanmedian")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 6), holes=True)
    x[:1] = d.random.uniform(-3, 3, x[:1].shape)
    axis, settings = d.one(0, None, (0, -1)[: x.ndim]), d.settings(keepdims=(True, False))
    return lambda x: np.nanmedian(x, axis, **settings), [x]


METHODS = (
    *("linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf"),
    *("hazen", "weibull", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)


@case("quantile", "percentile", "nanquantile", "nanpercentile")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 6), holes="nan" in name)
    x[:1] = d.random.uniform(-3, 3, x[:1].shape)
    q = d.one(0.3, 0.0, 1.0, 0.5, [0.1, 0.77], np.float64(0.4), np.array([[0.2, 0.9], [0, 1]]))
    q = 0.6 if "nan" in name and np.ndim(q) == 2 else q
    q = np.multiply(q, 100).tolist() if "percentile" in name and not isinstance(q, float) else q
    axis, settings = d.one(0, None, (0, -1)[: x.ndim]), d.settings(keepdims=(True, False), method=METHODS)
    return lambda x: of_numpy(name)(x, q, axis, **settings), [x]


@case("quantile with weights", "nanquantile with weights")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 6), holes="nan" in name)
    x[:1] = d.random.uniform(-3, 3, x[:1].shape)
    axis = d.one(None, -1, tuple(range(x.ndim))[::-1])
    shape = x.shape if axis is None else d.one(x.shape, x.shape[-1:] if axis == -1 else x.shape[::-1])
    # NumPy has nanquantile with weights along a whole array alone, and not along several axes.
    axis, shape = (None, x.shape) if "nan" in name else (axis, shape)
    w, q = d.random.integers(1, 4, shape) * d.one(1, 0.5), d.one(0.3, 0.0, 1.0, [0.1, 0.77])
    f = of_numpy(name.removesuffix(" with weights"))
    return lambda x: f(x, q, axis, weights=w, method="inverted_cdf"), [x]


@case("quantile of followed q")
def _(d: Draw, name: str) -> Case:
    x, q = d.array(d.shape(1, 2, 6)), d.random.uniform(0, 1, d.shape(0, 1))
    method = d.one("linear", "hazen", "weibull", "median_unbiased")
    return lambda x, q: np.quantile(x, q, 0, method=method), [x, q]


@case("average")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    axis, settings = d.axis(x.ndim), d.settings(keepdims=(True, False))
    w = d.random.uniform(0.5, 2, d.one(x.shape, (x.shape[axis],)))
    returned = d.one(True, False)
    return lambda x, w: np.average(x, axis, w, returned, **settings), [x, w]


@case("cov", "corrcoef")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 2, 6, 3))
    others = [d.array(x.shape)] if d.one(True, False) else []
    settings = (
        d.settings(rowvar=(True, False))
        if name == "corrcoef"
        else d.settings(rowvar=(True, False), bias=(True, False), ddof=(0, 1))
    )
    n = x.shape[-1] if settings.get("rowvar", True) or x.ndim == 1 else x.shape[0]
    if name == "cov" and d.one(True, False):
        settings["fweights"] = d.random.integers(1, 4, n)
    if name == "cov" and d.one(True, False):
        settings["aweights"] = d.random.uniform(1, 2, n)
    return lambda *x: of_numpy(name)(*x, **settings), [x, *others]


# --- Places, sets and counts ---


@case("argwhere", "flatnonzero", "unique_values", "unique_counts", "unique_inverse", "unique_all")
def _(d: Draw, name: str) -> Case:
    x = np.round(d.array())
    return lambda x: of_numpy(name)(x), [x]


@case("unique")
def _(d: Draw, name: str) -> Case:
    x = np.round(d.array(d.shape(1)))
    settings = d.settings(
        return_index=(True, False), return_inverse=(True, False), return_counts=(True, False), axis=(0, -1)
    )
    return lambda x: np.unique(x, **settings), [x]


@case("union1d", "intersect1d", "setxor1d", "setdiff1d")
def _(d: Draw, name: str) -> Case:
    return lambda x, y: of_numpy(name)(x, y), [np.round(d.array()), np.round(d.array())]


@case("digitize")
def _(d: Draw, name: str) -> Case:
    bins, right = np.sort(np.round(d.array((4,)), 1)) * d.one(1, -1), d.one(True, False)
    return lambda x: np.digitize(x, bins, right), [np.round(d.array(), 1)]


@case("searchsorted")
def _(d: Draw, name: str) -> Case:
    a, side, order = d.array((4,)), d.one("left", "right"), d.random.permutation(4)
    a[order] = np.sort(a)
    return lambda a, v: np.searchsorted(a, v, side, order), [a, d.array()]


@case("partition", "argpartition")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    axis = d.one(None, d.axis(x.ndim))

    # What lies on either side of the place has no order of its own.
    def f(x: Any) -> Any:
        y = of_numpy(name)(x, 0, axis)
        return y[(..., slice(1))] if axis in (None, -1, x.ndim - 1) else np.swapaxes(y, axis, -1)[..., :1]

    return f, [x]


@case("lexsort")
def _(d: Draw, name: str) -> Case:
    shape = d.shape(1)
    axis = d.axis(len(shape))
    return lambda x, y: np.lexsort((x, y), axis), [np.round(d.array(shape)), np.round(d.array(shape))]


@case("compress", "extract", "trim_zeros")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    mask = d.mask(x.shape)
    return {
        "compress": lambda x: np.compress(mask[(slice(None), *(0,) * (x.ndim - 1))], x, 0),
        "extract": lambda x: np.extract(mask, x),
        "trim_zeros": lambda x: np.trim_zeros(x.ravel()),
    }[name], [np.where(mask, x, 0)]


@case("bincount")
def _(d: Draw, name: str) -> Case:
    x, least = d.random.integers(0, 5, 6), d.one(0, 8)
    return lambda w: np.bincount(x, w, least), [d.array((6,))]


@case("histogram", "histogram_bin_edges")
def _(d: Draw, name: str) -> Case:
    settings = d.settings(bins=(3, np.array([-2.0, 0.0, 0.5, 2.0]), "auto"), range=((-2.0, 2.5),))
    if name == "histogram" and not isinstance(settings.get("bins"), str):
        settings |= d.settings(density=(True, False), weights=(d.random.uniform(1, 2, 7),))
    return lambda x: of_numpy(name)(x, **settings), [d.array((7,))]


@case("histogram2d", "histogramdd")
def _(d: Draw, name: str) -> Case:
    settings = d.settings(bins=(2, [2, np.array([-2.0, 0.0, 2.5])]), density=(True, False))
    if name == "histogramdd":
        return lambda x, w: np.histogramdd(x, weights=w, **settings), [
            d.array((7, 2)),
            d.random.uniform(1, 2, 7),
        ]
    return lambda x, y: np.histogram2d(x, y, **settings), [d.array((7,)), d.array((7,))]


@case("histogram of weights")
def _(d: Draw, name: str) -> Case:
    x, density = d.array((7,)), d.one(True, False)
    return lambda w: np.histogram(x, 3, weights=w, density=density), [d.random.uniform(1, 2, 7)]


# --- Functions of elements, methods of universal functions ---


@case("heaviside", "fmod", "float_power", "divmod")
def _(d: Draw, name: str) -> Case:
    x = d.array()
    y = d.array(d.one(x.shape, (), (2, *x.shape)))
    if name == "float_power":
        return np.float_power, [abs(x) + 0.2, y]
    # A small divisor has jumps everywhere.
    y = y + np.sign(y)
    return of_numpy(name), [x, y]


@case("heaviside with a number", "fmod with a number", "float_power with a number")
def _(d: Draw, name: str) -> Case:
    f, a = of_numpy(name.split(maxsplit=1)[0]), d.one(0.5, 2.0, 2)
    return d.one(lambda x: f(x, a), lambda x: f(a, x)), [abs(d.array()) + 0.2]


@case("ldexp", "real_if_close")
def _(d: Draw, name: str) -> Case:
    n = d.random.integers(-9, 9)
    return (lambda x: np.ldexp(x, n)) if name == "ldexp" else lambda x: np.real_if_close(x * (1 + 1e-18j)), [
        d.array()
    ]


@case("modf", "frexp", "isposinf", "isneginf", "isreal", "iscomplex")
def _(d: Draw, name: str) -> Case:
    x = d.array()
    return of_numpy(name), [np.where(d.mask(x.shape), x, np.inf) if name.startswith("is") else x]


@case("i0", "unwrap", "ediff1d")
def _(d: Draw, name: str) -> Case:
    x, ends = (
        d.array(d.shape(1)) * (3 if name == "unwrap" else 1),
        d.settings(to_end=(1.0, [2.0, 3.0]), to_begin=(5.0,)),
    )
    settings = {"i0": {}, "ediff1d": ends, "unwrap": d.settings(period=(2.0,), axis=(0,), discont=(4.0,))}[
        name
    ]
    return lambda x: of_numpy(name)(x, **settings), [x]


@case("array_equiv", "shapes and questions")
def _(d: Draw, name: str) -> Case:
    return lambda x: np.asarray(np.array_equiv(x, x[None])), [d.array()]


@case("linspace", "logspace", "geomspace")
def _(d: Draw, name: str) -> Case:
    shape = d.shape(0, 2)
    x, y = d.random.uniform(0.5, 2, shape), d.random.uniform(1, 3, d.one(shape, ()))
    settings = d.settings(endpoint=(True, False), axis=(0, -1), num=(4, 7), dtype=("f4",))
    settings |= d.settings(retstep=(True, False)) if name == "linspace" else {}
    settings |= d.settings(base=(2.0, 3)) if name == "logspace" else {}
    return lambda x, y: of_numpy(name)(x, y, **settings), [x, y]


@case("reduce", "accumulate", "reduceat", "outer of")
def _(d: Draw, name: str) -> Case:
    f = of_numpy(d.one("add", "multiply", "maximum", "minimum", "logaddexp", "hypot", "subtract", "fmax"))
    x = d.array(d.shape(1, 3, 3))
    axis = d.axis(x.ndim)
    if name == "outer of":
        return f.outer, [x, d.array()]
    if name == "reduceat":
        places = d.random.integers(0, x.shape[axis], d.one(1, 3))
        return lambda x: f.reduceat(x, places, axis), [x]
    if name == "accumulate":
        return lambda x: f.accumulate(x, axis), [x]
    keepdims = d.one(True, False)
    return lambda x: f.reduce(x, axis, keepdims=keepdims), [x]


@case("apply_along_axis", "apply_over_axes")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    axis = d.axis(x.ndim)
    if name == "apply_over_axes":
        return lambda x: np.apply_over_axes(np.sum, x, [0, axis]), [x]
    g = d.one(lambda v: v @ v, lambda v, a=2.0: v[:1] * a, lambda v: v[:, None] * v)
    return lambda x: np.apply_along_axis(g, axis, x), [x]


@case("take")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1))
    axis, mode = d.one(None, d.axis(x.ndim)), d.one("wrap", "clip")
    places = d.random.integers(-9, 9, d.shape(0, 2))
    return lambda x: np.take(x, places, axis, mode=mode), [x]


@case("piecewise", "choose")
def _(d: Draw, name: str) -> Case:
    x = d.array()
    if name == "choose":
        places, mode = d.random.integers(0, 3, x.shape), d.one("raise", "wrap", "clip")
        return lambda x: np.choose(places, [x, x * 2, 0.5], mode=mode), [x]
    functions = d.one([np.exp, lambda v: v**2], [np.sin, 3.0, np.cos])
    return lambda x: np.piecewise(x, [x < 0, x > 1], functions), [x]


# --- Shapes, places, parts ---


@case("reshape", "ravel", "ravel method", "resize", "rollaxis", "sliding_window_view", "block")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 4, 2))
    order, axis, start = d.one(*"CFAK"), d.axis(x.ndim), int(d.random.integers(-x.ndim, x.ndim + 1))
    x = np.asfortranarray(x) if d.one(True, False) else x
    new = d.one((2, 3), 5, (7, 2))
    views = np.lib.stride_tricks.sliding_window_view
    return {
        "reshape": lambda x: np.reshape(x, (-1, x.shape[axis]), order="C" if order == "K" else order),
        "ravel": lambda x: np.ravel(x, order),
        "ravel method": lambda x: x.ravel(order) if order == "F" else x.flatten("F"),
        "resize": lambda x: np.resize(x, new),
        "rollaxis": lambda x: np.rollaxis(x, axis, start),
        "sliding_window_view": lambda x: views(x, 2, axis) if order in "CF" else views(x, (2,) * x.ndim),
        "block": lambda x: (
            np.block([[x, x], [x, x * 2]])
            if order in "CF"
            else np.block([x, 2.0])
            if x.ndim == 1
            else np.block([x])
        ),
    }[name], [x]


@case("pad")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 2, 4))
    width = d.one(2, (1, 3), [(1, 2), (0, 5)][: x.ndim])
    mode = d.one(
        *(
            "edge",
            "reflect",
            "symmetric",
            "wrap",
            "constant",
            "linear_ramp",
            "maximum",
            "minimum",
            "mean",
            "median",
        )
    )
    settings = {
        **dict.fromkeys(("reflect", "symmetric"), d.settings(reflect_type=("even", "odd"))),
        **dict.fromkeys(("maximum", "minimum", "mean", "median"), d.settings(stat_length=(1, 2, (3, 2)))),
        **{
            "constant": {"constant_values": d.one(2.0, (1.0, 3.0))},
            "linear_ramp": d.settings(end_values=(3.0, (1.0, 2.0))),
        },
    }.get(mode, {})
    return lambda x: np.pad(x, width, mode, **settings), [x]


@case("delete", "insert")
def _(d: Draw, name: str) -> Case:
    x = d.array(d.shape(1, 3, 5, 3))
    axis = d.one(None, d.axis(x.ndim))
    obj = d.one(1, -1, [0, 2], slice(0, 2), np.array([2, 0]))
    if name == "delete":
        return lambda x: np.delete(x, obj, axis), [x]
    shape = [*(x.shape if axis is not None else (x.size,))]
    shape[axis or 0] = 1
    values = d.array(d.one((), tuple(shape)))
    if axis is not None and not isinstance(obj, int):
        return lambda x, v: np.insert(x, obj, v, axis), [x, values]
    return lambda x, v: np.insert(x, obj, v, axis), [x, values if axis is None else d.array(())]


@case(
    "ix_", "tril_indices_from", "triu_indices_from", "diag_indices_from", "ravel_multi_index", "unravel_index"
)
def _(d: Draw, name: str) -> Case:
    x = d.array((3, 3))
    return {
        "ix_": lambda x: x[np.ix_(np.argsort(x[0]), [0, 2])],
        "ravel_multi_index": lambda x: np.ravel_multi_index(
            (np.argmax(x, axis=0), np.argsort(x[0])), x.shape
        ),
        "unravel_index": lambda x: np.unravel_index(np.argmax(x), x.shape, "F"),
    }.get(name, lambda x: x[of_numpy(name)(x)]), [x]


# --- Sampled functions and polynomials ---


@case("interp")
def _(d: Draw, name: str) -> Case:
    n, settings = int(d.random.integers(1, 6)), d.settings(left=(-1.0,), right=(7.0,), period=(2.5, -3.0))
    points = np.cumsum(d.random.uniform(0.2, 1, n)) - 1
    return lambda x, xp, fp: np.interp(x, xp, fp, **settings), [d.array(), points, d.array((n,))]


@case("trapezoid")
def _(d: Draw, name: str) -> Case:
    y = d.array(d.shape(1))
    axis = d.axis(y.ndim)
    x = [d.array(d.one(y.shape, (y.shape[axis],)))] if d.one(True, False) else []
    return lambda y, *x: np.trapezoid(y, *x, axis=axis, **({} if x else {"dx": 0.3})), [y, *x]


@case("gradient")
def _(d: Draw, name: str) -> Case:
    f = d.array(d.shape(1, 2, 5, 3))
    order, axis = d.one(1, 2), d.axis(f.ndim)
    if d.one(True, False):
        h = d.one(*([] if f.ndim == 1 else [[0.4] * f.ndim]), [0.4], [])
        return lambda f: np.gradient(f, *h, edge_order=order), [f]
    x = np.cumsum(d.random.uniform(0.2, 1, f.shape[axis]))
    return lambda f, x: np.gradient(f, x, axis=axis, edge_order=order), [f, x]


@case("convolve", "correlate")
def _(d: Draw, name: str) -> Case:
    mode = d.one("full", "same", "valid")
    a, v = (d.array((int(d.random.integers(1, 7)),)) for _ in range(2))
    return lambda a, v: of_numpy(name)(a, v, mode), [a, v]


@case("polyval", "polyadd", "polysub", "polymul", "polydiv", "polyder", "polyint", "vander", "poly")
def _(d: Draw, name: str) -> Case:
    p, q = (d.array((int(d.random.integers(2, 5)),)) for _ in range(2))
    m, N, k = d.one(0, 1, 2), d.one(None, 0, 1, 4), d.one(None, 2.0, [1.0, 2.0])
    return {
        "polyval": (np.polyval, [p, d.array()]),
        "polyder": (lambda p: np.polyder(p, m), [p]),
        "polyint": (lambda p: np.polyint(p, m, k), [p]),
        "vander": (lambda p: np.vander(p, N, m == 1), [p]),
        "poly": (np.poly, [p]),
    }.get(name, (of_numpy(name), [p, q]))


@case("polyfit")
def _(d: Draw, name: str) -> Case:
    x, deg = np.linspace(-1, 1, 7) + d.random.uniform(-0.1, 0.1, 7), d.one(0, 1, 2)
    settings = d.settings(w=(d.random.uniform(0.5, 2, 7),), cov=(True, "unscaled"))
    return lambda x, y: np.polyfit(x, y, deg, **settings), [x, d.array((7,))]


# --- Linear algebra ---


@case("linalg.lstsq")
def _(d: Draw, name: str) -> Case:
    m, n = d.one((4, 2), (3, 3), (2, 4))
    return lambda a, b: np.linalg.lstsq(a, b), [d.array((m, n)), d.array(d.one((m,), (m, 2)))]


@case("linalg.cond", "linalg.pinv")
def _(d: Draw, name: str) -> Case:
    p = d.one(None, 2, -2, 1, -1, np.inf, "fro")
    x = d.array((2, 3, 3)[d.one(0, 1) :])
    return (lambda x: np.linalg.cond(x, p)) if name.endswith("cond") else lambda x: np.linalg.pinv(x, 1e-3), [
        x
    ]


@case("linalg.pinv of fewer singular values", "linalg.lstsq of fewer singular values")
def _(d: Draw, name: str) -> Case:
    U, V = (np.linalg.qr(d.array((n, n)))[0] for n in (4, 3))
    x = U[:, :3] * [2.0, 1.0, 0.05] @ V
    if "pinv" in name:
        return lambda x: np.linalg.pinv(x, 0.1), [x]
    return lambda x, b: np.linalg.lstsq(x, b, 0.1)[0], [x, d.array((4,))]


@case("linalg.tensorsolve", "linalg.tensorinv")
def _(d: Draw, name: str) -> Case:
    if name.endswith("inv"):
        return lambda a: np.linalg.tensorinv(a, 1), [d.array((4, 2, 2))]
    axes = d.one(None, (0,))
    return lambda a, b: np.linalg.tensorsolve(a, b, axes), [
        d.array((2, 2, 4) if axes is None else (4, 2, 2)),
        d.array((2, 2)),
    ]


@case("linalg.eigh", "linalg.eigvalsh")
def _(d: Draw, name: str) -> Case:
    half = d.one("L", "U")

    def f(x: Any) -> Any:
        x = x + np.matrix_transpose(x)
        return np.linalg.eigvalsh(x, half) if name.endswith("vals") else np.linalg.eigh(x, half)[0]

    return f, [d.array(d.one((3, 3), (2, 2, 2)))]


@case("linalg.qr", "vdot")
def _(d: Draw, name: str) -> Case:
    x = d.array((3, 2))
    return (np.vdot, [x, d.array((2, 3))]) if name == "vdot" else (lambda x: abs(np.linalg.qr(x, "r")), [x])


@case("roots", "angle")
def _(d: Draw, name: str) -> Case:
    if name == "angle":
        return lambda x, y: np.angle(x + 1j * y), [d.array((3,)), d.array((3,))]
    p, zeros = d.array((d.one(3, 4),)), np.zeros(d.one(0, 1, 2))
    return lambda p: abs(np.roots(np.concatenate([zeros, p, zeros[1:]]))), [p]


# --- In place, on an array of the function's own ---


@case("fill_diagonal", "put", "put_along_axis", "place", "putmask", "copyto")
def _(d: Draw, name: str) -> Case:
    x, v = d.array((3, 4)), d.array((4,))
    mask, places = d.mask((3, 4)), d.random.permutation(12)[:5]
    wrap, mode, axis = d.one(True, False), d.one("raise", "wrap", "clip"), d.one(0, 1)
    rows = d.random.integers(0, 3, (1, 4)) if axis == 0 else d.random.integers(0, 4, (3, 1))

    def f(x: Any, v: Any) -> Any:
        y = x * 2
        {
            "fill_diagonal": lambda: np.fill_diagonal(y, v[:3], wrap),
            "put": lambda: np.put(y, places, v, mode),
            "put_along_axis": lambda: np.put_along_axis(
                y, rows, v[None, :] if axis == 0 else v[:3, None], axis
            ),
            "place": lambda: np.place(y, mask, v),
            "putmask": lambda: np.putmask(y, mask, v),
            "copyto": lambda: np.copyto(y, v, where=mask),
        }[name]()
        return y

    return f, [x, v]


# --- Complex numbers ---

OF_COMPLEX: dict[str, Callable[..., Any]] = {
    "sum": lambda z: np.sum(z, axis=0, where=[True, False, True, True], initial=1 + 2j),
    "prod": lambda z: np.prod(z, where=[True, False, True, True]),
    "mean": np.mean,
    "var": lambda z: np.var(z, where=[True, False, True, True]),
    "std": lambda z: np.std(z, mean=z[:1]),
    "nansum": np.nansum,
    "nanvar": np.nanvar,
    "average": lambda z: np.average(z, weights=z * 2),
    "cov": lambda z: np.cov(z, z[::-1] * 1j),
    "corrcoef": lambda z: np.corrcoef(z, z[::-1] ** 2),
    "convolve": lambda z: np.convolve(z, z[:2]),
    "correlate": lambda z: np.correlate(z, z[:2], "full"),
    "vdot": lambda z: np.vdot(z, z[::-1]),
    "interp": lambda z: np.interp([0.5, 1.2, 7.0], [0.0, 1.0, 2.0, 3.0], z),
    "trapezoid": lambda z: np.trapezoid(z**2),
    "gradient": lambda z: np.gradient(z, edge_order=2),
    "polyval": lambda z: np.polyval(z, z),
    "pad": lambda z: np.pad(z, 3, "reflect", reflect_type="odd"),
    "accumulate": lambda z: np.multiply.accumulate(z),
    "lstsq": lambda z: np.linalg.lstsq(np.reshape(z, (2, 2)) + np.eye(2), z[:2])[0],
    "cond": lambda z: np.linalg.cond(np.reshape(z, (2, 2)) + np.eye(2)),
    "eigh": lambda z: np.linalg.eigh(np.reshape(z, (2, 2)) + np.conj(np.reshape(z, (2, 2)).T), "U")[0],
    "float_power": lambda z: np.float_power(z, 2.5),
    "geomspace": lambda z: np.geomspace(z, z[::-1] * 2, 5),
    "isreal": np.isreal,
}


@case(*(f"{name} of complex numbers" for name in OF_COMPLEX))
def _(d: Draw, name: str) -> Case:
    f = OF_COMPLEX[name.split(maxsplit=1)[0]]
    return lambda x, y: f(x + 1j * y), [d.array((4,)), d.array((4,))]
