"""What the compiled kernels share: how they are compiled, and the arrays that they take. Needs Numba."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

ROWS = 4  # at a time: registers suffice for a vector of each row and one of the operand that the rows share
# Sums may be taken in any order, as in a BLAS; NaN and infinity keep their meaning.
_SETTINGS = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}


def takes(X: Any) -> bool:
    """Whether X has ROWS rows or more, each in one piece, which follow one another in memory, with or without gaps."""
    return bool(len(X) >= ROWS and X.strides[1] == X.itemsize and X.strides[0] >= 0 and X.flags.aligned)


def in_one_row(X: Any) -> tuple[Any, int]:
    """Return the memory of X (m, n), from its first number to its last, and how far apart its rows begin."""
    step = X.strides[0] // X.itemsize
    length = (X.shape[0] - 1) * step + X.shape[1]
    return np.lib.stride_tricks.as_strided(X, (length,), X.strides[1:], writeable=False), step


def read_only(x: Any) -> Any:
    """Return x as a read-only array in C order: one type for Numba, so that nothing is compiled twice."""
    x = np.require(x, requirements=["C", "A"]).view()
    x.flags.writeable = False
    return x


def compiled(function: Callable[..., Any], *, kept: bool = False) -> Any:
    """Return the function, compiled at its first call; `kept` keeps the code on disk for the next process."""
    try:
        return njit(cache=kept, **_SETTINGS)(function)
    except RuntimeError:  # Numba finds no folder that it may write to
        return njit(**_SETTINGS)(function)


def call(kernel: Any, *arguments: Any) -> Any:
    """Return kernel(*arguments), also where the disk has no room for the compiled code."""
    try:
        return kernel(*arguments)
    except OSError:
        return kernel(*arguments)
