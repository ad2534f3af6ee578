"""Files of pictures and of arrays: each picture becomes a row, all red, then all green, then all blue.

The readers' half of the data room; `chainrule.data` numbers their classes and re-exports the public names.
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

AGAIN = "is the file complete? Copy or write it again"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

# Pillow goes by content, not by suffix, and hands an EPS file to Ghostscript, which runs it: only these may open.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_PNG_END = b"IEND\xaeB`\x82"


class DataError(ValueError):
    """Data that cannot be used: the message names the file, what was expected, what came and what to do."""


def fault(file: object, expected: str, got: str, remedy: str) -> DataError:
    """Word a DataError in the one style that all of them have."""
    return DataError(f"{file}: expected {expected}, got {got}; {remedy}")


def some(names: Any) -> str:
    """Name at most ten of a sequence, and say how many there are."""
    shown = ", ".join(map(repr, names[:10])) or "nothing"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 10 else shown


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on broken bytes into a DataError that names the file."""
    try:
        yield
    except (DataError, ImportError):
        raise
    except Exception as error:  # h5py and zipfile have no common type for it
        got = f"a fault on reading it ({type(error).__name__}: {error})"
        raise fault(path, "a whole, readable file", got, AGAIN) from error


@contextmanager
def needs_app(package: str) -> Iterator[None]:
    """Around an optional import: say how to get the package where it is missing."""
    try:
        yield
    except ImportError as error:
        raise ImportError(f'reading this data needs {package}: pip install "chainrule[app]"') from error


@dataclass(frozen=True)
class ImageShape:
    """Height and width in pixels, and 1 channel (grey) or 3 (red, green, blue). n = height * width * channels."""

    height: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or self.channels not in (1, 3):
            sizes = f"{self.height} x {self.width} with {self.channels}"
            raise fault("ImageShape", "a size from 1 x 1 up with 1 or 3 channels", sizes, "correct it")

    @property
    def n(self) -> int:
        """The number of features of a row."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class Raw:
    """What a file holds, before classes are numbered."""

    X: np.ndarray
    labels: np.ndarray  # (m,) numbers or names
    image: ImageShape | None
    source: str
    classes: tuple[str, ...] | None = None  # where the file lists them
    features: tuple[str, ...] = ()
    place: Callable[[int], str] = "y[{}]".format  # where row i has its label

    def names(self) -> tuple[list[str], np.ndarray]:
        """The names of the classes that occur, in order, and for each row the number of its name."""
        labels, remedy = self.labels, "give whole numbers or names as classes"
        if labels.dtype.kind == "f":
            odd = ~(np.isfinite(labels) & (np.trunc(labels) == labels))
            if odd.any():
                first = int(odd.argmax())
                got = f"{labels[first]} at {self.place(first)}"
                raise fault(self.source, "whole numbers or names as classes", got, remedy)
        elif labels.dtype.kind not in "biuSU":
            raise fault(self.source, "whole numbers or names as classes", f"type {labels.dtype}", remedy)
        values, inverse = np.unique(labels, return_inverse=True)
        if values.dtype.kind in "SU":
            names = [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]
            if "" in names:
                first = int((inverse == names.index("")).argmax())
                raise fault(
                    self.source, "a class for each row", f"an empty one at {self.place(first)}", "fill it in"
                )
        else:
            names = [str(value if labels.dtype.kind == "b" else int(value)) for value in values.tolist()]
        return names, inverse


def check_labels(path: Path, key: str, y: np.ndarray, X: np.ndarray) -> None:
    """Raise DataError unless y is (m,) for the m samples of X."""
    if y.shape != X.shape[:1]:
        got = f"shape {y.shape} for {len(X)} samples"
        raise fault(path, f"{key} as (m,), one label for each sample", got, "make them as many, in one axis")


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


def read_h5(path: Path, part: str) -> Raw:
    """The pictures, labels and class names of an .h5 file in the cat layout; `part` is "train" or "test"."""
    with needs_app("h5py"):
        import h5py
    keys = [f"{part}_set_x", f"{part}_set_y", "list_classes"]
    with h5py.File(path, "r") as file:
        missing = [key for key in keys if key not in file]
        if missing:
            raise fault(path, f"the datasets {some(keys)}", some(sorted(file)), f"add {some(missing)}")
        for key in keys:
            # A link or an external store would read some other file in this one's name.
            own = isinstance(file.get(key, getlink=True), h5py.HardLink) and isinstance(
                file[key], h5py.Dataset
            )
            if not own or file[key].is_virtual or file[key].external:
                raise fault(path, f"{key} as a dataset in the file itself", "a group or a link", "copy it in")
        pictures, y, listed = (file[key][...] for key in keys)
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


def read_npz(path: Path) -> tuple[Raw, Raw | None]:
    """X and y of an .npz file, and X_test and y_test where it has them."""
    with zipfile.ZipFile(path) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
        held_out = "X_test" in there or "y_test" in there
        keys = ["X", "y", "X_test", "y_test"] if held_out else ["X", "y"]
        missing = [key for key in keys if key not in there]
        if missing:
            raise fault(path, f"the arrays {some(keys)}", some(there), f"save {some(missing)} too")
        arrays = [_read_array(path, archive, key) for key in keys]
    train = _raw(path, "X", "y", *arrays[:2])
    return train, _raw(path, "X_test", "y_test", *arrays[2:]) if held_out else None


def _raw(path: Path, x_key: str, y_key: str, X: np.ndarray, y: np.ndarray) -> Raw:
    if X.dtype.kind not in "biuf":
        raise fault(path, f"{x_key} of real numbers", f"type {X.dtype}", "save numbers")
    if not (X.ndim in (2, 3) or (X.ndim == 4 and X.shape[3] == 3)) or 0 in X.shape:
        got = f"shape {X.shape}"
        raise fault(path, f"{x_key} as (m, n), (m, h, w) or (m, h, w, 3), none 0", got, "reshape it")
    check_labels(path, y_key, y, X)
    if X.dtype != np.uint8:
        single = X.dtype.kind == "f" and X.dtype.itemsize <= 4
        with np.errstate(over="ignore"):  # a long double may become infinite: the next check says so
            X = X.astype(np.float32 if single else np.float64, order="C", copy=False)
    odd = ~np.isfinite(X)
    if odd.any():
        row, *column = (int(i) for i in np.argwhere(odd)[0])
        at = f"row {row}, column {', '.join(map(str, column))} (counted from 0)"
        got = f"{np.count_nonzero(odd)} that are NaN or infinite, the first at {at}"
        raise fault(path, f"finite numbers in {x_key}", got, "remove or fill them")
    image = None if X.ndim == 2 else ImageShape(X.shape[1], X.shape[2], 1 if X.ndim == 3 else 3)
    place = f"{y_key}[{{}}]".format
    return Raw(X if image is None else plane_order(X), y, image, str(path), place=place)


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> np.ndarray:
    with archive.open(f"{key}.npy") as file:
        try:
            values = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            got = f"one that cannot be read ({error})"
            raise fault(path, f"{key} as a plain array of numbers or text", got, "save it as such") from error
        # The checksum is looked at where the member ends, which may be after the last number.
        file.read()
    return values
