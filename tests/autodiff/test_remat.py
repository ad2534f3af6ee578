"""checkpoint: the same values and gradients, with nothing kept between forward and backward."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([1.0, 2.0, -1.0])


def test_same_values_and_gradients_at_every_order():
    def f(a: Any, b: Any) -> Any:
        return np.sum(np.tanh(a * b) * a)

    g = cr.checkpoint(f)
    assert g(X, X) == f(X, X)
    for one, other in zip(cr.grad(f, (0, 1))(X, X + 1), cr.grad(g, (0, 1))(X, X + 1), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    np.testing.assert_allclose(
        cr.hessian(lambda x: g(x, x * 2))(X), cr.hessian(lambda x: f(x, x * 2))(X), rtol=1e-13
    )
    cr.check_gradients(g, X, X + 1, order=2)


def test_runs_once_forward_and_once_backward_and_keeps_nothing_between():
    runs = []

    def f(a: Any, b: Any) -> Any:
        runs.append(type(a))
        return np.sum(a * b)

    _, pullback = cr.vjp(cr.checkpoint(f), X, X)
    assert runs == [np.ndarray]
    pullback(np.asarray(1.0))
    assert len(runs) == 2


def test_a_traced_array_from_outside_is_an_error():
    with pytest.raises(TypeError, match="among its arguments"):
        cr.grad(lambda x: cr.checkpoint(lambda y: np.sum(y * x))(x))(X)


def test_it_takes_arrays_that_are_not_traced():
    positions = np.array([0, 0, 2])
    f = cr.checkpoint(lambda x, i, k: x[i] ** k)
    g = cr.grad(lambda x: np.sum(f(x, positions, 2)))(X)
    np.testing.assert_allclose(g, 2 * X * [2, 0, 1])
    cr.check_gradients(lambda x: f(x, positions, 3), X, order=2)
