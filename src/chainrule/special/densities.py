"""Densities of the gamma and beta distributions, and differences of digammas, with no digit lost for large parameters.

They are written in functions of the namespace, so that gradients pass through them. Where the parameters are large the
densities are in the form of Loader (Fast and accurate computation of binomial probabilities, 2000): the height at the
mean, with Stirling's series for the gamma function, times e to the distance from the mean.
"""

import math
from typing import Any

from chainrule.gates.helpers import output
from chainrule.gates.types import Array
from chainrule.special.gamma_functions import digamma, gammaln

# From here on the series below have all digits in 8 terms.
LARGE = 10
# B_2k / (2k), of the series of digamma (DLMF 5.11.2), and B_2k / (2k (2k - 1)), of that of log gamma (DLMF 5.11.1).
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
DIGAMMA = tuple(B / (2 * k) for k, B in enumerate(BERNOULLI, 1))
_STIRLING = tuple(B / (2 * k * (2 * k - 1)) for k, B in enumerate(BERNOULLI, 1))


def digamma_gain(xp: Any, a: Array, b: Array) -> Array:
    """Return psi(a + b) - psi(a), for a, b > 0 as a sum of positive numbers."""
    easy = xp.logical_and(a > 0, b > 0)
    start, step = xp.where(easy, a, 1), xp.where(easy, b, 1)
    total = xp.zeros_like(start + step)
    # psi(x + 1) = psi(x) + 1 / x (DLMF 5.5.2).
    for k in range(LARGE):
        total = total + step / (start + k) / (start + step + k)
    start = start + LARGE
    end = start + step
    p, q = 1 / start, 1 / end
    gap = step / start / end  # p - q
    P, Q = p * p, q * q
    powers, series = xp.ones_like(P + Q), xp.zeros_like(P + Q)
    for k, coefficient in enumerate(DIGAMMA):
        # The sum of P^i Q^(k-i): times P - Q it is P^(k+1) - Q^(k+1).
        powers = P * powers + Q**k if k else powers
        series = series + coefficient * powers
    total = total + xp.log1p(step / start) + gap / 2 + gap * (p + q) * series
    return xp.where(easy, total, output(digamma, xp, a + b) - output(digamma, xp, a))


def gamma_density(xp: Any, a: Array, x: Array) -> Array:
    """Return x^(a-1) e^-x / gamma(a), and NaN where a or x is negative."""
    large, inside = a >= LARGE, xp.logical_and(x > 0, xp.isfinite(x))
    y = xp.where(inside, x, 1)
    A, few = xp.where(large, a, LARGE), xp.where(large, 1, a)
    height = xp.sqrt(A / (2 * math.pi)) / stirling_ratio(xp, A)
    at_large = height * xp.exp(A * _log_less(xp, y / A, (y - A) / A)) / y
    # Beyond 800 the exponential is 0, and a power that overflows would make it NaN.
    near = xp.where(y < 800, y, 800)
    at_few = xp.pow(near, few - 1) * xp.exp(-near) * few * xp.exp(-_log_gamma1p(xp, few))
    at_0 = xp.where(a < 1, math.inf, xp.where(a == 1, 1, 0 * a))
    edge = xp.where(x == 0, xp.where(a == 0, math.nan, at_0), 0 * a)
    bad = xp.logical_or(x < 0, xp.logical_or(a < 0, xp.isnan(x + a)))
    return xp.where(bad, math.nan, xp.where(inside, xp.where(large, at_large, at_few), edge))


def beta_density(xp: Any, a: Array, b: Array, x: Array) -> Array:
    """Return x^(a-1) (1-x)^(b-1) / B(a, b), and NaN where a or b is negative or x outside [0, 1]."""
    large = xp.logical_and(a >= LARGE, b >= LARGE)
    inside = xp.logical_and(x > 0, x < 1)
    y = xp.where(inside, x, 0.5)
    at_large = _of_large(xp, xp.where(large, a, LARGE), xp.where(large, b, LARGE), y) / y / (1 - y)
    at_few = _of_few(xp, xp.where(large, 1, a), xp.where(large, 1, b), x, y)
    bad = xp.logical_or(xp.logical_or(x < 0, x > 1), xp.logical_or(a < 0, b < 0))
    bad = xp.logical_or(bad, xp.isnan(a + b + x))
    return xp.where(bad, math.nan, xp.where(large, xp.where(inside, at_large, 0), at_few))


def beta_of_positive(xp: Any, a: Array, b: Array) -> Array:
    """Return B(a, b) for a, b > 0."""
    large = xp.logical_and(a >= LARGE, b >= LARGE)
    A, B = xp.where(large, a, LARGE), xp.where(large, b, LARGE)
    stirling = stirling_ratio(xp, A) * stirling_ratio(xp, B) / stirling_ratio(xp, A + B)
    exponent = -A * xp.log1p(B / A) - B * xp.log1p(A / B)
    at_large = xp.sqrt(2 * math.pi * (1 / A + 1 / B)) * stirling * xp.exp(exponent)
    few = _inverse_beta_of_few(xp, xp.where(large, 1, a), xp.where(large, 1, b))
    return xp.where(large, at_large, 1 / few)


def _of_large(xp: Any, a: Array, b: Array, x: Array) -> Array:
    """Return x^a (1-x)^b / B(a, b) for large a and b."""
    n = a + b
    height = (
        xp.sqrt(a / n * b / (2 * math.pi))
        * stirling_ratio(xp, n)
        / stirling_ratio(xp, a)
        / stirling_ratio(xp, b)
    )
    away = b * x - a * (1 - x)
    left, right = _log_less(xp, x * (n / a), away / a), _log_less(xp, (1 - x) * (n / b), -away / b)
    return height * xp.exp(a * left + b * right)


def _of_few(xp: Any, a: Array, b: Array, x: Array, inside: Array) -> Array:
    """Return x^(a-1) (1-x)^(b-1) / B(a, b) where a or b is not large; `inside` is x where that is in (0, 1)."""
    # 1 - x is exact above 1/2 alone.
    right = x > 0.5
    left = xp.where(xp.logical_or(right, inside != x), 0.25, inside)
    rest = xp.where(right, xp.pow(xp.where(right, 1 - x, 1), b - 1), xp.exp((b - 1) * xp.log1p(-left)))
    rest = xp.where(x == 0, 1, rest)
    return xp.pow(xp.where(x < 0, 1, x), a - 1) * rest * _inverse_beta_of_few(xp, a, b)


def _inverse_beta_of_few(xp: Any, a: Array, b: Array) -> Array:
    """Return 1 / B(a, b) where a or b is not large."""
    few, many = xp.where(a < b, a, b), xp.where(a < b, b, a)
    large = many >= LARGE
    # 1 / B is few / gamma(1 + few) times gamma(many + few) / gamma(many).
    M, m = xp.where(large, many, LARGE), xp.where(large, 1, many)
    stirling = stirling_ratio(xp, M + few) / stirling_ratio(xp, M)
    growth = xp.pow(M, few) * xp.exp((M + few - 0.5) * xp.log1p(few / M) - few) * stirling
    small = m / (m + few) * xp.exp(_log_gamma1p(xp, m + few) - _log_gamma1p(xp, m))
    return few * xp.exp(-_log_gamma1p(xp, few)) * xp.where(large, growth, small)


def _log_gamma1p(xp: Any, x: Array) -> Array:
    """Return log gamma(1 + x)."""
    return output(gammaln, xp, 1 + x)


def stirling_ratio(xp: Any, a: Array) -> Array:
    """Return gamma(a) over Stirling's approximation of it, for large a (DLMF 5.11.1)."""
    r = 1 / a
    r2, total = r * r, 0.0
    for coefficient in reversed(_STIRLING):
        total = total * r2 + coefficient
    return xp.exp(total * r)


def _log_less(xp: Any, x: Array, d: Array) -> Array:
    """Return log(x) - d where d is x - 1, near 1 by the series of 2 artanh(d / (2 + d))."""
    near = xp.abs(d) < 0.5
    small = xp.where(near, d, 0)
    r = small / (2 + small)
    r2, total = r * r, 0.0
    for k in range(18, -1, -1):
        total = total * r2 + 1 / (2 * k + 3)
    return xp.where(near, 2 * r * r2 * total - small * r, xp.log(xp.where(near, 1, x)) - d)
