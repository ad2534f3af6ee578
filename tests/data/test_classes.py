"""Numbers for classes, one class against the rest, and the forms of names."""

from dataclasses import replace

import numpy as np
import pytest

from chainrule.data import DataError, to_binary
from chainrule.data import classes as classes_module
from chainrule.data.classes import numbered
from chainrule.data.formats.reader import Raw
from tests.helpers.format_files import dataset


def test_binary_labels_ask_for_the_named_class_or_the_second_of_two():
    y, name = to_binary(dataset([0, 1, 1]))
    assert (y.tolist(), name) == ([0, 1, 1], "class1")
    y, name = to_binary(dataset([0, 2, 1], classes=3), "class0")
    assert (y.tolist(), name, y.dtype) == ([1, 0, 0], "class0", np.int64)


@pytest.mark.parametrize(("positive", "got"), [(None, "none"), ("dog", "'dog'")])
def test_a_positive_class_that_is_none_of_the_classes_is_refused(positive, got):
    with pytest.raises(DataError, match=f"made up: .*'class0', 'class1', 'class2', got {got}; "):
        to_binary(dataset([0, 1, 2], classes=3), positive)


def test_the_work_of_numbering_grows_with_the_classes_and_not_with_their_square(monkeypatch):
    class Name(str):
        compared = 0

        def __eq__(self, other):
            Name.compared += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    def comparisons(classes):
        names = [Name(f"{k:05}") for k in range(classes)]
        rows = Raw(np.zeros((classes, 1)), np.arange(classes), None, "made up")
        monkeypatch.setattr(classes_module, "_names", lambda raw: (names, np.arange(classes)))
        Name.compared = 0
        train = numbered(rows)
        assert train.y.tolist() == list(range(classes))
        numbered(rows, train)
        return Name.compared

    assert comparisons(2000) <= 11 * max(comparisons(200), 200)


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_names_that_differ_in_their_unicode_form_alone_are_one_class():
    rows = Raw(np.zeros((4, 1)), np.array([NFC, "tea", NFD, "tea"]), None, "made up")
    train = numbered(rows)
    assert (train.classes, train.y.tolist()) == ((NFC, "tea"), [0, 1, 0, 1])
    assert numbered(replace(rows, labels=np.array([NFD] * 4)), train).y.tolist() == [0] * 4
    listed = replace(rows, classes=(NFD, "tea"))
    assert numbered(listed).classes == (NFC, "tea")
    with pytest.raises(DataError, match="differ in their Unicode form alone; rename one"):
        numbered(replace(rows, classes=(NFC, NFD, "tea")))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a"] * 2, dtype=object),
        np.array([b"b", b"a"] * 2, dtype=object),
        np.array(["b", "a"] * 2, dtype=np.dtypes.StringDType()),
    ],
    ids=["objects", "bytes in objects", "StringDType"],
)
def test_text_in_objects_as_hdf5_and_zarr_keep_it_names_classes(labels):
    train = numbered(Raw(np.zeros((4, 1)), labels, None, "made up"))
    assert (train.classes, train.y.tolist()) == (("a", "b"), [1, 0, 1, 0])
