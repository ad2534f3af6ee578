"""NumPy's functions of polynomials, whose coefficients go from the highest power down.

Each takes the namespace, then NumPy's arguments; the arrays may be of any library.
"""

from typing import Any

from chainrule.gates.helpers import output, somewhere, top_of, wider
from chainrule.gates.types import Array, Result
from chainrule.numpy_names.coercion import (
    as_array,
    as_arrays,
    as_operand,
    in_double,
    integers,
    is_array,
    is_inexact,
)
from chainrule.numpy_names.functions.calculus import convolve
from chainrule.numpy_names.functions.linear_algebra import lstsq
from chainrule.numpy_names.functions.shapes import atleast
from chainrule.numpy_names.names import numpy_name


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
    x = in_double(xp, as_array(xp, x))
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
    if not is_inexact(xp, zeros) or wider(xp, zeros.dtype)[0] == 16:
        zeros = xp.astype(zeros, xp.float64)
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
    return xp._record(_zeros, (p if is_inexact(xp, p) else xp.astype(p, xp.float64),), {})


def _zeros(xp: Any, p: Array, /) -> Result:
    """p(z) = 0: dp_j = -sum_i g_i z_i^(n - j) / p'(z_i), for coefficients that are 0 too."""
    top, n = top_of((p,)), p.shape[0] - 1
    z = _eigenvalues(xp, p) if top is None or top.space is xp else output(_zeros, xp, p)

    def pullback(g: Array) -> Array:
        slopes = polyval(xp, polyder(xp, p), z)
        return xp.matmul(-g / slopes, vander(xp, z, n + 1))

    return z, (pullback,)


def _eigenvalues(xp: Any, p: Array) -> Array:
    """Return the zeros of a polynomial of which coefficients at both ends may be 0."""
    at_zero = 0
    if somewhere(xp, xp.logical_or(p[:1] == 0, p[-1:] == 0)):
        places = xp.nonzero(p)[0]
        if not places.shape[0]:
            return p[:0]
        first, last = int(places[0]), int(places[-1])
        at_zero, p = p.shape[0] - last - 1, p[first : last + 1]
    n, found = p.shape[0] - 1, p[:0]
    if n:
        below = xp.eye(n, dtype=p.dtype, device=p.device)[: n - 1, :]
        found = xp.linalg.eigvals(xp.concat([(-p[1:] / p[0, ...])[None, :], below]))
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
    """Return the coefficients of the product of two polynomials, less those of the zeros in front of the factors."""
    factors, away = [atleast(xp, x, 1) for x in as_arrays(xp, (a1, a2))], 0
    for x in factors:
        if somewhere(xp, x[:1] == 0):
            places = xp.nonzero(xp.stop_gradient(x))[0]
            away += int(places[0]) if places.shape[0] else x.shape[0] - 1
    return convolve(xp, *factors)[away:]


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
        p = in_double(xp, p)
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
        p = in_double(xp, p)
        divided = p / xp.arange(p.shape[0], 0, -1, dtype=p.dtype, device=p.device)
        p = xp.concat([divided, k[:1] if k.shape[0] == 1 else k[i : i + 1]])
    return p


def _times(name: str, m: Any) -> int:
    times = int(m)
    if times < 0:
        raise ValueError(f"numpy.{name}: expected an order m from 0 up; got {m}")
    return times
