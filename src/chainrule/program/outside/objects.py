"""What an object leads to, and what of it may change."""

import collections
import functools
import os
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.program.outside.bytecode import usage
from chainrule.validation import check_array_class

MISSING = object()
# Installed libraries whose own names and attributes are taken to stay as they are, as those of Python's modules. Any
# other package, installed or not, may be the caller's own.
_SETTLED = {
    *(
        "_pytest",
        "array_api_compat",
        "array_api_extra",
        "array_api_strict",
        "autograd",
        "chainrule",
        "cupy",
        "cupyx",
    ),
    *(
        "dask",
        "hypothesis",
        "jax",
        "jaxlib",
        "llvmlite",
        "matplotlib",
        "ml_dtypes",
        "numba",
        "numpy",
        "pandas",
    ),
    *("pluggy", "pytest", "scipy", "sklearn", "torch"),
}
_PACKAGE = str(Path(__file__).parents[2])
_PYTHON = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_INSTALLED = {"site-packages", "dist-packages"}
_ITEMS = (list, tuple, set, frozenset, collections.deque)
# Of whose instances the attributes are compared, as those of the caller's classes.
_WATCHED = ("chainrule", "types", "collections", "weakref", "argparse")
# Of whose instances only the arrays are looked at: they count and keep what their own work needs.
_BUSY = {"logging", "random", "threading", "numba", "llvmlite", "jax", "jaxlib", "cupy", "cupyx"}
# What Python 3.14 makes a class's annotations from when they are asked for, and keeps them in.
_ANNOTATIONS = ("__annotate_func__", "__annotations_cache__")
_MOST = 10_000  # objects in one of a library that are looked at
CACHED = type(functools.cache(len))
_HEAP = 1 << 9  # the flag of a class that Python code made


_BOUND = (types.BuiltinFunctionType, types.MethodWrapperType)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
# What has a way of its own to what it leads to.
_KNOWN = (
    *(*_BOUND, *_VIEWS),
    *(
        types.FunctionType,
        types.MethodType,
        types.ModuleType,
        type,
        functools.partial,
        weakref.ref,
        CACHED,
        *_ITEMS,
    ),
    *(dict, types.MappingProxyType, property, classmethod, staticmethod, functools.cached_property),
)


def is_library(module: Any) -> bool:
    """Say whether a module, by its name, belongs to Python or to a library that is known here, by where its file is."""
    top = str(module).partition(".")[0]
    path = getattr(sys.modules.get(top), "__file__", None)
    return top in sys.stdlib_module_names - {"__main__"} if path is None else _is_settled(top, path)


@functools.cache
def _is_settled(top: str, path: str) -> bool:
    if not _INSTALLED.isdisjoint(Path(path).parts):
        return top in _SETTLED
    return path.startswith((_PACKAGE, *_PYTHON))


def is_own(f: types.FunctionType) -> bool:
    """Say whether a function is the caller's: of no library, and not written by `dataclass`."""
    generated = f.__code__.co_filename == "<string>" and f.__name__.startswith("__")
    return not generated and not is_library(f.__globals__.get("__name__"))


def is_array(x: Any) -> bool:
    """Say whether x is an array of any library."""
    kind = type(x)
    if not (hasattr(kind, "dtype") and hasattr(kind, "shape")) or issubclass(type(x), np.generic | type):
        return False
    try:
        check_array_class(kind)
    except TypeError:
        return False
    return not hasattr(kind, "tocsr")  # a sparse one is an object that holds arrays


def is_compiled(x: Any) -> bool:
    """Say whether x is a function that `compile` returned."""
    return isinstance(x, types.FunctionType) and hasattr(x, "signatures") and hasattr(x, "__wrapped__")


# --- What an object leads to ---


def parts(x: Any, names: Set[str]) -> Iterator[tuple[str, Any, bool]]:
    """Yield what an object leads to: its name, the object, and whether a copy of x can have another in its place."""
    if isinstance(x, types.FunctionType):
        yield from _parts_of_function(x)
        if x is os.getenv:
            yield "", os.environ, False
    elif isinstance(x, _BOUND):
        yield "", x.__self__, False
    elif isinstance(x, _VIEWS):
        yield "", x.mapping, False  # type: ignore[attr-defined]
    elif isinstance(x, types.MethodType):
        yield from (("", x.__self__, True), ("", x.__func__, True))
    elif type(x) is functools.partial:
        yield from (("", part, True) for part in (x.func, *x.args, *x.keywords.values()))
    elif type(x) is CACHED:
        yield "", x.__wrapped__, False
    elif isinstance(x, types.ModuleType | type):
        if is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
            yield from (("", vars(x)[name], False) for name in _settings_of(x, names))
        else:
            yield from ((name, vars(x)[name], False) for name in _used(x, names))
            kinds = (type(x), *x.__mro__[1:-1]) if isinstance(x, type) else ()
            yield from (("", kind, False) for kind in kinds)
    elif isinstance(x, classmethod | staticmethod):
        yield "", x.__func__, False
    elif isinstance(x, property | functools.cached_property):
        functions = (x.fget, x.fset) if isinstance(x, property) else (x.func,)
        yield from (("", function, False) for function in functions)
    else:
        yield from _parts_of_instance(x)


def _used(x: Any, names: Set[str]) -> list[str]:
    """Return the attributes of a module or a class that code with these names may use."""
    every = not names.isdisjoint(("getattr", "vars", "__dict__", "attrgetter", "methodcaller"))
    special = isinstance(x, type)  # operators call such methods
    return [
        name
        for name in vars(x)
        if every or name in names or (special and name.startswith("__") and name not in _ANNOTATIONS)
    ]


def _settings_of(x: Any, names: Set[str]) -> list[str]:
    """Return the names of what programs change of Python's modules: lists, such as sys.argv, and the environment."""
    environ = ["environ"] if x is os and not names.isdisjoint(("environb", "getenv")) else []
    return environ + [
        key for key, y in vars(x).items() if key in names and (type(y) is list or y is os.environ)
    ]


def _parts_of_function(f: types.FunctionType) -> Iterator[tuple[str, Any, bool]]:
    if is_compiled(f):
        yield "", f.__wrapped__, True  # type: ignore[attr-defined]
        return
    own = is_own(f)
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
        yield from (("", sys.modules[name], False) for name in used.imports if name in sys.modules)


def _parts_of_instance(x: Any) -> Iterator[tuple[str, Any, bool]]:
    if isinstance(x, weakref.ref):
        yield "", x(), False
    elif issubclass(type(x), dict | types.MappingProxyType):
        yield from (("", child, type(x) is dict) for child in x.values())
        yield from (("", key, False) for key in x)
    elif issubclass(type(x), _ITEMS):
        is_open = type(x) in (list, tuple) or hasattr(x, "_fields")
        yield from (("", child, is_open) for child in x)
    for name, child in _attributes(x).items():
        yield name, child, is_plain(x)
    yield "", type(x), False


def is_plain(x: Any) -> bool:
    """Say whether x is an instance that is its attributes, and no more."""
    own = {
        name for kind in type(x).__mro__[:-1] for name, y in vars(kind).items() if name != "__slots__" or y
    }
    return hasattr(x, "__dict__") and own.isdisjoint(("__slots__", "__new__", "__del__"))


def is_of_library(x: Any) -> bool:
    """Say whether x is an instance of a library's class, whose own functions are not looked at."""
    kind = type(x)
    if issubclass(kind, _KNOWN):
        return False
    return is_library(kind.__module__) and not kind.__module__.startswith(_WATCHED)


def _is_busy(x: Any) -> bool:
    return is_of_library(x) and type(x).__module__.partition(".")[0] in _BUSY


def inside(x: Any) -> Iterator[Any]:
    """Yield what an object of a library holds, in its attributes and items too: all, or of a busy one the arrays."""
    seen, waiting, busy = {id(x): x}, [x], _is_busy(x)
    while waiting and len(seen) < _MOST:
        y = waiting.pop()
        if is_array(y) or not busy:
            yield y
        kind = type(y)
        if is_array(y) or isinstance(y, types.FunctionType) or (_is_busy(y) and not busy):
            continue
        inner = [*y.values()] if issubclass(kind, dict) else [*y] if issubclass(kind, _ITEMS) else []
        for child in (*inner, *_attributes(y).values()):
            known = isinstance(child, types.FunctionType) and not is_own(child)
            if id(child) not in seen and not known and not isinstance(child, types.ModuleType | type):
                seen[id(child)] = child
                waiting.append(child)


def _own(x: Any) -> dict[str, Any]:
    own = getattr(x, "__dict__", None)
    return own if type(own) is dict else {}


def _attributes(x: Any) -> dict[str, Any]:
    return {**_own(x), **{name: getattr(x, name) for name in _slots(x) if hasattr(x, name)}}


def _slots(x: Any) -> Iterator[str]:
    """Yield the names of the slots of an object."""
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{kind.__name__.lstrip('_')}{name}" if mangled else name


def content(cell: Any) -> Any:
    """Return what is in a cell of a closure."""
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return MISSING


# --- What may change of an object ---


def places(x: Any, names: Set[str]) -> list[tuple[str, Any, Any]]:
    """Return the places in an object that another one may come to: a kind of READ, the holder, and the name there."""
    if isinstance(x, types.FunctionType):
        return [] if not is_own(x) else _places_of_function(x)
    if isinstance(x, types.ModuleType | type):
        if is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
            return [("name", vars(x), name) for name in _settings_of(x, names)]
        whole = [("attribute", x, "__mro__")] if isinstance(x, type) else []
        # A name that is new may hide that of a base or a default.
        return [*whole, ("names", vars(x), None), *(("name", vars(x), name) for name in _used(x, names))]
    if type(x) is functools.partial:
        return _places_of_mapping(x.keywords)
    if isinstance(
        x, (*_BOUND, *_VIEWS, tuple, frozenset, types.MethodType, property, classmethod, staticmethod)
    ):
        return []
    if issubclass(type(x), dict | types.MappingProxyType):
        return [*_places_of_mapping(x), *_places_of_instance(x)]
    if type(x) is CACHED:
        return [("cache", x, None)]
    if issubclass(type(x), _ITEMS):
        return [("length", x, None), ("items", x, None), *_places_of_instance(x)]
    return [] if _is_busy(x) else _places_of_instance(x)


def _places_of_mapping(x: Any) -> list[tuple[str, Any, Any]]:
    return [("length", x, None), ("keys", x, None), ("values", x, None)]


def _places_of_function(f: types.FunctionType) -> list[tuple[str, Any, Any]]:
    names = [("name", f.__globals__, name) for name in usage(f.__code__).globals]
    cells = [
        ("cell", cell, None) for cell in f.__closure__ or () if not is_function_of_library(content(cell))
    ]
    # Reloading a module changes the code and the defaults.
    itself = [("attribute", f, name) for name in ("__code__", "__defaults__")]
    if f.__kwdefaults__:
        itself += [("attribute", f, "__kwdefaults__"), *_places_of_mapping(f.__kwdefaults__)]
    own = [("name", vars(f), name) for name in vars(f)]
    return [*itself, ("length" if own else "empty", vars(f), None), *own, *names, *cells]


def _places_of_instance(x: Any) -> list[tuple[str, Any, Any]]:
    kind, own, cached = type(x), _own(x), cached_names(x)
    found: list[tuple[str, Any, Any]]
    found = [("attribute", x, name) for name in _attributes(x) if name not in own]
    found += [("slot", x, name) for name in _slots(x) if not hasattr(x, name)]
    found += [("name", own, name) for name in own if name not in cached]
    if hasattr(x, "__dict__") and not cached:
        found.insert(0, ("length", own, None))
    return [("attribute", x, "__class__"), *found] if kind.__flags__ & _HEAP else found


def cached_names(x: Any) -> set[str]:
    """Return the attributes of an object that are computed when they are first asked for."""
    kinds = [vars(kind) for kind in type(x).__mro__]
    return {name for kind in kinds for name, y in kind.items() if isinstance(y, functools.cached_property)}


READ: dict[str, Callable[[Any, Any], Any]] = {
    "name": lambda holder, name: holder.get(name, MISSING),
    "attribute": lambda holder, name: getattr(holder, name, MISSING),
    "slot": lambda holder, name: getattr(holder, name, MISSING),
    "cache": lambda holder, name: holder.cache_info()[1:],  # all but the hits
    "form": lambda holder, name: (holder.shape, holder.dtype),
    "cell": lambda holder, name: content(holder),
    "length": lambda holder, name: len(holder),
    "empty": lambda holder, name: len(holder),
    # Python adds some of its own.
    "names": lambda holder, name: {key for key in holder if not key.startswith("__")},
    "items": lambda holder, name: tuple(holder),
    "keys": lambda holder, name: tuple(holder),
    "values": lambda holder, name: tuple(holder.values()),
}
# The same as conditions of Python, where `{0}` is the holder and `{1}` what was there.
SAME = {
    "name": "{0}.get({name!r}, __MISSING) is {1}",
    "attribute": "{0}.{name} is {1}",
    "slot": "not __hasattr({0}, {name!r})",
    "cache": "{0}.cache_info()[1:] == {1}",
    "form": "{0}.shape == {1}[0] and {0}.dtype is {1}[1]",
    "cell": "{0}.cell_contents is {1}",
    "length": "__len({0}) == {1}",
    "empty": "not {0}",
    "names": "__len({0}) == {1}",
    "items": "__all(__map(__is, {0}, {1}))",
    "keys": "__all(__map(__is, {0}, {1}))",
    "values": "__all(__map(__is, {0}.values(), {1}))",
}


def is_function_of_library(x: Any) -> bool:
    """Say whether x is a function that nobody puts another one in the place of."""
    return isinstance(x, types.BuiltinFunctionType | np.ufunc)
