"""One class against the rest."""

import numpy as np
import pytest

from chainrule.data import DataError, to_binary
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
