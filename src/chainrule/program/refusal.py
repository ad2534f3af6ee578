"""What a program cannot replay: an error that names the line of the caller's file and what to write there."""

import linecache
import sys
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGE = str(Path(__file__).parents[1])
_HERE = (str(Path(__file__).parent), str(Path(_PACKAGE, "autodiff", "traced.py")), str(Path(np.__file__).parent))


class NotReplayable(TypeError):
    """What a function did while it was recorded depends on the values of its arrays."""


def refused(recording: Any, what: str, instead: str) -> NotReplayable:
    """Return the error about a value that the program would be built on; the recording keeps it."""
    error = NotReplayable(
        f"compile: {what} at {_line()} depends on the values of an array, and a program is the same for all values. "
        f'{instead}, or compile with on_branch="eager"'
    )
    recording.refusal = recording.refusal or error
    return error


def is_own_branch() -> bool:
    """Say whether the line that asks for a value is one of this package's own."""
    return _asking(_HERE).f_code.co_filename.startswith(_PACKAGE)


def _line() -> str:
    frame = _asking((_PACKAGE, *_HERE))
    path, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, number).strip()
    return f"{path}:{number}" + (f" ({text})" if text else "")


def _asking(inside: tuple[str, ...]) -> Any:
    """Return the innermost frame whose file is not inside these folders."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((*inside, "<__array", "<frozen")):
        frame = frame.f_back
    return frame
