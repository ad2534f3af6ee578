"""The array API namespace of given arrays, and their copies in NumPy."""

import contextlib
import functools
import importlib
import inspect
import operator
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


class NumpyAsStandard:
    """NumPy's functions under the names of the standard, or those of its `part`, "linalg" or "fft".

    What NumPy spells otherwise than the standard is array-api-compat's, which is imported when it is first called: its
    import brings numpy.testing and numpy.f2py, and takes as long as that of NumPy.
    """

    def __init__(self, part: str = "") -> None:
        self._part, self._numpy = part, getattr(np, part) if part else np

    def __getattr__(self, name: str) -> Any:
        if name in ("linalg", "fft") and not self._part:
            found: Any = NumpyAsStandard(name)
        elif name not in vars(self._numpy):
            found = _of_compat(self._part, name)
        else:
            own = getattr(self._numpy, name)
            is_as_it_is = isinstance(own, np.ufunc | type) or not callable(own) or name in _AS_THEY_ARE
            found = own if is_as_it_is and name not in _RESPELLED else _Later(self._part, name, own)
        setattr(self, name, found)
        return found


# Functions that are as the standard has them, and universal functions and classes that are not.
_AS_THEY_ARE = ("asarray", "broadcast_shapes", "can_cast", "isdtype", "result_type")
_RESPELLED = ("ceil", "finfo", "floor", "iinfo", "matmul", "sign", "trunc")


class _Later:
    """A function of array-api-compat's for NumPy, which imports it when it is called or its signature is asked for."""

    def __init__(self, part: str, name: str, own: Any) -> None:
        functools.update_wrapper(self, own, updated=())
        self._place = part, name

    @functools.cached_property
    def _function(self) -> Any:
        return _of_compat(*self._place)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def _of_compat(part: str, name: str) -> Any:
    compat = importlib.import_module("array_api_compat.numpy")
    return operator.attrgetter(f"{part}.{name}" if part else name)(compat)


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
