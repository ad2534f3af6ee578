"""Promises of the gradient contract that are not about one gate, on every device."""

import gc
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.autodiff.tape import Node
from tests.helpers.devices import Place


def test_100_000_gates_in_a_row(here: Place):
    xp = cr.differentiable(here.xp)

    def f(x: Any) -> Any:
        for _ in range(100_000):
            x = -x
        return xp.sum(x)

    np.testing.assert_array_equal(here.numpy(cr.grad(f)(here.array([1.0, 2.0]))), [1, 1])


def test_no_node_is_left_after_1000_steps_without_the_garbage_collector(here: Place):
    xp, x = cr.differentiable(here.xp), here.array([0.5, 1.0])

    def nodes() -> int:
        return sum(type(thing) is Node for thing in gc.get_objects())

    step = cr.value_and_grad(lambda x: xp.sum(xp.tanh(x * x) / xp.max(x)))
    held = cr.variable(x) * 2
    assert nodes() > 0  # they are counted
    del held
    step(x)
    gc.collect()
    before = nodes()
    gc.disable()
    try:
        for _ in range(1000):
            value, g = step(x)
        assert nodes() == before
    finally:
        gc.enable()
    assert np.isfinite(float(value))
    assert g.shape == x.shape


def test_gathering_accumulates(here: Place):
    xp = cr.differentiable(here.xp)
    x, at = here.array([[1.0, 2.0, 3.0]]), here.array([2, -1, 0, 2], "int64")
    g = here.array([[1.0, 10.0, 100.0, 1000.0]])
    got = cr.grad(lambda x: xp.sum(xp.take(x, at, axis=1) * xp.asarray(g)))(x)
    np.testing.assert_array_equal(here.numpy(got), [[100, 0, 1011]])
    rows = here.array([[2, 2, 0], [-1, 1, 1]], "int64")
    wide = lambda x: xp.take_along_axis(xp.broadcast_to(x, (2, 3)), rows, axis=1)  # noqa: E731
    got = cr.grad(lambda x: xp.sum(wide(x)))(x)
    np.testing.assert_array_equal(here.numpy(got), [[1, 2, 3]])


def test_large_numbers_stay_finite(here: Place, dtype: str):
    xp, x = cr.differentiable(here.xp), here.array([-1000.0, 0.0, 1000.0], dtype)
    y = here.array([0.0, 0.0, 1.0], dtype)
    for f in (
        xp.sigmoid,
        xp.tanh,
        xp.softmax,
        xp.log_softmax,
        xp.softplus,
        lambda z: xp.sigmoid_cross_entropy(z, y),
    ):
        value, slope = cr.value_and_grad(lambda x, f=f: xp.sum(f(x) * xp.asarray(y)))(x)
        assert np.isfinite(float(value))
        assert np.all(np.isfinite(here.numpy(slope)))
