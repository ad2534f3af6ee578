"""Arrays in .npz files: dtypes and shapes that become rows, labels that become classes, and what is malformed."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from chainrule import data
from chainrule.data import DataError, ImageShape, load
from chainrule.data.chunked import open_rows
from tests.helpers.format_files import PICTURES, X6, Y6, Make, assert_refused, cut, edited, spoilt, write_npz


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([10, 9, 10, 9, 9, 9]), ("9", "10")),
        (np.array([-1.0, 2.0, -1.0, -1.0, 2.0, 2.0], dtype=np.float32), ("-1", "2")),
        (np.array([True, False, True, True, True, True]), ("False", "True")),
        (np.array(["b", "a", "b", "b", "b", "b"]), ("a", "b")),
        (np.array([b"b", b"a", b"b", b"b", b"b", b"b"]), ("a", "b")),
    ],
)
def test_labels_of_an_npz_file_become_sorted_class_names(tmp_path, y, classes):
    train, held_out = load(write_npz(tmp_path / "a.npz", y=y))
    assert held_out is None
    assert train.classes == classes
    assert [train.classes[i] for i in train.y] == [
        v.decode() if isinstance(v, bytes) else str(int(v) if y.dtype.kind == "f" else v) for v in y.tolist()
    ]


@pytest.mark.parametrize(
    ("X", "dtype", "image"),
    [
        (X6, np.float64, None),
        (X6.astype(">f8"), np.float64, None),
        (X6.astype(np.float16), np.float32, None),
        (X6.astype(np.float32), np.float32, None),
        (np.asfortranarray(X6), np.float64, None),
        (np.arange(12).reshape(6, 2), np.float64, None),
        (X6 > 0, np.float64, None),
        (PICTURES[:, 0, :, 0], np.uint8, None),
        (PICTURES[..., 0], np.uint8, ImageShape(4, 5, 1)),
        (PICTURES, np.uint8, ImageShape(4, 5, 3)),
    ],
)
def test_arrays_of_an_npz_file_become_native_rows(tmp_path, X, dtype, image):
    train, _ = load(write_npz(tmp_path / "a.npz", X=X))
    assert train.X.dtype == dtype
    assert train.X.dtype.isnative
    assert train.X.flags.c_contiguous
    assert train.image == image
    expected = X if image is None else data.plane_order(X)
    assert np.array_equal(train.X, expected.astype(dtype))


def test_an_npz_file_may_bring_held_out_rows_numbered_by_the_training_classes(tmp_path):
    y, y_test = np.array(["a", "b", "c"] * 2), np.array(["c", "b"])
    train, held_out = load(write_npz(tmp_path / "a.npz", y=y, X_test=X6[:2], y_test=y_test))
    assert held_out is not None
    assert held_out.classes == train.classes
    assert held_out.y.tolist() == [2, 1]


@pytest.mark.parametrize("X", ["x", "X"])
def test_the_names_of_keras_archives_are_read(tmp_path, X):
    arrays = {
        f"{X}_train": PICTURES[..., 0],
        "y_train": Y6,
        f"{X}_test": PICTURES[:2, ..., 0],
        "y_test": Y6[:2],
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    train, held_out = load(tmp_path / "mnist.npz")
    assert (train.image, held_out.y.tolist()) == (ImageShape(4, 5, 1), [0, 1])
    assert np.array_equal(train.X, PICTURES[..., 0].reshape(6, -1))


@pytest.mark.parametrize("name", ["X_train", "X", "x_train"])
def test_an_npy_file_finds_its_labels_and_its_held_out_rows_beside_it(tmp_path, name):
    stem = name.removesuffix("_train")
    for key, array in ((name, X6), (f"{stem}_test", X6[:2])):
        np.save(tmp_path / f"{key}.npy", array)
    np.save(tmp_path / f"y{name[1:]}.npy", Y6)
    np.save(tmp_path / "y_test.npy", Y6[:2])
    train, held_out = load(tmp_path / f"{name}.npy")
    assert np.array_equal(train.X, X6)
    assert held_out.y.tolist() == [0, 1]
    # The folder of the same files is read in chunks.
    chunked, chunked_test = open_rows(tmp_path)
    assert np.array_equal(np.asarray(chunked.X), X6)
    assert chunked_test.y.tolist() == [0, 1]
    (tmp_path / f"y{name[1:]}.npy").unlink()
    with pytest.raises(
        DataError, match=rf"expected its labels beside it, in y{name[1:]}\.npy, got no such file"
    ):
        load(tmp_path / f"{name}.npy")


def test_names_that_are_objects_are_to_be_saved_as_text(tmp_path):
    y = np.array(["cat", "dog"] * 3, dtype=object)
    np.save(tmp_path / "X.npy", X6)
    np.save(tmp_path / "y.npy", y, allow_pickle=True)
    np.savez(tmp_path / "a.npz", X=X6, y=y, allow_pickle=True)
    for read in (
        lambda: load(tmp_path / "a.npz"),
        lambda: load(tmp_path / "X.npy"),
        lambda: open_rows(tmp_path),
    ):
        with pytest.raises(DataError, match=r"names are plain as text, y\.astype\(str\)"):
            read()


def object_npz(path: Path) -> Path:
    np.savez(path, X=np.array([[1, None]] * 6), y=Y6, allow_pickle=True)
    return path


MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "npz empty": (lambda p: edited(p / "a.npz", b""), ["a.npz", "empty file"]),
    "npz truncated": (lambda p: cut(write_npz(p / "a.npz")), ["a.npz", "not a zip file"]),
    "npz pickle": (lambda p: edited(p / "a.npz", pickle.dumps([1])), ["a.npz", "not a zip file"]),
    "npz key": (lambda p: write_npz(p / "a.npz", y=None, Y=Y6), ["a.npz", "'X', 'Y';", "save 'y'"]),
    "npz half a test": (lambda p: write_npz(p / "a.npz", X_test=X6), ["a.npz", "save 'y_test'"]),
    "npz objects": (lambda p: object_npz(p / "a.npz"), ["a.npz", "X as a plain array", "Object arrays"]),
    "npz X text": (lambda p: write_npz(p / "a.npz", X=np.full((6, 2), "1")), ["a.npz", "numbers", "<U1"]),
    "npz X complex": (lambda p: write_npz(p / "a.npz", X=X6 * 1j), ["a.npz", "real numbers", "complex128"]),
    "npz X 1-d": (lambda p: write_npz(p / "a.npz", X=X6[:, 0]), ["a.npz", "(m, n)", "(6,)"]),
    "npz X 4 channels": (
        lambda p: write_npz(p / "a.npz", X=np.ones((6, 2, 2, 4))),
        ["a.npz", "(6, 2, 2, 4)"],
    ),
    "npz X no column": (lambda p: write_npz(p / "a.npz", X=X6[:, :0]), ["a.npz", "(6, 0)"]),
    "npz no rows": (lambda p: write_npz(p / "a.npz", X=X6[:0], y=Y6[:0]), ["a.npz", "(0, 3)"]),
    "npz lengths": (lambda p: write_npz(p / "a.npz", y=Y6[:5]), ["a.npz", "(5,)", "6 samples"]),
    "npz y column": (lambda p: write_npz(p / "a.npz", y=Y6[:, None]), ["a.npz", "(6, 1)", "one axis"]),
    "npz y fraction": (lambda p: write_npz(p / "a.npz", y=Y6 / 2), ["a.npz", "whole numbers", "0.5 at y[1]"]),
    "npz y nan": (lambda p: write_npz(p / "a.npz", y=Y6 * math.nan), ["a.npz", "nan at y[0]"]),
    "npz y complex": (lambda p: write_npz(p / "a.npz", y=Y6 * 1j), ["a.npz", "whole numbers", "complex128"]),
    "npz y unnamed": (
        lambda p: write_npz(p / "a.npz", y=np.array(["a", "b", "", "a", "", "b"])),
        ["a.npz", "empty one at y[2]"],
    ),
    "npz one class": (lambda p: write_npz(p / "a.npz", y=Y6 * 0 + 7), ["a.npz", "two classes", "only '7'"]),
    "npz nan": (
        lambda p: write_npz(p / "a.npz", X=spoilt(X6)),
        ["a.npz", "2 that are NaN or infinite", "row 4, column 1 (counted from 0)"],
    ),
    "npz picture nan": (
        lambda p: write_npz(p / "a.npz", X=spoilt(PICTURES)),
        ["a.npz", "40 that are NaN or infinite", "row 4, column 0, 0, 1 (counted from 0)"],
    ),
    "npz test nan": (
        lambda p: write_npz(p / "a.npz", X_test=spoilt(X6), y_test=Y6),
        ["a.npz", "X_test", "row 4, column 1"],
    ),
    "npz test class": (
        lambda p: write_npz(p / "a.npz", X_test=X6, y_test=Y6 + 1),
        ["a.npz", "'0', '1'", "'2' too"],
    ),
    "npz test features": (
        lambda p: write_npz(p / "a.npz", X_test=X6[:, :2], y_test=Y6),
        ["a.npz", "features 3", "got 2"],
    ),
    "npz test type": (
        lambda p: write_npz(p / "a.npz", X=PICTURES, X_test=PICTURES / 255, y_test=Y6),
        ["a.npz", "uint8", "float64"],
    ),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    assert_refused(tmp_path, make, said)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_loading_runs_nothing_that_a_pickle_in_an_npz_file_brings(tmp_path):
    mark = tmp_path / "mark"
    with pytest.raises(DataError):
        load(write_npz(tmp_path / "a.npz", X=np.array([[Bomb(mark)]] * 6)))
    assert not mark.exists()


def test_a_header_that_shrinks_an_array_is_refused_by_the_checksum_behind_it(tmp_path):
    # Larger than what zipfile reads ahead: of a smaller member it sees the end, and the checksum, in any case.
    path = write_npz(tmp_path / "a.npz", X=np.tile(X6, (150, 1)), y=np.tile(Y6, 150))
    content = path.read_bytes()
    assert content.count(b"(900, 3)") == 1
    edited(path, content.replace(b"(900, 3)", b"(900, 2)"))
    with pytest.raises(DataError, match=r"a\.npz: .*CRC"):
        load(path)


@pytest.mark.parametrize("length", [29, 31, 33], ids=["name", "extra", "comment"])
@pytest.mark.parametrize("entry", [1, 2])
def test_a_damaged_directory_hides_no_array(tmp_path, entry, length):
    path = tmp_path / "rows.npz"
    np.savez(path, X=np.ones((4, 1)), y=[0, 1, 0, 1], X_test=np.ones((2, 1)), y_test=[0, 1])
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content.startswith(b"PK\x01\x02", at)]
    # The high byte of a length in the archive's directory, so that what follows is swallowed.
    content[starts[entry] + length] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError):
        load(path)
