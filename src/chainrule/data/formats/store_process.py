"""The program of the process apart that reads HDF5 files and Zarr stores; `apart` starts it and asks it.

It is run by its path and imports nothing of chainrule, so that it starts fast. Requests are lines of JSON; an answer is
lines of JSON, and bytes where a line says how many follow. What a broken or hostile file does to a library in C, a
crash, an endless loop, an allocation without bound, it does to this process, under limits that the kernel keeps.
"""

import json
import math
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_BLOCK = 1 << 24
# Beside what a block and the chunks under it take: the library's own buffers, and its threads' stacks.
_ROOM = 1 << 29
# Of processor time, so that a slow disk is no fault; and so many bytes may be unpacked in a second.
_SECONDS, _BYTES_A_SECOND = 5, 1 << 24


class _FaultError(Exception):
    """What is wrong with a store, in words."""


def main() -> None:
    """Answer requests from the standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints is no answer.
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            for told, content in _answers(**request):
                answers.write(json.dumps(told).encode() + b"\n")
                answers.write(content)
            answers.write(b'{"end": true}\n')
        except Exception as error:
            # The errors of libraries on broken bytes have no common type.
            said = str(error) if isinstance(error, _FaultError) else f"{type(error).__name__}: {error}"
            permission = isinstance(error, PermissionError)
            answers.write(json.dumps({"fault": said[:500], "permission": permission}).encode() + b"\n")
        answers.flush()


def _answers(
    path: str, key: str | None = None, rows: tuple[int, int] | None = None
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield what is told of each array at `path`; or of one array's `rows` (all: None) its form, then its blocks."""
    opened = _opened_zarr if Path(path).suffix.lower() == ".zarr" else _opened_h5
    _limit(0, 0)
    with opened(path, key) as (arrays, about):
        if key is None:
            yield {"arrays": {name: about(name) for name in arrays}}, b""
            return
        array = arrays[key]
        grid = _grid(array)
        chunk = math.prod(grid) * array.dtype.itemsize if grid else 0
        _limit(chunk, 0)
        if array.dtype.kind in "OT":
            # Text of any length becomes text of the greatest length.
            values = np.array(array[()].reshape(-1).tolist()).reshape(array.shape)
            if values.dtype.kind not in "SU":
                raise _FaultError(f"{key} holds objects that are no text")
            yield {"dtype": values.dtype.str, "shape": values.shape}, b""
            yield {"bytes": values.nbytes}, values.tobytes()
            return
        first, last = rows or (0, array.shape[0] if array.shape else 1)
        shape = (last - first, *array.shape[1:]) if array.shape else ()
        yield {"dtype": array.dtype.str, "shape": shape}, b""
        of_row = array.dtype.itemsize * math.prod(shape[1:])
        tall = grid[0] if grid else 1
        # Whole chunks, so that each is unpacked once.
        height = max(tall, _BLOCK // max(1, of_row) // tall * tall)
        start = first
        while start < last:
            stop = min(last, (start // height + 1) * height)
            size = of_row * (stop - start + 2 * tall)
            _limit(chunk, size)
            block = np.ascontiguousarray(array[start:stop] if array.shape else array[()])
            yield {"bytes": block.nbytes}, block.reshape(-1).view(np.uint8).data
            start = stop


def _limit(chunk: int, size: int) -> None:
    """Let what comes next take memory for `size` bytes made of chunks of `chunk` bytes, and time to match."""
    try:
        import resource
    except ImportError:
        return
    pages = Path("/proc/self/statm")
    if pages.exists():
        held = int(pages.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _lower(resource.RLIMIT_AS, held + _ROOM + size + 3 * chunk)
    seconds = time.process_time() + _SECONDS + (size + chunk) / _BYTES_A_SECOND
    _lower(resource.RLIMIT_CPU, math.ceil(seconds))


def _lower(what: int, limit: int) -> None:
    import resource

    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


@contextmanager
def _opened_h5(path: str, key: str | None) -> Iterator[tuple[Any, Any]]:
    import h5py

    def about(key: str) -> dict[str, Any]:
        own = isinstance(file.get(key, getlink=True), h5py.HardLink) and isinstance(file[key], h5py.Dataset)
        if not own or file[key].is_virtual or file[key].external or file[key].shape is None:
            return {"own": False}
        array = file[key]
        if array.chunks:
            there = array.id.get_num_chunks()
            whole = math.prod(-(-n // k) for n, k in zip(array.shape, array.chunks, strict=True))
        else:
            there, whole = array.id.get_storage_size(), array.size * array.id.get_type().get_size()
        missing = None
        if there < whole:
            missing = f"{there} of its {whole} {'chunks' if array.chunks else 'bytes'}"
        return _described(array) | {"missing": missing}

    with h5py.File(path, "r") as file:
        yield file, about


@contextmanager
def _opened_zarr(path: str, key: str | None) -> Iterator[tuple[Any, Any]]:
    import zarr

    def about(key: str) -> dict[str, Any]:
        array = arrays[key]
        if "pickle" in json.dumps(array.metadata.to_dict(), default=str):
            raise _FaultError(f"{key} is pickled, which is never opened")
        inside = f"{array.path}/"
        own = {name.removeprefix(inside): size for name, size in files.items() if name.startswith(inside)}
        # How many chunks, or shards of several, lie along each axis.
        grid = [-(-n // k) for n, k in zip(array.shape, _grid(array), strict=True)]
        sizes = {name: size for name, size in own.items() if _is_chunk(array, grid, name)}
        folder = next((name for name, size in sizes.items() if size is None), None)
        if folder is not None:
            raise _FaultError(f"{inside}{folder} is a folder")
        there, whole = len(sizes), math.prod(grid)
        told = _described(array) | {"held": sum(size or 0 for size in own.values())}
        if there == whole:
            return told
        fill = array.metadata.fill_value
        if there == 0 or fill is None:
            return told | {"missing": f"{there} of its {whole} chunks"}
        # Zarr writes no chunk that holds but the fill value; one that was lost looks the same.
        value = repr(np.asarray(fill).item())[:50]
        return told | {
            "note": f"{whole - there} of {whole} chunks of {key} are absent, and read as the fill value {value}"
        }

    _check_blosc()
    if key is None:
        # Once for all reads: a store may have a hundred thousand files.
        files = _plain_files(Path(path))
        arrays = dict(zarr.open_group(path, mode="r").arrays())
    else:
        arrays = {key: zarr.open_array(path, path=key, mode="r")}
    yield arrays, about


def _check_blosc() -> None:
    """Let Blosc refuse a chunk that is shorter than its own head says; it would read on in the memory behind it."""
    from numcodecs.blosc import Blosc
    from numcodecs.compat import ensure_contiguous_ndarray

    decode = Blosc.decode

    def checked(codec: Any, chunk: Any, out: Any = None) -> Any:
        held = ensure_contiguous_ndarray(chunk).view(np.uint8)
        told = int.from_bytes(held[12:16].tobytes(), "little") if held.size > 15 else 16
        if told > held.size:
            raise _FaultError(f"a chunk of {held.size} bytes, where its head tells of {told}")
        return decode(codec, chunk, out)

    Blosc.decode = checked


def _plain_files(folder: Path) -> dict[str, int | None]:
    """Return the sizes of all files in a folder by their names in it, None for a folder; a fault for anything else."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            entry = Path(place, name)
            inside = entry.relative_to(folder).as_posix()
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                got = "a link" if entry.is_symlink() else "no plain file"
                raise _FaultError(f"{inside} is {got}")
            found[inside] = entry.stat().st_size if name in names else None
    return found


def _is_chunk(array: Any, grid: list[int], name: str) -> bool:
    """Return whether a file among those of an array of Zarr is one of its chunks, `grid` along the axes."""
    place = tuple(map(int, re.findall(r"\d+", name)[: array.ndim]))
    inside = len(place) == array.ndim and all(k < n for k, n in zip(place, grid, strict=True))
    return inside and array.metadata.encode_chunk_key(place) == name


def _grid(array: Any) -> Any:
    """Return the shape of what is stored as one, a chunk or a shard of several; None where an array has none."""
    return getattr(array, "shards", None) or array.chunks


def _described(array: Any) -> dict[str, Any]:
    grid = _grid(array)
    size = math.prod(grid) * array.dtype.itemsize if grid else 0
    dtype = array.dtype.str if array.dtype.kind in "biufcSU" else "|O"
    return {"own": True, "shape": array.shape, "dtype": dtype, "chunk": size}


if __name__ == "__main__":
    main()
