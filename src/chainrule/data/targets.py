"""Targets that are numbers to predict (`--task regression`), and the question where they may be classes."""

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import fault, some
from chainrule.data.formats.reader import Raw, dataset_of

TASKS = ("classes", "regression")
# So many different whole numbers in a column of a table may be classes or amounts: nobody but the user knows.
_MANY = 50


def measured(raw: Raw, train: Dataset | None = None) -> Dataset:
    """Return samples whose labels are numbers to predict: y (m,) float64 and no classes; held out, they fit `train`.

    Raises DataError for labels that are no finite numbers, and for rows that do not fit `train`.
    """
    labels = np.asarray(raw.labels)
    if labels.dtype.kind not in "iuf":
        got = f"labels of type {labels.dtype}, such as {labels.flat[0]!r}"
        raise fault(raw.source, "numbers to predict", got, "give numbers, or --task classes")
    y = labels.astype(np.float64)
    odd = ~np.isfinite(y)
    if odd.any():
        first = int(odd.argmax())
        raise fault(
            raw.source, "finite numbers to predict", f"{y[first]} at {raw.place(first)}", "fill it in"
        )
    if train is None and np.ptp(y) == 0:
        got = f"{y[0]:g} in all {len(y)} rows"
        raise fault(raw.source, "numbers to predict that differ", got, "there is nothing to learn")
    if train is not None and (raw.X.shape[1], raw.image) != (train.X.shape[1], train.image):
        expected = f"{train.X.shape[1]} features as in {train.source}"
        remedy = "give train and test files of one kind"
        raise fault(raw.source, expected, f"{raw.X.shape[1]}", remedy)
    if train is not None and raw.features and train.features and raw.features != train.features:
        expected = f"the columns {some(train.features)} as in {train.source}"
        raise fault(raw.source, expected, some(raw.features), "give train and test files of one kind")
    return dataset_of(raw, y, ())


def ask(raw: Raw) -> None:
    """Raise DataError, which asks for the task, for a table's labels that may be amounts as well as classes."""
    labels = raw.labels
    if labels is None or not raw.features or labels.dtype.kind not in "iuf":
        return
    values = np.unique(labels[np.isfinite(labels)])
    whole = bool((np.trunc(values) == values).all())
    if whole and len(values) < _MANY:
        return
    got = f"{len(values)} different {'whole ' if whole else ''}numbers, from {values[0]:g} to {values[-1]:g}"
    remedy = "give --task regression to predict the number, or --task classes to tell so many classes apart"
    if not whole:
        remedy = "give --task regression to predict the number; --task classes needs whole numbers or names"
    raise fault(raw.source, "labels of which it is clear whether they are classes", got, remedy)
