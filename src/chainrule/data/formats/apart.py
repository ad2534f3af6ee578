"""Arrays of HDF5 files and Zarr stores, read by a process apart: a file that crashes its library ends in an error.

`store_process` is the program of that process, with the limits that it sets itself. An idle process waits for the next
read, so that rows which are read at each step do not start one each time; a thread that reads has one of its own.
"""

import atexit
import importlib.util
import io
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.errors import AGAIN, DataError, fault, no_permission
from chainrule.data.limits import check_room

_PROGRAM = str(Path(__file__).with_name("store_process.py"))
# It imports from where this process does; its threads would count against its memory.
_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "runpy.run_path(sys.argv[2], run_name='__main__')"
)
_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

# By process: a fork has the list of its parent, whose pipes are not its own.
_idle: dict[int, list["_Process"]] = {}


@dataclass(frozen=True)
class StoredArray:
    """An array in a store, of which slices of rows are read.

    chunk    the bytes of a chunk, unpacked; 0 where it is stored as one
    held     the bytes that may hold its values
    missing  what of it is there, in words, where that is too little to read; None where it may be read
    note     what a reader should know of the parts that are absent; None where all are there
    """

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: Any
    chunk: int
    held: int
    missing: str | None = None
    note: str | None = None
    ndim: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ndim", len(self.shape))

    def whole(self) -> np.ndarray:
        """Return all of the array. Raises DataError as `check` does."""
        self.check()
        return self._read(None)

    def check(self, *, at_once: bool = True) -> None:
        """Raise DataError where a part is missing, or where the array or a chunk claims far more than the file holds.

        The array is read `at_once`, or in parts that need less memory.
        """
        check_room(self.path, f"a chunk of {self.key}", self.chunk, self.held)
        size = math.prod(self.shape) * self.dtype.itemsize
        check_room(self.path, self.key, size, self.held, at_once=at_once)
        if self.missing is not None:
            remedy = "copy it again, or write all of it"
            raise fault(self.path, f"{self.key} whole", self.missing, remedy)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Return what is at an index that begins with a slice of rows."""
        first, *others = index if isinstance(index, tuple) else (index,)
        start, stop, step = first.indices(self.shape[0])
        return self._read((start, max(start, stop)))[(slice(None, None, step), *others)]

    def _read(self, rows: tuple[int, int] | None) -> np.ndarray:
        with _process() as process:
            told = process.ask(self.path, self.key, rows)
            shape, dtype = tuple(told["shape"]), np.dtype(told["dtype"])
            height = self.shape[:1] if rows is None else (rows[1] - rows[0],)
            if shape != (*height, *self.shape[1:]) or self.dtype not in (dtype, object):
                expected = f"{self.key} of {self.dtype} {self.shape}, as when it was opened"
                raise fault(self.path, expected, f"{dtype} {shape}", "leave it as it is")
            values = np.empty(shape, dtype)
            process.fill(self.path, self.key, values)
            return values


def arrays(path: Path, package: str, extra: str) -> dict[str, StoredArray | None]:
    """Return the arrays of a store by their names, None for a group or a link.

    Raises ImportError where the package that reads the store is missing, and DataError for a store that cannot be read.
    """
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"reading this data needs {package}: pip install '.[{extra}]' in chainrule's folder"
        )
    with _process() as process:
        told = process.ask(path)["arrays"]
        process.fill(path, None, np.empty(0, np.uint8))
    found: dict[str, StoredArray | None] = {}
    for key, about in told.items():
        found[key] = None
        if about["own"]:
            held = about.get("held") or path.stat().st_size
            found[key] = StoredArray(
                path,
                key,
                tuple(about["shape"]),
                np.dtype(about["dtype"]),
                about["chunk"],
                held,
                about.get("missing"),
                about.get("note"),
            )
    return found


@contextmanager
def _process() -> Iterator["_Process"]:
    """Lend an idle process, or a new one; it ends where the block leaves it with an answer half given."""
    idle = _idle.setdefault(os.getpid(), [])
    try:
        process = idle.pop()
    except IndexError:
        process = _Process()
    try:
        yield process
    finally:
        if process.owes:
            process.end()
        else:
            idle.append(process)


@atexit.register
def end_idle() -> None:
    """End the processes that wait for the next read."""
    for process in _idle.pop(os.getpid(), []):
        process.end()


class _Process:
    def __init__(self) -> None:
        # Whether a part of an answer is still to come.
        self.owes = False
        paths = json.dumps([place for place in sys.path if place])
        # In a session of its own, so that Ctrl-C ends this process alone; it ends with its standard input.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, paths, _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | _SETTINGS,
            start_new_session=True,
        )
        assert isinstance(self._process.stdin, io.BufferedWriter)
        assert isinstance(self._process.stdout, io.BufferedReader)
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, path: Path, key: str | None = None, rows: tuple[int, int] | None = None) -> Any:
        """Return the first line of the answer. Raises DataError for a fault in the store."""
        self.owes = True
        request = {"path": str(path), "key": key, "rows": rows}
        with suppress(BrokenPipeError):
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
        return self._line(path, key)

    def fill(self, path: Path, key: str | None, values: np.ndarray) -> None:
        """Fill an array with the bytes of the rest of the answer."""
        room = values.reshape(-1).view(np.uint8).data
        filled = 0
        while "end" not in (told := self._line(path, key)):
            place = room[filled : filled + told["bytes"]]
            if len(place) < told["bytes"] or self._answers.readinto(place) < len(place):
                raise self._ended(path, key)
            filled += len(place)
        self.owes = False
        if filled < len(room):
            raise fault(path, f"{len(room)} bytes of {key}", f"{filled}", AGAIN)

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(BrokenPipeError):
                pipe.close()

    def _line(self, path: Path, key: str | None) -> Any:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise self._ended(path, key)
        told = json.loads(line)
        if "fault" in told:
            self.owes = False
            if told["permission"]:
                raise no_permission(path)
            got = f"a fault on reading {'it' if key is None else key} ({told['fault']})"
            raise fault(path, "a whole, readable file", got, AGAIN)
        return told

    def _ended(self, path: Path, key: str | None) -> DataError:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.end()
            code = self._process.returncode
        how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
        what = "one" if key is None else f"one in which {key} is such"
        return fault(
            path, "a whole, readable file", f"{what} that ends the process which reads it ({how})", AGAIN
        )
