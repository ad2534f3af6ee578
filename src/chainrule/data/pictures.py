"""Files of pictures: each becomes a row, all red values, then all green, then all blue."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.dataset import ImageShape, Raw, check_labels
from chainrule.data.errors import DataError, fault, needs_app, some

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

# Pillow goes by content, not by suffix, and hands an EPS file to Ghostscript, which runs it: only these may open.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"


def plane_order(pictures: np.ndarray) -> np.ndarray:
    """Rows (m, n) from pictures (m, h, w, 3) or (m, h, w): all red values, then all green, then all blue.

    The dtype stays. Any other shape raises DataError.
    """
    if pictures.ndim == 4 and pictures.shape[3] == 3:
        m, h, w, channels = pictures.shape
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)).reshape(m, channels * h * w)
    if pictures.ndim == 3:
        m, h, w = pictures.shape
        return np.ascontiguousarray(pictures).reshape(m, h * w)
    raise fault(
        "plane_order", "pictures (m, h, w, 3) or (m, h, w)", f"shape {pictures.shape}", "reshape them first"
    )


def read_image(path: str | Path, image: ImageShape) -> np.ndarray:
    """One picture as a uint8 row (n,) in plane order, values 0 to 255.

    PNG, JPEG, BMP, GIF (first frame) and WebP. Turned upright by its EXIF orientation, laid on white where it is
    transparent, made RGB or grey by `image.channels`, resized by antialiased bilinear interpolation.

    Raises DataError, naming the file and the fault, for what is missing or does not open as such a picture, and
    ImportError where Pillow is missing.
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
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _pixels(content, image)
    except DataError:
        raise
    except FileNotFoundError:
        raise fault(path, "a picture", "no such file", "check the path") from None
    except UnidentifiedImageError:
        known = ", ".join(_FORMATS)
        raise fault(path, f"a picture ({known})", "content of another kind or cut short", remedy) from None
    except Exception as error:  # what a decoder raises on broken bytes has no common type
        got = f"a fault on opening it ({type(error).__name__}: {error})"
        raise fault(path, "a whole picture", got, remedy) from error


def _pixels(content: bytes, image: ImageShape) -> np.ndarray:
    from PIL import Image, ImageOps

    picture: Any = Image.open(io.BytesIO(content), formats=_FORMATS)
    if picture.format == "PNG":
        # Decoding stops at the last pixel and checks no checksum; a file cut or damaged there would pass for whole.
        picture.verify()
        if _PNG_END not in content:
            raise OSError("truncated PNG file")
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
    picture.load()
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # 16 bits of grey. Pillow's own conversion to 8 bits has clipped instead of scaled in some versions.
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


def read_folder(folder: Path, image: ImageShape) -> Raw:
    """X (m, n) uint8 and the class name of each row, from a folder with one subfolder of pictures per class."""
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


def own_dataset(path: Path, file: Any, key: str) -> Any:
    """Return a dataset of an open .h5 file; DataError for a link, which would read another file in this one's name."""
    import h5py

    own = isinstance(file.get(key, getlink=True), h5py.HardLink) and isinstance(file[key], h5py.Dataset)
    if not own or file[key].is_virtual or file[key].external:
        raise fault(path, f"{key} as a dataset in the file itself", "a group or a link", "copy it in")
    return file[key]


def read_h5(path: Path, *parts: str) -> Raw:
    """The pictures, labels and class names of an .h5 file in the cat layout.

    `parts`, "train" and "test", are those that will do; the first that the file has is read.
    """
    with needs_app("h5py"):
        import h5py
    with h5py.File(path, "r") as file:
        part = next((part for part in parts if f"{part}_set_x" in file), parts[0])
        keys = [f"{part}_set_x", f"{part}_set_y", "list_classes"]
        missing = [key for key in keys if key not in file]
        if missing:
            remedy = "have X and y read in chunks, by --chunk-rows" if "X" in file else f"add {some(missing)}"
            raise fault(path, f"the datasets {some(keys)}", some(sorted(file)), remedy)
        pictures, y, listed = (own_dataset(path, file, key)[...] for key in keys)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or 0 in pictures.shape:
        got = f"{pictures.dtype} {pictures.shape}"
        raise fault(path, f"{keys[0]} as uint8 (m, h, w, 3)", got, "store RGB pictures of one size")
    if listed.ndim != 1 or listed.dtype.kind not in "SO":
        raise fault(path, "list_classes as (k,) names", f"{listed.dtype} {listed.shape}", "store class names")
    classes = tuple(name.decode() for name in listed.tolist())
    if len(set(classes)) < len(classes):
        raise fault(path, "distinct names in list_classes", some(classes), "rename one")
    check_labels(path, keys[1], y, pictures)
    if y.dtype.kind not in "biu" or y.min() < 0 or y.max() >= len(classes):
        expected = f"{keys[1]} as integers from 0 to {len(classes) - 1}"
        raise fault(path, expected, f"{y.dtype} from {y.min()} to {y.max()}", "number the classes from 0")
    image = ImageShape(pictures.shape[1], pictures.shape[2], 3)
    return Raw(plane_order(pictures), np.array(classes)[y.astype(np.intp)], image, str(path), classes)
