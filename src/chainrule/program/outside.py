"""What a function reaches outside itself, which may change between calls: names, containers, attributes and arrays.

`Outside` walks from the function to all that its code can name. Of what it finds it keeps which object is where, and a
program holds for as long as that is so. Arrays are handed to the function as recorded ones, by a copy of it
(program/copies.py), so that the program has every use of them; of those that no copy can hand over, the bytes are kept.
"""

import array
import builtins
import collections
import functools
import io
import operator
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from chainrule.backend.namespaces import to_numpy
from chainrule.gates.helpers import is_transformed
from chainrule.program.bytecode import Usage, usage
from chainrule.program.recording import NotReplayableError, Recording
from chainrule.program.signature import is_atom, value_key

_MOST = 10_000  # objects that are looked at
MISSING = object()
# Whose own names and attributes are taken to stay as they are.
_LIBRARIES = {
    *sys.stdlib_module_names,
    *("array_api_compat", "array_api_extra", "array_api_strict", "autograd", "chainrule", "cupy", "cupyx", "dask"),
    *("jax", "jaxlib", "matplotlib", "ml_dtypes", "numba", "numpy", "pandas", "pytest", "scipy", "sklearn", "torch"),
} - {"__main__"}
_ITEMS = (list, tuple, set, frozenset, collections.deque)
_BUFFERS = (bytearray, memoryview, array.array)
CACHED = type(functools.cache(len))


def is_library(module: Any) -> bool:
    """Say whether a module, by its name, belongs to Python or to a library that is known here."""
    return str(module).partition(".")[0] in _LIBRARIES


def is_array(x: Any) -> bool:
    """Say whether x is an array of any library."""
    kind = type(x)
    return hasattr(kind, "dtype") and hasattr(kind, "shape") and not isinstance(x, np.generic | type)


def is_compiled(x: Any) -> bool:
    """Say whether x is a function that `compile` returned."""
    return isinstance(x, types.FunctionType) and hasattr(x, "signatures") and hasattr(x, "__wrapped__")


class Outside:
    """All that some functions and objects lead to, and what it was when it was looked at.

    `usage` is what the code found may do, `targets` are the objects that a copy has to replace, and `users` leads from
    each object to those that a copy can hand it over by.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        roots = list(roots)
        self.usage, names = usage(None), set[str]()
        while True:  # attributes are looked up by the names in all the code, of which the attributes may lead to more
            self._seen: dict[int, tuple[Any, bool]] = {}
            self.targets: dict[int, Any] = {}
            self.users: dict[int, list[int]] = collections.defaultdict(list)
            self.names: dict[int, str] = {}
            self._closed: dict[int, Any] = {}
            self._states: list[tuple[Callable[[], list[Any]], list[Any]]] = []
            self._walk([(x, False) for x in roots], names)
            if self.usage.attributes <= names:
                break
            names |= self.usage.attributes
        self._draws = self._random_states()
        self._contents = [(x, _bytes(x)) for x in self._closed.values()]

    def _walk(self, waiting: list[tuple[Any, bool]], names: set[str]) -> None:
        while waiting:
            x, closed = waiting.pop()
            if is_atom(x) or (id(x) in self._seen and (self._seen[id(x)][1] or not closed)):
                continue
            first = id(x) not in self._seen
            self._seen[id(x)] = x, closed
            if len(self._seen) > _MOST:
                raise NotReplayableError(f"compile: the function reaches more than {_MOST} objects outside itself")
            if is_array(x):
                self._array(x, closed)
                continue
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

    def _note(self, x: Any, names: set[str]) -> None:
        kind = type(x)
        if isinstance(x, _BUFFERS) or hasattr(kind, "__array__") or hasattr(kind, "__dataframe__"):
            raise NotReplayableError(f"compile: a {kind.__name__} outside the function may change. Pass in its array")
        if hasattr(kind, "__next__") and not isinstance(x, io.IOBase | random.Random):
            raise NotReplayableError(
                f"compile: a {kind.__name__} outside the function gives other values at each call. Pass in what it gives"
            )
        if isinstance(x, types.FunctionType) and not is_library(x.__globals__.get("__name__")):
            self.usage |= usage(x.__code__)
            if usage(x.__code__).types:
                self.targets[id(x)] = x
        if kind is CACHED:
            self.targets[id(x)] = x
        read = state(x, names)
        if read is not None:
            self._states.append((read, read()))

    # --- Has it changed? ---

    def __bool__(self) -> bool:
        return bool(self._states or self._contents)

    def unchanged(self) -> bool:
        """Say whether all that was found is where it was, and the arrays whose bytes are kept are as they were."""
        return all(map(holds, self._states)) and all(_bytes(x) == then for x, then in self._contents)

    def finish(self, f: Callable[..., Any], recording: Recording, copied: bool) -> None:
        """Refuse what the run of f changed, warn about random draws, and keep the bytes of arrays that f read."""
        if not (copied and self.unchanged()):
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
        kept = {id(x) for x, _ in self._contents}
        self._contents += [(x, _bytes(x)) for key, x in recording.read.items() if key not in kept]
        self._states = [(read, then) for read, then in self._states if then]

    def _random_states(self) -> list[Any]:
        own = [x for x, _ in self._seen.values() if isinstance(x, np.random.Generator | random.Random)]
        states = [x.getstate() if isinstance(x, random.Random) else repr(x.bit_generator.state) for x in own]
        legacy: Any = np.random.get_state()
        return [*states, random.getstate(), legacy[1].tobytes(), *legacy[2:]]


def holds(kept: tuple[Callable[[], list[Any]], list[Any]]) -> bool:
    """Say whether an object holds what it held, given how to look and what was seen."""
    now, then = kept[0](), kept[1]
    if len(now) != len(then):
        return False
    if all(map(operator.is_, now, then)):
        return True
    return all(x is y or (is_atom(x) and is_atom(y) and value_key(x) == value_key(y)) for x, y in zip(now, then, strict=True))


def _bytes(x: Any) -> tuple[Any, ...]:
    """Return all that an array is."""
    own = x if isinstance(x, np.ndarray) else to_numpy(x)
    return own.shape, own.dtype, own.tolist() if own.dtype.hasobject else own.tobytes()


# --- What an object leads to ---


def parts(x: Any, names: set[str]) -> Iterator[tuple[str, Any, bool]]:
    """Yield what an object leads to: the name there, the object, and whether a copy of x can have another in its place."""
    if isinstance(x, types.FunctionType):
        yield from _parts_of_function(x)
    elif isinstance(x, types.MethodType):
        yield from (("", x.__self__, True), ("", x.__func__, True))
    elif type(x) is functools.partial:
        yield from (("", part, True) for part in (x.func, *x.args, *x.keywords.values()))
    elif type(x) is CACHED:
        yield "", x.__wrapped__, False
    elif isinstance(x, types.ModuleType | type):
        if not is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
            kinds = x.__mro__[1:-1] if isinstance(x, type) else ()
            yield from ((name, child, False) for name, child in vars(x).items() if name in names or name.startswith("__"))
            yield from (("", kind, False) for kind in kinds)
    elif isinstance(x, classmethod | staticmethod):
        yield "", x.__func__, False
    elif isinstance(x, property | functools.cached_property):
        functions = (x.fget, x.fset) if isinstance(x, property) else (x.func,)
        yield from (("", function, False) for function in functions)
    else:
        yield from _parts_of_instance(x)


def _parts_of_function(f: types.FunctionType) -> Iterator[tuple[str, Any, bool]]:
    if is_compiled(f):
        yield "", f.__wrapped__, True  # type: ignore[attr-defined]
        return
    own = not is_library(f.__globals__.get("__name__"))
    used = usage(f.__code__)
    only_appended = used.loaded - used.read if own else ()
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        child = content(cell)
        if child is not MISSING and not (name in only_appended and type(child) is list):
            yield name, child, True
    for child in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values(), *vars(f).values()):
        yield "", child, True
    if own:
        for name in used.globals:
            child = f.__globals__.get(name, MISSING)
            if child is not MISSING and not (name in only_appended and type(child) is list):
                yield name, child, True
        for name in used.attributes:  # of modules that are imported inside the function
            if name in sys.modules and name not in f.__globals__:
                yield "", sys.modules[name], False


def _parts_of_instance(x: Any) -> Iterator[tuple[str, Any, bool]]:
    if isinstance(x, dict):
        yield from (("", child, type(x) is dict) for child in x.values())
        yield from (("", key, False) for key in x)
    elif isinstance(x, _ITEMS):
        is_open = type(x) in (list, tuple) or hasattr(x, "_fields")
        yield from (("", child, is_open) for child in x)
    for name, child in _attributes(x).items():
        yield name, child, is_plain(x)
    yield "", type(x), False


def is_plain(x: Any) -> bool:
    """Say whether x is an instance that is its attributes, and no more."""
    return hasattr(x, "__dict__") and all(
        kind is object or not vars(kind).get("__slots__") for kind in type(x).__mro__
    ) and type(x).__new__ is object.__new__


def _attributes(x: Any) -> dict[str, Any]:
    found = dict(vars(x)) if hasattr(x, "__dict__") else {}
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            name = f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name
            if name not in ("__dict__", "__weakref__") and hasattr(x, name):
                found[name] = getattr(x, name)
    return found


def content(cell: Any) -> Any:
    """Return what is in a cell of a closure."""
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return MISSING


# --- What may change of an object ---


def state(x: Any, names: set[str]) -> Callable[[], list[Any]] | None:
    """Return the function that gives the objects which x holds now; None where they stay the same."""
    if isinstance(x, types.FunctionType):
        return None if is_library(x.__globals__.get("__name__")) else _state_of_function(x)
    if isinstance(x, types.ModuleType | type):
        if is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
            return None
        own = {name: child for name, child in vars(x).items() if name in names and not isinstance(child, types.ModuleType)}
        return (lambda: [vars(x).get(name, MISSING) for name in own]) if own else None
    if isinstance(x, tuple | frozenset | types.MethodType | functools.partial | property | classmethod | staticmethod):
        return None
    if isinstance(x, dict):
        return lambda: [*x, *x.values(), *_attributes(x).values()]
    if isinstance(x, _ITEMS):
        return lambda: [*x, *_attributes(x).values()]
    if is_library(type(x).__module__) and not isinstance(x, types.SimpleNamespace) and not type(x).__module__.startswith("chainrule"):
        return None
    cached = {name for kind in type(x).__mro__ for name, y in vars(kind).items() if isinstance(y, functools.cached_property)}
    return lambda: [item for name, y in _attributes(x).items() if name not in cached for item in (name, y)]


def _state_of_function(f: types.FunctionType) -> Callable[[], list[Any]] | None:
    scope, cells = f.__globals__, f.__closure__ or ()
    names = [
        name
        for name in usage(f.__code__).globals
        if not isinstance(scope.get(name), types.ModuleType) and (name in scope or not hasattr(builtins, name))
    ]
    if not names and not cells:
        return None
    return lambda: [*(scope.get(name, MISSING) for name in names), *map(content, cells)]
