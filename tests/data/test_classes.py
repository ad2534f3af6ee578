"""One class against the rest."""

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
