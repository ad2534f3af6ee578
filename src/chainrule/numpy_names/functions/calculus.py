"""NumPy's functions of sampled functions: interpolation, integrals, differences, convolutions and polynomials.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

import math
from typing import Any

from chainrule.gates.helpers import axis_number, output, somewhere, top_of
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Result
from chainrule.numpy_names.coercion import as_array, as_arrays, as_operand, integers, is_array, is_inexact
from chainrule.numpy_names.functions.linear_algebra import lstsq
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
    x, xp, fp = (_in_double(space, part) for part in as_arrays(space, (x, xp, fp)))
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
        gap = xp.zeros((m - 1,), dtype=a.dtype, device=a.device)
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


# --- Polynomials, from the highest power down ---


@numpy_name()
def polyval(xp: Any, p: Any, x: Any) -> Array:
    """Return the values of a polynomial at x, by Horner's rule."""
    p, x = as_array(xp, p), as_operand(xp, x, (p,))
    y = xp.zeros_like(x) if is_array(x) else 0.0
    for i in range(p.shape[0]):
        y = y * x + p[i, ...]
    return y


@numpy_name()
def vander(xp: Any, x: Any, N: int | None = None, increasing: bool = False) -> Array:
    """Return the matrix whose columns are the powers of x: N of them, the highest first."""
    x = _in_double(xp, as_array(xp, x))
    powers = [xp.ones_like(x)]
    for _ in range((x.shape[0] if N is None else N) - 1):
        powers.append(x if len(powers) == 1 else powers[-1] * x)
    powers = powers[: x.shape[0] if N is None else N]
    if not powers:
        return xp.reshape(x[:0], (x.shape[0], 0))
    return xp.stack(powers if increasing else powers[::-1], axis=-1)


@numpy_name()
def polyfit(
    xp: Any, x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """Return the coefficients of the polynomial of degree `deg` that fits points best, by least squares.

    With `full` also what `linalg.lstsq` finds, with `cov` the covariances of the coefficients.
    """
    x, y, deg = as_array(xp, x), as_array(xp, y), int(integers(deg))
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0] or not x.shape[0] or deg < 0:
        raise TypeError(
            f"numpy.polyfit: expected x of n numbers, y of n or of n rows, and a degree from 0 up; got shapes "
            f"{x.shape} and {y.shape}, and {deg}"
        )
    x, y = (part if is_inexact(xp, part) else xp.astype(part, xp.float64) for part in (x, y))
    rcond = x.shape[0] * float(xp.finfo(x.dtype).eps) if rcond is None else rcond
    A, b = vander(xp, x, deg + 1), y
    if w is not None:
        w = as_operand(xp, w, (x, y))
        A, b = A * w[:, None], b * (w[:, None] if b.ndim == 2 else w)
    scale = xp.sqrt(xp.sum(A * A, axis=0))
    A = A / scale
    c, residuals, rank, s = lstsq(xp, A, b, rcond)
    c = c / (scale[:, None] if c.ndim == 2 else scale)
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    C = xp.linalg.inv(xp.matmul(xp.matrix_transpose(A), A)) / (scale[:, None] * scale[None, :])
    if cov != "unscaled":
        factor = residuals / (x.shape[0] - deg - 1)
        C = C[:, :, None] * factor if y.ndim == 2 else C * factor
    elif y.ndim == 2:
        C = C[:, :, None]
    return c, C


@numpy_name()
def poly(xp: Any, seq_of_zeros: Any) -> Any:
    """Return the coefficients of the polynomial with these zeros, or of the characteristic one of a matrix."""
    zeros = atleast(xp, as_array(xp, seq_of_zeros), 1)
    if zeros.ndim == 2:
        zeros = xp.linalg.eigvals(zeros)
    zeros = zeros if is_inexact(xp, zeros) else xp.astype(zeros, xp.float64)
    c = one = xp.ones((1,), dtype=zeros.dtype, device=zeros.device)
    for i in range(zeros.shape[0]):
        c = convolve(xp, c, xp.concat([one, -zeros[i : i + 1]]))
    if not xp.isdtype(c.dtype, "complex floating"):
        return c
    # Zeros in conjugate pairs are those of a real polynomial.
    parts = (xp.real(zeros), xp.imag(zeros))
    pairs = zip(
        *(
            zip(*sorted(zip(*(part.tolist() for part in map(xp.stop_gradient, p)), strict=True)), strict=True)
            for p in (parts, (parts[0], -parts[1]))
        ),
        strict=True,
    )
    return xp.real(c) if all(a == b for a, b in pairs) else c


@numpy_name()
def roots(xp: Any, p: Any) -> Array:
    """Return the zeros of a polynomial: the eigenvalues of its companion matrix."""
    p = atleast(xp, as_array(xp, p), 1)
    p = p if is_inexact(xp, p) else xp.astype(p, xp.float64)
    places = xp.nonzero(xp.stop_gradient(p))[0]
    if not places.shape[0]:
        return p[:0]
    first, last = int(places[0]), int(places[-1])
    at_zero, p = p.shape[0] - last - 1, p[first : last + 1]
    n = p.shape[0] - 1
    found = p[:0]
    if n:
        below = xp.eye(n, dtype=p.dtype, device=p.device)[: n - 1, :]
        found = xp.linalg.eigvals(xp.concat([(-p[1:] / p[0])[None, :], below]))
    return xp.concat([found, xp.zeros((at_zero,), dtype=found.dtype, device=found.device)])


@numpy_name()
def polyadd(xp: Any, a1: Any, a2: Any) -> Array:
    """Return the coefficients of the sum of two polynomials."""
    a1, a2 = _of_one_length(xp, a1, a2)
    return a1 + a2


@numpy_name()
def polysub(xp: Any, a1: Any, a2: Any) -> Array:
    """Return the coefficients of the difference of two polynomials."""
    a1, a2 = _of_one_length(xp, a1, a2)
    return a1 - a2


def _of_one_length(xp: Any, a1: Any, a2: Any) -> list[Array]:
    both = [atleast(xp, x, 1) for x in as_arrays(xp, (a1, a2))]
    n = max(x.shape[0] for x in both)
    return [xp.concat([xp.zeros((n - x.shape[0],), dtype=x.dtype, device=x.device), x]) for x in both]


@numpy_name()
def polymul(xp: Any, a1: Any, a2: Any) -> Array:
    """Return the coefficients of the product of two polynomials, without zeros in front of the factors."""
    factors = []
    for x in as_arrays(xp, (a1, a2)):
        x = atleast(xp, x, 1)
        if somewhere(xp, x[:1] == 0):
            places = xp.nonzero(xp.stop_gradient(x))[0]
            x = x[int(places[0]) if places.shape[0] else -1 :]
        factors.append(x)
    return convolve(xp, *factors)


@numpy_name()
def polydiv(xp: Any, u: Any, v: Any) -> tuple[Array, Array]:
    """Return the coefficients of the quotient and of the remainder of two polynomials."""
    u, v = (atleast(xp, x, 1) * 1.0 for x in as_arrays(xp, (u, v)))
    steps = u.shape[0] - v.shape[0] + 1
    if steps < 1:
        return xp.zeros((1,), dtype=xp.result_type(u, v), device=u.device), u
    quotient, scale, r = [], 1.0 / v[0], u
    for k in range(steps):
        quotient.append(scale * r[k])
        gone = quotient[-1] * v
        n = gone.shape[0]
        r = xp.concat([r[:k], r[k : k + n] - gone, r[k + n :]])
    while r.shape[0] > 1 and not somewhere(xp, xp.abs(xp.stop_gradient(r[0])) > 1e-8):
        r = r[1:]
    return xp.stack(quotient), r


@numpy_name()
def polyder(xp: Any, p: Any, m: int = 1) -> Array:
    """Return the coefficients of the m-th derivative of a polynomial."""
    p = as_array(xp, p)
    for _ in range(_times("polyder", m)):
        p = _in_double(xp, p)
        p = p[:-1] * xp.arange(p.shape[0] - 1, 0, -1, dtype=p.dtype, device=p.device)
    return p


@numpy_name()
def polyint(xp: Any, p: Any, m: int = 1, k: Any = None) -> Array:
    """Return the coefficients of the m-th integral of a polynomial, with integration constants k."""
    p, m = as_array(xp, p), _times("polyint", m)
    k = atleast(
        xp,
        as_operand(
            xp,
            [0.0] if k is None else [k] if not is_array(k) and not isinstance(k, list | tuple) else k,
            (p,),
        ),
        1,
    )
    for i in range(m):
        p = _in_double(xp, p)
        divided = p / xp.arange(p.shape[0], 0, -1, dtype=p.dtype, device=p.device)
        p = xp.concat([divided, k[:1] if k.shape[0] == 1 else k[i : i + 1]])
    return p


def _in_double(xp: Any, x: Array) -> Array:
    """Return x in float64 or complex128, as beside NumPy's whole numbers."""
    return xp.astype(x, xp.result_type(x, xp.float64), copy=False)


def _times(name: str, m: Any) -> int:
    times = int(m)
    if times < 0:
        raise ValueError(f"numpy.{name}: expected an order m from 0 up; got {m}")
    return times
