"""What a function reaches outside itself, which may change between calls: names, containers, attributes and arrays.

`Outside` walks from the function to all that its code can name. Of what it finds it keeps which object is where, and a
program holds for as long as that is so. Arrays are handed to the function as recorded ones, by a copy of it
(copies.py), so that the program has every use of them; of those that no copy can hand over, the bytes are kept.
"""

import collections
import contextvars
import io
import operator
import random
import types
import warnings
from collections.abc import Callable, Iterable, Set
from typing import Any

import numpy as np

from chainrule.backend.namespaces import to_numpy
from chainrule.gates.helpers import is_transformed
from chainrule.program.outside.bytecode import usage
from chainrule.program.outside.objects import (
    CACHED,
    MISSING,
    READ,
    SAME,
    cached_names,
    inside,
    is_array,
    is_of_library,
    is_own,
    parts,
    places,
)
from chainrule.program.outside.world import readings
from chainrule.program.recording import NotReplayableError, Recording
from chainrule.program.signature import exact, is_atom

_MOST = 10_000  # objects that are looked at


class Outside:
    """All that some functions and objects lead to, and what it was when it was looked at.

    `usage` is what the code found may do, `targets` are the objects that a copy has to replace, and `users` leads from
    each object to those that a copy can hand it over by; none does where nothing `hands_over`.
    """

    def __init__(self, roots: Iterable[Any], hands_over: bool = True) -> None:
        roots = list(roots)
        self.usage, names = usage(None), set[str]()
        while True:  # attributes are looked up by the names in all the code, and may lead to more code
            self._seen: dict[int, tuple[Any, bool]] = {}
            self.targets: dict[int, Any] = {}
            self.users: dict[int, list[int]] = collections.defaultdict(list)
            self.names: dict[int, str] = {}
            self._closed: dict[int, Any] = {}
            self._kept: list[tuple[str, Any, Any, Any]] = []
            self._walk([(x, not hands_over) for x in roots], names)
            if self.usage.attributes <= names:
                break
            names |= self.usage.attributes
        if self.usage.identity and not hands_over:
            raise NotReplayableError(
                "compile: x is y is not followed beside calls that take no recorded arrays"
            )
        self._draws = self._random_states()
        self._marks = self._places_in_files()
        self._misses = self._cache_misses()
        self._contents = [(x, _bytes(x)) for x in self._closed.values()]

    def _walk(self, waiting: list[tuple[Any, bool]], names: set[str]) -> None:
        while waiting:
            x, closed = waiting.pop()
            if type(x) is np.ufunc and x.__name__.endswith("(vectorized)"):
                raise NotReplayableError("compile: numpy.frompyfunc hides its function. Call the function")
            if is_atom(x) or (id(x) in self._seen and (self._seen[id(x)][1] or not closed)):
                continue
            first = id(x) not in self._seen
            self._seen[id(x)] = x, closed
            if len(self._seen) > _MOST:
                raise NotReplayableError(
                    f"compile: the function reaches more than {_MOST} objects outside itself"
                )
            if is_array(x):
                self._array(x, closed)
                continue
            if is_of_library(x):
                for y in inside(x):
                    if is_array(y):
                        self._array(y, closed=True)
                    elif isinstance(y, types.FunctionType):
                        waiting.append((y, True))
                    elif not is_atom(y):
                        self._note(y, names)
                continue
            if isinstance(x, types.FunctionType) and is_own(x):
                self._function(x, closed)
            if first:
                self._note(x, names)
            for name, child, is_open in parts(x, names):
                if is_open and not closed:
                    self.users[id(child)].append(id(x))
                if name.isidentifier():
                    self.names.setdefault(id(child), name)
                waiting.append((child, closed or not is_open))

    def _array(self, x: Any, closed: bool) -> None:
        if is_transformed(x) or hasattr(x, "recording"):
            return
        (self._closed if closed else self.targets)[id(x)] = x
        if not closed and issubclass(type(x), np.ndarray):
            self._kept.append(("form", x, None, READ["form"](x, None)))

    def _function(self, f: types.FunctionType, closed: bool) -> None:
        own = usage(f.__code__)
        self.usage |= own
        if own.unseen:
            raise NotReplayableError(f"compile: {f.__name__} calls {min(own.unseen)}, which is not followed")
        if own.types and closed and (f.__name__ == "__call__" or not f.__name__.startswith("__")):
            raise NotReplayableError(
                f"compile: type(x) in {f.__qualname__} is not followed. Write isinstance(x, ...)"
            )
        if own.types:
            self.targets[id(f)] = f

    def _note(self, x: Any, names: set[str]) -> None:
        kind = type(x)
        if (
            isinstance(x, np.void)
            or _is_buffer(x)
            or hasattr(kind, "__array__")
            or hasattr(kind, "__dataframe__")
        ):
            raise NotReplayableError(
                f"compile: a {kind.__name__} outside the function may change. Pass in its array"
            )
        if kind is contextvars.ContextVar:
            raise NotReplayableError("compile: a ContextVar is not followed. Pass in its value")
        if hasattr(kind, "__next__") and not isinstance(x, io.IOBase | random.Random):
            raise NotReplayableError(
                f"compile: a {kind.__name__} outside the function gives other values at each call. Pass in its values"
            )
        if isinstance(x, types.FunctionType) and hasattr(x, "registry") and hasattr(x, "dispatch"):
            raise NotReplayableError(
                "compile: functools.singledispatch is not followed. Write isinstance(x, ...)"
            )
        if kind is CACHED:
            self.targets[id(x)] = x
        self._kept += kept([x], names)

    # --- Has it changed? ---

    def __bool__(self) -> bool:
        return bool(self._kept or self._contents)

    def unchanged(self) -> bool:
        """Say whether each object is where it was, or an equal number, and the arrays have the bytes that are kept."""
        return all(map(holds, self._kept)) and self._has_contents()

    def _has_contents(self) -> bool:
        return all(_bytes(x) == then for x, then in self._contents)

    def condition(self) -> tuple[str, dict[str, Any]]:
        """Return an expression that is true where nothing changed, and what its names stand for."""
        scope: dict[str, Any] = {"__MISSING": MISSING, "__is": operator.is_, "__unchanged": self.unchanged}
        scope |= {"__all": all, "__hasattr": hasattr, "__len": len, "__map": map}
        same = []
        for i, (how, holder, name, then) in enumerate(self._kept):
            scope[f"__h{i}"], scope[f"__t{i}"] = holder, len(holder) if how == "names" else then
            same.append(SAME[how].format(f"__h{i}", f"__t{i}", name=name))
        if self._contents:
            scope["__contents"] = self._has_contents
            same.append("__contents()")
        return f"({' and '.join(same)}) or __unchanged()", scope

    def finish(self, f: Callable[..., Any], recording: Recording, copied: bool) -> None:
        """Refuse what the run of f changed, warn about random draws, and keep the bytes of arrays that f read."""
        self._forget_numbers(recording)
        if not (copied and self.unchanged() and self._marks == self._places_in_files()):
            raise NotReplayableError(
                f"compile: {getattr(f, '__name__', 'f')} changed what is outside itself, such as a variable, a list, "
                "an attribute or an array, which no later call would do. Return it instead"
            )
        if self.usage.draws or self._random_states() != self._draws:
            warnings.warn(
                f"compile: {getattr(f, '__name__', 'f')} drew random numbers while it was recorded, and every later "
                "call uses the same ones. Draw them outside and pass them in",
                RuntimeWarning,
                stacklevel=6,
            )
        for kind, name in readings(x for x, _ in self._seen.values() if _is_own_function(x)).items():
            warnings.warn(
                f"compile: {getattr(f, '__name__', 'f')} reads {kind}, by {name}, while it is recorded, and every "
                "later call gets the same. Read it outside and pass it in",
                RuntimeWarning,
                stacklevel=6,
            )
        for x, _ in self._seen.values():  # what was computed when it was first asked for
            late = [("name", vars(x), name) for name in cached_names(x)] if hasattr(x, "__dict__") else []
            self._kept += [(*place, READ[place[0]](*place[1:])) for place in late]
        known = {id(x) for x, _ in self._contents}
        self._contents += [(x, _bytes(x)) for key, x in recording.read.items() if key not in known]
        for found in (self._seen, self.users, self.names):
            found.clear()  # for their memory

    def _places_in_files(self) -> list[int]:
        """Return where each file that is read stands."""
        files = (x for x, _ in self._seen.values() if isinstance(x, io.IOBase) and not x.closed)
        return [x.tell() for x in files if x.readable() and x.seekable()]

    def _cache_misses(self) -> list[tuple[Any, int]]:
        return [(x, x.cache_info().misses) for x, _ in self._seen.values() if type(x) is CACHED]

    def _forget_numbers(self, recording: Recording) -> None:
        """Empty the caches that were filled during the recording: a number of it may be among their keys."""
        for x, misses in self._misses:
            if x.cache_info().misses != misses and recording.has_numbers:
                x.cache_clear()
        filled = {id(x): x for x, _ in self._misses}
        self._kept = [place for place in self._kept if id(place[1]) not in filled] + kept(filled.values())

    def _random_states(self) -> list[Any]:
        own = [x for x, _ in self._seen.values() if isinstance(x, np.random.Generator | random.Random)]
        states = [x.getstate() if isinstance(x, random.Random) else repr(x.bit_generator.state) for x in own]
        legacy: Any = np.random.get_state()
        return [*states, random.getstate(), legacy[1].tobytes(), *legacy[2:]]


def kept(objects: Iterable[Any], names: Set[str] = frozenset()) -> list[tuple[str, Any, Any, Any]]:
    """Return the places in some objects that another one may come to, each with what is there now."""
    found = (place for x in objects if not is_array(x) for place in places(x, names))
    return [(how, holder, name, READ[how](holder, name)) for how, holder, name in found]


def holds(place: tuple[str, Any, Any, Any]) -> bool:
    """Say whether in a place there is what was there, or an equal number."""
    how, holder, name, then = place
    now = READ[how](holder, name)
    if how in ("form", "cache", "names"):
        return bool(now == then)
    if how in ("items", "keys", "values"):
        return len(now) == len(then) and all(map(_is_alike, now, then))
    return _is_alike(now, then)


def _is_alike(x: Any, y: Any) -> bool:
    return x is y or (is_atom(x) and is_atom(y) and exact(x) == exact(y))


def _is_own_function(x: Any) -> bool:
    return isinstance(x, types.FunctionType) and is_own(x)


def _is_buffer(x: Any) -> bool:
    """Say whether x is memory that may be written, such as a bytearray or a number of ctypes."""
    try:
        return isinstance(x, memoryview) or not memoryview(x).readonly
    except (TypeError, BufferError, ValueError):
        return False


def _bytes(x: Any) -> tuple[Any, ...]:
    """Return all that an array is."""
    own = x if issubclass(type(x), np.ndarray) else to_numpy(x)
    return own.shape, own.dtype, own.tolist() if own.dtype.hasobject else own.tobytes()
