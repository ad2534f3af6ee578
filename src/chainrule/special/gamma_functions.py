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


@special()
def zeta(xp: Any, x: Array, q: Array = None, /) -> Result:
    """Riemann's zeta function, or with q Hurwitz's: its slope in q is -x zeta(x + 1, q) (DLMF 25.11.17); none in x."""
    y = library(zeta, xp, x) if q is None else library(zeta, xp, x, q)
    return y, (
        unknown("zeta", "x"),
        lambda g: g * xp.where(xp.isfinite(y), -x * output(zeta, xp, x + 1, q), math.nan),
    )
