"""Targets of classes: their numbers as rows with a single 1."""

import math
from typing import Any

import numpy as np

from chainrule.gates.types import Array


def one_hot(xp: Any, y: Array, k: int, dtype: Any = None, *, who: str = "one_hot") -> Array:
    """Return class numbers y (m,), each from 0 to k - 1, as rows (m, k): 1 at the class and 0 elsewhere.

    dtype   of the rows, a floating one; by default y's own
    who     the function that an error names

    A number that is no class is a ValueError with NumPy's arrays. With others, where a look at y would wait for the
    device, its row is NaN.
    """
    y = xp.astype(y, dtype or y.dtype, copy=False)
    classes = xp.arange(k, dtype=y.dtype, device=y.device)
    # The samples of a class are neighbours in memory: a sum over few classes then runs along many samples.
    hit = (classes[:, None] == y[None, :]).T
    rows = xp.astype(hit, y.dtype)
    if not isinstance(hit, np.ndarray):
        return xp.where(xp.any(hit, axis=1, keepdims=True), rows, math.nan)
    # A number is one class at most.
    if np.count_nonzero(hit) < len(y):
        wrong = y[~hit.any(axis=1)][0]
        raise ValueError(
            f"{who}: y must hold class numbers from 0 to {k - 1}, got {wrong:g}; number them from 0"
        )
    return rows
