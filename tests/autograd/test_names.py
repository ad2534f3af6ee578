"""What `chainrule.autograd.numpy` and `chainrule.autograd.scipy` have beside chainrule.numpy and chainrule.scipy."""

import importlib
from typing import Any

import numpy as onp
import pytest
import scipy.signal
import scipy.special
import scipy.stats

import chainrule.autograd.numpy as np
from chainrule.autograd import grad
from chainrule.autograd.extend import defvjp, primitive
from chainrule.autograd.numpy.numpy_vjps import unbroadcast_f
from chainrule.autograd.scipy import linalg, signal, special, stats
from chainrule.autograd.test_util import check_grads, combo_check
from chainrule.autograd.util import quick_grad_check

RANDOM = onp.random.default_rng(0)
X = onp.array([0.5, -1.0, 2.0])


class TestNumPy:
    def test_where_of_pythons_numbers_gives_them(self):
        assert np.where(True, 1, 2.0) == 1
        assert type(np.where(False, x=1, y=2.0)) is float
        assert np.where([True, False])[0].tolist() == [0]
        assert grad(lambda x: np.where(x > 0, x**2, y=0.0))(3.0) == 6

    def test_iterables_of_arrays(self):
        assert grad(lambda x: np.sum(np.stack(map(np.square, [x, 2 * x]))))(1.0) == 10

    def test_diagonal_matrices(self):
        check_grads(lambda x: np.make_diagonal(x, axis1=-1, axis2=-2), order=1)(X)
        with pytest.raises(NotImplementedError, match="axis1=-1"):
            np.make_diagonal(X)

    def test_whole_numbers_of_followed_ones(self):
        assert grad(lambda x: x * np.int64(x))(2.5) == 2
        assert onp.zeros(1, dtype=np.int32).dtype == onp.int32
        assert isinstance(onp.int64(3), np.integer)

    def test_the_gradient_of_eigh_is_that_of_the_triangle_that_is_read(self):
        A = RANDOM.normal(size=(3, 3))
        check_grads(lambda x: np.linalg.eigvalsh(x, "U"), order=1)(A)
        assert grad(lambda x: np.linalg.eigh(x)[0][0])(A)[0, 1] == 0

    def test_rules_of_functions_that_broadcast(self):
        times = primitive(onp.multiply)
        defvjp(
            times, *(lambda ans, *its, i=i: unbroadcast_f(its[i], lambda g: g * its[1 - i]) for i in (0, 1))
        )
        combo_check(times, (0, 1))([2.0, X, 1j], [X[:, None], 3.0])

    def test_the_plain_value(self):
        assert grad(lambda x: x * x._value)(3.0) == 3


class TestSciPy:
    @pytest.mark.parametrize("mode", ["full", "same", "valid"])
    @pytest.mark.parametrize("shapes", [((5, 4), (2, 3)), ((2, 3), (5, 4))], ids=str)
    def test_convolve(self, mode: str, shapes: Any):
        A, B = (RANDOM.normal(size=shape) for shape in shapes)
        onp.testing.assert_allclose(
            signal.convolve(A, B, mode=mode), scipy.signal.convolve(A, B, mode, "direct")
        )
        check_grads(lambda A, B: signal.convolve(A, B, mode=mode), (0, 1), order=1)(A, B)

    def test_convolve_along_some_axes(self):
        A, B = RANDOM.normal(size=(3, 5)), RANDOM.normal(size=(3, 4, 2))
        y = signal.convolve(A, B, axes=([1], [2]), dot_axes=([0], [0]))
        expected = sum(onp.convolve(A[i], B[i, 1]) for i in range(3))
        onp.testing.assert_allclose(y[1], expected)
        with pytest.raises(ValueError, match="the larger along all axes"):
            signal.convolve(onp.ones((2, 3)), onp.ones((3, 2)), mode="valid")
        with pytest.raises(ValueError, match="expected mode"):
            signal.convolve(X, X, mode="all")

    def test_solvers(self):
        A, B, Q = (RANDOM.normal(size=(2, 2)) for _ in range(3))
        check_grads(linalg.solve_sylvester, (0, 1, 2))(A + 3 * onp.eye(2), B, Q)
        ab, b = RANDOM.normal(size=(4, 5)) + onp.array([[0], [0], [5], [0]]), RANDOM.normal(size=(5, 2))
        for right in (b, b[:, 0]):
            check_grads(lambda ab, b: linalg.solve_banded((1, 2), ab, b), (0, 1), modes=["rev"])(ab, right)

    def test_distributions_are_modules_too(self):
        norm = importlib.import_module("chainrule.autograd.scipy.stats.norm")
        assert norm is stats.norm
        assert grad(norm.logpdf)(1.0) == -1
        assert norm.rvs(size=3, random_state=0).shape == (3,)
        assert stats.gompertz is scipy.stats.gompertz

    def test_special_functions(self):
        assert grad(lambda x: special.gammasgn(x) * x)(-0.5) == scipy.special.gammasgn(-0.5)
        assert grad(special.erf)(0.0) == pytest.approx(2 / onp.pi**0.5)


def test_the_older_check():
    quick_grad_check(lambda x, y, p: x**p * y, 2.0, (3.0,), {"p": 2})
