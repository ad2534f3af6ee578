"""Where a NaN went in and a NaN comes out, its gradient is NaN, and that of what was compared with it."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place

NAN = float("nan")
OF_TWO = {
    # The gradients of both operands at (NaN, 1), (1, NaN), (NaN, NaN), (2, 3).
    "maximum": ([NAN, NAN, NAN, 0], [NAN, NAN, NAN, 1]),
    "minimum": ([NAN, NAN, NAN, 1], [NAN, NAN, NAN, 0]),
    "fmax": ([0, 1, NAN, 0], [1, 0, NAN, 1]),
    "fmin": ([0, 1, NAN, 1], [1, 0, NAN, 0]),
}


@pytest.mark.parametrize("name", OF_TWO)
def test_the_larger_and_the_smaller_of_two(name: str, here: Place, dtype: str):
    a, b = here.array([NAN, 1, NAN, 2], dtype), here.array([1, NAN, NAN, 3], dtype)
    out, pullback = cr.vjp(lambda a, b: getattr(np, name)(a, b), a, b)
    grads = pullback(here.array([1, 1, 1, 1], dtype))
    for got, right in zip(grads, OF_TWO[name], strict=True):
        assert got.dtype == a.dtype
        np.testing.assert_array_equal(here.numpy(got), right)
    unknown = np.isnan(here.numpy(out))
    assert all(np.array_equal(np.isnan(here.numpy(g)), unknown) for g in grads)


def test_clip(here: Place, dtype: str):
    x, low, high = ([NAN, -1, 0.5, 2, 2], [0, NAN, 0, 0, 0], [1, 1, NAN, 1, NAN])
    arrays = [here.array(a, dtype) for a in (x, low, high)]
    xp = cr.differentiable(here.xp)
    _, pullback = cr.vjp(lambda x, low, high: xp.clip(x, low, high), *arrays)
    right = ([NAN, NAN, NAN, 0, NAN], [NAN, NAN, NAN, 0, NAN], [NAN, NAN, NAN, 1, NAN])
    for got, expected in zip(pullback(here.array(np.ones(5), dtype)), right, strict=True):
        np.testing.assert_array_equal(here.numpy(got), expected)
    for bounds in ((NAN, None), (None, NAN), (NAN, 1.0), (0.0, NAN)):
        got = here.numpy(cr.grad(lambda x, b=bounds: xp.sum(xp.clip(x, *b)))(arrays[0]))
        assert np.all(np.isnan(got))


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "softplus", "sigmoid", "log_sigmoid"])
def test_activations(name: str, here: Place, dtype: str):
    xp = cr.differentiable(here.xp)
    got = here.numpy(cr.grad(lambda x: xp.sum(getattr(xp, name)(x)))(here.array([NAN, 3.0], dtype)))
    np.testing.assert_array_equal(np.isnan(got), [True, False])


def test_hinges(here: Place):
    xp = cr.differentiable(here.xp)
    z, t = here.array([NAN, 0.5]), here.array([1.0, 1.0])
    np.testing.assert_array_equal(here.numpy(cr.grad(lambda z: xp.sum(xp.hinge(z, t)))(z)), [NAN, -1])
    rows, one = here.array([[NAN, 0.0], [0.5, 0.0]]), here.array([[1.0, 0], [1, 0]])
    got = here.numpy(cr.grad(lambda z: xp.sum(xp.multiclass_hinge(z, one)))(rows))
    np.testing.assert_array_equal(got, [[NAN, NAN], [-1, 1]])


@pytest.mark.parametrize("name", ["maximum", "minimum", "clip", "relu", "leaky_relu", "elu", "max", "min"])
def test_a_nan_that_was_not_picked_gets_0(name: str, here: Place):
    xp, x = cr.differentiable(here.xp), here.array([NAN, 1.0, NAN])
    settings = {"maximum": (0.5,), "minimum": (2.0,), "clip": (0.0, 2.0)}.get(name, ())

    def f(x: Any) -> Any:
        return xp.sum(xp.where(xp.isnan(x), 0, getattr(xp, name)(x, *settings)))

    if name in ("max", "min"):
        got = cr.grad(lambda x: xp.where(xp.asarray(here.array(True, "bool")), 0, getattr(xp, name)(x)))(x)
        np.testing.assert_array_equal(here.numpy(got), [0, 0, 0])
    else:
        np.testing.assert_array_equal(here.numpy(cr.grad(f)(x)), [0, 1, 0])


def test_what_replaces_nan_has_no_slope_there(here: Place):
    got = cr.grad(lambda x: np.sum(np.nan_to_num(x)))(here.array([NAN, 1.0, float("inf")]))
    np.testing.assert_array_equal(here.numpy(got), [0, 1, 0])
