"""Tables in .csv files: columns, labels, spellings of numbers, and what is malformed."""

import csv
import gzip
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from chainrule.data import DataError, Wanted, limits, load
from chainrule.data.formats import csv as csv_format
from tests.helpers.format_files import Make, assert_refused, edited, write_csv


def test_a_csv_file_gives_its_columns_in_order_and_its_label_by_name(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", "\ufeffheight , kind,weight", "1.5,cat,-2e3", "", '"3", dog ,4', "0,cat,0", ""
    )
    train, held_out = load(path, label="kind")
    assert held_out is None
    assert train.features == ("height", "weight")
    assert train.X.tolist() == [[1.5, -2000], [3, 4], [0, 0]]
    assert train.classes == ("cat", "dog")
    assert train.y.tolist() == [0, 1, 0]


@pytest.mark.parametrize("name", ["label", "y", "target"])
def test_the_label_column_of_a_csv_file_is_found_by_its_usual_names(tmp_path, name):
    assert load(write_csv(tmp_path / "a.csv", f"a,{name}", "1,x", "2,z"))[0].classes == ("x", "z")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9"], ("9", "10")),
        (["1.0", "0e0"], ("0", "1")),
        (["1.0", "one"], ("1.0", "one")),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993")),
        (["01234", "1234"], ("01234", "1234")),
        (
            ["1.0", "9007199254740993", "9007199254740992"],
            ("1.0", "9007199254740992", "9007199254740993"),
        ),
        (["9223372036854775809", "9223372036854775808"], ("9223372036854775808", "9223372036854775809")),
    ],
)
def test_labels_of_a_csv_file_are_numbers_where_all_are(tmp_path, labels, classes):
    path = write_csv(tmp_path / "a.csv", "a,y", *(f"1,{label}" for label in labels))
    assert load(path)[0].classes == classes


def nfc(name):
    return unicodedata.normalize("NFC", name)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1).map(str.strip)


@settings(max_examples=60)
@given(
    X=npst.arrays(
        np.float64,
        st.tuples(st.integers(2, 6), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    names=st.lists(NAMES.filter(bool), min_size=5, max_size=5, unique_by=nfc),
    column=st.integers(0, 3),
)
def test_a_csv_file_gives_back_what_was_written(tmp_path_factory, X, names, column):
    m, n = X.shape
    k = min(column, n)
    header = names[: n + 1]
    labels = [f"<{names[i % 2]}>" for i in range(m)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for x, name in zip(X.tolist(), labels, strict=True):
        writer.writerow([*map(repr, x[:k]), name, *map(repr, x[k:])])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    train, _ = load(path, label=header[k])
    assert train.X.tobytes() == X.tobytes()
    assert train.features == (*header[:k], *header[k + 1 :])
    assert [train.classes[i] for i in train.y] == list(map(nfc, labels))


MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "csv empty": (lambda p: edited(p / "a.csv", b""), ["a.csv", "empty file"]),
    "csv blank": (lambda p: edited(p / "a.csv", b"\n \n"), ["a.csv", "header line"]),
    "csv only header": (lambda p: write_csv(p / "a.csv", "a,y"), ["a.csv", "rows under the header"]),
    "csv only label": (lambda p: write_csv(p / "a.csv", "y", "1"), ["a.csv", "'y' alone"]),
    "csv utf-16": (lambda p: edited(p / "a.csv", "a,y\n1,é".encode("utf-16")), ["a.csv, line 1", "UTF-8"]),
    "csv latin": (lambda p: edited(p / "a.csv", "a,y\n1,é".encode("latin-1")), ["a.csv, line 2", "UTF-8"]),
    "csv twin names": (lambda p: write_csv(p / "a.csv", "a,b,a,y", "1,2,3,4"), ["a.csv, line 1", "'a' more"]),
    "csv no name": (lambda p: write_csv(p / "a.csv", "a,,y", "1,2,3"), ["a.csv, line 1", "column 2"]),
    "csv no label": (
        lambda p: write_csv(p / "a.csv", "a,b", "1,2"),
        ["a.csv", "'label'", "'a', 'b'", "name the column of the labels"],
    ),
    "csv two labels": (
        lambda p: write_csv(p / "a.csv", "y,a,label", "1,2,3"),
        ["a.csv", "'y', 'a', 'label'"],
    ),
    "csv ragged": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,2", "", "1,2,3"),
        ["a.csv, line 4", "2 cells", "3"],
    ),
    "csv short": (lambda p: write_csv(p / "a.csv", "a,b,y", "1,2"), ["a.csv, line 2", "3 cells", "got 2"]),
    "csv word": (
        lambda p: write_csv(p / "a.csv", "a,y,b", "1,u,2", "1,v,two"),
        ["a.csv, line 3, column 'b'", "a number", "'two'"],
    ),
    "csv empty cell": (
        lambda p: write_csv(p / "a.csv", "a,y", ",u"),
        ["a.csv, line 2, column 'a'", "got ''"],
    ),
    "csv underscore": (lambda p: write_csv(p / "a.csv", "a,y", "1_0,u"), ["line 2, column 'a'", "got '1_0'"]),
    "csv after quoted line ends": (
        lambda p: write_csv(p / "a.csv", "y,a", '"u\nu",1', '"v\nv",x'),
        ["a.csv, line 4, column 'a'"],
    ),
    "csv nan": (
        lambda p: write_csv(p / "a.csv", "a,b,y", "1,2,u", "1,nan,u", "inf,1,v"),
        ["a.csv, line 3, column 'b'", "2 that are NaN or infinite"],
    ),
    "csv no class": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,u", "2,", "3,v"),
        ["a.csv", "empty one at line 3, column 'y'"],
    ),
    "csv half class": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,1", "2,1.5"),
        ["a.csv", "2 different numbers, from 1 to 1.5", "--task regression"],
    ),
    "csv one class": (lambda p: write_csv(p / "a.csv", "a,y", "1,u", "2,u"), ["a.csv", "two classes", "'u'"]),
    "csv open quote": (
        lambda p: write_csv(p / "a.csv", "a,y", "1,u", '2,"v'),
        ["a.csv, line 3", "end of data"],
    ),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    assert_refused(tmp_path, make, said)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "text", "notes"),
    [
        ("rows.tsv", "a\tb\tlabel\n1.5\t2\tx\n3\t0.25\ty\n", []),
        ("rows.csv", "a;b;label\n1.5;2;x\n3;0.25;y\n", ["separated by semicolons"]),
        ("rows.csv", "a\tb\tlabel\n1.5\t2\tx\n3\t0.25\ty\n", ["separated by tabs"]),
        (
            "rows.csv",
            'a;b;label\n1,5;2;x\n"3";0,25;y\n',
            ["separated by semicolons", "the commas in its numbers are taken for decimal points"],
        ),
        ("rows.tsv", "a\tb\tlabel\n1,5\t2\tx\n3\t0,25\ty\n", ["taken for decimal points"]),
        ("rows.csv", 'a,"b;c;d",label\n1.5,2,x\n3,0.25,y\n', []),
    ],
)
def test_separators_and_decimal_commas_are_seen_and_told(tmp_path, name, text, notes, gz):
    content = text.encode()
    path = edited(tmp_path / f"{name}{gz}", gzip.compress(content) if gz else content)
    train, _ = load(path)
    assert train.X.tolist() == [[1.5, 2], [3, 0.25]]
    assert train.classes == ("x", "y")
    assert len(train.notes) == len(notes)
    assert all(words in note for words, note in zip(notes, train.notes, strict=True))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("1,234;5,678", "'1,234', in which a comma may part thousands"),
        ("1.234,5;2", "'1.234,5', in which a comma may part thousands"),
        ("1,234,567;2,5", "'1,234,567', in which a comma may part thousands"),
        ("1,5;2.5", "got '1,5' and a number with a point"),
    ],
)
def test_commas_that_may_be_no_decimal_points_are_refused(tmp_path, cells, words):
    with pytest.raises(DataError, match=words):
        load(write_csv(tmp_path / "a.csv", "a;b;y", f"{cells};u", "1;2;v"))


def test_a_packed_table_that_is_cut_or_unpacks_to_too_much_is_refused(tmp_path):
    packed = gzip.compress(b"a,y\n" + b"1,u\n2,v\n" * 200_000)
    with pytest.raises(DataError, match=r"a\.csv\.gz: expected a whole, readable file"):
        load(edited(tmp_path / "a.csv.gz", packed[:-9]))
    with limits.at_most(1e-3), pytest.raises(DataError, match="text of a size that the file can be meant"):
        load(edited(tmp_path / "a.csv.gz", packed))


class _Counted(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other):
        _Counted.compared += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


@pytest.mark.parametrize("step", ["read", "read for a model", "names twice"])
def test_the_work_for_a_wide_table_grows_with_its_columns_and_not_with_their_square(
    tmp_path, monkeypatch, step
):
    def comparisons(columns):
        half = columns // 2 if step == "names twice" else columns
        names = [f"c{k % half}" for k in range(columns)]
        path = write_csv(tmp_path / "wide.csv", ",".join([*names, "label"]), ",".join(["1"] * (columns + 1)))
        records = csv_format._records

        def counted(path, text, separator):
            for line, cells in records(path, text, separator):
                yield line, [_Counted(cell) for cell in cells]

        monkeypatch.setattr(csv_format, "_records", counted)
        monkeypatch.setattr(_Counted, "strip", lambda self: _Counted(str.strip(self)))
        _Counted.compared = 0
        match step:
            case "read":
                csv_format.read(path, "label")
            case "read for a model":
                csv_format.read(path, None, Wanted(columns, tuple(names)))
            case _:
                with pytest.raises(DataError, match="more than once"):
                    csv_format._opened(path)
        monkeypatch.undo()
        return _Counted.compared

    few, many = comparisons(200), comparisons(2000)
    assert 0 < many <= 11 * few


@pytest.mark.parametrize(
    ("cells", "labels"), [(("1,5", "2"), [1.5, 2.0]), (("1,5", "two"), ["1,5", "two"]), (("2", "3"), [2, 3])]
)
def test_labels_that_are_numbers_have_the_decimal_commas_of_the_table(tmp_path, cells, labels):
    path = tmp_path / "table.csv"
    path.write_text("a;label\n" + "".join(f"0,25;{cell}\n" for cell in cells))
    assert csv_format.READER.read(path, label=None)[0].labels.tolist() == labels
