"""scipy.linalg with gradients: SciPy's names and arguments, on arrays of any library, traced and batched ones too.

`overwrite_a` and its kin are taken and nothing is overwritten. `check_finite` refuses infinities and NaN in NumPy's
arrays alone. A stack of matrices is computed matrix by matrix.
"""

from typing import Any

from chainrule.autodiff.namespace import space_of
from chainrule.gates.helpers import innermost, is_transformed, output
from chainrule.gates.types import Array, Gate
from chainrule.numpy_names import linear_algebra, shapes
from chainrule.scipy import matrix_functions
from chainrule.scipy.arguments import check_finite as _check_finite
from chainrule.scipy.arguments import prepared
from chainrule.scipy.triangular import lu_of, order_of, packed_lu, triangular_solution

__all__ = [
    *("block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eigh", "eigvalsh", "expm", "inv", "logm"),
    *("lu_factor", "lu_solve", "norm", "pinv", "qr", "solve", "solve_triangular", "sqrtm", "svd", "svdvals"),
    "toeplitz",
]

# --- Systems of equations ---


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
    _check_finite("solve_triangular", check_finite, a, b)
    return _by_triangle(xp, a, b, lower=lower, trans=kind, unit_diagonal=unit_diagonal)


_TRANSPOSED = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}


def _by_triangle(
    xp: Any, a: Array, b: Array, *, lower: bool, trans: int = 0, unit_diagonal: bool = False
) -> Array:
    a = _conj(xp, a) if trans == 2 else a
    settings = {"lower": bool(lower), "transposed": trans != 0, "unit_diagonal": bool(unit_diagonal)}
    if b.ndim == 1:
        return _run(triangular_solution, xp, a, b[:, None], **settings)[..., 0]
    return _run(triangular_solution, xp, a, b, **settings)


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
    _check_finite("cho_solve", check_finite, c, b)
    # A is L L^H, or U^H U.
    half = _by_triangle(xp, c, b, lower=lower, trans=0 if lower else 2)
    return _by_triangle(xp, c, half, lower=lower, trans=2 if lower else 0)


def lu_factor(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Array, Array]:
    """Return L and U of a (n, n) in one matrix, and the pivots, which are constants.

    Raises ValueError for a stack of matrices, and NotImplementedError for the gradient of one that is not square.
    """
    xp, a = prepared(a)
    plain = innermost(a)
    if plain.ndim != 2:
        raise ValueError(f"lu_factor: expected one matrix; got shape {plain.shape}. Write solve for a batch")
    _check_finite("lu_factor", check_finite, a)
    lu, pivots = lu_of(space_of(a)._base, plain)
    return (_run(packed_lu, xp, a, rows=order_of(pivots)) if is_transformed(a) else lu), pivots


def lu_solve(
    lu_and_piv: tuple[Array, Array],
    b: Array,
    trans: int = 0,
    overwrite_b: bool = False,
    check_finite: bool = True,
) -> Array:
    """Return x with A x = b, given `lu_factor(A)`, with A^T for trans 1 and its conjugate for trans 2: the shape of b."""
    lu, pivots = lu_and_piv
    xp, lu, b = prepared(lu, b)
    _check_systems("lu_solve", lu, b)
    _check_finite("lu_solve", check_finite, lu, b)
    rows = order_of(pivots)
    if not trans:
        b = xp.take(b, xp.asarray(rows, device=b.device), axis=0)
        half = _by_triangle(xp, lu, b, lower=True, unit_diagonal=True)
        return _by_triangle(xp, lu, half, lower=False)
    half = _by_triangle(xp, lu, b, lower=False, trans=trans)
    x = _by_triangle(xp, lu, half, lower=True, trans=trans, unit_diagonal=True)
    places = sorted(range(len(rows)), key=lambda i: rows[i])
    return xp.take(x, xp.asarray(places, device=b.device), axis=0)


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
    if assume_a not in (None, "gen", "general", "sym", "symmetric", "her", "hermitian", "pos", "positive definite"):
        raise ValueError(f"solve: assume_a must be 'gen', 'sym', 'her' or 'pos'; got {assume_a!r}")
    xp, a, b = prepared(a, b)
    _check_systems("solve", a, b)
    _check_finite("solve", check_finite, a, b)
    if assume_a and not assume_a.startswith("gen"):
        half = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
        other = half if assume_a.startswith("sym") else _conj(xp, half)
        a = xp.tril(xp.triu(a)) + half + xp.matrix_transpose(other)
    if transposed:
        a = xp.matrix_transpose(a)
    return xp.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else xp.linalg.solve(a, b)


def inv(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the inverse of a (n, n)."""
    return _linalg("inv", a, check_finite)


def det(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the determinant of a (n, n)."""
    return _linalg("det", a, check_finite)


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
    _check_finite("pinv", check_finite, a)
    s = xp.linalg.svdvals(space_of(a).stop_gradient(a) if is_transformed(a) else a)
    largest = xp.max(s, axis=-1)
    if rtol is None:
        rtol = 0.0 if atol else max(a.shape[-2:]) * float(xp.finfo(a.dtype).eps)
    cut = rtol + (atol or 0.0) / xp.where(largest == 0, 1, largest)
    P = xp.linalg.pinv(a, rtol=cut)
    return (P, int(xp.sum(s > cut * largest))) if return_rank else P


# --- Decompositions ---


def cholesky(a: Array, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return U with U^H U = a, or for lower=True L with L L^H = a, of which one triangle is read."""
    return _linalg("cholesky", a, check_finite, upper=not lower)


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
    Q, R = _linalg("qr", a, check_finite, mode="reduced" if mode == "economic" else "complete")
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
    return tuple(_linalg("svd", a, check_finite, full_matrices=full_matrices))


def svdvals(a: Array, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """Return the singular values of a (m, n), from the largest down."""
    return _linalg("svdvals", a, check_finite)


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
    _check_finite("eigh", check_finite, *([a] if b is None else [a, b]))
    a = _from_triangle(xp, a, lower)
    if b is not None:
        # With b = L L^H the eigenvalues are those of L^-1 a L^-H.
        L = xp.linalg.cholesky(_from_triangle(xp, b, lower))
        half = _by_triangle(xp, L, a, lower=True)
        a = _by_triangle(xp, L, _conj(xp, xp.matrix_transpose(half)), lower=True)
        a = (a + _conj(xp, xp.matrix_transpose(a))) / 2
    if eigvals_only:
        return xp.linalg.eigvalsh(a)
    w, V = xp.linalg.eigh(a)
    return w, V if b is None else _by_triangle(xp, L, V, lower=True, trans=2)


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
    _check_finite("norm", check_finite, a)
    return linear_algebra.norm(xp, a, ord=ord, axis=axis, keepdims=keepdims)


# --- Functions of matrices ---


def expm(A: Array) -> Array:
    """Return e^A for A (n, n), or for each matrix of a stack.

    Source: Al-Mohy and Higham, A new scaling and squaring algorithm for the matrix exponential, 2009.
    """
    return _run(matrix_functions.expm, *_square("expm", A))


def sqrtm(A: Array) -> Array:
    """Return the matrix whose square is A (n, n), with eigenvalues of positive real part.

    Where A is singular its gradient is NaN. Source: Higham, Functions of Matrices, 2008, chapter 6.
    """
    return _run(matrix_functions.sqrtm, *_square("sqrtm", A))


def logm(A: Array) -> Array:
    """Return the matrix whose exponential is A (n, n), with eigenvalues between -pi i and pi i; NaN for a singular A.

    Source: Higham, Functions of Matrices, 2008, chapter 11.
    """
    return _run(matrix_functions.logm, *_square("logm", A))


# --- Matrices of special form ---


def block_diag(*arrs: Any) -> Array:
    """Return the matrix with arrays, of 2 axes or fewer, as blocks on its diagonal and 0 elsewhere."""
    if not arrs:
        raise ValueError("block_diag: expected one array or more")
    xp, *blocks = prepared(*arrs)
    blocks = [shapes.atleast(xp, x, 2) for x in blocks]
    if any(x.ndim > 2 for x in blocks):
        raise ValueError(f"block_diag: expected 2 axes or fewer; got shapes {[x.shape for x in blocks]}")
    dtype = xp.result_type(*blocks)
    columns = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        height, width = x.shape
        sides = [
            xp.zeros((height, n), dtype=dtype, device=x.device) for n in (before, columns - before - width)
        ]
        rows.append(xp.concat([sides[0], x, sides[1]], axis=1))
        before += width
    return xp.concat(rows, axis=0)


def toeplitz(c: Array, r: Array | None = None) -> Array:
    """Return the matrix with c (m,) as its first column and r (n,) as its first row, constant along diagonals.

    The first element of r is not read. Without r it is the conjugate of c.
    """
    xp, c, r = prepared(c, r)
    if c.ndim != 1 or (r is not None and r.ndim != 1):
        raise ValueError(f"toeplitz: expected vectors; got shapes {c.shape}" + (f" and {r.shape}" if r is not None else ""))
    r = _conj(xp, c) if r is None else r
    m, n = c.shape[0], r.shape[0]
    along = xp.concat([xp.flip(c), r[1:]])
    places = [[m - 1 - i + j for j in range(n)] for i in range(m)]
    flat = xp.asarray([k for row in places for k in row], device=c.device)
    return xp.reshape(xp.take(along, flat), (m, n))


# --- What they share ---


def _run(gate: Gate, xp: Any, *arrays: Array, **settings: Any) -> Any:
    return output(gate, xp, *arrays, **settings)


def _linalg(name: str, a: Array, check_finite: bool, **settings: Any) -> Any:
    xp, a = prepared(a)
    _check_finite(name, check_finite, a)
    return getattr(xp.linalg, name)(a, **settings)


def _square(name: str, A: Array) -> tuple[Any, Array]:
    xp, A = prepared(A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"{name}: expected a square matrix; got shape {A.shape}")
    return xp, A


def _check_systems(name: str, a: Array, b: Array) -> None:
    n = a.shape[-1] if a.ndim > 1 else None
    rows = b.shape[0 if b.ndim == 1 else -2] if b.ndim else None
    if n is None or a.shape[-2] != n or rows != n:
        raise ValueError(
            f"{name}: expected a square matrix, and b with as many rows; got shapes {a.shape} and {b.shape}"
        )


def _conj(xp: Any, x: Array) -> Array:
    return xp.conj(x) if xp.isdtype(x.dtype, "complex floating") else x


def _from_triangle(xp: Any, a: Array, lower: bool) -> Array:
    """Return the symmetric or Hermitian matrix of which a has the lower or the upper triangle."""
    half = xp.tril(a, k=-1) if lower else xp.triu(a, k=1)
    return xp.tril(xp.triu(a)) + half + _conj(xp, xp.matrix_transpose(half))
