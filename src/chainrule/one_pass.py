"""The logistic step of two classes as compiled code that takes each row of X from memory once. Needs Numba.

Four rows at a time: one sweep over their columns gives their z, a second one adds dz x to dw. The rows are then still
in a core's own cache, and the next ones are on their way there: a processor that sees four short streams asks for
them too late by itself.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ROWS = 4
# Columns between two requests for memory: fewer cost more than they bring, more come in bursts that have to queue.
_PANEL = 256
# Sums may be taken in any order, as in a BLAS; NaN and infinity keep their meaning.
_SETTINGS = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}


def sums(X: Any, y: Any, w: Any, b: Any) -> tuple[Any, Any, Any]:
    """Return the sums of losses, of dw (n,) and of db over X (m, n), NumPy arrays for which `takes(X)`.

    m is a multiple of ROWS. It lets go of Python's lock, so that threads may share the rows out.
    """
    dw = np.zeros(w.shape)
    step = X.strides[0] // X.itemsize
    flat = np.lib.stride_tricks.as_strided(X, ((len(X) - 1) * step + len(w),), X.strides[1:], writeable=False)
    arguments = flat, step, *map(_read_only, (y, w)), float(b), dw
    try:
        cost, db = _kernel(*arguments)
    except OSError:
        # The disk has no room for what was compiled; this process has it all the same.
        cost, db = _kernel(*arguments)
    return X.dtype.type(cost), dw.astype(X.dtype), X.dtype.type(db)


def takes(X: Any) -> bool:
    """Say whether X has ROWS rows, each in one piece, that follow one another in memory, with or without gaps."""
    return bool(len(X) >= ROWS and X.strides[1] == X.itemsize and X.strides[0] >= 0 and X.flags.aligned)


def _read_only(x: Any) -> Any:
    # One type for arrays that may be written to and for those that may not: nothing is compiled twice.
    x = np.require(x, requirements=["C", "A"]).view()
    x.flags.writeable = False
    return x


def _kept(function: Callable[..., Any]) -> Any:
    try:
        return njit(cache=True, **_SETTINGS)(function)
    except RuntimeError:  # there is no folder that it may write to
        return njit(**_SETTINGS)(function)


def _fetch_line(_: Any, X: Any, at: Any) -> Any:
    """Ask for the cache line of X[at] to be brought into the core's second cache; X may end before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        place = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        request = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(request, [place, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(X, types.intp), generate


_fetch = intrinsic(_fetch_line)


def _fetch_two_rows(X: Any, start: int, step: int, columns: int) -> None:
    line = 64 // X.itemsize
    for j in range(start, start + columns, line):
        _fetch(X, j)
        _fetch(X, j + step)


def _forward(X: Any, start: int, step: int, w: Any, z: Any) -> None:
    n = len(w)
    x0, x1 = X[start : start + n], X[start + step : start + step + n]
    x2, x3 = X[start + 2 * step : start + 2 * step + n], X[start + 3 * step : start + 3 * step + n]
    z0 = z1 = z2 = z3 = X.dtype.type(0)
    for j in range(n):
        z0 += x0[j] * w[j]
        z1 += x1[j] * w[j]
        z2 += x2[j] * w[j]
        z3 += x3[j] * w[j]
    z[0] += z0
    z[1] += z1
    z[2] += z2
    z[3] += z3


def _backward(X: Any, start: int, step: int, dz: Any, dw: Any) -> None:
    n = len(dw)
    x0, x1 = X[start : start + n], X[start + step : start + step + n]
    x2, x3 = X[start + 2 * step : start + 2 * step + n], X[start + 3 * step : start + 3 * step + n]
    dz0, dz1, dz2, dz3 = dz[0], dz[1], dz[2], dz[3]
    for j in range(n):
        dw[j] += dz0 * x0[j] + dz1 * x1[j] + dz2 * x2[j] + dz3 * x3[j]


def _sums(X: Any, step: int, y: Any, w: Any, b: float, dw: Any) -> Any:
    m, n = len(y), len(w)
    z, dz, recent = np.empty(ROWS), np.empty(ROWS, X.dtype), np.zeros(n, X.dtype)
    cost = db = 0.0
    for i in range(0, m, ROWS):
        start = i * step
        # Two rows more than the next four: what is asked for in this sweep may still be on its way in the next.
        ahead = start + (ROWS + 2) * step
        z[:] = b
        for j in range(0, n, _PANEL):
            end = min(j + _PANEL, n)
            _fetch_two_rows(X, ahead + j, step, end - j)
            _forward(X, start + j, step, w[j:end], z)
        others = 0.0
        for r in range(ROWS):
            e = math.exp(-abs(z[r]))
            slope = (1.0 if z[r] >= 0 else e) / (1 + e) - y[i + r]
            cost += (1.0 - y[i + r] if z[r] >= 0 else -y[i + r]) * z[r]
            # The product of all 1 + e, less 1: one logarithm for all rows, with no digit of a small e lost.
            others += e + others * e
            db += slope
            dz[r] = slope
        cost += math.log1p(others)
        for j in range(0, n, _PANEL):
            end = min(j + _PANEL, n)
            _fetch_two_rows(X, ahead + 2 * step + j, step, end - j)
            _backward(X, start + j, step, dz, recent[j:end])
        # A sum of many rows would lose digits in float32.
        if i % 256 == 256 - ROWS or i + ROWS >= m:
            for j in range(n):
                dw[j] += recent[j]
                recent[j] = 0
    return cost, db


_fetch_two_rows, _forward, _backward = (
    njit(**_SETTINGS)(part) for part in (_fetch_two_rows, _forward, _backward)
)
_kernel = _kept(_sums)
