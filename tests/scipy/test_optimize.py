"""Roots and fixed points: gradients by the implicit function theorem, to the second order."""

import numpy as np
import pytest
import scipy.optimize

import chainrule as cr
from chainrule.scipy.optimize import fixed_point, root

X0, C, D = np.array([1.0, 1.0]), np.asarray(1.3), np.array([2.0, 0.7])


def curves(x, c, d):
    return np.stack([x[0] ** 2 + c * x[1] - d[0], np.exp(x[0]) * x[1] - d[1] * c])


@pytest.mark.parametrize("method", ["hybr", "lm", "krylov"])
def test_root(method):
    want = scipy.optimize.root(lambda x: curves(x, C, D), X0).x
    found = root(curves, X0, (C, D), method=method)
    np.testing.assert_allclose(found.x, want, rtol=1e-5)
    np.testing.assert_allclose(found.fun, 0, atol=1e-5)


def test_gradients_of_roots():
    cr.check_gradients(lambda c, d: np.sum(np.sin(root(curves, X0, (c, d)).x)), C, D, order=2)
    # x = a^(1/3): the derivatives of a closed form.
    third = cr.grad(cr.grad(lambda a: root(lambda x, a: x**3 - a, 1.0, (a,)).x[0]))
    np.testing.assert_allclose(third(np.asarray(8.0)), -2 / 9 * 8 ** (-5 / 3), rtol=1e-12)
    np.testing.assert_allclose(root(lambda x, a: x**3 - a, 1.0, np.asarray(8.0)).x, [2], rtol=1e-9)
    # Nested arguments, and a matrix for x: X X = A.
    A = np.array([[4.0, 1.0], [0.5, 3.0]])

    def square_root(parts):
        return root(lambda X, parts: X @ X - parts["A"], np.eye(2) * 2, (parts,)).x

    np.testing.assert_allclose(square_root({"A": A}) @ square_root({"A": A}), A, atol=1e-9)
    cr.check_gradients(lambda A: np.sum(np.sin(square_root({"A": A}))), A)


def test_fixed_points():
    for a, x0 in ((np.asarray(0.9), 0.5), (np.array([0.5, 1.1]), np.array([0.5, 0.6]))):
        want = scipy.optimize.fixed_point(lambda x, a=a: np.cos(a * x), x0)
        f = lambda a, x0=x0: fixed_point(lambda x, a: np.cos(a * x), x0, (a,))  # noqa: E731
        np.testing.assert_allclose(f(a), want, rtol=1e-8)
        cr.check_gradients(lambda a, f=f: np.sum(f(a)), a, order=2)


def test_in_batches_compiled_and_on_every_device(device):
    def f(a):
        return root(lambda x, a: x * x * x - a, device.asarray([1.0]), (a,)).x[0]

    a = device.asarray([8.0, 27.0])
    np.testing.assert_allclose(device.to_numpy(cr.vmap(f)(a)), [2, 3], rtol=1e-6)
    np.testing.assert_allclose(device.to_numpy(cr.vmap(cr.grad(f))(a)), [1 / 12, 1 / 27], rtol=1e-6)
    if device.name == "cpu":
        np.testing.assert_allclose(cr.compile(cr.grad(f))(a[0]), 1 / 12, rtol=1e-6)


def test_errors():
    one = np.asarray(1.0)
    with pytest.raises(RuntimeError, match="found none"):
        root(lambda x, a: x * x + a, 1.0, (one,))
    with pytest.raises(np.linalg.LinAlgError, match="singular at the root"):
        cr.grad(lambda a: root(lambda x, a: (x - a) ** 2, 1.2, (a,)).x[0])(one)
    with pytest.raises(np.linalg.LinAlgError, match="singular at the root"):
        cr.grad(lambda a: fixed_point(lambda x, a: x + 0 * a, 1.0, (a,)))(one)
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        cr.grad(lambda a: root(lambda x, a: np.sign(x - a) * np.abs(x - a) ** 0.5, 1.1, (a,)).x[0])(one)
    for args in ((), (one,)):
        with pytest.raises(TypeError, match="pass it in by args"):
            cr.grad(lambda a, args=args: root(lambda x, *_: x * x - a, 1.0, args).x[0])(one)
    with pytest.raises(TypeError, match="expected real numbers"):
        root(lambda x: x * x, 1j)
    with pytest.raises(ValueError, match="shape of x"):
        root(lambda x: x[:1], X0)
    assert cr.grad(lambda x0: root(lambda x: x * x - 4, x0).x[0])(np.array([1.0])) == 0
