"""Data sets whose parts fit, and pictures as rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from chainrule import data
from chainrule.data import DataError, Dataset, ImageShape
from tests.helpers.format_files import X6, Y6


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"X": X6[0]}, r"X \(m, n\)"),
        ({"X": X6[:, :0]}, r"m, n >= 1"),
        ({"y": Y6[:5]}, r"\(5,\) with X of shape \(6, 3\)"),
        ({"y": Y6.astype(np.int32)}, "int64"),
        ({"y": Y6 + 1}, "from 1 to 2"),
        ({"y": Y6 - 1}, "from -1 to 0"),
        ({"image": ImageShape(2, 2, 1)}, "4 features, got 3"),
    ],
)
def test_a_dataset_whose_parts_do_not_fit_is_refused(changed, said):
    parts = {"X": X6, "y": Y6, "classes": ("a", "b"), "image": None, "source": "made up"} | changed
    with pytest.raises(DataError, match=f"made up: .*{said}"):
        Dataset(**parts)


@given(npst.arrays(np.uint8, st.tuples(*[st.integers(1, 4)] * 3, st.just(3))))
def test_plane_order_puts_red_then_green_then_blue_and_can_be_undone(pictures):
    m, h, w, _ = pictures.shape
    X = data.plane_order(pictures)
    assert X.shape == (m, 3 * h * w)
    assert X.flags.c_contiguous
    for channel in range(3):
        plane = X[:, channel * h * w : (channel + 1) * h * w]
        assert np.array_equal(plane.reshape(m, h, w), pictures[..., channel])
    assert np.array_equal(X.reshape(m, 3, h, w).transpose(0, 2, 3, 1), pictures)
    assert np.array_equal(data.plane_order(pictures[..., 0]), X[:, : h * w])


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 3, 4), (1, 2, 3, 3, 3)])
def test_plane_order_refuses_other_shapes(shape):
    with pytest.raises(DataError, match=r"\(m, h, w, 3\)"):
        data.plane_order(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 2)])
def test_an_impossible_picture_shape_is_refused(sizes):
    with pytest.raises(DataError, match="1 or 3 channels"):
        ImageShape(*sizes)
