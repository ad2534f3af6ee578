"""How a name of NumPy's becomes one for every array: one wrapper, which asks the arguments.

A function whose arguments are all plain is NumPy's. A transformed or recorded array among them, in lists too, answers
by its protocol, as NumPy itself would let it. Another library's array answers with that library's function of the
name, or with ours, written in the standard's functions, where its names are not NumPy's.
"""

import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import array_api_compat
import numpy as np

from chainrule.autodiff.namespace import made_here, space_of
from chainrule.autodiff.traced import Traced, unwrapped
from chainrule.gates.helpers import is_transformed
from chainrule.numpy_names import dispatch
from chainrule.numpy_names.coercion import array_of, as_arrays
from chainrule.numpy_names.names import FUNCTIONS
from chainrule.program.recording import current

# What an argument may be. An array that has a namespace of its own answers before one of another library.
PLAIN, NESTED, FOREIGN, RECORDED, TRANSFORMED = range(5)
_kinds: dict[type, int] = {np.ndarray: PLAIN, list: NESTED, tuple: NESTED}
# The classes met before that NumPy is handed as they are: its functions the plain ones; its universal functions, which
# ask every argument, those of our namespaces too.
_plain: set[type] = {np.ndarray}
_asked: set[type] = {np.ndarray}
# Functions that take a sequence of arrays, each of which may be a list. To others a list of arrays is one array.
_OF_A_SEQUENCE = {
    *("block", "choose", "column_stack", "concat", "concatenate", "dstack", "histogramdd", "hstack"),
    *("linalg.multi_dot", "piecewise", "row_stack", "select", "stack", "vstack"),
}
# Functions that make arrays of numbers: inside a function whose gradient is taken, such as take traced items. Those of
# _COPIES make them of other arrays, and those of _OF_LISTS new ones of lists and numbers alone.
_COPIES, _OF_LISTS = ("array", "copy"), ("arange", "asarray", "linspace")
_MAKERS = (
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "identity",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
)
_SUBMODULES = ("fft", "linalg", "random")
_METHODS = ("accumulate", "at", "outer", "reduce", "reduceat")
_Dispatched = type(np.sum)  # the class of NumPy's functions that ask their arguments


def attribute(part: str, name: str) -> Any:
    """Return what has a name in numpy, or in a part of it such as linalg, made for every array.

    Classes, dtypes, constants, and functions that take no arrays are NumPy's own objects.
    """
    if not part and name in _SUBMODULES:
        return importlib.import_module(f"chainrule.numpy.{name}")
    plain = getattr(getattr(np, part) if part else np, name)
    path = f"{part}.{name}" if part else name
    if isinstance(plain, np.ufunc):
        return UniversalFunction(plain)
    made: Any = plain
    if isinstance(plain, _Dispatched) or (path in FUNCTIONS and not isinstance(plain, type)):
        made = _function(plain, path)
    return _taking_items(made, path) if path in (*_MAKERS, *_COPIES, *_OF_LISTS) else made


def _taking_items(make: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a function that makes arrays whose items may be traced ones, where these may come."""

    def is_new(x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether the memory of an array is its own, and has room for traced items."""
        if name in _MAKERS:
            return True
        of_numbers = not args or isinstance(args[0], list | tuple | int | float | complex)
        copies = of_numbers or (name in _COPIES and kwargs.get("copy", True) is True)
        return copies and type(x) is np.ndarray and x.dtype.kind in "fc"

    @functools.wraps(make)
    def function(*args: Any, **kwargs: Any) -> Any:
        x = make(*args, **kwargs)
        if not is_new(x, args, kwargs):
            return x
        x, recording = made_here(x), current()
        if recording is not None and recording.space is not None and type(x) is np.ndarray:
            return recording.space.asarray(x, copy=True)
        return x

    return function


def _function(plain: Callable[..., Any], path: str) -> Callable[..., Any]:
    """Return a function of NumPy's for every array."""

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and _plain.issuperset(map(type, args)):
            return plain(*args)
        array, kind = answering((*args, *kwargs.values()) if kwargs else args)
        if kind == PLAIN:
            return plain(*args, **kwargs)
        if kind == FOREIGN:
            return _of_library(array, path, plain, args, kwargs)
        if path not in _OF_A_SEQUENCE:
            args, kwargs = _without_lists(args, kwargs)
        return array.__array_function__(plain, (), args, kwargs)

    part, _, name = path.rpartition(".")
    function.__module__ = f"chainrule.numpy.{part}" if part else "chainrule.numpy"
    function.__name__ = function.__qualname__ = name
    return function


class UniversalFunction:
    """A universal function of NumPy's for every array, with its methods and attributes."""

    def __init__(self, plain: np.ufunc) -> None:
        self._plain = plain
        self.__name__ = self.__qualname__ = plain.__name__
        self.__doc__ = plain.__doc__
        self.__module__ = "chainrule.numpy"

    def __repr__(self) -> str:
        return f"<function {self.__name__} of chainrule.numpy>"

    def __reduce__(self) -> Any:
        return attribute, ("", self._plain.__name__)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return functools.partial(self._run, name)
        return getattr(self._plain, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function of the arguments, element by element."""
        if not kwargs and _asked.issuperset(map(type, args)):
            return self._plain(*args)
        return self._run("__call__", *args, **kwargs)

    def _run(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        plain = self._plain
        array, kind = answering((*args, *kwargs.values()) if kwargs else args)
        if kind == FOREIGN:
            return _of_library(array, plain.__name__, plain, args, kwargs, method)
        if kind != PLAIN:
            args, kwargs = _without_lists(args, kwargs)
        # NumPy asks the arrays, which stand among the arguments themselves now.
        return getattr(plain, method)(*args, **kwargs)


def answering(values: Iterable[Any]) -> tuple[Any, int]:
    """Return the array among values, lists included, that answers for all, and its kind; PLAIN without one."""
    array, highest = None, PLAIN
    for x in values:
        kind = _kind(x)
        if kind == NESTED:
            # Most lists hold numbers alone, and may be long.
            if all(_kinds.get(its) == PLAIN for its in set(map(type, x))):
                continue
            x, kind = answering(x)
        if kind > highest:
            array, highest = x, kind
    return array, highest


def _kind(x: Any) -> int:
    kind = _kinds.get(type(x))
    if kind is None:
        kind = _kinds[type(x)] = _kind_of(type(x), x)
        if kind == PLAIN:
            _plain.add(type(x))
        if kind in (PLAIN, RECORDED, TRANSFORMED):
            _asked.add(type(x))
    return kind


def _kind_of(cls: type, x: Any) -> int:
    if issubclass(cls, list | tuple):
        return NESTED
    if is_transformed(x):
        return TRANSFORMED
    if hasattr(cls, "space") and hasattr(cls, "__array_function__"):
        return RECORDED
    # A class such as numpy.float32 has the attributes of its arrays.
    is_plain = issubclass(cls, np.ndarray | np.generic | type)
    return FOREIGN if not is_plain and array_api_compat.is_array_api_obj(x) else PLAIN


def _without_lists(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return arguments with arrays in the place of lists that hold arrays of a namespace of its own."""
    return tuple(map(without_list, args)), {name: without_list(x) for name, x in kwargs.items()}


def without_list(x: Any) -> Any:
    """Return a list that holds arrays of a namespace of its own as one array, and anything else as it is."""
    if _kind(x) != NESTED:
        return x
    array, kind = answering(x)
    if kind == TRANSFORMED:
        return array_of(array.space, x)
    return array.space.asarray(x) if kind == RECORDED else x


def _of_library(
    array: Any, path: str, plain: Any, args: tuple[Any, ...], kwargs: dict[str, Any], method: str = "__call__"
) -> Any:
    """Return the result of a function on arrays of another library, as arrays of that library."""
    own, base = None, space_of(array)._base
    # PyTorch has some of NumPy's names for other functions.
    if hasattr(base, "concatenate") and not array_api_compat.is_torch_array(array):
        own = functools.reduce(lambda home, name: getattr(home, name, None), path.split("."), base)
        own = own if method == "__call__" else getattr(own, method, None)

    def run(*args: Any, **kwargs: Any) -> Any:
        if path not in _OF_A_SEQUENCE:
            args, kwargs = _without_lists(args, kwargs)
        elif own is not None:
            # The library's own function takes arrays alone.
            args = tuple(as_arrays(space_of(array), x) if _kind(x) == NESTED else x for x in args)
        if own is not None:
            return own(*unwrapped(args), **{name: unwrapped(x) for name, x in kwargs.items()})
        if isinstance(plain, np.ufunc):
            return dispatch.ufunc(space_of(array), plain, method, args, kwargs)
        return dispatch.function(space_of(array), plain, args, kwargs)

    return of_constants(array, run, *args, **kwargs)


def of_constants(array: Any, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return run(*args, **kwargs) with constants in the place of arrays of a library, and its results without them."""
    space = space_of(array)

    def wrapped(x: Any) -> Any:
        if _kind(x) == NESTED:
            return list(map(wrapped, x)) if answering(x)[1] == FOREIGN else x
        return Traced(x, space) if _kind(x) == FOREIGN else x

    return unwrapped(run(*map(wrapped, args), **{name: wrapped(x) for name, x in kwargs.items()}))
