"""What an object leads to, and what of it may change."""

import builtins
import collections
import dataclasses
import functools
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.program.outside.bytecode import usage
from chainrule.validation import check_array_class

MISSING = object()
# Whose own names and attributes are taken to stay as they are.
_LIBRARIES = {
    *sys.stdlib_module_names,
    *(
        "array_api_compat",
        "array_api_extra",
        "array_api_strict",
        "autograd",
        "chainrule",
        "cupy",
        "cupyx",
        "dask",
    ),
    *(
        "jax",
        "jaxlib",
        "llvmlite",
        "matplotlib",
        "ml_dtypes",
        "numba",
        "numpy",
        "pandas",
        "pytest",
        "_pytest",
        "pluggy",
        "hypothesis",
        "scipy",
        "sklearn",
        "torch",
    ),
} - {"__main__"}
_PYTHON = str(Path(os.__file__).parent)  # the folder of Python's own modules
_ITEMS = (list, tuple, set, frozenset, collections.deque)
# Of whose instances the attributes are compared, as those of the caller's classes.
_WATCHED = ("chainrule", "types", "collections", "weakref", "argparse")
# What Python 3.14 makes a class's annotations from when they are asked for, and keeps them in.
_ANNOTATIONS = ("__annotate_func__", "__annotations_cache__")
_MOST = 10_000  # objects in one of a library that are looked at
CACHED = type(functools.cache(len))


# What has a way of its own to what it leads to.
_KNOWN = (
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
    """Say whether a module, by its name, belongs to Python or to a library that is known here."""
    top = str(module).partition(".")[0]
    return top in _LIBRARIES and not _is_shadowed(top)


def _is_shadowed(top: str) -> bool:
    """Say whether the caller's own module has the name of one of Python's."""
    path = getattr(sys.modules.get(top), "__file__", None)
    return top in sys.stdlib_module_names and path is not None and not path.startswith(_PYTHON)


def is_own(f: types.FunctionType) -> bool:
    """Say whether a function is the caller's: of no library, and not written by `dataclass`."""
    generated = f.__code__.co_filename == "<string>" and f.__name__.startswith("__")
    return not generated and not is_library(f.__globals__.get("__name__"))


def is_array(x: Any) -> bool:
    """Say whether x is an array of any library."""
    kind = type(x)
    if not (hasattr(kind, "dtype") and hasattr(kind, "shape")) or isinstance(x, np.generic | type):
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
    elif isinstance(x, types.MethodType):
        yield from (("", x.__self__, True), ("", x.__func__, True))
    elif type(x) is functools.partial:
        yield from (("", part, True) for part in (x.func, *x.args, *x.keywords.values()))
    elif type(x) is CACHED:
        yield "", x.__wrapped__, False
    elif isinstance(x, types.ModuleType | type):
        if not is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
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
        for name in used.attributes:  # of modules that are imported inside the function
            if name in sys.modules and name not in f.__globals__:
                yield "", sys.modules[name], False


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
    """Say whether x is an instance of a library's class, of which only the arrays are looked at."""
    kind = type(x)
    if issubclass(kind, _KNOWN):
        return False
    return is_library(kind.__module__) and not kind.__module__.startswith(_WATCHED)


def arrays_in(x: Any) -> Iterator[Any]:
    """Yield the arrays in an object, also in its attributes and items, as far as they are no functions."""
    seen, waiting = {id(x): x}, [x]
    while waiting and len(seen) < _MOST:
        y = waiting.pop()
        if is_array(y):
            yield y
            continue
        kind = type(y)
        inner = [*y.values()] if issubclass(kind, dict) else [*y] if issubclass(kind, _ITEMS) else []
        for child in (*inner, *_attributes(y).values()):
            if id(child) not in seen and not isinstance(child, types.FunctionType | types.ModuleType | type):
                seen[id(child)] = child
                waiting.append(child)


def _own(x: Any) -> dict[str, Any]:
    own = getattr(x, "__dict__", None)
    return own if type(own) is dict else {}


def _attributes(x: Any) -> dict[str, Any]:
    found = dict(_own(x))
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            name = (
                f"_{kind.__name__.lstrip('_')}{name}"
                if name.startswith("__") and not name.endswith("__")
                else name
            )
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


def places(x: Any, names: Set[str]) -> list[tuple[str, Any, Any]]:
    """Return the places in an object that another one may come to: a kind of READ, the holder, and the name there."""
    if isinstance(x, types.FunctionType):
        return [] if not is_own(x) else _places_of_function(x)
    if isinstance(x, types.ModuleType | type):
        if is_library(x.__name__ if isinstance(x, types.ModuleType) else x.__module__):
            return []
        own = [name for name in _used(x, names) if not isinstance(vars(x)[name], types.ModuleType)]
        return [("name", vars(x), name) for name in own]
    if isinstance(
        x, tuple | frozenset | types.MethodType | functools.partial | property | classmethod | staticmethod
    ):
        return []
    if issubclass(type(x), dict | types.MappingProxyType):
        return [("length", x, None), ("keys", x, None), ("values", x, None), *_places_of_instance(x)]
    if issubclass(type(x), _ITEMS):
        return [("length", x, None), ("items", x, None), *_places_of_instance(x)]
    if is_of_library(x):
        return [("attribute", x, name) for name in _own(x) if name in names]
    kind = type(x)
    settled = dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    return [] if settled else _places_of_instance(x)


def _places_of_function(f: types.FunctionType) -> list[tuple[str, Any, Any]]:
    scope = f.__globals__
    names = [
        name
        for name in usage(f.__code__).globals
        if not isinstance(scope.get(name), types.ModuleType)
        and (name in scope or not hasattr(builtins, name))
    ]
    cells = [
        ("cell", cell, None) for cell in f.__closure__ or () if not is_function_of_library(content(cell))
    ]
    itself = [
        ("attribute", f, name) for name in ("__code__", "__defaults__")
    ]  # reloading a module changes them
    return [*itself, *(("name", scope, name) for name in names), *cells]


def _places_of_instance(x: Any) -> list[tuple[str, Any, Any]]:
    kinds = [vars(kind) for kind in type(x).__mro__]
    cached = {name for kind in kinds for name, y in kind.items() if isinstance(y, functools.cached_property)}
    own = _own(x)
    found = [("attribute", x, name) for name in _attributes(x) if name not in own]
    found += [("name", own, name) for name in own if name not in cached]
    return found if cached or not hasattr(x, "__dict__") else [("length", own, None), *found]


READ: dict[str, Callable[[Any, Any], Any]] = {
    "name": lambda holder, name: holder.get(name, MISSING),
    "attribute": lambda holder, name: getattr(holder, name, MISSING),
    "cell": lambda holder, name: content(holder),
    "length": lambda holder, name: len(holder),
    "items": lambda holder, name: tuple(holder),
    "keys": lambda holder, name: tuple(holder),
    "values": lambda holder, name: tuple(holder.values()),
}
# The same as conditions of Python, where `{0}` is the holder and `{1}` what was there.
SAME = {
    "name": "{0}.get({name!r}, __MISSING) is {1}",
    "attribute": "{0}.{name} is {1}",
    "cell": "{0}.cell_contents is {1}",
    "length": "len({0}) == {1}",
    "items": "all(map(__is, {0}, {1}))",
    "keys": "all(map(__is, {0}, {1}))",
    "values": "all(map(__is, {0}.values(), {1}))",
}


def is_function_of_library(x: Any) -> bool:
    """Say whether x is a function that nobody puts another one in the place of."""
    return isinstance(x, types.BuiltinFunctionType | np.ufunc)
