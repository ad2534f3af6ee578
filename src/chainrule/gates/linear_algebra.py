"""Products, inverses, norms and decompositions of matrices.

Rules without a source of their own are those of Giles, An extended collection of matrix derivative results for forward
and reverse mode algorithmic differentiation, Oxford University report 08/01 (2008). Stacks of matrices broadcast as
elementwise operands do, and the tape sums their gradients back in the same way.
"""

from typing import Any

from chainrule.gates.helpers import kept_shape, nonzero, product, transposed
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Axes, Result


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
    """d det = det X^-T; a singular matrix has no inverse and raises."""
    y = xp.linalg.det(x)
    return y, (lambda g: (g * y)[..., None, None] * xp.matrix_transpose(xp.linalg.inv(x)),)


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
            return g / nonzero(xp, length) * x
        size = xp.abs(x)
        if ord == 1:
            return g * xp.sign(x)
        if ord in (float("inf"), float("-inf")):
            extreme = size == length
            count = xp.maximum(xp.sum(xp.astype(extreme, x.dtype), axis=axis, keepdims=True), 1)
            return xp.where(extreme, g / count, 0) * xp.sign(x)
        if ord == 0:
            return g * xp.zeros_like(x)
        masked = xp.logical_or(length == 0, (size == 0) if ord > 1 else xp.logical_and(size == 0, g == 0))
        ratio = xp.where(masked, 1, size) / xp.where(masked, 1, length)
        return product(xp, g, xp.where(masked, 0, xp.pow(ratio, ord - 1))) * xp.sign(x)

    return y, (pullback,)


@rule("linalg")
def slogdet(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """Sign and logarithm of |det X|: only the logarithm has a slope, X^-T."""
    y = xp.linalg.slogdet(x)
    return y, (lambda g: g[1][..., None, None] * xp.matrix_transpose(xp.linalg.inv(x)),)


@rule("linalg")
def eigh(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """X = V diag(w) V^T: dX = V (diag(dw) + F * V^T dV) V^T, F_ij = 1 / (w_j - w_i).

    Vectors of equal eigenvalues can be chosen in many ways: no gradient flows between them, and a second derivative
    lacks their part there.
    """
    w, V = y = xp.linalg.eigh(x)

    def pullback(g: Any) -> Array:
        dw, dV = g
        T = xp.matrix_transpose(V)
        inner = _diagonal(xp, dw) + xp.matmul(T, dV) * _reciprocal_gaps(xp, w)
        return _symmetric(xp, xp.matmul(xp.matmul(V, inner), T))

    return y, (pullback,)


@rule("linalg")
def eigvalsh(xp: Any, x: Array, /) -> Result:
    """dX = V diag(dw) V^T; second derivatives need distinct eigenvalues."""

    def pullback(g: Array) -> Array:
        V = xp.linalg.eigh(x)[1]
        return xp.matmul(xp.multiply(V, g[..., None, :]), xp.matrix_transpose(V))

    return xp.linalg.eigvalsh(x), (pullback,)


@rule("linalg")
def qr(xp: Any, x: Array, /, *, mode: str = "reduced") -> tuple[Any, tuple[Any, ...]]:
    """X = Q R, R square: dX = (dQ + Q copyltu(R dR^T - dQ^T Q)) R^-T; copyltu copies the lower triangle up.

    The columns of R beyond the square are Q^T times those of X.
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
        dX = xp.matmul(dQ + xp.matmul(Q, M), xp.matrix_transpose(xp.linalg.inv(square)))
        return xp.concat([dX, xp.matmul(Q, wide)], axis=-1) if n > m else dX

    return y, (pullback,)


@rule("linalg")
def svd(xp: Any, x: Array, /, *, full_matrices: bool = True) -> tuple[Any, tuple[Any, ...]]:
    """X = U diag(s) V^T: as for eigh, with the gaps of the squared singular values.

    Source: Townsend, Differentiating the singular value decomposition, 2016.
    Vectors of equal singular values can be chosen in many ways: no gradient flows between them, and a second derivative
    lacks their part there.
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
        dV, UT = xp.matrix_transpose(dVh), xp.matrix_transpose(U)
        F = _reciprocal_gaps(xp, s * s)
        row, column = s[..., None, :], s[..., :, None]
        of_U, of_V = xp.matmul(UT, dU), xp.matmul(Vh, dV)
        inner = (of_U - xp.matrix_transpose(of_U)) * F * row + (of_V - xp.matrix_transpose(of_V)) * F * column
        dX = xp.matmul(xp.matmul(U, _diagonal(xp, ds) + inner), Vh)
        if m > n:
            dX = dX + xp.matmul((dU - xp.matmul(U, of_U)) / row, Vh)
        if n > m:
            dX = dX + xp.matmul(U, (dVh - xp.matmul(xp.matrix_transpose(of_V), Vh)) / column)
        return dX

    return y, (pullback,)


@rule("linalg")
def svdvals(xp: Any, x: Array, /) -> Result:
    """dX = U diag(ds) V^T; second derivatives need distinct singular values."""

    def pullback(g: Array) -> Array:
        U, _, Vh = xp.linalg.svd(x, full_matrices=False)
        return xp.matmul(xp.multiply(U, g[..., None, :]), Vh)

    return xp.linalg.svdvals(x), (pullback,)


def _symmetric(xp: Any, X: Array) -> Array:
    return (X + xp.matrix_transpose(X)) / 2


def _diagonal(xp: Any, v: Array) -> Array:
    return xp.multiply(xp.eye(v.shape[-1], dtype=v.dtype, device=v.device), v[..., None, :])


def _reciprocal_gaps(xp: Any, w: Array) -> Array:
    """Return 1 / (w_j - w_i), and 0 where the two are equal."""
    gaps = w[..., None, :] - w[..., :, None]
    return xp.where(gaps == 0, 0, 1 / nonzero(xp, gaps))
