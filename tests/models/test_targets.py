"""Class numbers as rows with a single 1."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.models.targets import one_hot


@pytest.mark.parametrize("kind", ["int64", "uint8", "float32", "float64"])
def test_rows_have_a_single_one_at_the_class(device, dtype, kind):
    y = device.asarray(np.array([2, 0, 3, 2]), kind)
    rows = one_hot(device.xp, y, 4, getattr(device.xp, dtype))
    assert (rows.shape, rows.dtype, rows.device) == ((4, 4), getattr(device.xp, dtype), y.device)
    np.testing.assert_array_equal(device.to_numpy(rows), np.eye(4)[[2, 0, 3, 2]])


def test_two_classes_may_be_booleans_and_the_dtype_is_that_of_y(device, dtype):
    rows = one_hot(device.xp, device.asarray([False, True]), 2, getattr(device.xp, dtype))
    same = one_hot(device.xp, device.asarray([0.0, 1.0], dtype), 2)
    assert rows.dtype == same.dtype == getattr(device.xp, dtype)
    np.testing.assert_array_equal(device.to_numpy(rows), np.eye(2))
    np.testing.assert_array_equal(device.to_numpy(same), np.eye(2))


def test_more_classes_than_the_dtype_of_y_can_number():
    rows = one_hot(np, np.array([255, 0], "uint8"), 300, np.float64)
    np.testing.assert_array_equal(rows, np.eye(300)[[255, 0]])


@pytest.mark.parametrize("wrong", [-1, 3, 0.5, math.nan])
def test_a_number_that_is_no_class(wrong):
    y = np.array([0, wrong, 2])
    with pytest.raises(
        ValueError, match=f"^here: y must hold class numbers from 0 to 2, got {wrong:g}; number them from 0$"
    ):
        one_hot(np, y, 3, np.float64, who="here")
    strict = cr.get_device("strict:device1")
    rows = strict.to_numpy(one_hot(strict.xp, strict.asarray(y), 3, strict.xp.float64))
    np.testing.assert_array_equal(rows, [[1, 0, 0], [math.nan] * 3, [0, 0, 1]])


@pytest.mark.parametrize(("k", "order"), [(2, "F"), (64, "F"), (65, "C")])
def test_of_few_classes_the_samples_of_a_class_are_neighbours_in_memory(k, order):
    rows = one_hot(np, np.arange(5.0) % k, k)
    assert rows.flags[f"{order}_CONTIGUOUS"]
