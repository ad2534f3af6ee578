"""Where each row came from: its file, or its number among the rows of the data."""

import numpy as np

from chainrule import data
from chainrule.data.classes import to_binary


def test_a_row_of_a_table_has_its_number_from_1_through_every_split(three_kinds):
    rows, _ = data.load(three_kinds)
    assert rows.places.tolist() == list(range(1, 241))
    train, held_out = data.split(rows, seed=1)
    train, validation = data.split(train, held_out=0.1, seed=2)
    parts = (train, held_out, validation)
    assert sorted(np.concatenate([part.places for part in parts])) == list(range(1, 241))
    for part in parts:
        np.testing.assert_array_equal(part.X, rows.X[part.places - 1])
        np.testing.assert_array_equal(part.y, rows.y[part.places - 1])


def test_a_picture_has_its_file(pictures):
    rows, _ = data.load(pictures, image_size=4)
    _, held_out = data.split(rows)
    assert len(held_out.places) == 4
    for place, y in zip(held_out.places, held_out.y, strict=True):
        assert (pictures / held_out.classes[y]).samefile(str(place).rpartition("/")[0])
    assert to_binary(held_out)[0].shape == held_out.places.shape
