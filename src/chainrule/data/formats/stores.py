"""Stores whose rows are read in chunks alone: what they are called and how they are recognised."""

import re
from pathlib import Path
from typing import NoReturn

from chainrule.data.errors import fault
from chainrule.data.formats.reader import Reader

NPY_NAME = re.compile(r"([Xxy](?:_train|_test)?)[-._]?(\d*)\.npy")


def _is_npy_folder(path: Path) -> bool:
    if not path.is_dir():
        return False
    names = (NPY_NAME.fullmatch(entry.name) for entry in path.iterdir())
    return any(name is not None and name[1][0] in "Xx" for name in names)


def _refuse(path: Path) -> NoReturn:
    got = "a store that is read in chunks alone"
    raise fault(path, "data to be read into memory", got, "read it by --chunk-rows or data.chunked.open_rows")


ZARR = Reader(
    name="a `.zarr` group",
    layout="`X` and `y`, and `X_test` and `y_test` where you have them; always read in chunks",
    claims=lambda path: path.suffix.lower() == ".zarr",
    read=_refuse,
    in_memory=False,
    in_chunks=True,
)

NPY = Reader(
    name="a folder of `.npy` files",
    layout="`X.npy` and `y.npy`, or `X-0.npy`, `X-1.npy`, ... and `y.npy` or `y-0.npy`, ...; `X_train` and "
    "`y_train` mean the same, and `X_test` and `y_test` are held out; always read in chunks",
    claims=_is_npy_folder,
    read=_refuse,
    in_memory=False,
    in_chunks=True,
)
