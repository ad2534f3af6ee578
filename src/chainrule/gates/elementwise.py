"""Elementwise gates.

The gradient of an operand that was broadcast may have the shape of the result: the tape sums it back.
"""

import math
from typing import Any

from chainrule.gates.helpers import conjugate, is_complex, is_transformed, nothing, output, real_product
from chainrule.gates.standard import rule
from chainrule.gates.types import Array, Result


@rule("main", flow="elementwise")
def abs(xp: Any, x: Array, /) -> Result:
    """|x|; the slope at 0 is 0."""
    return xp.abs(x), (lambda g: g * output(direction, xp, x),)


@rule("main", flow="elementwise")
def acos(xp: Any, x: Array, /) -> Result:
    """acos' = -1 / sqrt(1 - x^2)."""
    return xp.acos(x), (lambda g: -g / _root_of_complement(xp, x),)


@rule("main", flow="elementwise")
def acosh(xp: Any, x: Array, /) -> Result:
    """acosh' = 1 / sqrt(x^2 - 1), by two roots so that x^2 does not overflow."""
    return xp.acosh(x), (lambda g: g / (xp.sqrt(x - 1) * xp.sqrt(x + 1)),)


@rule("main", flow="moves")
def add(xp: Any, x1: Array, x2: Array, /) -> Result:
    """x1 + x2: both get the gradient."""
    return xp.add(x1, x2), (lambda g: g, lambda g: g)


@rule("main", flow="elementwise")
def asin(xp: Any, x: Array, /) -> Result:
    """asin' = 1 / sqrt(1 - x^2)."""
    return xp.asin(x), (lambda g: g / _root_of_complement(xp, x),)


@rule("main", flow="elementwise")
def asinh(xp: Any, x: Array, /) -> Result:
    """asinh' = 1 / sqrt(1 + x^2), by hypot so that x^2 does not overflow."""

    def pullback(g: Array) -> Array:
        if is_complex(xp, x):
            # On both sides of its branch cuts, which the roots share.
            return g / (xp.sqrt(1 + x * 1j) * xp.sqrt(1 - x * 1j))
        return g / xp.hypot(x, 1.0)

    return xp.asinh(x), (pullback,)


@rule("main", flow="elementwise")
def atan(xp: Any, x: Array, /) -> Result:
    """atan' = 1 / (1 + x^2), by hypot so that x^2 does not overflow."""

    def pullback(g: Array) -> Array:
        if is_complex(xp, x):
            return g / (1 + x * 1j) / (1 - x * 1j)
        r = xp.hypot(x, 1.0)
        return g / r / r

    return xp.atan(x), (pullback,)


@rule("main", flow="elementwise")
def atan2(xp: Any, x1: Array, x2: Array, /) -> Result:
    """The angle of the point (x2, x1); at the origin, where it has no slope, the gradient is 0."""

    # Divided by the radius twice: its square overflows or vanishes where the radius itself does not.
    def along(g: Array, x: Array) -> Array:
        r = xp.hypot(x1, x2)
        return g * output(over, xp, output(over, xp, x, r), r)

    return xp.atan2(x1, x2), (lambda g: along(g, x2), lambda g: -along(g, x1))


@rule("main", flow="elementwise")
def atanh(xp: Any, x: Array, /) -> Result:
    """atanh' = 1 / (1 - x^2)."""
    return xp.atanh(x), (lambda g: g / output(complement, xp, x),)


@rule("main", flow="picks")
def clip(xp: Any, x: Array, min: Array = None, max: Array = None, /) -> Result:
    """x within [min, max]; both ends pass the gradient on, and beside a NaN all get NaN."""
    y = xp.clip(x, min, max)

    if max is None:
        return y, (
            lambda g: xp.where(x >= min, g, nothing(xp, y, g)),
            lambda g: xp.where(x < min, g, nothing(xp, y, g)),
            None,
        )
    above = (x if min is None else xp.maximum(x, min)) > max
    within = x <= max if min is None else xp.logical_and(x >= min, x <= max)
    return y, (
        lambda g: xp.where(within, g, nothing(xp, y, g)),
        lambda g: xp.where(xp.logical_and(x < min, y == min), g, nothing(xp, y, g)),
        lambda g: xp.where(above, g, nothing(xp, y, g)),
    )


@rule("main", flow="moves")
def conj(xp: Any, x: Array, /) -> Result:
    """The conjugate, which is x for a real x."""
    return xp.conj(x), (lambda g: conjugate(xp, g),)


@rule("main", flow="elementwise")
def copysign(xp: Any, x1: Array, x2: Array, /) -> Result:
    """|x1| with the sign of x2: only x1 has a slope."""
    y = xp.copysign(x1, x2)
    return y, (lambda g: g * (xp.sign(y) * output(direction, xp, x1)), None)


@rule("main", flow="elementwise")
def cos(xp: Any, x: Array, /) -> Result:
    """cos' = -sin."""
    return xp.cos(x), (lambda g: -g * xp.sin(x),)


@rule("main", flow="elementwise")
def cosh(xp: Any, x: Array, /) -> Result:
    """cosh' = sinh."""
    return xp.cosh(x), (lambda g: g * xp.sinh(x),)


@rule("main", flow="elementwise")
def divide(xp: Any, x1: Array, x2: Array, /) -> Result:
    """y = x1 / x2: dx1 = g / x2, dx2 = -g y / x2."""
    y = xp.divide(x1, x2)
    return y, (lambda g: g / x2, lambda g: -(g / x2) * y)


@rule("main", flow="elementwise")
def exp(xp: Any, x: Array, /) -> Result:
    """exp' = exp."""
    y = xp.exp(x)
    return y, (lambda g: g * y,)


@rule("main", flow="elementwise")
def expm1(xp: Any, x: Array, /) -> Result:
    """expm1' = exp; of expm1(x) + 1 no digit is left where x is far below 0."""
    return xp.expm1(x), (lambda g: g * xp.exp(x),)


@rule("main", flow="elementwise")
def hypot(xp: Any, x1: Array, x2: Array, /) -> Result:
    """y = sqrt(x1^2 + x2^2): dx1 = g x1 / y, and 0 at the origin."""
    y = xp.hypot(x1, x2)
    return y, (lambda g: g * output(over, xp, x1, y), lambda g: g * output(over, xp, x2, y))


@rule("main", flow="moves")
def imag(xp: Any, x: Array, /) -> Result:
    """The imaginary part, which is 0 for a real x."""

    def pullback(g: Array) -> Array:
        return xp.astype(g, x.dtype) * 1j if is_complex(xp, x) else xp.zeros_like(g)

    return xp.imag(x), (pullback,)


@rule("main", flow="elementwise")
def log(xp: Any, x: Array, /) -> Result:
    """log' = 1 / x."""
    return xp.log(x), (lambda g: g / x,)


@rule("main", flow="elementwise")
def log10(xp: Any, x: Array, /) -> Result:
    """log10' = 1 / (x ln 10)."""
    return xp.log10(x), (lambda g: g * (1 / math.log(10)) / x,)


@rule("main", flow="elementwise")
def log1p(xp: Any, x: Array, /) -> Result:
    """log1p' = 1 / (1 + x)."""
    return xp.log1p(x), (lambda g: g / (1 + x),)


@rule("main", flow="elementwise")
def log2(xp: Any, x: Array, /) -> Result:
    """log2' = 1 / (x ln 2)."""
    return xp.log2(x), (lambda g: g * (1 / math.log(2)) / x,)


@rule("main", flow="elementwise")
def logaddexp(xp: Any, x1: Array, x2: Array, /) -> Result:
    """log(e^x1 + e^x2): the slopes are s(x1 - x2) and s(x2 - x1), s the sigmoid."""
    y = xp.logaddexp(x1, x2)
    return y, tuple(lambda g, xs=xs: g * output(share, xp, *xs) for xs in ((x1, x2), (x2, x1)))


@rule("main", flow="picks")
def maximum(xp: Any, x1: Array, x2: Array, /) -> Result:
    """The larger gets the gradient; equal operands share it evenly, and beside a NaN both get NaN."""
    y = xp.maximum(x1, x2)
    return y, (
        lambda g: xp.where(x1 > x2, g, xp.where(x1 == x2, g / 2, nothing(xp, y, g))),
        lambda g: xp.where(x1 < x2, g, xp.where(x1 == x2, g / 2, nothing(xp, y, g))),
    )


@rule("main", flow="picks")
def minimum(xp: Any, x1: Array, x2: Array, /) -> Result:
    """The smaller gets the gradient; equal operands share it evenly, and beside a NaN both get NaN."""
    y = xp.minimum(x1, x2)
    return y, (
        lambda g: xp.where(x1 < x2, g, xp.where(x1 == x2, g / 2, nothing(xp, y, g))),
        lambda g: xp.where(x1 > x2, g, xp.where(x1 == x2, g / 2, nothing(xp, y, g))),
    )


@rule("main", flow="elementwise")
def multiply(xp: Any, x1: Array, x2: Array, /) -> Result:
    """x1 x2: each gets the gradient times the other."""
    return xp.multiply(x1, x2), (lambda g: g * x2, lambda g: g * x1)


@rule("main", flow="moves")
def negative(xp: Any, x: Array, /) -> Result:
    """-x."""
    return xp.negative(x), (lambda g: -g,)


@rule("main", flow="moves")
def positive(xp: Any, x: Array, /) -> Result:
    """+x."""
    return xp.positive(x), (lambda g: g,)


@rule("main", flow="elementwise")
def pow(xp: Any, x1: Array, x2: Array, /) -> Result:
    """y = x1^x2: dx1 = g x2 x1^(x2 - 1), dx2 = g y log x1.

    x^0 is 1 for every x, so its slope in x is 0, at x = 0 too; 0^x2 stays 0 for every x2 > 0, so its slope
    in x2 is 0. For a negative base and an integer exponent the slope in the base is the usual one, and that in
    the exponent is NaN.
    """
    y = xp.pow(x1, x2)

    def base(g: Array) -> Array:
        if isinstance(x2, int | float | complex) and not is_transformed(x2):
            return xp.zeros_like(g) if x2 == 0 else g * x2 * xp.pow(x1, x2 - 1)
        # The derivative of this pullback in x2 is x1^-1 where x2 is 0; so the power is replaced at 0^-1 alone, and
        # its factor by 0 without a slope.
        corner = xp.logical_and(x1 == 0, x2 == 0)
        factor = xp.where(corner, output(direction, xp, x2), x2)
        return g * factor * xp.pow(x1, xp.where(corner, 1, x2) - 1)

    def exponent(g: Array) -> Array:
        if hasattr(x1, "dtype"):
            return g * output(power_log, xp, x1, x2)
        is_positive = not isinstance(x1, complex) and x1 > 0
        return g * y * math.log(x1) if is_positive else g * output(power_log, xp, xp.full_like(y, x1), x2)

    return y, (base, exponent)


@rule("main", flow="moves")
def real(xp: Any, x: Array, /) -> Result:
    """The real part, which is x for a real x."""
    return xp.real(x), (lambda g: g,)


@rule("main", flow="elementwise")
def reciprocal(xp: Any, x: Array, /) -> Result:
    """y = 1 / x: y' = -y^2."""
    y = xp.reciprocal(x)
    return y, (lambda g: -(g * y) * y,)


@rule("main", flow="elementwise")
def remainder(xp: Any, x1: Array, x2: Array, /) -> Result:
    """x1 - x2 floor(x1 / x2); the floor is constant between its jumps."""
    return xp.remainder(x1, x2), (lambda g: g, lambda g: -g * xp.floor_divide(x1, x2))


@rule("main", flow="elementwise")
def sin(xp: Any, x: Array, /) -> Result:
    """sin' = cos."""
    return xp.sin(x), (lambda g: g * xp.cos(x),)


@rule("main", flow="elementwise")
def sinh(xp: Any, x: Array, /) -> Result:
    """sinh' = cosh."""
    return xp.sinh(x), (lambda g: g * xp.cosh(x),)


@rule("main", flow="elementwise")
def sqrt(xp: Any, x: Array, /) -> Result:
    """y = sqrt(x): y' = 1 / (2 y)."""
    y = xp.sqrt(x)
    return y, (lambda g: g / (2 * y),)


@rule("main", flow="elementwise")
def square(xp: Any, x: Array, /) -> Result:
    """x^2."""
    return xp.square(x), (lambda g: g * (2 * x),)


@rule("main", flow="moves")
def subtract(xp: Any, x1: Array, x2: Array, /) -> Result:
    """x1 - x2."""
    return xp.subtract(x1, x2), (lambda g: g, lambda g: -g)


@rule("main", flow="elementwise")
def tan(xp: Any, x: Array, /) -> Result:
    """y = tan(x): y' = 1 + y^2."""
    y = xp.tan(x)
    return y, (lambda g: g * (1 + y * y),)


@rule("main", flow="elementwise")
def tanh(xp: Any, x: Array, /) -> Result:
    """y = tanh(x): y' = 1 - y^2."""
    y = xp.tanh(x)
    return y, (lambda g: g * (1 - y * y),)


@rule("main", flow="selects")
def where(xp: Any, condition: Array, x1: Array, x2: Array, /) -> Result:
    """x1 where the condition holds, else x2: the other branch gets 0."""
    return xp.where(condition, x1, x2), (
        None,
        lambda g: xp.where(condition, g, 0),
        lambda g: xp.where(condition, 0, g),
    )


# --- Slopes that are gates themselves: so that their own slopes, which are second derivatives, are right as well; and
# functions of NumPy's that are not in the standard ---


@rule("internal", flow="elementwise")
def cbrt(xp: Any, x: Array, /) -> Result:
    """y = cbrt(x), of negative numbers too: y' = 1 / (3 y^2)."""
    if is_transformed(x):
        y = output(cbrt, xp, x)
    elif hasattr(xp, "cbrt"):
        y = xp.cbrt(x)
    else:
        root_of_itself = xp.logical_or(x == 0, xp.logical_not(xp.isfinite(x)))
        z = xp.where(root_of_itself, 1, x)
        y = xp.sign(z) * xp.pow(xp.abs(z), 1 / 3)
        # A step of Newton's: 1 / 3 is rounded, and its power of a number far from 1 with it.
        y = xp.where(root_of_itself, x, y - (y - z / (y * y)) / 3)
    return y, (lambda g: g / (3 * (y * y)),)


@rule("internal", flow="elementwise")
def complement(xp: Any, x: Array, /) -> Result:
    """1 - x^2, of which the product keeps all digits near 1, and the slope -2 x all digits near 0."""
    return (1 - x) * (1 + x), (lambda g: g * (-2 * x),)


@rule("internal", flow="elementwise", adjoint=True)
def direction(xp: Any, x: Array, /) -> Result:
    """The sign u = x / |x|, which is the slope of |x|; at 0 it is 0 and has no slope itself: NaN.

    Of a complex x it moves across its own direction alone, by the share (g - Re(g conj(u)) u) / |x|.
    """
    u = xp.sign(x)

    def pullback(g: Array) -> Array:
        if is_complex(xp, x):
            size = xp.abs(x)
            return (g - real_product(xp, g, u) * u) / xp.where(size == 0, math.nan, size)
        return g * xp.where(x == 0, math.nan, xp.zeros_like(x))

    return u, (pullback,)


@rule("internal", flow="elementwise")
def logaddexp2(xp: Any, x1: Array, x2: Array, /) -> Result:
    """log2(2^x1 + 2^x2), with powers of 2 throughout: those of e lose the digits of a large x ln 2."""

    def power(x: Array) -> Array:
        return xp.pow(2.0, x)

    if is_transformed(x1) or is_transformed(x2):
        y = output(logaddexp2, xp, x1, x2)
    else:
        y = xp.maximum(x1, x2)
        y = y + xp.log1p(power(-xp.abs(_gap(xp, x1, x2)))) * (1 / math.log(2))
    return y, tuple(lambda g, xs=xs: g * output(share, xp, *xs, base=2) for xs in ((x1, x2), (x2, x1)))


@rule("internal", flow="elementwise")
def over(xp: Any, x: Array, d: Array, /) -> Result:
    """x / d, and 0 / 0 = 0, as slopes of lengths are at their origin; there it has no slope itself: NaN."""
    y = x / xp.where(xp.logical_and(x == 0, d == 0), 1, d)

    def divided(g: Array) -> Array:
        return g / xp.where(d == 0, math.nan, d)

    return y, (divided, lambda g: -divided(g) * y)


@rule("internal", flow="elementwise")
def power_log(xp: Any, x1: Array, x2: Array, /, *, n: int = 1) -> Result:
    """x1^x2 (log x1)^n, the n-th derivative of x1^x2 in x2; 0 where x1 is 0 and x2 > 0."""
    y = xp.pow(x1, x2)
    # The logarithm of small integers would be one of a short floating type.
    base = x1 if x1.dtype == y.dtype else xp.astype(x1, y.dtype)
    vanishes = xp.logical_and(x1 == 0, (xp.real(x2) if is_complex(xp, x2) else x2) > 0)
    factor = xp.log(xp.where(vanishes, 1, base))
    for _ in range(n):
        y = y * factor

    def to_base(g: Array) -> Array:
        fewer = output(power_log, xp, x1, x2 - 1, n=n - 1) if n > 1 else xp.pow(x1, x2 - 1)
        return g * (x2 * output(power_log, xp, x1, x2 - 1, n=n) + n * fewer)

    return y, (to_base, lambda g: g * output(power_log, xp, x1, x2, n=n + 1))


@rule("internal", flow="elementwise")
def sech_squared(xp: Any, x: Array, /) -> Result:
    """y = sech(x)^2, the slope of tanh: y' = -2 tanh(x) y."""
    if is_transformed(x):
        y = output(sech_squared, xp, x)
    else:
        if is_complex(xp, x):
            e = xp.exp(xp.where(xp.real(x) > 0, -x, x))
            sech = 2 * e / (1 + e * e)
        else:
            sech = sech_of(xp, x, xp.tanh(x))
        y = sech * sech
    return y, (lambda g: g * (-2 * xp.tanh(x) * y),)


def _root_of_complement(xp: Any, x: Array) -> Array:
    """Return sqrt(1 - x^2), for complex numbers by two roots, which share its branch cuts and do not overflow."""
    if is_complex(xp, x):
        return xp.sqrt(1 - x) * xp.sqrt(1 + x)
    return xp.sqrt(output(complement, xp, x))


def sech_of(xp: Any, x: Array, y: Array) -> Array:
    """Return sech(x), y being tanh(x), by e^-|x|, which does not overflow: 1 + |y| is 2 / (1 + e^-2|x|)."""
    return xp.exp(-xp.abs(x)) * (1 + xp.abs(y))


@rule("internal", flow="elementwise")
def share(xp: Any, own: Array, other: Array, /, *, base: int | None = None) -> Result:
    """b^own / (b^own + b^other), the slope of logaddexp, b = e without a base; its slope is both shares times log b."""
    gap = _gap(xp, own, other)
    positive = gap >= 0
    below = xp.where(positive, -gap, gap)
    e = xp.exp(below) if base is None else xp.pow(float(base), below)
    y = xp.where(positive, 1, e) / (1 + e)

    def slope(g: Array) -> Array:
        return g * (y * output(share, xp, other, own, base=base) * math.log(base or math.e))

    return y, (slope, lambda g: -slope(g))


def _gap(xp: Any, x1: Array, x2: Array) -> Array:
    """Return x1 - x2; two equal infinities have no difference, and count as any two equal numbers."""
    like = x1 if hasattr(x1, "dtype") else x2
    x1, x2 = (x if hasattr(x, "dtype") else xp.full_like(like, x) for x in (x1, x2))
    level = xp.logical_and(x1 == x2, xp.isinf(x1))
    return xp.where(level, 0, x1) - xp.where(level, 0, x2)
