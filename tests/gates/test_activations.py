"""The sigmoid and what is made of it, against fifty digits, and its derivatives to the third order."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

import chainrule as cr
from chainrule import functions

# From where e^-|z| is the smallest normal float32 to where it is 1, zeros of both signs, and numbers in between.
Z = [-87, -40, -20, -5, -1, -1e-3, -1e-30, -0.0, 0.0, 1e-30, 1e-3, 1, 5, 20, 40, 87]
Z += np.random.default_rng(0).normal(0, 20, 200).clip(-87, 87).tolist()


def exactly(z):
    """Return s(z), log s(z) and log(1 + e^z) as decimals."""
    e = (-abs(z)).exp()
    s = 1 / (1 + e) if z >= 0 else e / (1 + e)
    tail = (1 + e).ln()
    return {"sigmoid": s, "log_sigmoid": min(z, 0) - tail, "softplus": max(z, 0) + tail}


def errors(device, got, z, right):
    """Return the errors relative to each number, in units of the dtype's precision."""
    got, z = device.to_numpy(got), device.to_numpy(z)
    with localcontext() as context:
        context.prec = 90
        exact = [right(Decimal(float(number))) for number in z]
        off = [abs((Decimal(float(y)) - x) / x) for y, x in zip(got, exact, strict=True)]
    return np.array(off, dtype="float64") / np.finfo(z.dtype).eps


@pytest.mark.parametrize("name", ["sigmoid", "log_sigmoid", "softplus"])
def test_every_digit_is_right(name, device, dtype):
    z = device.asarray(Z, dtype)
    got = getattr(functions, name)(z)
    assert errors(device, got, z, lambda z: exactly(z)[name]).max() < 4


@pytest.mark.parametrize(("name", "side"), [("log_sigmoid", -1), ("softplus", 1)])
def test_every_digit_of_a_slope_that_is_a_sigmoid_is_right(name, side, device, dtype):
    space, z = cr.differentiable(device.xp), device.asarray(Z, dtype)
    slope = cr.grad(lambda z: space.sum(getattr(space, name)(z)))(z)
    assert errors(device, slope, z, lambda z: exactly(side * z)["sigmoid"]).max() < 4


ORDERS = {
    "sigmoid": (1 / 4, 0, -1 / 8),
    "log_sigmoid": (1 / 2, -1 / 4, 0),
    "softplus": (1 / 2, 1 / 4, 0),
    "sigmoid_cross_entropy": (1 / 2, 1 / 4, 0),
}
FINITE = (0.0, -0.0, 1000.0, -1000.0, np.nan)
PLACES = [(name, z) for name in ORDERS for z in FINITE]
# The cost is promised for finite z: 0 times infinity is no number.
PLACES += [(name, z) for name in ORDERS if name != "sigmoid_cross_entropy" for z in (np.inf, -np.inf)]


@pytest.mark.parametrize(("name", "z"), PLACES)
def test_derivatives_to_the_third_order_at_the_joint_and_far_away(name, z, device, dtype):
    at, targets = device.asarray(z, dtype), (device.asarray(0.0, dtype),) * name.endswith("entropy")
    derivative = getattr(functions, name)
    for order, at_zero in enumerate(ORDERS[name], 1):
        derivative = cr.grad(derivative)
        got = derivative(at, *targets)
        assert (got.dtype, got.device) == (at.dtype, at.device)
        # Far away all are flat, but for the slope of 1 on one side of what has the sigmoid for its slope.
        steep = order == 1 and name != "sigmoid" and (z < 0) == (name == "log_sigmoid")
        want = at_zero if z == 0 else z if np.isnan(z) else float(steep)
        assert float(got) == pytest.approx(want, abs=1e-15, nan_ok=True)
