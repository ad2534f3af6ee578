"""What a file of data holds before classes are numbered, and the one style of saying what is wrong with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

AGAIN = "is the file complete? Copy or write it again"


class DataError(ValueError):
    """Data that cannot be used: the message names the file, what was expected, what came and what to do."""


def fault(file: object, expected: str, got: str, remedy: str) -> DataError:
    """Word a DataError in the one style that all of them have."""
    return DataError(f"{file}: expected {expected}, got {got}; {remedy}")


def some(names: Any) -> str:
    """Name at most ten of a sequence, and say how many there are."""
    shown = ", ".join(map(repr, names[:10])) or "nothing"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 10 else shown


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on broken bytes into a DataError that names the file."""
    try:
        yield
    except (DataError, ImportError):
        raise
    except Exception as error:  # h5py and zipfile have no common type for it
        got = f"a fault on reading it ({type(error).__name__}: {error})"
        raise fault(path, "a whole, readable file", got, AGAIN) from error


@contextmanager
def needs_app(package: str) -> Iterator[None]:
    """Around an optional import: say how to get the package where it is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f'reading this data needs {package}: pip install "chainrule[app]"') from error


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
