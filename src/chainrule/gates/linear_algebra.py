"""Products, inverses, norms and decompositions of matrices.

Rules without a source of their own are those of Giles, An extended collection of matrix derivative results for forward
and reverse mode algorithmic differentiation, Oxford University report 08/01 (2008). Stacks of matrices broadcast as
elementwise operands do, and the tape sums their gradients back in the same way.
"""

import math
from typing import Any

from chainrule.gates.elementwise import direction, over
from chainrule.gates.helpers import is_transformed, kept_shape, output, total, transposed
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
def cholesky(xp: Any, x: Array, /, *, upper: bool = False) -> Result:
    """X = L L^T: dX = sym(L^-T P L^-1), P the lower half of L^T dL with half of its diagonal.

    Source: Murray, Differentiation of the Cholesky decomposition, 2016.
    """
    y = xp.linalg.cholesky(x, upper=upper)

    def pullback(g: Array) -> Array:
        L, dL = (xp.matrix_transpose(y), xp.matrix_transpose(g)) if upper else (y, g)
        P = xp.tril(xp.matmul(xp.matrix_transpose(L), dL))
        P = P - xp.tril(xp.triu(P)) / 2
        inverse = xp.linalg.inv(L)
        S = xp.matmul(xp.matmul(xp.matrix_transpose(inverse), P), inverse)
        return _symmetric(xp, S)

    return y, (pullback,)


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
        if xp.any(singular):
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


@rule("linalg")
def pinv(xp: Any, x: Array, /, *, rtol: Any = None) -> Result:
    """The pseudo-inverse, where the rank does not change.

    Source: Golub and Pereyra, SIAM Journal on Numerical Analysis 10 (2), 1973.
    """
    P = xp.linalg.pinv(x) if rtol is None else xp.linalg.pinv(x, rtol=rtol)

    def pullback(g: Array) -> Array:
        PT, gT = xp.matrix_transpose(P), xp.matrix_transpose(g)
        first = xp.matmul(xp.matmul(gT, P), PT)
        second = xp.matmul(xp.matmul(PT, P), gT)
        return (
            first
            - xp.matmul(x, xp.matmul(P, first))
            + second
            - xp.matmul(xp.matmul(second, P), x)
            - xp.matmul(xp.matmul(PT, g), PT)
        )

    return P, (pullback,)


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
            count = total(xp, xp.astype(extreme, x.dtype), axis, keepdims=True)
            # No element equals a NaN; all gradients are NaN then, as the norm is.
            count = xp.where(count == 0, math.nan, count)
            chosen = xp.logical_or(extreme, count != count)
            # An element that is not an extreme has no part, so that its second derivative is 0 where it is 0 too.
            return xp.where(chosen, g / count, 0) * output(direction, xp, xp.where(chosen, x, 1))
        return g * xp.pow(output(over, xp, size, length), ord - 1) * xp.sign(x)

    return y, (pullback,)


@rule("linalg", partial=True)
def slogdet(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """Sign and logarithm of |det X|: only the logarithm has a slope, X^-T; of a singular matrix it is NaN."""
    y = xp.linalg.slogdet(x)

    def pullback(g: Any) -> Array:
        if g[1] is None:
            return xp.zeros_like(x)
        singular = y[0] == 0
        inverse = _inverse_where_there_is_one(xp, x, singular)
        slope = xp.where(singular[..., None, None], math.nan, inverse)
        return g[1][..., None, None] * xp.matrix_transpose(slope)

    return y, (pullback,)


@rule("linalg", partial=True)
def eigh(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """X = V diag(w) V^T: dX = V (diag(dw) + F * V^T dV) V^T, F_ij = 1 / (w_j - w_i).

    Vectors of equal eigenvalues can be chosen in many ways and have no slope: a gradient through them is NaN.
    """
    w, V = y = xp.linalg.eigh(x)

    def pullback(g: Any) -> Array:
        dw, dV = g
        T = xp.matrix_transpose(V)
        if dV is None:
            return xp.matmul(xp.multiply(V, dw[..., None, :]), T)
        inner = xp.matmul(T, dV) * _reciprocal_gaps(xp, w)
        if dw is not None:
            inner = xp.add(inner, _diagonal(xp, dw))
        return _symmetric(xp, xp.matmul(xp.matmul(V, inner), T))

    return y, (pullback,)


@rule("linalg")
def eigvalsh(xp: Any, x: Array, /) -> Result:
    """dX = V diag(dw) V^T; a second derivative is NaN where eigenvalues are equal."""

    def pullback(g: Array) -> Array:
        V = xp.linalg.eigh(x)[1]
        return xp.matmul(xp.multiply(V, g[..., None, :]), xp.matrix_transpose(V))

    return xp.linalg.eigvalsh(x), (pullback,)


@rule("linalg")
def qr(xp: Any, x: Array, /, *, mode: str = "reduced") -> tuple[Any, tuple[Any, ...]]:
    """X = Q R, R square: dX = (dQ + Q copyltu(R dR^T - dQ^T Q)) R^-T; copyltu copies the lower triangle up.

    The columns of R beyond the square are Q^T times those of X. Where the first columns of X depend on each other the
    gradient is NaN.
    Source: Roberts and Roberts, QR and LQ decomposition matrix backpropagation algorithms, 2020.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete'; got {mode!r}")
    Q, R = y = xp.linalg.qr(x, mode=mode)
    m, n = x.shape[-2:]
    if mode == "complete" and m > n:
        raise NotImplementedError(
            f"qr: the extra columns of Q that mode='complete' gives a matrix of shape {x.shape} are "
            "arbitrary and have no gradient; use mode='reduced'"
        )

    def pullback(g: Any) -> Array:
        dQ, dR = g
        square, dsquare = R, dR
        if n > m:
            square, dsquare, wide = R[..., :m], dR[..., :m], dR[..., m:]
            dQ = dQ + xp.matmul(x[..., m:], xp.matrix_transpose(wide))
        M = xp.matmul(square, xp.matrix_transpose(dsquare)) - xp.matmul(xp.matrix_transpose(dQ), Q)
        M = xp.tril(M) + xp.matrix_transpose(xp.tril(M, k=-1))
        # Columns that depend on the others leave a pivot of 0, or what rounding made of it.
        pivots = xp.abs(xp.linalg.diagonal(square))
        dependent = xp.any(pivots <= _resolution(xp, pivots), axis=-1)[..., None, None]
        inverse = xp.linalg.inv(xp.where(dependent, math.nan, square))
        dX = xp.matmul(dQ + xp.matmul(Q, M), xp.matrix_transpose(inverse))
        return xp.concat([dX, xp.matmul(Q, wide)], axis=-1) if n > m else dX

    return y, (pullback,)


@rule("linalg", partial=True)
def svd(xp: Any, x: Array, /, *, full_matrices: bool = True) -> tuple[Any, tuple[Any, ...]]:
    """X = U diag(s) V^T: as for eigh, with the gaps of the squared singular values.

    Vectors of equal singular values can be chosen in many ways and have no slope: a gradient through them is NaN.
    A singular value of 0 is at the kink of an absolute value: its slope is 0.
    Source: Townsend, Differentiating the singular value decomposition, 2016.
    """
    U, s, Vh = y = xp.linalg.svd(x, full_matrices=full_matrices)
    m, n = x.shape[-2:]
    if full_matrices and m != n:
        raise NotImplementedError(
            f"svd: the extra vectors that full_matrices=True gives a matrix of shape {x.shape} are arbitrary "
            "and have no gradient; use full_matrices=False"
        )

    def pullback(g: Any) -> Array:
        dU, ds, dVh = g
        row, column = s[..., None, :], s[..., :, None]
        inner = xp.zeros_like(row * column) if ds is None else _diagonal(xp, ds * output(direction, xp, s))
        outside = xp.zeros_like(x)
        if dU is not None or dVh is not None:
            total = row + column
            F = _reciprocal_gaps(xp, s) / xp.where(total == 0, 1, total)
            resolved = xp.where(s <= _resolution(xp, s), math.nan, s)
        if dU is not None:
            of_U = xp.matmul(xp.matrix_transpose(U), dU)
            inner = xp.add(inner, (of_U - xp.matrix_transpose(of_U)) * F * row)
            if m > n:
                outside = xp.matmul((dU - xp.matmul(U, of_U)) / resolved[..., None, :], Vh)
        if dVh is not None:
            of_V = xp.matmul(Vh, xp.matrix_transpose(dVh))
            inner = xp.add(inner, (of_V - xp.matrix_transpose(of_V)) * F * column)
            if n > m:
                rest = dVh - xp.matmul(xp.matrix_transpose(of_V), Vh)
                outside = xp.matmul(U, rest / resolved[..., :, None])
        return xp.add(xp.matmul(xp.matmul(U, inner), Vh), outside)

    return y, (pullback,)


@rule("linalg")
def svdvals(xp: Any, x: Array, /) -> Result:
    """dX = U diag(ds) V^T, with slope 0 where s is 0; a second derivative is NaN where values are equal or 0."""

    def pullback(g: Array) -> Array:
        U, s, Vh = xp.linalg.svd(x, full_matrices=False)
        return xp.matmul(xp.multiply(U, (g * output(direction, xp, s))[..., None, :]), Vh)

    return xp.linalg.svdvals(x), (pullback,)


def _symmetric(xp: Any, X: Array) -> Array:
    return (X + xp.matrix_transpose(X)) / 2


def _eye(xp: Any, v: Array) -> Array:
    return xp.eye(v.shape[-1], dtype=v.dtype, device=v.device)


def _diagonal(xp: Any, v: Array) -> Array:
    return xp.multiply(_eye(xp, v), v[..., None, :])


def _reciprocal_gaps(xp: Any, w: Array) -> Array:
    """Return 1 / (w_j - w_i), 0 on the diagonal, and NaN where the two cannot be told apart."""
    eye = _eye(xp, w)
    gaps = w[..., None, :] - w[..., :, None] + eye
    equal = xp.logical_and(eye == 0, xp.abs(gaps) <= _resolution(xp, w)[..., None])
    return (1 - eye) / xp.where(equal, math.nan, gaps)


def _resolution(xp: Any, w: Array) -> Array:
    """Return the distance (..., 1) within which rounding may have parted equal eigenvalues or singular values w."""
    # The error of a decomposition is some units in the last place of the largest value.
    largest = xp.max(xp.abs(w), axis=-1, keepdims=True) if w.shape[-1] else xp.sum(w, axis=-1, keepdims=True)
    return largest * (4 * math.sqrt(w.shape[-1]) * float(xp.finfo(w.dtype).eps))


def _inverse_where_there_is_one(xp: Any, x: Array, singular: Array) -> Array:
    """Return the inverses of a stack of matrices, and the identity for those that are singular."""
    if xp.any(singular):
        x = xp.where(singular[..., None, None], xp.eye(x.shape[-1], dtype=x.dtype, device=x.device), x)
    return xp.linalg.inv(x)


def _is_nearly_singular(xp: Any, x: Array, inverse: Array) -> Array:
    """Return where the square of the condition number leaves the derivatives of an inverse too few digits."""
    condition = xp.linalg.matrix_norm(x) * xp.linalg.matrix_norm(inverse)
    return condition * math.sqrt(float(xp.finfo(x.dtype).eps)) > 0.01


def _cofactors(xp: Any, x: Array) -> Array:
    """Return the cofactors of square matrices of any rank: det(U V^T) U diag(products of the other s) V^T."""
    if is_transformed(x):
        return _minors(xp, x)
    U, s, Vh = xp.linalg.svd(x, full_matrices=False)
    turn = xp.linalg.det(U) * xp.linalg.det(Vh)
    others = products_of_others(xp, s) * turn[..., None]
    return xp.matmul(xp.multiply(U, others[..., None, :]), Vh)


def _minors(xp: Any, x: Array) -> Array:
    """Return the cofactors of square matrices as determinants: slow, and right at every order."""
    n = x.shape[-1]
    if n == 1:
        return xp.ones_like(x)

    def without(i: int) -> Array:
        return xp.asarray([k for k in range(n) if k != i], device=x.device)

    def cofactor(i: int, j: int) -> Array:
        return (-1) ** (i + j) * xp.linalg.det(xp.take(xp.take(x, without(i), axis=-2), without(j), axis=-1))

    rows = [xp.stack([cofactor(i, j) for j in range(n)], axis=-1) for i in range(n)]
    return xp.stack(rows, axis=-2)
