"""Samples as rows with numbered classes, and the shape of samples that are pictures."""

from dataclasses import dataclass

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


def plane_order(pictures: np.ndarray) -> np.ndarray:
    """Return rows (m, n) from pictures (m, h, w, 3) or (m, h, w): all red values, then all green, then all blue.

    The dtype stays. Raises DataError for any other shape.
    """
    if pictures.ndim == 4 and pictures.shape[3] == 3:
        m, h, w, channels = pictures.shape
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(m, channels * h * w)
    if pictures.ndim == 3:
        m, h, w = pictures.shape
        return np.ascontiguousarray(pictures).reshape(m, h * w)
    expected = "pictures (m, h, w, 3) or (m, h, w)"
    raise fault("plane_order", expected, f"shape {pictures.shape}", "reshape them first")


def border_pixels(image: ImageShape) -> np.ndarray:
    """Return which features of a row in plane order are the outermost pixels of the picture."""
    inner = np.zeros((image.channels, image.height, image.width), dtype=np.bool_)
    inner[:, 1:-1, 1:-1] = True
    return np.flatnonzero(~inner)


@dataclass(frozen=True, eq=False)
class Dataset:
    """m samples of n features, and the class of each.

    X           (m, n) raw values: uint8 pixels, or floats
    y           (m,) int64, positions in `classes`; or float64, numbers to predict
    classes     the names of the classes, () where y holds numbers to predict
    image       the shape of the pictures, where rows are pictures; a row is all red values, then all green, all blue
    source      where the samples came from, for messages and reports
    full_scale  the raw value that counts as 1, where the source fixes one that the dtype does not tell
    features    the names of the columns, where the file names them
    notes       what a reader should know of the reading: files that were left out, a separator that was guessed
    origin      (m,) where each row came from: its file, or its number among the rows of the source, from 1; None for
                all rows of the source in their order

    Raises DataError where the parts do not fit together.
    """

    X: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    image: ImageShape | None
    source: str
    full_scale: float | None = None
    features: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: np.ndarray | None = None

    @property
    def white(self) -> float | None:
        """The raw value that counts as 1: 255 for pixels as bytes; None where nothing fixes one."""
        return 255.0 if self.X.dtype == np.uint8 else self.full_scale

    @property
    def places(self) -> np.ndarray:
        """Where each row came from, (m,): the names of files, or numbers of rows from 1."""
        return np.arange(1, len(self.y) + 1) if self.origin is None else self.origin

    def __post_init__(self) -> None:
        X, y, k = self.X, self.y, len(self.classes)
        if X.ndim != 2 or 0 in X.shape:
            raise fault(self.source, "X (m, n) with m, n >= 1", f"shape {X.shape}", "give samples as rows")
        if y.shape != X.shape[:1]:
            got = f"y of shape {y.shape} with X of shape {X.shape}"
            raise fault(self.source, "one label for each row of X", got, "make y (m,) for X's m rows")
        if not self.classes:
            if y.dtype != np.float64 or not np.isfinite(y).all():
                raise fault(
                    self.source, "finite float64 numbers to predict", f"{y.dtype}", "name the classes"
                )
        elif y.dtype != np.int64 or y.min() < 0 or y.max() >= k:
            got = f"{y.dtype} from {y.min()} to {y.max()}"
            raise fault(self.source, f"y as int64 from 0 to {k - 1}", got, "number the classes from 0")
        if self.image is not None and self.image.n != X.shape[1]:
            raise fault(self.source, f"{self.image.n} features", f"{X.shape[1]}", f"correct {self.image}")
