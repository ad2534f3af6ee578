"""Activations of networks: gates beyond the standard."""

from typing import Any

from chainrule.gates.elementwise import sech_squared
from chainrule.gates.helpers import axes_of, is_transformed, kept_shape, output
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Axes, Pullback, Result


@rule("beyond", flow="elementwise")
def sigmoid(xp: Any, z: Array, /) -> tuple[Array, tuple[Pullback]]:
    """s(z) = 1 / (1 + e^-z), element by element, for z of any size."""
    tail, _, positive = sigmoid_parts(xp, z)

    def pullback(g: Array) -> Array:
        # s' = s (1 - s) is tail (1 - tail) too, which keeps its digits where s is near 1.
        return g * (output(sech_squared, xp, z / 2) / 4 if is_transformed(z) else tail * (1 - tail))

    return from_tail(tail, positive), (pullback,)


@rule("beyond", flow="elementwise")
def log_sigmoid(xp: Any, z: Array, /) -> Result:
    """log s(z), with no logarithm of 0; its slope s(-z), with no difference of numbers near 1."""
    y, (slope,) = softplus(xp, -z)
    return -y, (slope,)


@rule("beyond", flow="elementwise")
def softplus(xp: Any, z: Array, /) -> Result:
    """log(1 + e^z), whose slope is s(z)."""
    tail, e, positive = sigmoid_parts(xp, z)
    return xp.where(positive > 0, z, 0) + xp.log1p(e), (lambda g: g * from_tail(tail, positive),)


@rule("beyond", flow="selects")
def relu(xp: Any, x: Array, /) -> Result:
    """The positive part of x; the slope at 0 is 0."""
    # xp.maximum is quicker than xp.where, but its rule shares the slope at a tie: a traced x has this rule recorded.
    y = output(relu, xp, x) if is_transformed(x) else xp.maximum(x, 0)
    return y, (lambda g: xp.where(y <= 0, 0, g),)


@rule("beyond", flow="elementwise")
def leaky_relu(xp: Any, x: Array, /, *, slope: float = 0.01) -> Result:
    """x, and `slope` times x where x <= 0 (Maas et al., ICML 2013)."""
    off = x <= 0
    return xp.where(off, x * slope, x), (lambda g: xp.where(off, g * slope, g),)


@rule("beyond", flow="elementwise")
def elu(xp: Any, x: Array, /, *, alpha: float = 1.0) -> Result:
    """x, and alpha (e^x - 1) where x <= 0 (Clevert et al., ICLR 2016)."""
    off = x <= 0
    tail = xp.where(off, x, 0)
    return xp.where(off, alpha * xp.expm1(tail), x), (lambda g: xp.where(off, g * (alpha * xp.exp(tail)), g),)


@rule("beyond")
def logsumexp(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """log(sum e^x), whose slope is the softmax."""
    kept = kept_shape(x.shape, axis)
    total, peak = exponentials(xp, x, axis)[1:]
    y = xp.log(total) + peak

    def pullback(g: Array) -> Array:
        e, total, _ = exponentials(xp, x, axis)
        return xp.reshape(g, kept) * (e / total)

    axes = axes_of(axis, x.ndim)
    rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return (y if keepdims else xp.reshape(y, rest)), (pullback,)


@rule("beyond")
def softmax(xp: Any, x: Array, /, *, axis: Axes = -1) -> Result:
    """y = e^x / sum e^x along an axis: dx = y (g - sum(g y))."""
    e, total, _ = exponentials(xp, x, axis)
    y = e / total
    return y, (lambda g: (g - xp.sum(g * y, axis=axis, keepdims=True)) * y,)


@rule("beyond")
def log_softmax(xp: Any, x: Array, /, *, axis: Axes = -1) -> Result:
    """y = x - log(sum e^x): dx = g - e^y sum(g)."""
    total, peak = exponentials(xp, x, axis)[1:]
    y = x - peak - xp.log(total)
    return y, (lambda g: g - xp.sum(g, axis=axis, keepdims=True) * xp.exp(y),)


def sigmoid_parts(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Return s(-|z|), e^-|z| and 1 where z >= 0, else 0, with no exponential of a positive number."""
    # By a sign, which is quicker than xp.where. And not by xp.abs, whose slope at z = 0 is 0: that of either branch
    # is the slope of s there, at every order.
    positive = xp.astype(z >= 0, z.dtype)
    sign = 1 - 2 * positive
    e = xp.exp(sign * z)
    return e / (1 + e), e, positive


def from_tail(tail: Array, positive: Array) -> Array:
    """Return s(z) from s(-|z|) and from 1 where z >= 0, else 0."""
    return positive + (1 - 2 * positive) * tail


def exponentials(xp: Any, x: Array, axis: Axes) -> tuple[Array, Array, Array]:
    """Return e^(x - peak), its sum along the axis, and the peak, which keeps both from overflowing."""
    # The result does not depend on the peak, and no derivative does: the gradients that flow through it cancel.
    peak = xp.max(x, axis=axis, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    e = xp.exp(x - peak)
    return e, xp.sum(e, axis=axis, keepdims=True), peak
