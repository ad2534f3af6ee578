"""Functions that are written in other functions of the namespace: the chain rule gives their gradients."""

import math
import operator
from typing import Any

from chainrule.gates.helpers import axis_number, conjugate, device_of
from chainrule.gates.standard import composed
from chainrule.gates.types import Array, Axes


@composed("main")
def broadcast_arrays(xp: Any, /, *arrays: Array) -> tuple[Array, ...]:
    """Return every array in the shape that they broadcast to."""
    shape = xp.broadcast_shapes(*(x.shape for x in arrays))
    return tuple(xp.broadcast_to(x, shape) for x in arrays)


@composed("linalg")
def cross(xp: Any, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Return the cross product of vectors of three components along an axis."""
    a, b = (xp.unstack(x, axis=axis) for x in (x1, x2))
    if len(a) != 3 or len(b) != 3:
        raise ValueError(
            f"cross: expected vectors of three components along axis {axis}; got shapes {x1.shape} and {x2.shape}"
        )
    turns = ((1, 2), (2, 0), (0, 1))
    return xp.stack([a[i] * b[j] - a[j] * b[i] for i, j in turns], axis=axis)


@composed("linalg")
def diagonal(xp: Any, x: Array, /, *, offset: int = 0) -> Array:
    """Return the diagonals of a stack of matrices."""
    if x.ndim < 2:
        raise ValueError(f"diagonal: expected a matrix or a stack of them; got shape {x.shape}")
    m, n = x.shape[-2:]
    start, length = (offset, min(m, n - offset)) if offset >= 0 else (-offset * n, min(m + offset, n))
    flat = xp.reshape(x, (*x.shape[:-2], m * n))
    if length <= 0:
        return flat[..., 0:0]
    return flat[..., start : start + (length - 1) * (n + 1) + 1 : n + 1]


@composed("main")
def diff(
    xp: Any, x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array = None, append: Array = None
) -> Array:
    """Return the n-th differences of neighbours along an axis."""
    along = axis_number("diff", axis, x.ndim)
    if n < 0:
        raise ValueError(f"diff: expected an order n of 0 or more; got {n}")
    if n == 0:
        return x
    x = xp.concat([part for part in (prepend, x, append) if part is not None], axis=axis)
    later, earlier = (
        tuple(part if i == along else slice(None) for i in range(x.ndim))
        for part in (slice(1, None), slice(None, -1))
    )
    for _ in range(n):
        x = x[later] - x[earlier]
    return x


@composed("linalg")
def matrix_norm(xp: Any, x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Return a norm of each matrix in a stack."""
    if ord == "fro":
        return xp.linalg.vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc":
        norm = xp.sum(xp.linalg.svdvals(x), axis=-1)
    elif ord in (2, -2):
        norm = (xp.max if ord > 0 else xp.min)(xp.linalg.svdvals(x), axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = xp.sum(xp.abs(x), axis=-2 if abs(ord) == 1 else -1)
        norm = (xp.max if ord > 0 else xp.min)(sums, axis=-1)
    else:
        raise ValueError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf; got {ord!r}")
    return xp.reshape(norm, (*norm.shape, 1, 1)) if keepdims else norm


@composed("linalg")
def matrix_power(xp: Any, x: Array, n: int, /) -> Array:
    """Return the n-th power of square matrices, by squaring."""
    n = operator.index(n)
    if n < 0:
        x, n = xp.linalg.inv(x), -n
    power = x * 0 + xp.eye(x.shape[-1], dtype=x.dtype, device=device_of(x)) if n == 0 else None
    while n:
        if n % 2:
            power = x if power is None else power @ x
        n //= 2
        x = x @ x if n else x
    return power


@composed("main")
def linspace(
    xp: Any,
    start: Any,
    stop: Any,
    /,
    num: int = 50,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Array:
    """Return num points at equal distances from start to stop, along a new first axis."""
    if not hasattr(num, "__index__"):
        raise TypeError(f"linspace: num must be a whole number, got {num!r}")
    if num < 0:
        raise ValueError(f"linspace: num must be a whole number from 0 up, got {num}")
    # In a floating dtype, because there are points between integers, and unsigned ones have no differences below 0.
    floating = xp.result_type(start, stop, 1.0)
    start, stop = (
        xp.astype(x, floating, copy=False) if hasattr(x, "dtype") else x * 1.0 for x in (start, stop)
    )
    length, last = xp.subtract(stop, start), num - 1 if endpoint else num
    ruler = xp.arange(num, dtype=length.dtype, device=device_of(length))
    ruler = xp.reshape(ruler, (num,) + (1,) * length.ndim)
    points = xp.add(start, length / max(last, 1) * ruler)
    # Where start is much larger than stop, the sum of start and length is not stop.
    points = xp.where(ruler == last, stop, points) if last else points
    points = points if dtype is None else xp.astype(points, dtype)
    return points if device is None else points.to_device(device)


@composed("main")
def meshgrid(xp: Any, /, *arrays: Array, indexing: str = "xy") -> tuple[Array, ...]:
    """Return the coordinates of a grid from the coordinates on its axes."""
    k = len(arrays)
    shape = tuple(x.size for x in arrays)
    grids = [
        xp.broadcast_to(xp.reshape(x, tuple(-1 if j == i else 1 for j in range(k))), shape)
        for i, x in enumerate(arrays)
    ]
    if indexing == "xy" and k > 1:
        grids = [xp.permute_dims(grid, (1, 0, *range(2, k))) for grid in grids]
    return tuple(grids)


@composed("linalg")
def outer(xp: Any, x1: Array, x2: Array, /) -> Array:
    """Return the products of every element of one vector with every element of the other."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: expected two vectors; got shapes {x1.shape} and {x2.shape}")
    return x1[:, None] * x2[None, :]


@composed("main", "linalg")
def tensordot(xp: Any, x1: Array, x2: Array, /, *, axes: Any = 2) -> Array:
    """Return the sums of products over pairs of axes."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ValueError(
                f"tensordot: expected from 0 to {min(x1.ndim, x2.ndim)} axes, which both arrays have; got {axes}"
            )
        first, second = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        first, second = (
            tuple(axis_number("tensordot", a, x.ndim) for a in part)
            for x, part in ((x1, axes[0]), (x2, axes[1]))
        )
    lengths = [tuple(x.shape[a] for a in part) for x, part in ((x1, first), (x2, second))]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"tensordot: expected axes of equal lengths; got {lengths[0]} and {lengths[1]}, axes {first} of shape "
            f"{x1.shape} and {second} of shape {x2.shape}"
        )
    left = tuple(i for i in range(x1.ndim) if i not in first)
    right = tuple(i for i in range(x2.ndim) if i not in second)
    inner = math.prod(x1.shape[i] for i in first)
    rows, columns = tuple(x1.shape[i] for i in left), tuple(x2.shape[i] for i in right)
    a = xp.reshape(xp.permute_dims(x1, left + first), (math.prod(rows), inner))
    b = xp.reshape(xp.permute_dims(x2, second + right), (inner, math.prod(columns)))
    return xp.reshape(a @ b, rows + columns)


@composed("linalg")
def trace(xp: Any, x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Return the sum of each diagonal."""
    return xp.sum(xp.linalg.diagonal(x, offset=offset), axis=-1, dtype=dtype)


@composed("main")
def unstack(xp: Any, x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """Return the slices of x along an axis."""
    along = axis_number("unstack", axis, x.ndim)
    return tuple(
        x[tuple(i if j == along else slice(None) for j in range(x.ndim))] for i in range(x.shape[along])
    )


@composed("main", "linalg")
def vecdot(xp: Any, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """Return the dot products of vectors along an axis."""
    x1, x2 = (xp.moveaxis(x, axis_number("vecdot", axis, x.ndim), -1) for x in (x1, x2))
    if x1.shape[-1] != x2.shape[-1]:
        raise ValueError(f"vecdot: expected vectors of equal lengths; got {x1.shape[-1]} and {x2.shape[-1]}")
    return xp.sum(conjugate(xp, x1) * x2, axis=-1)


@composed("beyond")
def maxout(xp: Any, z: Array, /, *, pieces: int) -> Array:
    """Return the largest of each group of `pieces` neighbours: shape (..., n * pieces) to (..., n).

    Source: Goodfellow et al., Maxout networks, ICML 2013.
    """
    return xp.max(xp.reshape(z, (*z.shape[:-1], -1, pieces)), axis=-1)


@composed("beyond")
def norm(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Return the Euclidean length along axes; where it is 0 the gradient is 0."""
    return xp.linalg.vector_norm(x, axis=axis, keepdims=keepdims)


@composed("beyond")
def safe_divide(xp: Any, x1: Array, x2: Array, /) -> Array:
    """Return x1 / x2, and 0 with gradient 0 where x2 is 0."""
    empty = x2 == 0
    return xp.where(empty, 0, x1 / xp.where(empty, 1, x2))
