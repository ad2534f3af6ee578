"""Write tests/special/oracle.npz: special functions and their first two derivatives by mpmath, at 200 points each.

`python tests/special/oracle.py` needs mpmath; with names of functions it writes those alone anew. The points are
numbers of float32, so that the same values hold for both dtypes. Derivatives are differences in 80 digits, or the
integrand where the function is an integral.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).parent / "oracle.npz"
COUNT = 200


def uniform(low: float, high: float) -> Callable[..., Any]:
    return lambda random, n: random.uniform(low, high, n)


def sizes(low: float, high: float, signs: tuple[int, ...] = (1,)) -> Callable[..., Any]:
    """Numbers of all sizes between two."""
    return lambda random, n: np.exp(random.uniform(np.log(low), np.log(high), n)) * random.choice(signs, n)


def whole(low: int, high: int) -> Callable[..., Any]:
    return lambda random, n: random.integers(low, high + 1, n).astype(float)


BOTH = (-1, 1)


@dataclass(frozen=True)
class Row:
    """A function of mpmath's, from what its arguments are drawn, and the arguments that have slopes."""

    f: Callable[..., Any]
    draws: tuple[tuple[Callable[..., Any], ...], ...]  # for each argument, in turns
    slopes: tuple[int, ...] = (0,)
    special: tuple[tuple[float, ...], ...] = ()  # further points
    d: Callable[..., Any] | None = (
        None  # first derivative, in the last argument, where f is not to be differenced
    )
    second: Callable[..., Any] | None = (
        None  # and the second derivative, where its differences are lost beside it
    )
    name: str = ""  # the function of scipy.special, where the row has another name

    def points(self) -> list[np.ndarray]:
        random = np.random.default_rng(7)
        count = COUNT - len(self.special)
        columns = []
        for i, draws in enumerate(self.draws):
            drawn = np.stack([draw(random, count) for draw in draws])
            x = drawn[np.arange(count) % len(draws), np.arange(count)]
            columns.append(np.concatenate([x.astype(np.float32).astype(float), [p[i] for p in self.special]]))
        return columns


def one(f: Any, *draws: Any, at: tuple[float, ...] = (), **settings: Any) -> Row:
    return Row(f, (draws,), special=tuple((x,) for x in at), **settings)


def rows() -> dict[str, Row]:
    import mpmath as mp
    from scipy import special as sp

    def bell(x: Any) -> Any:
        return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)

    def inverse(f: Any, slope: Any, start: Any) -> Callable[..., Any]:
        def y(x: Any) -> Any:
            """Return the y with f(y) = x by Newton's method."""
            y = mp.mpf(float(start(float(x))))
            for _ in range(7):
                y -= (f(y) - x) / slope(y)
            return y

        return y

    erfcinv = inverse(mp.erfc, lambda y: -bell(y), sp.erfcinv)
    ndtri = inverse(mp.ncdf, mp.npdf, sp.ndtri)
    erf_points = (uniform(-3, 3), sizes(1e-8, 6, BOTH), uniform(-27, 27))
    orders = (uniform(-3, 8), whole(-3, 9), uniform(0, 30))
    arguments = (uniform(0, 5), sizes(1e-3, 200), uniform(0, 60))
    integers = tuple(map(float, range(1, 12)))

    def ei(v: Any, x: Any) -> Any:
        return mp.exp(-abs(x)) * mp.besseli(v, x)

    def expit(x: Any) -> Any:
        return 1 / (1 + mp.exp(-x))

    def entropy(x: Any, y: Any) -> Any:
        return x * mp.log(x / y) if x else mp.mpf(0)

    def gamma_density(a: Any, x: Any) -> Any:
        return mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a))

    def beta_density(a: Any, b: Any, x: Any) -> Any:
        logs = (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x)
        return mp.exp(logs + mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b))

    positive, parameters = (
        (sizes(1e-2, 40), uniform(0.1, 8), whole(1, 12)),
        (sizes(1e-4, 1e5), uniform(0.1, 20)),
    )
    shares = (uniform(0.001, 0.999), uniform(0.4, 0.6), sizes(1e-6, 0.5))
    tiny = (sizes(1e-10, 40), uniform(0.1, 8), whole(1, 12))
    gamma_points = (uniform(-5, 20), sizes(1e-6, 150), uniform(-20, 5))
    return {
        "erf": one(mp.erf, *erf_points, at=(0.0, 1.0, -2.0), d=bell),
        "erfc": one(mp.erfc, *erf_points, at=(0.0, 1.0, -2.0), d=lambda x: -bell(x)),
        "erfcx": one(
            lambda x: mp.exp(x * x) * mp.erfc(x),
            uniform(-5, 5),
            sizes(1e-6, 1e6),
            uniform(-20, 40),
            at=(0.0, 1.0, 2.0),
        ),
        "erfinv": one(mp.erfinv, uniform(-1, 1), uniform(0.99, 1), sizes(1e-8, 1, BOTH), at=(0.0, 0.5)),
        "erfcinv": one(
            erfcinv,
            uniform(0.01, 2),
            sizes(1e-37, 1e-1),
            at=(1.0, 0.5, 1e-100, 1e-300),
            d=lambda x: -1 / bell(erfcinv(x)),
        ),
        "ndtr": one(mp.ncdf, *erf_points, at=(0.0, 1.0, -2.0), d=mp.npdf),
        "log_ndtr": one(
            lambda x: mp.log(mp.ncdf(x)) if x < 5 else mp.log1p(-mp.ncdf(-x)),
            uniform(-5, 5),
            sizes(1e-2, 1e5, (-1,)),
            uniform(-30, 25),
            at=(0.0, 1.0, -2.0),
            d=lambda x: mp.npdf(x) / mp.ncdf(x),
        ),
        "ndtri": one(
            ndtri,
            uniform(0.001, 0.999),
            sizes(1e-37, 1e-1),
            uniform(0.9, 1),
            at=(0.5, 0.25, 1e-100, 1e-300),
            d=lambda x: 1 / mp.npdf(ndtri(x)),
        ),
        "gamma": one(mp.gamma, *gamma_points, at=integers),
        "rgamma": one(mp.rgamma, *gamma_points, at=(0.0, -1.0, -2.0, -5.0, *integers)),
        "gammaln": one(lambda x: mp.re(mp.loggamma(x)), *gamma_points, sizes(1, 1e10), at=integers),
        "loggamma": one(mp.loggamma, uniform(0, 20), sizes(1e-6, 1e10), at=integers),
        "psi": one(lambda x: mp.psi(0, x), *gamma_points, sizes(1, 1e10), at=integers),
        "polygamma": Row(
            lambda n, x: mp.psi(int(n), x),
            ((whole(0, 6),), (uniform(0, 20), sizes(1e-3, 1e6), uniform(-6, 3))),
            (1,),
        ),
        "beta": Row(
            mp.beta,
            (positive, positive),
            (0, 1),
            ((1.0, 1.0), (2.0, 3.0), (1e5, 2.0), (300.0, 200.0), (1e4, 9.0)),
        ),
        "betaln": Row(
            lambda a, b: mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b),
            (parameters, parameters),
            (0, 1),
        ),
        "gammainc": Row(
            lambda a, x: mp.gammainc(a, 0, x, regularized=True),
            (positive, (uniform(0.01, 40), sizes(1e-3, 60))),
            (1,),
            ((1.0, 1.0), (3.0, 2.0)),
            d=gamma_density,
        ),
        "gammainc_parameter": Row(
            lambda a, x: (
                mp.gammainc(a, 0, x, regularized=True)
                if x < 2 * a + 1
                else -mp.gammainc(a, x, mp.inf, regularized=True)
            ),
            ((sizes(1e-3, 2000), uniform(0.5, 30)), (sizes(1e-3, 200), uniform(0.01, 30))),
            (0,),
            ((1.0, 1.0), (3.0, 2.0), (2.0, 2.0), (1000.0, 1000.0), (10.0, 9.0)),
            name="gammainc",
        ),
        "gammaincc": Row(
            lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
            (positive, (uniform(0.01, 40), sizes(1e-3, 60))),
            (1,),
            ((1.0, 1.0), (3.0, 2.0)),
            d=gamma_density,
        ),
        "betainc": Row(
            lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
            (positive, positive, shares),
            (2,),
            ((1.0, 1.0, 0.5), (2.0, 3.0, 0.25)),
            d=beta_density,
        ),
        "betainc_parameter": Row(
            lambda a, b, x: (
                mp.betainc(a, b, 0, x, regularized=True)
                if x * (a + b) < a
                else -mp.betainc(b, a, 0, 1 - x, regularized=True)
            ),
            (
                tiny,
                tiny,
                (uniform(0.001, 0.999), uniform(0.4, 0.6), sizes(1e-6, 0.5), uniform(0.9, 1)),
            ),
            (0, 1),
            ((1.0, 1.0, 0.5001), (2.0, 3.0, 0.25), (300.0, 200.0, 0.61), (20.0, 1e-2, 0.9)),
            name="betainc",
        ),
        "expit": one(
            expit,
            uniform(-5, 5),
            uniform(-700, 700),
            sizes(1e-6, 40, BOTH),
            at=(0.0,),
            d=lambda x: expit(x) * expit(-x),
        ),
        "logit": one(
            lambda x: mp.log(x / (1 - x)), uniform(0, 1), sizes(1e-30, 1), uniform(0.999, 1), at=(0.5,)
        ),
        "log_expit": one(
            lambda x: -mp.log1p(mp.exp(-x)),
            uniform(-5, 5),
            uniform(-700, 700),
            sizes(1e-6, 40, BOTH),
            at=(0.0,),
            d=lambda x: expit(-x),
            second=lambda x: -expit(x) * expit(-x),
        ),
        "xlogy": Row(
            lambda x, y: x * mp.log(y),
            ((uniform(-3, 3), sizes(1e-6, 1e6)), (sizes(1e-8, 1e8), uniform(0.5, 2))),
            (0, 1),
        ),
        "xlog1py": Row(
            lambda x, y: x * mp.log(1 + y),
            ((uniform(-3, 3), sizes(1e-6, 1e6)), (sizes(1e-8, 1e8), uniform(-0.9, 2))),
            (0, 1),
        ),
        "entr": one(lambda x: -x * mp.log(x), uniform(0, 3), sizes(1e-30, 1e10), at=(1.0, 2.0)),
        "rel_entr": Row(
            entropy, ((uniform(0.1, 3), sizes(1e-20, 1e10)), (uniform(0.1, 3), sizes(1e-20, 1e10))), (0, 1)
        ),
        "kl_div": Row(
            lambda x, y: entropy(x, y) - x + y,
            ((uniform(0.1, 3), sizes(1e-20, 1e10)), (uniform(0.1, 3), sizes(1e-20, 1e10))),
            (0, 1),
            ((2.0, 1.0),),
        ),
        "j0": one(lambda x: mp.besselj(0, x), uniform(-20, 20), sizes(1e-4, 1e4), at=(0.0, 1.0)),
        "j1": one(lambda x: mp.besselj(1, x), uniform(-20, 20), sizes(1e-4, 1e4), at=(0.0, 1.0)),
        "y0": one(lambda x: mp.bessely(0, x), uniform(0, 20), sizes(1e-4, 1e4), at=(1.0,)),
        "y1": one(lambda x: mp.bessely(1, x), uniform(0, 20), sizes(1e-4, 1e4), at=(1.0,)),
        "i0": one(lambda x: mp.besseli(0, x), uniform(-20, 20), sizes(1e-4, 600), at=(0.0, 1.0)),
        "i1": one(lambda x: mp.besseli(1, x), uniform(-20, 20), sizes(1e-4, 600), at=(0.0, 1.0)),
        "i0e": one(lambda x: ei(0, x), uniform(-20, 20), sizes(1e-4, 1e6), uniform(20, 50), at=(1.0,)),
        "i1e": one(lambda x: ei(1, x), uniform(-20, 20), sizes(1e-4, 1e6), uniform(20, 50), at=(1.0,)),
        "jv": Row(mp.besselj, (orders, arguments), (1,)),
        "yn": Row(mp.bessely, ((whole(0, 9),), arguments), (1,)),
        "yv": Row(mp.bessely, (orders, arguments), (1,)),
        "iv": Row(mp.besseli, (orders, arguments), (1,)),
        "ive": Row(ei, (orders, (*arguments, sizes(1e-3, 1e6))), (1,)),
        "struve": Row(mp.struveh, ((uniform(-1, 6), whole(-1, 8)), (uniform(0, 5), uniform(0, 40))), (1,)),
        "cosm1": one(lambda x: mp.cos(x) - 1, uniform(-10, 10), sizes(1e-8, 1), at=(0.0,)),
        "exprel": one(
            lambda x: (mp.expm1(x) / x) if x else mp.mpf(1),
            uniform(-3, 3),
            sizes(1e-8, 600),
            uniform(-100, 3),
            at=(0.0,),
        ),
        "zeta": Row(mp.zeta, ((uniform(1.1, 10), whole(2, 8)), (uniform(0.1, 20), sizes(1e-3, 1e4))), (1,)),
        "zeta_parameter": Row(
            mp.zeta,
            (
                (uniform(1.01, 10), whole(2, 8), sizes(5, 100)),
                (uniform(0.1, 20), sizes(1e-3, 1e4), whole(1, 3)),
            ),
            (0,),
            ((100.0, 100.0), (1.001, 1.0)),
            name="zeta",
        ),
        "sine_integral": one(mp.si, uniform(-20, 20), sizes(1e-8, 1e3), at=(0.0, 1.0), name="sici"),
        "cosine_integral": one(mp.ci, uniform(0, 20), sizes(1e-8, 1e3), at=(1.0,), name="sici"),
        # Where mpmath is too slow for the function itself, its slope alone.
        "gammainc_large": Row(
            None, ((sizes(10, 1e7),), (uniform(-5, 5),)), (1,), d=gamma_density, name="gammainc"
        ),
        "betainc_large": Row(
            None,
            ((*parameters, sizes(10, 1e7)), (*parameters, sizes(10, 1e7)), (uniform(-5, 5),)),
            (2,),
            d=beta_density,
            name="betainc",
        ),
    }


def near_the_mean(label: str, columns: list[np.ndarray]) -> list[np.ndarray]:
    """Return points whose last argument is so many deviations from the mean of a distribution."""
    *parameters, z = columns
    if label == "gammainc_large":
        (a,) = parameters
        x = a + z * np.sqrt(a)
        x = np.where(x > 0, x, a)
    else:
        a, b = parameters
        mean = a / (a + b)
        x = mean + z * np.sqrt(mean * (1 - mean) / (a + b + 1))
        x = np.where((x > 1e-6) & (x < 1 - 1e-6), x, np.clip(mean, 1e-3, 1 - 1e-3))
    return [*parameters, x.astype(np.float32).astype(float)]


def computed(label: str, row: Row) -> dict[str, np.ndarray]:
    import mpmath as mp

    mp.mp.dps = 80
    columns = row.points()
    if label.endswith("_large"):
        columns = near_the_mean(label, columns)
    found: dict[str, list[Any]] = {f"x{i}": list(x) for i, x in enumerate(columns)}
    for point in zip(*columns, strict=True):
        arguments = [mp.mpf(x) for x in point]
        if row.f and not label.endswith("_parameter"):
            found.setdefault("value", []).append(_float(functools.partial(row.f, *arguments)))
        for i in row.slopes:
            slope, second = derivatives(row, arguments, i)
            sign = -1 if label == "gammaincc" else 1
            found.setdefault(f"slope{i}", []).append(sign * slope)
            found.setdefault(f"second{i}", []).append(sign * second)
    return {f"{label}.{key}": _stored(np.asarray(values, dtype=float)) for key, values in found.items()}


def _stored(values: np.ndarray) -> np.ndarray:
    """Return numbers in float32 where that has all of them."""
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    return short if np.array_equal(short, values) else values


def derivatives(row: Row, arguments: list[Any], i: int) -> tuple[float, float]:
    """Return the first and the second derivative in one argument, 0 where they are below the error of differences."""
    import mpmath as mp

    x, size = arguments[i], abs(arguments[i]) or mp.mpf(10) ** -6
    step = size * mp.mpf(10) ** -15

    def along(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: f(*arguments[:i], x, *arguments[i + 1 :])

    def difference(f: Callable[..., Any]) -> Any:
        return (f(x + step) - f(x - step)) / (2 * step)

    if row.d:
        d = along(row.d)
        slope, second, scale = _float(lambda: d(x)), _float(lambda: difference(d)), d(x - size / 1024) * size
    else:
        f = along(row.f)
        slope = _float(lambda: difference(f))
        second = _float(lambda: (f(x + step) - 2 * f(x) + f(x - step)) / step**2)
        scale = f(x - size / 1024)
    if row.second:
        return slope, _float(lambda: row.second(*arguments))
    smallest = float(abs(scale) * mp.mpf(10) ** -27)
    slope = 0.0 if not row.d and abs(slope) * float(size) < smallest else slope
    return slope, 0.0 if abs(second) * float(size) ** 2 < smallest else second


def _float(f: Callable[[], Any]) -> float:
    """Return a number of mpmath's; NaN where it is not defined."""
    import mpmath as mp

    try:
        value = f()
    except (ValueError, ZeroDivisionError) as error:
        print(error)
        return float("nan")
    return float(mp.re(value)) if abs(mp.im(value)) == 0 else float("nan")


if __name__ == "__main__":
    table = dict(np.load(FILE)) if FILE.exists() else {}
    chosen = sys.argv[1:]
    for label, row in rows().items():
        if not chosen or label in chosen:
            table |= computed(label, row)
            print(label, flush=True)
    np.savez_compressed(FILE, **{key: _stored(values) for key, values in table.items()})
