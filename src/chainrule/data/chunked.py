"""Files too large for memory, opened as Dask arrays: chunks of rows that are read where and when they are computed.

Nothing is unpickled. Every worker reads by the path, so it must name the same file on all their machines.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from chainrule.data.classes import numbered, plain_labels
from chainrule.data.dataset import Dataset, plane_order
from chainrule.data.errors import DataError, fault, faults_named, some
from chainrule.data.formats import apart, hdf5
from chainrule.data.formats.npz import as_text
from chainrule.data.formats.reader import Raw, check_labels, check_samples, image_shape
from chainrule.data.formats.stores import NPY_NAME
from chainrule.data.loading import reader_of

# Rows of a chunk where nobody says: as many as take so many bytes.
_BYTES_OF_CHUNK = 1 << 26


@dataclass(frozen=True)
class _Npy:
    """The array in a .npy file, of which slices are read."""

    path: Path
    shape: tuple[int, ...]
    dtype: Any
    ndim: int = field(init=False)
    note = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ndim", len(self.shape))

    def __getitem__(self, index: Any) -> np.ndarray:
        with faults_named(self.path):
            return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[index])

    def whole(self) -> np.ndarray:
        """Return all of the array."""
        return self[...]


def is_store(path: Path) -> bool:
    """Return whether `path` is of a format whose rows can be read chunk by chunk."""
    reader = reader_of(path)
    return reader is not None and reader.in_chunks and path.exists()


def open_rows(path: str | Path, chunk_rows: int | None = None) -> tuple[Dataset, Dataset | None]:
    """Return the training rows at `path`, and the held-out rows where there are any, with X as a Dask array.

    .zarr    a group with the arrays X (m, n), (m, h, w) or (m, h, w, 3) and y (m,), and maybe X_test and y_test; where
             some chunks are absent they read as the fill value, as Zarr has it, and the notes tell how many
    .h5      datasets of these names; or the layout of the cat pictures, as `data.load` has it
    a folder of .npy files: X.npy and y.npy; or X-0.npy, X-1.npy, ..., of which the rows are one below the other in the
             order of the numbers, with y.npy, or y-0.npy, ... cut at the same rows; X_test and y_test alike

    `chunk_rows` rows are a chunk, by default as many as take 64 MiB; files of a folder are never mixed in one. y is
    read whole. Raises DataError for what cannot be used, ImportError where the package that reads it is missing.
    """
    path = Path(path)
    with faults_named(path):
        arrays = _arrays(path)
        keys = ("train_set_x", "train_set_y") if "train_set_x" in arrays else ("X", "y")
        train = numbered(_raw(path, arrays, *keys, chunk_rows))
        if {"X_test", "y_test"} & set(arrays):
            return train, numbered(_raw(path, arrays, "X_test", "y_test", chunk_rows), train)
    beside = None if keys[0] == "X" else hdf5.held_out_file(path)
    return train, open_test(beside, train, chunk_rows) if beside else None


def open_raw(path: str | Path) -> tuple[Raw, Raw | None]:
    """Return the rows at `path` and the held-out rows or None, as `open_rows` does; labels may be missing."""
    path = Path(path)
    with faults_named(path):
        arrays = _arrays(path)
        pairs = [
            ("train_set_x", "train_set_y"),
            ("test_set_x", "test_set_y"),
            ("X", "y"),
            ("X_test", "y_test"),
        ]
        found = [pair for pair in pairs if pair[0] in arrays] or [("X", "y")]
        raws = [_raw(path, arrays, *pair, None, labelled=False) for pair in found[:2]]
    beside = hdf5.held_out_file(path) if found[0] == pairs[0] and len(raws) == 1 else None
    test = open_raw(beside)[0] if beside else None
    return raws[0], raws[1] if len(raws) > 1 else test


def open_test(path: str | Path, train: Dataset, chunk_rows: int | None = None) -> Dataset:
    """Return held-out rows in a store of their own, X and y in it or test_set_x and test_set_y, to fit `train`."""
    path = Path(path)
    with faults_named(path):
        arrays = _arrays(path)
        keys = ("test_set_x", "test_set_y") if "test_set_x" in arrays else ("X", "y")
        return numbered(_raw(path, arrays, *keys, chunk_rows), train)


def chunked(rows: Dataset, chunk_rows: int | None = None) -> Dataset:
    """Return rows that are in memory with X as a Dask array."""
    X = rows.X
    return replace(rows, X=da.from_array(X, chunks=(_height(chunk_rows, X.shape, X.dtype), *X.shape[1:])))


def height_of_chunk(shape: Sequence[int], itemsize: int) -> int:
    """Return how many rows make a chunk of about 64 MiB, in float32, in which it is computed, or in what is wider."""
    return max(1, min(int(shape[0]), _BYTES_OF_CHUNK // max(1, math.prod(shape[1:]) * max(4, itemsize))))


def _height(chunk_rows: int | None, shape: tuple[int, ...], dtype: Any) -> int:
    if chunk_rows is None:
        return height_of_chunk(shape, np.dtype(dtype).itemsize)
    if chunk_rows < 1:
        raise fault("chunk_rows", "a number of rows from 1 up, or None", f"{chunk_rows}", "correct it")
    return chunk_rows


def _arrays(path: Path) -> dict[str, list[Any]]:
    """Return the arrays at `path` by their names, each in the pieces that lie one below the other."""
    if path.is_dir() and path.suffix.lower() != ".zarr":
        return _in_folder(path)
    found = apart.arrays(path, "zarr", "cluster") if path.suffix.lower() == ".zarr" else hdf5.stored(path)
    return {key: [hdf5.own(path, key, array)] for key, array in found.items()}


def _in_folder(path: Path) -> dict[str, list[Any]]:
    found: dict[str, list[tuple[int, Path]]] = {}
    for entry in path.iterdir():
        name = NPY_NAME.fullmatch(entry.name)
        if name and not entry.is_file():
            # Opening a pipe would wait for somebody to write to it.
            raise fault(entry, "a file", "a folder, a pipe or a link to nothing", "take it out")
        if name:
            key = name[1].removesuffix("_train").replace("x", "X")
            found.setdefault(key, []).append((int(name[2] or 0), entry))
    arrays: dict[str, list[Any]] = {}
    heights: dict[str, dict[int, tuple[int, ...]]] = {}
    for key, pieces in found.items():
        if len({number for number, _ in pieces}) < len(pieces):
            got = some(sorted(p.name for _, p in pieces))
            raise fault(path, f"one file for each number of {key}", got, "take out what is there twice")
        heads = [(p, _mapped(key, p)) for _, p in sorted(pieces)]
        arrays[key] = [_Npy(p, x.shape, x.dtype) for p, x in heads]
        if len({(x.shape[1:], str(x.dtype)) for _, x in heads}) > 1:
            got = some([f"{p.name}: {x.dtype} {x.shape}" for p, x in heads])
            raise fault(path, f"{key} of one width and dtype", got, "make them alike")
        heights[key] = {
            number: x.shape[:1] for (number, _), (_, x) in zip(sorted(pieces), heads, strict=True)
        }
    for key, labels in (("X", "y"), ("X_test", "y_test")):
        one, other = heights.get(key, {}), heights.get(labels, {})
        odd = [number for number in sorted({*one, *other}) if one.get(number) != other.get(number)]
        # Labels of all rows may lie in one file.
        if odd and len(other) > 1:
            expected = f"{key}-{odd[0]}.npy and {labels}-{odd[0]}.npy of as many rows"
            got = f"{one.get(odd[0], 'none')} and {other.get(odd[0], 'none')}"
            raise fault(path, expected, got, f"cut {key} and {labels} at the same rows")
    return arrays


def _mapped(key: str, path: Path) -> np.ndarray:
    """Return an .npy file of which the header alone is read. Raises DataError for objects, which it would unpickle."""
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        if "Python objects" not in str(error):
            raise
        raise fault(
            path, f"{key} as a plain array of numbers or text", "Python objects", as_text(key)
        ) from error
    return array


def _raw(
    path: Path,
    arrays: dict[str, list[Any]],
    x_key: str,
    y_key: str,
    chunk_rows: int | None,
    *,
    labelled: bool = True,
) -> Raw:
    labelled = labelled or y_key in arrays
    missing = [key for key in (x_key, y_key)[: 1 + labelled] if key not in arrays]
    if missing:
        raise fault(
            path, f"the arrays {x_key} and {y_key}", some(sorted(arrays)), f"save {some(missing)} too"
        )
    first = arrays[x_key][0]
    rows = sum(piece.shape[0] for piece in arrays[x_key]) if first.shape else 0
    shape = (rows, *first.shape[1:])
    check_samples(path, x_key, first.dtype, shape)
    height = _height(chunk_rows, shape, first.dtype)
    X = da.concatenate([_lazy(piece, height) for piece in arrays[x_key]])
    y = _labels(path, y_key, arrays[y_key]) if labelled else None
    if y is not None:
        check_labels(path, y_key, y, rows)
    image = image_shape(shape)
    if image is not None:
        X = X.map_blocks(
            plane_order,
            dtype=X.dtype,
            chunks=(X.chunks[0], (image.n,)),
            drop_axis=list(range(2, len(shape))),
            meta=np.empty((0, 0), X.dtype),
        )
    classes = None
    if x_key.endswith("_set_x"):
        listed = arrays["list_classes"][0].whole() if "list_classes" in arrays else None
        classes = hdf5.class_names(path, listed)
        y = None if y is None else hdf5.labels_by_name(path, y_key, y, classes)
    used = arrays[x_key] + (arrays[y_key] if labelled else [])
    notes = tuple(f"{path}: {piece.note}" for piece in used if piece.note)
    return Raw(X, y, image, str(path), classes, place=f"{y_key}[{{}}]".format, notes=notes)


def _labels(path: Path, key: str, pieces: list[Any]) -> np.ndarray:
    y = np.concatenate([plain_labels(piece.whole()) for piece in pieces])
    if y.dtype.kind not in "biufSU":
        raise fault(path, f"{key} of whole numbers or names", f"type {y.dtype}", "save such")
    return y


def _lazy(piece: Any, height: int) -> Any:
    if isinstance(piece, apart.StoredArray):
        piece.check(at_once=False)
    chunks, meta = (height, *piece.shape[1:]), np.empty((0,) * piece.ndim, piece.dtype)
    return da.from_array(piece, chunks=chunks, name=False, asarray=True, fancy=False, meta=meta)


__all__ = ["DataError", "chunked", "is_store", "open_rows", "open_test"]
