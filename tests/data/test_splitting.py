"""Held-out rows: a stratified partition that the seed decides."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataError, split
from tests.helpers.format_files import dataset


@given(
    y=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_a_split_is_a_stratified_partition(y, held_out, seed):
    counts = np.bincount(y, minlength=4)
    whole_set = dataset(y, classes=4)
    if counts.max() < 2:
        with pytest.raises(DataError, match="made up: expected a class with at least 2 samples"):
            split(whole_set, held_out=held_out, seed=seed)
        return
    train, test = split(whole_set, held_out=held_out, seed=seed)
    assert sorted([*train.X[:, 0], *test.X[:, 0]]) == list(range(len(y)))
    for part in (train, test):
        assert [y[int(i)] for i in part.X[:, 0]] == part.y.tolist()
        assert part.classes == whole_set.classes
    for number, count in enumerate(counts):
        held = int((test.y == number).sum())
        if count >= 2:
            assert 1 <= held < count
            assert abs(held - held_out * count) <= 1
        else:
            assert held == 0


def test_the_seed_decides_the_split():
    y = [0, 1] * 50
    first, again, other = (split(dataset(y), seed=seed)[1].X for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("held_out", [0, 1, -0.1, 1.5, math.nan])
def test_a_fraction_outside_0_to_1_is_refused(held_out):
    with pytest.raises(DataError, match="held_out between 0 and 1, got "):
        split(dataset([0, 1, 0, 1]), held_out=held_out)
