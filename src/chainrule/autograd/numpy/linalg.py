"""The names of numpy.linalg, for programs of autograd: those of chainrule.numpy.linalg."""

from typing import Any

import chainrule.numpy as _ours_numpy
import chainrule.numpy.linalg as _ours
from chainrule.gates.helpers import is_transformed as _is_transformed

__all__ = list(_ours.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)


def T(x: Any) -> Any:
    """Return the transpose of each matrix in a stack."""
    return _ours_numpy.swapaxes(x, -1, -2)


_dot = _ours_numpy.matmul


def eigh(a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues and eigenvectors of symmetric matrices, whose one triangle is read and gets the gradient."""
    return _ours.eigh(_from_triangle(a, UPLO), UPLO)


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues of symmetric matrices, whose one triangle is read and gets the gradient."""
    return _ours.eigvalsh(_from_triangle(a, UPLO), UPLO)


def _from_triangle(a: Any, UPLO: str) -> Any:
    if not _is_transformed(a):
        return a
    half, k = (_ours_numpy.tril, -1) if UPLO.upper() == "L" else (_ours_numpy.triu, 1)
    return half(a) + _ours_numpy.conj(_ours_numpy.swapaxes(half(a, k), -1, -2))
