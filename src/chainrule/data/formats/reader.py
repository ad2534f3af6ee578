"""What a reader of a format is and returns, and the checks that several readers share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape
from chainrule.data.errors import AGAIN, fault


@dataclass(frozen=True)
class Raw:
    """The samples of a file, before their classes are numbered.

    X         (m, n) uint8 pixels, or floats; rows of pictures in plane order
    labels    (m,) numbers or names of classes; None where a file of new samples has none
    image     the shape of the pictures, where rows are pictures
    source    the file or folder, for messages and reports
    classes   the names of all classes, where the file lists them
    features  the names of the columns, where the file names them
    place     returns where the label of row i stands, for messages
    notes     what a reader should know of the reading
    files     the file of each row, where rows have files of their own
    """

    X: np.ndarray
    labels: np.ndarray | None
    image: ImageShape | None
    source: str
    classes: tuple[str, ...] | None = None
    features: tuple[str, ...] = ()
    place: Callable[[int], str] = "y[{}]".format
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a model takes: rows of n features, their names or (), and the shape of pictures or None.

    ink  how much of a picture its ink fills, for pictures to be framed so; None leaves them as they are
    """

    n: int
    features: tuple[str, ...] = ()
    image: ImageShape | None = None
    ink: float | None = None


@dataclass(frozen=True)
class Reader:
    """A format: a row of the table READERS.

    name       the format as messages, --help and the documentation call it; code stands in backticks
    layout     what a file or folder of the format holds, likewise
    claims     (path) -> whether the path is of this format
    read       (path, **options) -> the training rows, and the held-out rows or None
    options    the settings that `read` takes: "label" and "image_size" of `load`; and "wanted", a Wanted where new
               samples are read for a model, whose labels may be missing, else None
    read_test  (path, train) -> the rows of held-out data in a file or folder of their own, for the training rows
               `train`; by default the training rows that `read` returns
    in_memory  whether `read` can read the format; where not, `data.chunked` alone can
    in_chunks  whether `data.chunked` reads the format chunk by chunk
    """

    name: str
    layout: str
    claims: Callable[[Path], bool]
    read: Callable[..., tuple[Raw, Raw | None]]
    options: tuple[str, ...] = ()
    read_test: Callable[[Path, Dataset], Raw] | None = None
    in_memory: bool = True
    in_chunks: bool = False


def dataset_of(raw: Raw, y: np.ndarray, classes: tuple[str, ...]) -> Dataset:
    """Return the samples of a file with the numbers (m,) of their classes, or with numbers to predict."""
    origin = np.array(raw.files) if raw.files else None
    return Dataset(
        raw.X, y, classes, raw.image, raw.source, features=raw.features, notes=raw.notes, origin=origin
    )


def suffixed(*suffixes: str) -> Callable[[Path], bool]:
    """Return the `claims` of a format whose files end with one of `suffixes`, in small or capital letters."""
    return lambda path: path.suffix.lower() in suffixes and not path.is_dir()


def check_file(path: Path) -> None:
    """Raise DataError where nothing is at `path`, or an empty file."""
    if not (path.is_file() or path.is_dir()):
        got = "a pipe or a device" if path.exists() else "none of this name"
        raise fault(path, "a file", got, "check the path")
    if path.is_file() and path.stat().st_size == 0:
        raise fault(path, "data", "an empty file", AGAIN)


def check_samples(path: Path, key: str, dtype: Any, shape: tuple[int, ...]) -> None:
    """Raise DataError unless the array `key` has real numbers, in rows or in grey or RGB pictures."""
    if np.dtype(dtype).kind not in "biuf":
        raise fault(path, f"{key} of real numbers", f"type {dtype}", "save numbers")
    if not (len(shape) in (2, 3) or (len(shape) == 4 and shape[3] == 3)) or 0 in shape:
        expected = f"{key} as (m, n), (m, h, w) or (m, h, w, 3), none 0"
        raise fault(path, expected, f"shape {shape}", "reshape it")


def check_labels(path: Path, key: str, y: np.ndarray, m: int) -> None:
    """Raise DataError unless y is (m,) for m samples."""
    if y.shape != (m,):
        got = f"shape {y.shape} for {m} samples"
        raise fault(path, f"{key} as (m,), one label for each sample", got, "make them as many, in one axis")


def image_shape(shape: tuple[int, ...]) -> ImageShape | None:
    """Return the shape of the pictures of an array (m, h, w) or (m, h, w, 3), None for rows (m, n)."""
    return ImageShape(shape[1], shape[2], 1 if len(shape) == 3 else 3) if len(shape) > 2 else None
