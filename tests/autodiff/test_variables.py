"""variable and backward: a value and a gradient for every result."""

import numpy as np
import pytest

import chainrule as cr

X = np.array([1.0, 2.0, -1.0])


def test_every_result_has_a_value_and_a_gradient():
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


def test_gradients_of_variables_share_nothing():
    a, b = cr.variable(X), cr.variable(X)
    cr.backward(np.sum(a + b))
    assert not np.shares_memory(a.grad, b.grad)
    a.grad[:] = 5
    np.testing.assert_allclose(b.grad, 1)


def test_gradients_of_an_earlier_backward_are_not_handed_out():
    a, b = cr.variable(2.0), cr.variable(3.0)
    product = a * b
    cr.backward(product)
    cr.backward(a * cr.stop_gradient(b))
    assert float(a.grad) == 3
    for stale in (b, product):
        with pytest.raises(AttributeError, match="last backward did not reach"):
            _ = stale.grad
    cr.backward(b * product)
    assert (float(a.grad), float(b.grad), float(product.grad)) == (9, 12, 3)
