"""Tables of text: .csv files, UTF-8, with a header line that names the columns."""

import csv
import io
import re
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from chainrule.data.errors import fault, some
from chainrule.data.formats.reader import Raw, Reader, suffixed


def read(path: Path, label: str | None) -> tuple[Raw, None]:
    """Return the samples of a .csv file: the column `label` names the class, all others are numbers."""
    header, records = _opened(path)
    known = [label] if label is not None else ["label", "y", "target"]
    found = [name for name in known if name in header]
    if len(found) != 1:
        expected = f"one label column ({' or '.join(map(repr, known))})"
        got = f"the columns {some(header)}"
        other_sign = len(header) == 1 and (";" in header[0] or "\t" in header[0])
        remedy = "separate cells by commas" if other_sign else "name the label column with label= (--label)"
        raise fault(f"{path}, line 1", expected, got, remedy)
    if len(header) < 2:
        got = f"{header[0]!r} alone"
        raise fault(f"{path}, line 1", "columns of numbers beside the label", got, "add some")
    k = header.index(found[0])
    features = tuple(header[:k] + header[k + 1 :])
    X, lines, labels = _numbers(path, header, records, features, k)

    def place(row: int) -> str:
        return f"line {lines[row]}, column {header[k]!r}"

    return Raw(X, _classes(labels), None, str(path), features=features, place=place), None


def read_rows(path: Path, features: tuple[str, ...], n: int) -> np.ndarray:
    """Return the columns `features` of a .csv file as X (m, n), or all n columns where no names are known."""
    header, records = _opened(path)
    if not features and len(header) != n:
        raise fault(path, f"{n} columns as the model learnt", f"{len(header)}", "give those columns alone")
    known = set(header)
    missing = [name for name in features if name not in known]
    if missing:
        raise fault(path, f"the columns {some(features)}", f"none called {some(missing)}", "add them")
    return _numbers(path, header, records, features or tuple(header))[0]


READER = Reader(
    name="a `.csv` file",
    layout="a header line, a column of labels (`--label NAME`; else `label`, `y` or `target`), all others numbers",
    claims=suffixed(".csv"),
    read=read,
    options=("label",),
    read_rows=read_rows,
)


def _opened(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the checked header of a .csv file, and its other records."""
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
    twice = [name for name, times in Counter(header).items() if times > 1]
    if twice:
        raise fault(here, "distinct names of columns", f"{some(twice)} more than once", "rename or drop one")
    return header, records


def _numbers(
    path: Path,
    header: list[str],
    records: Iterator[tuple[int, list[str]]],
    features: tuple[str, ...],
    label: int = 0,
) -> tuple[np.ndarray, list[int], list[str]]:
    """Return the columns `features` as X (m, n), and for each row its line and its cell in column number `label`."""
    place = {name: k for k, name in enumerate(header)}
    at = [place[name] for name in features]
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
    _check_finite(path, X, lines, features)
    return X, lines, labels


def _check_finite(path: Path, X: np.ndarray, lines: list[int], features: tuple[str, ...]) -> None:
    odd = ~np.isfinite(X)
    if odd.any():
        row, j = (int(i) for i in np.argwhere(odd)[0])
        here = f"{path}, line {lines[row]}, column {features[j]!r}"
        got = f"{np.count_nonzero(odd)} that are NaN or infinite, this one first"
        raise fault(here, "finite numbers", got, "remove or fill them")


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with the number of the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            here = f"{path}, line {line}"
            raise fault(here, "comma-separated cells", str(error), "mend the line") from None
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


# A number such as a post code, whose zeros in front tell it from another one.
_PADDED = re.compile(r"[-+]?0\d+")


def _number(cell: str) -> float:
    # Python alone takes 1_000 for a number.
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _classes(labels: list[str]) -> np.ndarray:
    """Return labels as integers where all are, else as floats where all are, so that 1.0 is class 1; else as text.

    Text too are labels with zeros in front, 01234 beside 1234, and whole numbers that no int64 holds.
    """
    if not all(map(_is_number, labels)) or any(map(_PADDED.fullmatch, labels)):
        return np.array(labels)
    try:
        return np.array([int(label) for label in labels], dtype=np.int64)
    except OverflowError:
        return np.array(labels)
    except ValueError:
        return np.array([float(label) for label in labels])
