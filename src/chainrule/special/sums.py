"""logsumexp, softmax, log_softmax and multigammaln, with SciPy's arguments."""

import math
import operator
from collections.abc import Sequence
from typing import Any

from chainrule.autodiff.namespace import first_space
from chainrule.gates import activations
from chainrule.gates.helpers import axes_of, is_transformed
from chainrule.gates.types import Array, Axes, Gate, Result
from chainrule.special.gamma_functions import gammaln
from chainrule.special.table import as_arrays, refuse_complex


def softmax(x: Array, axis: Axes = None) -> Array:
    """Return e^x over its sum along axes, of all elements unless they are given: the shape of x."""
    return _run(activations.softmax, *floats([x]), axis=axis)


def log_softmax(x: Array, axis: Axes = None) -> Array:
    """Return x - log(sum e^x) along axes, of all elements unless they are given: the shape of x."""
    return _run(activations.log_softmax, *floats([x]), axis=axis)


def logsumexp(
    a: Array, axis: Axes = None, b: Array = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Return log(sum b e^a) along axes, with weights b of 1 unless they are given; gradients flow to a and b.

    With return_sign, return log |sum b e^a| and the sign of the sum; without, NaN where the sum is negative.
    """
    a, *weights = floats([a] if b is None else [a, b])
    if not weights:
        y = _run(activations.logsumexp, a, axis=axis, keepdims=True)
        space = first_space((y,))
        sign = space.ones_like(y)
    else:
        (b,) = weights
        space = first_space((a, b))
        y = _run(weighted_logsumexp, a, b, axis=axis)
        _, total, _ = _sum_of(space, space.stop_gradient(a), space.stop_gradient(b), axis)
        sign = space.sign(total)
    if not is_transformed(y):
        sign, space = sign.value, space._base
    if weights and not return_sign:
        # Times NaN, so that the gradient is NaN as well.
        y = y * space.where(sign < 0, math.nan, space.ones_like(sign))
    if not keepdims:
        axes = axes_of(axis, y.ndim)
        rest = tuple(n for i, n in enumerate(y.shape) if i not in axes)
        y, sign = space.reshape(y, rest), space.reshape(sign, rest)
    return (y, sign) if return_sign else y


def multigammaln(a: Array, d: int) -> Array:
    """Return the logarithm of the gamma function of dimension d, NaN where a is not above (d - 1) / 2: the shape of a.

    It is the sum of log gamma(a - j / 2) over j < d, and d (d - 1) / 4 log pi (DLMF 35.3.4).
    """
    (a,), d = floats([a]), operator.index(d)
    y = d * (d - 1) / 4 * math.log(math.pi) + _run(gammaln, a)
    for j in range(1, d):
        y = y + _run(gammaln, a - j / 2)
    space = first_space((y,))
    xp = space if is_transformed(y) else space._base
    # Times NaN, so that the gradient is NaN as well.
    return y * xp.where(a > (d - 1) / 2, xp.ones_like(y), math.nan)


def weighted_logsumexp(xp: Any, a: Array, b: Array, /, *, axis: Axes = None) -> Result:
    """log |sum b e^a| with the axes kept: the slopes are b e^a and e^a over the sum."""
    e, total, peak = _sum_of(xp, a, b, axis)
    # The terms at the peak are added apart: beside them the others would leave no digit.
    at_peak, terms = xp.logical_and(a == peak, b != 0), b * e
    top = xp.sum(xp.where(at_peak, terms, 0), axis=axis, keepdims=True)
    others = xp.sum(xp.where(at_peak, 0, terms), axis=axis, keepdims=True)
    near = xp.abs(others) < xp.abs(top) / 2
    level = xp.log(xp.abs(xp.where(near, top, total)))
    y = level + xp.log1p(xp.where(near, others, 0) / xp.where(near, top, 1)) + peak

    def to_a(g: Array) -> Array:
        e, total, _ = _sum_of(xp, a, b, axis)
        return g * (b * e / total)

    def to_b(g: Array) -> Array:
        _, total, peak = _sum_of(xp, a, b, axis)
        return g * (xp.exp(a - peak) / total)

    return y, (to_a, to_b)


def _sum_of(xp: Any, a: Array, b: Array, axis: Axes) -> tuple[Array, Array, Array]:
    """Return e^(a - peak), the sum of b times that, and the peak: the largest a of those with a weight."""
    peak = xp.max(xp.where(b == 0, -math.inf, a + 0 * b), axis=axis, keepdims=True)
    # No result depends on the peak, and no derivative does: the gradients that flow through it cancel.
    peak = xp.where(xp.isfinite(peak), peak, 0)
    e = xp.exp(a - peak)
    # What has no weight adds nothing, even where it is infinite beside the peak.
    e = xp.where(xp.logical_and(b == 0, xp.isinf(e)), 0, e)
    return e, xp.sum(b * e, axis=axis, keepdims=True), peak


def floats(items: Sequence[Any]) -> list[Array]:
    """Return arrays, lists and numbers as arrays of numbers that are not whole by their dtype."""
    arrays = as_arrays(items)
    space = first_space(arrays)
    kinds = ("real floating", "complex floating")
    return [
        x
        if space._base.isdtype(x.dtype, kinds)
        else (space if is_transformed(x) else space._base).astype(x, space._base.float64)
        for x in arrays
    ]


def _run(rule: Gate, *arrays: Array, **settings: Any) -> Array:
    space = first_space(arrays)
    refuse_complex(rule.__name__, space, arrays)
    if any(map(is_transformed, arrays)):
        return space._record(rule, arrays, settings)
    return rule(space._base, *arrays, **settings)[0]
