"""The tables of distributions of one number: a row has the logarithm of the density, and the distribution function.

A row is written for loc = 0 and scale = 1, in functions of the namespace and gates of `chainrule.special`. It is handed
points inside the support and parameters in their ranges alone: what is outside is masked before and after.
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.autodiff.traced import any_traced
from chainrule.gates.helpers import output
from chainrule.gates.types import Array, Gate
from chainrule.scipy.arguments import prepared
from chainrule.scipy.stats.student import student_cdf, student_log_density
from chainrule.special.densities import beta_density, gamma_density
from chainrule.special.elementary import expit, log_expit, xlog1py, xlogy
from chainrule.special.error_functions import bell, log_ndtr, ndtr
from chainrule.special.gamma_functions import gammaln
from chainrule.special.incomplete import betainc, betaln, gammainc, gammaincc

Function = Callable[..., Array]
Range = Callable[[Any, Array], Array]
_LOG_ROOT = math.log(2 * math.pi) / 2


def positive(xp: Any, a: Array) -> Array:
    """Say where a parameter is above 0."""
    return a > 0


def not_negative(xp: Any, a: Array) -> Array:
    """Say where a parameter is not below 0."""
    return a >= 0


def share(xp: Any, p: Array) -> Array:
    """Say where a parameter is from 0 to 1."""
    return xp.logical_and(p >= 0, p <= 1)


def whole(xp: Any, n: Array) -> Array:
    """Say where a parameter is a whole number from 0 up."""
    return xp.logical_and(n >= 0, n == xp.floor(n))


@dataclass(frozen=True)
class Distribution:
    """A distribution of one number, with the methods of SciPy's of its name.

    `log_density(xp, x, *parameters)` and the others are for loc = 0 and scale = 1 and for x in `support`. `ranges` has
    for each parameter where it is valid, and a value that is; `typical` is a number in the support.
    """

    name: str
    log_density: Function
    lower: Function
    upper: Function
    ranges: Mapping[str, tuple[Range, float]] = field(default_factory=dict)
    density: Function | None = None
    log_lower: Function | None = None
    log_upper: Function | None = None
    support: tuple[Any, Any] = (-math.inf, math.inf)
    typical: float = 0.5
    discrete: bool = False
    signature: inspect.Signature = field(init=False)

    def __post_init__(self) -> None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = ["k" if self.discrete else "x", *self.ranges]
        given = [inspect.Parameter(name, kind) for name in names]
        given.append(inspect.Parameter("loc", kind, default=0))
        if not self.discrete:
            given.append(inspect.Parameter("scale", kind, default=1))
        object.__setattr__(self, "signature", inspect.Signature(given))

    def cdf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of numbers up to x."""
        return self._of("cdf", self.lower, (0, 1), *self._bound(args, kwargs))

    def logcdf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of `cdf`."""
        f = self.log_lower or _log(self.lower, self.upper)
        return self._of("logcdf", f, (-math.inf, 0), *self._bound(args, kwargs))

    def sf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of numbers above x."""
        return self._of("sf", self.upper, (1, 0), *self._bound(args, kwargs))

    def logsf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of `sf`."""
        f = self.log_upper or _log(self.upper, self.lower)
        return self._of("logsf", f, (0, -math.inf), *self._bound(args, kwargs))

    def _density(self, args: Any, kwargs: Any) -> Array:
        f = self.density or _exp(self.log_density)
        return self._of("density", f, (0, 0), *self._bound(args, kwargs))

    def _log_density(self, args: Any, kwargs: Any) -> Array:
        ends = (-math.inf, -math.inf)
        return self._of("log density", self.log_density, ends, *self._bound(args, kwargs))

    def _bound(self, args: Any, kwargs: Any) -> tuple[Array, list[Array], Array | None]:
        """Return x less loc and over scale, the parameters, and the scale, None where none was given."""
        try:
            given = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(
                f"{self.name}: {error}; expected {', '.join(self.signature.parameters)}"
            ) from None
        if self.discrete and any_traced([given.get(name) for name in ("k", "n")]):
            raise TypeError(
                f"{self.name}: counts have no gradient, and one is traced. Use chainrule.stop_gradient on it"
            )
        names = list(given)
        xp, *arrays = prepared(*given.values())
        found = dict(zip(names, arrays, strict=True))
        x, scale = found.pop("k" if self.discrete else "x"), found.pop("scale", None)
        loc = found.pop("loc", None)
        x = x if loc is None else x - loc
        if scale is not None:
            scale = xp.where(scale > 0, scale, math.nan)
            x = x / scale
        return x, list(found.values()), scale

    def _of(
        self,
        what: str,
        f: Function,
        outside: tuple[float, float],
        x: Array,
        parameters: list[Array],
        scale: Any,
    ) -> Array:
        """Return f inside the support, constants below and above it, and NaN where an argument is not valid."""
        xp, x, scale, *parameters = prepared(x, scale, *parameters)
        valid = [within(xp, a) for (within, _), a in zip(self.ranges.values(), parameters, strict=True)]
        typical = [instead for _, instead in self.ranges.values()]
        inner = [xp.where(good, a, b) for good, a, b in zip(valid, parameters, typical, strict=True)]
        of_density = what.endswith("density")
        low, high = (end(*inner) if callable(end) else end for end in self.support)
        bounded = low != -math.inf
        if bounded:
            n = xp.floor(x) if self.discrete else x
            below = n < low if of_density or self.discrete else n <= low
            above = n > high if of_density else n >= high
            inside = xp.logical_not(xp.logical_or(below, above))
            y = f(xp, xp.where(inside, n, self.typical), *inner)
        else:
            y = f(xp, x, *inner)
        if of_density and scale is not None:
            y = y / scale if what == "density" else y - xp.log(scale)
        if of_density and self.discrete:
            y = xp.where(n < x, outside[0], y)
        if bounded:
            y = xp.where(below, outside[0], xp.where(above, outside[1], y))
        return functools.reduce(lambda y, good: xp.where(good, y, math.nan), valid, y)


class Continuous(Distribution):
    """A distribution with a density; its methods take x, the parameters, loc and scale."""

    def pdf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the density at x."""
        return self._density(args, kwargs)

    def logpdf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of `pdf`."""
        return self._log_density(args, kwargs)


class Discrete(Distribution):
    """A distribution of whole numbers; its methods take k, the parameters and loc."""

    def pmf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the probability of k."""
        return self._density(args, kwargs)

    def logpmf(self, *args: Any, **kwargs: Any) -> Array:
        """Return the logarithm of `pmf`."""
        return self._log_density(args, kwargs)


def _log(f: Function, rest: Function) -> Function:
    """Return log f, near 1 by 1 - f, which has the digits there."""

    def log(xp: Any, *arrays: Array) -> Array:
        y = f(xp, *arrays)
        return xp.where(y > 0.5, xp.log1p(-rest(xp, *arrays)), xp.log(y))

    return log


def _exp(f: Function) -> Function:
    return lambda xp, *arrays: xp.exp(f(xp, *arrays))


def _log_less(xp: Any, t: Array) -> Array:
    """Return log(1 - e^-t) for t from 0 up."""
    near = t < 0.7
    return xp.where(near, xp.log(-xp.expm1(-xp.where(near, t, 1))), xp.log1p(-xp.exp(-xp.where(near, 1, t))))


def _gate(gate: Gate) -> Function:
    return lambda xp, *arrays: output(gate, xp, *arrays)


def _mirrored(f: Function) -> Function:
    """Return the function of -x."""
    return lambda xp, x, *parameters: f(xp, -x, *parameters)


def _laplace(xp: Any, x: Array) -> Array:
    left = x < 0
    half = xp.exp(xp.where(left, x, -x)) / 2
    return xp.where(left, half, 1 - half)


def _log_laplace(xp: Any, x: Array) -> Array:
    left = x < 0
    near = xp.where(left, x, -x)
    return xp.where(left, near - math.log(2), xp.log1p(-xp.exp(near) / 2))


def _symmetric(log_density: Function, lower: Function, **others: Any) -> dict[str, Any]:
    """Return the columns of a distribution that is the same for x and -x."""
    log_lower = others.get("log_lower")
    mirror = {"log_upper": _mirrored(log_lower)} if log_lower else {}
    return {"log_density": log_density, "lower": lower, "upper": _mirrored(lower), **others, **mirror}


_CONTINUOUS: dict[str, dict[str, Any]] = {
    "beta": {
        "ranges": {"a": (positive, 1), "b": (positive, 1)},
        "log_density": lambda xp, x, a, b: (
            output(xlog1py, xp, b - 1, -x) + output(xlogy, xp, a - 1, x) - output(betaln, xp, a, b)
        ),
        "density": lambda xp, x, a, b: beta_density(xp, a, b, x),
        "lower": lambda xp, x, a, b: output(betainc, xp, a, b, x),
        "upper": lambda xp, x, a, b: output(betainc, xp, b, a, 1 - x),
        "support": (0, 1),
    },
    "cauchy": _symmetric(
        lambda xp, x: -xp.log1p(x * x) - math.log(math.pi),
        lambda xp, x: xp.atan2(xp.ones_like(x), -x) / math.pi,
    ),
    "chi2": {
        "ranges": {"df": (positive, 1)},
        "log_density": lambda xp, x, df: (
            output(xlogy, xp, df / 2 - 1, x / 2) - x / 2 - output(gammaln, xp, df / 2) - math.log(2)
        ),
        "density": lambda xp, x, df: gamma_density(xp, df / 2, x / 2) / 2,
        "lower": lambda xp, x, df: output(gammainc, xp, df / 2, x / 2),
        "upper": lambda xp, x, df: output(gammaincc, xp, df / 2, x / 2),
        "support": (0, math.inf),
    },
    "expon": {
        "log_density": lambda xp, x: -x,
        "lower": lambda xp, x: -xp.expm1(-x),
        "log_lower": _log_less,
        "upper": lambda xp, x: xp.exp(-x),
        "log_upper": lambda xp, x: -x,
        "support": (0, math.inf),
    },
    "gamma": {
        "ranges": {"a": (positive, 1)},
        "log_density": lambda xp, x, a: output(xlogy, xp, a - 1, x) - x - output(gammaln, xp, a),
        "density": lambda xp, x, a: gamma_density(xp, a, x),
        "lower": lambda xp, x, a: output(gammainc, xp, a, x),
        "upper": lambda xp, x, a: output(gammaincc, xp, a, x),
        "support": (0, math.inf),
    },
    "laplace": _symmetric(
        lambda xp, x: xp.where(x < 0, x, -x) - math.log(2), _laplace, log_lower=_log_laplace
    ),
    "logistic": _symmetric(
        lambda xp, x: output(log_expit, xp, x) + output(log_expit, xp, -x),
        _gate(expit),
        log_lower=_gate(log_expit),
    ),
    "norm": _symmetric(
        lambda xp, x: -x * x / 2 - _LOG_ROOT,
        _gate(ndtr),
        log_lower=_gate(log_ndtr),
        density=lambda xp, x: output(bell, xp, x, c=0.5) / math.sqrt(2 * math.pi),
    ),
    "t": {
        "ranges": {"df": (positive, 1)},
        **_symmetric(student_log_density, lambda xp, x, df: output(student_cdf, xp, df, x)),
    },
    "uniform": {
        "log_density": lambda xp, x: 0 * x,
        "lower": lambda xp, x: x,
        "upper": lambda xp, x: 1 - x,
        "support": (0, 1),
    },
    "weibull_min": {
        "ranges": {"c": (positive, 1)},
        "log_density": lambda xp, x, c: xp.log(c) + output(xlogy, xp, c - 1, x) - xp.pow(x, c),
        "lower": lambda xp, x, c: -xp.expm1(-xp.pow(x, c)),
        "log_lower": lambda xp, x, c: _log_less(xp, xp.pow(x, c)),
        "upper": lambda xp, x, c: xp.exp(-xp.pow(x, c)),
        "log_upper": lambda xp, x, c: -xp.pow(x, c),
        "support": (0, math.inf),
    },
}
_DISCRETE: dict[str, dict[str, Any]] = {
    "bernoulli": {
        "ranges": {"p": (share, 0.5)},
        "log_density": lambda xp, k, p: output(xlogy, xp, k, p) + output(xlog1py, xp, 1 - k, -p),
        "lower": lambda xp, k, p: 1 - p + 0 * k,
        "upper": lambda xp, k, p: p + 0 * k,
        "support": (0, 1),
    },
    "binom": {
        "ranges": {"n": (whole, 1), "p": (share, 0.5)},
        "log_density": lambda xp, k, n, p: (
            output(gammaln, xp, n + 1)
            - output(gammaln, xp, k + 1)
            - output(gammaln, xp, n - k + 1)
            + output(xlogy, xp, k, p)
            + output(xlog1py, xp, n - k, -p)
        ),
        "lower": lambda xp, k, n, p: output(betainc, xp, xp.maximum(n - k, 1), k + 1, 1 - p),
        "upper": lambda xp, k, n, p: output(betainc, xp, k + 1, xp.maximum(n - k, 1), p),
        "support": (0, lambda n, p: n),
    },
    "poisson": {
        "ranges": {"mu": (not_negative, 1)},
        "log_density": lambda xp, k, mu: output(xlogy, xp, k, mu) - output(gammaln, xp, k + 1) - mu,
        "lower": lambda xp, k, mu: output(gammaincc, xp, k + 1, mu),
        "upper": lambda xp, k, mu: output(gammainc, xp, k + 1, mu),
        "support": (0, math.inf),
    },
}
CONTINUOUS = {name: Continuous(name, **row) for name, row in _CONTINUOUS.items()}
DISCRETE = {name: Discrete(name, discrete=True, typical=0, **row) for name, row in _DISCRETE.items()}
