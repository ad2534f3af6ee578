"""Scaling: exact for pixels, standard for other numbers, and never infinite."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from chainrule import data
from chainrule.data import DataError, Dataset, ImageShape, Scaling
from tests.helpers.format_files import PICTURES, X6, Y6, dataset


@pytest.mark.parametrize("image", [None, ImageShape(4, 5, 3)])
def test_pixels_are_divided_by_255_exactly(image):
    X = data.plane_order(PICTURES)
    scaling = Scaling.fit(Dataset(X, Y6, ("a", "b"), image, "made up"))
    assert scaling.shift.shape == ()
    assert np.array_equal(scaling.apply(X, np.float64), X / 255)
    assert np.array_equal(scaling.apply(X[0], np.float32), (X[0] / 255).astype(np.float32))
    assert scaling.apply(X, np.float32).dtype == np.float32


@given(
    npst.arrays(
        np.float64,
        st.tuples(st.integers(2, 8), st.integers(1, 3)),
        elements=st.floats(-1e300, 1e300),
    )
)
def test_other_numbers_are_standardised_whatever_their_size(X):
    Z = Scaling.fit(dataset([0, 1] + [0] * (len(X) - 2), X=X)).apply(X, np.float64)
    assert np.isfinite(Z).all()
    for x, z in zip(X.T, Z.T, strict=True):
        spread = x.max() - x.min()
        if spread == 0:
            assert (z == 0).all()
        elif spread > 1e-6 * np.abs(x).max() and spread > 1e-290:
            assert abs(z.mean()) < 1e-6
            assert abs(z.std() - 1) < 1e-6


def test_a_constant_feature_with_a_rounded_mean_is_not_blown_up():
    X = np.full((10, 1), 0.1)
    scaling = Scaling.fit(dataset([0, 1] * 5, X=X))
    assert float(scaling.scale[0]) == 1
    assert (scaling.apply(X, np.float64) == 0).all()


def test_a_spread_beyond_float64_is_refused():
    with pytest.raises(DataError, match=r"made up: .* column 1"):
        Scaling.fit(dataset([0, 1], X=np.array([[0, -1.7e308], [1, 1.7e308]])))


def test_scaling_refuses_another_number_of_features():
    scaling = Scaling.fit(dataset(Y6, X=X6))
    with pytest.raises(DataError, match=r"3 features, got shape \(6, 2\)"):
        scaling.apply(X6[:, :2], np.float64)


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(np.zeros(2), np.ones(3)), (np.zeros(2), np.zeros(2)), (np.array(math.nan), np.array(1.0))],
)
def test_an_impossible_scaling_is_refused(shift, scale):
    with pytest.raises(DataError, match="Scaling: expected"):
        Scaling(shift, scale)
