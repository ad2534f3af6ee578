"""HDF5 files and Zarr stores that are damaged, hostile or incomplete: each ends in a line that names it."""

import gzip
import json
import os
import signal

import h5py
import numcodecs
import numpy as np
import pytest
import zarr

from chainrule.data import DataError
from chainrule.data.chunked import open_rows
from chainrule.data.formats import apart
from chainrule.data.formats.apart import StoredArray
from chainrule.data.limits import at_most
from tests.helpers.commands import answer, chainrule

X = np.random.default_rng(0).standard_normal((40, 3))
Y = np.arange(40) % 2


@pytest.fixture
def store(tmp_path):
    group = zarr.open_group(tmp_path / "rows.zarr", mode="w")
    group.create_array("X", data=X, chunks=(10, 3))
    group.create_array("y", data=Y, chunks=(40,))
    return tmp_path / "rows.zarr"


def replaced(path, make):
    path.unlink()
    make(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda chunk: chunk.symlink_to("/etc/hostname"), "X/c/2/0 is a link"),
        (lambda chunk: os.mkfifo(chunk), "X/c/2/0 is no plain file"),
        (lambda chunk: chunk.mkdir(), "X/c/2/0 is a folder"),
    ],
    ids=["link", "pipe", "folder"],
)
def test_what_is_no_chunk_is_told_before_it_is_read(store, make, said):
    replaced(store / "X" / "c" / "2" / "0", make)
    with pytest.raises(DataError, match=rf"rows\.zarr: expected .*{said}"):
        open_rows(store, 10)


def test_a_folder_of_a_store_that_is_a_link_is_not_followed(store, tmp_path):
    (store / "X").rename(tmp_path / "X")
    (store / "X").symlink_to(tmp_path / "X")
    with pytest.raises(DataError, match="X is a link"):
        open_rows(store, 10)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("written", [False, True])
def test_chunks_that_hold_but_the_fill_value_may_be_absent(tmp_path, version, written):
    group = zarr.open_group(tmp_path / "rows.zarr", mode="w", zarr_format=version)
    options = {"config": {"write_empty_chunks": written}, "fill_value": 0}
    values = np.vstack([np.zeros((20, 3)), X[:20]])
    group.create_array("X", data=values, chunks=(10, 3), **options)
    group.create_array("y", data=np.sort(Y), chunks=(20,), **options)
    rows, _ = open_rows(tmp_path / "rows.zarr")
    np.testing.assert_array_equal(rows.X.compute(), values)
    np.testing.assert_array_equal(rows.y, np.sort(Y))
    absent = (
        "2 of 4 chunks of X are absent, and read as the fill value 0.0",
        "1 of 2 chunks of y are absent, and read as the fill value 0",
    )
    assert rows.notes == (() if written else tuple(f"{tmp_path / 'rows.zarr'}: {one}" for one in absent))


def test_absent_chunks_are_told_by_each_command(store, tmp_path):
    (store / "X" / "c" / "2" / "0").unlink()
    note = f"note:     {store}: 1 of 4 chunks of X are absent, and read as the fill value 0.0"
    run = tmp_path / "run"
    assert note in answer("train", store, "--steps", 2, "--validation", 0, "--out", run).splitlines()
    assert json.loads((run / "report.json").read_text())["data"]["notes"] == [
        note.removeprefix("note:").strip()
    ]
    assert note in answer("explain", run, store, "--row", 25).splitlines()
    assert f"note: {note.removeprefix('note:').strip()}" in chainrule("predict", run, store).stderr


@pytest.mark.parametrize(
    ("version", "gone", "fill", "got"), [(3, 4, 0, "0 of its 4 chunks"), (2, 1, None, "3 of its 4 chunks")]
)
def test_an_array_without_any_chunk_or_without_a_fill_value_is_refused(tmp_path, version, gone, fill, got):
    store = tmp_path / "rows.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=version)
    group.create_array("X", data=X, chunks=(10, 3), fill_value=0)
    group.create_array("y", data=Y, chunks=(40,))
    if version == 2:
        about = store / "X" / ".zarray"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"fill_value": fill}))
    for k in range(gone):
        (store / "X" / (f"c/{k}/0" if version == 3 else f"{k}.0")).unlink()
    with pytest.raises(DataError, match=rf"rows\.zarr: expected X whole, got {got}; copy it again"):
        open_rows(store)


def test_a_store_that_claims_more_chunks_than_it_could_have_is_judged_at_once(store):
    about = store / "X" / "zarr.json"
    about.write_text(about.read_text().replace("40,", f"{2**62},", 1))
    with pytest.raises(DataError, match=r"rows\.zarr: expected X of a size that|one label for each"):
        open_rows(store)


@pytest.mark.parametrize("how", ["cut", "unpacks to a gigabyte"])
def test_a_damaged_chunk_of_zarr_is_told_with_its_array(tmp_path, how):
    store = tmp_path / "rows.zarr"
    group = zarr.open_group(store, mode="w")
    group.create_array("X", data=X, chunks=(10, 3), compressors=zarr.codecs.GzipCodec())
    group.create_array("y", data=Y, chunks=(40,))
    chunk = store / "X" / "c" / "2" / "0"
    member = gzip.compress(bytes(1 << 26))
    chunk.write_bytes(chunk.read_bytes()[:9] if how == "cut" else member * 16)
    rows, _ = open_rows(store, 10)
    np.testing.assert_array_equal(rows.X[:20].compute(), X[:20])
    fault = "EOFError" if how == "cut" else "MemoryError"
    with pytest.raises(DataError, match=rf"rows\.zarr: .* a fault on reading X \({fault}"):
        rows.X.compute()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("left", [10, 16, 40, -1])
def test_a_chunk_of_blosc_that_was_cut_short_is_told_and_no_other_memory_is_read(tmp_path, dtype, left):
    group = zarr.open_group(tmp_path / "rows.zarr", mode="w", zarr_format=2)
    X = np.random.default_rng(0).integers(0, 250, (60, 3)).astype(dtype)
    group.create_array("X", data=X, chunks=(10, 3), compressors=numcodecs.Blosc())
    group.create_array("y", data=X[:, 0] % 2, chunks=(10,), compressors=numcodecs.Blosc())
    chunk = tmp_path / "rows.zarr" / "X" / "1.0"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:left])
    rows, _ = open_rows(tmp_path / "rows.zarr", 10)
    with pytest.raises(DataError, match=rf"rows\.zarr: .* reading X \(a chunk of {len(whole[:left])} bytes"):
        rows.X.compute()


def test_a_damaged_chunk_of_h5_names_the_file(tmp_path):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("X", data=X, chunks=(10, 3), fletcher32=True)
        file["y"] = Y
        place = made.id.get_chunk_info(2).byte_offset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    rows, _ = open_rows(path, 10)
    np.testing.assert_array_equal(rows.X[30:].compute(), X[30:])
    with pytest.raises(DataError, match=r"rows\.h5: .* a fault on reading X"):
        rows.X.compute()


@pytest.mark.parametrize("chunks", [None, (100, 100)])
def test_an_array_that_was_never_written_is_not_read_as_zeros(tmp_path, chunks):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (1000, 100), "f4", chunks=chunks)
        file["y"] = np.arange(1000) % 2
    with pytest.raises(DataError, match=r"rows\.h5: expected X whole, got 0 of its "):
        open_rows(path)


def test_a_small_file_that_claims_gigabytes_is_refused_in_chunks_too(tmp_path):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (10**6, 1000), "f4", chunks=(1000, 1000))
        file["y"] = np.arange(10**6, dtype="u1") % 2
    with pytest.raises(DataError, match=r"X of a size .* got 4 GB in .* MB of the file"):
        open_rows(path)


def test_a_chunk_is_judged_too_and_an_array_that_is_read_in_parts_needs_no_memory_for_all(tmp_path):
    def array(**changed):
        about = {"shape": (10**9, 10**3), "chunk": 0, "held": 10**12, "missing": None} | changed
        return StoredArray(tmp_path, "X", dtype=np.dtype("f4"), **about)

    array().check(at_once=False)
    with pytest.raises(DataError, match="X of a size that the file can be meant to have"):
        array().check()
    with pytest.raises(DataError, match=r"X of a size .* \(--memory 4e\+03\)"):
        array(held=10**6).check(at_once=False)
    with pytest.raises(DataError, match="a chunk of X of a size"):
        array(shape=(10,), chunk=10**10, held=10**6).check(at_once=False)
    with at_most(11):
        array(shape=(10,), chunk=10**10, held=10**6).check(at_once=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("raise SystemExit(3)", "exit status 3"),
        ("usual['_limit'].__globals__['_SECONDS'] = 0\nusual['_limit'](0, 0)\nwhile True: pass", "SIGXCPU"),
    ],
    ids=["crash", "exit", "no end"],
)
def test_a_file_that_ends_the_process_is_a_line_and_the_next_file_is_read(store, tmp_path, text, said):
    apart.end_idle()
    path = tmp_path / "program.py"
    path.write_text(
        f"import os, runpy, signal\nusual = runpy.run_path({apart._PROGRAM!r})\ninput()\n{text}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "_PROGRAM", str(path))
        with pytest.raises(
            DataError, match=rf"rows\.zarr: expected .* got one that ends the process .*{said}"
        ):
            open_rows(store)
    np.testing.assert_array_equal(open_rows(store)[0].X.compute(), X)


def test_a_file_that_changes_under_the_run_is_told(store):
    rows, _ = open_rows(store, 10)
    zarr.open_group(store, mode="r+").create_array("X", data=X[:, :2], chunks=(10, 2), overwrite=True)
    with pytest.raises(DataError, match=r"X of float64 .40, 3., as when it was opened, got float64 .10, 2."):
        rows.X.compute()


def test_no_process_is_left_behind(store):
    open_rows(store)
    (process,) = [process for idle in apart._idle.values() for process in idle]
    assert process._process.poll() is None
    apart.end_idle()
    assert process._process.returncode == -signal.SIGKILL
