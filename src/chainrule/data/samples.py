"""New samples for a model, in blocks: pictures, folders of pictures, and whatever else `load` reads."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.classes import composed, known_names
from chainrule.data.errors import DataError, fault, faults_named
from chainrule.data.formats import pictures
from chainrule.data.formats.reader import Raw, Wanted
from chainrule.data.loading import checked_reader

# Rows that are answered at once: few enough to show how it goes, many enough to be quick.
_PICTURES, _ROWS = 64, 8192


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of samples.

    X       (m, n) raw values: the pixels of pictures from 0 to 255, or the numbers of a file
    labels  the name of each row's class, or its number as text; None where it is not known
    files   the file of each picture; None for rows of a table
    first   the number of the first row, from 1
    framed  whether each picture was framed to its ink; () for rows of a table
    """

    X: np.ndarray
    labels: list[str | None]
    files: list[Path] | None = None
    first: int = 1
    framed: tuple[bool, ...] = ()


@dataclass(frozen=True, eq=False)
class Samples:
    """How many samples there are, the names of all their classes, their blocks, and notes of the reading."""

    number: int
    names: frozenset[str]
    blocks: Iterator[Block]
    notes: tuple[str, ...] = ()


def open_samples(
    path: str | Path,
    wanted: Wanted,
    *,
    label: str | None = None,
    held_out: bool = False,
    on_fault: Callable[[DataError], None] | None = None,
    numbers: bool = False,
) -> Samples:
    """Return the samples at `path` for a model: a picture, a folder of pictures, or data in a format of READERS.

    label     the column of a table that names the class; by default the one called label, y or target, if there is one
    held_out  whether to take the held-out rows of data that bring some, else the others
    on_fault  called with the error of a picture that does not open, which is then left out; by default it is raised
    numbers   whether labels are numbers, for a model that predicts one, and not the names of classes

    Labels may be missing. A column of labels that nobody named and that names no classes is left out. Of a folder of
    pictures, the first subfolder of a picture names its class. Raises DataError for data that cannot be used.
    """
    path = Path(path)
    with faults_named(path):
        if path.is_file() and path.suffix.lower() in pictures.SUFFIXES:
            return _pictures([(path, None)], wanted, on_fault)
        reader = checked_reader(path, label)
        if reader is pictures.READER:
            listed, notes = pictures.listed(path, held_out=held_out)
            named = [(entry, name and composed(name)) for entry, name in listed]
            return _pictures(named, wanted, on_fault, notes)
        raw, test = _read(path, reader, label, wanted)
        if held_out:
            if test is None:
                raise fault(path, "held-out rows", "none", "leave out --held-out")
            raw = test
    if raw.X.shape[1] != wanted.n:
        got = f"{raw.X.shape[1]}"
        raise fault(
            path,
            f"{wanted.n} features as the model learnt",
            got,
            "give data of the layout that it learnt from",
        )
    labels = _numbers_of(raw) if numbers else _labels_of(raw, label)
    return Samples(len(raw.X), _named(labels), _slices(path, raw, labels), raw.notes)


def _read(path: Path, reader: Any, label: str | None, wanted: Wanted) -> tuple[Raw, Raw | None]:
    if not reader.in_memory or (reader.in_chunks and "wanted" not in reader.options):
        try:
            from chainrule.data.chunked import open_raw
        except ImportError as error:
            if not reader.in_memory:
                raise ImportError(
                    "reading this data needs dask: pip install '.[cluster]' in chainrule's folder"
                ) from error
        else:
            return open_raw(path)
    given = {"label": label, "wanted": wanted}
    read: tuple[Raw, Raw | None] = reader.read(path, **{name: given[name] for name in reader.options})
    return read


def _labels_of(raw: Raw, label: str | None) -> list[str | None]:
    try:
        return known_names(raw)
    except DataError:
        if label is not None:
            raise
        return [None] * len(raw.X)


def _numbers_of(raw: Raw) -> list[str | None]:
    def number(label: Any) -> str | None:
        try:
            return None if float(label) != float(label) else repr(float(label))
        except (TypeError, ValueError):
            return None

    return [None] * raw.X.shape[0] if raw.labels is None else [number(label) for label in raw.labels.tolist()]


def _named(labels: Iterable[str | None]) -> frozenset[str]:
    return frozenset(name for name in labels if name is not None)


def _slices(path: Path, raw: Raw, labels: list[str | None]) -> Iterator[Block]:
    for start in range(0, len(raw.X), _ROWS):
        with faults_named(path):
            X = np.asarray(raw.X[start : start + _ROWS])
        if not np.isfinite(X).all():
            row = start + 1 + int(np.argwhere(~np.isfinite(X))[0][0])
            raise fault(path, "finite numbers", f"others in row {row}", "fill them, or leave the row out")
        yield Block(X, labels[start : start + _ROWS], first=start + 1)


def _pictures(
    listed: list[tuple[Path, str | None]],
    wanted: Wanted,
    on_fault: Callable[[DataError], None] | None,
    notes: tuple[str, ...] = (),
) -> Samples:
    """Return pictures as blocks; each comes with the name of its class, None where that is not known."""

    def blocks() -> Iterator[Block]:
        assert wanted.image is not None
        for start in range(0, len(listed), _PICTURES):
            rows: list[tuple[np.ndarray, bool]] = []
            kept: list[tuple[Path, str | None]] = []
            for path, name in listed[start : start + _PICTURES]:
                try:
                    rows.append(pictures.read_framed(path, wanted.image, wanted.ink))
                    kept.append((path, name))
                except DataError as error:
                    if on_fault is None:
                        raise
                    on_fault(error)
            if rows:
                X, framed = zip(*rows, strict=True)
                yield Block(
                    np.stack(X), [name for _, name in kept], [path for path, _ in kept], start + 1, framed
                )

    if wanted.image is None:
        path = listed[0][0]
        raise fault(
            path, "a file with rows of numbers, for this model learnt from a table", "a picture", "give rows"
        )
    return Samples(len(listed), _named(name for _, name in listed), blocks(), notes)
