"""NumPy's functions for arrays of any library, written in the functions of the array API standard.

NumPy calls them through its dispatch protocols: `np.kron(a, b)` on traced arrays runs `kron` of this folder.
"""

from chainrule.numpy_names import creation, einsum, functions, linear_algebra, shapes

# Importing a module enters its functions in the tables of `names`.
__all__ = ["creation", "einsum", "functions", "linear_algebra", "shapes"]
