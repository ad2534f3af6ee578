"""Bessel, modified Bessel and Struve functions, with slopes in x; none is known in the order."""

import math
from typing import Any

from chainrule.backend.special_functions import special_function
from chainrule.gates.elementwise import direction
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Gate, Pullback, Result
from chainrule.special.gamma_functions import rgamma
from chainrule.special.table import defined, library, special, unknown


@special()
def j0(xp: Any, x: Array, /) -> Result:
    """J_0' = -J_1 (DLMF 10.6.3)."""
    return library(j0, xp, x), (lambda g: -g * output(j1, xp, x),)


@special()
def j1(xp: Any, x: Array, /) -> Result:
    """J_1' = (J_0 - J_2) / 2 (DLMF 10.6.1)."""
    return library(j1, xp, x), (lambda g: g * ((output(j0, xp, x) - output(jv, xp, 2, x)) / 2),)


@special("jn")
def jv(xp: Any, v: Array, x: Array, /) -> Result:
    """J_v' = (J_(v-1) - J_(v+1)) / 2 (DLMF 10.6.1)."""
    y = _of_order(jv, xp, v, x)
    return y, (unknown("jv", "the order v"), _half(jv, xp, v, x, -1, y))


@special()
def y0(xp: Any, x: Array, /) -> Result:
    """Y_0' = -Y_1 (DLMF 10.6.3)."""
    return library(y0, xp, x), (lambda g: -g * output(y1, xp, x),)


@special()
def y1(xp: Any, x: Array, /) -> Result:
    """Y_1' = Y_0 - Y_1 / x (DLMF 10.6.2)."""
    y = library(y1, xp, x)
    return y, (lambda g: g * (output(y0, xp, x) - y / x),)


@special()
def yn(xp: Any, n: Array, x: Array, /) -> Result:
    """Y_n' = (Y_(n-1) - Y_(n+1)) / 2, n whole (DLMF 10.6.1)."""
    y = library(yn, xp, n, x)
    return y, (unknown("yn", "the order n"), _half(yn, xp, n, x, -1, y))


@special()
def yv(xp: Any, v: Array, x: Array, /) -> Result:
    """Y_v' = (Y_(v-1) - Y_(v+1)) / 2 (DLMF 10.6.1)."""
    y = library(yv, xp, v, x)
    return y, (unknown("yv", "the order v"), _half(yv, xp, v, x, -1, y))


@special()
def i0(xp: Any, x: Array, /) -> Result:
    """I_0' = I_1 (DLMF 10.29.3)."""
    return library(i0, xp, x), (lambda g: g * output(i1, xp, x),)


@special()
def i1(xp: Any, x: Array, /) -> Result:
    """I_1' = (I_0 + I_2) / 2 (DLMF 10.29.1)."""
    return library(i1, xp, x), (lambda g: g * ((output(i0, xp, x) + output(iv, xp, 2, x)) / 2),)


@special()
def iv(xp: Any, v: Array, x: Array, /) -> Result:
    """I_v' = (I_(v-1) + I_(v+1)) / 2 (DLMF 10.29.1)."""
    y = _of_order(iv, xp, v, x)
    return y, (unknown("iv", "the order v"), _half(iv, xp, v, x, 1, y))


@special()
def i0e(xp: Any, x: Array, /) -> Result:
    """e^-|x| I_0: its slope is that of I_0 less sign(x) i0e; 0 at 0 (DLMF 10.29.3)."""
    y = library(i0e, xp, x)
    return y, (lambda g: g * _scaled_slope(xp, 0, x, output(i1e, xp, x), y),)


@special()
def i1e(xp: Any, x: Array, /) -> Result:
    """e^-|x| I_1: its slope is that of I_1 less sign(x) i1e (DLMF 10.29.1)."""
    y = library(i1e, xp, x)

    def pullback(g: Array) -> Array:
        return g * _scaled_slope(xp, 1, x, (output(i0e, xp, x) + output(ive, xp, 2, x)) / 2, y)

    return y, (pullback,)


@special()
def ive(xp: Any, v: Array, x: Array, /) -> Result:
    """e^-|x| I_v: its slope is that of I_v less sign(x) ive (DLMF 10.29.1)."""
    y = _of_order(ive, xp, v, x)

    def pullback(g: Array) -> Array:
        mean = (output(ive, xp, v - 1, x) + output(ive, xp, v + 1, x)) / 2
        return g * _scaled_slope(xp, v, x, mean, y)

    return y, (unknown("ive", "the order v"), pullback)


@special()
def struve(xp: Any, v: Array, x: Array, /) -> Result:
    """H_v' = H_(v-1) - v H_v / x, near 0 (H_(v-1) - H_(v+1) + (x/2)^v / (sqrt(pi) gamma(v + 3/2))) / 2 (DLMF 11.4)."""
    y = library(struve, xp, v, x)

    def pullback(g: Array) -> Array:
        near, below = xp.abs(x) < 1, output(struve, xp, v - 1, x)
        power = xp.pow(xp.where(near, x, 1) / 2, v) * output(rgamma, xp, v + 1.5) / math.sqrt(math.pi)
        at_0 = (below - output(struve, xp, v + 1, x) + power) / 2
        return g * xp.where(near, at_0, below - v * y / xp.where(near, 1, x))

    return y, (unknown("struve", "the order v"), pullback)


# For whole orders where a library has none but these: the functions of orders 0 and 1, and the sign s in
# f_(n+1) = s (2n f_n / x - f_(n-1)) (DLMF 10.6.1, 10.29.1).
_SMALL = 8
_WHOLE: dict[Gate, tuple[Gate, Gate, int]] = {jv: (j0, j1, 1), iv: (i0, i1, -1), ive: (i0e, i1e, -1)}


def _of_order(gate: Gate, xp: Any, v: Any, x: Array) -> Array:
    """Return the value of a gate by its library; for small whole v from orders 0 and 1 where that has no other."""
    small = (
        isinstance(v, int | float) and not is_transformed(v) and float(v).is_integer() and abs(v) <= _SMALL
    )
    if not small or is_transformed(x) or special_function(xp, gate.__name__):
        return library(gate, xp, v, x)
    v = int(v)
    *two, s = _WHOLE[gate]
    before, y = (library(f, xp, x) for f in two)
    # J_-n = (-1)^n J_n and I_-n = I_n (DLMF 10.4.1, 10.27.1).
    turned, v = ((-s) ** v if v < 0 else 1), abs(v)
    if v < 2:
        return turned * (y if v else before)
    near = xp.abs(x) < v + 1
    z, far = xp.where(near, x / 2, 0), xp.where(near, 1, x)
    for n in range(1, v):
        before, y = y, s * (2 * n * y / far - before)
    # The power series (DLMF 10.2.2, 10.25.2), because the recurrence loses digits near 0.
    term = z**v / math.factorial(v)
    series = term
    for k in range(1, 30):
        term = term * (-s * z * z / (k * (v + k)))
        series = series + term
    series = series * xp.exp(-2 * xp.abs(z)) if gate is ive else series
    return turned * xp.where(near, series, y)


def _half(gate: Gate, xp: Any, v: Array, x: Array, sign: int, y: Array) -> Pullback:
    """Return the pullback to x of a function y whose slope is half that of order v - 1 +- that of order v + 1."""

    def pullback(g: Array) -> Array:
        twice = output(gate, xp, v - 1, x) + sign * output(gate, xp, v + 1, x)
        return g * defined(xp, y, twice / 2)

    return pullback


def _scaled_slope(xp: Any, v: Array, x: Array, unscaled: Array, y: Array) -> Array:
    """Return the slope of y = e^-|x| I_v(x) from the unscaled e^-|x| I_v'(x)."""
    # Far out these nearly cancel. There e^-x I_v is (2 pi x)^(-1/2) times the sum of (-1)^k a_k x^-k (DLMF 10.40.1),
    # whose slope is taken term by term.
    square = 4 * v * v
    far = xp.logical_and(xp.abs(x) > 30, 4 * xp.abs(x) > square)
    r = xp.where(far, 1 / xp.abs(xp.where(x == 0, 1, x)), 0)
    term, total = 1.0, 0.5
    for k in range(1, 26):
        term = term * ((square - (2 * k - 1) ** 2) / (-8 * k)) * r
        total = total + (k + 0.5) * term
    # I_v is even or odd, so the slope at -x is that at x with a sign.
    series = -xp.sign(x) * xp.sign(y) * xp.sqrt(r / (2 * math.pi)) * r * total
    return defined(xp, y, xp.where(far, series, unscaled - output(direction, xp, x) * y))
