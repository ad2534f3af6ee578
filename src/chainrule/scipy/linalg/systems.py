"""Systems of equations, and inverses."""

from typing import Any

from chainrule.autodiff.namespace import space_of
from chainrule.gates.helpers import conjugate, innermost, is_transformed, output
from chainrule.gates.types import Array
from chainrule.scipy.arguments import prepared, refuse_infinite
from chainrule.scipy.linalg.decompositions import cholesky
from chainrule.scipy.linalg.shared import of_namespace
from chainrule.scipy.linalg.triangular import by_triangle, lu_of, order_of, packed_lu


def solve_triangular(
    a: Array,
    b: Array,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """Return x with T x = b, T the upper or lower triangle of a (n, n), b of shape (n,) or (n, k): the shape of b.

    With trans 1 or "T" it is T^T x = b, with 2 or "C" the conjugate of T^T. What lies outside the triangle, and the
    diagonal where it is taken to be 1, gets a gradient of 0. Source: Giles, 2008, section 2.3.1.
    """
    if trans not in _TRANSPOSED:
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C'; got {trans!r}")
    kind = _TRANSPOSED[trans]
    xp, a, b = prepared(a, b)
    _check_systems("solve_triangular", a, b)
    refuse_infinite("solve_triangular", check_finite, a, b)
    return by_triangle(xp, a, b, lower=lower, trans=kind, unit_diagonal=unit_diagonal)


_TRANSPOSED = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def cho_factor(
    a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True
) -> tuple[Array, bool]:
    """Return the Cholesky factor of a (n, n) and whether it is the lower one, for `cho_solve`.

    The other triangle of the factor is 0, where SciPy leaves what was in a.
    """
    return cholesky(a, lower=lower, check_finite=check_finite), bool(lower)


def cho_solve(
    c_and_lower: tuple[Array, bool], b: Array, overwrite_b: bool = False, check_finite: bool = True
) -> Array:
    """Return x with A x = b, given `cho_factor(A)`: the shape of b."""
    c, lower = c_and_lower
    xp, c, b = prepared(c, b)
    _check_systems("cho_solve", c, b)
    refuse_infinite("cho_solve", check_finite, c, b)
    # A is L L^H, or U^H U.
    half = by_triangle(xp, c, b, lower=lower, trans=0 if lower else 2)
    return by_triangle(xp, c, half, lower=lower, trans=2 if lower else 0)


def lu_factor(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """Return L and U of a (n, n) in one matrix, and the pivots, which are constants.

    Raises ValueError for a stack of matrices, and NotImplementedError for the gradient of one that is not square.
    """
    xp, a = prepared(a)
    plain = innermost(a)
    if plain.ndim != 2:
        raise ValueError(f"lu_factor: expected one matrix; got shape {plain.shape}. Write solve for a batch")
    refuse_infinite("lu_factor", check_finite, a)
    lu, pivots = lu_of(space_of(a)._base, plain)
    return (output(packed_lu, xp, a, rows=order_of(pivots)) if is_transformed(a) else lu), pivots


def lu_solve(
    lu_and_piv: tuple[Array, Array],
    b: Array,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """Return x with A x = b, given `lu_factor(A)`: the shape of b. For trans 1 it is A^T, for 2 its conjugate."""
    lu, pivots = lu_and_piv
    xp, lu, b = prepared(lu, b)
    _check_systems("lu_solve", lu, b)
    refuse_infinite("lu_solve", check_finite, lu, b)
    rows, axis = order_of(pivots), -2 if b.ndim > 1 else 0
    if not trans:
        b = xp.take(b, xp.asarray(rows, device=b.device), axis=axis)
        half = by_triangle(xp, lu, b, lower=True, unit_diagonal=True)
        return by_triangle(xp, lu, half, lower=False)
    half = by_triangle(xp, lu, b, lower=False, trans=trans)
    x = by_triangle(xp, lu, half, lower=True, trans=trans, unit_diagonal=True)
    places = sorted(range(len(rows)), key=lambda i: rows[i])
    return xp.take(x, xp.asarray(places, device=b.device), axis=axis)


def solve(
    a: Array,
    b: Array,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    check_finite: bool = True,
    assume_a: str | None = None,
    transposed: bool = False,
) -> Array:
    """Return x with a x = b, a (n, n) and b (n,) or (n, k): the shape of b.

    Of a matrix that is taken to be symmetric ("sym", "pos" of real numbers) or Hermitian ("her", "pos") one triangle
    is read, the lower one for lower=True, and the gradient flows there.
    """
    if assume_a not in (
        None,
        "gen",
        "general",
        "sym",
        "symmetric",
        "her",
        "hermitian",
        "pos",
        "positive definite",
    ):
        raise ValueError(f"solve: assume_a must be 'gen', 'sym', 'her' or 'pos'; got {assume_a!r}")
    xp, a, b = prepared(a, b)
    _check_systems("solve", a, b)
    refuse_infinite("solve", check_finite, a, b)
    if assume_a and not assume_a.startswith("gen"):
        half = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
        other = half if assume_a.startswith("sym") else conjugate(xp, half)
        a = xp.tril(xp.triu(a)) + half + xp.matrix_transpose(other)
    if transposed:
        a = xp.matrix_transpose(a)
    return xp.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else xp.linalg.solve(a, b)


def inv(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the inverse of a (n, n)."""
    return of_namespace("inv", a, check_finite)


def det(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the determinant of a (n, n)."""
    return of_namespace("det", a, check_finite)


def pinv(
    a: Array,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
) -> Any:
    """Return the pseudo-inverse of a (m, n), where its rank does not change, and the rank where it is asked for.

    Singular values up to atol + rtol times the largest count as 0; rtol is max(m, n) times the rounding unless one of
    the two is given.
    """
    xp, a = prepared(a)
    refuse_infinite("pinv", check_finite, a)
    s = xp.linalg.svdvals(space_of(a).stop_gradient(a) if is_transformed(a) else a)
    largest = xp.max(s, axis=-1)
    if rtol is None:
        rtol = 0.0 if atol else max(a.shape[-2:]) * float(xp.finfo(a.dtype).eps)
    cut = rtol + (atol or 0.0) / xp.where(largest == 0, 1, largest)
    P = xp.linalg.pinv(a, rtol=cut)
    return (P, int(xp.sum(s > cut * largest))) if return_rank else P


def _check_systems(name: str, a: Array, b: Array) -> None:
    n = a.shape[-1] if a.ndim > 1 else None
    rows = b.shape[0 if b.ndim == 1 else -2] if b.ndim else None
    if n is None or a.shape[-2] != n or rows != n:
        raise ValueError(
            f"{name}: expected a square matrix, and b with as many rows; got shapes {a.shape} and {b.shape}"
        )
