"""scipy.sparse with gradients: products of a constant sparse matrix with arrays of any library.

`A @ x`, `x @ A` and `A.dot(x)` of a sparse matrix or array A and a traced or batched x are those of this module too.
"""

from typing import Any

from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array
from chainrule.numpy_names.sparse import checked, is_sparse, product, sparse_product
from chainrule.scipy.arguments import namespace_of, prepared
from chainrule.scipy.sparse import linalg as linalg

__all__ = ["linalg", "matmul"]


def matmul(x1: Any, x2: Any) -> Array:
    """Return x1 @ x2, of which one is a sparse matrix (m, n), a constant, and the other an array of 1 or 2 axes.

    The sparse one may be of SciPy's or of CuPy's, and the array of any library. Gradients flow to the array.
    """
    if is_sparse(x1) == is_sparse(x2):
        raise TypeError(
            f"matmul: expected one sparse matrix and one array; got {type(x1).__name__} and {type(x2).__name__}"
        )
    x1, x2 = (x if is_sparse(x) else prepared(x)[1] for x in (x1, x2))
    A, x = checked(x1, x2)
    if is_transformed(x):
        return product(x1, x2)
    xp = namespace_of([x])
    if A is x1 or x.ndim == 1:
        return output(sparse_product, xp, x, A=A if A is x1 else A.T)
    return xp.matrix_transpose(output(sparse_product, xp, xp.matrix_transpose(x), A=A.T))
