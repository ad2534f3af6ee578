"""Files of data to load: sound ones to write, ways to spoil them, and how a refusal must read."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from chainrule.data import DataError, Dataset, load

RNG = np.random.default_rng(0)
X6 = RNG.normal(size=(6, 3))
Y6 = np.array([0, 1, 0, 1, 0, 1])
PICTURES = RNG.integers(0, 256, size=(6, 4, 5, 3), dtype=np.uint8)
Make = Callable[[Path], Path]


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


def cut(path: Path, keep: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def edited(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def spoilt(X: np.ndarray) -> np.ndarray:
    X = X.astype(np.float64)
    X[4, ..., 1] = np.nan
    X[5, ..., 0] = np.inf
    return X


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, size=(9, 8, 3), dtype=np.uint8))


def assert_refused(folder: Path, make: Make, said: list[str]) -> None:
    """Assert that what `make` writes is refused by a message with the file, the fault and the remedy."""
    path = make(folder)
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    assert str(folder) in message
    assert [words for words in said if words not in message] == []
    assert all(words in message for words in ("expected ", ", got ", "; ")), message
