"""checkpoint: the same values and gradients, with nothing kept between forward and backward."""

from typing import Any

import array_api_strict
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


@pytest.mark.parametrize("kept", [True, False])
def test_a_pullback_may_be_called_again_with_its_gradient_changed_in_place(kept):
    f = cr.checkpoint(lambda a, b: a * b)
    _, pullback = cr.vjp((lambda a, b: f(a, b)) if kept else (lambda a, b: f(a + 0.0, b) + 0.0), X, X + 1)
    g = np.ones(3)
    pullback(g)
    g *= 10
    np.testing.assert_allclose(pullback(g), (10 * (X + 1), 10 * X))


def _late_binding(x):
    for i in range(1, 4):
        x = cr.checkpoint(lambda v: v * i)(x)  # noqa: B023
    return x


def _dropout(x, rng=None):
    rng = np.random.default_rng(0)
    return cr.checkpoint(lambda v: v * (rng.random(v.shape) < 0.5))(x)


def _captured_array(x):
    w = np.ones(x.shape)
    y = cr.checkpoint(lambda v: v * w)(x)
    w[1] = 1.5
    return y


@pytest.mark.parametrize("f", [_late_binding, _dropout, _captured_array])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("n", [50, 10_000])
def test_a_second_run_with_another_result_is_an_error(f, dtype, n):
    with pytest.raises(RuntimeError, match="gave another result when it ran again"):
        cr.grad(lambda x: np.sum(f(x)))(np.ones(n, dtype=dtype))


def test_where_a_second_run_gives_another_result_on_a_device_the_gradient_is_nan():
    with cr.use_device("strict:device1"):
        x = cr.get_device().asarray(np.ones(3))
    xp = cr.differentiable(array_api_strict)
    g = cr.grad(lambda x: xp.sum(_late_binding(x)))(x)
    assert g.device == x.device
    assert array_api_strict.all(array_api_strict.isnan(g))
    assert array_api_strict.all(cr.grad(lambda x: xp.sum(cr.checkpoint(lambda v: v * 2.0)(x)))(x) == 2.0)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e300, np.inf, np.nan])
@pytest.mark.parametrize("n", [0, 1, 10_000])
def test_a_second_run_with_the_same_result_is_none(scale, n):
    for dtype in ("float16", "float32", "float64"):
        with np.errstate(all="ignore"):
            x = np.asarray(scale * np.ones(n), dtype=dtype)
        assert np.all(cr.grad(lambda x: np.sum(cr.checkpoint(lambda v: 1.0 * v)(x)))(x) == 1.0)


def test_it_takes_trees_and_arguments_by_name():
    @cr.checkpoint
    def f(params: Any, x: Any, *, k: Any, mode: str = "") -> Any:
        return np.tanh(params[0]["W"] * x + params[1]) * (k if mode == "scaled" else 1.0)

    def whole(params: Any, k: Any) -> Any:
        return np.sum(f(params, X, k=k, mode="scaled"))

    def plain(params: Any, k: Any) -> Any:
        return np.sum(np.tanh(params[0]["W"] * X + params[1]) * k)

    params = [{"W": X + 1}, 0.5]
    (dparams, dk), (other, dk2) = cr.grad(whole, (0, 1))(params, X), cr.grad(plain, (0, 1))(params, X)
    np.testing.assert_allclose(dparams[0]["W"], other[0]["W"])
    np.testing.assert_allclose(dparams[1], other[1])
    np.testing.assert_allclose(dk, dk2)
    cr.check_gradients(whole, params, X, order=2)


def test_the_lists_that_it_was_given_may_change_before_backward():
    def f(x: Any) -> Any:
        items = [x, 2.0]
        y = cr.checkpoint(lambda items: items[0] * items[1])(items)
        items[1] = 100.0
        return np.sum(y)

    np.testing.assert_allclose(cr.grad(f)(X), 2.0)


def test_thousand_in_a_row_and_many_inside_each_other():
    def row(x: Any) -> Any:
        for _ in range(1000):
            x = cr.checkpoint(np.sin)(x)
        return x

    f = np.tanh
    for _ in range(30):
        f = cr.checkpoint(lambda v, inner=f: inner(v) * 1.0)
    assert np.isfinite(cr.grad(row)(1.0))
    np.testing.assert_allclose(cr.grad(f)(0.5), cr.grad(np.tanh)(0.5))
