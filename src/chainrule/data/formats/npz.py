"""Archives of arrays: .npz files. Nothing in them is unpickled."""

import io
import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from chainrule.data.dataset import plane_order
from chainrule.data.errors import AGAIN, DataError, fault, some
from chainrule.data.formats.reader import Raw, Reader, check_labels, check_samples, image_shape, suffixed
from chainrule.data.limits import check_room


def read(path: Path) -> tuple[Raw, Raw | None]:
    """Return X and y of an .npz file, and X_test and y_test where it has them."""
    with zipfile.ZipFile(path) as archive:
        held_out = not {"X_test.npy", "y_test.npy"}.isdisjoint(archive.namelist())
        arrays = _read_arrays(path, archive, ["X", "y", "X_test", "y_test"] if held_out else ["X", "y"])
    train = _raw(path, "X", "y", *arrays[:2])
    return train, _raw(path, "X_test", "y_test", *arrays[2:]) if held_out else None


def read_rows(path: Path, features: tuple[str, ...], n: int) -> np.ndarray:
    """Return X of an .npz file as (m, n). The names `features` are not looked at: an array names no columns."""
    with zipfile.ZipFile(path) as archive:
        (X,) = _read_arrays(path, archive, ["X"])
    X = _checked(path, "X", X)
    X = X if X.ndim == 2 else plane_order(X)
    if X.shape[1] != n:
        expected = f"X (m, {n}) as the model learnt"
        raise fault(path, expected, f"shape {X.shape}", "give those features")
    return X


READER = Reader(
    name="an `.npz` file",
    layout="`X` (m, n), (m, h, w) or (m, h, w, 3) and `y` (m,), and `X_test` and `y_test` where you have them",
    claims=suffixed(".npz"),
    read=read,
    read_rows=read_rows,
)


def _raw(path: Path, x_key: str, y_key: str, X: np.ndarray, y: np.ndarray) -> Raw:
    X = _checked(path, x_key, X)
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
        raise fault(path, f"finite numbers in {x_key}", got, "remove or fill them")
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


def npy_bytes(file: IO[bytes]) -> int:
    """Return how many bytes the array of an open .npy file takes in memory, by its header."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    member = f"{key}.npy"
    with archive.open(member) as file:
        try:
            held = archive.getinfo(member).compress_size
            check_room(path, key, npy_bytes(file), min(held, path.stat().st_size))
            file.seek(0)
            values = np.lib.format.read_array(file, allow_pickle=False)
        except DataError:
            raise
        except ValueError as error:
            got = f"one that cannot be read ({error})"
            raise fault(path, f"{key} as a plain array of numbers or text", got, "save it as such") from error
        # zipfile compares the checksum where the member ends, which may be after the last number.
        file.read()
    return values
