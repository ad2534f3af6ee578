"""Products of a sparse matrix of SciPy's or CuPy's, a constant, with arrays of any library."""

import sys
from typing import Any

import numpy as np

from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.indexing import scatter
from chainrule.gates.types import Array, Result


def is_sparse(x: Any) -> bool:
    """Say whether x is a sparse matrix or a sparse array."""
    return hasattr(x, "tocoo") and hasattr(x, "nnz")


def sparse_product(xp: Any, x: Array, /, *, A: Any) -> Result:
    """y = A x with a constant A, x a vector or a matrix: dx = A^T dy."""
    if hasattr(x, "node"):  # traced
        y = output(sparse_product, xp, x, A=A)
    elif is_transformed(x) or not _is_of_its_library(A, x):
        y = _by_elements(xp, x, A)
    else:
        y = A @ x
    return y, (lambda g: output(sparse_product, xp, g, A=A.T),)


def _is_of_its_library(A: Any, x: Array) -> bool:
    return type(x).__module__.partition(".")[0] == {"scipy": "numpy", "cupyx": "cupy"}.get(
        type(A).__module__.partition(".")[0]
    )


def _by_elements(xp: Any, x: Array, A: Any) -> Array:
    """Return A x as the sum of the elements of A, times those of x, at their rows."""
    A = A.tocoo()
    rows, columns, data = (xp.asarray(part, device=x.device) for part in (A.row, A.col, A.data))
    if x.ndim == 2:
        data = data[:, None]
    shares = xp.take(x, columns, axis=0) * data
    return output(scatter, xp, shares, keys=(rows,), shape=(A.shape[0], *x.shape[1:]))


def foreign_product(x1: Any, x2: Any, operator: str = "@") -> Any:
    """Return x1 @ x2 where one is sparse and the other of a transformed namespace, and else NotImplemented.

    The operator may be *, which is the product of matrices for scipy.sparse.spmatrix alone.
    """
    A = x1 if is_sparse(x1) else x2
    of_matrices = operator == "@" or any(base.__name__ == "spmatrix" for base in type(A).__mro__)
    return product(x1, x2) if is_sparse(A) and of_matrices else NotImplemented


# What makes A @ x of a sparse A return NotImplemented, so that the operator of x is asked.
_NO_ARRAY = np.asarray(None, dtype=object)


def answer_to_scipy() -> Any:
    """Return what a function of SciPy's gets where it asks a traced array for NumPy's: None where another asks.

    Raises TypeError, with what to write, but for a product with a sparse matrix.
    """
    asking: Any = sys._getframe(2)
    while (name := str(asking.f_globals.get("__name__"))).startswith("numpy.") and asking.f_back:
        asking = asking.f_back
    if not name.startswith(("scipy.", "cupyx.scipy.")):
        return None
    if asking.f_code.co_name == "_matmul_dispatch":
        return _NO_ARRAY
    if (name, asking.f_code.co_name) == ("scipy.sparse._coo", "dot"):
        A, x = (asking.f_locals[key] for key in ("self", "other"))
        if A.ndim == 2 and x.ndim in (1, 2):
            return np.empty(0)  # asked for, and not used: the product is x's own
    raise TypeError(
        "SciPy's functions take NumPy's arrays alone; this one is traced, and its gradient would be lost. Write "
        "chainrule.scipy for scipy, as in chainrule.scipy.linalg.expm(x), or give scipy chainrule.stop_gradient(x) "
        "where no gradient is meant to flow"
    )


def product(x1: Any, x2: Any) -> Array:
    """Return x1 @ x2, of which one is sparse and the other an array of a transformed namespace."""
    A, x = checked(x1, x2)
    space = x.space
    if A is x1 or x.ndim == 1:
        return space._record(sparse_product, (x,), {"A": A if A is x1 else A.T})
    return space.matrix_transpose(space._record(sparse_product, (space.matrix_transpose(x),), {"A": A.T}))


def checked(x1: Any, x2: Any) -> tuple[Any, Array]:
    """Return the sparse one of two factors, and the other; ValueError for shapes that do not fit."""
    left, right = x1.shape, x2.shape
    A, x = (x1, x2) if is_sparse(x1) else (x2, x1)
    if len(A.shape) != 2 or x.ndim not in (1, 2) or left[-1] != right[0]:
        raise ValueError(
            f"expected a sparse matrix, and a vector or a matrix that fits it; got shapes {left} and {right}"
        )
    return A, x
