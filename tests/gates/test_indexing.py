"""Gathering by indices of any integer dtype: their own range never limits the positions that a gradient goes to."""

import numpy as np
import pytest

import chainrule as cr

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
