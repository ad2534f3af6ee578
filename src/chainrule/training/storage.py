"""Files that are either whole or not there: each is written beside its path, then renamed."""

import fcntl
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

# What `write_bytes` leaves where its process is killed.
_PART = re.compile(r"\..+\.[a-z0-9_]{8}\.part")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder of results for this process inside the block: another run that asks for it gets an OSError.

    The folder is made, and parts of files that a killed process left in it are removed; where the block leaves nothing
    in a folder that was made, the folder goes again. The lock dies with its process.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            busy = f"--out {folder}: expected a folder of its own for each run, got one that another run is writing to"
            raise OSError(f"{busy}; wait for that run, or name another folder") from error
        except OSError:
            pass  # some file systems know no locks
        for entry in folder.iterdir():
            if _PART.fullmatch(entry.name):
                entry.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)
        if made:
            with suppress(OSError):
                folder.rmdir()


def write_bytes(path: Path, content: bytes) -> None:
    """Make `path` hold `content`; an interruption leaves the old file or the new one, whole.

    A link stays: the file that it leads to is replaced. A device or a pipe, such as /dev/null, is written to.
    """
    if _is_a_stream(path):
        with path.open("wb") as stream:
            stream.write(content)
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets the owner alone read its file; results have the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(path)
    except BaseException as error:
        Path(beside).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # the error of a full disk names no file
        raise


def _is_a_stream(path: Path) -> bool:
    """Say whether a path is no file that may be replaced: a device, a pipe, or an open file of a process."""
    # /dev/stdout leads to a file that another program holds open; replaced, it would be lost to that program.
    names_an_open_file = any(path.absolute().is_relative_to(place) for place in ("/dev", "/proc"))
    return path.exists() and not path.is_dir() and (names_an_open_file or not path.is_file())


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, by `write_bytes`."""
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def finite(value: Any) -> Any:
    """Return what JSON has, with None for numbers that are NaN or infinite: JSON knows none."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write arrays and text, nothing that could be executed, as a safetensors file by `write_bytes`."""
    from safetensors.numpy import save

    content = save({name: np.asarray(x, order="C") for name, x in tensors.items()}, metadata)
    write_bytes(path, _metadata_sorted(content))


def _metadata_sorted(content: bytes) -> bytes:
    """Return a safetensors file with its metadata sorted: safetensors writes them in an order that varies."""
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[end:]


def read_tensors(
    path: Path, form: str, version: str, refused: Callable[[str, str], Exception]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `write_tensors` wrote with this format and version in its metadata.

    A file that cannot be used is raised as `refused(fault, remedy)`.
    """
    from safetensors import SafetensorError, safe_open

    again = "train it again, or name another file"
    try:
        path.open("rb").close()  # safetensors calls a file that may not be read one that is not there
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except PermissionError as error:
        raise refused(
            "got no permission to read it", "ask for it (chmod), or name a copy of your own"
        ) from error
    except (SafetensorError, OSError, TypeError) as error:
        raise refused(f"got a file that is broken or of another kind ({error})", again) from error
    if metadata.get("format") != form:
        raise refused(f"got a safetensors file whose format is {metadata.get('format')!r}", again)
    if metadata.get("version") != version:
        raise refused(
            f"got version {metadata.get('version')!r} where this chainrule reads {version!r}",
            "use the chainrule that wrote it, or train it again",
        )
    return tensors, metadata


def checksum(about: str, tensors: dict[str, np.ndarray]) -> str:
    """Return a text that differs where the text, or a name, element, shape or dtype of the arrays differs."""
    digest = hashlib.blake2b(about.encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        absorb(digest, tensors[name])
    return digest.hexdigest()


def absorb(digest: "hashlib.blake2b", array: np.ndarray) -> None:
    """Add the elements, the shape and the dtype of an array to a checksum."""
    digest.update(f"{array.shape} {array.dtype.str}".encode())
    digest.update(np.asarray(array, order="C").reshape(-1).view(np.uint8).data)
