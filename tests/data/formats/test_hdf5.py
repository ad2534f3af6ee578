"""Pictures in .h5 files: their layout, the test file beside them, and what is malformed."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from chainrule.data import DataError, ImageShape, Scaling, load, load_test
from chainrule.data.chunked import open_rows
from tests.helpers.format_files import PICTURES, Y6, Make, assert_refused, cut, edited, write_h5


def test_the_cat_pictures_load_with_their_test_file(course_file):
    path = course_file("data/catvnoncat/train_catvnoncat.h5")
    train, test = load(path)
    assert test is not None
    assert train.X.shape == (209, 12288)
    assert test.X.shape == (50, 12288)
    assert train.classes == test.classes == ("non-cat", "cat")
    assert train.image == ImageShape(64, 64, 3)
    with h5py.File(path) as file:
        first, y = file["train_set_x"][0], file["train_set_y"][...]
    assert np.array_equal(train.X[0, :4096].reshape(64, 64), first[..., 0])
    assert np.array_equal(train.X[0, 8192:].reshape(64, 64), first[..., 2])
    assert np.array_equal(train.y, y)
    assert np.array_equal(Scaling.fit(train).apply(train.X, np.float64), train.X / 255)
    assert np.array_equal(load_test(course_file("data/catvnoncat/test_catvnoncat.h5"), train).X, test.X)


def test_an_h5_file_gives_planes_classes_and_the_test_file_beside_it(tmp_path):
    path = write_h5(tmp_path / "train_pets.h5")
    write_h5(tmp_path / "test_pets.h5", "test", test_set_x=PICTURES[:2], test_set_y=Y6[:2])
    train, test = load(path)
    assert test is not None
    assert np.array_equal(train.X[:, :20].reshape(6, 4, 5), PICTURES[..., 0])
    assert train.X.dtype == np.uint8
    assert train.y.tolist() == Y6.tolist()
    assert train.classes == ("dog", "cat")
    assert test.source.endswith("test_pets.h5")
    assert test.X.shape == (2, 60)


def test_an_h5_file_without_a_neighbour_brings_no_held_out_rows(tmp_path):
    assert load(write_h5(tmp_path / "train_pets.h5"))[1] is None
    assert load(write_h5(tmp_path / "pets.hdf5"))[1] is None


def test_an_h5_file_of_held_out_rows_alone_gives_them(tmp_path):
    rows, beside = load(write_h5(tmp_path / "test_pets.h5", "test"))
    assert rows.y.tolist() == Y6.tolist()
    assert beside is None


def test_class_names_of_variable_length_are_read_from_h5(tmp_path):
    names = np.array(["dög", "cat"], dtype=h5py.string_dtype())
    assert load(write_h5(tmp_path / "a.h5", list_classes=names))[0].classes == ("dög", "cat")


def with_link(path: Path) -> Path:
    other = write_h5(path.with_name("other.h5"))
    write_h5(path, train_set_x=None)
    with h5py.File(path, "a") as file:
        file["train_set_x"] = h5py.ExternalLink(other.name, "train_set_x")
    return path


def beside(path: Path, **changed: object) -> Path:
    write_h5(path.with_name("test_a.h5"), "test", **changed)
    return write_h5(path.with_name("train_a.h5"))


MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "h5 empty": (lambda p: edited(p / "a.h5", b""), ["a.h5", "empty file"]),
    "h5 truncated": (lambda p: cut(write_h5(p / "a.h5")), ["a.h5", "truncated"]),
    "h5 no h5": (lambda p: edited(p / "a.h5", b"x" * 999), ["a.h5", "signature"]),
    "h5 key": (
        lambda p: write_h5(p / "a.h5", train_set_y=None),
        ["a.h5", "'list_classes', 'train_set_x';", "add 'train_set_y'"],
    ),
    "h5 link": (lambda p: with_link(p / "a.h5"), ["a.h5", "train_set_x", "link"]),
    "h5 floats": (lambda p: write_h5(p / "a.h5", train_set_x=PICTURES / 255), ["a.h5", "uint8", "float64"]),
    "h5 flat": (
        lambda p: write_h5(p / "a.h5", train_set_x=PICTURES[0]),
        ["a.h5", "(m, h, w, 3)", "(4, 5, 3)"],
    ),
    "h5 no rows": (lambda p: write_h5(p / "a.h5", train_set_x=PICTURES[:0]), ["a.h5", "(0, 4, 5, 3)"]),
    "h5 lengths": (lambda p: write_h5(p / "a.h5", train_set_y=Y6[:5]), ["a.h5", "(5,)", "6 samples"]),
    "h5 y range": (lambda p: write_h5(p / "a.h5", train_set_y=Y6 + 1), ["a.h5", "0 to 1", "1 to 2"]),
    "h5 y type": (lambda p: write_h5(p / "a.h5", train_set_y=Y6 / 2), ["a.h5", "integers", "float64"]),
    "h5 one class": (lambda p: write_h5(p / "a.h5", train_set_y=Y6 * 0), ["a.h5", "two classes", "'dog'"]),
    "h5 twin classes": (
        lambda p: write_h5(p / "a.h5", list_classes=np.array([b"cat", b"cat"])),
        ["a.h5", "distinct", "'cat', 'cat'"],
    ),
    "h5 number classes": (
        lambda p: write_h5(p / "a.h5", list_classes=[0.5, 1]),
        ["a.h5", "names", "float64"],
    ),
    "h5 test shape": (
        lambda p: beside(p / "a", test_set_x=PICTURES[:, :3]),
        ["test_a.h5", "train_a.h5", "height=4", "height=3"],
    ),
    "h5 test classes": (
        lambda p: beside(p / "a", list_classes=np.array([b"cat", b"dog"])),
        ["test_a.h5", "train_a.h5", "'dog', 'cat'", "'cat', 'dog'"],
    ),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    assert_refused(tmp_path, make, said)


def test_an_empty_test_file_is_named(tmp_path):
    write_h5(tmp_path / "train_a.h5")
    edited(tmp_path / "test_a.h5", b"")
    with pytest.raises(DataError, match=r"test_a\.h5: expected data, got an empty file"):
        load(tmp_path / "train_a.h5")


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        (None, "list_classes as .* got none"),
        ([b"cat", b"cat"], "distinct names in list_classes"),
        ([0.5, 1.0], "got float64 .2,."),
        ([b"dog"], "train_set_y as integers from 0 to 0, got int64 from 0 to 1"),
    ],
)
def test_class_names_are_checked_in_chunks_as_in_memory(tmp_path, listed, said):
    path = write_h5(tmp_path / "a.h5", list_classes=listed and np.array(listed))
    with pytest.raises(DataError, match=said):
        open_rows(path, 2)


@pytest.mark.parametrize("names", [np.arange(2), np.array(["dog", "cat"], dtype=h5py.string_dtype())])
def test_classes_may_be_numbers_or_text(tmp_path, names):
    train, _ = load(write_h5(tmp_path / "train.h5", list_classes=names))
    assert train.classes == tuple("01" if names.dtype.kind == "i" else ("dog", "cat"))
