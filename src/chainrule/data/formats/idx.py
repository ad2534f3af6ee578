"""Files in the idx format of MNIST, Fashion-MNIST and EMNIST: pictures in one file, their labels in another."""

import math
import re
import zlib
from pathlib import Path

import numpy as np

from chainrule.data.dataset import plane_order
from chainrule.data.errors import AGAIN, fault, faults_named, some
from chainrule.data.formats.reader import Raw, Reader, Wanted, check_labels, image_shape
from chainrule.data.limits import check_room

# EMNIST's names begin with that of a set, emnist-letters-, and its held-out rows are called test.
_NAME = re.compile(
    r"(?P<set>.+-)?(?P<part>train|t10k|test)-(?P<what>images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?"
)
_TRAIN, _HELD_OUT = ("train",), ("t10k", "test")
_NUMBERS = {"images": 3, "labels": 1}
_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
# Deflate spends 2 bits or more on a repetition, and a repetition is 258 bytes at most: 258 * 8 / 2 times.
_MOST_UNPACKED = 1032


def claims(path: Path) -> bool:
    """Return whether `path` is named as an idx file of pictures or labels, or is a folder with a file that is."""
    if path.is_dir():
        return _home(path) is not None
    return _NAME.fullmatch(path.name) is not None


def read(path: Path, wanted: Wanted | None = None) -> tuple[Raw, Raw | None]:
    """Return the training rows in the folder `path`, and the held-out rows (t10k, test) where it has some.

    `path` may be the images file of either part; the held-out rows are then those beside train-images. The files of a
    folder may lie in its subfolder raw, or in one below it, as torchvision leaves them. For a model, pictures may be
    without labels.
    """
    needed = wanted is None
    if path.is_dir():
        folder, name = _place(path)
        rows = _pair(folder, name, _TRAIN, needed)
    else:
        folder, name, rows = path.parent, _parts(path)[0], _pair_of(path, needed)
        if _parts(path)[1] not in _TRAIN:
            return rows, None
    held_out = any(_find(folder, name, _HELD_OUT, what) for what in _NUMBERS)
    return rows, _pair(folder, name, _HELD_OUT, needed) if held_out else None


READER = Reader(
    name="a folder of idx files such as `train-images-idx3-ubyte`, `.gz` or not, or its images file",
    layout="`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`; `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` "
    "beside them are held out (MNIST, Fashion-MNIST); or EMNIST's names, `emnist-letters-train-images-idx3-ubyte`; the "
    "files may lie in `raw/`",
    claims=claims,
    read=read,
    options=("wanted",),
    # The held-out rows of a folder; of an images file its own, whichever part it is.
    read_test=lambda path, train: _pair(*_place(path), _HELD_OUT) if path.is_dir() else _pair_of(path),
)


def _home(path: Path) -> Path | None:
    """Return the folder that holds the idx files of `path`: it, its raw/, or the raw/ of its one subfolder with one."""
    if _files_in(path):
        return path
    raw = [folder for folder in (path / "raw", *path.glob("*/raw")) if folder.is_dir() and _files_in(folder)]
    return raw[0] if len(raw) == 1 else None


def _files_in(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name) and entry.is_file()]


def _parts(path: Path) -> tuple[str, str, str]:
    """Return the set, the part and the content that the name of an idx file says."""
    name = _NAME.fullmatch(path.name)
    assert name is not None
    return name["set"] or "", name["part"], name["what"][:6]


def _place(path: Path) -> tuple[Path, str]:
    """Return the folder of the idx files of `path`, and the one set that they are of, "" where their names say none."""
    folder = _home(path) or path
    sets = sorted({_parts(entry)[0] for entry in _files_in(folder)}) or [""]
    if len(sets) > 1:
        raise fault(
            folder, "the idx files of one set", f"those of {some(sets)}", "name the images file of one"
        )
    return folder, sets[0]


def _pair(folder: Path, name: str, parts: tuple[str, ...], needed: bool = True) -> Raw:
    """Return the rows of a part of a set; `parts` are the names that the part may have."""
    images, labels = (_find(folder, name, parts, what) for what in _NUMBERS)
    if images is None:
        expected = f"{name}{parts[0]}-images-idx3-ubyte, .gz or not"
        got = "its labels without it" if labels else "other idx files alone"
        raise fault(folder, expected, got, "put it beside the others")
    return _rows(images, labels, needed)


def _pair_of(images: Path, needed: bool = True) -> Raw:
    name, part, what = _parts(images)
    if what != "images":
        remedy = f"name {name}{part}-images-idx3-ubyte or the folder of both"
        raise fault(images, "the file of the images", "that of their labels", remedy)
    return _rows(images, _find(images.parent, name, (part,), "labels"), needed)


def _find(folder: Path, name: str, parts: tuple[str, ...], what: str) -> Path | None:
    """Return the file by any spelling of its name, the unpacked one where both are there; None where none is."""
    names = [
        f"{name}{part}-{what}{mark}idx{_NUMBERS[what]}-ubyte{gz}"
        for gz in ("", ".gz")
        for part in parts
        for mark in "-."
    ]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _rows(images: Path, labels: Path | None, needed: bool) -> Raw:
    name, part, _ = _parts(images)
    if labels is None and needed:
        expected = f"{name}{part}-labels-idx1-ubyte, .gz or not, beside it"
        raise fault(images, expected, "no such file", "put it there")
    pictures = _array(images, 3)
    notes: tuple[str, ...] = ()
    if name.startswith("emnist-"):
        pictures = pictures.transpose(0, 2, 1)
        notes = (f"{images}: EMNIST's pictures lie on their side in the file, and are read upright",)
    y = None
    if labels is not None:
        y = _array(labels, 1)
        check_labels(labels, "labels", y, len(pictures))
    return Raw(plane_order(pictures), y, image_shape(pictures.shape), str(images), notes=notes)


def _array(path: Path, dimensions: int) -> np.ndarray:
    """Return the uint8 array of a file that has so many dimensions.

    The file: 0, 0, the type of its values, the number of dimensions; each dimension as 4 bytes, the highest first; and
    the values, the last dimension fastest. Whether gzip packed it is told by its content, not by its name.
    """
    with faults_named(path):
        held, packed = path.stat().st_size, _is_packed(path)
        room = np.empty(4 + 4 * dimensions, np.uint8)
        shape = _shape(path, room[: _fill(path, packed, room)].tobytes(), dimensions)
        begin, sizes = len(room), " x ".join(map(str, shape))
        size = begin + math.prod(shape)
        expected = f"{size} bytes, header and {sizes}"
        # Before room is made for the sizes that a damaged header claims.
        if size > held * (_MOST_UNPACKED if packed else 1):
            raise fault(path, expected, f"{'a gzip file of only ' if packed else ''}{held}", AGAIN)
        check_room(path, sizes, size, held)
        room = np.empty(size + 1, np.uint8)
        filled = _fill(path, packed, room)
        if filled != size:
            raise fault(path, expected, "more" if filled > size else f"{filled}", AGAIN)
        return room[begin:size].reshape(shape)


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    """Return the shape in a header. Raises DataError unless it is one of bytes in so many dimensions."""
    begin, length = bytes([0, 0, _UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    if header[:4] != begin[: len(header)]:
        expected = f"{begin.hex(' ')} at its beginning (bytes, {dimensions}-dimensional)"
        raise fault(path, expected, header[:4].hex(" "), "is it the file that its name says?")
    if len(header) < length:
        raise fault(path, f"a header of {length} bytes", f"{len(header)}", AGAIN)
    shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
    if 0 in shape:
        raise fault(path, "dimensions from 1 up", " x ".join(map(str, shape)), AGAIN)
    return shape


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _fill(path: Path, packed: bool, room: np.ndarray) -> int:
    """Fill room (size,) with the first bytes of the file, unpacked, and return how many there were.

    No byte beyond the room is unpacked. Where room is left, packed content was read to its end and its checksum
    compared.
    """
    with path.open("rb") as file:
        if not packed:
            return file.readinto(room.data)
        filled, stream = 0, zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while filled < len(room):
            content = stream.unused_data or file.read(1 << 14)
            if not content:
                if not stream.eof:
                    raise fault(path, "a whole gzip file", "one that breaks off", AGAIN)
                break
            if stream.eof:
                # A gzip file may have several members, one after the other.
                stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            piece = stream.decompress(content, len(room) - filled)
            room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        return filled
