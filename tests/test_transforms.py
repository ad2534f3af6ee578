"""The transforms: what each returns, for which arguments, and what it refuses."""

from typing import Any, NamedTuple

import array_api_strict
import numpy as np
import pytest

import chainrule as cr


def cubes(x: Any) -> Any:
    return np.sum(x**3)


X = np.array([1.0, 2.0, -1.0])


def test_grad_and_value_and_grad():
    assert cr.grad(cubes)(X).tolist() == [3, 12, 3]
    value, g = cr.value_and_grad(cubes)(X)
    assert value == 8
    assert g.tolist() == [3, 12, 3]
    assert type(value) is np.ndarray


def test_several_arguments_and_settings_that_pass_through():
    def f(a: Any, b: Any, *, power: int) -> Any:
        return np.sum(a * b**power)

    da, db = cr.grad(f, (0, 1))(X, X + 3, power=2)
    np.testing.assert_allclose(da, (X + 3) ** 2)
    np.testing.assert_allclose(db, 2 * X * (X + 3))
    np.testing.assert_allclose(cr.grad(f, -1)(X, X + 3, power=1), X)
    with pytest.raises(TypeError, match="argument number 2"):
        cr.grad(f, 2)(X, X)


class Layer(NamedTuple):
    W: Any
    b: Any


def test_nested_arguments_come_back_in_their_shape():
    params = {"layers": [Layer(np.ones((3, 2)), np.zeros(2))], "scale": (np.asarray(2.0), [])}

    def f(params: Any) -> Any:
        layer = params["layers"][0]
        return np.sum(X @ layer.W + layer.b) * params["scale"][0]

    g = cr.grad(f)(params)
    assert isinstance(g["layers"][0], Layer)
    assert g["layers"][0].W.tolist() == [[2, 2], [4, 4], [-2, -2]]
    assert g["layers"][0].b.tolist() == [2, 2]
    assert g["scale"][0] == 4
    assert g["scale"][1] == []


def test_what_the_result_does_not_depend_on_gets_zeros():
    g = cr.grad(lambda a, b: np.sum(a), (0, 1))(np.ones(2, np.float32), np.ones((3, 1), np.float32))[1]
    assert (g.shape, g.dtype, g.tolist()) == ((3, 1), np.float32, [[0], [0], [0]])
    assert cr.grad(lambda x: np.asarray(1.0))(X).tolist() == [0, 0, 0]


@pytest.mark.parametrize("out", [lambda x: x, lambda x: (x[0], x[1]), lambda x: None])
def test_a_result_that_is_no_scalar_is_refused_with_what_to_use(out: Any):
    with pytest.raises(TypeError, match=r"chainrule\.vjp or chainrule\.jacobian"):
        cr.grad(out)(X)


def test_vjp_of_nested_results():
    out, pullback = cr.vjp(lambda x, y: {"s": x * y, "t": [x]}, X, X + 1)
    np.testing.assert_allclose(out["s"], X * (X + 1))
    dx, dy = pullback({"s": np.ones(3), "t": [np.full(3, 2.0)]})
    np.testing.assert_allclose(dx, X + 1 + 2)
    np.testing.assert_allclose(dy, X)
    with pytest.raises(ValueError, match="shape"):
        pullback({"s": np.ones(2), "t": [np.ones(3)]})
    with pytest.raises(ValueError, match="each of 2 results"):
        pullback({"s": np.ones(3)})


def test_jvp_is_the_directional_derivative():
    v = np.array([1.0, 0.5, -2.0])
    out, rate = cr.jvp(lambda x: np.tanh(x) * x[0], (X,), (v,))
    J = cr.jacobian(lambda x: np.tanh(x) * x[0])(X)
    np.testing.assert_allclose(out, np.tanh(X) * X[0])
    np.testing.assert_allclose(rate, J @ v, rtol=1e-14)
    assert type(rate) is np.ndarray


def test_jvp_where_the_gradients_of_two_uses_cancel():
    space = cr.differentiable(np)

    def f(x: Any) -> Any:
        s = space.sqrt(x)
        return space.stack([s, -s])

    _, rate = cr.jvp(f, (np.asarray(4.0),), (np.asarray(1.0),))
    assert rate.tolist() == [0.25, -0.25]


def test_jvp_of_several_and_nested_arguments_and_results():
    params = {"W": np.eye(2), "b": np.zeros(2)}
    moves = {"W": np.ones((2, 2)), "b": np.array([1.0, 0.0])}
    x, v = np.array([1.0, 2.0]), np.array([0.0, 1.0])
    _, rate = cr.jvp(lambda p, x: (x @ p["W"] + p["b"], x), (params, x), (moves, v))
    assert rate[0].tolist() == [4, 4]
    assert rate[1].tolist() == [0, 1]
    with pytest.raises(ValueError, match="tangent"):
        cr.jvp(cubes, (X,), (np.ones(2),))
    with pytest.raises(ValueError, match="as many tangents"):
        cr.jvp(cubes, (X,), ())


def test_jvp_of_jvp_and_of_grad():
    def rate(x: Any) -> Any:
        return cr.jvp(lambda y: y**3, (x,), (np.asarray(1.0),))[1]

    assert cr.jvp(rate, (np.asarray(2.0),), (np.asarray(1.0),))[1] == 12
    assert cr.grad(rate)(2.0) == 12
    assert cr.jvp(cr.grad(lambda y: y**3), (np.asarray(2.0),), (np.asarray(1.0),))[1] == 12


@pytest.mark.parametrize("xp", [np, array_api_strict])
def test_jacobian_hessian_and_hvp(xp: Any):
    x = xp.asarray([1.0, 2.0, -1.0])

    def f(x: Any) -> Any:
        return x[0] * x[1] ** 2 + x[2] ** 3

    def both(x: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.stack([f(x), x[1]])

    H = cr.hessian(f)(x)
    assert np.asarray(H).tolist() == [[0, 4, 0], [4, 2, 0], [0, 0, -6]]
    assert type(H) is type(x)
    assert np.asarray(cr.jacobian(both)(x)).tolist() == [[4, 4, 3], [0, 1, 0]]
    assert np.asarray(cr.hvp(f, x, xp.asarray([1.0, 1.0, 1.0]))).tolist() == [4, 6, -6]


def test_jacobian_of_matrices_and_of_nothing():
    A = np.arange(6.0).reshape(2, 3)
    assert cr.jacobian(lambda A, B: A @ B, 1)(A, np.ones((3, 2))).shape == (2, 2, 3, 2)
    assert cr.jacobian(lambda x: x[:0])(X).shape == (0, 3)


def test_stop_gradient_of_arrays_and_nests():
    assert cr.grad(lambda x: np.sum(x * cr.stop_gradient(x)))(X).tolist() == X.tolist()
    assert cr.grad(lambda x: np.sum(cr.stop_gradient({"a": [x]})["a"][0]))(X).tolist() == [0, 0, 0]
    assert cr.stop_gradient(X) is X


class TestCheckpoint:
    def test_same_values_and_gradients_at_every_order(self):
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

    def test_runs_once_forward_and_once_backward_and_keeps_nothing_between(self):
        runs = []

        def f(a: Any, b: Any) -> Any:
            runs.append(type(a))
            return np.sum(a * b)

        _, pullback = cr.vjp(cr.checkpoint(f), X, X)
        assert runs == [np.ndarray]
        pullback(np.asarray(1.0))
        assert len(runs) == 2

    def test_a_followed_array_from_outside_is_an_error(self):
        with pytest.raises(TypeError, match="among its arguments"):
            cr.grad(lambda x: cr.checkpoint(lambda y: np.sum(y * x))(x))(X)


class TestGate:
    def test_a_rule_of_your_own(self):
        @cr.gate
        def scaled_tanh(xp: Any, x: Any, *, scale: float = 1.0) -> Any:
            """Return tanh(scale x)."""
            y = xp.tanh(x * scale)
            return y, (lambda g: g * ((1 - y * y) * scale),)

        np.testing.assert_allclose(scaled_tanh(X, scale=2.0), np.tanh(2 * X))
        for x in (X, array_api_strict.asarray([1.0, 2.0])):
            cr.check_gradients(lambda x: scaled_tanh(x, scale=0.7), x, order=3)
        assert scaled_tanh.__doc__ == "Return tanh(scale x)."

    def test_a_rule_of_the_wrong_form_is_refused(self):
        @cr.gate
        def half(xp: Any, x: Any, y: Any) -> Any:
            return x * y, (lambda g: g * y,)

        with pytest.raises(TypeError, match="2 pullbacks"):
            cr.grad(lambda x: np.sum(half(x, x)))(X)


def test_object_style_gives_value_and_grad_of_every_result():
    x, y = cr.variable(np.array([1.0, 2.0])), cr.variable(np.array([3.0, 4.0]))
    s = x * y
    out = np.sum(s)
    cr.backward(out)
    assert (s.value.tolist(), s.grad.tolist()) == ([3, 8], [1, 1])
    assert (x.grad.tolist(), y.grad.tolist(), float(out.grad)) == ([3, 4], [1, 2], 1)
    cr.backward(np.sum(x * 5.0))
    assert x.grad.tolist() == [5, 5]
    with pytest.raises(TypeError, match=r"array.*int64"):
        cr.variable(np.array([1]))


def test_transforms_of_traced_constants_return_traced_constants():
    space = cr.differentiable(np)
    x = space.asarray([1.0, 2.0])
    g = cr.grad(lambda x: space.sum(x * x))(x)
    assert type(g) is type(x)
    assert g.value.tolist() == [2, 4]


def test_jvp_where_a_slope_is_infinite():
    with np.errstate(divide="ignore"):
        assert cr.jvp(np.sqrt, (np.asarray(0.0),), (np.asarray(1.0),))[1] == np.inf
