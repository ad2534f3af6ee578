"""Jacobians and Hessians by one pass: equal to those of one row at a time, and of closed forms."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend import memory
from tests.helpers.devices import Place

RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(4, 5))
X = RANDOM.normal(size=4)


def row_by_row(f: Any, x: np.ndarray) -> np.ndarray:
    y, pullback = cr.vjp(f, x)
    basis = np.eye(y.size).reshape(y.size, *y.shape)
    return np.stack([pullback(e)[0] for e in basis]).reshape(*y.shape, *x.shape)


FUNCTIONS = [
    lambda x: np.tanh(x @ W),
    lambda x: np.sin(x),
    lambda x: np.outer(x, x[:2]),
    lambda x: np.sum(x * x),
    lambda x: np.linalg.inv(np.diag(x) + np.ones((4, 4))),
    lambda x: np.sort(x)[::-1] * x[0],
    lambda x: np.where(x > 0, x, 0.0) + np.maximum(x, 0.5),
    lambda x: np.stack([row * row for row in x] + [x[1]]),
    lambda x: np.cumprod(x)[np.array([3, 3, 0])],
    lambda x: cr.functions.softmax(x),
    lambda x: cr.checkpoint(lambda z: np.exp(z) * z)(x),
    lambda x: np.ones((2, 3)),
]
EVERY = pytest.mark.parametrize("number", range(len(FUNCTIONS)))


@EVERY
@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_all_rows_at_once_are_the_rows_one_by_one(number: int, mode: str, chunk: int | None):
    f = FUNCTIONS[number]
    got = cr.jacobian(f, mode=mode, chunk=chunk)(X)
    expected = row_by_row(f, X) if number < len(FUNCTIONS) - 1 else np.zeros((2, 3, 4))
    assert type(got) is np.ndarray
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
    got[...] = 0  # the caller's own
    np.testing.assert_allclose(cr.jacobian(f, mode=mode)(X), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_every_device(device: cr.Device, mode: str):
    here = Place(device)
    x, w = here.array(X), here.array(W)
    f = cr.jacobian(lambda x: here.xp.__name__ and cr.differentiable(here.xp).tanh(x @ w) * x[0], mode=mode)
    got = f(x)
    assert type(got) is type(x)
    assert got.device == x.device
    np.testing.assert_allclose(
        here.numpy(got), row_by_row(lambda x: np.tanh(x @ W) * x[0], X), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_nested_arguments_and_results(mode: str):
    p = {"w": RANDOM.normal(size=(2, 3)), "v": RANDOM.normal(size=3)}
    got = cr.jacobian(lambda p: [p["w"] @ p["v"], {"s": np.sum(p["v"] ** 2)}], mode=mode)(p)
    np.testing.assert_allclose(got[0]["v"], p["w"], rtol=1e-14)
    np.testing.assert_allclose(got[0]["w"], np.einsum("ij,k->ijk", np.eye(2), p["v"]), rtol=1e-14)
    np.testing.assert_allclose(got[1]["s"]["v"], 2 * p["v"], rtol=1e-14)
    np.testing.assert_array_equal(got[1]["s"]["w"], np.zeros((2, 3)))


def test_the_hessian_of_logistic_regression_is_its_closed_form():
    m, n = 50, 7
    A, y, w = RANDOM.normal(size=(m, n)), RANDOM.random(m) < 0.5, RANDOM.normal(size=n)
    got = cr.hessian(lambda w: np.mean(cr.functions.sigmoid_cross_entropy(A @ w, y * 1.0)))(w)
    s = 1 / (1 + np.exp(-A @ w))
    np.testing.assert_allclose(got, A.T @ (A * (s * (1 - s))[:, None]) / m, rtol=1e-12)


def test_batches_of_hessians_and_gradients_of_jacobians():
    points = RANDOM.normal(size=(3, 4))

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x @ W) ** 2)

    np.testing.assert_allclose(
        cr.vmap(cr.hessian(f))(points), np.stack([cr.hessian(f)(x) for x in points]), rtol=1e-12
    )
    slope = cr.grad(lambda x: np.sum(cr.jacobian(lambda z: np.sin(z) * z)(x) ** 2))(X)
    J = np.cos(X) * X + np.sin(X)
    np.testing.assert_allclose(slope, 2 * J * (2 * np.cos(X) - np.sin(X) * X), rtol=1e-12)
    third = cr.jacobian(cr.hessian(lambda x: np.sum(x**4)))(X)
    expected = np.zeros((4, 4, 4))
    expected[range(4), range(4), range(4)] = 24 * X
    np.testing.assert_allclose(third, expected, rtol=1e-12)


def test_a_slope_that_is_infinite_in_one_row_leaves_the_others_alone():
    x = np.array([0.0, 4.0])
    with np.errstate(divide="ignore"):
        got = cr.jacobian(np.sqrt)(x)
    np.testing.assert_array_equal(got, [[np.inf, 0], [0, 0.25]])


def test_a_rule_that_asks_for_numbers_gets_the_rows_one_by_one():
    calls = []

    @cr.gate
    def by_hand(xp: Any, x: Any) -> Any:
        def pullback(g: Any) -> Any:
            calls.append(1)
            return xp.asarray([float(k) * 2 for k in g])

        return 2 * x, (pullback,)

    np.testing.assert_array_equal(cr.jacobian(by_hand)(X), 2 * np.eye(4))
    assert len(calls) == 5  # one for the batch, which failed


def test_what_memory_cannot_hold_is_an_error_about_its_size(monkeypatch: pytest.MonkeyPatch):
    # All derivatives are there twice while their slices are joined.
    monkeypatch.setattr(memory, "free_bytes", lambda: 2.0**30 * 7)
    for mode in ("reverse", "forward"):
        f = cr.jacobian(lambda x: x[:500] * 2, mode=mode)
        with pytest.raises(
            MemoryError, match=r"500000000 derivatives need 3.73 GiB, twice .* and 7 GiB are free"
        ):
            f(np.ones(1_000_000))


def test_modes_and_chunks_that_are_none():
    with pytest.raises(ValueError, match="mode"):
        cr.jacobian(np.sin, mode="both")
    with pytest.raises(ValueError, match="chunk"):
        cr.jacobian(np.sin, chunk=0)


def test_one_pass_serves_all_rows():
    passes = []

    @cr.gate
    def counted(xp: Any, x: Any) -> Any:
        def pullback(g: Any) -> Any:
            passes.append(g.shape)
            return g * 3

        return 3 * x, (pullback,)

    cr.jacobian(counted)(X)
    assert passes == [(4,)]
    passes.clear()
    cr.jacobian(counted, chunk=3)(X)
    assert passes == [(4,), (4,)]
