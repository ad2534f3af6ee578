"""NumPy's functions for arrays of any library, written in the functions of the array API standard.

NumPy calls them through its dispatch protocols: `np.kron(a, b)` on traced arrays runs `kron` of this folder.
"""

from chainrule.numpy_names.functions import (
    calculus,
    creation,
    einsum,
    elementwise,
    indexing,
    joining,
    linear_algebra,
    ordering,
    polynomials,
    shapes,
    statistics,
    ufunc_methods,
)

# Importing a module enters its functions in the tables of `names`.
__all__ = [
    "calculus",
    "creation",
    "einsum",
    "elementwise",
    "indexing",
    "joining",
    "linear_algebra",
    "ordering",
    "polynomials",
    "shapes",
    "statistics",
    "ufunc_methods",
]
