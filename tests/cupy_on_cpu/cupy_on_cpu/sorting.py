"""Thrust's sorts and CUB's reductions and scans, which CuPy brings compiled for a GPU, by NumPy."""

from typing import Any

import numpy as np
from cupy_on_cpu.machine import IDLE, asked_library
from cupy_on_cpu.views import at, of


def sort(dtype: Any, data: int, keys: int, shape: Any) -> None:
    """Sort rows in place."""
    asked_library("thrust sort")
    at(data, shape, dtype).sort(axis=-1, kind="stable")


def argsort(dtype: Any, indices: int, data: int, keys: int, shape: Any) -> None:
    """Write the order of each row."""
    asked_library("thrust argsort")
    at(indices, shape, np.intp)[...] = np.argsort(at(data, shape, dtype), axis=-1, kind="stable")


def lexsort(dtype: Any, indices: int, keys: int, k: int, n: int) -> None:
    """Write the order by k keys, the last of which counts most."""
    asked_library("thrust lexsort")
    at(indices, (n,), np.intp)[...] = np.lexsort(at(keys, (k, n), dtype))


# The numbers of CUB's operations, as cupy.cuda.cub has them.
_REDUCTIONS = ("SUM", "MIN", "MAX", "ARGMIN", "ARGMAX", "CUMSUM", "CUMPROD", "PROD")
_SUMMED = "qQlLfdFDe"
_OTHERS = "bBhHiI" + _SUMMED
# Beyond so many elements a whole array takes two kernels.
_ONE_TILE = 4096


def reduction(cub: Any) -> Any:
    """Return a function for cupy.cuda.cub.cub_reduction: it answers where CUB would, and None elsewhere."""
    names = {
        getattr(cub, f"CUPY_CUB_{name}"): name for name in _REDUCTIONS if hasattr(cub, f"CUPY_CUB_{name}")
    }

    def cub_reduction(
        arr: Any, op: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
    ) -> Any:
        import cupy

        name, ndim = names[op], arr.ndim
        if name.startswith("ARG") and dtype is not None:
            return None
        order = "C" if arr.flags.c_contiguous else "F" if arr.flags.f_contiguous else ""
        kinds = _SUMMED if dtype is None and name in ("SUM", "PROD") else _OTHERS
        if not order or arr.dtype.char not in kinds or (dtype is not None and np.dtype(dtype) != arr.dtype):
            return None
        axes = range(ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
        if any(not -ndim <= a < ndim for a in axes):
            raise cupy.exceptions.AxisError(next(a for a in axes if not -ndim <= a < ndim), ndim)
        axes = tuple(sorted(a % ndim for a in axes))
        if len(set(axes)) < len(axes):
            raise ValueError("duplicate value in 'axis'")
        whole = len(axes) == ndim
        if not whole:
            if name.startswith("ARG") or not axes or axes != tuple(range(axes[0], axes[-1] + 1)):
                return None
            if arr.size and not (axes[-1] == ndim - 1 if order == "C" else axes[0] == 0):
                return None
            if not int(np.prod([arr.shape[a] for a in axes])):
                return None
        if name not in ("SUM", "PROD") and 0 in [arr.shape[a] for a in axes]:
            raise ValueError(f"zero-size array to reduction operation CUPY_CUB_{name} which has no identity")
        asked_library(f"cub {name.lower()}")
        if whole and arr.size > _ONE_TILE:
            asked_library(f"cub {name.lower()}, second part")
        if IDLE and not name.startswith("ARG") and out is None:
            kept = tuple(1 if i in axes else n for i, n in enumerate(arr.shape))
            rest = kept if keepdims else tuple(n for i, n in enumerate(arr.shape) if i not in axes)
            return cupy.empty(rest, arr.dtype)
        host = of(arr)
        function = getattr(np, name.lower())
        with np.errstate(all="ignore"):
            if name.startswith("ARG"):
                value = np.asarray(function(host), np.int64)
                value = value.reshape((1,) * ndim) if keepdims else value
            else:
                value = np.asarray(function(host, axis=axes, keepdims=bool(keepdims)), arr.dtype)
        made = cupy.empty(value.shape, value.dtype, order)
        of(made)[...] = value
        if out is not None:
            cupy._core.elementwise_copy(made, out)
            return out
        return made

    return cub_reduction


def scan(cub: Any) -> Any:
    """Return a function for cupy.cuda.cub.cub_scan, which works in place on one row."""

    def cub_scan(arr: Any, op: Any) -> Any:
        if arr.dtype.char not in _OTHERS:
            return None
        if arr.size:
            asked_library("cub scan")
            host = of(arr)
            function = np.cumsum if op == cub.CUPY_CUB_CUMSUM else np.cumprod
            host[...] = function(host.ravel(), dtype=host.dtype).reshape(host.shape)
        return arr

    return cub_scan
