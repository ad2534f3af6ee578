"""Folders of pictures: each becomes a row, all red values, then all green, then all blue."""

import io
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape, plane_order
from chainrule.data.errors import DataError, fault, needs_app, no_permission
from chainrule.data.formats.reader import Raw, Reader
from chainrule.data.framing import framed
from chainrule.data.limits import check_room

# Pillow tells a format by the content and hands an EPS file to Ghostscript, which runs it: only these may open.
_FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
}
SUFFIXES = tuple(suffix for suffixes in _FORMATS.values() for suffix in suffixes)
# Folders of one part of the data, in small or capital letters; of several held-out ones the first is taken.
_TRAIN = ("train", "training")
_HELD_OUT = ("test", "testing", "val", "valid", "validation")
_PNG_END = b"IEND\xaeB`\x82"
# The pixels of a picture from which Pillow warns by default.
_LARGE = 89_478_485
_lock = threading.Lock()


def read_image(path: str | Path, image: ImageShape) -> np.ndarray:
    """Return one picture as a uint8 row (n,) in plane order, values 0 to 255, as `read_framed` reads it, and whole."""
    return read_framed(path, image, None)[0]


def read_framed(path: str | Path, image: ImageShape, ink: float | None) -> tuple[np.ndarray, bool]:
    """Return one picture as a uint8 row (n,) in plane order, values 0 to 255, and whether it was framed.

    Reads PNG, JPEG, BMP, GIF (the first frame), WebP, TIFF (the first page), PPM and, where Pillow does, AVIF. The
    picture is turned upright by its EXIF orientation, unless that is malformed, laid on white where it is transparent,
    made RGB or grey by `image.channels`, and resized by antialiased bilinear interpolation. A JPEG of more than 89
    megapixels is decoded at a half, a quarter or an eighth of its size first, never under four times that of `image`.
    Where `ink` is given, a grey picture of ink on a plain ground is framed so that its ink fills that share of it.

    Raises DataError for a file that is missing or does not open as such a picture, and ImportError where Pillow is
    missing.
    """
    with needs_app("Pillow"):
        from PIL import UnidentifiedImageError
    remedy = "replace it by a good copy, or leave it out"
    path = Path(path)
    try:
        content = path.read_bytes()
        if not content:
            raise fault(path, "a picture", "an empty file", remedy)
        return _pixels(path, content, image, ink)
    except DataError:
        raise
    except FileNotFoundError:
        raise fault(path, "a picture", "no such file", "check the path") from None
    except PermissionError:
        raise no_permission(path) from None
    except UnidentifiedImageError:
        known = ", ".join(_FORMATS)
        raise fault(path, f"a picture ({known})", "content of another kind or cut short", remedy) from None
    except Exception as error:
        # The errors of decoders on broken bytes have no common type.
        got = f"a fault on opening it ({type(error).__name__}: {error})"
        raise fault(path, "a whole picture", got, remedy) from error


def _pixels(path: Path, content: bytes, image: ImageShape, ink: float | None) -> tuple[np.ndarray, bool]:
    from PIL import Image

    picture = _opened(content)
    width, height = picture.size
    size = 4 * width * height  # a picture may be laid on white, in four bytes a pixel
    if picture.format == "JPEG" and width * height > _LARGE:
        side = 4 * max(image.height, image.width)
        picture.draft(None, (side, side))
        # A progressive one is held whole, by its coefficients.
        size = 6 * width * height if "progressive" in picture.info else 4 * picture.width * picture.height
    check_room(path, f"a picture of {width} x {height} pixels", size, len(content))
    if picture.format == "PNG":
        # Decoding stops at the last pixel without a look at the checksum; a file cut there would pass for whole.
        picture.verify()
        if _PNG_END not in content:
            raise OSError("truncated PNG file")
        picture = _opened(content)
    picture.load()
    kind, picture = picture.format, _upright(picture)
    if picture.mode == "F" or (picture.mode == "I" and kind != "PNG"):
        raise OSError("more than 16 bits a channel")
    if picture.mode.startswith("I"):
        picture = _of_16_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        picture = white
    picture = picture.convert("RGB" if image.channels == 3 else "L")
    cut = framed(picture, image, ink) if ink is not None and image.channels == 1 else None
    picture = picture if cut is None else cut
    picture = picture.resize((image.width, image.height), Image.Resampling.BILINEAR)
    row: np.ndarray = plane_order(np.asarray(picture, dtype=np.uint8)[None])[0]
    return row, cut is not None


def _opened(content: bytes) -> Any:
    from PIL import Image

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]
    # Pillow's bound of the size is the process's own; here `check_room` judges it.
    with _lock:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(content), formats=formats)
        finally:
            Image.MAX_IMAGE_PIXELS = bound


def _upright(picture: Any) -> Any:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        # The errors of malformed EXIF data have no common type, and the pixels are sound.
        return picture


def _of_16_bits(picture: Any) -> Any:
    """Return a grey picture of 16 bits in 8, with its transparent value white."""
    from PIL import Image

    # Some versions of Pillow clip where they convert to 8 bits, instead of scaling.
    values = np.asarray(picture)
    pixels = (values >> 8).astype(np.uint8)
    if "transparency" in picture.info:
        pixels[values == picture.info["transparency"]] = 255
    return Image.fromarray(pixels)


def read(path: Path, image_size: int) -> tuple[Raw, Raw | None]:
    """Return the pictures of a folder as rows of `image_size` x `image_size` RGB.

    The folder has one subfolder of pictures per class; or the subfolders train/ and test/ (or val/, without test/),
    each with such class folders, of which the second are held out.
    """
    image = ImageShape(image_size, image_size, 3)
    train, held_out = _parts(path)
    if not held_out:
        return read_folder(train, image), None
    test, *others = held_out
    rows = read_folder(train, image)
    for other in others:
        number = sum(len(_files_in(entry)[0]) for entry in _class_folders(other))
        note = (
            f"{number} pictures in {other} are left out, beside {test.name}/; "
            "name them by --test to hold them out instead"
        )
        rows = replace(rows, notes=(*rows.notes, note))
    return rows, read_folder(test, image)


def listed(path: Path, *, held_out: bool) -> tuple[list[tuple[Path, str | None]], tuple[str, ...]]:
    """Return the pictures in a folder and its subfolders, each with its first subfolder's name, None where it has none.

    Of a folder with `train/` and `test/`, those in the second with `held_out`, else those in the first. Beside them:
    notes of what was left out. Raises DataError where there are none.
    """
    folder, tests = _parts(path)
    if held_out:
        if not tests:
            raise fault(path, "a folder with train/ and test/", "none of these", "leave out --held-out")
        folder = tests[0]
    found, others = _files_in(folder)
    if not found:
        got = f"{len(others)} files of other kinds" if others else "an empty folder"
        raise fault(folder, f"pictures ({', '.join(SUFFIXES)})", got, "check the path")
    places = [entry.relative_to(folder).parts for entry in found]
    names = [parts[0] if len(parts) > 1 else None for parts in places]
    return list(zip(found, names, strict=True)), _notes(folder, others)


def _parts(path: Path) -> tuple[Path, list[Path]]:
    """Return the folder of training pictures and those of held-out ones: of a folder without such parts it and none."""
    parts = {entry.name.lower(): entry for entry in path.iterdir() if entry.is_dir()}
    train = next((parts[name] for name in _TRAIN if name in parts), None)
    held_out = [parts[name] for name in _HELD_OUT if name in parts]
    return (path, []) if train is None or not held_out else (train, held_out)


def read_test(path: Path, train: Dataset) -> Raw:
    """Return the pictures of a folder with one subfolder per class, in the size of the training pictures."""
    if train.image is None:
        expected = f"a table with {train.X.shape[1]} features as in {train.source}"
        raise fault(path, expected, "a folder of pictures", "give test data of the same layout")
    return read_folder(path, train.image)


READER = Reader(
    name="a folder of pictures",
    layout="one subfolder of pictures per class, which may have subfolders; or `train/` and `test/` (or `val/`) with "
    "such subfolders each, the second held out",
    claims=Path.is_dir,
    read=read,
    options=("image_size",),
    read_test=read_test,
)


def read_folder(folder: Path, image: ImageShape) -> Raw:
    """Return X (m, n) uint8 and the class name of each row, from a folder with one subfolder of pictures per class.

    Raises one DataError that names the pictures that do not open, at most ten.
    """
    layout = "one subfolder of pictures per class"
    classes = _class_folders(folder)
    if not classes:
        raise fault(folder, layout, "no subfolder", "put each class's pictures in a subfolder of its name")
    paths: list[Path] = []
    left_out: list[Path] = [entry for entry in _shown(folder) if entry.is_file()]
    for entry in classes:
        pictures, others = _files_in(entry)
        if not pictures:
            got = f"{len(others)} files of other kinds" if others else "an empty folder"
            raise fault(entry, f"pictures ({', '.join(SUFFIXES)})", got, "add some, or move the folder away")
        paths += pictures
        left_out += others
    X = np.empty((len(paths), image.n), dtype=np.uint8)
    faults: list[str] = []
    for i, path in enumerate(paths):
        try:
            X[i] = read_image(path, image)
        except DataError as error:
            faults.append(str(error))
    if faults:
        more = [f"... and {len(faults) - 10} more"] if len(faults) > 10 else []
        if len(faults) > 1:
            faults.insert(0, f"{folder}: {len(faults)} of {len(paths)} pictures do not open:")
        raise DataError("\n".join(faults[:11] + more))
    labels = np.array([path.relative_to(folder).parts[0] for path in paths])
    notes = _notes(folder, left_out)
    return Raw(X, labels, image, str(folder), notes=notes, files=tuple(map(str, paths)))


def _class_folders(folder: Path) -> list[Path]:
    return [entry for entry in _shown(folder) if entry.is_dir()]


def _shown(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _files_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures in a folder and in its subfolders, in the order of their names, and the other files."""
    pictures: list[Path] = []
    others: list[Path] = []
    for entry in _shown(folder):
        if entry.is_dir() and not entry.is_symlink():
            inner, its_others = _files_in(entry)
            pictures += inner
            others += its_others
        elif entry.suffix.lower() in SUFFIXES and entry.is_file():
            pictures.append(entry)
        else:
            others.append(entry)
    return pictures, others


def _notes(folder: Path, left_out: list[Path]) -> tuple[str, ...]:
    if not left_out:
        return ()
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in left_out)
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(5))
    first = left_out[0].relative_to(folder)
    why = "they lie beside the folders of the classes, or their suffix is no picture's"
    return (f"{len(left_out)} files in {folder} are left out ({told}), the first {first}: {why}",)
