"""The compiled logistic step of several classes against the array API path, and by_tiles with it."""

import tracemalloc
from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.models import logistic
from chainrule.models.kernels import tiles
from tests.helpers.arrays import read_only
from tests.helpers.callers import callers_agree
from tests.models.test_logistic import TOLERANCE, agrees
from tests.models.test_logistic_classes import problem

N = tiles.KERNEL_FROM


@pytest.fixture(scope="module")
def kernel():
    return pytest.importorskip(
        "chainrule.models.kernels.multiclass", reason="numba, of the extra fast, is not installed"
    )


def scaled(dtype, m, n, k, seed=0):
    """Return a problem whose logits are of the order of 1."""
    X, y, W, b = problem(m, n, k, seed)
    return X.astype(dtype), y.astype(dtype), (W / np.sqrt(n)).astype(dtype), b.astype(dtype)


@given(
    fours=st.integers(1, 80),
    n=st.integers(1, 900),
    k=st.integers(2, 23),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(list(TOLERANCE)),
    gap=st.integers(0, 3),
)
@example(fours=9, n=1568, k=10, seed=0, dtype="float32", gap=0)
@example(fours=9, n=1700, k=11, seed=0, dtype="float64", gap=1)
@settings(max_examples=25)
def test_it_sums_what_tiles_sum(kernel, fours, n, k, seed, dtype, gap):
    X, y, W, b = scaled(dtype, 4 * fours, n + gap, k, seed)
    X, W = read_only(X)[:, :n], W[:n]
    assert kernel.takes(X)
    got = kernel.sums(X, y, W, b)
    assert [(part.dtype, part.shape) for part in got] == [(X.dtype, ()), (X.dtype, (k, n)), (X.dtype, (k,))]
    wide = [np.asarray(part, "float64") for part in (X, y, W, b)]
    cost, dw, db = (part / X.shape[0] for part in got)
    agrees(cr.get_device("cpu"), (cost, dw.T, db), logistic.by_matmul(*wide), TOLERANCE[dtype])


@pytest.mark.parametrize("m", [3, 4, 5, 11, 1031])
def test_by_tiles_takes_it_for_all_rows_but_the_last_few(calls, m, dtype):
    X, y, W, b = (read_only(x) for x in scaled(dtype, m, N, 7))
    step = logistic.by_tiles(X, y, W, b)
    assert sum(rows for rows, _ in calls) == m - m % 4
    assert len(calls) == min(2, m // 4)
    agrees(cr.get_device("cpu"), step, logistic.by_matmul(X, y, W, b), TOLERANCE[dtype])
    assert [(part.dtype, part.shape) for part in step] == [(X.dtype, ()), (X.dtype, (N, 7)), (X.dtype, (7,))]


@pytest.mark.parametrize(("k", "taken"), [(2, True), (16, True), (17, False)])
def test_it_is_for_few_classes(calls, kernel, monkeypatch, request, k, taken):
    monkeypatch.setattr(kernel, "MOST", 16)
    tiles.compiled_kernel.cache_clear()
    request.addfinalizer(tiles.compiled_kernel.cache_clear)
    arrays = scaled("float64", 40, N, k)
    agrees(cr.get_device("cpu"), logistic.by_tiles(*arrays), logistic.by_matmul(*arrays), 1e-12)
    assert bool(calls) == taken


@pytest.mark.parametrize(
    "view",
    [np.asfortranarray, lambda X: X[::-1], lambda X: X[:, : N - 1]],
    ids=["Fortran's order", "from the last row", "few features"],
)
def test_what_it_does_not_take_goes_through_tiles(calls, view):
    X, y, W, b = scaled("float64", 40, N, 3)
    X = view(X)
    W = W[: X.shape[1]]
    agrees(cr.get_device("cpu"), logistic.by_tiles(X, y, W, b), logistic.by_matmul(X, y, W, b), 1e-12)
    assert calls == []


@pytest.mark.parametrize("W_order", [np.asfortranarray, lambda W: np.repeat(W, 2, axis=1)[:, ::2]])
def test_weights_of_any_order(calls, W_order):
    X, y, W, b = scaled("float64", 40, N, 3)
    agrees(
        cr.get_device("cpu"), logistic.by_tiles(X, y, W_order(W), b), logistic.by_matmul(X, y, W, b), 1e-12
    )
    assert calls


@pytest.mark.parametrize("wrong", [-1, 4, 0.5, np.nan])
@pytest.mark.parametrize("place", [0, 39])
def test_a_number_that_is_no_class(calls, wrong, place):
    X, y, W, b = scaled("float64", 40, N, 4)
    y[place] = wrong
    with pytest.raises(ValueError, match=f"by_tiles: y must hold class numbers from 0 to 3, got {wrong:g};"):
        logistic.by_tiles(X, y, W, b)
    assert calls


@pytest.mark.parametrize("z", [0.0, 1e-3, 20.0, 88.8, 104.0, 710.0, 1e4])
@pytest.mark.parametrize("hit", [0, 1, 2])
def test_large_logits_give_finite_right_costs(kernel, z, hit, dtype):
    X, W = np.ones((4, 1), dtype), np.asarray([[z, -z, 0]], dtype)
    cost, dw, db = kernel.sums(X, np.full(4, hit, dtype), W, np.zeros(3, dtype))
    getcontext().prec = 60
    shares = [Decimal(float(logit)).exp() for logit in W[0]]
    right = [float(share / sum(shares)) - (u == hit) for u, share in enumerate(shares)]
    tolerance = {"float32": 2e-6, "float64": 1e-14}[dtype]
    np.testing.assert_allclose(
        cost / 4, float(-(shares[hit] / sum(shares)).ln()), rtol=tolerance, atol=float(np.finfo(dtype).tiny)
    )
    for part in (dw[:, 0], db):
        np.testing.assert_allclose(part / 4, right, rtol=tolerance, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("place", [(0, 0), (7, N - 1)])
def test_nan_in_X_reaches_every_result(calls, place, dtype):
    X, y, W, b = scaled(dtype, 8, N, 3)
    X[place] = np.nan
    cost, dw, db = logistic.by_tiles(X, y, W, b)
    assert np.isnan(cost)
    assert np.isnan(db).all()
    assert np.isnan(dw).all()
    assert calls


def test_sums_of_many_rows_keep_their_digits(calls):
    X = np.broadcast_to(np.linspace(-1, 1, N, dtype="float32"), (400_003, N))
    y, W = np.zeros(len(X), "float32"), np.zeros((N, 5), "float32")
    cost, dw, db = logistic.by_tiles(X, y, W, np.zeros(5, "float32"))
    slopes = np.asarray([-0.8, 0.2, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(dw, np.outer(X[0], slopes), rtol=1e-5)
    np.testing.assert_allclose(cost, np.log(5), rtol=3e-7)
    np.testing.assert_allclose(db, slopes, rtol=3e-7)
    assert calls


def test_memory_beyond_the_data_is_a_few_gradients(calls):
    n, k = 1568, 10
    peaks = []
    for m in (2_000, 50_000):
        X, y, W, b = np.broadcast_to(np.ones(n), (m, n)), np.ones(m), np.zeros((n, k)), np.zeros(k)
        logistic.by_tiles(X, y, W, b)
        tracemalloc.start()
        logistic.by_tiles(X, y, W, b)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 2 * 5 * n * k * 8 + 50_000


def test_several_callers_at_once(calls):
    callers_agree(scaled("float64", 400, N, 4))
    assert len(calls) == 16
