"""The data room: what loads, what it looks like, and that nothing malformed passes in silence."""

import csv
import io
import math
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from chainrule import data
from chainrule.data import DataError, ImageShape, load, load_test, split, to_binary
from chainrule.data.dataset import Dataset
from chainrule.data.scaling import Scaling

CATS = Path(__file__).parents[3] / "shared" / "data" / "catvnoncat"
RNG = np.random.default_rng(0)
X6 = RNG.normal(size=(6, 3))
Y6 = np.array([0, 1, 0, 1, 0, 1])
PICTURES = RNG.integers(0, 256, size=(6, 4, 5, 3), dtype=np.uint8)


def write_h5(path: Path, part: str = "train", **changed: object) -> Path:
    keys = {f"{part}_set_x": PICTURES, f"{part}_set_y": Y6, "list_classes": np.array([b"dog", b"cat"])}
    with h5py.File(path, "w") as file:
        for key, value in (keys | changed).items():
            if value is not None:
                file[key] = value
    return path


def write_npz(path: Path, **changed: object) -> Path:
    arrays = {"X": X6, "y": Y6} | changed
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def write_csv(path: Path, *lines: str) -> Path:
    path.write_bytes("\n".join(lines).encode())
    return path


def write_picture(path: Path, colour: tuple[int, ...] = (10, 20, 30), size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def write_folder(path: Path, *classes: str, colour: tuple[int, ...] = (10, 20, 30)) -> Path:
    for name in classes or ("cat", "dog"):
        write_picture(path / name / "a.png", colour)
        write_picture(path / name / "b.PNG", colour)
    return path


def dataset(y: object, classes: int = 2, X: np.ndarray | None = None) -> Dataset:
    y = np.asarray(y, dtype=np.int64)
    X = np.arange(len(y), dtype=np.float64)[:, None] if X is None else X
    return Dataset(X, y, tuple(f"class{i}" for i in range(classes)), None, "made up")


# The embedded digits and the real pictures


def test_the_embedded_digits_keep_their_raw_values_and_scale_by_exactly_16():
    digits, held_out = load()
    assert held_out is None
    assert digits.X.shape == (1797, 64)
    assert digits.classes == tuple("0123456789")
    assert digits.image == ImageShape(8, 8, 1)
    assert (digits.X.min(), digits.X.max()) == (0, 16)
    assert np.array_equal(Scaling.fit(digits).apply(digits.X, np.float64), digits.X / 16)
    train, _ = split(digits)
    assert float(Scaling.fit(train).scale) == 16


@pytest.mark.skipif(not CATS.is_dir(), reason=f"the cat pictures are not at {CATS}")
def test_the_cat_pictures_load_with_their_test_file():
    path = CATS / "train_catvnoncat.h5"
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
    assert np.array_equal(load_test(CATS / "test_catvnoncat.h5", train).X, test.X)


# Formats


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


def test_a_csv_file_gives_its_columns_in_order_and_its_label_by_name(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", "\ufeffheight , kind,weight", "1.5,cat,-2e3", "", '"3", dog ,4', "0,cat,0", ""
    )
    train, held_out = load(path, label="kind")
    assert held_out is None
    assert train.features == ("height", "weight")
    assert train.X.tolist() == [[1.5, -2000], [3, 4], [0, 0]]
    assert train.classes == ("cat", "dog")
    assert train.y.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["label", "y", "target"])
def test_the_label_column_of_a_csv_file_is_found_by_its_usual_names(tmp_path, name):
    assert load(write_csv(tmp_path / "a.csv", f"a,{name}", "1,x", "2,z"))[0].classes == ("x", "z")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9"], ("9", "10")),
        (["1.0", "0e0"], ("0", "1")),
        (["1.0", "one"], ("1.0", "one")),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993")),
    ],
)
def test_labels_of_a_csv_file_are_numbers_where_all_are(tmp_path, labels, classes):
    path = write_csv(tmp_path / "a.csv", "a,y", *(f"1,{label}" for label in labels))
    assert load(path)[0].classes == classes


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1).map(str.strip)


@settings(max_examples=60)
@given(
    X=npst.arrays(
        np.float64,
        st.tuples(st.integers(2, 6), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    names=st.lists(NAMES.filter(bool), min_size=5, max_size=5, unique=True),
    column=st.integers(0, 3),
)
def test_a_csv_file_gives_back_what_was_written(tmp_path_factory, X, names, column):
    m, n = X.shape
    k = min(column, n)
    header = names[: n + 1]
    labels = [f"<{names[i % 2]}>" for i in range(m)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for x, name in zip(X.tolist(), labels, strict=True):
        writer.writerow([*map(repr, x[:k]), name, *map(repr, x[k:])])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    train, _ = load(path, label=header[k])
    assert train.X.tobytes() == X.tobytes()
    assert train.features == (*header[:k], *header[k + 1 :])
    assert [train.classes[i] for i in train.y] == labels


def test_a_folder_gives_one_class_per_subfolder(tmp_path):
    write_folder(tmp_path / "pets", "dog")
    write_picture(tmp_path / "pets" / "cat" / "c.bmp", (1, 2, 3))
    write_picture(tmp_path / "pets" / ".hidden" / "x.png")
    (tmp_path / "pets" / "cat" / ".x.png").write_bytes(b"no picture")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no picture")
    train, held_out = load(tmp_path / "pets", image_size=3)
    assert held_out is None
    assert train.classes == ("cat", "dog")
    assert train.y.tolist() == [0, 1, 1]
    assert train.image == ImageShape(3, 3, 3)
    assert train.X[0].tolist() == [1] * 9 + [2] * 9 + [3] * 9


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_folder_of_train_and_test_brings_its_own_split(tmp_path, name):
    write_folder(tmp_path / "train", colour=(1, 1, 1))
    write_folder(tmp_path / name, "dog", colour=(2, 2, 2))
    train, held_out = load(tmp_path, image_size=2)
    assert held_out is not None
    assert train.classes == held_out.classes == ("cat", "dog")
    assert held_out.y.tolist() == [1, 1]
    assert (train.X.max(), held_out.X.min()) == (1, 2)


def test_test_data_of_each_kind_loads_by_the_layout_of_the_training_data(tmp_path):
    h5 = load(write_h5(tmp_path / "a.h5"))[0]
    assert load_test(write_h5(tmp_path / "b.h5", "test"), h5).y.tolist() == Y6.tolist()
    npz = load(write_npz(tmp_path / "a.npz"))[0]
    assert load_test(write_npz(tmp_path / "b.npz", y=np.ones(6)), npz).y.tolist() == [1] * 6
    table = load(write_csv(tmp_path / "a.csv", "a,y", "1,u", "2,v"))[0]
    assert load_test(write_csv(tmp_path / "b.csv", "a,y", "3,v"), table).y.tolist() == [1]
    folder = load(write_folder(tmp_path / "pets"), image_size=7)[0]
    assert load_test(write_folder(tmp_path / "more", "dog"), folder).X.shape == (2, 147)


# What is malformed


def cut(path: Path, keep: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def edited(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def with_link(path: Path) -> Path:
    other = write_h5(path.with_name("other.h5"))
    write_h5(path, train_set_x=None)
    with h5py.File(path, "a") as file:
        file["train_set_x"] = h5py.ExternalLink(other.name, "train_set_x")
    return path


def beside(path: Path, **changed: object) -> Path:
    write_h5(path.with_name("test_a.h5"), "test", **changed)
    return write_h5(path.with_name("train_a.h5"))


def object_npz(path: Path) -> Path:
    np.savez(path, X=np.array([[1, None]] * 6), y=Y6, allow_pickle=True)
    return path


def spoilt(X: np.ndarray) -> np.ndarray:
    X = X.astype(np.float64)
    X[4, ..., 1] = np.nan
    X[5, ..., 0] = np.inf
    return X


Make = Callable[[Path], Path]
MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "no such h5": (lambda p: p / "a.h5", ["a.h5", "none of this name"]),
    "no such kind": (lambda p: p / "a.cvs", ["a.cvs", "no such file", ".csv", ".npz", ".h5", "folder"]),
    "other kind": (lambda p: edited(p / "a.pkl", b"x"), ["a.pkl", "suffix '.pkl'", ".csv"]),
    # h5
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
    "h5 number classes": (lambda p: write_h5(p / "a.h5", list_classes=[0, 1]), ["a.h5", "names", "int64"]),
    "h5 test shape": (
        lambda p: beside(p / "a", test_set_x=PICTURES[:, :3]),
        ["test_a.h5", "train_a.h5", "height=4", "height=3"],
    ),
    "h5 test classes": (
        lambda p: beside(p / "a", list_classes=np.array([b"cat", b"dog"])),
        ["test_a.h5", "train_a.h5", "'dog', 'cat'", "'cat', 'dog'"],
    ),
    # npz
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
    # csv
    "csv empty": (lambda p: edited(p / "a.csv", b""), ["a.csv", "empty file"]),
    "csv blank": (lambda p: edited(p / "a.csv", b"\n \n"), ["a.csv", "header line"]),
    "csv only header": (lambda p: write_csv(p / "a.csv", "a,y"), ["a.csv", "rows under the header"]),
    "csv only label": (lambda p: write_csv(p / "a.csv", "y", "1"), ["a.csv", "'y' alone"]),
    "csv utf-16": (lambda p: edited(p / "a.csv", "a,y\n1,é".encode("utf-16")), ["a.csv, line 1", "UTF-8"]),
    "csv latin": (lambda p: edited(p / "a.csv", "a,y\n1,é".encode("latin-1")), ["a.csv, line 2", "UTF-8"]),
    "csv twin names": (lambda p: write_csv(p / "a.csv", "a,b,a,y", "1,2,3,4"), ["a.csv, line 1", "'a' more"]),
    "csv no name": (lambda p: write_csv(p / "a.csv", "a,,y", "1,2,3"), ["a.csv, line 1", "column 2"]),
    "csv no label": (
        lambda p: write_csv(p / "a.csv", "a,b", "1,2"),
        ["a.csv", "'label'", "'a', 'b'", "label="],
    ),
    "csv two labels": (
        lambda p: write_csv(p / "a.csv", "y,a,label", "1,2,3"),
        ["a.csv", "'y', 'a', 'label'"],
    ),
    "csv ragged": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,2", "", "1,2,3"),
        ["a.csv, line 4", "2 cells", "3"],
    ),
    "csv short": (lambda p: write_csv(p / "a.csv", "a,b,y", "1,2"), ["a.csv, line 2", "3 cells", "got 2"]),
    "csv word": (
        lambda p: write_csv(p / "a.csv", "a,y,b", "1,u,2", "1,v,two"),
        ["a.csv, line 3, column 'b'", "a number", "'two'"],
    ),
    "csv empty cell": (
        lambda p: write_csv(p / "a.csv", "a,y", ",u"),
        ["a.csv, line 2, column 'a'", "got ''"],
    ),
    "csv underscore": (lambda p: write_csv(p / "a.csv", "a,y", "1_0,u"), ["line 2, column 'a'", "got '1_0'"]),
    "csv after quoted line ends": (
        lambda p: write_csv(p / "a.csv", "y,a", '"u\nu",1', '"v\nv",x'),
        ["a.csv, line 4, column 'a'"],
    ),
    "csv nan": (
        lambda p: write_csv(p / "a.csv", "a,b,y", "1,2,u", "1,nan,u", "inf,1,v"),
        ["a.csv, line 3, column 'b'", "2 that are NaN or infinite"],
    ),
    "csv no class": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,u", "2,", "3,v"),
        ["a.csv", "empty one at line 3, column 'y'"],
    ),
    "csv half class": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,1", "2,1.5"),
        ["a.csv", "1.5 at line 3, column 'y'"],
    ),
    "csv one class": (lambda p: write_csv(p / "a.csv", "a,y", "1,u", "2,u"), ["a.csv", "two classes", "'u'"]),
    "csv open quote": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,u", '2,"v'),
        ["a.csv, line 3", "end of data"],
    ),
    # folders
    "folder empty": (lambda p: p, ["one subfolder of pictures per class", "no subfolder"]),
    "folder no class": (lambda p: write_picture(p / "pets" / "a.png").parent, ["pets", "no subfolder"]),
    "folder one class": (lambda p: write_folder(p / "pets", "cat"), ["pets", "two classes", "only 'cat'"]),
    "folder empty class": (
        lambda p: ((p / "pets" / "eel").mkdir(parents=True), write_folder(p / "pets"))[1],
        ["eel", ".png", "an empty folder"],
    ),
    "folder broken picture": (
        lambda p: cut(write_folder(p / "pets") / "cat" / "a.png", 0.9).parents[1],
        ["a.png: expected a whole picture", "broken PNG"],
    ),
    "folder two broken": (
        lambda p: edited(
            edited(write_folder(p / "pets") / "cat" / "a.png", b"x").with_name("b.PNG"), b""
        ).parents[1],
        [
            "2 of 4 pictures do not open",
            "a.png: expected a picture",
            "another kind",
            "b.PNG",
            "an empty file",
        ],
    ),
    "folder test class": (
        lambda p: write_folder(write_folder(p / "pets" / "train").parent / "test", "eel").parent,
        ["test", "train", "'cat', 'dog'", "'eel' too"],
    ),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    path = make(tmp_path)
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert [words for words in said if words not in message] == []
    assert all(words in message for words in ("expected ", ", got ", "; ")), message


def test_a_class_folder_of_other_files_counts_them(tmp_path):
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "eel").mkdir()
    (tmp_path / "pets" / "eel" / "a.tif").write_bytes(b"x")
    with pytest.raises(DataError, match=r"eel: expected pictures .*, got 1 entries of other kinds; "):
        load(tmp_path / "pets")


def test_of_many_broken_pictures_ten_are_named_and_the_rest_counted(tmp_path):
    write_folder(tmp_path)
    for i in range(12):
        (tmp_path / "cat" / f"{i:02}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="12 of 16 pictures do not open") as caught:
        load(tmp_path)
    assert "09.png" in str(caught.value)
    assert "10.png" not in str(caught.value)
    assert str(caught.value).endswith("... and 2 more")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: write_csv(p / "b.csv", "b,a,y", "1,2,u"), ["b.csv", "'a', 'b'", "'b', 'a'"]),
        (lambda p: write_csv(p / "b.csv", "a,b,y", "1,2,w"), ["b.csv", "'u', 'v'", "'w' too"]),
        (lambda p: write_csv(p / "b.csv", "a,y", "1,u"), ["b.csv", "features 2", "got 1"]),
        (lambda p: write_folder(p / "pets"), ["pets", "2 features", "a folder of pictures"]),
        (lambda p: write_h5(p / "b.h5", "test"), ["b.h5", "picture shape None", "height=4"]),
        (lambda p: write_h5(p / "b.h5"), ["b.h5", "'test_set_x'", "'train_set_x'"]),
        (lambda p: p / "b.csv", ["b.csv", "none of this name"]),
    ],
)
def test_test_data_that_does_not_fit_the_training_data_is_refused(tmp_path, make, said):
    train, _ = load(write_csv(tmp_path / "a.csv", "a,b,y", "1,2,u", "3,4,v"))
    with pytest.raises(DataError) as caught:
        load_test(make(tmp_path), train)
    assert [words for words in said if words not in str(caught.value)] == []
    if "as in" in str(caught.value):
        assert "a.csv" in str(caught.value)


def test_a_label_for_data_that_has_no_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.npz: .*label="):
        load(write_npz(tmp_path / "a.npz"), label="y")
    with pytest.raises(DataError, match="label="):
        load(label="y")


def test_a_picture_size_below_one_pixel_is_refused():
    with pytest.raises(DataError, match="image_size from 1 up, got 0"):
        load(image_size=0)


@pytest.mark.parametrize("module", ["h5py", "PIL", "sklearn.datasets"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, module):
    path = {"h5py": write_h5(tmp_path / "a.h5"), "PIL": write_folder(tmp_path / "pets")}.get(module)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "chainrule\[app\]"'):
        load(path)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_loading_runs_nothing_that_a_file_brings(tmp_path):
    mark = tmp_path / "mark"
    with pytest.raises(DataError):
        load(write_npz(tmp_path / "a.npz", X=np.array([[Bomb(mark)]] * 6)))
    assert not mark.exists()
    postscript = tmp_path / "pets" / "cat" / "a.png"
    write_folder(tmp_path / "pets")
    Image.new("RGB", (2, 2)).save(postscript, format="EPS")
    with pytest.raises(DataError, match=r"a\.png: .*another kind"):
        load(tmp_path / "pets")


# Truncation


def whole(path: Path) -> bytes:
    """What a load of the file gives, as bytes."""
    if path.suffix in (".npz", ".h5"):
        train, held_out = load(path)
        return b"".join(part.X.tobytes() + part.y.tobytes() for part in (train, held_out) if part is not None)
    return data.read_image(path, ImageShape(9, 8, 3)).tobytes()


def outcome(path: Path) -> object:
    """What a load gives, or "refused" where it names the file in a DataError."""
    try:
        return whole(path)
    except DataError as error:
        return "refused" if path.name in str(error) else error


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, size=(9, 8, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, bytes]:
    """The bytes of a sound file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    write_npz(folder / "a.npz", X_test=X6, y_test=Y6)
    np.savez_compressed(folder / "small.npz", X=PICTURES, y=Y6)
    write_h5(folder / "a.h5")
    for suffix in ("png", "jpg", "bmp", "gif", "webp"):
        noise().save(folder / f"a.{suffix}")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["a.npz", "small.npz", "a.h5", "a.png"])
@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), from_end=st.booleans())
def test_a_truncated_file_is_always_refused(sound, tmp_path_factory, name, where, from_end):
    content = sound[name]
    keep = len(content) - 1 - int(where * 40) if from_end else int(where * len(content))
    path = edited(tmp_path_factory.mktemp("cut") / name, content[:keep])
    with pytest.raises(DataError, match=name):
        whole(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.gif", "a.webp"])
def test_a_truncated_picture_is_refused_or_gives_every_pixel(sound, tmp_path, name):
    path = edited(tmp_path / name, sound[name])
    expected, refused = whole(path), 0
    for keep in range(len(sound[name])):
        result = outcome(edited(path, sound[name][:keep]))
        assert result in (expected, "refused"), f"{keep} of {len(sound[name])} bytes"
        refused += result == "refused"
    assert refused > 0.9 * len(sound[name])


@pytest.mark.parametrize("name", ["a.npz", "small.npz", "a.png"])
@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(sound, tmp_path_factory, name, where, bit):
    content = bytearray(sound[name])
    path = edited(tmp_path_factory.mktemp("flip") / name, bytes(content))
    expected = whole(path)
    content[int(where * len(content))] ^= 1 << bit
    edited(path, bytes(content))
    assert outcome(path) in (expected, "refused")


def test_a_header_that_shrinks_an_array_is_refused_by_the_checksum_behind_it(tmp_path):
    # Larger than what zipfile reads ahead: of a smaller member it sees the end, and the checksum, in any case.
    path = write_npz(tmp_path / "a.npz", X=np.tile(X6, (150, 1)), y=np.tile(Y6, 150))
    content = path.read_bytes()
    assert content.count(b"(900, 3)") == 1
    edited(path, content.replace(b"(900, 3)", b"(900, 2)"))
    with pytest.raises(DataError, match=r"a\.npz: .*CRC"):
        load(path)


# Pictures


@given(npst.arrays(np.uint8, st.tuples(*[st.integers(1, 4)] * 3, st.just(3))))
def test_plane_order_puts_red_then_green_then_blue_and_can_be_undone(pictures):
    m, h, w, _ = pictures.shape
    X = data.plane_order(pictures)
    assert X.shape == (m, 3 * h * w)
    assert X.flags.c_contiguous
    for channel in range(3):
        plane = X[:, channel * h * w : (channel + 1) * h * w]
        assert np.array_equal(plane.reshape(m, h, w), pictures[..., channel])
    assert np.array_equal(X.reshape(m, 3, h, w).transpose(0, 2, 3, 1), pictures)
    assert np.array_equal(data.plane_order(pictures[..., 0]), X[:, : h * w])


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 3, 4), (1, 2, 3, 3, 3)])
def test_plane_order_refuses_other_shapes(shape):
    with pytest.raises(DataError, match=r"\(m, h, w, 3\)"):
        data.plane_order(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_a_picture_of_the_right_size_is_read_as_it_is(tmp_path, suffix):
    noise().save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    row = data.read_image(tmp_path / f"a.{suffix}", ImageShape(9, 8, 3))
    assert row.dtype == np.uint8
    assert np.array_equal(row, data.plane_order(np.asarray(noise())[None])[0])


def test_shrinking_a_picture_averages_instead_of_dropping_pixels(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    row = data.read_image(tmp_path / "a.png", ImageShape(4, 4, 1))
    assert np.abs(row.astype(int) - 127).max() < 10


def test_height_and_width_are_not_confused(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert data.read_image(tmp_path / "a.png", ImageShape(2, 3, 1)).tolist() == list(range(6))


def test_a_picture_is_turned_upright_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    row = data.read_image(tmp_path / "a.png", ImageShape(3, 2, 1))
    assert row.tolist() == np.rot90(pixels, -1).ravel().tolist()


def palette() -> Image.Image:
    picture = Image.new("P", (1, 1), 0)
    picture.putpalette([0, 0, 0, 9, 9, 9])
    picture.info["transparency"] = 0
    return picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGBA", (1, 1), (200, 0, 0, 0)), [255, 255, 255]),
        (Image.new("RGBA", (1, 1), (200, 0, 0, 255)), [200, 0, 0]),
        (Image.new("RGBA", (1, 1), (0, 0, 0, 51)), [204, 204, 204]),
        (Image.new("LA", (1, 1), (7, 0)), [255, 255, 255]),
        (palette(), [255, 255, 255]),
        (Image.new("L", (1, 1), 7), [7, 7, 7]),
        (Image.new("1", (1, 1), 1), [255, 255, 255]),
        (Image.fromarray(np.full((1, 1), 0x8012, np.uint16)), [128, 128, 128]),
    ],
)
def test_transparency_is_laid_on_white_and_every_depth_becomes_8_bits(tmp_path, picture, expected):
    picture.save(tmp_path / "a.png")
    assert data.read_image(tmp_path / "a.png", ImageShape(1, 1, 3)).tolist() == expected
    grey = data.read_image(tmp_path / "a.png", ImageShape(1, 1, 1)).tolist()
    assert grey == ([60] if expected == [200, 0, 0] else expected[:1])


def test_a_picture_too_large_to_be_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"a\.png: .*DecompressionBomb"):
        data.read_image(write_picture(tmp_path / "a.png"), ImageShape(1, 1, 3))


def test_a_missing_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: expected a picture, got no such file; "):
        data.read_image(tmp_path / "a.png", ImageShape(1, 1, 3))


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 2)])
def test_an_impossible_picture_shape_is_refused(sizes):
    with pytest.raises(DataError, match="1 or 3 channels"):
        ImageShape(*sizes)


# Splitting, classes, scaling


@given(
    y=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    held_out=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_a_split_is_a_stratified_partition(y, held_out, seed):
    counts = np.bincount(y, minlength=4)
    whole_set = dataset(y, classes=4)
    if counts.max() < 2:
        with pytest.raises(DataError, match="made up: expected a class with at least 2 samples"):
            split(whole_set, held_out=held_out, seed=seed)
        return
    train, test = split(whole_set, held_out=held_out, seed=seed)
    assert sorted([*train.X[:, 0], *test.X[:, 0]]) == list(range(len(y)))
    for part in (train, test):
        assert [y[int(i)] for i in part.X[:, 0]] == part.y.tolist()
        assert part.classes == whole_set.classes
    for number, count in enumerate(counts):
        held = int((test.y == number).sum())
        if count >= 2:
            assert 1 <= held < count
            assert abs(held - held_out * count) <= 1
        else:
            assert held == 0


def test_the_seed_decides_the_split():
    y = [0, 1] * 50
    first, again, other = (split(dataset(y), seed=seed)[1].X for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("held_out", [0, 1, -0.1, 1.5, math.nan])
def test_a_fraction_outside_0_to_1_is_refused(held_out):
    with pytest.raises(DataError, match="held_out between 0 and 1, got "):
        split(dataset([0, 1, 0, 1]), held_out=held_out)


def test_binary_labels_ask_for_the_named_class_or_the_second_of_two():
    y, name = to_binary(dataset([0, 1, 1]))
    assert (y.tolist(), name) == ([0, 1, 1], "class1")
    y, name = to_binary(dataset([0, 2, 1], classes=3), "class0")
    assert (y.tolist(), name, y.dtype) == ([1, 0, 0], "class0", np.int64)


@pytest.mark.parametrize(("positive", "got"), [(None, "none"), ("dog", "'dog'")])
def test_a_positive_class_that_is_none_of_the_classes_is_refused(positive, got):
    with pytest.raises(DataError, match=f"made up: .*'class0', 'class1', 'class2', got {got}; "):
        to_binary(dataset([0, 1, 2], classes=3), positive)


@pytest.mark.parametrize("image", [None, ImageShape(4, 5, 3)])
def test_pixels_are_divided_by_255_exactly(image):
    X = data.plane_order(PICTURES)
    scaling = Scaling.fit(Dataset(X, Y6, ("a", "b"), image, "made up"))
    assert scaling.shift.shape == ()
    assert np.array_equal(scaling.apply(X, np.float64), X / 255)
    assert np.array_equal(scaling.apply(X[0], np.float32), (X[0] / 255).astype(np.float32))
    assert scaling.apply(X, np.float32).dtype == np.float32


@given(
    npst.arrays(
        np.float64,
        st.tuples(st.integers(2, 8), st.integers(1, 3)),
        elements=st.floats(-1e300, 1e300),
    )
)
def test_other_numbers_are_standardised_whatever_their_size(X):
    Z = Scaling.fit(dataset([0, 1] + [0] * (len(X) - 2), X=X)).apply(X, np.float64)
    assert np.isfinite(Z).all()
    for x, z in zip(X.T, Z.T, strict=True):
        spread = x.max() - x.min()
        if spread == 0:
            assert (z == 0).all()
        elif spread > 1e-6 * np.abs(x).max() and spread > 1e-290:
            assert abs(z.mean()) < 1e-6
            assert abs(z.std() - 1) < 1e-6


def test_a_constant_feature_with_a_rounded_mean_is_not_blown_up():
    X = np.full((10, 1), 0.1)
    scaling = Scaling.fit(dataset([0, 1] * 5, X=X))
    assert float(scaling.scale[0]) == 1
    assert (scaling.apply(X, np.float64) == 0).all()


def test_a_spread_beyond_float64_is_refused():
    with pytest.raises(DataError, match=r"made up: .* column 1"):
        Scaling.fit(dataset([0, 1], X=np.array([[0, -1.7e308], [1, 1.7e308]])))


def test_scaling_refuses_another_number_of_features():
    scaling = Scaling.fit(dataset(Y6, X=X6))
    with pytest.raises(DataError, match=r"3 features, got shape \(6, 2\)"):
        scaling.apply(X6[:, :2], np.float64)


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(np.zeros(2), np.ones(3)), (np.zeros(2), np.zeros(2)), (np.array(math.nan), np.array(1.0))],
)
def test_an_impossible_scaling_is_refused(shift, scale):
    with pytest.raises(DataError, match="Scaling: expected"):
        Scaling(shift, scale)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"X": X6[0]}, r"X \(m, n\)"),
        ({"X": X6[:, :0]}, r"m, n >= 1"),
        ({"y": Y6[:5]}, r"\(5,\) with X of shape \(6, 3\)"),
        ({"y": Y6.astype(np.int32)}, "int64"),
        ({"y": Y6 + 1}, "from 1 to 2"),
        ({"y": Y6 - 1}, "from -1 to 0"),
        ({"image": ImageShape(2, 2, 1)}, "4 features, got 3"),
    ],
)
def test_a_dataset_whose_parts_do_not_fit_is_refused(changed, said):
    parts = {"X": X6, "y": Y6, "classes": ("a", "b"), "image": None, "source": "made up"} | changed
    with pytest.raises(DataError, match=f"made up: .*{said}"):
        Dataset(**parts)


def test_semicolons_get_the_right_remedy(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a;b;label\n1;2;x\n")
    with pytest.raises(DataError, match="separate cells by commas"):
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


class TestRowsWithoutLabels:
    def write(self, path, text):
        path.write_text(text, encoding="utf-8")
        return path

    def test_named_columns_are_found_in_any_order_and_others_left_out(self, tmp_path):
        path = self.write(tmp_path / "rows.csv", "b,species,a\n1,cat,2\n3,dog,4\n")
        assert data.read_rows(path, ("a", "b"), 2).tolist() == [[2, 1], [4, 3]]

    def test_nameless_features_are_all_columns(self, tmp_path):
        path = self.write(tmp_path / "rows.csv", "b,a\n1,2\n")
        assert data.read_rows(path, (), 2).tolist() == [[1, 2]]

    def test_npz(self, tmp_path):
        np.savez(tmp_path / "rows.npz", X=np.arange(6).reshape(3, 2))
        assert data.read_rows(tmp_path / "rows.npz", (), 2).tolist() == [[0, 1], [2, 3], [4, 5]]

    @pytest.mark.parametrize(
        ("text", "features", "words"),
        [
            ("a,b\n1,2\n", ("a", "c"), "expected the columns 'a', 'c', got none called 'c'"),
            ("a,b\n1,2\n", (), "expected 3 columns as the model learnt, got 2"),
            ("a,b\n1,x\n", ("b",), "line 2, column 'b': expected a number, got 'x'"),
            ("a,b\n1,nan\n", ("b",), "finite numbers"),
            ("a,b\n", ("a",), "rows under the header"),
            ("", (), "a header line"),
        ],
    )
    def test_what_does_not_fit_is_named(self, tmp_path, text, features, words):
        path = self.write(tmp_path / "rows.csv", text)
        with pytest.raises(DataError) as caught:
            data.read_rows(path, features, 3)
        assert "rows.csv" in str(caught.value)
        assert words in str(caught.value)

    def test_other_files_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="got no such file"):
            data.read_rows(tmp_path / "none.csv", (), 2)
        with pytest.raises(DataError, match="got another suffix"):
            data.read_rows(self.write(tmp_path / "rows.txt", "1"), (), 2)
        np.savez(tmp_path / "rows.npz", Y=np.ones((3, 2)))
        with pytest.raises(DataError, match="expected the array 'X', got 'Y'"):
            data.read_rows(tmp_path / "rows.npz", (), 2)
        np.savez(tmp_path / "rows.npz", X=np.ones((3, 4)))
        with pytest.raises(DataError, match=r"expected X \(m, 2\) as the model learnt, got shape \(3, 4\)"):
            data.read_rows(tmp_path / "rows.npz", (), 2)
