"""Rows held out, and one class against the rest."""

from dataclasses import replace

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault, some


def split(dataset: Dataset, *, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Training and held-out rows, drawn class by class, so that both have the classes in the same proportions.

    Every class of two samples or more is in both; a single sample stays in training. The same seed gives the same
    rows; they keep their order. DataError where `held_out` is not between 0 and 1 or no class has two samples.
    """
    if not 0 < held_out < 1:
        raise fault("split", "held_out between 0 and 1", f"{held_out}", "give the fraction to hold out")
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(dataset.y), dtype=np.bool_)
    for number in range(len(dataset.classes)):
        rows = rng.permutation(np.flatnonzero(dataset.y == number))
        if len(rows) >= 2:
            count = min(max(round(held_out * len(rows)), 1), len(rows) - 1)
            chosen[rows[:count]] = True
    if not chosen.any():
        got = "a single sample of each"
        raise fault(dataset.source, "a class with at least 2 samples to split", got, "give more samples")
    return _rows(dataset, ~chosen, "training rows"), _rows(dataset, chosen, "held-out rows")


def to_binary(dataset: Dataset, positive: str | None = None) -> tuple[np.ndarray, str]:
    """1 where a row's class is `positive`, else 0, as int64 (m,), and the name of that class.

    None means the second of two classes. DataError for an unknown class, or for None where there are not two.
    """
    classes = dataset.classes
    if positive is None and len(classes) == 2:
        positive = classes[1]
    if positive is None or positive not in classes:
        got = "none" if positive is None else repr(positive)
        raise fault(dataset.source, f"a positive class, one of {some(classes)}", got, "name one of them")
    return (dataset.y == classes.index(positive)).astype(np.int64), positive


def _rows(dataset: Dataset, chosen: np.ndarray, which: str) -> Dataset:
    # Training rows of training rows are called so once.
    source = dataset.source.removesuffix(f", {which}")
    return replace(dataset, X=dataset.X[chosen], y=dataset.y[chosen], source=f"{source}, {which}")
