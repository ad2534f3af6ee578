"""Products that are 0 or leave the range on the way, determinants of singular matrices, and powers at 0."""

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place

FACTORS = {
    "zeros": [1e13, 0.0, 0.0],
    "one zero": [1e200, 0.0, 1e200, 1e-300],
    "overflow on the way": [1e200, 1e200, 1e-200, 1e-200],
    "vanish on the way": [1e-200, 1e-200, 1e200, 1e200, 5.0],
    "subnormal": [1e-160, -1e-160],
    "overflow": [1.0, 1e200, 1e200, 1e200],
    "ordinary": [2.0, -3.0, 4.0],
    "smallest": [5e-324, 1.7e308, 5e-324, 3.0],
    "many": [*[1e100] * 9, *[1e-100] * 9, 7.0],
    "one": [3.0],
}


def number(x: Fraction) -> float:
    try:
        return float(x)
    except OverflowError:
        return float("inf") if x > 0 else -float("inf")


def partial(x: list[float], upto: int, i: int) -> Fraction:
    """Return the derivative of the product of the first `upto` numbers in the i-th."""
    total = Fraction(int(i < upto))
    for j in range(upto):
        total *= 1 if j == i else Fraction(x[j])
    return total


@pytest.mark.parametrize("name", FACTORS)
def test_the_gradient_of_a_product(name: str, here: Place):
    space, x = cr.differentiable(here.xp), FACTORS[name]
    with np.errstate(all="ignore"):
        got = here.numpy(cr.grad(space.prod)(here.array(x)))
        stacked = here.numpy(cr.grad(lambda X: space.sum(space.prod(X, axis=0)))(here.array([x, x]).T))
    right = [number(partial(x, len(x), i)) for i in range(len(x))]
    np.testing.assert_allclose(got, right, rtol=1e-13)
    np.testing.assert_allclose(stacked, np.array([right, right]).T, rtol=1e-13)


def test_the_gradient_of_a_product_in_float32(here: Place):
    space = cr.differentiable(here.xp)
    for x, right in (([1e13, 0, 0], [0, 0, 0]), ([1e30, 1e30, 1e-30, 0], [0, 0, 0, 1e30])):
        with np.errstate(all="ignore"):
            got = cr.grad(space.prod)(here.array(x, "float32"))
        assert got.dtype == here.xp.float32
        np.testing.assert_allclose(here.numpy(got), right, rtol=1e-6)


@pytest.mark.parametrize("name", FACTORS)
def test_the_gradient_of_running_products(name: str, here: Place):
    space, x = cr.differentiable(here.xp), FACTORS[name]
    for k in range(len(x)):
        with np.errstate(all="ignore"):
            got = here.numpy(cr.grad(lambda v, k=k: space.cumulative_prod(v)[k])(here.array(x)))
        np.testing.assert_allclose(got, [number(partial(x, k + 1, i)) for i in range(len(x))], rtol=1e-12)
    weights = np.arange(1.0, len(x) + 1)
    with np.errstate(all="ignore"):
        got = here.numpy(
            cr.grad(lambda v: space.sum(space.cumulative_prod(v) * here.array(weights)))(here.array(x))
        )
    totals = (sum(k * partial(x, k, i) for k in range(1, len(x) + 1)) for i in range(len(x)))
    np.testing.assert_allclose(got, [number(total) for total in totals], rtol=1e-12)


SINGULAR = {
    "zeros": np.zeros((3, 3)),
    "rank 1": np.ones((3, 3)),
    "rank 2": np.array([[1.0, 2, 3], [4, 5, 6], [5, 7, 9]]),
    "rank 2, exactly": np.array([[1.0, 2, 0], [0, 3, 0], [4, 5, 0]]),
    "identity": np.eye(3),
    "a zero": np.zeros((1, 1)),
    "2 x 2": np.array([[1.0, 2], [2, 4]]),
}


def minor(A: np.ndarray, rows: tuple[int, ...], columns: tuple[int, ...]) -> float:
    """Return the derivative of det A in elements at (rows, columns), by permutations of the rest."""
    n = len(A)
    rest = [i for i in range(n) if i not in rows], [j for j in range(n) if j not in columns]
    order = [*rows, *rest[0]], [*columns, *rest[1]]
    sign = np.prod([np.linalg.det(np.eye(n)[o]) for o in order])
    total = 0.0
    for permutation in itertools.permutations(range(len(rest[0]))):
        odd = np.linalg.det(np.eye(len(permutation))[list(permutation)]) if permutation else 1
        total += odd * np.prod([A[rest[0][i], rest[1][j]] for i, j in enumerate(permutation)])
    return sign * total


@pytest.mark.parametrize("name", SINGULAR)
def test_derivatives_of_a_determinant(name: str, here: Place):
    space, A = cr.differentiable(here.xp), SINGULAR[name]
    det, n = space.linalg.det, len(A)
    first = np.array([[minor(A, (i,), (j,)) for j in range(n)] for i in range(n)])
    np.testing.assert_allclose(here.numpy(cr.grad(det)(here.array(A))), first, atol=1e-13)
    second = np.zeros((n, n, n, n))
    for i, j, k, m in itertools.product(range(n), repeat=4):
        if i != k and j != m:
            second[i, j, k, m] = minor(A, (i, k), (j, m))
    np.testing.assert_allclose(here.numpy(cr.hessian(det)(here.array(A))), second, atol=1e-8)


def test_determinants_of_a_stack_and_beyond_the_range(here: Place):
    space = cr.differentiable(here.xp)
    stack = here.array(np.stack([np.eye(2), np.ones((2, 2))]))
    slope = here.numpy(cr.grad(lambda A: space.sum(space.linalg.det(A)))(stack))
    np.testing.assert_allclose(slope, [[[1, 0], [0, 1]], [[1, -1], [-1, 1]]], atol=1e-15)
    with np.errstate(all="ignore"):
        slope = here.numpy(cr.grad(space.linalg.det)(here.array(1e150 * np.eye(3))))
    np.testing.assert_allclose(slope, 1e300 * np.eye(3))


def test_the_logarithm_of_a_determinant_of_0_has_no_slope(here: Place):
    space = cr.differentiable(here.xp)
    stack = here.array(np.stack([2 * np.eye(2), np.ones((2, 2))]))
    with np.errstate(all="ignore"):
        slope = here.numpy(cr.grad(lambda A: space.sum(space.linalg.slogdet(A)[1]))(stack))
    np.testing.assert_allclose(slope[0], np.eye(2) / 2)
    assert np.all(np.isnan(slope[1]))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0, 3.0, -1.0])
@pytest.mark.parametrize("of_scalars", [True, False])
def test_second_derivatives_of_a_power_at_0(exponent: float, of_scalars: bool, here: Place):
    space = cr.differentiable(here.xp)

    def f(v: Any) -> Any:
        return v[0] ** v[1] if of_scalars else space.sum(v[:1] ** v[1:])

    with np.errstate(all="ignore"):
        hessian = here.numpy(cr.hessian(f)(here.array([0.0, exponent])))
    np.testing.assert_array_equal(hessian, hessian.T)
    right = {
        0.0: [[0, np.inf], [np.inf, np.inf]],
        1.0: [[0, -np.inf], [-np.inf, 0]],
        2.0: [[2, 0], [0, 0]],
        3.0: [[0, 0], [0, 0]],
    }
    known = ~np.isnan(hessian)
    np.testing.assert_array_equal(hessian[known], np.array(right.get(exponent, hessian))[known])
