"""First and second derivatives of functions of one number, over the whole domain, against eighty digits."""

import functools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr

ONE, TWO = Decimal(1), Decimal(2)
SMALL = [*10.0 ** np.linspace(-300, -21, 12), *10.0 ** np.linspace(-20, -1, 20)]
MIDDLE = [*np.linspace(0.1, 30, 30)]
LARGE = [*10.0 ** np.linspace(1.5, 300, 30)]
NEAR_1 = [*np.linspace(0.1, 0.999, 20), *(1 - 10.0 ** np.linspace(-15.9, -3, 20))]
TAILS = [*SMALL, *np.linspace(0.1, 745, 60)]


def both(points: list[float]) -> list[float]:
    return [*points, *(-x for x in points)]


class Row(NamedTuple):
    """Points of a domain, and the first and the second derivative there as decimals."""

    points: list[float]
    first: Callable[[Decimal], Decimal]
    second: Callable[[Decimal], Decimal]


def s(z: Decimal) -> Decimal:
    return ONE / (1 + (-z).exp()) if z >= 0 else z.exp() / (1 + z.exp())


def tanh(z: Decimal) -> Decimal:
    if abs(z) < Decimal("1e-20"):
        return z  # to more digits than any dtype has
    e = (-2 * abs(z)).exp()
    return ((1 - e) / (1 + e)).copy_sign(z)


def sech2(z: Decimal) -> Decimal:
    e = (-2 * abs(z)).exp()
    return 4 * e / (1 + e) ** 2


def ds(z: Decimal) -> Decimal:
    return s(z) * s(-z)


def exp(z: Decimal) -> Decimal:
    return z.exp()


def cosh(z: Decimal) -> Decimal:
    return (z.exp() + (-z).exp()) / 2


def sinh(z: Decimal) -> Decimal:
    return z if abs(z) < Decimal("1e-20") else (z.exp() - (-z).exp()) / 2


def half_power(z: Decimal) -> Decimal:
    return z * z.sqrt()


def cube_root(z: Decimal) -> Decimal:
    return (abs(z).ln() / 3).exp().copy_sign(z)


def sinc(x: Decimal, order: int) -> Decimal:
    """Return a derivative of sin(pi x) / (pi x) by its Taylor series."""
    total = Decimal(0)
    for k in range(120):
        if 2 * k >= order:
            power = PI ** (2 * k) * x ** (2 * k - order)
            falling = math.perm(2 * k, order)
            total += (-1) ** k * falling * power / math.factorial(2 * k + 1)
    return total


PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211707"
)
LN2, LN10 = TWO.ln(), Decimal(10).ln()
ROWS = {
    "acos": Row(
        both([*SMALL, *NEAR_1]), lambda x: -1 / (1 - x * x).sqrt(), lambda x: -x / half_power(1 - x * x)
    ),
    "acosh": Row(
        [1 + x for x in [*SMALL[-25:], *MIDDLE, *LARGE]],
        lambda x: 1 / (x * x - 1).sqrt(),
        lambda x: -x / half_power(x * x - 1),
    ),
    "asin": Row(
        both([*SMALL, *NEAR_1]), lambda x: 1 / (1 - x * x).sqrt(), lambda x: x / half_power(1 - x * x)
    ),
    "asinh": Row(
        both([*SMALL, *MIDDLE, *LARGE]),
        lambda x: 1 / (x * x + 1).sqrt(),
        lambda x: -x / half_power(x * x + 1),
    ),
    "atan": Row(
        both([*SMALL, *MIDDLE, *LARGE]), lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2
    ),
    "atanh": Row(both([*SMALL, *NEAR_1]), lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x) ** 2),
    "_cbrt": Row(
        both([*SMALL, *MIDDLE, *LARGE]),
        lambda x: 1 / (3 * cube_root(x) ** 2),
        lambda x: -2 / (9 * cube_root(x) ** 5),
    ),
    "cosh": Row(both([x for x in TAILS if x < 700]), sinh, cosh),
    "exp": Row(both([x for x in TAILS if x < 700]), exp, exp),
    "expm1": Row(both([x for x in TAILS if x < 700]), exp, exp),
    "log": Row([*SMALL, *MIDDLE, *LARGE], lambda x: 1 / x, lambda x: -1 / x**2),
    "log10": Row([*SMALL, *MIDDLE, *LARGE], lambda x: 1 / x / LN10, lambda x: -1 / x**2 / LN10),
    "log1p": Row(
        [*both(SMALL), *(-x for x in NEAR_1), *MIDDLE, *LARGE],
        lambda x: 1 / (1 + x),
        lambda x: -1 / (1 + x) ** 2,
    ),
    "log2": Row([*SMALL, *MIDDLE, *LARGE], lambda x: 1 / x / LN2, lambda x: -1 / x**2 / LN2),
    "reciprocal": Row(both([*SMALL, *MIDDLE, *LARGE]), lambda x: -1 / x**2, lambda x: 2 / x**3),
    "sinh": Row(both([x for x in TAILS if x < 700]), cosh, sinh),
    "sqrt": Row([*SMALL, *MIDDLE, *LARGE], lambda x: 1 / (2 * x.sqrt()), lambda x: -1 / (4 * half_power(x))),
    "square": Row(both([*SMALL, *MIDDLE, *LARGE]), lambda x: 2 * x, lambda x: TWO),
    "sigmoid": Row(both(TAILS), ds, lambda x: -ds(x) * tanh(x / 2)),
    "log_sigmoid": Row(both(TAILS), lambda x: s(-x), lambda x: -ds(x)),
    "softplus": Row(both(TAILS), s, ds),
    "elu": Row(both(TAILS), lambda x: exp(min(x, 0 * x)), lambda x: exp(x) if x <= 0 else 0 * x),
}


@functools.cache
def exactly(name: str, dtype: str, order: int) -> tuple[np.ndarray, list[Decimal]]:
    """Return the points that a dtype has, poles left out, and the derivatives there."""
    row, limits = ROWS[name], np.finfo(dtype)
    rounded = np.array([x for x in row.points if limits.tiny <= abs(x) < limits.max], dtype)
    points = rounded[np.abs(rounded) != 1]
    with localcontext() as context:
        context.prec = 80
        return points, [row[order](Decimal(float(x))) for x in points]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ROWS)
def test_a_derivative_keeps_its_digits(name: str, order: int, device: cr.Device, dtype: str):
    points, exact = exactly(name, dtype, order)
    space, limits = cr.differentiable(device.xp), np.finfo(dtype)
    x, derivative = device.asarray(points, dtype), getattr(space, name)
    for _ in range(order):
        derivative = lambda x, f=derivative: cr.grad(lambda x: space.sum(f(x)))(x)  # noqa: E731
    with np.errstate(all="ignore"):
        got = device.to_numpy(derivative(x)).astype("float64")
    for at, y, right in zip(points, got, exact, strict=True):
        if abs(right) > Decimal(float(limits.max)):
            assert not np.isfinite(y), at
        else:
            tolerance = 12 * Decimal(float(limits.eps)) * abs(right) + 4 * Decimal(float(limits.tiny))
            assert abs(Decimal(float(y)) - right) <= tolerance, at


def test_what_is_far_out_overflows_nowhere_on_the_way(device: cr.Device, dtype: str):
    space, x = cr.differentiable(device.xp), device.asarray([-1e30, -1000.0, 1000.0, 1e30], dtype)
    for name in ("asinh", "atan", "sigmoid", "log_sigmoid", "softplus", "elu"):
        # Warnings are errors here.
        slopes = device.to_numpy(cr.grad(lambda x, name=name: space.sum(getattr(space, name)(x)))(x))
        assert np.all(np.isfinite(slopes))


def test_what_is_left_beside_a_share_near_1(device: cr.Device, dtype: str):
    space, small = cr.differentiable(device.xp), np.exp(-60.0)
    z, y = device.asarray([60.0, 0.0, 0.0], dtype), device.asarray([1.0, 0.0, 0.0], dtype)
    slopes = {
        "softmax": (lambda z: space.softmax(z)[0], [2, -1, -1]),
        "log_softmax": (lambda z: space.log_softmax(z)[0], [2, -1, -1]),
        "softmax_cross_entropy": (lambda z: space.softmax_cross_entropy(z, y), [-2, 1, 1]),
        "sigmoid_cross_entropy": (lambda z: space.sigmoid_cross_entropy(z[0], y[0]), [-1, 0, 0]),
    }
    for f, right in slopes.values():
        got = device.to_numpy(cr.grad(f)(z)).astype("float64") / small
        np.testing.assert_allclose(got, right, rtol=1e-5 if dtype == "float32" else 1e-13)
    losses = float(space.softmax_cross_entropy(z, y)), float(-space.log_softmax(z)[0])
    np.testing.assert_allclose(losses, 2 * small, rtol=1e-5)


def test_both_slopes_of_logaddexp2(device: cr.Device, dtype: str):
    space, gaps = cr.differentiable(device.xp), [0.25, 1.0, 3.5, 40.0, 100.0]
    for shift in (0.0, -1000.0, 4096.0):
        larger = np.array([shift + gap for gap in gaps], dtype)
        x1, x2 = device.asarray(larger, dtype), device.asarray(np.full_like(larger, shift), dtype)
        to_both = cr.grad(lambda a, b: space.sum(space._logaddexp2(a, b)), (0, 1))(x1, x2)
        for got, sign in zip(to_both, (-1, 1), strict=True):
            right = 1 / (1 + np.exp2(sign * np.array(gaps)))
            np.testing.assert_allclose(device.to_numpy(got), right, rtol=4 * np.finfo(dtype).eps)


def test_the_slope_of_sinc(device: cr.Device, dtype: str):
    # Apart from its zeros, near which no digits are left of pi x.
    points = np.array([1e-6, 1e-3, 0.00319, 0.0033, 0.01, 0.1, 0.31, 0.32, 0.7, 1.2, 1.7], dtype)
    x = device.asarray(points, dtype)
    slope = cr.grad(lambda x: np.sum(np.sinc(x)))
    with localcontext() as context:
        context.prec = 80
        for got, order in ((slope(x), 1), (cr.grad(lambda x: np.sum(slope(x)))(x), 2)):
            right = [float(sinc(Decimal(float(at)), order)) for at in points]
            np.testing.assert_allclose(device.to_numpy(got), right, rtol=60 * np.finfo(dtype).eps)


def test_the_slope_of_tanh_is_exact_to_a_unit_of_1(device: cr.Device, dtype: str):
    space, eps = cr.differentiable(device.xp), float(np.finfo(dtype).eps)
    points = np.array(both([*np.linspace(0, 30, 121)]), dtype)
    x = device.asarray(points, dtype)
    slope = device.to_numpy(cr.grad(lambda x: space.sum(space.tanh(x)))(x)).astype("float64")
    by_sigmoid = cr.grad(lambda x: space.sum(2 * space.sigmoid(2 * x) - 1))(x)
    with localcontext() as context:
        context.prec = 80
        right = np.array([float(sech2(Decimal(float(at)))) for at in points])
    np.testing.assert_allclose(slope, right, rtol=0, atol=eps)
    assert np.all(slope[np.abs(points) > (19.1 if dtype == "float64" else 10)] == 0)
    np.testing.assert_allclose(device.to_numpy(by_sigmoid), right, rtol=4 * eps)
