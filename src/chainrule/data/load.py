"""Data in: samples as rows X (m, n), their classes y (m,), and what is held out to judge by.

Loading never unpickles and executes nothing. Whatever cannot be used raises DataError, which names the file, what was
expected, what came and what to do.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from chainrule.data.csv import TABLES, read_csv, read_npz, read_rows
from chainrule.data.dataset import AGAIN, DataError, ImageShape, Raw, fault, faults_named, needs_app, some
from chainrule.data.idx import is_idx, read_idx, read_idx_test
from chainrule.data.pictures import plane_order, read_folder, read_h5, read_image

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


@dataclass(frozen=True, eq=False)
class Dataset:
    """m samples of n features, and the class of each.

    X         (m, n) raw: uint8 pixels, or floats
    y         (m,) int64, numbers into `classes`
    image     where rows are pictures: their shape; features are planes, all red, then green, then blue
    source    where it came from, for messages and reports
    full_scale  the raw value that counts as 1, where the source fixes one that the dtype does not tell
    features  the names of the columns, where the file names them
    """

    X: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    image: ImageShape | None
    source: str
    full_scale: float | None = None
    features: tuple[str, ...] = ()

    @property
    def white(self) -> float | None:
        """The raw value that counts as 1: 255 for pixels as bytes; None where nothing fixes one."""
        return 255.0 if self.X.dtype == np.uint8 else self.full_scale

    def __post_init__(self) -> None:
        X, y, k = self.X, self.y, len(self.classes)
        if X.ndim != 2 or 0 in X.shape:
            raise fault(self.source, "X (m, n) with m, n >= 1", f"shape {X.shape}", "give samples as rows")
        if y.shape != X.shape[:1]:
            got = f"y of shape {y.shape} with X of shape {X.shape}"
            raise fault(self.source, "one label for each row of X", got, "make y (m,) for X's m rows")
        if y.dtype != np.int64 or y.min() < 0 or y.max() >= k:
            got = f"{y.dtype} from {y.min()} to {y.max()}"
            raise fault(self.source, f"y as int64 from 0 to {k - 1}", got, "number the classes from 0")
        if self.image is not None and self.image.n != X.shape[1]:
            raise fault(self.source, f"{self.image.n} features", f"{X.shape[1]}", f"correct {self.image}")


@dataclass(frozen=True, eq=False)
class Scaling:
    """X_scaled = (X - shift) / scale, with float64 shift and scale, both () or both (n,)."""

    shift: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        shift, scale = self.shift, self.scale
        if shift.ndim > 1 or shift.shape != scale.shape:
            got = f"{shift.shape} and {scale.shape}"
            raise fault("Scaling", "shift and scale both () or both (n,)", got, "fit it again")
        if not (np.isfinite(shift).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise fault("Scaling", "finite shift and positive scale", "others", "fit it again")

    @staticmethod
    def fit(dataset: Dataset) -> "Scaling":
        """Pixels: X / 255. The digits: X / 16. Other numbers: less the mean, over the deviation of each feature.

        A feature that never changes is shifted to 0 and not scaled. DataError where a feature spans more than
        float64 can hold.
        """
        if dataset.white is not None:
            return Scaling(np.array(0.0), np.array(dataset.white))
        X = dataset.X.astype(np.float64)
        low = X.min(axis=0)
        with np.errstate(over="ignore"):
            span = X.max(axis=0) - low
        if not np.isfinite(span).all():
            column = int(np.argmin(np.isfinite(span)))
            got = f"a wider spread in column {column} (counted from 0)"
            raise fault(dataset.source, "features that span less than 1.8e308", got, "scale it down first")
        # On 0 to 1 no square overflows or vanishes, and the mean of a constant feature has no rounding error, which
        # would be a deviation of 1e-17 to divide by.
        U = (X - low) / np.where(span > 0, span, 1)
        std = span * U.std(axis=0)
        return Scaling(low + span * U.mean(axis=0), np.where(std > 0, std, 1.0))

    def apply(self, X: np.ndarray, dtype: Any) -> np.ndarray:
        """(X - shift) / scale for X (m, n) or (n,), computed in float64, returned as `dtype`.

        DataError where that is more than `dtype` can hold.
        """
        if self.shift.ndim and X.shape[-1:] != self.shift.shape:
            got = f"shape {X.shape}"
            raise fault(
                "Scaling.apply", f"{self.shift.size} features", got, "give the columns it was fitted to"
            )
        with np.errstate(over="ignore"):
            scaled: np.ndarray = ((X.astype(np.float64) - self.shift) / self.scale).astype(dtype)
        odd = ~np.isfinite(scaled)
        if odd.any():
            column = int(np.argwhere(odd)[0][-1])
            got = f"{X[odd][0]:g} in column {column} (counted from 0)"
            remedy = "correct it, or scale the data down first"
            raise fault("Scaling.apply", f"numbers that {np.dtype(dtype)} holds once scaled", got, remedy)
        return scaled


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


def split(dataset: Dataset, *, held_out: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Training and held-out rows, drawn class by class, so that both have the classes in the same proportions.

    Every class of two samples or more is in both; a single sample stays in training. The same seed gives the same
    rows; they keep their order. DataError where `held_out` is not between 0 and 1 or no class has two samples.
    """
    if not 0 < held_out < 1:
        raise fault("split", "held_out between 0 and 1", f"{held_out}", "give the fraction to hold out")
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(dataset.y), dtype=np.bool_)
    for number in range(len(dataset.classes)):
        rows = rng.permutation(np.flatnonzero(dataset.y == number))
        if len(rows) >= 2:
            count = min(max(round(held_out * len(rows)), 1), len(rows) - 1)
            chosen[rows[:count]] = True
    if not chosen.any():
        got = "a single sample of each"
        raise fault(dataset.source, "a class with at least 2 samples to split", got, "give more samples")
    return _rows(dataset, ~chosen, "training rows"), _rows(dataset, chosen, "held-out rows")


def to_binary(dataset: Dataset, positive: str | None = None) -> tuple[np.ndarray, str]:
    """1 where a row's class is `positive`, else 0, as int64 (m,), and the name of that class.

    None means the second of two classes. DataError for an unknown class, or for None where there are not two.
    """
    classes = dataset.classes
    if positive is None and len(classes) == 2:
        positive = classes[1]
    if positive is None or positive not in classes:
        got = "none" if positive is None else repr(positive)
        raise fault(dataset.source, f"a positive class, one of {some(classes)}", got, "name one of them")
    return (dataset.y == classes.index(positive)).astype(np.int64), positive


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


def _rows(dataset: Dataset, chosen: np.ndarray, which: str) -> Dataset:
    # Training rows of training rows are called so once.
    source = dataset.source.removesuffix(f", {which}")
    return replace(dataset, X=dataset.X[chosen], y=dataset.y[chosen], source=f"{source}, {which}")
