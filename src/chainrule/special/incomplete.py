"""The beta function, and the incomplete gamma and beta functions."""

import math
from typing import Any

from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Pullback, Result
from chainrule.special.densities import beta_density, beta_of_positive, digamma_gain, gamma_density
from chainrule.special.gamma_functions import digamma
from chainrule.special.parameters import beta_slope, gamma_slope
from chainrule.special.table import defined, library, slope, special, unknown


@special()
def beta(xp: Any, a: Array, b: Array, /) -> Result:
    """B(a, b): its slope in a is B (psi(a) - psi(a + b)) (DLMF 5.12.1, 5.2.2)."""

    def share(own: Array, other: Array) -> Array:
        return output(exact_beta, xp, a, b) * digamma_gain(xp, own, other)

    return library(beta, xp, a, b), (lambda g: -g * share(a, b), lambda g: -g * share(b, a))


@special()
def betaln(xp: Any, a: Array, b: Array, /) -> Result:
    """log |B(a, b)|: its slope in a is psi(a) - psi(a + b) (DLMF 5.12.1, 5.2.2)."""
    y = library(betaln, xp, a, b)

    def share(own: Array, other: Array) -> Array:
        return xp.where(xp.isfinite(y), digamma_gain(xp, own, other), math.nan)

    return y, (lambda g: -g * share(a, b), lambda g: -g * share(b, a))


@special()
def gammainc(xp: Any, a: Array, x: Array, /) -> Result:
    """P(a, x), the gamma integral up to x: its slope in x is x^(a-1) e^-x / gamma(a) (DLMF 8.2.4), that in a a series.

    The second derivative in a is not known here.
    """
    y = library(gammainc, xp, a, x)
    return y, (
        lambda g: g * defined(xp, y, output(gammainc_slope, xp, a, x)),
        lambda g: g * defined(xp, y, gamma_density(xp, a, x)),
    )


@special()
def gammaincc(xp: Any, a: Array, x: Array, /) -> Result:
    """Q(a, x) = 1 - P(a, x), with the slopes of P = gammainc with the other sign."""
    y = library(gammaincc, xp, a, x)
    return y, (
        lambda g: -g * defined(xp, y, output(gammainc_slope, xp, a, x)),
        lambda g: -g * defined(xp, y, gamma_density(xp, a, x)),
    )


@special()
def betainc(xp: Any, a: Array, b: Array, x: Array, /) -> Result:
    """I_x(a, b), the beta integral up to x: its slope in x is x^(a-1) (1-x)^(b-1) / B(a, b) (DLMF 8.17.2).

    Those in a and b are series and integrals, whose own slopes in a and b are not known here.
    """
    y = library(betainc, xp, a, b, x)

    def in_parameter(number: int) -> Pullback:
        return lambda g: g * defined(xp, y, output(betainc_slope, xp, a, b, x, number=number))

    return y, (in_parameter(0), in_parameter(1), lambda g: g * defined(xp, y, beta_density(xp, a, b, x)))


@slope
def exact_beta(xp: Any, a: Array, b: Array, /) -> Result:
    """B(a, b) with more digits than SciPy's where a or b is large: a factor of its slopes."""
    if is_transformed(a) or is_transformed(b):
        y = output(exact_beta, xp, a, b)
    else:
        easy = xp.logical_and(a > 0, b > 0)
        y = xp.where(
            easy, beta_of_positive(xp, xp.where(easy, a, 1), xp.where(easy, b, 1)), library(beta, xp, a, b)
        )
    return y, (lambda g: -g * (y * digamma_gain(xp, a, b)), lambda g: -g * (y * digamma_gain(xp, b, a)))


@slope
def gammainc_slope(xp: Any, a: Array, x: Array, /) -> Result:
    """The slope of P(a, x) in a; its own slope in x is that of the density in a."""
    transformed = is_transformed(a) or is_transformed(x)
    y = output(gammainc_slope, xp, a, x) if transformed else gamma_slope(xp, a, x)

    def to_x(g: Array) -> Array:
        return g * (gamma_density(xp, a, x) * (xp.log(x) - output(digamma, xp, a)))

    return y, (unknown("gammainc", "a, twice,"), to_x)


@slope
def betainc_slope(xp: Any, a: Array, b: Array, x: Array, /, *, number: int) -> Result:
    """The slope of I_x(a, b) in a, number 0, or b, number 1; its own slope in x is that of the density."""
    transformed = any(map(is_transformed, (a, b, x)))
    y = output(betainc_slope, xp, a, b, x, number=number) if transformed else beta_slope(xp, a, b, x, number)

    def to_x(g: Array) -> Array:
        power = xp.log1p(-x) + digamma_gain(xp, b, a) if number else xp.log(x) + digamma_gain(xp, a, b)
        return g * (beta_density(xp, a, b, x) * power)

    return y, (unknown("betainc", "a and b, twice,"), unknown("betainc", "a and b, twice,"), to_x)
