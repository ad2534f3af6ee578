"""Small files that claim much: refused by their headers, before room is made, unless the caller lets them take more."""

import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from chainrule.backend import hardware
from chainrule.data import DataError, limits, load, read_image
from chainrule.data.dataset import ImageShape
from chainrule.data.limits import at_most, check_room
from tests.helpers.format_files import write_h5

CLAIMED = 1 << 23


@pytest.fixture(autouse=True)
def a_low_limit(monkeypatch):
    monkeypatch.setattr(limits, "_BYTES", 1 << 20)


def npz(folder):
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("X", (CLAIMED // 8, 8)), ("y", (4,))):
            head = folder / "head.npy"
            with head.open("wb") as file:
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "|u1", "fortran_order": False, "shape": shape}
                )
            archive.writestr(f"{name}.npy", head.read_bytes() + bytes(1 << 14))
    return lambda: load(path)


def idx(folder):
    zeros = bytes(1 << 20)
    for name, sizes in (("images-idx3", (CLAIMED >> 20, 1024, 1024)), ("labels-idx1", (4,))):
        packed = zlib.compressobj(9, wbits=31)
        content = [packed.compress(struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes))]
        content += [packed.compress(zeros) for _ in range(CLAIMED >> 20 if len(sizes) == 3 else 0)]
        (folder / f"train-{name}-ubyte.gz").write_bytes(b"".join(content) + packed.flush())
    return lambda: load(folder)


def hdf5(folder):
    import h5py

    path = write_h5(folder / "train.h5")
    with h5py.File(path, "a") as file:
        del file["train_set_x"]
        file.create_dataset("train_set_x", (CLAIMED // 12, 2, 2, 3), "u1", chunks=(1, 2, 2, 3))
    return lambda: load(path)


def picture(suffix):
    def make(folder):
        path = folder / f"a{suffix}"
        Image.new("L", (2000, 2000)).save(path)
        return lambda: read_image(path, ImageShape(4, 4, 1))

    return make


FILES = {
    "npz": npz,
    "idx": idx,
    "h5": hdf5,
    "png": picture(".png"),
    "webp": picture(".webp"),
    "gif": picture(".gif"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_small_file_that_claims_much_is_refused_with_the_option_that_lifts_the_limit(tmp_path, kind):
    read = FILES[kind](tmp_path)
    with pytest.raises(DataError, match=r"of a size that the file can be meant to have, got .* \(--memory "):
        read()


def test_the_limit_is_lifted_by_name(tmp_path):
    read = FILES["png"](tmp_path)
    with at_most(1):
        assert read().tolist() == [0] * 16
    with at_most(0.01), pytest.raises(DataError, match=r"--memory 0\.016"):
        read()


def test_no_file_takes_more_than_the_free_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "memory_bytes", lambda: (10**9, 10**6))
    check_room(tmp_path, "X", 10**6, 10**6)
    with pytest.raises(DataError, match=r"with 0\.001 GB of memory free"):
        check_room(tmp_path, "X", 10**6 + 1, 10**6)
