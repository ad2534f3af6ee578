"""Decompositions where eigenvalues or singular values coincide: the right gradient or NaN, and never another number."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place

M = np.random.default_rng(0).normal(size=(3, 3))
Q = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]


def symmetric(*w: float) -> np.ndarray:
    A = Q * np.array(w) @ Q.T
    return (A + A.T) / 2


# Where two values coincide exactly, and where rounding parts them by some units in the last place.
COINCIDING = {"identity": np.eye(3), "scaled": 1e-5 * np.eye(3), "rounded": symmetric(1, 1, 2)}
# f and f' of the eigenvalues: the gradient of sum(f(A) M) is that of the formula of Daleckii and Krein.
FUNCTIONS = {
    "identity": (lambda xp, w: w, lambda w: np.ones_like(w)),
    "exp": (lambda xp, w: xp.exp(w), np.exp),
    "log": (lambda xp, w: xp.log(w), lambda w: 1 / w),
    "sqrt": (lambda xp, w: xp.sqrt(w), lambda w: 0.5 / np.sqrt(w)),
    "inverse": (lambda xp, w: 1 / w, lambda w: -1 / w**2),
}


def of_matrix(name: str, at: Place) -> Any:
    space, f, weights = cr.differentiable(at.xp), FUNCTIONS[name][0], at.array(M)

    def total(A: Any) -> Any:
        w, V = space.linalg.eigh(A)
        return space.sum((V * f(space, w)) @ V.T * weights)

    return total


def right_or_nan(got: np.ndarray, right: np.ndarray, rtol: float = 1e-9) -> None:
    known = ~np.isnan(got)
    np.testing.assert_allclose(got[known], right[known], rtol=rtol, atol=1e-12)


def by_quotients(name: str, A: np.ndarray) -> np.ndarray:
    """Return the gradient of sum(f(A) M) by the divided differences of f, f' where values coincide."""
    f, slope = FUNCTIONS[name]
    w, V = np.linalg.eigh(A)
    gaps = w[:, None] - w
    near = np.abs(gaps) < 1e-9 * np.abs(w).max()
    F = np.where(near, slope((w[:, None] + w) / 2), (f(np, w)[:, None] - f(np, w)) / np.where(near, 1, gaps))
    return V @ (F * (V.T @ ((M + M.T) / 2) @ V)) @ V.T


@pytest.mark.parametrize("place", COINCIDING)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_a_matrix_by_eigh(name: str, place: str, here: Place):
    got = here.numpy(cr.grad(of_matrix(name, here))(here.array(COINCIDING[place])))
    right_or_nan(got, by_quotients(name, COINCIDING[place]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_a_matrix_by_eigh_where_values_are_apart(name: str, here: Place):
    A = symmetric(1, 2, 4)
    got = here.numpy(cr.grad(of_matrix(name, here))(here.array(A)))
    np.testing.assert_allclose(got, by_quotients(name, A), rtol=1e-9)


@pytest.mark.parametrize("place", COINCIDING)
def test_eigenvalues_alone_are_right(place: str, here: Place):
    space, A = cr.differentiable(here.xp), COINCIDING[place]
    for values in (space.linalg.eigvalsh, lambda x: space.linalg.eigh(x)[0]):
        got = here.numpy(cr.grad(lambda x, f=values: space.sum(f(x) ** 2))(here.array(A)))
        np.testing.assert_allclose(got, 2 * A, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("place", COINCIDING)
def test_singular_values_alone_are_right(place: str, here: Place):
    space, A = cr.differentiable(here.xp), COINCIDING[place]
    for values in (space.linalg.svdvals, lambda x: space.linalg.svd(x)[1]):
        got = here.numpy(cr.grad(lambda x, f=values: space.sum(f(x) ** 2))(here.array(A)))
        np.testing.assert_allclose(got, 2 * A, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("place", COINCIDING)
@pytest.mark.parametrize("values", ["eigvalsh", "svdvals"])
def test_second_derivatives_of_values(values: str, place: str, here: Place):
    space = cr.differentiable(here.xp)
    v = here.array(M + M.T)
    got = cr.hvp(lambda x: space.sum(getattr(space.linalg, values)(x) ** 2), here.array(COINCIDING[place]), v)
    right_or_nan(here.numpy(got), 2 * (M + M.T))


@pytest.mark.parametrize("place", COINCIDING)
def test_the_nearest_rotation(place: str, here: Place):
    space, weights, A = cr.differentiable(here.xp), here.array(M), COINCIDING[place]

    def nearest(x: Any) -> Any:
        U, _, Vh = space.linalg.svd(x)
        return space.sum(U @ Vh * weights)

    w, V = np.linalg.eigh(A)
    S = V.T @ (M - M.T) @ V / (w[:, None] + w)
    right_or_nan(here.numpy(cr.grad(nearest)(here.array(A))), V @ S @ V.T)


@pytest.mark.parametrize(("shape", "i"), [((3, 2), 0), ((2, 3), 2)])
def test_long_vectors_of_a_singular_value_of_0(shape: tuple[int, int], i: int, here: Place):
    space, x = cr.differentiable(here.xp), np.outer(*(np.arange(1.0, n + 1) for n in shape)) / 7
    got = cr.grad(lambda x: space.sum(space.linalg.svd(x, full_matrices=False)[i] ** 3))(here.array(x))
    assert np.all(np.isnan(here.numpy(got)))


def test_q_of_columns_that_depend_on_each_other(here: Place):
    space, x = cr.differentiable(here.xp), np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]])
    got = cr.grad(lambda x: space.sum(space.linalg.qr(x)[0] ** 3))(here.array(x))
    assert np.all(np.isnan(here.numpy(got)))


def test_the_nuclear_norm_at_the_origin_is_a_kink(here: Place):
    space = cr.differentiable(here.xp)
    slope = cr.grad(lambda x: space.linalg.matrix_norm(x, ord="nuc"))
    np.testing.assert_array_equal(here.numpy(slope(here.array(np.zeros((2, 2))))), 0)


@pytest.mark.parametrize("n", [2, 20, 100])
def test_rounding_is_not_taken_for_a_gap(n: int):
    random = np.random.default_rng(n)

    def cubes(A: Any) -> Any:
        w, V = np.linalg.eigh(A)
        return np.sum(((V * w) @ V.T) ** 3)

    for _ in range(20):
        U = np.linalg.qr(random.normal(size=(n, n)))[0]
        w = random.uniform(1, 2, n)
        w[0] = w[1]
        A = U * w @ U.T
        assert np.all(np.isnan(cr.grad(cubes)((A + A.T) / 2)))
