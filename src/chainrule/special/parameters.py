"""Slopes of the incomplete gamma and beta functions in their parameters, of plain arrays.

Where x or 1 - x is small a power series is differentiated term by term. Elsewhere the tail on the side of x is an
integral whose integrand has one sign, and so has its derivative: no digit is lost by a difference.
"""

import math
from typing import Any

from chainrule.gates.helpers import output
from chainrule.gates.types import Array
from chainrule.special.densities import DIGAMMA, LARGE, beta_density, digamma_gain, gamma_density
from chainrule.special.gamma_functions import digamma

# Nodes and weights on (0, infinity) for integrands that fall as e^-t or faster: the trapezoidal rule in u, where
# t = e^(u - e^-u) (Takahasi and Mori, Double exponential formulas for numerical integration, 1974).
_NODES = [
    (t, t * (1 + math.exp(-u)) / 10)
    for u, t in ((k / 10, math.exp(k / 10 - math.exp(-k / 10))) for k in range(-36, 52))
]


def gamma_slope(xp: Any, a: Array, x: Array) -> Array:
    """Return the slope in a of P(a, x), the integral of the gamma density from 0 to x, for plain arrays.

    Up to x = 2 it is the slope of the power series, term by term (DLMF 8.7.1). Beyond, P or 1 - P, whichever tail is
    on the side of x, is the density times x I, with I the integral of e^(a s - x (e^s - 1)) over s from 0 to infinity
    or to minus infinity (DLMF 8.2.1, 8.2.2), by the rule of _NODES.
    """
    small = x <= 2
    y, z = xp.where(small, x, 1), xp.where(small, 3, x)
    y = xp.where(y > 0, y, 1)
    factor, total, term = _log_less_digamma(xp, a + 1, y), 0.0, 1.0
    for n in range(1, 40):
        total = total + term * factor
        term, factor = term * y / (a + n), factor - 1 / (a + n)
    series = gamma_density(xp, a + 1, y) * total
    right = z > a
    c = 1 / (xp.abs(z - a) + xp.sqrt(z))
    integral, moment = 0.0, 0.0
    for node, width in _NODES:
        t = c * node
        # On the right t is e^s - 1, so that the integrand falls exponentially on both sides; on the left it is -s.
        s = xp.where(right, xp.log1p(t), -t)
        weight = xp.exp(a * s - z * xp.where(right, t, xp.expm1(s))) * c * width
        weight = weight / xp.where(right, 1 + t, 1)
        integral, moment = integral + weight, moment + weight * s
    tail = (integral * _log_less_digamma(xp, a, z) + moment) * (z * gamma_density(xp, a, z))
    tail = xp.where(right, -tail, tail)
    flat = xp.logical_or(x == 0, xp.isinf(x))
    return xp.where(flat, 0 * a, xp.where(small, series, tail))


def beta_slope(xp: Any, a: Array, b: Array, x: Array, number: int) -> Array:
    """Return the slope of I_x(a, b), the integral of the beta density from 0 to x, in a, number 0, or b, number 1."""
    d, y = beta_density(xp, a, b, x), 1 - x
    inside = xp.logical_and(x > 0, x < 1)
    x, y = xp.where(inside, x, 0.5), xp.where(inside, y, 0.5)
    # I_x(a, b) is 1 - I_y(b, a).
    slope = (
        -_slope_in_a(xp, b, a, y, x, xp.log1p(-x), d) if number else _slope_in_a(xp, a, b, x, y, xp.log(x), d)
    )
    return xp.where(inside, slope, 0 * d)


def _slope_in_a(xp: Any, a: Array, b: Array, x: Array, y: Array, log_x: Array, d: Array) -> Array:
    """Return the slope in a of I_x(a, b), from y = 1 - x and the density d at x."""
    n, gain = a + b, digamma_gain(xp, a, b)
    low, high = xp.logical_and(x <= 0.5, n * x <= 2), xp.logical_and(y <= 0.5, n * y <= 2)
    near = xp.logical_or(low, high)
    # DLMF 8.17.8: I_x is x y d / a times the sum of products of (n + j) x / (a + 1 + j).
    N, A, X = xp.where(low, n, 1), xp.where(low, a, 1), xp.where(low, x, 0)
    factor = log_x + digamma_gain(xp, a + 1, b) - 1 / n
    below, term = 0.0, 1.0
    for j in range(80):
        below, term = below + term * factor, term * ((N + j) * X / (A + 1 + j))
        factor = factor + 1 / (N + j) - 1 / (A + 1 + j)
    # DLMF 8.17.7: 1 - I_x is y^b gamma(n) / (gamma(a) gamma(b + 1)) times 1 + b T, with T the sum of
    # (1 - a)_k y^k / (k! (b + k)). So its slope is of the size of b where b is small.
    A, Y = xp.where(high, a, 1), xp.where(high, y, 0)
    term, slope, T, T_slope = 1.0, 0.0, 0.0, 0.0
    for k in range(1, 80):
        term, slope = term * (k - A) * Y / k, (slope * (k - A) - term) * Y / k
        T, T_slope = T + term / (b + k), T_slope + slope / (b + k)
    above = (gain * (1 + b * T) / b + T_slope) * y * d * xp.exp((1 - A) * log_x)
    series = xp.where(low, x * y * d / a * below, -above)
    x, y = xp.where(near, 0.5, x), xp.where(near, 0.5, y)
    return xp.where(near, series, _of_tail(xp, a, b, x, y, log_x + gain, d))


def _of_tail(xp: Any, a: Array, b: Array, x: Array, y: Array, gain: Array, d: Array) -> Array:
    """Return the slope by the integral of the tail on the side of x, from x to p = 1 - y e^-v or to p = x e^-v."""
    right = b * x > a * y
    A, B = xp.where(right, a, b), xp.where(right, b, a)
    odds = xp.where(right, y / x, x / y)
    c = 1 / (xp.abs(B - (A - 1) * odds) + xp.sqrt((a + b) * odds))
    total = 0.0
    for node, width in _NODES:
        v = c * node
        log_p = xp.log1p(-odds * xp.expm1(-v))
        weight = xp.exp((A - 1) * log_p - B * v) * c * width
        total = total + weight * (gain + xp.where(right, log_p, -v))
    return xp.where(right, -y * d * total, x * d * total)


def _log_less_digamma(xp: Any, a: Array, x: Array) -> Array:
    """Return log(x) - psi(a), of plain arrays."""
    large = a >= LARGE
    A, few = xp.where(large, a, LARGE), xp.where(large, 1, a)
    r, series = 1 / A, 0.0
    for coefficient in reversed(DIGAMMA):
        series = (series + coefficient) * r * r
    d = (x - A) / A
    near = xp.abs(d) < 0.5
    log_ratio = xp.where(near, xp.log1p(xp.where(near, d, 0)), xp.log(x / A))
    return xp.where(large, log_ratio + r / 2 + series, xp.log(x) - output(digamma, xp, few))
