"""Stores that are opened lazily hold what the same rows hold in memory."""

import json
import os
import pickle
import re

import dask.array as da
import h5py
import numcodecs
import numpy as np
import pytest
import zarr

from chainrule import data
from chainrule.cluster import chunked_rows as rows_in_chunks
from chainrule.data.chunked import chunked, height_of_chunk, is_store, open_rows, open_test
from chainrule.data.dataset import Dataset
from chainrule.data.scaling import Scaling
from chainrule.training.chunked import Chunked
from chainrule.training.pipeline import prepare
from tests.helpers.commands import OUTPUTS, answer, chainrule, history_in

PICKLE = {"id": "pickle", "protocol": 4}


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 4)) * [1, 1e3, 1e-3, 0] + 7
    return {"X": X, "y": np.arange(90) % 3, "X_test": X[:30] + 0.1, "y_test": np.arange(30) % 3}


def as_zarr(path, arrays):
    group = zarr.open_group(path, mode="w")
    for name, values in arrays.items():
        group.create_array(name, data=values)


def as_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def as_npy(path, arrays):
    path.mkdir()
    for name, values in arrays.items():
        if name in ("X", "y"):
            for number, part in ((2, slice(40)), (10, slice(40, None))):
                np.save(path / f"{name}-{number}.npy", values[part])
        else:
            np.save(path / f"{name}.npy", values)


WRITERS = {"rows.zarr": as_zarr, "rows.h5": as_h5, "rows": as_npy}


@pytest.fixture(params=list(WRITERS))
def store(request, tmp_path, arrays):
    WRITERS[request.param](tmp_path / request.param, arrays)
    return tmp_path / request.param


def test_a_store_holds_what_the_arrays_hold(store, arrays, tmp_path):
    np.savez(tmp_path / "rows.npz", **arrays)
    assert is_store(store)
    assert not is_store(tmp_path / "rows.npz")
    for lazy, whole in zip(open_rows(store, 25), data.load(tmp_path / "rows.npz"), strict=True):
        assert isinstance(lazy.X, da.Array)
        assert max(lazy.X.chunks[0]) == 25
        np.testing.assert_array_equal(lazy.X.compute(), whole.X)
        np.testing.assert_array_equal(lazy.y, whole.y)
        assert lazy.classes == whole.classes
    one, other = Chunked().fit(open_rows(store, 25)[0]), Scaling.fit(data.load(tmp_path / "rows.npz")[0])
    np.testing.assert_allclose(one.shift, other.shift, rtol=1e-12)
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-12)
    np.testing.assert_array_equal(open_test(store, open_rows(store)[0]).X.compute(), arrays["X"])


def rows_of(rows, height, *, validation):
    """Return the rows of a run in chunks of this height."""
    pipeline, rows = Chunked(height), chunked(rows, height)
    problem = prepare(pipeline, rows, rows, positive=None, validation=validation, seed=0)
    return pipeline.rows(problem, pipeline.device(None), "float64")


def test_a_checkpoint_tells_other_rows_and_other_chunks_apart(arrays, tmp_path):
    texts = []
    for change, height in ((0, 25), (0, 25), (0, 30), (1e-12, 25)):
        arrays["X"][0, 0] += change
        rows = Dataset(arrays["X"], arrays["y"], tuple("abc"), None, "made up")
        texts.append(rows_of(rows, height, validation=0.0).fingerprint)
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_pictures_are_rows_in_planes(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)
    for part in ("train", "test"):
        parts = {f"{part}_set_x": pictures, f"{part}_set_y": np.arange(12) % 2}
        as_h5(tmp_path / f"{part}_pictures.h5", parts | {"list_classes": np.array([b"cat", b"dog"])})
    whole = data.load(tmp_path / "train_pictures.h5")
    for lazy, rows in zip(open_rows(tmp_path / "train_pictures.h5", 5), whole, strict=True):
        np.testing.assert_array_equal(lazy.X.compute(), rows.X)
        assert (lazy.image, lazy.classes, lazy.white) == (rows.image, rows.classes, 255.0)


def test_rows_in_chunks_are_split_as_rows_in_memory(store, arrays, tmp_path):
    np.savez(tmp_path / "rows.npz", **arrays)
    lazy = Chunked(25).split(open_rows(store, 25)[0], held_out=0.3, seed=4)
    whole = data.split(data.load(tmp_path / "rows.npz")[0], held_out=0.3, seed=4)
    for one, other in zip(lazy, whole, strict=True):
        np.testing.assert_array_equal(one.X.compute(), other.X)
        np.testing.assert_array_equal(one.y, other.y)
        assert len(one.X.chunks[0]) >= 4


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"y": None}, "the arrays X and y, got .* save 'y' too"),
        ({"y": np.arange(80) % 3}, "got shape .80,. for 90 samples|as many rows, got .50,. and .40,."),
        ({"y": np.ones(90, int)}, "samples of at least two classes"),
        ({"y": np.full(90, 0.5)}, "whole numbers or names"),
        ({"X": np.ones((90, 4), complex)}, "X of real numbers"),
        ({"X": np.ones(90)}, r"X as \(m, n\)"),
        ({"X_test": np.ones((30, 5))}, "a number of features 4"),
        ({"y_test": np.arange(30)}, "the classes"),
    ],
)
def test_a_store_that_cannot_be_used_says_why(tmp_path, arrays, change, fault):
    arrays = {name: values for name, values in (arrays | change).items() if values is not None}
    for name, write in WRITERS.items():
        write(tmp_path / name, arrays)
        with pytest.raises(data.DataError, match=fault):
            open_rows(tmp_path / name, 25)


def test_no_pickle_and_no_link_is_followed(tmp_path, arrays):
    folder = tmp_path / "rows"
    folder.mkdir()
    np.save(folder / "X.npy", arrays["X"])
    np.save(folder / "y.npy", np.array([{}] * 90), allow_pickle=True)
    with pytest.raises(data.DataError, match=r"got Python objects; names are plain as text, y\.astype"):
        open_rows(folder)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["X"] = arrays["X"]
        file["y"] = h5py.ExternalLink("other.h5", "y")
    with pytest.raises(data.DataError, match="dataset in the file itself"):
        open_rows(tmp_path / "rows.h5")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(("place", "codecs"), [("filters", [PICKLE]), ("compressor", PICKLE)])
def test_no_pickle_in_a_zarr_is_opened(tmp_path, arrays, monkeypatch, place, codecs):
    # Newer versions of numcodecs refuse it of themselves.
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    group = zarr.open_group(tmp_path / "rows.zarr", mode="w", zarr_format=2)
    for name in ("X", "y"):
        group.create_array(name, data=arrays[name], chunks=arrays[name].shape)
    about = tmp_path / "rows.zarr" / "y" / ".zarray"
    told = json.loads(about.read_text()) | {"filters": None, "compressor": None, place: codecs}
    about.write_text(json.dumps(told))
    (about.parent / "0").write_bytes(pickle.dumps(Payload(str(tmp_path / "ran"))))
    with pytest.raises(data.DataError, match="fault on reading"):
        open_rows(tmp_path / "rows.zarr")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"X": 90, "X-0": 40, "y": 130}, "one file for each number of X, got 'X-0.npy', 'X.npy'"),
        ({"X-1": 40, "X-01": 50, "y": 90}, "one file for each number of X"),
        ({"X-0": 40, "X-1": 50, "y-0": 50, "y-1": 40}, r"as many rows, got \(40,\) and \(50,\)"),
        ({"X-0": 40, "X-2": 50, "y-0": 40, "y-1": 50}, r"X-1.npy and y-1.npy of as many rows, got none"),
    ],
)
def test_files_that_are_no_pairs_are_refused(tmp_path, files, fault):
    for name, m in files.items():
        np.save(tmp_path / f"{name}.npy", np.ones((m, 2)) if name.startswith("X") else np.arange(m) % 2)
    with pytest.raises(data.DataError, match=fault):
        open_rows(tmp_path)


def test_labels_of_all_pieces_may_lie_in_one_file(tmp_path):
    for name, m in {"X-0": 40, "X-1": 50}.items():
        np.save(tmp_path / f"{name}.npy", np.ones((m, 2)))
    np.save(tmp_path / "y.npy", np.arange(90) % 2)
    assert open_rows(tmp_path, 30)[0].X.chunks[0] == (30, 10, 30, 20)


def test_chunks_of_no_rows_are_refused(store):
    for height in (0, -1):
        with pytest.raises(data.DataError, match="a number of rows from 1 up, or None, got"):
            open_rows(store, height)


def test_rows_to_learn_from_and_to_validate_by_are_kept_together_or_not_at_all(arrays, monkeypatch):
    rows = Dataset(arrays["X"], arrays["y"], tuple("abc"), None, "made up")
    size = arrays["X"].nbytes
    for memory, kept in ((size / 0.39, True), (size / 0.41, False)):
        monkeypatch.setattr(rows_in_chunks, "memory_limit", lambda memory=memory: memory)
        found = rows_of(rows, 25, validation=0.5)
        assert found.train.kept is found.validation.kept is kept


def test_nothing_to_scale_by_is_told(tmp_path, arrays):
    arrays["X"][50, 2] = np.nan
    as_npy(tmp_path / "rows", arrays)
    with pytest.raises(data.DataError, match=r"finite numbers .* got others in column 2"):
        Chunked().fit(open_rows(tmp_path / "rows", 25)[0])


def test_a_chunk_is_reckoned_in_what_is_computed():
    assert height_of_chunk((10**6, 1000), 1) == height_of_chunk((10**6, 1000), 4) == 2**26 // 4000
    assert height_of_chunk((10**6, 1000), 8) == 2**26 // 8000


def costs(folder):
    return [float(line["cost"]) for line in history_in(folder)]


SETTINGS = ("--batch", "all", "--steps", 12, "--dtype", "float64", "--report-every", 1)


def test_train_learns_from_a_store_what_it_learns_from_memory(store, arrays, tmp_path):
    np.savez(tmp_path / "rows.npz", **arrays)
    usual = answer("train", tmp_path / "rows.npz", *SETTINGS, "--out", tmp_path / "whole")
    said = answer("train", store, "--chunk-rows", 25, *SETTINGS, "--out", tmp_path / "chunks")
    assert "workers:  threads of this process" in said
    np.testing.assert_allclose(costs(tmp_path / "chunks"), costs(tmp_path / "whole"), rtol=1e-10)
    assert [line for line in said.splitlines() if line.startswith("accuracy")] == [
        line for line in usual.splitlines() if line.startswith("accuracy")
    ]
    left = {path.name for path in (tmp_path / "chunks").iterdir()}
    assert left == OUTPUTS - {"mistakes.png"}


def test_train_starts_workers_and_goes_on_from_a_checkpoint(tmp_path, arrays):
    as_zarr(tmp_path / "rows.zarr", arrays)
    settings = ("--chunk-rows", 25, "--hidden", "4", "--validation", 0.2, "--seed", 1)
    whole = answer("train", tmp_path / "rows.zarr", *settings, "--epochs", 6, "--out", tmp_path / "whole")
    assert "cost up to step      4" in whole
    begun = ("train", tmp_path / "rows.zarr", *settings, "--out", tmp_path / "two")
    answer(*begun, "--epochs", 3)
    said = answer(*begun, "--epochs", 6, "--resume", "--workers", 2)
    assert "workers:  2 of tcp://127.0.0.1:" in said
    assert "seen at:  http://127.0.0.1:" in said
    assert "resume:   after step 12" in said
    assert history_in(tmp_path / "two") == history_in(tmp_path / "whole")
    arrays["X"][70, 0] += 0.01
    as_zarr(tmp_path / "rows.zarr", arrays)
    other = chainrule(*begun, "--epochs", 6, "--resume")
    assert other.exit_code == 1
    assert "data" in other.stderr


def test_any_data_can_be_cut_and_a_mini_batch_is_a_chunk(tmp_path):
    settings = ("--hidden", "3", "--epochs", 2, "--validation", 0)
    said = answer("train", "--chunk-rows", 300, *settings, "--out", tmp_path / "digits")
    # 1797 rows in 6 chunks, of each of which a part is held out.
    assert re.search(r"steps: +12 by adam of learning rate 0.001, 2\d\d rows each", said)
    assert len(history_in(tmp_path / "digits")) == 2


def test_what_is_never_read_whole_needs_no_option(tmp_path, arrays):
    as_npy(tmp_path / "rows", arrays)
    np.savez(tmp_path / "rows.npz", **arrays)
    settings = ("--positive", 1, *SETTINGS, "--validation", 0.2)
    said = answer("train", tmp_path / "rows", *settings, "--out", tmp_path / "chunks")
    answer("train", tmp_path / "rows.npz", *settings, "--out", tmp_path / "whole")
    np.testing.assert_allclose(costs(tmp_path / "chunks"), costs(tmp_path / "whole"), rtol=1e-10)
    assert re.search(r"spent: +\d+\.\d\d s in \d+ steps: .* s computing .*, \d.* s moving and waiting", said)
    report = json.loads((tmp_path / "chunks" / "report.json").read_text())
    seconds = {name: value for name, value in report["chunks"].items() if name.startswith("seconds")}
    wall, computing, rest, of_all, validating = seconds.values()
    assert wall == pytest.approx(computing + rest)
    assert min(computing, rest, validating) > 0
    assert of_all >= computing
    assert report["threads while learning"] >= 1
    as_h5(tmp_path / "rows.h5", arrays)
    whole = chainrule("train", tmp_path / "rows.h5")
    assert "--chunk-rows" in whole.stderr


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--workers", 1, "--scheduler", "tcp://127.0.0.1:1"), "expected workers or a scheduler, got both"),
        (("--chunk-rows", 300, "--device", "cpu"), "set CHAINRULE_DEVICE where the workers start"),
    ],
)
def test_options_that_contradict_are_told(tmp_path, options, fault):
    told = chainrule("train", *options, "--out", tmp_path)
    assert told.exit_code == 2
    assert fault in told.stderr
