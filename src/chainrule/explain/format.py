"""Numbers and arrays as text."""

from typing import Any

import numpy as np

FEW = 6
"""Arrays of at most so many elements are written in full."""


def number(x: Any) -> str:
    """Return a number with six significant digits and no idle zeros: -4, 0.731059, 1e-09."""
    if isinstance(x, bool | np.bool):
        return "true" if x else "false"
    return _unsigned_zero(f"{float(x):.6g}")


def rounded(x: Any) -> str:
    """Return a number with three significant digits."""
    return _unsigned_zero(f"{float(x):.3g}")


@np.errstate(all="ignore")
def brief(x: Any) -> str:
    """Return all numbers of a small array, and shape, range and norm of a large one."""
    x = np.asarray(x)
    if x.size <= FEW:
        return _listed(x)
    if x.dtype == bool:
        return f"shape {x.shape}, {int(x.sum())} true"
    if x.dtype.kind == "c":
        return f"shape {x.shape}, norm {number(np.linalg.norm(x))}"
    return f"shape {x.shape}, {rounded(x.min())} .. {rounded(x.max())}, norm {rounded(np.linalg.norm(x.ravel()))}"


def heatmap(x: Any, width: int = 32, height: int = 8) -> list[str]:
    """Return a matrix as lines of blocks: the darker, the larger in absolute value; NaN as a question mark.

    A matrix with more columns than `width` or more rows than `height` is cut into tiles, and each tile is shown by its
    largest element.
    """
    x = np.abs(np.asarray(x, dtype=float))
    rows, columns = (
        np.array_split(np.arange(n), min(n, most)) for n, most in zip(x.shape, (height, width), strict=True)
    )
    tiles = np.array([[x[np.ix_(r, c)].max() for c in columns] for r in rows])
    top = np.nanmax(tiles, initial=0.0)
    shades = " ░▒▓█"
    level = np.ceil(tiles / top * 4) if top > 0 and np.isfinite(top) else np.zeros_like(tiles)
    return [
        "".join("?" if np.isnan(t) else shades[int(k)] for t, k in zip(row, ks, strict=True))
        for row, ks in zip(tiles, level, strict=True)
    ]


def _listed(x: Any) -> str:
    if x.ndim == 0:
        return str(x[()]) if x.dtype.kind == "c" else number(x[()])
    return f"[{', '.join(map(_listed, x))}]"


def _unsigned_zero(text: str) -> str:
    return "0" if text == "-0" else text
