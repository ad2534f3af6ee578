"""Gates of linear systems in triangles, and of the LU decomposition."""

from collections.abc import Sequence
from typing import Any

from chainrule.backend.scipy_functions import scipy_function
from chainrule.gates.helpers import conjugate, innermost, is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.scipy.arguments import below_the_tape


def triangular_solution(
    xp: Any, a: Array, b: Array, /, *, lower: bool, transposed: bool, unit_diagonal: bool
) -> Result:
    """T y = b, or T^T y = b, with T a triangle of a, for matrices b: db = T^-T dy, and dT = -db y^T in the triangle."""
    settings = {"lower": lower, "unit_diagonal": unit_diagonal}
    y = _solution(xp, a, b, transposed, settings)

    def right(g: Array) -> Array:
        return output(triangular_solution, xp, a, g, transposed=not transposed, **settings)

    def left(g: Array) -> Array:
        rows, columns = (y, right(g)) if transposed else (right(g), y)
        dT = xp.matmul(rows, xp.matrix_transpose(columns))
        return -_triangle(xp, dT, lower, 1 if unit_diagonal else 0)

    return y, (left, right)


def _solution(xp: Any, a: Array, b: Array, transposed: bool, settings: dict[str, bool]) -> Array:
    if below_the_tape(a, b):
        return output(triangular_solution, xp, a, b, transposed=transposed, **settings)
    if not (is_transformed(a) or is_transformed(b)) and a.ndim == b.ndim == 2:
        own = scipy_function(xp, "linalg", "solve_triangular")
        if own is not None:
            return own(a, b, trans=int(transposed), check_finite=False, **settings)
    T = _triangle(xp, a, settings["lower"], 1 if settings["unit_diagonal"] else 0)
    if settings["unit_diagonal"]:
        T = xp.add(T, xp.eye(a.shape[-1], dtype=a.dtype, device=a.device))
    return xp.linalg.solve(xp.matrix_transpose(T) if transposed else T, b)


def _triangle(xp: Any, a: Array, lower: bool, beside: int = 0) -> Array:
    """Return a triangle of a matrix, which starts a number of diagonals beside the main one."""
    return xp.tril(a, k=-beside) if lower else xp.triu(a, k=beside)


def by_triangle(
    xp: Any, a: Array, b: Array, *, lower: bool, trans: int = 0, unit_diagonal: bool = False
) -> Array:
    """Return x with T x = b for a vector or a matrix b; trans is 0, 1 for T^T, or 2 for its conjugate."""
    a = conjugate(xp, a) if trans == 2 else a
    settings = {"lower": bool(lower), "transposed": trans != 0, "unit_diagonal": bool(unit_diagonal)}
    if b.ndim == 1:
        return output(triangular_solution, xp, a, b[:, None], **settings)[..., 0]
    return output(triangular_solution, xp, a, b, **settings)


def packed_lu(xp: Any, a: Array, /, *, rows: Sequence[int]) -> Result:
    """L and U of P a = L U in one matrix, P the rows in the order of their pivots.

    P da = L^-T (strict lower triangle of L^T dL, with the upper triangle of dU U^T) U^-T, for square matrices.
    """
    y = output(packed_lu, xp, a, rows=rows) if below_the_tape(a) else lu_of(xp, a)[0]
    if a.shape[0] != a.shape[1]:
        raise NotImplementedError(f"lu_factor: expected a square matrix, which has a gradient; got {a.shape}")

    def pullback(g: Array) -> Array:
        L = xp.add(xp.tril(y, k=-1), xp.eye(y.shape[0], dtype=y.dtype, device=y.device))
        U = xp.triu(y)
        left = xp.tril(xp.matmul(xp.matrix_transpose(L), xp.tril(g, k=-1)), k=-1)
        inner = left + xp.triu(xp.matmul(xp.triu(g), xp.matrix_transpose(U)))
        same = {"lower": True, "transposed": True, "unit_diagonal": True}
        half = output(triangular_solution, xp, L, inner, **same)
        upper = {"lower": False, "transposed": False, "unit_diagonal": False}
        turned = output(triangular_solution, xp, U, xp.matrix_transpose(half), **upper)
        places = sorted(range(len(rows)), key=lambda i: rows[i])
        return xp.take(xp.matrix_transpose(turned), xp.asarray(places, device=y.device), axis=0)

    return y, (pullback,)


def lu_of(xp: Any, a: Array) -> tuple[Array, Array]:
    """Return L and U in one matrix, and the pivots, of a plain matrix; TypeError where its library has none."""
    own = scipy_function(xp, "linalg", "lu_factor")
    if own is None:
        raise TypeError(f"lu_factor: {xp.__name__} has no such function. Convert the array to NumPy's")
    return own(a, check_finite=False)  # type: ignore[no-any-return]


def order_of(pivots: Array) -> list[int]:
    """Return the rows in the order that pivots put them in, one exchange after another."""
    exchanges = innermost(pivots).tolist()
    rows = list(range(len(exchanges)))
    for i, other in enumerate(exchanges):
        rows[i], rows[other] = rows[other], rows[i]
    return rows
