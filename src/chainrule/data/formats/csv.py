"""Tables of text: .csv and .tsv files, packed by gzip or not, UTF-8, with a header line that names the columns.

Cells are separated by commas, semicolons or tabs. Where semicolons or tabs separate them, numbers may have decimal
commas. What was not as the suffix of the file says stands in the notes.
"""

import csv
import gzip
import io
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from chainrule.data.errors import fault, misfit, some
from chainrule.data.formats.reader import Raw, Reader, Wanted
from chainrule.data.limits import check_room

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_GZIP = b"\x1f\x8b"
# The columns that are taken for the label where nobody names one.
_LABELS = ("label", "y", "target")


@dataclass(frozen=True)
class _Table:
    """An opened file: its checked header, its other records with their lines, and how its cells are written."""

    path: Path
    header: list[str]
    records: Iterator[tuple[int, list[str]]]
    number: Callable[[str], float]
    notes: tuple[str, ...]


def read(path: Path, label: str | None, wanted: Wanted | None = None) -> tuple[Raw, None]:
    """Return the samples of a table: the column `label` names the class, all others are numbers.

    For a model, the columns that it learnt from are taken, wherever they stand, and the others left out; where it knows
    no names, all columns but the label, which may be missing.
    """
    table = _opened(path)
    header = table.header
    known = [label] if label is not None else [*_LABELS]
    taken = set(wanted.features) if wanted else set()
    found = [name for name in known if name in header and name not in taken]
    if len(found) != 1 and (wanted is None or label is not None):
        expected = f"one label column ({' or '.join(map(repr, known))})"
        got = f"the columns {some(header)}"
        raise misfit("label", f"{path}, line 1", expected, got, "name the column of the labels")
    if wanted is not None and label is None and not wanted.features and len(header) == wanted.n:
        found = []
    k = header.index(found[0]) if len(found) == 1 else None
    features = tuple(header if k is None else header[:k] + header[k + 1 :])
    if not features:
        raise fault(
            f"{path}, line 1", "columns of numbers beside the label", f"{header[0]!r} alone", "add some"
        )
    if wanted is not None:
        features = _chosen(path, header, features, wanted)
    X, lines, labels = _numbers(table, features, k)
    if table.number is _with_comma and all(not label or _is_number(label, _with_comma) for label in labels):
        labels = [label.replace(",", ".") for label in labels]

    def place(row: int) -> str:
        return f"line {lines[row]}, column {header[k or 0]!r}"

    y = None if k is None else _classes(labels)
    return Raw(X, y, None, str(path), features=features, place=place, notes=table.notes), None


def _chosen(path: Path, header: list[str], features: tuple[str, ...], wanted: Wanted) -> tuple[str, ...]:
    """Return the columns that a model takes."""
    if not wanted.features:
        if len(features) != wanted.n:
            raise fault(
                path,
                f"{wanted.n} columns as the model learnt",
                f"{len(features)}",
                "give those columns alone",
            )
        return features
    known = set(header)
    missing = [name for name in wanted.features if name not in known]
    if missing:
        raise fault(path, f"the columns {some(wanted.features)}", f"none called {some(missing)}", "add them")
    return wanted.features


def _claims(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES) and not path.is_dir()


READER = Reader(
    name="a `.csv` or `.tsv` file, `.gz` or not",
    layout="a header line, a column of labels (`--label NAME`; else `label`, `y` or `target`), all others numbers; "
    "separated by commas, tabs or semicolons",
    claims=_claims,
    read=read,
    options=("label", "wanted"),
)


def _opened(path: Path) -> _Table:
    """Return an opened table with its header checked."""
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise fault(f"{path}, line {line}", "UTF-8 text", "other bytes", "save it as UTF-8") from None
    usual = "\t" if ".tsv" in path.name.lower() else ","
    separator = _separator(text, usual)
    comma = separator != "," and _has_decimal_commas(path, text, separator)
    notes = []
    if separator != usual:
        notes.append(f"{path}: its cells are taken to be separated by {_SEPARATORS[separator]}")
    if comma:
        notes.append(f"{path}: the commas in its numbers are taken for decimal points")
    records = _records(path, text, separator)
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
    return _Table(path, header, records, _with_comma if comma else _number, tuple(notes))


def _content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked where gzip packed it, which its content tells and not its name."""
    content = path.read_bytes()
    if not content.startswith(_GZIP):
        return content
    unpacked = bytearray()
    with gzip.open(io.BytesIO(content)) as file:
        while piece := file.read(1 << 20):
            unpacked += piece
            check_room(path, "text", len(unpacked), len(content))
    return bytes(unpacked)


def _separator(text: str, usual: str) -> str:
    """Return the separator by which the header and the record under it have most cells, and as many; else the usual."""
    best, most = usual, 1
    for sign in (usual, *_SEPARATORS):
        try:
            lines = csv.reader(io.StringIO(text[: 1 << 20], newline=""), delimiter=sign)
            counts = [len(cells) for cells in islice(filter(None, lines), 2)]
        except csv.Error:
            continue
        if counts and len(set(counts)) == 1 and counts[0] > most:
            best, most = sign, counts[0]
    return best


def _has_decimal_commas(path: Path, text: str, separator: str) -> bool:
    """Return whether numbers have commas for decimal points. Raises DataError where commas may part thousands."""
    cells = re.findall(
        rf'(?:^|[{separator}])[ "]*([-+]?[\d.,]*,[\d.,]*(?:[eE][-+]?\d+)?)[ "]*(?=[{separator}\r\n]|\Z)',
        text,
        re.M,
    )
    if not cells:
        return False
    bare = [re.sub(r"[eE].*", "", cell).lstrip("+-") for cell in cells]
    odd = next((cell for cell in bare if "." in cell or cell.count(",") > 1), None)
    # 1,234 may be a thousand and more; 1,5 and 0,123 may not.
    proof = next((cell for cell in bare if not re.fullmatch(r"[1-9]\d{0,2},\d{3}", cell)), None)
    if odd is not None or proof is None:
        raise fault(
            path,
            "numbers whose commas are decimal points",
            f"{odd or bare[0]!r}, in which a comma may part thousands",
            "write numbers as 1234.5",
        )
    points = re.search(rf'(?:^|[{separator}])[ "]*[-+]?\d*\.\d+[ "]*(?=[{separator}\r\n]|\Z)', text, re.M)
    if points:
        got = f"{cells[0]!r} and a number with a point"
        raise fault(path, "one sign for the decimal point in all numbers", got, "write numbers as 1234.5")
    return True


def _numbers(
    table: _Table, features: tuple[str, ...], label: int | None
) -> tuple[np.ndarray, list[int], list[str]]:
    """Return the columns `features` as X (m, n), and for each row its line and its cell in column number `label`."""
    path, header, number = table.path, table.header, table.number
    place = {name: k for k, name in enumerate(header)}
    at = [place[name] for name in features]
    values, lines, labels = array("d"), [], []
    for line, cells in table.records:
        if len(cells) != len(header):
            expected = f"{len(header)} cells as in the header"
            raise fault(f"{path}, line {line}", expected, f"{len(cells)}", "complete the line")
        lines.append(line)
        if label is not None:
            labels.append(cells[label].strip())
        try:
            values.extend([number(cells[k]) for k in at])
        except ValueError:
            k = next(k for k in at if not _is_number(cells[k], number))
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
        raise fault(here, "finite numbers", got, "fill them, or leave the rows out")


def _records(path: Path, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with the number of the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            here = f"{path}, line {line}"
            raise fault(
                here, f"cells separated by {_SEPARATORS[separator]}", str(error), "mend the line"
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            yield line, cells


# A number such as a post code, whose zeros in front tell it from another one.
_PADDED = re.compile(r"[-+]?0\d+")


def _number(cell: str) -> float:
    # Python alone takes 1_000 for a number.
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def _with_comma(cell: str) -> float:
    return _number(cell.replace(",", "."))


def _is_number(cell: str, number: Callable[[str], float] = _number) -> bool:
    try:
        number(cell)
    except ValueError:
        return False
    return True


def _classes(labels: list[str]) -> np.ndarray:
    """Return labels as integers where all are, else as floats where all are, so that 1.0 is class 1; else as text.

    Text too are labels with zeros in front, 01234 beside 1234, and whole numbers that no int64 or, among floats, no
    float64 holds.
    """
    if not all(map(_is_number, labels)) or any(map(_PADDED.fullmatch, labels)):
        return np.array(labels)
    try:
        return np.array([int(label) for label in labels], dtype=np.int64)
    except OverflowError:
        return np.array(labels)
    except ValueError:
        floats = np.array([float(label) for label in labels])
    return np.array(labels) if (np.abs(floats) >= 2**53).any() else floats
