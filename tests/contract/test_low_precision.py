"""Sums of many numbers in float16 and float32, against float64: those of pullbacks and those of gates of our own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place

# What NumPy's pairwise sum of some millions of numbers between 0 and 1 is off by, and twice that.
TOLERANCE = {"float16": 1e-3, "float32": 5e-7}


@pytest.fixture(params=["float16", "float32"])
def low(request: pytest.FixtureRequest, here: Place) -> str:
    """Return a dtype of few digits, where the place has it."""
    if not hasattr(here.xp, request.param):
        pytest.skip(f"the namespace has no {request.param}")
    return str(request.param)


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return numbers between 0 and 1; in float16 few enough of them that no sum overflows."""
    return np.random.default_rng(0).random(shape).astype(dtype)


def pulled(here: Place, f: Callable[[Any], Any], x: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Return the gradient of sum(f(x) g) in x, which has the dtype of x."""
    _, pullback = cr.vjp(f, here.array(x, str(x.dtype)))
    (got,) = pullback(here.array(g, str(g.dtype)))
    assert (str(here.numpy(got).dtype), got.shape) == (str(x.dtype), x.shape)
    return here.numpy(got)


def close(got: np.ndarray, right: np.ndarray, dtype: str) -> None:
    np.testing.assert_allclose(got.astype("float64"), right, rtol=TOLERANCE[dtype])


MANY = {"float16": 5000, "float32": 1_000_000}


@pytest.mark.parametrize(
    ("small", "large", "axes"),
    [
        ((), (1, 1), (0, 1)),
        ((3,), (1, 3), 0),
        ((1, 3), (1, 3), 0),
        ((3, 1), (3, 1), 1),
        ((1, 2, 1), (3, 2, 1), (0, 2)),
        ((1, 1, 2), (40, 1, 2), (0, 1)),
    ],
    ids=str,
)
def test_undoing_a_broadcast(here: Place, low: str, small: Any, large: Any, axes: Any):
    shape = tuple(MANY[low] // (40 if large[0] == 40 else 1) if n == 1 else n for n in large)
    shape = shape if large != (1, 1) else (MANY[low] // 50, 50)
    xp, g = cr.differentiable(here.xp), numbers(shape, low)
    got = pulled(here, lambda x: xp.broadcast_to(x, shape), np.ones(small, low), g)
    close(got, g.astype("float64").sum(axes).reshape(small), low)


def test_undoing_a_broadcast_of_numbers_that_lie_in_columns(here: Place, low: str):
    xp, g = cr.differentiable(here.xp), numbers((MANY[low], 3), low)
    _, pullback = cr.vjp(lambda x: xp.broadcast_to(x, (3, MANY[low])), here.array(np.ones((3, 1)), low))
    (got,) = pullback(here.array(g, low).T)
    close(here.numpy(got), g.astype("float64").sum(0)[:, None], low)


def test_undoing_a_broadcast_at_second_order(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), MANY[low]
    y = here.array(numbers((n, 3), low), low)

    def f(x: Any) -> Any:
        return xp.sum(x * x * xp.asarray(y) / n)

    x = here.array([1.0, 1.0, 1.0], low)
    got = here.numpy(cr.grad(lambda x: xp.sum(cr.grad(f)(x)))(x))
    close(got / 2, here.numpy(y).astype("float64").mean(0), low)


def test_copies(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), MANY[low] // 10
    g = numbers((n, 3), low)
    right = g.astype("float64").sum(0, keepdims=True)
    for f in (lambda x: xp.tile(x, (n, 1)), lambda x: xp.repeat(x, n, axis=0)):
        close(pulled(here, f, np.ones((1, 3), low), g), right, low)
    flat = np.ones(3, low)
    got = pulled(here, lambda x: xp.repeat(x, n), flat, numbers((3 * n,), low))
    close(got, numbers((3 * n,), low).astype("float64").reshape(3, n).sum(1), low)


def test_running_sums(here: Place, low: str):
    xp, g = cr.differentiable(here.xp), numbers((MANY[low], 2), low)
    right = np.cumsum(g[::-1].astype("float64"), axis=0)[::-1]
    close(pulled(here, lambda x: xp.cumulative_sum(x, axis=0), np.ones_like(g), g), right, low)


def test_ties_are_counted(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), MANY[low] if low == "float32" else 70_000
    x, ones = np.ones((n, 2), low), np.ones(2, low)
    for f in (xp.max, xp.min, lambda x, axis: xp.linalg.vector_norm(x, axis=axis, ord=float("inf"))):
        got = pulled(here, lambda x, f=f: f(x, axis=0), x, ones)
        np.testing.assert_allclose(got, np.full_like(x, 1 / n), rtol=1e-6)


def test_shares_of_a_mean(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), 70_000
    got = pulled(here, lambda x: xp.mean(x, axis=0), np.ones((n, 2), low), np.full(2, 1000, low))
    close(got, np.full((n, 2), 1000 / n), low)


def test_deviations_from_a_mean(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), MANY[low]
    # In float16 NumPy's own var and std overflow where the sum of the numbers does.
    x = (4 + numbers((n, 2), low)).astype(low)
    exact = x.astype("float64")
    d = exact - exact.mean(0)
    slopes = {"var": 2 * d / n, "std": d / n / exact.std(0)}
    for name, right in slopes.items():
        got = pulled(here, lambda x, name=name: getattr(xp, name)(x, axis=0), x, np.full(2, 1000, low))
        # The mean itself is rounded.
        rounding = 1000 / n * 4 * 4 * 4 * float(np.finfo(low).eps) + 4 * float(
            np.finfo(low).smallest_subnormal
        )
        np.testing.assert_allclose(got.astype("float64"), 1000 * right, atol=rounding, rtol=1e-2)


def test_shares_of_a_softmax(here: Place, low: str):
    xp, n = cr.differentiable(here.xp), MANY[low]
    z = here.array(np.zeros((n, 2)), low)
    close(here.numpy(xp.softmax(z, axis=0).value), np.full((n, 2), 1 / n), low)
    close(here.numpy(xp.logsumexp(z, axis=0).value), np.full(2, np.log(n)), low)
    close(here.numpy(xp.log_softmax(z, axis=0).value), np.full((n, 2), -np.log(n)), low)
    slope = pulled(here, lambda z: xp.logsumexp(z, axis=0), np.zeros((n, 2), low), np.ones(2, low))
    close(slope, np.full((n, 2), 1 / n), low)
