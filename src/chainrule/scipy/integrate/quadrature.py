"""Integrals of sampled functions."""

from typing import Any

from chainrule.gates.helpers import axis_number
from chainrule.gates.types import Array
from chainrule.scipy.arguments import prepared


def trapezoid(y: Array, x: Array | None = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Return the integral of y along an axis by the trapezoidal rule, at places x or dx apart: y without the axis."""
    xp, y, steps = _samples("trapezoid", y, x, dx, axis)
    return xp.sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


def cumulative_trapezoid(
    y: Array, x: Array | None = None, dx: Any = 1.0, axis: int = -1, initial: float | None = None
) -> Array:
    """Return the integrals from the first place to each later one by the trapezoidal rule, after `initial`."""
    if initial not in (None, 0):
        raise ValueError(f"cumulative_trapezoid: initial must be 0 or None; got {initial!r}")
    xp, y, steps = _samples("cumulative_trapezoid", y, x, dx, axis)
    sums = xp.cumulative_sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    if initial is not None:
        sums = xp.concat([xp.zeros_like(sums[..., :1]), sums], axis=-1)
    return xp.moveaxis(sums, -1, axis)


def simpson(y: Array, x: Array | None = None, *, dx: Any = 1.0, axis: int = -1) -> Array:
    """Return the integral of y along an axis by Simpson's rule, at places x or dx apart: y without the axis.

    Of an even number of samples the last interval is that of the parabola through the last three. Where two places of
    a parabola are equal there is none, and the integral is NaN; SciPy leaves out terms there. Source: Cartwright,
    Simpson's rule cumulative integration with MS Excel and irregularly-spaced data, 2017.
    """
    xp, y, steps = _samples("simpson", y, x, dx, axis)
    n = y.shape[-1]
    steps = steps + xp.zeros_like(y[..., 1:])
    if n < 3:
        return xp.sum(steps * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)
    pairs = (n - 1) // 2 * 2
    h0, h1 = steps[..., 0:pairs:2], steps[..., 1:pairs:2]
    first, middle, last = y[..., 0:pairs:2], y[..., 1:pairs:2], y[..., 2 : pairs + 1 : 2]
    whole = h0 + h1
    parts = (2 - h1 / h0) * first + whole * whole / (h0 * h1) * middle + (2 - h0 / h1) * last
    total = xp.sum(whole / 6 * parts, axis=-1)
    if n % 2:
        return total
    h0, h1 = steps[..., -2], steps[..., -1]
    end = h1 * (2 * h1 + 3 * h0) / (6 * (h0 + h1)) * y[..., -1]
    before = h1 * (h1 + 3 * h0) / (6 * h0) * y[..., -2]
    return total + end + before - h1**3 / (6 * h0 * (h0 + h1)) * y[..., -3]


def _samples(name: str, y: Array, x: Any, dx: Any, axis: int) -> tuple[Any, Array, Array]:
    """Return the namespace, y with the axis at the end, and the steps between its samples, which broadcast with it."""
    xp, y, x, dx = prepared(y, x, None if x is not None else dx)
    if not y.ndim:
        raise ValueError(f"{name}: expected samples along an axis; got an array of shape ()")
    axis = axis_number(name, axis, y.ndim)
    n = y.shape[axis]
    y = xp.moveaxis(y, axis, -1)
    if x is None:
        return xp, y, dx
    if x.ndim > 1:
        x = xp.moveaxis(x, axis, -1)
    if not x.ndim or x.shape[-1] != n:
        raise ValueError(f"{name}: expected as many places as samples, {n}; got x of shape {x.shape}")
    return xp, y, x[..., 1:] - x[..., :-1]
