"""New samples for a model: every layout, with labels and without, and what does not fit."""

import h5py
import numpy as np
import pytest
import zarr

from chainrule.data import DataError, ImageShape, Wanted, open_samples
from tests.helpers.format_files import X6, Y6, edited, write_csv, write_folder, write_h5, write_picture


def all_of(path, wanted, **settings):
    """Return X, the labels, the files and the number of the first row of all samples at a path."""
    samples = open_samples(path, wanted, **settings)
    blocks = list(samples.blocks)
    X = np.concatenate([block.X for block in blocks])
    assert len(X) == samples.number
    labels = [label for block in blocks for label in block.labels]
    assert samples.names == set(labels) - {None}
    files = [file for block in blocks for file in block.files or ()]
    return X.tolist(), labels, files


def test_named_columns_are_found_in_any_order_and_labels_where_they_are(tmp_path):
    path = write_csv(tmp_path / "rows.csv", "b,species,a", "1,cat,2", "3,,4")
    wanted = Wanted(2, ("a", "b"))
    assert all_of(path, wanted) == ([[2, 1], [4, 3]], [None, None], [])
    assert all_of(path, wanted, label="species") == ([[2, 1], [4, 3]], ["cat", None], [])
    with pytest.raises(DataError, match=r"one label column \('kind'\)"):
        open_samples(path, wanted, label="kind")


def test_a_column_of_the_usual_name_that_names_no_classes_is_left_out(tmp_path):
    path = write_csv(tmp_path / "rows.csv", "a,target", "1,0.37", "3,2")
    assert all_of(path, Wanted(1, ("a",))) == ([[1], [3]], [None, None], [])
    with pytest.raises(DataError, match=r"0\.37 at line 2"):
        open_samples(path, Wanted(1, ("a",)), label="target")


def test_nameless_features_are_all_columns_but_the_label(tmp_path):
    path = write_csv(tmp_path / "rows.csv", "b,a,label", "1,2,u")
    assert all_of(path, Wanted(2)) == ([[1, 2]], ["u"], [])
    path = write_csv(tmp_path / "rows.csv", "b,y", "1,2")
    assert all_of(path, Wanted(2)) == ([[1, 2]], [None], [])


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", ["rows.npz", "X.npy", "folder", "rows.h5", "rows.zarr"])
def test_arrays_with_labels_and_without(tmp_path, name, labelled):
    path, arrays = tmp_path / name, {"X": X6, "y": Y6} if labelled else {"X": X6}
    match name:
        case "rows.npz":
            np.savez(path, **arrays)
        case "rows.h5":
            with h5py.File(path, "w") as file:
                file.update(arrays)
        case "rows.zarr":
            group = zarr.open_group(path, mode="w")
            for key, array in arrays.items():
                group.create_array(key, data=array)
        case _:
            folder = path if name == "folder" else tmp_path
            folder.mkdir(exist_ok=True)
            for key, array in arrays.items():
                np.save(folder / f"{key}.npy", array)
    X, labels, _ = all_of(path, Wanted(3))
    assert X6.tolist() == X
    assert labels == ([str(k) for k in Y6] if labelled else [None] * 6)
    with pytest.raises(DataError, match="expected 4 features as the model learnt, got 3"):
        open_samples(path, Wanted(4))
    with pytest.raises(DataError, match="expected held-out rows, got none"):
        open_samples(path, Wanted(3), held_out=True)


def test_held_out_rows_are_answered_where_they_are_asked_for(tmp_path):
    np.savez(tmp_path / "rows.npz", X=X6, y=Y6, X_test=X6[:2] + 1, y_test=Y6[:2])
    assert all_of(tmp_path / "rows.npz", Wanted(3), held_out=True)[:2] == ((X6[:2] + 1).tolist(), ["0", "1"])
    write_h5(tmp_path / "train_a.h5")
    write_h5(tmp_path / "test_a.h5", "test", test_set_y=1 - Y6)
    wanted = Wanted(60, image=ImageShape(4, 5, 3))
    assert all_of(tmp_path / "train_a.h5", wanted)[1] == ["dog", "cat"] * 3
    assert all_of(tmp_path / "train_a.h5", wanted, held_out=True)[1] == ["cat", "dog"] * 3


def test_a_folder_of_pictures_is_read_in_any_depth(tmp_path):
    wanted, folder = Wanted(3, image=ImageShape(1, 1, 3)), write_folder(tmp_path / "pets")
    write_picture(folder / "loose.png", (1, 2, 3))
    X, labels, files = all_of(folder, wanted)
    assert X == [[10, 20, 30]] * 4 + [[1, 2, 3]]
    assert labels == ["cat", "cat", "dog", "dog", None]
    assert [str(file.relative_to(folder)) for file in files[::4]] == ["cat/a.png", "loose.png"]
    edited(folder / "cat" / "a.png", b"no picture")
    with pytest.raises(DataError, match=r"cat/a\.png"):
        list(open_samples(folder, wanted).blocks)
    faults = []
    samples = open_samples(folder, wanted, on_fault=faults.append)
    assert sum(len(block.X) for block in samples.blocks) == 4
    assert len(faults) == 1
    with pytest.raises(DataError, match="for this model learnt from a table, got a picture; give rows"):
        open_samples(folder, Wanted(3))


def test_the_parts_of_a_folder_of_pictures(tmp_path):
    wanted = Wanted(3, image=ImageShape(1, 1, 3))
    write_folder(tmp_path / "Train", "cat")
    write_folder(tmp_path / "VALID", "dog")
    assert all_of(tmp_path, wanted)[1] == ["cat", "cat"]
    assert all_of(tmp_path, wanted, held_out=True)[1] == ["dog", "dog"]
    with pytest.raises(DataError, match="a folder with train/ and test/, got none"):
        open_samples(tmp_path / "Train", wanted, held_out=True)


@pytest.mark.parametrize(
    ("text", "features", "words"),
    [
        ("a,b\n1,2\n", ("a", "c"), "expected the columns 'a', 'c', got none called 'c'"),
        ("a,b\n1,2\n", (), "expected 3 columns as the model learnt, got 2"),
        ("a,b\n1,x\n", ("b",), "line 2, column 'b': expected a number, got 'x'"),
        ("a,b\n1,nan\n", ("b",), "finite numbers"),
        ("a,b\n", ("a",), "rows under the header"),
        ("", (), "data, got an empty file"),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path, text, features, words):
    path = edited(tmp_path / "rows.csv", text.encode())
    with pytest.raises(DataError) as caught:
        open_samples(path, Wanted(len(features) or 3, features))
    assert "rows.csv" in str(caught.value)
    assert words in str(caught.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="got none of this name"):
        open_samples(tmp_path / "none.csv", Wanted(2))
    with pytest.raises(DataError, match=r"got the suffix '\.txt'"):
        open_samples(edited(tmp_path / "rows.txt", b"1"), Wanted(2))
    np.savez(tmp_path / "rows.npz", Y=np.ones((3, 2)))
    with pytest.raises(DataError, match="expected the array 'X', got 'Y'"):
        open_samples(tmp_path / "rows.npz", Wanted(2))
