"""The gamma function and its kin."""

import math
from typing import Any

from chainrule.gates.helpers import output
from chainrule.gates.types import Array, Result
from chainrule.special.table import defined, library, special, unknown


@special()
def gamma(xp: Any, x: Array, /) -> Result:
    """gamma' = gamma psi (DLMF 5.2.2)."""
    y = library(gamma, xp, x)
    return y, (lambda g: g * (y * output(digamma, xp, x)),)


@special()
def rgamma(xp: Any, x: Array, /) -> Result:
    """1 / gamma: its slope is -psi / gamma (DLMF 5.2.2), left of 1/2 by reflection, which has no poles (DLMF 5.5.3)."""
    y = library(rgamma, xp, x)

    def pullback(g: Array) -> Array:
        left = x < 0.5
        right, z = xp.where(left, 1, x), xp.where(left, x, 0)
        # 1 / gamma(z) is sin(pi z) gamma(1 - z) / pi; r is z less the nearest whole number.
        whole = xp.round(z)
        r, sign = math.pi * (z - whole), 1 - 2 * xp.remainder(whole, 2)
        factor = xp.cos(r) - xp.sin(r) / math.pi * output(digamma, xp, 1 - z)
        reflected = sign * output(gamma, xp, 1 - z) * factor
        return g * xp.where(left, reflected, -output(digamma, xp, right) * output(rgamma, xp, right))

    return y, (pullback,)


@special()
def gammasgn(xp: Any, x: Array, /) -> Result:
    """The sign of gamma, which is constant between its jumps."""
    return library(gammasgn, xp, x), (None,)


@special()
def gammaln(xp: Any, x: Array, /) -> Result:
    """log |gamma(x)|, whose slope is psi (DLMF 5.2.2)."""
    return library(gammaln, xp, x), (lambda g: g * output(digamma, xp, x),)


@special()
def loggamma(xp: Any, x: Array, /) -> Result:
    """log gamma(x), of numbers below 0 NaN; its slope is psi (DLMF 5.2.2)."""
    y = library(loggamma, xp, x)
    return y, (lambda g: g * defined(xp, y, output(digamma, xp, x)),)


@special("psi")
def digamma(xp: Any, x: Array, /) -> Result:
    """psi, the logarithmic derivative of gamma: psi' = polygamma(1, x) (DLMF 5.15)."""
    return library(digamma, xp, x), (lambda g: g * output(polygamma, xp, 1, x),)


@special()
def polygamma(xp: Any, n: Any, x: Array, /) -> Result:
    """The n-th derivative of psi, so its slope in x is polygamma(n + 1, x) (DLMF 5.15); none in n."""
    y = library(polygamma, xp, n, x)
    return y, (
        unknown("polygamma", "the order n"),
        lambda g: g * defined(xp, y, output(polygamma, xp, n + 1, x)),
    )
