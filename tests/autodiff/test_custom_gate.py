"""gate: a rule of your own."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

import chainrule as cr

X = np.array([1.0, 2.0, -1.0])


def test_a_rule_of_your_own():
    @cr.gate
    def scaled_tanh(xp: Any, x: Any, *, scale: float = 1.0) -> Any:
        """Return tanh(scale x)."""
        y = xp.tanh(x * scale)
        return y, (lambda g: g * ((1 - y * y) * scale),)

    np.testing.assert_allclose(scaled_tanh(X, scale=2.0), np.tanh(2 * X))
    for x in (X, array_api_strict.asarray([1.0, 2.0])):
        cr.check_gradients(lambda x: scaled_tanh(x, scale=0.7), x, order=3)
    assert scaled_tanh.__doc__ == "Return tanh(scale x)."


def test_a_rule_of_the_wrong_form_is_refused():
    @cr.gate
    def half(xp: Any, x: Any, y: Any) -> Any:
        return x * y, (lambda g: g * y,)

    with pytest.raises(TypeError, match="2 pullbacks"):
        cr.grad(lambda x: np.sum(half(x, x)))(X)


def test_a_traced_setting_is_refused():
    space = cr.differentiable(np)

    @cr.gate
    def swish(xp, x, *, beta=1.0):
        s = 1 / (1 + xp.exp(-beta * x))
        return x * s, (lambda g: g * (s + beta * x * s * (1 - s)),)

    for f in (
        lambda a: space.leaky_relu(-X, slope=a),
        lambda a: space.leaky_relu(-X * a, slope=a),
        lambda a: cr.functions.leaky_relu(-X * a, slope=a),
        lambda a: space.elu(-X * a, alpha=a),
        lambda a: swish(X * a, beta=a),
        lambda a: swish(X, beta=a),
    ):
        with pytest.raises(TypeError, match="is a setting, to which no gradient flows"):
            cr.grad(lambda a, f=f: np.sum(f(a)))(np.asarray(0.1))


@pytest.mark.parametrize("shape", [(1,), (), (2, 3), (3, 1)])
def test_a_gradient_of_another_shape_is_an_error(shape):
    @cr.gate
    def double(xp: Any, x: Any) -> Any:
        return x * 2.0, (lambda g: xp.ones(shape),)

    with pytest.raises(ValueError, match=r"gate double: expected a gradient of the array's shape \(3,\)"):
        cr.grad(lambda x: np.sum(double(x)))(X)


def test_a_gradient_without_a_shape_is_an_error():
    @cr.gate
    def double(xp: Any, x: Any) -> Any:
        return x * 2.0, (lambda g: 2.0,)

    with pytest.raises(ValueError, match="got float"):
        cr.grad(lambda x: double(x))(1.0)


@pytest.mark.parametrize("in_output", [True, False])
@pytest.mark.parametrize("w_is", ["the array", "another array"])
def test_a_traced_array_in_the_closure_of_a_rule_is_an_error(in_output, w_is):
    def f(v: Any, w: Any) -> Any:
        w = v if w_is == "the array" else w

        @cr.gate
        def scaled(xp: Any, x: Any) -> Any:
            return x * (w if in_output else 1.0), (lambda g: g * w,)

        return np.sum(scaled(v))

    with pytest.raises(TypeError, match="not among"):
        cr.grad(f, (0, 1))(X, X)
    with pytest.raises(TypeError, match="not among"):
        cr.jvp(f, (X, X), (X, X))
    v, w = cr.variable(X), cr.variable(X)
    with pytest.raises(TypeError, match="not among"):
        cr.backward(f(v, w))


def test_an_array_of_an_outer_transform_may_be_in_the_closure_of_a_rule():
    def f(w: Any) -> Any:
        @cr.gate
        def scaled(xp: Any, x: Any) -> Any:
            return x * w, (lambda g: g * w,)

        return cr.grad(lambda x: scaled(x) * x)(2.0)

    np.testing.assert_allclose(cr.grad(f)(3.0), 4.0)
