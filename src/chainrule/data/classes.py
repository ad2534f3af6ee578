"""Numbers for the classes of samples, and one class against the rest."""

import unicodedata
from dataclasses import replace

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.data.errors import DataError, fault, misfit, some
from chainrule.data.formats.reader import Raw, dataset_of


def numbered(raw: Raw, train: Dataset | None = None) -> Dataset:
    """Return the samples with numbered classes: as training data, or as held-out data that must fit `train`.

    Classes that are numbers are sorted as numbers, names as text. Only the shape and the dtype of X are looked at, so
    X may be an array of Dask. Raises DataError for labels that name no class, and for data that do not fit `train`.
    """
    if raw.classes is not None:
        raw = replace(raw, classes=_listed(raw))
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
    return dataset_of(raw, y, classes)


def names_of(raw: Raw) -> np.ndarray:
    """Return the name of each row's class, (m,) str. Raises DataError for labels that name no class."""
    names, inverse = _names(raw)
    each: np.ndarray = np.array(names)[inverse]
    return each


def known_names(raw: Raw) -> list[str | None]:
    """Return the name of each row's class, None where it has none. Raises DataError for labels that name no class."""
    if raw.labels is None:
        return [None] * raw.X.shape[0]
    labels = plain_labels(raw.labels)
    blank = (
        labels == ("" if labels.dtype.kind == "U" else b"") if labels.dtype.kind in "SU" else labels != labels
    )
    names = iter(names_of(replace(raw, labels=labels[~blank])).tolist())
    return [None if none else next(names) for none in blank.tolist()]


def plain_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels, as text of a fixed length where they are text in objects, as HDF5 and zarr keep it."""
    if labels.dtype.kind not in "OT" or not all(isinstance(label, str | bytes) for label in labels.flat):
        return labels
    texts = [label.decode() if isinstance(label, bytes) else str(label) for label in labels.flat]
    return np.array(texts, dtype=str).reshape(labels.shape)


def to_binary(dataset: Dataset, positive: str | None = None) -> tuple[np.ndarray, str]:
    """Return 1 where a row's class is `positive`, else 0, as int64 (m,), and the name of that class.

    None means the second of two classes. Raises DataError for an unknown class, and for None where there are not two.
    """
    classes = dataset.classes
    if positive is None and len(classes) == 2:
        positive = classes[1]
    if positive is None or positive not in classes:
        got = "none" if positive is None else repr(positive)
        expected = f"a positive class, one of {some(classes)}"
        raise misfit("positive", dataset.source, expected, got, "name one of them")
    return (dataset.y == classes.index(positive)).astype(np.int64), positive


def _names(raw: Raw) -> tuple[list[str], np.ndarray]:
    """Return the names of the classes that occur, in order, and for each row the position of its name."""
    if raw.labels is None:
        raise fault(raw.source, "a label for each row", "none", "add them")
    labels, expected, remedy = (
        plain_labels(raw.labels),
        "whole numbers or names as classes",
        "give such labels",
    )
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
        return _merged(list(map(composed, names)), inverse)
    return [str(value if labels.dtype.kind == "b" else int(value)) for value in values.tolist()], inverse


def _listed(raw: Raw) -> tuple[str, ...]:
    """Return the names that a file lists, each in one form. Raises DataError where two are one then."""
    assert raw.classes is not None
    names = tuple(map(composed, raw.classes))
    if len(set(names)) < len(names):
        got = f"{some(raw.classes)}, of which some differ in their Unicode form alone"
        raise fault(raw.source, "names of classes that differ", got, "rename one")
    return names


def composed(name: str) -> str:
    """Return a name in the one form that Unicode has for all its spellings: an accent may be a character of its own."""
    return unicodedata.normalize("NFC", name)


def _merged(names: list[str], inverse: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the different names in order, and the positions of the rows' names there."""
    kept = sorted(set(names))
    position = {name: k for k, name in enumerate(kept)}
    return kept, np.array([position[name] for name in names], dtype=np.intp)[inverse]


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
