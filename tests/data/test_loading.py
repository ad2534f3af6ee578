"""Loading any format: the table of readers, held-out data that must fit, and rows without labels."""

import os
import sys

import numpy as np
import pytest

from chainrule.data import (
    READERS,
    DataError,
    ImageShape,
    Scaling,
    formats_help,
    load,
    load_test,
    loading,
    split,
)
from chainrule.data.formats.reader import Raw, Reader, suffixed
from tests.conftest import ROOT
from tests.helpers.format_files import (
    X6,
    Y6,
    Make,
    assert_refused,
    edited,
    write_csv,
    write_folder,
    write_h5,
    write_npz,
)


def test_the_embedded_digits_keep_their_raw_values_and_scale_by_exactly_16():
    digits, held_out = load()
    assert held_out is None
    assert digits.X.shape == (1797, 64)
    assert digits.classes == tuple("0123456789")
    assert digits.image == ImageShape(8, 8, 1)
    assert (digits.X.min(), digits.X.max()) == (0, 16)
    assert np.array_equal(Scaling.fit(digits).apply(digits.X, np.float64), digits.X / 16)
    train, _ = split(digits)
    assert float(Scaling.fit(train).scale) == 16


def test_test_data_of_each_kind_loads_by_the_layout_of_the_training_data(tmp_path):
    h5 = load(write_h5(tmp_path / "a.h5"))[0]
    assert load_test(write_h5(tmp_path / "b.h5", "test"), h5).y.tolist() == Y6.tolist()
    npz = load(write_npz(tmp_path / "a.npz"))[0]
    assert load_test(write_npz(tmp_path / "b.npz", y=np.ones(6)), npz).y.tolist() == [1] * 6
    table = load(write_csv(tmp_path / "a.csv", "a,y", "1,u", "2,v"))[0]
    assert load_test(write_csv(tmp_path / "b.csv", "a,y", "3,v"), table).y.tolist() == [1]
    folder = load(write_folder(tmp_path / "pets"), image_size=7)[0]
    assert load_test(write_folder(tmp_path / "more", "dog"), folder).X.shape == (2, 147)


def test_the_page_on_training_has_the_table_of_formats():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [*((reader.name, reader.layout) for reader in READERS), ("nothing", "scikit-learn's digits")]
    table = "| data | layout |\n|---|---|\n" + "".join(f"| {name} | {layout} |\n" for name, layout in rows)
    assert f"\n\n{table}\n" in page


def test_a_new_row_of_the_table_is_served_everywhere(tmp_path, monkeypatch):
    def read(path):
        values = np.fromfile(path, np.uint8)
        return Raw(values[:, None], values % 2, None, str(path)), None

    reader = Reader("a `.points` file", "one byte a sample", suffixed(".points"), read)
    monkeypatch.setattr(loading, "READERS", (*READERS, reader))
    path = tmp_path / "a.points"
    path.write_bytes(bytes(range(6)))
    train, held_out = load(path)
    assert held_out is None
    assert (train.X[:, 0].tolist(), train.y.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 0, 1, 0, 1])
    assert load_test(path, train).classes == ("0", "1")
    assert "A .points file: one byte a sample." in formats_help()
    with pytest.raises(DataError, match=r"a \.points file, got no such file"):
        load(tmp_path / "a.point")


@pytest.mark.parametrize("name", ["rows.zarr", "rows"])
def test_a_store_that_is_read_in_chunks_alone_is_refused_in_memory(tmp_path, name):
    (tmp_path / name).mkdir()
    np.save(tmp_path / name / "X.npy", X6)
    with pytest.raises(DataError, match=r"got a store that is read in chunks alone; .*--chunk-rows"):
        load(tmp_path / name)


MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "no such h5": (lambda p: p / "a.h5", ["a.h5", "none of this name"]),
    "a pipe": (lambda p: os.mkfifo(p / "a.csv") or p / "a.csv", ["a.csv", "a pipe or a device"]),
    "no such kind": (lambda p: p / "a.cvs", ["a.cvs", "no such file", ".csv", ".npz", ".h5", "folder"]),
    "other kind": (lambda p: edited(p / "a.pkl", b"x"), ["a.pkl", "suffix '.pkl'", ".csv"]),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    assert_refused(tmp_path, make, said)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: write_csv(p / "b.csv", "b,a,y", "1,2,u"), ["b.csv", "'a', 'b'", "'b', 'a'"]),
        (lambda p: write_csv(p / "b.csv", "a,b,y", "1,2,w"), ["b.csv", "'u', 'v'", "'w' too"]),
        (lambda p: write_csv(p / "b.csv", "a,y", "1,u"), ["b.csv", "features 2", "got 1"]),
        (lambda p: write_folder(p / "pets"), ["pets", "2 features", "a folder of pictures"]),
        (lambda p: write_h5(p / "b.h5", "test"), ["b.h5", "picture shape None", "height=4"]),
        (lambda p: write_h5(p / "b.h5"), ["b.h5", "'test_set_x'", "'train_set_x'"]),
        (lambda p: p / "b.csv", ["b.csv", "none of this name"]),
    ],
)
def test_test_data_that_does_not_fit_the_training_data_is_refused(tmp_path, make, said):
    train, _ = load(write_csv(tmp_path / "a.csv", "a,b,y", "1,2,u", "3,4,v"))
    with pytest.raises(DataError) as caught:
        load_test(make(tmp_path), train)
    assert [words for words in said if words not in str(caught.value)] == []
    if "as in" in str(caught.value):
        assert "a.csv" in str(caught.value)


def test_a_label_for_data_that_has_no_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.npz: expected no column of labels, .*got 'y'"):
        load(write_npz(tmp_path / "a.npz"), label="y")
    with pytest.raises(DataError, match="the embedded digits: expected no column of labels"):
        load(label="y")


def test_a_picture_size_below_one_pixel_is_refused():
    with pytest.raises(DataError, match="image_size from 1 up, got 0"):
        load(image_size=0)


@pytest.mark.parametrize("module", ["h5py", "PIL", "sklearn.datasets"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch, module):
    path = {"h5py": write_h5(tmp_path / "a.h5"), "PIL": write_folder(tmp_path / "pets")}.get(module)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install '\.\[app\]'"):
        load(path)
