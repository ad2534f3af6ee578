"""Numbers for the classes of samples, and one class against the rest."""

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import DataError, fault, some
from chainrule.data.formats.reader import Raw


def numbered(raw: Raw, train: Dataset | None = None) -> Dataset:
    """Return the samples with numbered classes: as training data, or as held-out data that must fit `train`.

    Classes that are numbers are sorted as numbers, names as text. Only the shape and the dtype of X are looked at, so
    X may be an array of Dask. Raises DataError for labels that name no class, and for data that do not fit `train`.
    """
    names, inverse = _names(raw)
    if train is None:
        classes = raw.classes or tuple(names)
        if len(names) < 2:
            got = f"only {names[0]!r}"
            raise fault(raw.source, "samples of at least two classes", got, "add another class")
    else:
        classes = train.classes
        _fit_together(raw, names, train)
    number = {name: k for k, name in enumerate(classes)}
    y = np.array([number[name] for name in names], dtype=np.int64)[inverse]
    return Dataset(raw.X, y, classes, raw.image, raw.source, features=raw.features, notes=raw.notes)


def to_binary(dataset: Dataset, positive: str | None = None) -> tuple[np.ndarray, str]:
    """Return 1 where a row's class is `positive`, else 0, as int64 (m,), and the name of that class.

    None means the second of two classes. Raises DataError for an unknown class, and for None where there are not two.
    """
    classes = dataset.classes
    if positive is None and len(classes) == 2:
        positive = classes[1]
    if positive is None or positive not in classes:
        got = "none" if positive is None else repr(positive)
        raise fault(dataset.source, f"a positive class, one of {some(classes)}", got, "name one of them")
    return (dataset.y == classes.index(positive)).astype(np.int64), positive


def _names(raw: Raw) -> tuple[list[str], np.ndarray]:
    """Return the names of the classes that occur, in order, and for each row the position of its name."""
    labels, expected, remedy = raw.labels, "whole numbers or names as classes", "give such labels"
    if labels.dtype.kind == "f":
        odd = ~(np.isfinite(labels) & (np.trunc(labels) == labels))
        if odd.any():
            first = int(odd.argmax())
            raise fault(raw.source, expected, f"{labels[first]} at {raw.place(first)}", remedy)
    elif labels.dtype.kind not in "biuSU":
        raise fault(raw.source, expected, f"type {labels.dtype}", remedy)
    values, inverse = np.unique(labels, return_inverse=True)
    if values.dtype.kind in "SU":
        names = [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
        if "" in names:
            first = int((inverse == names.index("")).argmax())
            raise fault(
                raw.source, "a class for each row", f"an empty one at {raw.place(first)}", "fill it in"
            )
    else:
        names = [str(value if labels.dtype.kind == "b" else int(value)) for value in values.tolist()]
    return names, inverse


def _fit_together(raw: Raw, names: list[str], train: Dataset) -> None:
    """Raise DataError unless held-out samples have the features, the value type and the classes of `train`."""

    def differs(what: str, expected: object, got: object) -> DataError:
        remedy = "give train and test files of one kind"
        return fault(raw.source, f"{what} {expected} as in {train.source}", f"{got}", remedy)

    if raw.image != train.image:
        raise differs("picture shape", train.image, raw.image)
    if raw.X.shape[1] != train.X.shape[1]:
        raise differs("a number of features", train.X.shape[1], raw.X.shape[1])
    if raw.features and train.features and raw.features != train.features:
        raise differs("the columns", some(train.features), some(raw.features))
    if (raw.X.dtype == np.uint8) != (train.X.dtype == np.uint8):
        raise differs("values of type", train.X.dtype, raw.X.dtype)
    if raw.classes is not None and raw.classes != train.classes:
        raise differs("the classes", some(train.classes), some(raw.classes))
    known = set(train.classes)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise differs("the classes", some(train.classes), f"{some(unknown)} too")
