"""NumPy's functions of sampled functions: interpolation, integrals, differences and convolutions.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import math
from typing import Any

from chainrule.gates.helpers import axis_number, device_of, output, top_of
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Result
from chainrule.numpy_names.coercion import as_array, as_arrays, as_operand, in_double
from chainrule.numpy_names.functions.shapes import atleast
from chainrule.numpy_names.names import numpy_name


@numpy_name()
def interp(
    space: Any, x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Array:
    """Return straight lines between the points (xp, fp) at x, in float64; xp ascends.

    The slope at a point is that on its right, at the last point that on its left; beyond the ends, where the result is
    `left` and `right`, it is 0.
    """
    x, xp, fp = (in_double(space, part) for part in as_arrays(space, (x, xp, fp)))
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(
            f"numpy.interp: expected points xp and fp in rows of one length; got {xp.shape} and {fp.shape}"
        )
    if period is not None:
        period, left, right = abs(period), None, None
        x, xp = x % period, xp % period
        order = space.argsort(xp)
        xp, fp = space.take(xp, order, axis=0), space.take(fp, order, axis=0)
        xp = space.concat([xp[-1:] - period, xp, xp[:1] + period])
        fp = space.concat([fp[-1:], fp, fp[:1]])
    elif xp.shape[0] == 1:
        xp, fp = space.concat([xp, xp]), space.concat([fp, fp])
    at = space.searchsorted(
        space.stop_gradient(xp), space.reshape(space.stop_gradient(x), (-1,)), side="right"
    )
    i = space.clip(space.reshape(at, (-1,)) - 1, 0, xp.shape[0] - 2)
    x0, x1, y0, y1 = (
        space.reshape(space.take(part, j, axis=0), x.shape) for part in (xp, fp) for j in (i, i + 1)
    )
    gap = x1 - x0
    slope = (y1 - y0) / space.where(gap == 0, 1.0, gap)
    y = space.where(x == x1, y1 + slope * (x - x1), y0 + slope * (x - x0))
    y = space.where(x < xp[0], fp[0] if left is None else left, y)
    return space.where(x > xp[-1], fp[-1] if right is None else right, y)


@numpy_name()
def trapezoid(xp: Any, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Return integrals along an axis by the trapezoidal rule, with sample points x or their distance dx."""
    y = as_array(xp, y)
    along = axis_number("numpy.trapezoid", axis, y.ndim)
    if x is not None:
        x = as_operand(xp, x, (y,))
        dx = xp.diff(x, axis=0 if x.ndim == 1 else along)
        if dx.ndim == 1:
            dx = xp.reshape(dx, tuple(-1 if i == along else 1 for i in range(y.ndim)))
    later, earlier = _part(y, along, 1, None), _part(y, along, None, -1)
    return xp.sum(dx * (later + earlier) / 2.0, axis=along)


def _part(x: Array, along: int, start: Any, stop: Any) -> Array:
    return x[(*(slice(None),) * along, slice(start, stop), ...)]


@numpy_name()
def gradient(xp: Any, f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Return the derivatives of sampled values along each axis, or along some, by differences as NumPy's.

    `varargs` are the distances of the samples, or their coordinates: one for all axes, or one for each.
    """
    f = as_array(xp, f)
    axes = range(f.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = [axis_number("numpy.gradient", a, f.ndim) for a in axes]
    spacings = varargs or (1.0,)
    if len(spacings) == 1 and not getattr(as_operand(xp, spacings[0], (f,)), "ndim", 0):
        spacings = spacings * len(axes)
    if len(spacings) != len(axes) or edge_order not in (1, 2):
        raise TypeError(
            f"numpy.gradient: expected one distance for all axes or one for each of {len(axes)}, and an edge_order of "
            f"1 or 2; got {len(varargs)} distances and {edge_order}"
        )
    results = [_derivative(xp, f, h, a, edge_order) for a, h in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _derivative(xp: Any, f: Array, spacing: Any, along: int, order: int) -> Array:
    """Return the derivative along an axis: weighted sums of each element and its neighbours."""
    n = f.shape[along]
    if n < order + 1:
        raise ValueError(f"numpy.gradient: expected {order + 1} elements or more along axis {along}; got {n}")
    h = as_operand(xp, spacing, (f,))
    uniform = not getattr(h, "ndim", 0)
    if not uniform:
        h = xp.reshape(xp.diff(h), tuple(-1 if i == along else 1 for i in range(f.ndim)))

    def at(i: int) -> Array:
        return _part(f, along, i, i + 1 or None)

    def distance(i: int) -> Any:
        return h if uniform else _part(h, along, i, i + 1 or None)

    if uniform:
        inner = (_part(f, along, 2, None) - _part(f, along, None, -2)) / (2.0 * h)
    else:
        a, b = _part(h, along, None, -1), _part(h, along, 1, None)
        inner = (
            -b / (a * (a + b)) * _part(f, along, None, -2)
            + (b - a) / (a * b) * _part(f, along, 1, -1)
            + a / (b * (a + b)) * _part(f, along, 2, None)
        )
    if order == 1:
        ends = (at(1) - at(0)) / distance(0), (at(-1) - at(-2)) / distance(-1)
    else:
        ends = tuple(
            _three_points(at(i), at(i + s), at(i + 2 * s), distance(j), distance(j + s), s)
            for i, j, s in ((0, 0, 1), (-1, -1, -1))
        )
    return xp.concat([ends[0], inner, ends[1]], axis=along)


def _three_points(f0: Array, f1: Array, f2: Array, a: Any, b: Any, sign: int) -> Array:
    """Return the derivative at the end of three points at distances a and b."""
    slope = -(2.0 * a + b) / (a * (a + b)) * f0 + (a + b) / (a * b) * f1 - a / (b * (a + b)) * f2
    return slope if sign > 0 else -slope


@numpy_name()
def ediff1d(xp: Any, ary: Any, to_end: Any = None, to_begin: Any = None) -> Array:
    """Return the differences of neighbours among all elements in a row, between numbers at both ends."""
    x = xp.reshape(as_array(xp, ary), (-1,))
    ends = [
        None if part is None else xp.reshape(xp.astype(as_operand(xp, [part], (x,)), x.dtype), (-1,))
        for part in (to_begin, to_end)
    ]
    return xp.concat([part for part in (ends[0], x[1:] - x[:-1], ends[1]) if part is not None])


@numpy_name()
def unwrap(xp: Any, p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * math.pi) -> Array:
    """Return angles along an axis less the whole periods that part neighbours; their slopes are 1."""
    p = as_array(xp, p)
    along, steps = axis_number("numpy.unwrap", axis, p.ndim), xp.stop_gradient(xp.diff(p, axis=axis))
    half = period / 2
    folded = (steps + half) % period - half
    folded = xp.where(xp.logical_and(folded == -half, steps > 0), half, folded)
    turns = xp.where(xp.abs(steps) < (half if discont is None else discont), 0, folded - steps)
    later = _part(p, along, 1, None) + xp.cumulative_sum(turns, axis=along)
    return xp.concat([_part(p, along, None, 1), later], axis=along)


# --- Convolutions ---


@rule("internal")
def convolve_vectors(xp: Any, a: Array, v: Array, /) -> Result:
    """y_k = sum_i a_i v_(k - i): each gets the gradient correlated with the other."""
    n, m, top = a.shape[0], v.shape[0], top_of((a, v))
    if top is not None and top.space is not xp:
        y = output(convolve_vectors, xp, a, v)
    elif hasattr(xp, "convolve"):
        y = xp.convolve(a, v)
    else:
        gap = xp.zeros((m - 1,), dtype=a.dtype, device=device_of(a))
        row, y = xp.concat([gap, a, gap]), 0
        for j in range(m):
            y = v[j, ...] * row[m - 1 - j : 2 * m - 2 - j + n] + y

    def correlated(g: Array, other: Array, length: int) -> Array:
        start = other.shape[0] - 1
        return output(convolve_vectors, xp, g, xp.flip(other))[start : start + length]

    return y, (lambda g: correlated(g, v, n), lambda g: correlated(g, a, m))


@numpy_name()
def convolve(xp: Any, a: Any, v: Any, mode: str = "full") -> Array:
    """Return the convolution of two vectors: all of it, the middle (same), or where they overlap fully (valid)."""
    a, v = (atleast(xp, x, 1) for x in as_arrays(xp, (a, v)))
    a, v = (v, a) if v.shape[0] > a.shape[0] else (a, v)
    return _convolved(xp, "convolve", a, v, mode)


@numpy_name()
def correlate(xp: Any, a: Any, v: Any, mode: str = "valid") -> Array:
    """Return the correlation of two vectors, sum_i a_(k + i) conj(v_i), in the modes of `convolve`."""
    a, v = (atleast(xp, x, 1) for x in as_arrays(xp, (a, v)))
    v = xp.conj(v) if xp.isdtype(v.dtype, "complex floating") else v
    return _convolved(xp, "correlate", a, xp.flip(v), mode)


def _convolved(xp: Any, name: str, a: Array, v: Array, mode: str) -> Array:
    n, m = a.shape[0], v.shape[0]
    if mode not in ("full", "same", "valid") or a.ndim != 1 or v.ndim != 1 or not n or not m:
        raise ValueError(
            f"numpy.{name}: expected two vectors, and mode= full, same or valid; got shapes {a.shape} and {v.shape}, "
            f"and {mode!r}"
        )
    dtype = xp.result_type(a, v)
    y, short = (
        xp._convolve_vectors(xp.astype(a, dtype, copy=False), xp.astype(v, dtype, copy=False)),
        min(n, m) - 1,
    )
    if mode == "full":
        return y
    if mode == "valid":
        return y[short : short + abs(n - m) + 1]
    start = short // 2 if n >= m else short - short // 2
    return y[start : start + max(n, m)]
