"""Files in the idx format of MNIST and Fashion-MNIST: pictures in one file, their labels in another."""

import math
import re
import zlib
from pathlib import Path

import numpy as np

from chainrule.data.dataset import ImageShape, Raw, check_labels
from chainrule.data.errors import AGAIN, fault, faults_named

_NAME = re.compile(r"(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")
_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_MOST_UNPACKED = 1032  # times: deflate spends 2 bits or more on a repetition, which is 258 bytes at most


def is_idx(path: Path) -> bool:
    """Whether `path` is named as an idx file of pictures or labels, or is a folder with a file that is."""
    if path.is_dir():
        with faults_named(path):
            return any(_NAME.fullmatch(entry.name) and entry.is_file() for entry in path.iterdir())
    return _NAME.fullmatch(path.name) is not None


def read_idx(path: Path) -> tuple[Raw, Raw | None]:
    """The training rows in the folder `path`, and the held-out rows (t10k) where it has some.

    `path` may be the images file of either part; the held-out rows are then those beside train-images.
    """
    folder, part = (path, "train") if path.is_dir() else (path.parent, path.name.split("-")[0])
    rows = _pair(folder, part) if path.is_dir() else _pair_of(path)
    test = [_find(folder, "t10k", what) for what in ("images", "labels")]
    return rows, _pair(folder, "t10k") if part == "train" and any(test) else None


def read_idx_test(path: Path) -> Raw:
    """The held-out rows (t10k) in the folder `path`, or those of the images file `path`, whichever part it is."""
    return _pair(path, "t10k") if path.is_dir() else _pair_of(path)


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
    """The file by any spelling of its name; of a packed and an unpacked one, the unpacked."""
    number = {"images": 3, "labels": 1}[what]
    names = [f"{part}-{what}{mark}idx{number}-ubyte{gz}" for gz in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _rows(images: Path, labels: Path | None) -> Raw:
    if labels is None:
        expected = f"{images.name.split('-')[0]}-labels-idx1-ubyte, .gz or not, beside it"
        raise fault(images, expected, "no such file", "put it there")
    pictures, y = _array(images, 3), _array(labels, 1)
    check_labels(labels, "labels", y, pictures)
    m, h, w = pictures.shape
    return Raw(pictures.reshape(m, h * w), y, ImageShape(h, w, 1), str(images))


def _array(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of a file that has so many dimensions.

    The file: 0, 0, the type of its values, the number of dimensions; each dimension as 4 bytes, the highest first; and
    the values, the last dimension fastest. Whether it is packed by gzip is told by its content, not by its name.
    """
    with faults_named(path):
        held, packed = path.stat().st_size, _is_packed(path)
        room = np.empty(4 + 4 * dimensions, np.uint8)
        head = room[: _fill(path, packed, room)].tobytes()
        begin = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
        if head[:4] != begin[: len(head)]:
            expected = f"{begin.hex(' ')} at its beginning (bytes, {dimensions}-dimensional)"
            raise fault(path, expected, head[:4].hex(" "), "is it the file that its name says?")
        if len(head) < len(room):
            raise fault(path, f"a header of {len(room)} bytes", f"{len(head)}", AGAIN)
        shape = tuple(np.frombuffer(head, ">u4", offset=4).tolist())
        size = len(head) + math.prod(shape)
        sizes = " x ".join(map(str, shape))
        if 0 in shape:
            raise fault(path, "dimensions from 1 up", sizes, AGAIN)
        expected = f"{size} bytes, header and {sizes}"
        # Before room is made for what a damaged header promises.
        if size > held * (_MOST_UNPACKED if packed else 1):
            raise fault(path, expected, f"{'a gzip file of only ' if packed else ''}{held}", AGAIN)
        room = np.empty(size + 1, np.uint8)
        filled = _fill(path, packed, room)
        if filled != size:
            raise fault(path, expected, "more" if filled > size else f"{filled}", AGAIN)
        return room[len(head) : size].reshape(shape)


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _fill(path: Path, packed: bool, room: np.ndarray) -> int:
    """Fill room (size,) with the first bytes of the file, unpacked, and return how many it had.

    No byte beyond the room is unpacked. Where there is room left, packed content has been read to its end and
    its checksum compared.
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
            if stream.eof:  # what follows is a further member
                stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            piece = stream.decompress(content, len(room) - filled)
            room[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        return filled
