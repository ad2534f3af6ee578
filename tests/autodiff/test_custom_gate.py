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
