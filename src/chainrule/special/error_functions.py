"""The error function and its kin, and the normal distribution.

DLMF is the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov.
"""

import math
from typing import Any

from chainrule.gates.helpers import is_complex, is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.special.table import library, slope, special

_PEAK = 2 / math.sqrt(math.pi)  # erf'(0)
_ROOT = math.sqrt(2 * math.pi)


@special()
def erf(xp: Any, x: Array, /) -> Result:
    """For real and complex x: erf' = 2 / sqrt(pi) e^(-x^2) (DLMF 7.2.1)."""
    return library(erf, xp, x), (lambda g: g * (_PEAK * output(bell, xp, x, c=1.0)),)


@special()
def erfc(xp: Any, x: Array, /) -> Result:
    """1 - erf(x), for real and complex x: erfc' = -2 / sqrt(pi) e^(-x^2) (DLMF 7.2.2)."""
    return library(erfc, xp, x), (lambda g: g * (-_PEAK * output(bell, xp, x, c=1.0)),)


@special()
def erfcx(xp: Any, x: Array, /) -> Result:
    """e^(x^2) erfc(x): erfcx' = 2 x erfcx - 2 / sqrt(pi), as -2 e^(x^2) ierfc(x) without a difference (DLMF 7.18)."""
    return library(erfcx, xp, x), (lambda g: g * (-2 * output(erfc_integral, xp, x, n=1)),)


@special()
def erfinv(xp: Any, x: Array, /) -> Result:
    """y with erf(y) = x: y' = sqrt(pi) / 2 e^(y^2)."""
    return library(erfinv, xp, x), (lambda g: g * output(inverse_slope, xp, x, complementary=False),)


@special()
def erfcinv(xp: Any, x: Array, /) -> Result:
    """y with erfc(y) = x: y' = -sqrt(pi) / 2 e^(y^2)."""
    return library(erfcinv, xp, x), (lambda g: g * output(inverse_slope, xp, x, complementary=True),)


@special()
def ndtr(xp: Any, x: Array, /) -> Result:
    """The normal distribution function Phi: Phi' = e^(-x^2 / 2) / sqrt(2 pi)."""
    return library(ndtr, xp, x), (lambda g: g * (output(bell, xp, x, c=0.5) / _ROOT),)


@special()
def log_ndtr(xp: Any, x: Array, /) -> Result:
    """log Phi(x): its slope is Phi' / Phi, of which no digit is lost where both are 0."""
    return library(log_ndtr, xp, x), (lambda g: g * output(mills, xp, x),)


@special()
def ndtri(xp: Any, p: Array, /) -> Result:
    """y with Phi(y) = p: y' = sqrt(2 pi) e^(y^2 / 2)."""
    return library(ndtri, xp, p), (lambda g: g * output(quantile_slope, xp, p),)


# --- Slopes that are gates themselves ---


@slope
def bell(xp: Any, x: Array, /, *, c: float) -> Result:
    """e^(-c x^2) for c = 1 or 1/2: b' = -2 c x b."""
    # Far out, where e^(-c x^2) is 0 in every dtype, 0 times an infinite x is NaN.
    x = x if is_complex(xp, x) else xp.clip(x, -64.0, 64.0)
    if is_transformed(x):
        b = output(bell, xp, x, c=c)
    elif is_complex(xp, x):
        b = xp.exp(-c * x * x)
    else:
        # The square of a number of few bits is exact, and the rest is small: the exponent loses no digit.
        near = xp.round(x * 16) / 16
        b = xp.exp(-c * near * near) * xp.exp(-c * (x - near) * (x + near))
    return b, (lambda g: g * (-2 * c * x * b),)


@slope
def erfc_integral(xp: Any, x: Array, /, *, n: int) -> Result:
    """E_n = e^(x^2) i^n erfc(x), by the repeated integrals of erfc: E_n' = -2 (n + 1) E_(n+1) (DLMF 7.18.3)."""
    y = output(erfc_integral, xp, x, n=n) if is_transformed(x) else _erfc_integral(xp, x, n)
    return y, (lambda g: g * (-2 * (n + 1) * output(erfc_integral, xp, x, n=n + 1)),)


def _erfc_integral(xp: Any, x: Array, n: int) -> Array:
    # DLMF 7.18.7: E_(k-2) = 2 x E_(k-1) + 2 k E_k. Upwards it loses digits where x is large; there the ratios
    # E_k / E_(k-1) come downwards, as a continued fraction.
    first = library(erfcx, xp, x)
    large = x > 1.5
    before, upward = xp.full_like(x, _PEAK), first
    for k in range(1, n + 1):
        before, upward = upward, (before / 2 - x * upward) / k
    far = xp.where(large, x, 1.5)
    last = n + 70
    ratio = 1 / (far + xp.sqrt(far * far + 2 * last))
    downward = xp.where(large, first, 0)
    for k in range(last, 0, -1):
        ratio = 1 / (2 * far + 2 * (k + 1) * ratio)
        downward = downward * ratio if k <= n else downward
    return xp.where(large, downward, upward)


@slope
def mills(xp: Any, x: Array, /) -> Result:
    """h = Phi' / Phi, the inverse of Mills' ratio: h' = -h (x + h)."""
    left = x < 0
    t = xp.where(left, -x, 0) / math.sqrt(2)
    if is_transformed(x):
        h = output(mills, xp, x)
    else:
        positive = xp.where(left, 0, x)
        right = output(bell, xp, positive, c=0.5) / _ROOT / library(ndtr, xp, positive)
        h = xp.where(left, math.sqrt(2 / math.pi) / library(erfcx, xp, t), right)

    def pullback(g: Array) -> Array:
        E0, E1 = (output(erfc_integral, xp, t, n=n) for n in (0, 1))
        return g * (-h * xp.where(left, math.sqrt(2) * E1 / E0, x + h))

    return h, (pullback,)


@slope
def inverse_slope(xp: Any, x: Array, /, *, complementary: bool) -> Result:
    """s = +-sqrt(pi) / 2 e^(y^2), y the inverse of erf or erfc at x: s' = 2 y s^2."""
    y = output(erfcinv if complementary else erfinv, xp, x)
    if is_transformed(x):
        s = output(inverse_slope, xp, x, complementary=complementary)
    else:
        # e^(y^2) is erfcx(y) / erfc(y), and erfc(y) is known exactly: it is how far x is from an end.
        tail = xp.minimum(x, 2 - x) if complementary else 1 - xp.abs(x)
        s = _at_ends(xp, y, library(erfcx, xp, xp.abs(y)) / (_PEAK * tail))
        s = -s if complementary else s
    return s, (lambda g: g * (2 * y * s * s),)


@slope
def quantile_slope(xp: Any, p: Array, /) -> Result:
    """s = 1 / Phi'(y), y the normal quantile at p: s' = y s^2."""
    y = output(ndtri, xp, p)
    if is_transformed(p):
        s = output(quantile_slope, xp, p)
    else:
        # Phi'(y) is Phi(y) h(y), and Phi(y) is known exactly: it is p, or at the other end 1 - p.
        s = _at_ends(xp, y, 1 / (xp.minimum(p, 1 - p) * output(mills, xp, -xp.abs(y))))
    return s, (lambda g: g * (y * s * s),)


def _at_ends(xp: Any, y: Array, s: Array) -> Array:
    """Return the slope s of an inverse y, infinite where y is."""
    return xp.where(xp.isinf(y), xp.abs(y), s)
