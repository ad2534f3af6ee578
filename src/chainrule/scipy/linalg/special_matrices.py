"""Matrices of special form."""

from typing import Any

from chainrule.gates.helpers import conjugate
from chainrule.gates.types import Array
from chainrule.numpy_names.functions import shapes
from chainrule.scipy.arguments import prepared


def block_diag(*arrs: Any) -> Array:
    """Return the matrix with arrays, of 2 axes or fewer, as blocks on its diagonal and 0 elsewhere."""
    if not arrs:
        raise ValueError("block_diag: expected one array or more")
    xp, *blocks = prepared(*arrs)
    blocks = [shapes.atleast(xp, x, 2) for x in blocks]
    if any(x.ndim > 2 for x in blocks):
        raise ValueError(f"block_diag: expected 2 axes or fewer; got shapes {[x.shape for x in blocks]}")
    dtype = xp.result_type(*blocks)
    columns = sum(x.shape[1] for x in blocks)
    rows, before = [], 0
    for x in blocks:
        height, width = x.shape
        sides = [
            xp.zeros((height, n), dtype=dtype, device=x.device) for n in (before, columns - before - width)
        ]
        rows.append(xp.concat([sides[0], x, sides[1]], axis=1))
        before += width
    return xp.concat(rows, axis=0)


def toeplitz(c: Array, r: Array | None = None) -> Array:
    """Return the matrix with c (m,) as its first column and r (n,) as its first row, constant along diagonals.

    The first element of r is not read. Without r it is the conjugate of c.
    """
    xp, c, r = prepared(c, r)
    if c.ndim != 1 or (r is not None and r.ndim != 1):
        raise ValueError(
            f"toeplitz: expected vectors; got shapes {[x.shape for x in (c, r) if x is not None]}"
        )
    r = conjugate(xp, c) if r is None else r
    m, n = c.shape[0], r.shape[0]
    along = xp.concat([xp.flip(c), r[1:]])
    places = [[m - 1 - i + j for j in range(n)] for i in range(m)]
    flat = xp.asarray([k for row in places for k in row], dtype=xp.int64, device=c.device)
    return xp.reshape(xp.take(along, flat), (m, n))
