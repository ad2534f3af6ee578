"""Decompositions of matrices.

Of complex matrices vectors are found up to a phase e^(i t), and have a slope across it alone: the gradient of what
depends on the phase is NaN.
"""

import math
from typing import Any

from chainrule.gates.elementwise import direction
from chainrule.gates.helpers import adjoint, conjugate, device_of, is_complex, output
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Result


@rule("linalg", adjoint=True)
def cholesky(xp: Any, x: Array, /, *, upper: bool = False) -> Result:
    """X = L L^H: dX = sym(L^-H P L^-1), P the lower half of L^H dL with half of its diagonal.

    Source: Murray, Differentiation of the Cholesky decomposition, 2016.
    """
    y = xp.linalg.cholesky(x, upper=upper)

    def pullback(g: Array) -> Array:
        L, dL = (adjoint(xp, y), adjoint(xp, g)) if upper else (y, g)
        P = xp.matmul(adjoint(xp, L), dL)
        P = (xp.tril(P) + xp.tril(P, k=-1)) / 2
        inverse = xp.linalg.inv(L)
        S = xp.matmul(xp.matmul(adjoint(xp, inverse), P), inverse)
        return _symmetric(xp, S)

    return y, (pullback,)


@rule("linalg", partial=True, adjoint=True)
def eigh(xp: Any, x: Array, /, *, UPLO: str = "L") -> tuple[Any, tuple[Any, ...]]:
    """X = V diag(w) V^H: dX = V (diag(dw) + F * V^H dV) V^H, F_ij = 1 / (w_j - w_i).

    UPLO says which half is read, for libraries that ask. Vectors of equal eigenvalues can be chosen in many ways and
    have no slope: a gradient through them is NaN.
    """
    w, V = y = xp.linalg.eigh(x, **({} if UPLO == "L" else {"UPLO": UPLO}))

    def pullback(g: Any) -> Array:
        dw, dV = g
        H = adjoint(xp, V)
        if dV is None:
            return xp.matmul(xp.multiply(V, dw[..., None, :]), H)
        along = xp.matmul(H, dV)
        inner = _without_phase(xp, along * _reciprocal_gaps(xp, w), along)
        if dw is not None:
            inner = xp.add(inner, _diagonal(xp, dw))
        return _symmetric(xp, xp.matmul(xp.matmul(V, inner), H))

    return y, (pullback,)


@rule("linalg", adjoint=True)
def eigvalsh(xp: Any, x: Array, /) -> Result:
    """dX = V diag(dw) V^H; a second derivative is NaN where eigenvalues are equal."""

    def pullback(g: Array) -> Array:
        V = xp.linalg.eigh(x)[1]
        return xp.matmul(xp.multiply(V, g[..., None, :]), adjoint(xp, V))

    return xp.linalg.eigvalsh(x), (pullback,)


@rule("linalg", adjoint=True)
def qr(xp: Any, x: Array, /, *, mode: str = "reduced") -> tuple[Any, tuple[Any, ...]]:
    """X = Q R, R square: dX = (dQ + Q copyltu(R dR^H - dQ^H Q)) R^-H; copyltu copies the lower triangle up.

    The diagonal of R is real, and its columns beyond the square are Q^H times those of X. Where the first columns of X
    depend on each other the gradient is NaN.
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
            dQ = dQ + xp.matmul(x[..., m:], adjoint(xp, wide))
        M = xp.matmul(square, adjoint(xp, dsquare)) - xp.matmul(adjoint(xp, dQ), Q)
        lower = xp.tril(M, k=-1)
        M = lower + adjoint(xp, lower) + _diagonal(xp, xp.real(xp.linalg.diagonal(M)))
        # Columns that depend on the others leave a pivot of 0, or what rounding made of it.
        pivots = xp.abs(xp.linalg.diagonal(square))
        dependent = xp.any(pivots <= _resolution(xp, pivots), axis=-1)[..., None, None]
        inverse = xp.linalg.inv(xp.where(dependent, math.nan, square))
        dX = xp.matmul(dQ + xp.matmul(Q, M), adjoint(xp, inverse))
        return xp.concat([dX, xp.matmul(Q, wide)], axis=-1) if n > m else dX

    return y, (pullback,)


@rule("linalg", partial=True, adjoint=True)
def svd(xp: Any, x: Array, /, *, full_matrices: bool = True) -> tuple[Any, tuple[Any, ...]]:
    """X = U diag(s) V^H: as for eigh, with the gaps of the squared singular values.

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
        of_U = of_V = inner
        if dU is not None or dVh is not None:
            total = row + column
            F = _reciprocal_gaps(xp, s) / xp.where(total == 0, 1, total)
            resolved = xp.where(s <= _resolution(xp, s), math.nan, s)
        if dU is not None:
            of_U = xp.matmul(adjoint(xp, U), dU)
            inner = xp.add(inner, (of_U - adjoint(xp, of_U)) * F * row)
            if m > n:
                outside = xp.matmul((dU - xp.matmul(U, of_U)) / resolved[..., None, :], Vh)
        if dVh is not None:
            of_V = xp.matmul(Vh, adjoint(xp, dVh))
            inner = xp.add(inner, (of_V - adjoint(xp, of_V)) * F * column)
            if n > m:
                rest = dVh - xp.matmul(adjoint(xp, of_V), Vh)
                outside = xp.matmul(U, rest / resolved[..., :, None])
        if is_complex(xp, x) and not (dU is None and dVh is None):
            # U and V turn together: what they have in common is the phase, and the rest is a turn of X.
            of_U, of_V = (
                xp.zeros_like(inner) if d is None else along for d, along in ((dU, of_U), (dVh, of_V))
            )
            inner = _without_phase(xp, inner, of_U + of_V)
            turn = xp.imag(xp.linalg.diagonal(of_U - of_V)) / (2 * resolved)
            inner = xp.add(inner, _diagonal(xp, xp.astype(turn, x.dtype) * 1j))
        return xp.add(xp.matmul(xp.matmul(U, inner), Vh), outside)

    return y, (pullback,)


@rule("linalg", adjoint=True)
def svdvals(xp: Any, x: Array, /) -> Result:
    """dX = U diag(ds) V^H, with slope 0 where s is 0; a second derivative is NaN where values are equal or 0."""

    def pullback(g: Array) -> Array:
        U, s, Vh = xp.linalg.svd(x, full_matrices=False)
        return xp.matmul(xp.multiply(U, (g * output(direction, xp, s))[..., None, :]), Vh)

    return xp.linalg.svdvals(x), (pullback,)


@rule("linalg", partial=True, adjoint=True)
def eig(xp: Any, x: Array, /) -> tuple[Any, tuple[Any, ...]]:
    """X V = V diag(w), columns of length 1: dX = V^-H (diag(dw) + conj(F) * V^H P) V^H, F_ij = 1 / (w_j - w_i).

    P is dV less what would change the lengths, V diag(Re(V^H dV)). Vectors of equal eigenvalues, and eigenvalues where
    there are not enough vectors, have no slope: NaN.
    """
    w, V = y = xp.linalg.eig(x)

    def pullback(g: Any) -> Array:
        dw, dV = g
        if dV is None:
            return _of_eigenvalues(xp, V, dw)
        along = xp.matmul(adjoint(xp, V), dV)
        lengths = xp.real(xp.linalg.diagonal(along))
        across = along - xp.multiply(xp.matmul(adjoint(xp, V), V), lengths[..., None, :])
        inner = _without_phase(xp, across * conjugate(xp, _reciprocal_gaps(xp, w)), along)
        return _of_eigenvalues(xp, V, dw, inner)

    return y, (pullback,)


@rule("linalg", adjoint=True)
def eigvals(xp: Any, x: Array, /) -> Result:
    """dX = V^-H diag(dw) V^H; NaN where X has not as many vectors, and a second derivative where w are equal."""
    return xp.linalg.eigvals(x), (lambda g: _of_eigenvalues(xp, xp.linalg.eig(x)[1], g),)


def _of_eigenvalues(xp: Any, V: Array, dw: Array | None, inner: Array | None = None) -> Array:
    """Return V^-H (diag(dw) + inner) V^H, and NaN where the vectors in V do not stand apart from each other."""
    if 0 in V.shape:
        return xp.zeros_like(V)
    apart = xp.linalg.svdvals(V)[..., -1] > math.sqrt(float(xp.finfo(V.dtype).eps))
    inverse = xp.linalg.inv(xp.where(apart[..., None, None], V, math.nan))
    if dw is not None:
        inner = _diagonal(xp, dw) if inner is None else xp.add(inner, _diagonal(xp, dw))
    return xp.matmul(xp.matmul(adjoint(xp, inverse), inner), adjoint(xp, V))


def _without_phase(xp: Any, inner: Array, along: Array) -> Array:
    """Return a matrix, with NaN where vectors with the gradient `along` in their own directions depend on a phase."""
    if not is_complex(xp, along):
        return inner
    turns = xp.abs(xp.imag(xp.linalg.diagonal(along)))
    size = xp.max(xp.abs(along), axis=(-2, -1), keepdims=False)[..., None] if along.shape[-1] else turns
    resolution = math.sqrt(float(xp.finfo(along.dtype).eps))
    return xp.add(inner, _diagonal(xp, xp.where(turns <= resolution * size, 0 * turns, math.nan)))


def _symmetric(xp: Any, X: Array) -> Array:
    return (X + adjoint(xp, X)) / 2


def _eye(xp: Any, v: Array) -> Array:
    return xp.eye(v.shape[-1], dtype=v.dtype, device=device_of(v))


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
