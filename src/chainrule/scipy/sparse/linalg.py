"""scipy.sparse.linalg with gradients: systems of equations in a constant sparse matrix."""

from typing import Any

from chainrule.backend.scipy_functions import scipy_function
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.scipy.arguments import below_the_tape, prepared

__all__ = ["spsolve"]


def spsolve(A: Any, b: Array) -> Array:
    """Return x with A x = b for a sparse matrix A (n, n), a constant, and b (n,) or (n, k): the shape of b.

    Gradients flow to b. Raises TypeError for arrays of a library without a SciPy of its own.
    """
    xp, b = prepared(b)
    if b.ndim not in (1, 2) or A.shape != (b.shape[0], b.shape[0]):
        raise ValueError(
            f"spsolve: expected a square matrix, and b with as many rows; got shapes {A.shape} and {b.shape}"
        )
    return output(sparse_solution, xp, b, A=A.tocsc())


def sparse_solution(xp: Any, b: Array, /, *, A: Any) -> Result:
    """A y = b with a constant A: db = A^-T dy."""
    y = output(sparse_solution, xp, b, A=A) if below_the_tape(b) else _plain(xp, b, A)
    return y, (lambda g: output(sparse_solution, xp, g, A=A.T.tocsc()),)


def _plain(xp: Any, b: Array, A: Any) -> Array:
    if is_transformed(b):
        # A batch: its elements are columns beside each other.
        below = b.value.space if is_transformed(b.value) else b.space._base
        columns = below.moveaxis(b.value, 0, -1)
        y = output(sparse_solution, below, below.reshape(columns, (A.shape[0], -1)), A=A)
        return type(b)(below.moveaxis(below.reshape(y, columns.shape), -1, 0), b.space, b.level)
    own = scipy_function(xp, "sparse.linalg", "spsolve")
    if own is None:
        raise TypeError(f"spsolve: {xp.__name__} has no such function. Convert the array to NumPy's")
    return xp.reshape(xp.asarray(own(A, b)), b.shape)
