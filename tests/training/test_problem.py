import os

import numpy as np
import pytest

from chainrule import data
from chainrule.training.problem import classes_of
from tests.helpers.runs import dataset, problem


def test_one_class_against_the_rest():
    whole = dataset(k=3)
    train, test = classes_of(whole, whole, "b")
    assert train.classes == test.classes == ("not b", "b")
    np.testing.assert_array_equal(train.y, whole.y == 1)
    two, _ = classes_of(dataset(k=2), dataset(k=2), None)
    assert two.classes == ("a", "b")
    first, _ = classes_of(dataset(k=2), dataset(k=2), "a")
    assert first.classes == ("b", "a")
    np.testing.assert_array_equal(first.y, dataset(k=2).y == 0)
    assert classes_of(whole, whole, None) == (whole, whole)


def test_scaling_goes_by_the_rows_that_are_learnt_from():
    made = problem(dataset(), dataset(seed=1), validation=0.25)
    np.testing.assert_allclose(made.scaling.apply(made.train.X, "float64").mean(axis=0), 0, atol=1e-12)
    assert (len(made.train.y), len(made.validation.y)) == (45, 15)
    assert os.fspath(made.train.source).endswith("training rows")


def test_a_row_of_each_class_is_told_with_the_way_without_validation():
    rows = dataset(m=3)
    with pytest.raises(
        data.DataError, match=r"to validate by one of them, got a row of each at most; .*--validation 0"
    ):
        problem(rows, rows, validation=0.1)
    assert problem(rows, rows).validation is None


def test_rows_that_are_learnt_from_are_called_so_once():
    train, test = data.split(dataset(), held_out=0.2, seed=0)
    assert problem(train, test, validation=0.1).train.source == "made up, training rows"
