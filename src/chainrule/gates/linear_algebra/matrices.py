"""Products, inverses, determinants and norms of matrices."""

import math
from typing import Any

from chainrule.gates.elementwise import direction, over
from chainrule.gates.helpers import (
    adjoint,
    conjugate,
    device_of,
    is_complex,
    is_transformed,
    kept_shape,
    output,
    real_product,
    somewhere,
    total,
    transposed,
)
from chainrule.gates.standard import rule
from chainrule.gates.statistical import unit
from chainrule.gates.types import Array, Axes, Result
from chainrule.gates.wide import products_of_others


@rule("main", "linalg")
def matmul(xp: Any, x1: Array, x2: Array, /) -> Result:
    """D = X W: dX = dD W^T, dW = X^T dD; a vector is a row on the left and a column on the right."""
    row, column = x1.ndim == 1, x2.ndim == 1

    def left(g: Array) -> Array:
        if column:
            return (g if row else g[..., None]) * x2
        if row:
            return xp.matmul(x2, g[..., None])[..., 0]
        return xp.matmul(g, transposed(xp, x2))

    def right(g: Array) -> Array:
        if row:
            return g * x1 if column else xp.multiply(x1[:, None], g[..., None, :])
        if column:
            return xp.matmul(transposed(xp, x1), g[..., None])[..., 0]
        return xp.matmul(transposed(xp, x1), g)

    return xp.matmul(x1, x2), (left, right)


@rule("linalg")
def det(xp: Any, x: Array, /) -> Result:
    """d det = det X^-T, the cofactors of X; of a singular matrix they are computed without its inverse."""
    y = xp.linalg.det(x)

    def pullback(g: Array) -> Array:
        singular = xp.logical_or(y == 0, xp.logical_not(xp.isfinite(y)))
        inverse = _inverse_where_there_is_one(xp, x, singular)
        if is_transformed(x):
            singular = xp.logical_or(singular, _is_nearly_singular(xp, x, inverse))
        cofactors = y[..., None, None] * xp.matrix_transpose(inverse)
        if somewhere(xp, singular):
            cofactors = xp.where(singular[..., None, None], _cofactors(xp, x), cofactors)
        return g[..., None, None] * cofactors

    return y, (pullback,)


@rule("linalg")
def inv(xp: Any, x: Array, /) -> Result:
    """Y = X^-1: dX = -Y^T dY Y^T."""
    y = xp.linalg.inv(x)

    def pullback(g: Array) -> Array:
        T = xp.matrix_transpose(y)
        return -xp.matmul(xp.matmul(T, g), T)

    return y, (pullback,)


@rule("linalg", adjoint=True)
def pinv(xp: Any, x: Array, /, *, rtol: Any = None) -> Result:
    """The pseudo-inverse, where the number of singular values that count does not change.

    Source: Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (2), 1973.
    """
    P = xp.linalg.pinv(x) if rtol is None else xp.linalg.pinv(x, rtol=rtol)

    def pullback(g: Array) -> Array:
        if rtol is not None and _leaves_out(xp, x, rtol):
            return _truncated_pullback(xp, x, rtol, g)
        PH, gH = adjoint(xp, P), adjoint(xp, g)
        first = xp.matmul(xp.matmul(gH, P), PH)
        second = xp.matmul(xp.matmul(PH, P), gH)
        return (
            first
            - xp.matmul(x, xp.matmul(P, first))
            + second
            - xp.matmul(xp.matmul(second, P), x)
            - xp.matmul(xp.matmul(PH, g), PH)
        )

    return P, (pullback,)


def _counted(s: Array, rtol: Any) -> Array:
    return s > s[..., :1] * (rtol[..., None] if getattr(rtol, "ndim", 0) else rtol)


def _leaves_out(xp: Any, x: Array, rtol: Any) -> bool:
    """Say whether a singular value that rounding did not make, of any matrix, counts as 0."""
    s = xp.linalg.svdvals(x)
    if not s.shape[-1]:
        return False
    rounding = s[..., :1] * (max(x.shape[-2:]) * float(xp.finfo(x.dtype).eps))
    return somewhere(xp, xp.logical_and(s > rounding, xp.logical_not(_counted(s, rtol))))


def _truncated_pullback(xp: Any, x: Array, rtol: Any, g: Array) -> Array:
    """P^H = U diag(f) V^H, f = 1 / s or 0: dX = U (D+ * sym(E) + D- * skew(E)) V^H + outside, E = U^H g^H V.

    D+ = (f_i - f_j) / (s_i - s_j), D- = (f_i + f_j) / (s_i + s_j); outside are f / s times what U or V leave out.
    Source: Noferini, A formula for the Frechet derivative of a generalized matrix function, 2017.
    """
    U, s, Vh = xp.linalg.svd(x, full_matrices=False)
    kept = _counted(s, rtol)
    f = xp.where(kept, 1 / xp.where(kept, s, 1), 0)
    UH, V, gH = adjoint(xp, U), adjoint(xp, Vh), adjoint(xp, g)
    E = xp.matmul(xp.matmul(UH, gH), V)
    (si, fi, ki), (sj, fj, kj) = (
        [a[..., None] for a in (s, f, kept)],
        [a[..., None, :] for a in (s, f, kept)],
    )
    one = ki != kj
    plus = xp.where(one, (fi - fj) / xp.where(one, si - sj, 1), -fi * fj)
    minus = xp.where(one, (fi + fj) / xp.where(one, si + sj, 1), fi * fj)
    EH = adjoint(xp, E)
    inner = (E + EH) * plus / 2 + (E - EH) * minus / 2
    square = f * f
    left = (xp.matmul(gH, V) - xp.matmul(U, E)) * square[..., None, :]
    right = (xp.matmul(UH, gH) - xp.matmul(E, Vh)) * square[..., :, None]
    return xp.matmul(xp.matmul(U, inner) + left, Vh) + xp.matmul(U, right)


@rule("linalg")
def solve(xp: Any, x1: Array, x2: Array, /) -> Result:
    """A y = b: db = A^-T dy, dA = -db y^T."""
    y = xp.linalg.solve(x1, x2)
    vector = x2.ndim == 1

    def right(g: Array) -> Array:
        T = xp.matrix_transpose(x1)
        return xp.linalg.solve(T, g[..., None])[..., 0] if vector else xp.linalg.solve(T, g)

    def left(g: Array) -> Array:
        db = right(g)
        if vector:
            return xp.multiply(-db[..., :, None], y[..., None, :])
        return -xp.matmul(db, xp.matrix_transpose(y))

    return y, (left, right)


@rule("linalg")
def vector_norm(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Result:
    """(sum |x|^p)^(1/p) and its limits; where the norm is 0, and has no slope, the gradient is 0."""
    y = xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord)
    kept = kept_shape(x.shape, axis)

    def pullback(g: Array) -> Array:
        length, g = xp.reshape(y, kept), xp.reshape(g, kept)
        if ord == 2:
            return g * output(unit, xp, x, axis=axis)
        if ord == 0:
            return g * xp.zeros_like(x)
        if ord == 1:
            return g * output(direction, xp, x)
        size = xp.abs(x)
        if ord in (float("inf"), float("-inf")):
            extreme = size == length
            count = total(xp, xp.astype(extreme, size.dtype), axis, keepdims=True)
            # No element equals a NaN; all gradients are NaN then, as the norm is.
            count = xp.where(count == 0, math.nan, count)
            chosen = xp.logical_or(extreme, count != count)
            # An element that is not an extreme has no part, so that its second derivative is 0 where it is 0 too.
            return xp.where(chosen, g / count, 0) * output(direction, xp, xp.where(chosen, x, 1))
        return g * xp.pow(output(over, xp, size, length), ord - 1) * xp.sign(x)

    return y, (pullback,)


@rule("linalg", partial=True, adjoint=True)
def slogdet(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """Sign u and logarithm of |det X|: (dlog + i Re(du conj(i u))) X^-H; of a singular matrix it is NaN.

    The sign of a real determinant has no slope.
    """
    y = xp.linalg.slogdet(x)

    def pullback(g: Any) -> Array:
        to_sign, to_log = g
        if is_complex(xp, x) and to_sign is not None:
            turn = real_product(xp, to_sign, y[0] * 1j) * xp.asarray(1j, dtype=x.dtype, device=device_of(x))
            to_log = turn if to_log is None else turn + to_log
        if to_log is None:
            return xp.zeros_like(x)
        singular = y[0] == 0
        inverse = _inverse_where_there_is_one(xp, x, singular)
        slope = xp.where(singular[..., None, None], math.nan, inverse)
        return to_log[..., None, None] * adjoint(xp, slope)

    return y, (pullback,)


def _inverse_where_there_is_one(xp: Any, x: Array, singular: Array) -> Array:
    """Return the inverses of a stack of matrices, and the identity for those that are singular."""
    if somewhere(xp, singular):
        x = xp.where(singular[..., None, None], xp.eye(x.shape[-1], dtype=x.dtype, device=device_of(x)), x)
    return xp.linalg.inv(x)


def _is_nearly_singular(xp: Any, x: Array, inverse: Array) -> Array:
    """Return where the square of the condition number leaves the derivatives of an inverse too few digits."""
    condition = xp.linalg.matrix_norm(x) * xp.linalg.matrix_norm(inverse)
    return condition * math.sqrt(float(xp.finfo(x.dtype).eps)) > 0.01


def _cofactors(xp: Any, x: Array) -> Array:
    """Return the cofactors of square matrices of any rank, det(U V^H) times the conjugate of U diag(d) V^H.

    d has the products of the other singular values.
    """
    if is_transformed(x):
        return _minors(xp, x)
    U, s, Vh = xp.linalg.svd(x, full_matrices=False)
    turn = xp.linalg.det(U) * xp.linalg.det(Vh)
    others = products_of_others(xp, s) * turn[..., None]
    return xp.matmul(xp.multiply(conjugate(xp, U), others[..., None, :]), conjugate(xp, Vh))


def _minors(xp: Any, x: Array) -> Array:
    """Return the cofactors of square matrices as determinants: slow, and right at every order."""
    n = x.shape[-1]
    if n == 1:
        return xp.ones_like(x)

    def without(i: int) -> Array:
        return xp.asarray([k for k in range(n) if k != i], device=device_of(x))

    def cofactor(i: int, j: int) -> Array:
        return (-1) ** (i + j) * xp.linalg.det(xp.take(xp.take(x, without(i), axis=-2), without(j), axis=-1))

    rows = [xp.stack([cofactor(i, j) for j in range(n)], axis=-1) for i in range(n)]
    return xp.stack(rows, axis=-2)
