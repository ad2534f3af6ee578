"""Convolution with gradients, by windows and one matrix product."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["convolve"]

Axes = Sequence[Sequence[int]]


def convolve(A: Any, B: Any, axes: Axes | None = None, dot_axes: Axes = ((), ()), mode: str = "full") -> Any:
    """Return sums of products of A and B flipped, at every shift of one along the other.

    `axes` are the axes of A and those of B to convolve, all unless given; along `dot_axes` products are summed, and
    along the others each slice of A meets each of B. The result has the other axes of A, those of B, and the convolved
    ones: of all shifts that overlap ("full"), the middle ones as many as A has places ("same"), or those that overlap
    wholly ("valid"). Raises ValueError for another mode, and for "valid" where neither array is the larger along all
    axes.
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: expected mode 'full', 'same' or 'valid'; got {mode!r}")
    axes = (range(np.ndim(A)), range(np.ndim(B))) if axes is None else axes
    (free_a, A), (free_b, B) = (_rows(x, axes[i], dot_axes[i]) for i, x in enumerate((A, B)))
    a, b = A.shape[2:], B.shape[2:]
    if mode == "valid" and all(m >= n for m, n in zip(a, b, strict=True)):
        found = _windows(A, B)
    elif mode == "valid":
        if any(m > n for m, n in zip(a, b, strict=True)):
            raise ValueError(f"convolve: expected one array to be the larger along all axes; got {a} and {b}")
        found = np.swapaxes(_windows(B, A), 0, 1)
    elif math.prod(a) >= math.prod(b):
        found = _windows(_padded(A, b), B)
    else:
        found = np.swapaxes(_windows(_padded(B, a), A), 0, 1)
    if mode == "same":
        found = found[(..., *(slice((n - 1) // 2, (n - 1) // 2 + m) for m, n in zip(a, b, strict=True)))]
    return np.reshape(found, (*free_a, *free_b, *found.shape[2:]))


def _rows(x: Any, axes: Sequence[int], dot_axes: Sequence[int]) -> tuple[tuple[int, ...], Any]:
    """Return the lengths of the other axes, and x of axes: the others in one, the summed ones in one, the convolved."""
    axes, dot_axes = ([i % np.ndim(x) for i in its] for its in (axes, dot_axes))
    others = [i for i in range(np.ndim(x)) if i not in axes and i not in dot_axes]
    lengths = [tuple(x.shape[i] for i in its) for its in (others, dot_axes, axes)]
    x = np.transpose(x, (*others, *dot_axes, *axes))
    return lengths[0], np.reshape(x, (math.prod(lengths[0]), math.prod(lengths[1]), *lengths[2]))


def _padded(x: Any, n: tuple[int, ...]) -> Any:
    return np.pad(x, ((0, 0), (0, 0), *((k - 1, k - 1) for k in n)))


def _windows(x: Any, kernel: Any) -> Any:
    """Return sums over windows of x, times the kernel flipped, by rows of x, rows of the kernel and places."""
    n = kernel.shape[2:]
    for i, k in enumerate(n):
        axis = 2 + 2 * i
        starts = np.arange(x.shape[axis] - k + 1)
        x = np.take(x, starts[:, None] + np.arange(k), axis=axis)
    # Now a pair of axes (place, inside) for each convolved one.
    inside = [3 + 2 * i for i in range(len(n))]
    kernel = kernel[(slice(None), slice(None), *(slice(None, None, -1) for _ in n))]
    found = np.tensordot(x, kernel, axes=([1, *inside], [1, *range(2, 2 + len(n))]))
    return np.moveaxis(found, -1, 1)
