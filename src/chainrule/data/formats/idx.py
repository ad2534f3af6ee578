"""Files in the idx format of MNIST and Fashion-MNIST: pictures in one file, their labels in another."""

import math
import re
import zlib
from pathlib import Path

import numpy as np

from chainrule.data.dataset import plane_order
from chainrule.data.errors import AGAIN, fault, faults_named
from chainrule.data.formats.reader import Raw, Reader, check_labels, image_shape
from chainrule.data.limits import check_room

_NAME = re.compile(r"(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")
_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
# Deflate spends 2 bits or more on a repetition, and a repetition is 258 bytes at most: 258 * 8 / 2 times.
_MOST_UNPACKED = 1032


def claims(path: Path) -> bool:
    """Return whether `path` is named as an idx file of pictures or labels, or is a folder with a file that is."""
    if path.is_dir():
        return any(_NAME.fullmatch(entry.name) and entry.is_file() for entry in path.iterdir())
    return _NAME.fullmatch(path.name) is not None


def read(path: Path) -> tuple[Raw, Raw | None]:
    """Return the training rows in the folder `path`, and the held-out rows (t10k) where it has some.

    `path` may be the images file of either part; the held-out rows are then those beside train-images.
    """
    folder, part = (path, "train") if path.is_dir() else (path.parent, path.name.split("-")[0])
    rows = _pair(folder, part) if path.is_dir() else _pair_of(path)
    test = [_find(folder, "t10k", what) for what in ("images", "labels")]
    return rows, _pair(folder, "t10k") if part == "train" and any(test) else None


READER = Reader(
    name="a folder of idx files such as `train-images-idx3-ubyte`, `.gz` or not, or its images file",
    layout="`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`; `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` "
    "beside them are held out (MNIST, Fashion-MNIST)",
    claims=claims,
    read=read,
    # The held-out rows of a folder; of an images file its own, whichever part it is.
    read_test=lambda path, train: _pair(path, "t10k") if path.is_dir() else _pair_of(path),
)


def _pair(folder: Path, part: str) -> Raw:
    images, labels = (_find(folder, part, what) for what in ("images", "labels"))
    if images is None:
        expected = f"{part}-images-idx3-ubyte, .gz or not"
        got = "its labels without it" if labels else "other idx files alone"
        raise fault(folder, expected, got, "put it beside the others")
    return _rows(images, labels)


def _pair_of(images: Path) -> Raw:
    part, what, *_ = images.name.replace(".", "-").split("-")
    if what != "images":
        remedy = f"name {part}-images-idx3-ubyte or the folder of both"
        raise fault(images, "the file of the images", "that of their labels", remedy)
    return _rows(images, _find(images.parent, part, "labels"))


def _find(folder: Path, part: str, what: str) -> Path | None:
    """Return the file by any spelling of its name, the unpacked one where both are there; None where none is."""
    number = {"images": 3, "labels": 1}[what]
    names = [f"{part}-{what}{mark}idx{number}-ubyte{gz}" for gz in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _rows(images: Path, labels: Path | None) -> Raw:
    if labels is None:
        expected = f"{images.name.split('-')[0]}-labels-idx1-ubyte, .gz or not, beside it"
        raise fault(images, expected, "no such file", "put it there")
    pictures, y = _array(images, 3), _array(labels, 1)
    check_labels(labels, "labels", y, len(pictures))
    return Raw(plane_order(pictures), y, image_shape(pictures.shape), str(images))


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
