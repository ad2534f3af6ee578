"""The error for data that cannot be used, and the one form of its message."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AGAIN = "is the file complete? Copy or write it again"


class DataError(ValueError):
    """Data that cannot be used: the message names the file, what was expected, what came and what to do."""


class SettingError(DataError):
    """A setting with a value that these data do not have; `setting` is its name, as of an argument or an option."""

    def __init__(self, message: str, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


def fault(file: object, expected: str, got: str, remedy: str) -> DataError:
    """Return a DataError with a message in the form that all have."""
    return DataError(f"{file}: expected {expected}, got {got}; {remedy}")


def misfit(setting: str, file: object, expected: str, got: str, remedy: str) -> SettingError:
    """Return a SettingError with a message in that form."""
    return SettingError(str(fault(file, expected, got, remedy)), setting)


def some(names: Any) -> str:
    """Return at most ten of a sequence of names as text, and how many there are where they are more."""
    shown = ", ".join(shortened(repr(name), 100) for name in names[:10]) or "nothing"
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 10 else shown


def shortened(text: str, most: int = 500) -> str:
    """Return a text that comes from a file or a command line, cut where it has more than so many characters."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters in all)"


def no_permission(file: object) -> DataError:
    """Return the DataError for a file or folder that this user may not read."""
    return fault(
        file,
        "a file or folder that you may read",
        "no permission",
        "ask for it (chmod), or name a copy of your own",
    )


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn any error that a reader raises on broken bytes into a DataError that names the file."""
    try:
        yield
    except (DataError, ImportError):
        raise
    except PermissionError as error:
        raise no_permission(error.filename or path) from error
    except Exception as error:
        # The errors of h5py, zipfile and zlib on broken bytes have no common type.
        got = f"a fault on reading it ({type(error).__name__}: {shortened(str(error))})"
        raise fault(path, "a whole, readable file", got, AGAIN) from error


@contextmanager
def needs_app(package: str) -> Iterator[None]:
    """Say how to install the package where the import in this block fails."""
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"reading this data needs {package}: pip install '.[app]' in chainrule's folder"
        ) from error
