"""Checkpoints: a run that was interrupted goes on, bit for bit as if it had not been.

A checkpoint is a safetensors file. It holds the arrays of a Snapshot as they are, its numbers as JSON, with floats in
hexadecimal so that every bit is kept, the settings of the run with a fingerprint of its data, and a checksum. Reading a
checkpoint executes nothing.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.backend.device import Device
from chainrule.backend.namespaces import to_numpy
from chainrule.optim import Report, Snapshot
from chainrule.training.storage import absorb, checksum, read_tensors, write_tensors

FORMAT = "chainrule checkpoint"
VERSION = "1"

# The name of that of a run, in its folder of results.
CHECKPOINT = "checkpoint.safetensors"

Settings = dict[str, Any]

_KINDS = {
    "step": int,
    "since": int,
    "rises": int,
    "start": float,
    "previous": float,
    "history": tuple,
    "rows": tuple,
}

# The share of a run's time that its checkpoints may take, and the seconds after which one is due between reports too.
_SHARE = 0.1
_SECONDS = 60.0


class CheckpointError(ValueError):
    """A checkpoint from which this run cannot go on; the message names the file, the fault and what to do."""


def fingerprint(*arrays: Any) -> str:
    """Return a text that differs where any element, shape or dtype of the arrays, of any device, differs."""
    digest = hashlib.blake2b(digest_size=16)
    on_host = [to_numpy(array) for array in arrays]
    for array in on_host:
        absorb(digest, array)
    shapes = ", ".join(f"{array.shape} {array.dtype}" for array in on_host)
    return f"{shapes}, checksum {digest.hexdigest()}"


def save_checkpoint(path: Path, snapshot: Snapshot, settings: Settings) -> None:
    """Write a snapshot of a run with these settings; an interruption leaves the old file or the new one, whole."""
    tensors: dict[str, np.ndarray] = {}
    parts = {field.name: getattr(snapshot, field.name) for field in fields(snapshot)}
    snapshot_text = {name: _encoded(part, name, tensors) for name, part in parts.items()}
    about = json.dumps({"settings": settings, "snapshot": snapshot_text})
    metadata = {"format": FORMAT, "version": VERSION, "about": about, "checksum": checksum(about, tensors)}
    write_tensors(path, tensors, metadata)


def load_checkpoint(path: Path, settings: Settings, params: Any, state: Any, device: Device) -> Snapshot:
    """Read the snapshot of a run with these settings, its arrays on `device`.

    `params` and `state` are those with which such a run begins: the snapshot's must have their shapes and dtypes.
    Raises CheckpointError for a file that is broken, of another version, or of a run with other settings, and names the
    first of them. The run may have more `steps` than the checkpoint's run had.
    """

    def refused(fault: str, remedy: str = "start anew without --resume") -> CheckpointError:
        return CheckpointError(f"{path}: expected a checkpoint of this run, {fault}; {remedy}")

    if not path.is_file():
        raise refused("got no file")
    tensors, metadata = read_tensors(path, FORMAT, VERSION, lambda fault, _: refused(fault))
    try:
        about = json.loads(metadata["about"])
        if metadata["checksum"] != checksum(metadata["about"], tensors):
            raise ValueError("the checksum does not fit the content")
        theirs: Settings = dict(about["settings"].items())
        text = about["snapshot"]
        snapshot = Snapshot(**{name: _decoded(part, tensors, device) for name, part in text.items()})
        _check_kinds(snapshot)
    except KeyError as error:
        raise refused(f"got one without {error}") from error
    except (ArithmeticError, AttributeError, IndexError, RecursionError, TypeError, ValueError) as error:
        raise refused(f"got one that is damaged ({error})") from error
    # Ours go through JSON too, as those of the file did.
    ours: Settings = json.loads(json.dumps(settings))
    for name in dict.fromkeys((*ours, *theirs)):
        if name != "steps" and ours.get(name) != theirs.get(name):
            name, was, has = _difference(name, theirs, ours)
            raise refused(
                f"got one of a run whose {name} was {was} where this one has {has}",
                "give what that run was given, or start anew without --resume",
            )
    if snapshot.step > settings["steps"]:
        raise refused(
            f"got one after step {snapshot.step}, later than the {settings['steps']} steps of this run",
            "ask for more steps, or start anew without --resume",
        )
    if snapshot.rows and snapshot.step == settings["steps"]:
        raise refused(f"got one between two reports, after all {snapshot.step} steps", "ask for more steps")
    for name, like in {"params": params, "best_params": params, "state": state}.items():
        fault = _misfit(getattr(snapshot, name), like, name)
        if fault:
            raise refused(f"got one with {fault}")
    return snapshot


def settings_in(path: Path) -> Settings:
    """Return the settings in a checkpoint, and {} where there is no file that is a whole one."""

    def refused(fault: str, remedy: str) -> CheckpointError:
        return CheckpointError(f"{path}: {fault}; {remedy}")

    try:
        tensors, metadata = read_tensors(path, FORMAT, VERSION, refused)
        if metadata["checksum"] != checksum(metadata["about"], tensors):
            return {}
        settings = json.loads(metadata["about"])["settings"]
    except (CheckpointError, KeyError, RecursionError, TypeError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def set_aside(path: Path) -> Path | None:
    """Rename the checkpoint of the run before, which a run from the start would overwrite, and return its name.

    One such checkpoint is kept: an older one under that name goes. A file that is no whole checkpoint does not take its
    place; then None is returned, as for no file.
    """
    if not settings_in(path):
        return None
    return path.replace(path.with_stem(f"{path.stem}-earlier"))


class Checkpointer:
    """The `on_snapshot` of a descent: writes snapshots, so seldom that it takes at most a tenth of the time.

    It is a context; leaving it, by an exception too, writes the last snapshot where that is still to be written. A
    snapshot that cannot be written does not end the run: `on_fault` is called with the error, the first time only.
    """

    def __init__(
        self, path: Path, settings: Settings, on_fault: Callable[[OSError], None] | None = None
    ) -> None:
        self.path, self.settings, self.on_fault = path, settings, on_fault
        self.begun, self.spent = time.monotonic(), 0.0
        self.written = self.begun
        self.pending: Snapshot | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        """Write this snapshot, or hold it until there is time."""
        self.pending = snapshot
        if self._has_time():
            self._write()

    def due(self) -> bool:
        """Return whether the last checkpoint is a minute old, and there is time for another."""
        return time.monotonic() - self.written >= _SECONDS and self._has_time()

    def _has_time(self) -> bool:
        return self.spent <= _SHARE * (time.monotonic() - self.begun)

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def _write(self) -> None:
        if self.pending is not None:
            started = time.monotonic()
            try:
                save_checkpoint(self.path, self.pending, self.settings)
            except OSError as error:
                if self.on_fault:
                    self.on_fault(error)
                self.on_fault = None
            self.written = time.monotonic()
            self.spent += self.written - started
            self.pending = None


def _encoded(part: Any, name: str, tensors: dict[str, np.ndarray]) -> Any:
    """Return a part of a snapshot as JSON, and put its arrays into `tensors`."""
    if part is None or isinstance(part, (bool, int, str)):
        return part
    if isinstance(part, float):
        return {"float": float(part).hex()}
    if isinstance(part, dict):
        return {"dict": [[key, _encoded(item, f"{name}.{key}", tensors)] for key, item in part.items()]}
    if isinstance(part, tuple) and (table := _table(part)) is not None:
        tensors[name] = table
        return {"reports": name}
    if isinstance(part, (list, tuple)):
        items = [_encoded(item, f"{name}.{i}", tensors) for i, item in enumerate(part)]
        kind = "report" if isinstance(part, Report) else "tuple" if isinstance(part, tuple) else "list"
        return {kind: items}
    tensors[name] = to_numpy(part)
    return {"array": name}


def _table(reports: tuple[Any, ...]) -> np.ndarray | None:
    """Return reports as an array, a row for each, with NaN for no validation; None where that is not all they are.

    As JSON a long history takes eight times the memory that the reports take, at every checkpoint.
    """
    if not reports or not all(isinstance(report, Report) for report in reports):
        return None
    validated, arrays = reports[0].validation is not None, len(reports[0].largest_by_array)
    rows = [(*report[:3], report.validation if validated else math.nan, *report[4]) for report in reports]
    alike = all((one.validation is not None, len(one[4])) == (validated, arrays) for one in reports)
    return np.asarray(rows, dtype=np.float64) if alike else None


def _reports(table: np.ndarray) -> tuple[Report, ...]:
    return tuple(
        Report(int(step), cost, largest, None if math.isnan(validation) else validation, tuple(by_array))
        for step, cost, largest, validation, *by_array in table.tolist()
    )


def _decoded(text: Any, tensors: dict[str, np.ndarray], device: Device) -> Any:
    if not isinstance(text, dict):
        return text
    ((kind, content),) = text.items()
    if kind == "float":
        return float.fromhex(content)
    if kind == "array":
        return device.asarray(tensors[content])
    if kind == "reports":
        return _reports(tensors[content])
    if kind == "dict":
        return {key: _decoded(item, tensors, device) for key, item in content}
    items = [_decoded(item, tensors, device) for item in content]
    makers: dict[str, Any] = {"list": list, "tuple": tuple, "report": lambda values: Report(*values)}
    return makers[kind](items)


def _check_kinds(snapshot: Snapshot) -> None:
    reports = [*snapshot.history, *([] if snapshot.best is None else [snapshot.best])]
    for name, kind in _KINDS.items():
        if type(getattr(snapshot, name)) is not kind:
            raise ValueError(f"{name} is no {kind.__name__}")
    if not all(isinstance(report, Report) for report in reports):
        raise ValueError("history and best are not reports")
    if len(snapshot.rows) != (0 if snapshot.pending is None else snapshot.pending.shape[0]):
        raise ValueError("there are not as many rows as pending costs")


def _misfit(part: Any, like: Any, name: str) -> str:
    """Return where the structure, a shape or a dtype of a part of a snapshot differs from `like`, or nothing."""
    try:
        found = pytree.along(part, like, name)
    except ValueError as error:
        return str(error)
    for x, (where, its) in zip(found, pytree.leaves(like, name), strict=True):
        got, expected = (
            f"{tuple(value.shape)} {to_numpy(value).dtype}"
            if hasattr(value, "dtype")
            else type(value).__name__
            for value in (x, its)
        )
        if got != expected:
            return f"{where} {got} where this run has {expected}"
    return ""


def _difference(name: str, theirs: Settings, ours: Settings) -> tuple[str, str, str]:
    """Return the name of a setting that differs, down to its first part that does, and its text in both."""
    one, other = theirs.get(name), ours.get(name)
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (*other, *one):
            if one.get(key) != other.get(key):
                part, was, has = _difference(key, one, other)
                return f"{name}.{part}", was, has
    return name, _shown(theirs, name), _shown(ours, name)


def _shown(settings: Settings, name: str) -> str:
    return repr(settings[name]) if name in settings else "not set"
