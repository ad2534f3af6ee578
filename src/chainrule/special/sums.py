"""logsumexp, softmax and log_softmax, with SciPy's arguments."""

import math
from typing import Any

from chainrule.autodiff.custom_gate import gate
from chainrule.autodiff.namespace import first_space
from chainrule.gates import activations
from chainrule.gates.helpers import axes_of, is_transformed, output
from chainrule.gates.types import Array, Axes, Result


def softmax(x: Array, axis: Axes = None) -> Array:
    """Return e^x over its sum along axes, of all elements unless they are given: the shape of x."""
    return _softmax(x, axis=axis)


def log_softmax(x: Array, axis: Axes = None) -> Array:
    """Return x - log(sum e^x) along axes, of all elements unless they are given: the shape of x."""
    return _log_softmax(x, axis=axis)


def logsumexp(
    a: Array, axis: Axes = None, b: Array = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Return log(sum b e^a) along axes, with weights b of 1 unless they are given; gradients flow to a and b.

    With return_sign, return log |sum b e^a| and the sign of the sum; without, NaN where the sum is negative.
    """
    if b is None:
        y = _logsumexp(a, axis=axis, keepdims=True)
        space = first_space((y,))
        sign = space.ones_like(y)
    else:
        space = first_space((a, b))
        a, b = (x if hasattr(x, "dtype") else space._base.asarray(x) for x in (a, b))
        y = _weighted(a, b, axis=axis)
        total, _ = _sum_of(space, *map(space.stop_gradient, (a, b)), axis)
        sign = space.sign(total)
    if not is_transformed(y):
        sign, space = sign.value, space._base
    if b is not None and not return_sign:
        # Times NaN, so that the gradient is NaN as well.
        y = y * space.where(sign < 0, math.nan, space.ones_like(sign))
    if not keepdims:
        axes = axes_of(axis, y.ndim)
        rest = tuple(n for i, n in enumerate(y.shape) if i not in axes)
        y, sign = space.reshape(y, rest), space.reshape(sign, rest)
    return (y, sign) if return_sign else y


def weighted_logsumexp(xp: Any, a: Array, b: Array, /, *, axis: Axes = None) -> Result:
    """log |sum b e^a| with the axes kept: the slopes are b e^a and e^a over the sum."""
    if is_transformed(a) or is_transformed(b):
        y = output(weighted_logsumexp, xp, a, b, axis=axis)
    else:
        total, peak = _sum_of(xp, a, b, axis)
        # The terms at the peak are added apart: beside them the others would leave no digit.
        weights = xp.where(xp.logical_and(a == peak, b != 0), b, 0 * b)
        top = xp.sum(weights, axis=axis, keepdims=True)
        terms = xp.where(xp.logical_or(weights != 0, b == 0), 0, b * xp.exp(a - peak))
        others = xp.sum(terms, axis=axis, keepdims=True)
        near = xp.abs(others) < xp.abs(top) / 2
        level = xp.log(xp.abs(xp.where(near, top, total)))
        y = level + xp.log1p(xp.where(near, others, 0) / xp.where(near, top, 1)) + peak

    def share(g: Array) -> Array:
        total, peak = _sum_of(xp, a, b, axis)
        return g * (xp.exp(a - peak) / total)

    return y, (lambda g: xp.where(b == 0, 0, share(g) * b), share)


def _sum_of(xp: Any, a: Array, b: Array, axis: Axes) -> tuple[Array, Array]:
    """Return the sum of b e^(a - peak) and the peak, the largest a of those with a weight; with the axes kept."""
    peak = xp.max(xp.where(b == 0, -math.inf, a + 0 * b), axis=axis, keepdims=True)
    # No result depends on the peak, and no derivative does: the gradients that flow through it cancel.
    peak = xp.where(xp.isfinite(peak), peak, 0)
    return xp.sum(xp.where(b == 0, 0, b * xp.exp(a - peak)), axis=axis, keepdims=True), peak


_softmax, _log_softmax = gate(activations.softmax), gate(activations.log_softmax)
_logsumexp, _weighted = gate(activations.logsumexp), gate(weighted_logsumexp)
