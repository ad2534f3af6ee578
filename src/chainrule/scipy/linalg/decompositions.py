"""Decompositions and norms."""

from typing import Any

from chainrule.gates.helpers import conjugate
from chainrule.gates.types import Array
from chainrule.numpy_names.functions import linear_algebra
from chainrule.scipy.arguments import prepared, refuse_infinite
from chainrule.scipy.linalg.shared import of_namespace
from chainrule.scipy.linalg.triangular import by_triangle


def cholesky(a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return U with U^H U = a, or for lower=True L with L L^H = a, of which one triangle is read."""
    return of_namespace("cholesky", a, check_finite, upper=not lower)


def qr(
    a: Array,
    overwrite_a: bool = False,
    lwork: int | None = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """Return Q and R of a (m, n), or R alone for mode "r"; with the columns of Q that R needs for mode "economic"."""
    if mode not in ("full", "r", "economic") or pivoting:
        raise ValueError(
            f"qr: mode must be 'full', 'r' or 'economic', without pivoting; got mode={mode!r}, pivoting={pivoting}"
        )
    Q, R = of_namespace("qr", a, check_finite, mode="reduced" if mode == "economic" else "complete")
    return (R,) if mode == "r" else (Q, R)


def svd(
    a: Array,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Return U, s and V^H of a (m, n), or s alone."""
    if not compute_uv:
        return svdvals(a, check_finite=check_finite)
    return tuple(of_namespace("svd", a, check_finite, full_matrices=full_matrices))


def svdvals(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the singular values of a (m, n), from the largest down."""
    return of_namespace("svdvals", a, check_finite)


def eigh(
    a: Array,
    b: Array | None = None,
    *,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
) -> Any:
    """Return the eigenvalues w of a symmetric or Hermitian a (n, n), or of a v = w b v, and the vectors as columns.

    One triangle of a and b is read. With b the vectors have v^H b v = 1. Raises ValueError for another `type` than 1.
    """
    if type != 1:
        raise ValueError(f"eigh: expected type=1, a v = w b v; got {type}")
    xp, a, b = prepared(a, b)
    refuse_infinite("eigh", check_finite, *([a] if b is None else [a, b]))
    a = _from_triangle(xp, a, lower)
    if b is not None:
        # With b = L L^H the eigenvalues are those of L^-1 a L^-H.
        L = xp.linalg.cholesky(_from_triangle(xp, b, lower))
        half = by_triangle(xp, L, a, lower=True)
        a = by_triangle(xp, L, conjugate(xp, xp.matrix_transpose(half)), lower=True)
        a = (a + conjugate(xp, xp.matrix_transpose(a))) / 2
    if eigvals_only:
        return xp.linalg.eigvalsh(a)
    w, V = xp.linalg.eigh(a)
    return w, V if b is None else by_triangle(xp, L, V, lower=True, trans=2)


def eigvalsh(
    a: Array,
    b: Array | None = None,
    *,
    lower: bool = True,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    type: int = 1,
    check_finite: bool = True,
) -> Array:
    """Return the eigenvalues that `eigh` returns."""
    return eigh(a, b, lower=lower, eigvals_only=True, type=type, check_finite=check_finite)


def norm(
    a: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True
) -> Array:
    """Return norms of vectors along one axis, or of matrices along two, as numpy.linalg.norm."""
    xp, a = prepared(a)
    refuse_infinite("norm", check_finite, a)
    return linear_algebra.norm(xp, a, ord=ord, axis=axis, keepdims=keepdims)


def _from_triangle(xp: Any, a: Array, lower: bool) -> Array:
    """Return the symmetric or Hermitian matrix of which a has the lower or the upper triangle."""
    half = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
    return xp.tril(xp.triu(a)) + half + conjugate(xp, xp.matrix_transpose(half))
