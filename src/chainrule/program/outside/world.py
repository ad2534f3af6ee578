"""What a function reads of the clock, of files, of the keyboard or of chance, which no later call reads anew."""

import builtins
import sys
import types
from collections.abc import Iterator
from typing import Any

from chainrule.program.outside.bytecode import usage
from chainrule.program.outside.objects import MISSING, content

_PLACES = {
    "the clock": (
        *(f"time.{name}" for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time")),
        *(f"time.{name}_ns" for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time")),
        *(f"time.{name}" for name in ("localtime", "gmtime", "ctime", "asctime", "strftime")),
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        *("datetime.date.today", "timeit.default_timer"),
    ),
    "files": (
        *("builtins.open", "io.open", "pathlib.Path.read_text", "pathlib.Path.read_bytes"),
        *(f"numpy.{name}" for name in ("load", "loadtxt", "genfromtxt", "fromfile", "memmap")),
        *(f"os.{name}" for name in ("getcwd", "listdir", "scandir", "stat", "walk")),
        *(f"os.path.{name}" for name in ("exists", "getmtime", "getsize", "isfile", "isdir")),
    ),
    "the keyboard": ("builtins.input", "getpass.getpass"),
    "chance": (
        *("uuid.uuid1", "uuid.uuid4", "os.urandom"),
        *(f"secrets.{name}" for name in ("choice", "randbelow", "randbits", "token_bytes", "token_hex")),
    ),
}


def readings(functions: Iterator[types.FunctionType]) -> dict[str, str]:
    """Return what these functions read that is another at each call, with one name for each kind of it."""
    known = dict[Any, tuple[str, str]]()
    for kind, places in _PLACES.items():
        for place in places:
            top, *rest = place.split(".")
            found = _at(sys.modules.get(top, MISSING), rest)
            if found is not MISSING:
                known.setdefault(found, (kind, place.removeprefix("builtins.")))
    given = dict[str, str]()
    for f in functions:
        for path in usage(f.__code__).paths:
            for found in _on_the_way(f, path):
                if isinstance(found, _CALLED) and found in known:
                    kind, place = known[found]
                    given.setdefault(kind, place)
    return given


_CALLED = (types.BuiltinFunctionType, types.FunctionType, type, type(sys.modules["numpy"].load))


def _on_the_way(f: types.FunctionType, path: str) -> Iterator[Any]:
    """Yield what a dotted name stands for in a function, as far as it leads through modules and classes."""
    first, *rest = path.split(".")
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
    imported = sys.modules if first in usage(f.__code__).imports else {}
    x = content(cells[first]) if first in cells else f.__globals__.get(first, MISSING)
    if x is MISSING:
        x = imported.get(first) or getattr(builtins, first, MISSING)
    yield x
    for name in rest:
        x = _at(x, [name])
        yield x


def _at(x: Any, names: list[str]) -> Any:
    for name in names:
        x = getattr(x, name, MISSING) if isinstance(x, types.ModuleType | type) else MISSING
    return x
