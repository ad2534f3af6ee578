import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from chainrule.data import ImageShape
from chainrule.data.framing import find_ink, framed, usual_share

EIGHT = ImageShape(8, 8, 1)


def sheet(height, width, box, paper=230, ink=30):
    """A sheet with a rectangle of ink: (top, left, bottom, right), the last two of them outside of it."""
    grey = np.full((height, width), paper, dtype=np.uint8)
    top, left, bottom, right = box
    grey[top:bottom, left:right] = ink
    return grey


def test_ink_is_found_between_its_first_and_last_pixels():
    ink = find_ink(sheet(100, 200, (20, 50, 61, 71)).astype(float))
    assert (ink.rows, ink.columns, ink.ground) == ((20, 60), (50, 70), 230)
    assert ink.share == 0.4
    assert np.unique(ink.apart).tolist() == [0, 1]


@pytest.mark.parametrize(
    "grey",
    [
        np.full((50, 50), 200.0),
        np.random.default_rng(0).uniform(180, 215, (50, 50)),
        sheet(50, 50, (0, 0, 50, 25)).astype(float),
    ],
    ids=["blank", "uneven paper", "half a sheet of ink"],
)
def test_where_no_ink_stands_on_a_plain_ground_none_is_found(grey):
    assert find_ink(grey) is None
    assert framed(Image.fromarray(grey.astype(np.uint8)), EIGHT, 0.8) is None


@given(
    st.integers(100, 300),
    st.integers(100, 300),
    st.integers(9, 25),
    st.integers(9, 25),
    st.floats(0.1, 0.9),
    st.floats(0.1, 0.9),
    st.floats(0.4, 1),
    st.booleans(),
)
def test_framed_ink_fills_its_share_and_is_in_the_middle(
    height, width, tall, wide, down, across, share, light
):
    top, left = int(down * (height - tall)), int(across * (width - wide))
    paper, ink = (230, 30) if light else (10, 240)
    picture = Image.fromarray(sheet(height, width, (top, left, top + tall, left + wide), paper, ink))
    cut = framed(picture, EIGHT, share)
    side = max(tall, wide) / share
    # One pixel of rounding at each end.
    assert abs(cut.width - side) <= 2.5
    assert cut.width == cut.height
    grey = np.asarray(cut, dtype=float)
    assert set(np.unique(grey)) <= {0, 255}
    inked = grey == (0 if light else 255)
    assert inked.sum() == tall * wide
    for axis, size in ((0, tall), (1, wide)):
        places = np.flatnonzero(inked.any(axis=1 - axis))
        assert len(places) == size
        assert abs(places.mean() + 0.5 - cut.width / 2) <= 1.5


def test_pictures_whose_ink_fills_them_and_those_of_the_own_size_stay():
    full = Image.fromarray(sheet(80, 80, (5, 5, 75, 75)))
    assert framed(full, EIGHT, 0.875) is None
    small = sheet(8, 8, (3, 3, 5, 5))
    assert framed(Image.fromarray(small), EIGHT, 0.875) is None
    # As tall as its ink, and twice as wide: resized whole, it would be squeezed.
    assert framed(Image.fromarray(sheet(80, 160, (5, 5, 75, 75))), EIGHT, 0.875).size == (80, 80)


def test_the_usual_share_is_that_of_pictures_of_ink_alone():
    assert usual_share(load_digits().data, EIGHT, 16) == 0.875
    rng = np.random.default_rng(0)
    assert usual_share(rng.uniform(0, 255, (50, 64)), EIGHT, 255) is None
    grey_ground = np.full((50, 64), 128.0)
    grey_ground[:, 27:37] = 255
    assert usual_share(grey_ground, EIGHT, 255) is None
    assert usual_share(np.zeros((50, 192)), ImageShape(8, 8, 3), 255) is None
