"""HDF5 files of pictures in the layout of the cat pictures: train_set_x, train_set_y and list_classes.

`data.chunked` reads files of larger data through the same checks.
"""

from pathlib import Path

import numpy as np

from chainrule.data.dataset import plane_order
from chainrule.data.errors import fault, faults_named, some
from chainrule.data.formats import apart
from chainrule.data.formats.apart import StoredArray
from chainrule.data.formats.reader import Raw, Reader, check_file, check_labels, image_shape, suffixed


def stored(path: Path) -> dict[str, StoredArray | None]:
    """Return the arrays of an .h5 file by their names. Raises ImportError where h5py is missing."""
    return apart.arrays(path, "h5py", "app")


def own(path: Path, key: str, found: StoredArray | None) -> StoredArray:
    """Return what was found; DataError for a link, which would read another file in this one's name."""
    if found is None:
        raise fault(path, f"{key} as a dataset in the file itself", "a group or a link", "copy it in")
    return found


def class_names(path: Path, listed: np.ndarray | None) -> tuple[str, ...]:
    """Return the names in the dataset list_classes, (k,) bytes. Raises DataError where it is missing or no names."""
    if listed is None or listed.ndim != 1 or listed.dtype.kind not in "SOiu":
        got = "none" if listed is None else f"{listed.dtype} {listed.shape}"
        raise fault(path, "list_classes as (k,) names", got, "store class names")
    classes = tuple(name.decode() if isinstance(name, bytes) else str(name) for name in listed.tolist())
    if len(set(classes)) < len(classes):
        raise fault(path, "distinct names in list_classes", some(classes), "rename one")
    return classes


def labels_by_name(path: Path, key: str, y: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return the name of each row's class from its number y (m,). Raises DataError for numbers without a name."""
    if y.dtype.kind not in "biu" or y.min() < 0 or y.max() >= len(classes):
        expected = f"{key} as integers from 0 to {len(classes) - 1}"
        raise fault(path, expected, f"{y.dtype} from {y.min()} to {y.max()}", "number the classes from 0")
    return np.array(classes)[y.astype(np.intp)]


def held_out_file(path: Path) -> Path | None:
    """Return the file beside `path` with "test" for "train" in its name, None where there is none."""
    beside = path.with_name(path.name.replace("train", "test"))
    return beside if beside != path and beside.is_file() else None


def read(path: Path) -> tuple[Raw, Raw | None]:
    """Return the training rows (of a file of held-out rows alone, those), and the rows of the test file beside it."""
    train, beside = _rows(path, "train", "test"), held_out_file(path)
    test = _rows(beside, "test") if beside else None
    apart.end_idle()
    return train, test


READER = Reader(
    name="an `.h5` file",
    layout="`train_set_x` (m, h, w, 3), `train_set_y` (m,) and the names `list_classes` (k,); the file beside it with "
    "`test` for `train` in its name is held out",
    claims=suffixed(".h5", ".hdf5"),
    read=read,
    read_test=lambda path, train: _rows(path, "test"),
    in_chunks=True,
)


def _rows(path: Path, *parts: str) -> Raw:
    """Return the pictures, labels and class names of the first of `parts`, "train" and "test", that the file has."""
    check_file(path)
    with faults_named(path):
        file = stored(path)
        part = next((part for part in parts if f"{part}_set_x" in file), parts[0])
        keys = [f"{part}_set_x", f"{part}_set_y", "list_classes"]
        missing = [key for key in keys if key not in file]
        if missing:
            remedy = "have X and y read in chunks, by --chunk-rows" if "X" in file else f"add {some(missing)}"
            raise fault(path, f"the datasets {some(keys)}", some(sorted(file)), remedy)
        pictures, y, listed = (own(path, key, file[key]).whole() for key in keys)
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or 0 in pictures.shape:
            got = f"{pictures.dtype} {pictures.shape}"
            raise fault(path, f"{keys[0]} as uint8 (m, h, w, 3)", got, "store RGB pictures of one size")
        classes = class_names(path, listed)
        check_labels(path, keys[1], y, len(pictures))
        labels = labels_by_name(path, keys[1], y, classes)
    return Raw(plane_order(pictures), labels, image_shape(pictures.shape), str(path), classes)
