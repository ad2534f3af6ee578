"""Folders of pictures: each becomes a row, all red values, then all green, then all blue."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape, plane_order
from chainrule.data.errors import DataError, fault, needs_app, no_permission
from chainrule.data.formats.reader import Raw, Reader
from chainrule.data.limits import check_room

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

# Pillow tells a format by the content and hands an EPS file to Ghostscript, which runs it: only these may open.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"


def read_image(path: str | Path, image: ImageShape) -> np.ndarray:
    """Return one picture as a uint8 row (n,) in plane order, values 0 to 255.

    Reads PNG, JPEG, BMP, GIF (the first frame) and WebP. The picture is turned upright by its EXIF orientation, laid on
    white where it is transparent, made RGB or grey by `image.channels`, and resized by antialiased bilinear
    interpolation.

    Raises DataError for a file that is missing or does not open as such a picture, and ImportError where Pillow is
    missing.
    """
    with needs_app("Pillow"):
        from PIL import Image, UnidentifiedImageError
    remedy = "remove it or replace it by a good copy"
    path = Path(path)
    try:
        content = path.read_bytes()
        if not content:
            raise fault(path, "a picture", "an empty file", remedy)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                width, height = picture.size
            # A picture may be laid on white, in four bytes a pixel.
            check_room(path, f"a picture of {width} x {height} pixels", 4 * width * height, len(content))
            return _pixels(content, image)
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


def _pixels(content: bytes, image: ImageShape) -> np.ndarray:
    from PIL import Image, ImageOps

    picture: Any = Image.open(io.BytesIO(content), formats=_FORMATS)
    if picture.format == "PNG":
        # Decoding stops at the last pixel without a look at the checksum; a file cut there would pass for whole.
        picture.verify()
        if _PNG_END not in content:
            raise OSError("truncated PNG file")
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # 16 bits of grey. Some versions of Pillow clip where they convert to 8 bits, instead of scaling.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        picture = white
    picture = picture.convert("RGB" if image.channels == 3 else "L")
    picture = picture.resize((image.width, image.height), Image.Resampling.BILINEAR)
    row: np.ndarray = plane_order(np.asarray(picture, dtype=np.uint8)[None])[0]
    return row


def read(path: Path, image_size: int) -> tuple[Raw, Raw | None]:
    """Return the pictures of a folder as rows of `image_size` x `image_size` RGB.

    The folder has one subfolder of pictures per class; or the subfolders train/ and test/ (or val/, without test/),
    each with such class folders, of which the second are held out.
    """
    image = ImageShape(image_size, image_size, 3)
    test = next((path / name for name in ("test", "val") if (path / name).is_dir()), None)
    if test is None or not (path / "train").is_dir():
        return read_folder(path, image), None
    return read_folder(path / "train", image), read_folder(test, image)


def read_test(path: Path, train: Dataset) -> Raw:
    """Return the pictures of a folder with one subfolder per class, in the size of the training pictures."""
    if train.image is None:
        expected = f"a table with {train.X.shape[1]} features as in {train.source}"
        raise fault(path, expected, "a folder of pictures", "give test data of the same layout")
    return read_folder(path, train.image)


READER = Reader(
    name="a folder of pictures",
    layout="one subfolder of pictures per class; or `train/` and `test/` (or `val/`) with such subfolders each, the "
    "second held out",
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
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise fault(folder, layout, "no subfolder", "put each class's pictures in a subfolder of its name")
    paths: list[Path] = []
    for entry in classes:
        inside = sorted(file for file in entry.iterdir() if not file.name.startswith("."))
        pictures = [file for file in inside if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not pictures:
            others = f"{len(inside)} entries of other kinds" if inside else "an empty folder"
            raise fault(entry, f"pictures ({', '.join(SUFFIXES)})", others, "add some or remove the folder")
        paths += pictures
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
    return Raw(X, np.array([path.parent.name for path in paths]), image, str(folder))
