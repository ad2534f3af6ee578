"""Gathering by indices of any integer dtype: their own range never limits the positions that a gradient goes to."""

import types

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates.indexing import scatter

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
# 300 rows and a table of 300 numbers: more positions than 8 bits hold.
X = np.random.default_rng(0).standard_normal((300, 4))
ROWS = [[0, 5, 100, 100], [127, 1, 0, 2]]

GATHERS = {
    "x[rows, columns]": lambda xp, x, rows: x[rows, xp.zeros_like(rows)],
    "take": lambda xp, x, rows: xp.take(x, xp.reshape(rows, (-1,)), axis=0),
    "take along the last axis": lambda xp, x, rows: xp.take(x.T, xp.reshape(rows, (-1,)), axis=1),
    "take_along_axis": lambda xp, x, rows: xp.take_along_axis(x, rows, axis=0),
    "repeat": lambda xp, x, rows: xp.repeat(x[:8, ...], xp.reshape(rows, (-1,)), axis=0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gather", GATHERS)
def test_the_gradient_goes_where_int64_indices_send_it(device, gather, dtype):
    xp = cr.differentiable(device.xp)
    x, f = device.asarray(X), GATHERS[gather]
    if (gather, dtype) == ("repeat", "uint64"):
        pytest.skip("NumPy takes no repeats of uint64")

    def slope(rows):
        return device.to_numpy(cr.grad(lambda x: xp.sum(f(xp, x, rows) ** 2))(x))

    right = slope(device.asarray(ROWS, "int64"))
    assert right.any()
    np.testing.assert_array_equal(slope(device.asarray(ROWS, dtype)), right)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64"])
@pytest.mark.parametrize("gather", ["x[rows, columns]", "take", "take_along_axis"])
def test_negative_indices_of_a_small_dtype_count_from_the_end(device, gather, dtype):
    xp = cr.differentiable(device.xp)
    rows = device.asarray([[-1, -100, 3, -128]], dtype)
    g = device.to_numpy(cr.grad(lambda x: xp.sum(GATHERS[gather](xp, x, rows)))(device.asarray(X)))
    assert set(np.flatnonzero(g.any(axis=1))) == {299, 200, 3, 172}


@pytest.mark.parametrize("key", [None, (slice(None), None, 0), (..., slice(0, 1)), 1, (None, 1, None, ...)])
def test_a_key_that_picks_no_element_twice_needs_no_scattered_sum(key):
    xp = types.SimpleNamespace(zeros=np.zeros, reshape=np.reshape, add=None)
    x = np.arange(6.0).reshape(2, 3)
    g = x[key] + 1
    right = np.where(np.isin(x, x[key]), x + 1, 0)
    np.testing.assert_array_equal(scatter(xp, g, keys=(key,), shape=(2, 3))[0], right)


@pytest.mark.parametrize("key", [np.int64(1), (np.int64(-1), None), (slice(np.int64(0), 1), np.int32(2))])
def test_numpys_integers_are_integers(key, monkeypatch):
    seen = []
    monkeypatch.setattr("chainrule.gates.indexing._is_basic", lambda k: seen.append(k) or True)
    x = np.arange(6.0).reshape(2, 3)
    g = cr.grad(lambda x: np.sum(x[key] * 2))(x)
    np.testing.assert_array_equal(g, np.where(np.isin(x, x[key]), 2, 0))
    assert seen
    parts = [part for k in seen for part in (k if isinstance(k, tuple) else (k,))]
    assert all(part is None or type(part) in (int, slice) for part in parts)
