import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.optim import Batches, on_rows
from tests.helpers.devices import count_copies

LIKE = np.zeros(1)
M = st.integers(1, 60)
SIZE = st.integers(1, 70)
SEED = st.integers(0, 2**40)


def epoch(batches, number):
    first = number * len(batches)
    return [batches(step) for step in range(first, first + len(batches))]


@given(m=M, size=SIZE, seed=SEED, number=st.integers(0, 9), shuffle=st.booleans())
def test_every_row_serves_once_an_epoch(m, size, seed, number, shuffle):
    batches = Batches(m, size, seed=seed, like=LIKE, shuffle=shuffle)
    assert sorted(np.concatenate(epoch(batches, number)).tolist()) == list(range(m))


@given(m=M, size=SIZE, number=st.integers(0, 9))
def test_all_batches_are_full_but_the_last_of_an_epoch(m, size, number):
    batches = Batches(m, size, like=LIKE)
    sizes = [len(rows) for rows in epoch(batches, number)]
    full, rest = divmod(m, size)
    assert sizes == [size] * full + [rest] * (rest > 0)
    assert len(batches) == len(sizes)
    assert [batches.rows(number * len(batches) + part) for part in range(len(batches))] == sizes


@given(
    m=M,
    size=SIZE,
    seed=SEED,
    steps=st.lists(st.integers(0, 300), min_size=1, max_size=12),
    shuffle=st.booleans(),
)
def test_a_batch_depends_on_its_step_and_on_no_call_before(m, size, seed, steps, shuffle):
    batches = Batches(m, size, seed=seed, like=LIKE, shuffle=shuffle)
    for step in steps:
        alone = Batches(m, size, seed=seed, like=LIKE, shuffle=shuffle)(step)
        assert np.array_equal(batches(step), alone)


def test_every_epoch_and_every_seed_has_a_permutation_of_its_own():
    orders = {
        tuple(np.concatenate(epoch(Batches(40, 7, seed=seed, like=LIKE), number)).tolist())
        for seed in range(5)
        for number in range(5)
    }
    assert len(orders) == 25
    assert tuple(range(40)) not in orders


def test_rows_come_to_each_place_about_equally_often():
    counts = np.zeros((6, 6))
    batches = Batches(6, 6, seed=1, like=LIKE)
    for step in range(3000):
        counts[np.arange(6), batches(step)] += 1
    # Five standard deviations of a binomial count.
    assert np.max(np.abs(counts - 500)) < 5 * np.sqrt(3000 * (1 / 6) * (5 / 6))


def test_seed_0_is_the_default():
    assert np.array_equal(Batches(30, 30, like=LIKE)(2), Batches(30, 30, seed=0, like=LIKE)(2))


def test_all_devices_get_the_same_rows_on_the_device_of_the_data(device):
    X = device.asarray(np.arange(22.0).reshape(11, 2), "float32")
    batches = Batches(11, 4, seed=5, like=X)
    here = Batches(11, 4, seed=5, like=LIKE)
    for step in (0, 1, 2, 7, 100):
        rows = batches(step)
        assert rows.device == X.device
        assert device.to_numpy(rows).tolist() == here(step).tolist()
        taken = device.to_numpy(device.xp.take(X, rows, axis=0))
        assert taken.tolist() == [[2.0 * row, 2.0 * row + 1] for row in here(step).tolist()]


def test_without_shuffling_the_rows_come_in_their_order(device):
    batches = Batches(7, 3, like=device.asarray([0.0]), shuffle=False)
    got = [device.to_numpy(batches(step)).tolist() for step in range(6)]
    assert got == [[0, 1, 2], [3, 4, 5], [6]] * 2


def test_batches_are_drawn_without_asking_the_device(monkeypatch):
    strict = cr.get_device("strict:device1")
    X, y = strict.asarray(np.ones((11, 2))), strict.asarray(np.ones(11))
    copies = count_copies(monkeypatch, strict)
    batches = Batches(11, 4, like=X)
    f = on_rows(lambda params, X, y: strict.xp.sum(X) + strict.xp.sum(y), X, y)
    for step in range(9):
        f(None, batches(step))
    assert copies == []


def test_on_rows_hands_over_those_rows_of_each_array(device):
    X = device.asarray(np.arange(12.0).reshape(6, 2))
    y = device.asarray([0, 1, 2, 3, 4, 5])
    seen = []
    f = on_rows(lambda *arguments: seen.append(arguments) or "result", X, None, y)
    rows = Batches(6, 4, seed=3, like=X)(0)
    assert f("params", rows) == "result"
    params, X_rows, nothing, y_rows = seen[0]
    numbers = device.to_numpy(rows).tolist()
    assert (params, nothing) == ("params", None)
    assert device.to_numpy(X_rows).tolist() == [[2.0 * k, 2.0 * k + 1] for k in numbers]
    assert device.to_numpy(y_rows).tolist() == numbers
    assert X_rows.device == X.device
    assert (X_rows.dtype, y_rows.dtype) == (X.dtype, y.dtype)


class TestRefusals:
    @pytest.mark.parametrize("wrong", [{"m": 0}, {"m": -3}, {"size": 0}, {"size": -2}, {"seed": -1}])
    def test_numbers_out_of_range(self, wrong):
        ((name, value),) = wrong.items()
        least = 0 if name == "seed" else 1
        wanted = f"^Batches: {name} must be a whole number from {least} up, got {value}$"
        with pytest.raises(ValueError, match=wanted):
            Batches(**({"m": 5, "size": 1, "seed": 0, "like": LIKE} | wrong))

    @pytest.mark.parametrize("wrong", [{"m": 3.0}, {"size": 2.5}, {"seed": None}, {"m": True}])
    def test_what_is_no_whole_number(self, wrong):
        with pytest.raises(TypeError, match=r"^Batches: \w+ must be a whole number from"):
            Batches(**({"m": 4, "size": 2, "seed": 0, "like": LIKE} | wrong))

    @pytest.mark.parametrize("like", [None, [1.0], 3], ids=str)
    def test_what_is_no_array(self, like):
        with pytest.raises(TypeError, match=r"^Batches: like must be an array, such as X, got"):
            Batches(4, 2, like=like)

    def test_a_step_before_the_first(self):
        with pytest.raises(ValueError, match="non-negative"):
            Batches(4, 2, like=LIKE)(-1)


def test_steps_of_other_epochs_asked_for_meanwhile_change_nothing():
    """As another thread would, a look at another epoch comes before each line of the call."""
    batches = Batches(50, 7, like=LIKE)
    expected = batches(3).tolist()

    def between(frame, event, argument):
        if frame.f_code is Batches.__call__.__code__:
            sys.settrace(None)
            batches(3 + 5 * len(batches))
            sys.settrace(between)
            return between
        return None

    before = sys.gettrace()
    sys.settrace(between)
    try:
        got = batches(3)
    finally:
        sys.settrace(before)
    assert got.tolist() == expected
