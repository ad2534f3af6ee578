"""The logistic step of many classes: softmax regression by two of the spellings, against a network and each other."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.models import logistic
from tests.helpers.arrays import read_only
from tests.models.test_logistic import TOLERANCE, agrees

STEPS = (logistic.by_matmul, logistic.by_tiles)


def problem(m=50, n=6, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((m, n)),
        rng.integers(0, k, m),
        rng.standard_normal((n, k)),
        rng.standard_normal(k),
    )


def on(device, dtype, X, y, W, b):
    X, W, b = (read_only(device.asarray(part, dtype)) for part in (X, W, b))
    return X, device.asarray(y), W, b


@pytest.mark.parametrize("spelling", STEPS)
def test_many_classes_have_the_numbers_of_the_network(spelling, device, dtype):
    X, y, W, b = on(device, dtype, *problem())
    network = cr.MLP((6, 4), output="softmax")
    cost, [(dW, db)] = network.cost_and_gradients([(W, b)], X, y)
    step = spelling(X, y, W, b)
    agrees(device, step, [device.to_numpy(part) for part in (cost, dW, db)], TOLERANCE[dtype])
    for part, like in zip(step, (cost, W, b), strict=True):
        assert (part.shape, part.dtype, part.device) == (like.shape, X.dtype, like.device)


@given(
    m=st.integers(1, 60),
    n=st.integers(1, 9),
    k=st.integers(2, 12),
    rows=st.integers(1, 70),
    workers=st.integers(1, 5),
    order=st.sampled_from("CFS"),
)
@settings(max_examples=60)
def test_any_tiling_gives_the_same_numbers(m, n, k, rows, workers, order):
    X, y, W, b = problem(m, n, k)
    expected = logistic.by_matmul(X, y, W, b)
    X = np.repeat(X, 2, axis=1)[:, ::2] if order == "S" else np.asarray(X, order=order)
    agrees(cr.get_device("cpu"), logistic.by_tiles(X, y, W, b, rows=rows, workers=workers), expected, 1e-12)


@pytest.mark.parametrize("order", "CFS")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", [63, 64, 65])
def test_tiles_tall_enough_to_be_read_row_by_row(order, dtype, n):
    X, _, W, _ = problem(1300, n)
    y = (np.arange(1300) % 3 == 0).astype(dtype)
    X, w = X.astype(dtype), (W[:, 0] / 8).astype(dtype)
    expected = logistic.by_matmul(X, y, w, 0.2)
    X = np.repeat(X, 2, axis=1)[:, ::2] if order == "S" else np.asarray(X, order=order)
    step = logistic.by_tiles(X, y, w, 0.2, rows=600, workers=2)
    agrees(cr.get_device("cpu"), step, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("spelling", STEPS)
def test_large_logits_are_finite_and_right(spelling, device, dtype):
    X, y, W, b = on(device, dtype, [[1000.0], [-1000.0]], [0, 0], [[1.0, -1.0]], [0.0, 0.0])
    agrees(device, spelling(X, y, W, b), (1000, [[500.0, -500.0]], [-0.5, 0.5]), 1e-6)


@pytest.mark.parametrize("k", [None, 3])
def test_memory_beyond_the_data_is_bounded_by_the_tile(k):
    peaks = []
    for m in (2_000, 200_000):
        X, y, W, b = problem(m, 8, k or 2)
        w, b = (W, b) if k else (W[:, 0], 0.0)
        y = y.astype(X.dtype)
        logistic.by_tiles(X, y, w, b, rows=500, workers=2)
        tracemalloc.start()
        logistic.by_tiles(X, y, w, b, rows=500, workers=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    two_tiles = 2 * 500 * (8 + 20 * (k or 1)) * 8
    assert max(peaks) < two_tiles


@pytest.mark.parametrize("spelling", STEPS)
def test_a_number_that_is_no_class(spelling):
    X, y, W, b = problem(5)
    for wrong in (-1, 4):
        y[3] = wrong
        with pytest.raises(
            ValueError, match=f"{spelling.__name__}: y must hold class numbers from 0 to 3, got {wrong}"
        ):
            spelling(X, y, W, b)
    strict = cr.get_device("strict")
    assert np.isnan(float(spelling(*(strict.asarray(part) for part in (X, y, W, b)))[0]))


def test_what_is_not_for_many_classes_says_so():
    X, y, W, b = problem(5)
    with pytest.raises(
        ValueError, match=r"by_tiles: b must be \(4,\), a number for each class, got shape \(\)"
    ):
        logistic.by_tiles(X, y, W, 0.0)
    for spelling in (logistic.by_loops, logistic.by_sample, logistic.by_scaling, logistic.forward):
        with pytest.raises(
            ValueError, match=rf"{spelling.__name__}: .*w \(n, k\).* is for by_matmul and by_tiles"
        ):
            spelling(X, y, W, b)
