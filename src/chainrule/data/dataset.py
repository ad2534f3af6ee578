"""What a file of data holds: rows with labels, and rows whose classes are numbered."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.data.errors import fault


@dataclass(frozen=True)
class ImageShape:
    """Height and width in pixels, and 1 channel (grey) or 3 (red, green, blue). n = height * width * channels."""

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels not in (1, 3):
            sizes = f"{self.height} x {self.width} with {self.channels}"
            raise fault("ImageShape", "a size from 1 x 1 up with 1 or 3 channels", sizes, "correct it")

    @property
    def n(self) -> int:
        """The number of features of a row."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Raw:
    """What a file holds, before classes are numbered."""

    X: np.ndarray
    labels: np.ndarray  # (m,) numbers or names
    image: ImageShape | None
    source: str
    classes: tuple[str, ...] | None = None  # where the file lists them
    features: tuple[str, ...] = ()
    place: Callable[[int], str] = "y[{}]".format  # where row i has its label

    def names(self) -> tuple[list[str], np.ndarray]:
        """The names of the classes that occur, in order, and for each row the number of its name."""
        labels, remedy = self.labels, "give whole numbers or names as classes"
        if labels.dtype.kind == "f":
            odd = ~(np.isfinite(labels) & (np.trunc(labels) == labels))
            if odd.any():
                first = int(odd.argmax())
                got = f"{labels[first]} at {self.place(first)}"
                raise fault(self.source, "whole numbers or names as classes", got, remedy)
        elif labels.dtype.kind not in "biuSU":
            raise fault(self.source, "whole numbers or names as classes", f"type {labels.dtype}", remedy)
        values, inverse = np.unique(labels, return_inverse=True)
        if values.dtype.kind in "SU":
            names = [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
            if "" in names:
                first = int((inverse == names.index("")).argmax())
                raise fault(
                    self.source, "a class for each row", f"an empty one at {self.place(first)}", "fill it in"
                )
        else:
            names = [str(value if labels.dtype.kind == "b" else int(value)) for value in values.tolist()]
        return names, inverse


def check_labels(path: Path, key: str, y: np.ndarray, X: np.ndarray) -> None:
    """Raise DataError unless y is (m,) for the m samples of X."""
    if y.shape != X.shape[:1]:
        got = f"shape {y.shape} for {len(X)} samples"
        raise fault(path, f"{key} as (m,), one label for each sample", got, "make them as many, in one axis")


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
