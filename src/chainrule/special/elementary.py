"""Logistic functions, entropies, and others near elementary ones."""

import math
from typing import Any

from chainrule.gates.elementwise import over, sech_squared
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.special.table import GATES, defined, library, slope, special, values


@special()
def expit(xp: Any, x: Array, /) -> Result:
    """1 / (1 + e^-x), whose slope is sech(x / 2)^2 / 4."""
    return library(expit, xp, x), (lambda g: g * (output(sech_squared, xp, x / 2) / 4),)


@special()
def logit(xp: Any, x: Array, /) -> Result:
    """log(x / (1 - x)), whose slope is 1 / (x (1 - x)); NaN outside [0, 1]."""
    y = library(logit, xp, x)
    return y, (lambda g: g * defined(xp, y, 1 / (x * (1 - x))),)


@special()
def log_expit(xp: Any, x: Array, /) -> Result:
    """log(1 / (1 + e^-x)), whose slope is expit(-x)."""
    return library(log_expit, xp, x), (lambda g: g * output(expit, xp, -x),)


@special()
def xlogy(xp: Any, x: Array, y: Array, /) -> Result:
    """x log y, and 0 for x = 0: the slopes are log y and x / y."""
    return library(xlogy, xp, x, y), (
        lambda g: g * xp.log(y),
        lambda g: g * _over_positive(xp, x, y),
    )


@special()
def xlog1py(xp: Any, x: Array, y: Array, /) -> Result:
    """x log(1 + y), and 0 for x = 0: the slopes are log(1 + y) and x / (1 + y)."""
    return library(xlog1py, xp, x, y), (
        lambda g: g * xp.log1p(y),
        lambda g: g * _over_positive(xp, x, 1 + y),
    )


@special()
def entr(xp: Any, x: Array, /) -> Result:
    """-x log x, whose slope is -log x - 1."""
    return library(entr, xp, x), (lambda g: -g * (xp.log(x) + 1),)


@special()
def rel_entr(xp: Any, x: Array, y: Array, /) -> Result:
    """x log(x / y): the slopes are log(x / y) + 1 and -x / y."""
    return library(rel_entr, xp, x, y), (
        lambda g: g * (_log_ratio(xp, x, y) + 1),
        lambda g: -g * _over_positive(xp, _positive(xp, x), y),
    )


@special()
def kl_div(xp: Any, x: Array, y: Array, /) -> Result:
    """x log(x / y) - x + y: the slopes are log(x / y) and 1 - x / y."""
    z = library(kl_div, xp, x, y)
    return z, (
        lambda g: g * defined(xp, z, _log_ratio(xp, x, y)),
        lambda g: g * defined(xp, z, _one_less(xp, x, y)),
    )


@special()
def cosm1(xp: Any, x: Array, /) -> Result:
    """cos(x) - 1, whose slope is -sin(x)."""
    return library(cosm1, xp, x), (lambda g: -g * xp.sin(x),)


@special()
def exprel(xp: Any, x: Array, /) -> Result:
    """(e^x - 1) / x, the integral of e^(xt) over t from 0 to 1: its slope is that of t e^(xt)."""
    return library(exprel, xp, x), (lambda g: g * output(exponential_moment, xp, x, n=1),)


@slope
def sine_integral(xp: Any, x: Array, /) -> Result:
    """Si(x), the integral of sin(t) / t from 0 to x: its slope is sin(x) / x (DLMF 6.2.9)."""
    y = output(sine_integral, xp, x) if is_transformed(x) else values("sici", xp, x)[0]
    return y, (lambda g: g * _sine_ratio(xp, x),)


@slope
def cosine_integral(xp: Any, x: Array, /) -> Result:
    """Ci(x), minus the integral of cos(t) / t from x on: its slope is cos(x) / x (DLMF 6.2.11)."""
    y = output(cosine_integral, xp, x) if is_transformed(x) else values("sici", xp, x)[1]
    return y, (lambda g: g * (xp.cos(x) / x),)


# Of a gate of two results an unused one would have a gradient of 0, whose product with an infinite slope is NaN.
GATES["sici"] = (sine_integral, cosine_integral)


@slope
def exponential_moment(xp: Any, x: Array, /, *, n: int) -> Result:
    """F_n, the integral of t^n e^(xt) over t from 0 to 1: F_n' = F_(n+1)."""
    y = output(exponential_moment, xp, x, n=n) if is_transformed(x) else _exponential_moment(xp, x, n)
    return y, (lambda g: g * output(exponential_moment, xp, x, n=n + 1),)


def _exponential_moment(xp: Any, x: Array, n: int) -> Array:
    near, over = xp.abs(x) < 1 + n, xp.isinf(xp.exp(x))
    small = xp.where(near, x, 0)
    # The series of e^(xt), term by term.
    term, series = 1.0, 1 / (n + 1)
    for k in range(1, 24 + 6 * n):
        term = term * small / k
        series = series + term / (n + k + 1)
    # By parts: F_n = (e^x - n F_(n-1)) / x.
    far = xp.where(xp.logical_or(near, over), 1, x)
    e, y = xp.exp(far), values("exprel", xp, far)
    for k in range(1, n + 1):
        y = (e - k * y) / far
    return xp.where(near, series, xp.where(over, math.inf, y))


def _sine_ratio(xp: Any, x: Array) -> Array:
    """Return sin(x) / x, near 0 by its series, which has derivatives there."""
    near = xp.abs(x) < 1
    square, far = xp.where(near, x * x, 0), xp.where(near, 1, x)
    series = 1.0
    for k in range(9, 0, -1):
        series = 1 - square / (2 * k * (2 * k + 1)) * series
    return xp.where(near, series, xp.sin(far) / far)


def _positive(xp: Any, x: Array) -> Array:
    """Return x, and NaN where it is negative."""
    return xp.where(x < 0, math.nan, x)


def _over_positive(xp: Any, x: Array, y: Array) -> Array:
    """Return x / y with 0 / 0 = 0, and NaN where y is negative."""
    return output(over, xp, x, _positive(xp, y))


def _log_ratio(xp: Any, x: Array, y: Array) -> Array:
    """Return log(x / y), which near 1 is log1p((x - y) / y), and NaN where a number is negative."""
    x, y = _positive(xp, x), _positive(xp, y)
    near = xp.abs(x - y) < y / 2
    ratio = xp.where(near, 1, x) / xp.where(near, 1, y)
    # The quotient of some numbers is out of the range of the dtype.
    lost = xp.logical_or(ratio == 0, xp.isinf(ratio))
    far = xp.where(lost, xp.log(x) - xp.log(y), xp.log(xp.where(lost, 1, ratio)))
    return xp.where(near, xp.log1p(xp.where(near, x - y, 0) / xp.where(near, y, 1)), far)


def _one_less(xp: Any, x: Array, y: Array) -> Array:
    """Return 1 - x / y, which near 0 is (y - x) / y, and NaN where a number is negative."""
    x, y = _positive(xp, x), _positive(xp, y)
    near = xp.abs(x - y) < y / 2
    return xp.where(near, (y - x) / xp.where(near, y, 1), 1 - output(over, xp, x, y))
