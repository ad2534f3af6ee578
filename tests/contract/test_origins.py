"""Lengths at their origin: the first slope is 0, as docs/rules.md says; a second derivative is right or NaN."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place

NORMS = {f"vector_norm-{p}": p for p in (1, 1.5, 2, 3, float("inf"))}
# Functions of two numbers that are 0 at the origin, none of which has a first slope there.
LENGTHS: dict[str, Callable[[Any, Any], Any]] = {
    "abs": lambda xp, v: xp.sum(xp.abs(v)),
    "copysign": lambda xp, v: xp.sum(xp.copysign(v, 1.0)),
    "hypot": lambda xp, v: xp.hypot(v[0], v[1]),
    "std": lambda xp, v: xp.std(v),
    "norm": lambda xp, v: xp.norm(v),
    "frobenius": lambda xp, v: xp.linalg.matrix_norm(v[:, None]),
    "nuclear": lambda xp, v: xp.linalg.matrix_norm(v[:, None], ord="nuc"),
    "spectral": lambda xp, v: xp.linalg.matrix_norm(v[:, None], ord=2),
    **{k: (lambda xp, v, p=p: xp.linalg.vector_norm(v, ord=p)) for k, p in NORMS.items()},
}
# Squares that are sums of squares have the second derivative 2 I; that of std is 2 / n (I - 1 / n); others have none.
RIGHT = {
    name: 2 * np.eye(2) for name in ("hypot", "norm", "frobenius", "nuclear", "spectral", "vector_norm-2")
}
RIGHT["std"] = np.eye(2) - 0.5
# Along the axis of one number the slope in the other is 0 everywhere, so off the diagonal, which is NaN, there is a 0.
ACROSS = ("abs", "copysign", "vector_norm-1", "vector_norm-inf")


@pytest.mark.parametrize("name", LENGTHS)
def test_the_first_slope_is_0(name: str, here: Place):
    space, origin = cr.differentiable(here.xp), here.array(np.zeros(2))
    np.testing.assert_array_equal(here.numpy(cr.grad(lambda v: LENGTHS[name](space, v))(origin)), 0)
    np.testing.assert_array_equal(here.numpy(cr.grad(lambda v: LENGTHS[name](space, v) ** 2)(origin)), 0)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("name", LENGTHS)
def test_the_second_derivative_is_right_or_nan(name: str, power: int, here: Place):
    space, origin = cr.differentiable(here.xp), here.array(np.zeros(2))

    def f(v: Any) -> Any:
        return LENGTHS[name](space, v) ** power

    right = RIGHT.get(name, np.full((2, 2), np.nan)) if power == 2 else np.full((2, 2), np.nan)
    with np.errstate(all="ignore"):
        hessian = here.numpy(cr.hessian(f)(origin))
    known = ~np.isnan(hessian)
    expected = np.where(np.eye(2), right, 0.0) if name in ACROSS else right
    np.testing.assert_array_equal(hessian[known], expected[known])
    for v in ([1.0, 0.0], [0.3, -2.0]):
        with np.errstate(all="ignore"):
            product = here.numpy(cr.hvp(f, origin, here.array(v)))
        known = ~np.isnan(product)
        np.testing.assert_array_equal(product[known], (right @ v)[known])


def test_atan2(here: Place):
    space, origin = cr.differentiable(here.xp), here.array(np.zeros(2))
    f = lambda v: space.atan2(v[0], v[1])  # noqa: E731
    np.testing.assert_array_equal(here.numpy(cr.grad(f)(origin)), 0)
    assert np.all(np.isnan(here.numpy(cr.hessian(f)(origin))))


@pytest.mark.parametrize("kernel", ["rbf", "matern"])
def test_kernels_at_equal_points(kernel: str, here: Place):
    space = cr.differentiable(here.xp)
    X = here.array([[0.0, 1.0], [0.0, 1.0], [2.0, 3.0]])

    def total(X: Any) -> Any:
        r = space.linalg.vector_norm(X[:, None, :] - X[None, :, :], axis=-1)
        return space.sum(space.exp(-(r**2) / 2) if kernel == "rbf" else (1 + r) * space.exp(-r))

    # The first two points are one: what they give each other is 0, and the third sees them alike.
    gradient = here.numpy(cr.grad(total)(X))
    np.testing.assert_allclose(gradient[0], gradient[1], rtol=1e-14)
    np.testing.assert_allclose(gradient.sum(0), 0, atol=1e-15)
    second = here.numpy(cr.hvp(total, X, here.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])))
    assert np.all(np.isnan(second[:2, 0]))


def test_elements_of_0_beside_others(here: Place):
    space, v = cr.differentiable(here.xp), here.array([3.0, 0.0])
    for p, right in ((2, [[0, 0], [0, 1 / 3]]), (3, [[0, 0], [0, 0]]), (float("inf"), [[0, 0], [0, 0]])):
        got = here.numpy(cr.hessian(lambda v, p=p: space.linalg.vector_norm(v, ord=p))(v))
        np.testing.assert_allclose(got, right, atol=1e-15)


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 1e20, 1e25])
def test_directions_of_lengths_whose_squares_are_out_of_range(scale: float, here: Place):
    space, v = cr.differentiable(here.xp), here.array(np.array([3.0, 4.0]) * scale, "float32")
    with np.errstate(all="ignore"):
        for length in (space.norm, lambda v: space.hypot(v[0], v[1])):
            np.testing.assert_allclose(here.numpy(cr.grad(length)(v)), [0.6, 0.8], rtol=1e-6)


def test_std_of_equal_numbers_whose_mean_is_rounded(here: Place):
    space = cr.differentiable(here.xp)
    np.testing.assert_array_equal(here.numpy(cr.grad(space.std)(here.array([0.1, 0.1, 0.1]))), 0)


def test_extremes_of_nan_are_nan(here: Place):
    space, v = cr.differentiable(here.xp), here.array([1.0, np.nan, 2.0])
    for extreme in (space.max, space.min, lambda v: space.linalg.vector_norm(v, ord=float("inf"))):
        assert np.all(np.isnan(here.numpy(cr.grad(extreme)(v))))
