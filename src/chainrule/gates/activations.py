"""Activations of networks: gates beyond the standard."""

from typing import Any

from chainrule.gates.elementwise import sech_squared
from chainrule.gates.helpers import axes_of, is_complex, is_transformed, kept_shape, nothing, output, total
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


@rule("beyond", flow="elementwise", real=True)
def log_sigmoid(xp: Any, z: Array, /) -> Result:
    """log s(z), with no logarithm of 0; its slope s(-z), with no difference of numbers near 1."""
    y, (slope,) = softplus(xp, -z)
    return -y, (slope,)


@rule("beyond", flow="elementwise", real=True)
def softplus(xp: Any, z: Array, /) -> Result:
    """log(1 + e^z), whose slope is s(z)."""
    tail, e, positive = sigmoid_parts(xp, z)
    return xp.where(positive > 0, z, 0) + xp.log1p(e), (lambda g: g * from_tail(tail, positive),)


@rule("beyond", flow="picks", real=True)
def relu(xp: Any, x: Array, /) -> Result:
    """The positive part of x; the slope at 0 is 0."""
    # The gradient of xp.maximum shares ties, so for a traced x this rule is recorded and not that of xp.maximum.
    y = output(relu, xp, x) if is_transformed(x) else xp.maximum(x, 0)
    return y, (lambda g: xp.where(y > 0, g, nothing(xp, y, g)),)


@rule("beyond", flow="elementwise", real=True)
def leaky_relu(xp: Any, x: Array, /, *, slope: float = 0.01) -> Result:
    """x, and `slope` times x where x <= 0 (Maas et al., ICML 2013)."""
    on = x > 0
    return xp.where(on, x, x * slope), (lambda g: xp.where(on, g, g * (slope + xp.sign(x) * 0)),)


@rule("beyond", flow="elementwise", real=True)
def elu(xp: Any, x: Array, /, *, alpha: float = 1.0) -> Result:
    """x, and alpha (e^x - 1) where x <= 0 (Clevert et al., ICLR 2016)."""
    on = x > 0
    tail = xp.where(on, 0, x)
    return xp.where(on, x, alpha * xp.expm1(tail)), (lambda g: xp.where(on, g, g * (alpha * xp.exp(tail))),)


@rule("beyond", real=True)
def logsumexp(xp: Any, x: Array, /, *, axis: Axes = None, keepdims: bool = False) -> Result:
    """log(sum e^x), whose slope is the softmax."""
    kept = kept_shape(x.shape, axis)
    e, others, _, peak = exponentials(xp, x, axis)
    y = xp.astype(xp.log1p(others) + peak, e.dtype, copy=False)

    def pullback(g: Array) -> Array:
        e, others, _, _ = exponentials(xp, x, axis)
        return xp.reshape(g, kept) * (e / (1 + others))

    axes = axes_of(axis, x.ndim)
    rest = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return (y if keepdims else xp.reshape(y, rest)), (pullback,)


@rule("beyond", real=True)
def softmax(xp: Any, x: Array, /, *, axis: Axes = -1) -> Result:
    """y = e^x / sum e^x along an axis: dx = y (g - sum(g y))."""
    e, others, top, _ = exponentials(xp, x, axis)
    y = xp.astype(e / (1 + others), e.dtype, copy=False)

    def pullback(g: Array) -> Array:
        # Less the gradient at the top, which changes nothing but that a y near 1 is not subtracted from 1.
        count = total(xp, xp.astype(top, y.dtype), axis, keepdims=True)
        g = g - total(xp, xp.where(top, g, 0), axis, keepdims=True) / xp.maximum(count, 1)
        return (g - total(xp, g * y, axis, keepdims=True)) * y

    return y, (pullback,)


@rule("beyond", real=True)
def log_softmax(xp: Any, x: Array, /, *, axis: Axes = -1) -> Result:
    """y = x - log(sum e^x): dx = g - e^y sum(g)."""
    e, others, top, peak = exponentials(xp, x, axis)
    y = xp.astype(x - peak - xp.log1p(others), e.dtype, copy=False)

    def pullback(g: Array) -> Array:
        return minus_share(xp, g, total(xp, g, axis, keepdims=True), e, others, top)

    return y, (pullback,)


def sigmoid_parts(xp: Any, z: Array) -> tuple[Array, Array, Array]:
    """Return s(-|z|), e^-|z| and 1 where z >= 0, else 0, with no exponential of a positive number."""
    # By a sign, which is quicker than xp.where. And not by xp.abs, whose slope at z = 0 is 0: that of either branch
    # is the slope of s there, at every order.
    positive = xp.astype((xp.real(z) if is_complex(xp, z) else z) >= 0, z.dtype)
    sign = 1 - 2 * positive
    e = xp.exp(sign * z)
    return e / (1 + e), e, positive


def from_tail(tail: Array, positive: Array) -> Array:
    """Return s(z) from s(-|z|) and from 1 where z >= 0, else 0."""
    return positive + (1 - 2 * positive) * tail


def exponentials(xp: Any, x: Array, axis: Axes) -> tuple[Array, Array, Array, Array]:
    """Return e^(x - peak), its sum along the axis less 1, where it is 1, and the peak."""
    # The result does not depend on the peak, and no derivative does: the gradients that flow through it cancel.
    peak = xp.max(x, axis=axis, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    e = xp.exp(x - peak)
    # The 1 of the peak itself is left out, beside which small others would leave no digit.
    top = e == 1
    count = total(xp, xp.astype(top, e.dtype), axis, keepdims=True)
    return e, (count - 1) + total(xp, xp.where(top, 0, e), axis, keepdims=True), top, peak


def minus_share(xp: Any, g: Array, whole: Array, e: Array, others: Array, top: Array) -> Array:
    """Return g - whole e / (1 + others); at the top, where g may be near the whole, by what the others have."""
    at_top = (g - whole) + whole * (others / (1 + others))
    return xp.where(top, at_top, g - whole * (e / (1 + others)))
