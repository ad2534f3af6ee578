"""The one style of saying what is wrong with data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AGAIN = "is the file complete? Copy or write it again"


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
