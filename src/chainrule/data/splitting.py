"""Rows held out, class by class."""

from dataclasses import replace

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault


def split(dataset: Dataset, *, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return training and held-out rows, drawn class by class: both have the classes in the same proportions.

    Every class of two samples or more is in both; a single sample stays in training. Numbers to predict are of one
    class here. The same seed gives the same rows, in their order. Raises DataError where `held_out` is not between 0
    and 1 or no class has two samples.
    """
    if not 0 < held_out < 1:
        raise fault("split", "held_out between 0 and 1", f"{held_out}", "give the fraction to hold out")
    chosen = _chosen(dataset, held_out, seed)
    if not chosen.any():
        got = "a single sample of each"
        raise fault(dataset.source, "a class with at least 2 samples to split", got, "give more samples")
    return _rows(dataset, ~chosen, "training rows"), _rows(dataset, chosen, "held-out rows")


def _chosen(dataset: Dataset, held_out: float, seed: int) -> np.ndarray:
    if not dataset.classes:
        return held_out_rows(np.zeros(len(dataset.y), np.int64), 1, held_out, seed)
    return held_out_rows(dataset.y, len(dataset.classes), held_out, seed)


def held_out_rows(y: np.ndarray, classes: int, share: float, seed: int) -> np.ndarray:
    """Return which rows (m,) to hold out, a share of each of so many classes, which y (m,) numbers from 0.

    Every class of two rows or more has rows on both sides; a single row is not held out.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(y), dtype=np.bool_)
    for number in range(classes):
        rows = rng.permutation(np.flatnonzero(y == number))
        if len(rows) >= 2:
            count = min(max(round(share * len(rows)), 1), len(rows) - 1)
            chosen[rows[:count]] = True
    return chosen


def _rows(dataset: Dataset, chosen: np.ndarray, part: str) -> Dataset:
    # The source of a split of a split ends with the part once: "..., training rows".
    source = dataset.source.removesuffix(f", {part}")
    return replace(
        dataset,
        X=dataset.X[chosen],
        y=dataset.y[chosen],
        origin=dataset.places[chosen],
        source=f"{source}, {part}",
    )
