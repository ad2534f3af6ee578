"""How much memory what is read may take: sizes are read from headers, and judged before room is made for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from chainrule.backend import hardware
from chainrule.data.errors import fault

# What a small file may unpack to where nobody says: so many bytes, or so many times its own.
_BYTES = 1 << 28
_TIMES = 20

_allowed: ContextVar[float | None] = ContextVar("allowed", default=None)


@contextmanager
def at_most(gigabytes: float | None) -> Iterator[None]:
    """Let an array or a picture that is read inside the block take so many gigabytes (10^9 bytes); None as without."""
    token = _allowed.set(None if gigabytes is None else gigabytes * 1e9)
    try:
        yield
    finally:
        _allowed.reset(token)


def check_room(path: Path, what: str, size: int, held: int, *, at_once: bool = True) -> None:
    """Raise DataError where `what`, of `size` bytes in memory, is more than may be read from `held` bytes of a file.

    By default that is 256 MiB, or 20 times the bytes where they are more, and at most the memory that is free, unless
    it is never there `at_once`; inside `at_most` what it says.
    """
    allowed = _allowed.get()
    free = (hardware.memory_bytes() or (0, size))[1]
    usual = max(_BYTES, _TIMES * held)
    if size <= ((min(free, usual) if at_once else usual) if allowed is None else allowed):
        return
    got = f"{size / 1e9:.3g} GB in {held / 1e6:.3g} MB of the file, with {free / 1e9:.3g} GB of memory free"
    remedy = f"where it is to be trusted, let it take more (--memory {size / 1e9:.2g})"
    raise fault(path, f"{what} of a size that the file can be meant to have", got, remedy)
