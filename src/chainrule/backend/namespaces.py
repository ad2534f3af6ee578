"""The array API namespace of given arrays, and their copies in NumPy."""

import contextlib
import importlib
from types import ModuleType
from typing import Any

import array_api_compat
import numpy as np

from chainrule.backend.cupy_namespace import cupy_namespace
from chainrule.gates.helpers import is_transformed
from chainrule.validation import check_array, check_array_class


def namespace(*arrays: Any) -> Any:
    """Return the array API namespace that all arrays share: `numpy` itself for NumPy's, else array-api-compat's.

    NumPy 2 meets the standard; a wrapper around it would cost more than many of the operations it wraps. Where some
    arrays are traced it is their differentiable namespace, in which the plain ones are constants.

    Raises TypeError for arrays of two libraries, and for those that `validation.check_array_class` refuses.
    """
    kinds = set(map(type, arrays))
    for kind in kinds - {np.ndarray}:
        check_array_class(kind)
    if all(issubclass(kind, np.ndarray | np.generic) for kind in kinds):
        return np
    traced = [x for x in arrays if is_transformed(x)]
    found = array_api_compat.array_namespace(*(traced or arrays))
    return found if traced else standard(found)


def standard(xp: Any) -> Any:
    """Return the standard's form of a library's namespace: NumPy itself, `cupy_namespace`, or array-api-compat's."""
    name = getattr(xp, "__name__", "")
    if name in ("numpy", "array_api_compat.numpy"):
        return np
    if name in ("cupy", "array_api_compat.cupy"):
        return cupy_namespace()
    if isinstance(xp, ModuleType):
        with contextlib.suppress(ImportError):
            return importlib.import_module(f"array_api_compat.{name}")
    return xp


def to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """Return x, an array of any device, as a NumPy array; from a GPU it waits for x and copies it.

    Raises TypeError for an array that `validation.check_array` refuses.
    """
    if array_api_compat.is_cupy_array(x):
        return np.asarray(x.get())
    if type(x).__module__.startswith("array_api_strict"):
        return np.asarray(x.to_device(x.__array_namespace__().Device("CPU_DEVICE")))
    check_array(x)
    return np.asarray(x)


def sparse_rows(x: Any, like: Any) -> Any:
    """Return a sparse matrix in rows (CSR) beside arrays of the namespace `like`: SciPy's for NumPy, CuPy's for CuPy.

    Raises TypeError for another namespace, which has no sparse matrices.
    """
    if array_api_compat.is_cupy_namespace(like):
        rows = importlib.import_module("cupyx.scipy.sparse").csr_matrix
        return x.tocsr() if isinstance(x.data, like.ndarray) else rows(x.tocsr())
    if like is not np:
        name = getattr(like, "__name__", like)
        raise TypeError(
            f"a sparse matrix is computed by NumPy or CuPy, not by {name}; call X.toarray() first"
        )
    return x.get().tocsr() if array_api_compat.is_cupy_array(x.data) else x.tocsr()
