"""scipy.linalg with gradients: SciPy's names and arguments, on arrays of any library, traced and batched ones too.

`overwrite_a` and its kin are taken and nothing is overwritten. `check_finite` refuses infinities and NaN in NumPy's
arrays alone. A stack of matrices is computed matrix by matrix.
"""

from chainrule.scipy.linalg.decompositions import cholesky, eigh, eigvalsh, norm, qr, svd, svdvals
from chainrule.scipy.linalg.matrix_functions import expm, logm, sqrtm
from chainrule.scipy.linalg.special_matrices import block_diag, toeplitz
from chainrule.scipy.linalg.systems import (
    cho_factor,
    cho_solve,
    det,
    inv,
    lu_factor,
    lu_solve,
    pinv,
    solve,
    solve_triangular,
)

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "expm",
    "inv",
    "logm",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "qr",
    "solve",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]
