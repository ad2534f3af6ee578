"""The zeta functions of Riemann and Hurwitz."""

import math
from typing import Any

from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.special.densities import BERNOULLI
from chainrule.special.table import library, slope, special, unknown

_TERMS = 12


@special()
def zeta(xp: Any, x: Array, q: Array = None, /) -> Result:
    """Riemann's zeta function, or with q Hurwitz's, the sum of (q + k)^-x: its slope in q is -x zeta(x + 1, q).

    (DLMF 25.11.1, 25.11.17.) The slope in x is found for x > 1 and q > 0, and NaN elsewhere.
    """
    y = library(zeta, xp, x) if q is None else library(zeta, xp, x, q)

    def in_x(g: Array) -> Array:
        return g * output(zeta_slope, xp, x, xp.ones_like(x) if q is None else q)

    def in_q(g: Array) -> Array:
        return g * xp.where(xp.isfinite(y), -x * output(zeta, xp, x + 1, q), math.nan)

    return y, (in_x, in_q)


@slope
def zeta_slope(xp: Any, x: Array, q: Array, /) -> Result:
    """z, the slope of Hurwitz's zeta function in x: its own slope in q is -zeta(x + 1, q) - x z(x + 1, q)."""
    transformed = is_transformed(x) or is_transformed(q)
    y = output(zeta_slope, xp, x, q) if transformed else _zeta_slope(xp, x, q)

    def in_q(g: Array) -> Array:
        return -g * (output(zeta, xp, x + 1, q) + x * output(zeta_slope, xp, x + 1, q))

    return y, (unknown("zeta", "x, twice,"), in_q)


def _zeta_slope(xp: Any, x: Array, q: Array) -> Array:
    """Return the slope in x of Euler and Maclaurin's formula for the sum of (q + k)^-x (DLMF 25.11.5, 2.10.1)."""
    good = xp.logical_and(x > 1, q > 0)
    s, a = xp.where(good, x, 2), xp.where(good, q, 1)
    total = 0.0
    for k in range(_TERMS):
        total = total - xp.log(a + k) * xp.pow(a + k, -s)
    b = a + _TERMS
    log_b, power = xp.log(b), xp.pow(b, -s)
    total = total - b * power * (log_b / (s - 1) + 1 / (s - 1) ** 2) - power * log_b / 2
    # The j-th term has s (s + 1) ... (s + 2j - 2), with the slope of its logarithm.
    product, rate = s * power / b, 1 / s - log_b
    for j, number in enumerate(BERNOULLI, 1):
        total = total + number / math.factorial(2 * j) * product * rate
        for i in (2 * j - 1, 2 * j):
            product, rate = product * (s + i) / b, rate + 1 / (s + i)
    return xp.where(good, total, math.nan)
