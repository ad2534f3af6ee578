"""Files of tables and arrays: .csv and .npz."""

import csv
import io
import zipfile
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chainrule.data.dataset import ImageShape, Raw, check_labels
from chainrule.data.errors import AGAIN, fault, faults_named, some
from chainrule.data.pictures import plane_order

TABLES = (".csv", ".npz")


def read_csv(path: Path, label: str | None) -> Raw:
    """The samples of a .csv file: the column `label` names the class, all others are numbers."""
    header, records = _open_csv(path)
    known = [label] if label is not None else ["label", "y", "target"]
    found = [name for name in known if name in header]
    if len(found) != 1:
        expected = f"one label column ({' or '.join(map(repr, known))})"
        got = f"the columns {some(header)}"
        alone = len(header) == 1 and (";" in header[0] or "\t" in header[0])
        remedy = "separate cells by commas" if alone else "name the label column with label= (--label)"
        raise fault(f"{path}, line 1", expected, got, remedy)
    if len(header) < 2:
        got = f"{header[0]!r} alone"
        raise fault(f"{path}, line 1", "columns of numbers beside the label", got, "add some")
    k = header.index(found[0])
    features = tuple(header[:k] + header[k + 1 :])
    X, lines, labels = _numbers(path, header, records, features, k)

    def place(row: int) -> str:
        return f"line {lines[row]}, column {header[k]!r}"

    return Raw(X, _column(labels), None, str(path), features=features, place=place)


def read_rows(path: str | Path, features: tuple[str, ...], n: int) -> np.ndarray:
    """Samples without labels, (m, n): from a .csv file its columns `features`, from an .npz file X.

    Other columns are left out, so a file with labels will do. Where no names are known (features is ()), a .csv file
    must have n columns. Raises DataError for what does not fit.
    """
    path = Path(path)
    if not path.is_file() or path.suffix.lower() not in TABLES:
        got = "another suffix" if path.is_file() else "no such file"
        raise fault(path, "a .csv or .npz file with rows of numbers", got, "check the name")
    with faults_named(path):
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                (X,) = _read_arrays(path, archive, ["X"])
            X = _checked(path, "X", X)
            X = X if X.ndim == 2 else plane_order(X)
            if X.shape[1] != n:
                raise fault(
                    path, f"X (m, {n}) as the model learnt", f"shape {X.shape}", "give those features"
                )
            return X
        header, records = _open_csv(path)
        if features or len(header) == n:
            missing = [name for name in features if name not in header]
            if missing:
                raise fault(path, f"the columns {some(features)}", f"none called {some(missing)}", "add them")
            return _numbers(path, header, records, features or tuple(header))[0]
        raise fault(path, f"{n} columns as the model learnt", f"{len(header)}", "give those columns alone")


def _open_csv(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The checked header of a .csv file, and its other records."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise fault(f"{path}, line {line}", "UTF-8 text", "other bytes", "save it as UTF-8") from None
    records = _records(path, text)
    _, header = next(records, (1, []))
    header = [name.strip() for name in header]
    if not header:
        raise fault(path, "a header line with the names of the columns", "blank lines", "add one")
    here = f"{path}, line 1"
    if "" in header:
        got = f"none for column {header.index('') + 1}"
        raise fault(here, "a name for each column", got, "name it or drop it (pandas: to_csv(index=False))")
    if len(set(header)) < len(header):
        twice = some([name for name in dict.fromkeys(header) if header.count(name) > 1])
        raise fault(here, "distinct names of columns", f"{twice} more than once", "rename or drop one")
    return header, records


def _numbers(
    path: Path,
    header: list[str],
    records: Iterator[tuple[int, list[str]]],
    features: tuple[str, ...],
    label: int = 0,
) -> tuple[np.ndarray, list[int], list[str]]:
    """The columns `features` as X (m, n), and for each row its line and what column number `label` says."""
    at = [header.index(name) for name in features]
    values, lines, labels = array("d"), [], []
    for line, cells in records:
        if len(cells) != len(header):
            expected = f"{len(header)} cells as in the header"
            raise fault(f"{path}, line {line}", expected, f"{len(cells)}", "complete or remove the line")
        lines.append(line)
        labels.append(cells[label].strip())
        try:
            values.extend([_number(cells[k]) for k in at])
        except ValueError:
            k = next(k for k in at if not _is_number(cells[k]))
            here = f"{path}, line {line}, column {header[k]!r}"
            raise fault(here, "a number", repr(cells[k].strip()), "correct it, or drop the column") from None
    if not lines:
        raise fault(path, "rows under the header", "none", "add samples")
    X = np.array(values).reshape(len(lines), len(features))
    odd = ~np.isfinite(X)
    if odd.any():
        row, j = (int(i) for i in np.argwhere(odd)[0])
        here = f"{path}, line {lines[row]}, column {features[j]!r}"
        got = f"{np.count_nonzero(odd)} that are NaN or infinite, this one first"
        raise fault(here, "finite numbers", got, "remove or fill them")
    return X, lines, labels


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not blank, with the number of the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise fault(
                f"{path}, line {line}", "comma-separated cells", str(error), "mend the line"
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


def _number(cell: str) -> float:
    if "_" in cell:  # Python's own spelling of numbers, nobody else's
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _column(labels: list[str]) -> np.ndarray:
    """Labels as integers where all are, else as floats where all are, so that 1.0 is class 1; else as text."""
    if not all(map(_is_number, labels)):
        return np.array(labels)
    try:
        return np.array([int(label) for label in labels], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array([float(label) for label in labels])


def read_npz(path: Path) -> tuple[Raw, Raw | None]:
    """X and y of an .npz file, and X_test and y_test where it has them."""
    with zipfile.ZipFile(path) as archive:
        held_out = not {"X_test.npy", "y_test.npy"}.isdisjoint(archive.namelist())
        arrays = _read_arrays(path, archive, ["X", "y", "X_test", "y_test"] if held_out else ["X", "y"])
    train = _raw(path, "X", "y", *arrays[:2])
    return train, _raw(path, "X_test", "y_test", *arrays[2:]) if held_out else None


def _count_checked(path: Path, found: int) -> None:
    """Compare with the number at the end of the archive: a damaged directory can hide arrays behind each other."""
    with path.open("rb") as file:
        file.seek(-22, io.SEEK_END)
        end = file.read()
    counted = int.from_bytes(end[10:12], "little")
    if end.startswith(b"PK\x05\x06") and counted not in (found, 0xFFFF):
        raise fault(path, f"an archive with {counted} arrays, as it ends with", f"{found}", AGAIN)


def _raw(path: Path, x_key: str, y_key: str, X: np.ndarray, y: np.ndarray) -> Raw:
    X = _checked(path, x_key, X)
    check_labels(path, y_key, y, X)
    image = None if X.ndim == 2 else ImageShape(X.shape[1], X.shape[2], 1 if X.ndim == 3 else 3)
    place = f"{y_key}[{{}}]".format
    return Raw(X if image is None else plane_order(X), y, image, str(path), place=place)


def _checked(path: Path, x_key: str, X: np.ndarray) -> np.ndarray:
    """X as uint8 or as floats, all finite."""
    if X.dtype.kind not in "biuf":
        raise fault(path, f"{x_key} of real numbers", f"type {X.dtype}", "save numbers")
    if not (X.ndim in (2, 3) or (X.ndim == 4 and X.shape[3] == 3)) or 0 in X.shape:
        got = f"shape {X.shape}"
        raise fault(path, f"{x_key} as (m, n), (m, h, w) or (m, h, w, 3), none 0", got, "reshape it")
    if X.dtype != np.uint8:
        single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
        with np.errstate(over="ignore"):  # a long double may become infinite: the next check says so
            X = X.astype(np.float32 if single else np.float64, order="C", copy=False)
    odd = ~np.isfinite(X)
    if odd.any():
        row, *column = (int(i) for i in np.argwhere(odd)[0])
        at = f"row {row}, column {', '.join(map(str, column))} (counted from 0)"
        got = f"{np.count_nonzero(odd)} that are NaN or infinite, the first at {at}"
        raise fault(path, f"finite numbers in {x_key}", got, "remove or fill them")
    return X


def _read_arrays(path: Path, archive: zipfile.ZipFile, keys: list[str]) -> list[np.ndarray]:
    _count_checked(path, len(archive.namelist()))
    there = [name.removesuffix(".npy") for name in archive.namelist()]
    missing = [key for key in keys if key not in there]
    if missing:
        expected = f"the array{'s' if len(keys) > 1 else ''} {some(keys)}"
        raise fault(path, expected, some(there), f"save {some(missing)} too")
    return [_read_array(path, archive, key) for key in keys]


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as file:
        try:
            values = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            got = f"one that cannot be read ({error})"
            raise fault(path, f"{key} as a plain array of numbers or text", got, "save it as such") from error
        # The checksum is looked at where the member ends, which may be after the last number.
        file.read()
    return values
