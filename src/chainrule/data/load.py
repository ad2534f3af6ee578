"""Data in: samples as rows X (m, n), their classes y (m,), and what is held out to judge by.

Loading never unpickles and executes nothing. Whatever cannot be used raises DataError, which names the file, what was
expected, what came and what to do.
"""

from pathlib import Path

import numpy as np

from chainrule.data.csv import TABLES, read_csv, read_npz, read_rows
from chainrule.data.dataset import Dataset, ImageShape, Raw
from chainrule.data.errors import AGAIN, DataError, fault, faults_named, needs_app, some
from chainrule.data.idx import is_idx, read_idx, read_idx_test
from chainrule.data.pictures import plane_order, read_folder, read_h5, read_image
from chainrule.data.scaling import Scaling
from chainrule.data.split import split, to_binary

__all__ = [
    "TABLES",
    "DataError",
    "Dataset",
    "ImageShape",
    "Scaling",
    "load",
    "load_test",
    "numbered",
    "plane_order",
    "read_image",
    "read_rows",
    "split",
    "to_binary",
]

_KINDS = (
    ".h5, .npz, .csv, an idx file (train-images-idx3-ubyte, .gz or not), its folder, "
    "or a folder with one subfolder of pictures per class"
)


def load(
    path: str | Path | None = None, *, label: str | None = None, image_size: int = 64
) -> tuple[Dataset, Dataset | None]:
    """The training rows at `path`, and the held-out rows where the file brings some, else None.

    None      scikit-learn's digits: 1797 grey pictures of 8 x 8, raw values 0 to 16
    .h5       train_set_x (m, h, w, 3) uint8, train_set_y (m,), list_classes; held out: the file beside it with "test"
              for "train" in its name, with test_set_x, test_set_y, list_classes; a file that has these alone gives them
    .npz      X (m, n), (m, h, w) or (m, h, w, 3) and y (m,) of whole numbers, bools or strings;
              held out: X_test, y_test
    .csv      UTF-8 with a header line; the column `label` (default: the one called label, y or target) names the
              class, all others are numbers
    idx       a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (MNIST, Fashion-MNIST), or the path of
              that images file; .gz or not, `images.idx3` for `images-idx3` or not; held out: t10k-images-idx3-ubyte
              and t10k-labels-idx1-ubyte beside them
    a folder  one subfolder of pictures per class, made `image_size` x `image_size` RGB; held out: where it has the
              subfolders train/ and test/ (or, without test/, val/), each with class folders, the second of them

    Classes that are numbers are sorted as numbers, names as text. Raises DataError, or ImportError where the package
    that reads the format is missing.
    """
    if image_size < 1:
        raise fault("load", "image_size from 1 up", f"{image_size}", "give the side in pixels")
    if path is None:
        if label is not None:
            raise _no_label("the embedded digits")
        return _digits(), None
    path, kind = _kind(Path(path), label)
    with faults_named(path):
        if kind == ".h5":
            train = numbered(read_h5(path, "train", "test"))
            beside = path.with_name(path.name.replace("train", "test"))
            return train, load_test(beside, train) if beside != path and beside.is_file() else None
        if kind in (".npz", "idx"):
            rows, held_out = read_npz(path) if kind == ".npz" else read_idx(path)
            train = numbered(rows)
            return train, numbered(held_out, train) if held_out else None
        if kind == ".csv":
            return numbered(read_csv(path, label)), None
        image = ImageShape(image_size, image_size, 3)
        test = next((path / name for name in ("test", "val") if (path / name).is_dir()), None)
        if test is None or not (path / "train").is_dir():
            return numbered(read_folder(path, image)), None
        train = numbered(read_folder(path / "train", image))
        return train, numbered(read_folder(test, image), train)


def load_test(path: str | Path, train: Dataset, *, label: str | None = None) -> Dataset:
    """Held-out rows from a file or folder of their own, in the layout of the training data.

    An .h5 file has test_set_x, test_set_y and list_classes; an .npz file X and y; a folder of idx files t10k-images
    and t10k-labels. Features, classes and picture shape must be those of `train`; a class may be absent. Raises
    DataError, which names both files where they do not fit.
    """
    path, kind = _kind(Path(path), label)
    with faults_named(path):
        if kind == ".h5":
            return numbered(read_h5(path, "test"), train)
        if kind == ".npz":
            return numbered(read_npz(path)[0], train)
        if kind == ".csv":
            return numbered(read_csv(path, label), train)
        if kind == "idx":
            return numbered(read_idx_test(path), train)
        if train.image is None:
            expected = f"a table with {train.X.shape[1]} features as in {train.source}"
            raise fault(path, expected, "a folder of pictures", "give test data of the same layout")
        return numbered(read_folder(path, train.image), train)


def numbered(raw: Raw, train: Dataset | None = None) -> Dataset:
    """Number the classes and check the whole: as training data, or as held-out data against `train`.

    X is looked at for its shape and dtype alone, so it may be an array of Dask.
    """
    names, inverse = raw.names()
    if train is None:
        classes = raw.classes or tuple(names)
        if len(names) < 2:
            raise fault(
                raw.source, "samples of at least two classes", f"only {names[0]!r}", "add another class"
            )
    else:
        classes = train.classes
        _fit_together(raw, names, train)
    y = np.array([classes.index(name) for name in names], dtype=np.int64)[inverse]
    return Dataset(raw.X, y, classes, raw.image, raw.source, features=raw.features)


def _fit_together(raw: Raw, names: list[str], train: Dataset) -> None:
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
    unknown = [name for name in names if name not in train.classes]
    if unknown:
        raise differs("the classes", some(train.classes), f"{some(unknown)} too")


def _digits() -> Dataset:
    with needs_app("scikit-learn"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    classes = tuple(str(name) for name in digits.target_names)
    y = digits.target.astype(np.int64)
    return Dataset(digits.data, y, classes, ImageShape(8, 8, 1), "scikit-learn's digits", full_scale=16.0)


def _kind(path: Path, label: str | None) -> tuple[Path, str]:
    suffix = path.suffix.lower()
    kind = "idx" if is_idx(path) else "folder" if path.is_dir() else {".hdf5": ".h5"}.get(suffix, suffix)
    if kind not in (".h5", ".npz", ".csv", "idx", "folder"):
        got = (
            f"the suffix {path.suffix!r}"
            if path.exists()
            else f"no such file, and the suffix {path.suffix!r}"
        )
        raise fault(path, _KINDS, got, "check the name or convert the file")
    if not (path.is_file() or path.is_dir()):
        raise fault(path, "a file", "none of this name", "check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise fault(path, f"{kind} data", "an empty file", AGAIN)
    if label is not None and kind != ".csv":
        raise _no_label(path)
    return path, kind


def _no_label(source: object) -> DataError:
    return fault(source, "label= only for a .csv file, whose column it names", "it here", "leave it out")
