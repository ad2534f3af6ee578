"""Arrays of NumPy: .npz archives and .npy files. Nothing in them is unpickled."""

import io
import math
import re
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from chainrule.data.dataset import plane_order
from chainrule.data.errors import AGAIN, DataError, fault, shortened, some
from chainrule.data.formats.reader import (
    Raw,
    Reader,
    Wanted,
    check_labels,
    check_samples,
    image_shape,
    suffixed,
)
from chainrule.data.limits import check_room

# The names of the arrays: samples and labels, and those held out. Keras' mnist.npz has the second ones.
_NAMES = (
    ("X", "y", "X_test", "y_test"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
)


def read(path: Path, wanted: Wanted | None = None) -> tuple[Raw, Raw | None]:
    """Return the samples and labels of an .npz file, and the held-out ones where it has them.

    For a model, the labels may be missing.
    """
    with zipfile.ZipFile(path) as archive:
        there = {name.removesuffix(".npy") for name in archive.namelist()}
        names = next((names for names in _NAMES if names[0] in there), _NAMES[0])
        pairs = [names[:2]] + ([names[2:]] if there & {*names[2:]} else [])
        raws = []
        for x_key, y_key in pairs:
            keys = [x_key] if wanted is not None and y_key not in there else [x_key, y_key]
            raws.append(_raw(path, x_key, y_key, *_read_arrays(path, archive, keys)))
    return raws[0], raws[1] if len(raws) > 1 else None


READER = Reader(
    name="an `.npz` file",
    layout="`X` (m, n), (m, h, w) or (m, h, w, 3) and `y` (m,), and `X_test` and `y_test` where you have them; or "
    "`x_train`, `y_train`, `x_test`, `y_test`",
    claims=suffixed(".npz"),
    read=read,
    options=("wanted",),
)


def read_npy(path: Path, wanted: Wanted | None = None) -> tuple[Raw, Raw | None]:
    """Return the samples of an .npy file, X.npy or X_train.npy, and of X_test.npy beside it; labels are in y for X.

    For a model, the labels may be missing, and the file may have any name.
    """
    beside = path.with_name(re.sub(r"^([Xx])(_train)?\.", r"\1_test.", path.name))
    train = _npy_pair(path, needed=wanted is None)
    return train, _npy_pair(beside, needed=wanted is None) if beside != path and beside.is_file() else None


NPY = Reader(
    name="an `.npy` file",
    layout="`X.npy` or `X_train.npy`, its labels in `y.npy` or `y_train.npy` beside it; `X_test.npy` and `y_test.npy` "
    "there are held out",
    claims=suffixed(".npy"),
    read=read_npy,
    options=("wanted",),
    read_test=lambda path, train: _npy_pair(path, needed=True),
)


def _npy_pair(path: Path, *, needed: bool) -> Raw:
    labels = path.with_name(re.sub("^[Xx]", "y", path.name))
    if labels == path or not labels.is_file():
        if needed:
            expected = f"its labels beside it, in {labels.name if labels != path else 'y.npy for X.npy'}"
            raise fault(path, expected, "no such file", "put them there")
        return _raw(path, "X", "y", _npy(path))
    return _raw(path, "X", "y", _npy(path), _npy(labels))


def _npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return _plain(path, path.name[0], file, path.stat().st_size)


def _raw(path: Path, x_key: str, y_key: str, X: np.ndarray, y: np.ndarray | None = None) -> Raw:
    X = _checked(path, x_key, X)
    if y is not None:
        check_labels(path, y_key, y, len(X))
    image = image_shape(X.shape)
    return Raw(X if image is None else plane_order(X), y, image, str(path), place=f"{y_key}[{{}}]".format)


def _checked(path: Path, x_key: str, X: np.ndarray) -> np.ndarray:
    """Return X as uint8 or as floats in C order. Raises DataError unless all are finite."""
    check_samples(path, x_key, X.dtype, X.shape)
    if X.dtype != np.uint8:
        single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
        # A long double may become infinite; the next check says so.
        with np.errstate(over="ignore"):
            X = X.astype(np.float32 if single else np.float64, order="C", copy=False)
    odd = ~np.isfinite(X)
    if odd.any():
        row, *column = (int(i) for i in np.argwhere(odd)[0])
        at = f"row {row}, column {', '.join(map(str, column))} (counted from 0)"
        got = f"{np.count_nonzero(odd)} that are NaN or infinite, the first at {at}"
        raise fault(path, f"finite numbers in {x_key}", got, "fill them, or leave the rows out")
    return X


def _read_arrays(path: Path, archive: zipfile.ZipFile, keys: list[str]) -> list[np.ndarray]:
    _check_count(path, len(archive.namelist()))
    there = [name.removesuffix(".npy") for name in archive.namelist()]
    missing = [key for key in keys if key not in there]
    if missing:
        expected = f"the array{'s' if len(keys) > 1 else ''} {some(keys)}"
        raise fault(path, expected, some(there), f"save {some(missing)} too")
    return [_read_array(path, archive, key) for key in keys]


def _check_count(path: Path, found: int) -> None:
    """Raise DataError unless the archive's last record counts the arrays that were found.

    A damaged directory can hide one array behind another.
    """
    with path.open("rb") as file:
        file.seek(-22, io.SEEK_END)
        end = file.read()
    counted = int.from_bytes(end[10:12], "little")
    if end.startswith(b"PK\x05\x06") and counted not in (found, 0xFFFF):
        raise fault(path, f"an archive with {counted} arrays, as it ends with", f"{found}", AGAIN)


def as_text(key: str) -> str:
    """Return what to do with an array of objects, which would have to be unpickled."""
    return f"names are plain as text, {key}.astype(str), and numbers as {key}.astype(float)"


def npy_bytes(file: IO[bytes]) -> int:
    """Return how many bytes the array of an open .npy file takes in memory, by its header."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    member = f"{key}.npy"
    with archive.open(member) as file:
        held = archive.getinfo(member).compress_size
        values = _plain(path, key, file, min(held, path.stat().st_size))
        # zipfile compares the checksum where the member ends, which may be after the last number.
        file.read()
    return values


def _plain(path: Path, key: str, file: IO[bytes], held: int) -> np.ndarray:
    """Return the array of an open .npy file that takes `held` bytes."""
    try:
        check_room(path, key, npy_bytes(file), held)
        file.seek(0)
        values: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except ValueError as error:
        got = f"one that cannot be read ({shortened(str(error))})"
        raise fault(path, f"{key} as a plain array of numbers or text", got, as_text(key)) from error
    return values
