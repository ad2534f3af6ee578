"""The table of data formats, and the functions that read any of them.

Loading never unpickles and executes nothing. Whatever cannot be used raises DataError, which names the file, what was
expected, what came and what to do.
"""

from pathlib import Path

from chainrule.data.classes import numbered
from chainrule.data.dataset import Dataset
from chainrule.data.errors import DataError, fault, faults_named, misfit
from chainrule.data.formats import csv, digits, hdf5, idx, npz, pictures, stores
from chainrule.data.formats.reader import Reader, check_file
from chainrule.data.targets import ask, measured

# The first row that claims a path reads it. The last claims every folder.
READERS = (
    *(csv.READER, npz.READER, npz.NPY, hdf5.READER),
    *(stores.ZARR, stores.NPY, idx.READER, pictures.READER),
)


def load(
    path: str | Path | None = None,
    *,
    label: str | None = None,
    image_size: int = 64,
    task: str | None = None,
) -> tuple[Dataset, Dataset | None]:
    """Return the training rows at `path`, and the held-out rows where the file or folder has some, else None.

    path        a file or folder in a format of READERS; None means scikit-learn's digits, 1797 pictures of 8 x 8
    label       the column of a .csv file that names the class; default: the one called label, y or target
    image_size  the height and width in pixels to which a folder's pictures are brought
    task        "classes" or "regression", where labels are numbers to predict; None for classes, with a question where
                the labels of a table may be either

    Classes that are numbers are sorted as numbers, names as text. Raises DataError for data that cannot be used, and
    ImportError where the package that reads the format is missing.
    """
    if image_size < 1:
        raise fault("load", "image_size from 1 up", f"{image_size}", "give the side in pixels")
    if path is None:
        if label is not None:
            raise _no_label("the embedded digits", label)
        if task == "regression":
            raise fault("the embedded digits", "data with numbers to predict", "none", "give a .csv file")
        return digits.read(), None
    path = Path(path)
    reader = checked_reader(path, label)
    given = {"label": label, "image_size": image_size, "wanted": None}
    with faults_named(path):
        rows, held_out = reader.read(path, **{option: given[option] for option in reader.options})
        if task is None:
            ask(rows)
        of = measured if task == "regression" else numbered
        train = of(rows)
        return train, of(held_out, train) if held_out else None


def load_test(path: str | Path, train: Dataset, *, label: str | None = None) -> Dataset:
    """Return held-out rows from a file or folder of their own, in the layout of the training data.

    An .h5 file has test_set_x, test_set_y and list_classes, an .npz file X and y, a folder of idx files t10k-images
    and t10k-labels. Features, classes and picture shape must be those of `train`; a class may be absent. Raises
    DataError, which names both files where they do not fit.
    """
    path = Path(path)
    reader = checked_reader(path, label)
    with faults_named(path):
        of = numbered if train.classes else measured
        if reader.read_test is not None:
            return of(reader.read_test(path, train), train)
        options = {"label": label} if "label" in reader.options else {}
        return of(reader.read(path, **options)[0], train)


def reader_of(path: Path) -> Reader | None:
    """Return the row of READERS that claims `path`, None where none does."""
    with faults_named(path):
        return next((reader for reader in READERS if reader.claims(path)), None)


def formats_help() -> str:
    """Return what `load` reads, each format with its layout, as plain text for --help."""
    rows = ". ".join(f"{reader.name[0].upper()}{reader.name[1:]}: {reader.layout}" for reader in READERS)
    return f"{rows}. Default: scikit-learn's handwritten digits.".replace("`", "")


def checked_reader(path: Path, label: str | None) -> Reader:
    """Return the reader of `path`. Raises DataError where there is none, and for a label that it does not take."""
    reader = reader_of(path)
    if reader is None:
        suffix = f"the suffix {path.suffix!r}"
        got = suffix if path.exists() else f"no such file, and {suffix}"
        raise fault(path, _names(READERS, ", "), got, "check the name or convert the file")
    check_file(path)
    if label is not None and "label" not in reader.options:
        raise _no_label(path, label)
    return reader


def _no_label(source: object, label: str) -> DataError:
    labelled = _names([reader for reader in READERS if "label" in reader.options], " or ")
    expected = f"no column of labels, which only {labelled} has"
    return misfit("label", source, expected, f"{label!r}", "leave it out")


def _names(readers: tuple[Reader, ...] | list[Reader], between: str) -> str:
    return between.join(reader.name for reader in readers).replace("`", "")
