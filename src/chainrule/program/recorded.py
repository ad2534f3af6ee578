"""recorded(xp): an array API namespace that notes each call."""

import functools
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.backend.special_functions import special_function
from chainrule.gates.helpers import is_transformed
from chainrule.gates.standard import names
from chainrule.numpy_names.names import FUNCTIONS, IN_PLACE, STANDARD_NAMES
from chainrule.program.arrays import SYMBOLS, Recorded, fixed
from chainrule.program.numbers import Number
from chainrule.program.recording import Recording, Variable, current, is_ufunc, not_followed, refused

# Functions whose results have shapes that depend on values.
_SHAPED_BY_VALUES = {
    *("nonzero", "argwhere", "flatnonzero", "extract", "compress", "trim_zeros", "bincount"),
    *("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
    *("union1d", "intersect1d", "setdiff1d", "setxor1d"),
}
# Functions of real arrays whose results NumPy has as real or complex numbers, as their values are.
_TYPED_BY_VALUES = {"linalg.eig", "linalg.eigvals"}
# Functions that take several arrays. Of any other, what follows the first argument are shapes, counts and axes.
_OF_SEVERAL = {
    *(
        "append",
        "broadcast_arrays",
        "clip",
        "concat",
        "concatenate",
        "column_stack",
        "cross",
        "diff",
        "dot",
        "dstack",
    ),
    *(
        "einsum",
        "full_like",
        "hstack",
        "inner",
        "isclose",
        "isin",
        "kron",
        "matmul",
        "meshgrid",
        "multi_dot",
        "outer",
    ),
    *(
        "searchsorted",
        "select",
        "solve",
        "stack",
        "take",
        "take_along_axis",
        "tensordot",
        "vecdot",
        "vstack",
        "where",
    ),
}
_OF_SEVERAL |= {
    *(
        "average",
        "choose",
        "convolve",
        "corrcoef",
        "correlate",
        "cov",
        "digitize",
        "ediff1d",
        "gradient",
        "histogram",
        "histogram2d",
        "histogramdd",
    ),
    *("insert", "interp", "lstsq", "nanpercentile", "nanquantile", "percentile"),
    *("polyadd", "polyfit", "polysub", "polyval", "quantile", "tensorsolve", "trapezoid", "vdot"),
}
# Those of two operands, which are no ufuncs in every library.
_OF_TWO = {
    *(
        "add",
        "atan2",
        "bitwise_and",
        "bitwise_left_shift",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
    ),
    *(
        "copysign",
        "divide",
        "equal",
        "floor_divide",
        "greater",
        "greater_equal",
        "hypot",
        "less",
        "less_equal",
    ),
    *("logaddexp", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "nextafter"),
    *("not_equal", "pow", "remainder", "subtract"),
}
_OF_NONE = {"arange", "empty", "eye", "ones", "zeros"}
_SETTINGS = ("axis", "axes", "axisa", "axisb", "axisc", "n", "indexing", "mode", "shape")
_MASKS = ("initial", "where")  # arrays, also beside settings
# Functions whose answers are Python's own.
_ANSWERS = {"allclose", "array_equal", "array_equiv", "count_nonzero"}
# Functions that take numbers of Python's among their arrays; ufuncs do so too.
_OF_NUMBERS = {"asarray", "clip", "full", "full_like", "where"}
# Functions whose answers are known without the values.
_ABOUT_TYPES = {*names("dtype", "main"), "shape", "ndim", "size", "iscomplexobj", "isrealobj", "isscalar"}
_ALLOWED = {
    *(f"{part}{name}" for part, room in (("", "main"), ("linalg.", "linalg"), ("fft.", "fft"))
      for kind in ("gate", "composed", "constant", "creation", "no rule") for name in names(kind, room)),
    *FUNCTIONS, *STANDARD_NAMES,
}  # fmt: skip


class Namespace:
    """A namespace of the standard, whose calls are noted; `linalg` and `fft` hang on it."""

    def __init__(self, base: Any, part: str = "", whole: "Namespace | None" = None) -> None:
        self.__name__ = f"recorded({getattr(base, '__name__', base)})"
        self._library, self._part, self._whole = base, part, whole or self
        if whole is None:
            self.__array_api_version__ = getattr(base, "__array_api_version__", "2024.12")
            self._array = type("Recorded", (Recorded,), {"__slots__": (), "space": self})

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"

    def __array_namespace_info__(self) -> Any:
        """Return the inspection functions of the plain namespace."""
        return self._library.__array_namespace_info__()

    def _numpy_ufunc(self, ufunc: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Note a call of a universal function."""
        if any(is_transformed(x) for x in inputs):
            return NotImplemented
        recording: Any = _recording_of(inputs)
        path = (ufunc.__name__ if hasattr(ufunc, "__name__") else ufunc.name).removeprefix("cupy_")
        if method == "at" and path == "add" and isinstance(inputs[0], Recorded):
            inputs[0]._write("add.at", _add_at, *inputs[1:])
            return None
        if "out" in settings or method == "at":
            raise recording.refuse(f"numpy.{path} changes an array in place; write x = numpy.{path}(...)")
        if getattr(self._special(), path, None) is ufunc:
            path = f"special.{path}"
        elif self._has(path, ufunc):
            ufunc = _at(self._library, path)
        else:
            if _is_readable((inputs, settings)):
                return getattr(ufunc, method)(*_values(inputs), **_values(settings))
            raise not_followed(recording, path)
        if method != "__call__":
            path, ufunc = f"{path}.{method}", getattr(ufunc, method)
        return _note(recording, self, path, ufunc, inputs, settings)

    def _special_function(self, name: str) -> Callable[..., Any] | None:
        """Return the function that notes a call of one of SciPy's special functions; None where there is none."""
        plain: Any = special_function(self._library, name)
        # In some libraries it has another name.
        same = plain is not None and getattr(self._special(), name, None) is plain
        return self._noting(f"special.{name}", plain) if same else None

    def _special(self) -> Any:
        """Return the special functions of the library, where they have been imported."""
        return sys.modules.get("cupyx.scipy.special" if "cupy" in self._library.__name__ else "scipy.special")

    def _has(self, path: str, function: Any) -> bool:
        """Say whether a function is the library's at this path, or NumPy's of which CuPy has its own."""
        own = _at(self._library, path)
        return own is function or (
            own is not None and "cupy" in self._library.__name__ and _at(np, path) is function
        )

    def _numpy_function(self, recording: Recording, function: Any, args: Any, kwargs: Any) -> Any:
        """Note a call of one of NumPy's other functions."""
        part = function.__module__.removeprefix("numpy").removeprefix(".")
        path = f"{part}.{function.__name__}" if part else function.__name__
        if path in _ABOUT_TYPES:
            return function(*_values(args), **_values(kwargs))
        if path in IN_PLACE:
            # As item assignment, which is followed.
            return FUNCTIONS[path](self, *args, **kwargs)
        if kwargs.get("out") is not None:
            raise recording.refuse(f"numpy.{path} changes an array in place; write x = numpy.{path}(...)")
        is_followed = path in _ALLOWED and self._has(path, function)
        if path in _SHAPED_BY_VALUES or path in _ANSWERS or not is_followed:
            if _is_readable((args, kwargs)):
                return function(*_values(args), **_values(kwargs))
            if path in _SHAPED_BY_VALUES:
                raise refused(recording, f"the shape of numpy.{path}", "Write it with masks and xp.where")
            if path in _ANSWERS:
                raise refused(recording, f"numpy.{path}", "Compute with an array, such as (x == y).all()")
            raise not_followed(recording, f"numpy.{path}")
        return _at(self, path)(*args, **kwargs)

    def _noted(
        self, array: Recorded, operation: str, run: Callable[..., Any], args: tuple[Any, ...], kwargs: Any
    ) -> Any:
        """Run an operation on an array and others, and note it."""
        return _note(_recording_of(array), self, operation, run, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._library, name, None)
        if plain is None and self._library is np:
            plain = getattr(importlib.import_module("array_api_compat.numpy"), name, None)
        if plain is None:
            raise AttributeError(f"{self.__dict__.get('__name__')} has no {name!r}")
        if isinstance(plain, ModuleType):
            found: Any = Namespace(plain, f"{self._part}{name}.", self._whole)
        elif not callable(plain) or isinstance(plain, type) or name.startswith("_"):
            found = plain
        elif name in _ABOUT_TYPES and not self._part:
            found = functools.wraps(plain)(lambda *args, **kwargs: plain(*_values(args), **_values(kwargs)))
        else:
            found = self._noting(self._part + name, plain)
        setattr(self, name, found)
        return found

    def _noting(self, path: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function that notes a call of a plain one."""
        whole = self._whole

        def function(*args: Any, **kwargs: Any) -> Any:
            for x in (*args, *kwargs.values()) if kwargs else args:
                above = x if is_transformed(x) else None
                if type(x) in (list, tuple):
                    above = next(filter(is_transformed, x), None)
                if above is not None:
                    # A name that is NumPy's alone, such as add.reduce, NumPy itself hands on.
                    return (_at(above.space, path) or plain)(*args, **kwargs)
            recording = _recording_of((args, kwargs)) or current()
            if recording is None:
                return plain(*args, **kwargs)
            if path == "asarray" and isinstance(args[0], Recorded) and _keeps(args[0], **kwargs):
                return args[0]
            if path in _SHAPED_BY_VALUES or (path == "where" and len(args) == 1):
                if _is_readable((args, kwargs)):
                    return plain(*_values(args), **_values(kwargs))
                raise refused(recording, f"the shape of {path}", "Write it with masks and xp.where")
            if path in _TYPED_BY_VALUES and _is_unknown(args[0]) and _is_real_of_numpy(args[0].value):
                raise refused(recording, f"the dtype of {path}", "Give it xp.astype(x, xp.complex128)")
            if not is_ufunc(plain) and any(map(_is_unknown, _settings(path, args, kwargs))):
                raise refused(
                    recording, f"a shape, a count or an axis of {path}", "Give it numbers of Python's own"
                )
            if path == "count_nonzero":
                return whole.sum(args[0] != 0, *args[1:], **kwargs)
            if kwargs.pop("descending", False):
                return _descending(whole, path, *args, **kwargs)
            return _note(recording, whole, path, plain, args, kwargs)

        function.__name__ = getattr(plain, "__name__", path)
        if hasattr(plain, "reduce"):
            function.reduce = self._noting(f"{path}.reduce", plain.reduce)  # type: ignore[attr-defined]
            function.at = lambda x, key, values: x._write("add.at", _add_at, key, values)  # type: ignore[attr-defined]
        return function


def _descending(xp: Namespace, path: str, x: Any, axis: int = -1, stable: bool = True) -> Any:
    """Return sort or argsort from the largest down, which NumPy has not; equal elements keep their order."""
    if path == "sort":
        return xp.flip(xp.sort(x, axis=axis, stable=stable), axis=axis)
    order = xp.flip(xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=stable), axis=axis)
    return x.shape[axis] - 1 - order


def _add_at(x: Any, key: Any, values: Any) -> Any:
    np.add.at(x, key, values)
    return x


def _keeps(x: Recorded, dtype: Any = None, device: Any = None, copy: bool | None = None) -> bool:
    """Say whether asarray with these settings returns the array itself."""
    return not copy and (dtype is None or dtype == x.dtype) and (device is None or device == x.device)


def _settings(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """Return the arguments of a function that are no arrays."""
    if path.startswith("special."):
        return []
    name, given = path.rpartition(".")[2], [*args, *(x for k, x in kwargs.items() if k not in _MASKS)]
    if name in _OF_NONE:
        return given
    if name in _OF_SEVERAL or name in _OF_TWO:
        return [kwargs[key] for key in _SETTINGS if key in kwargs]
    if name == "full":
        return [*args[:1], kwargs.get("shape")]
    return given[2:] if name.endswith("space") else given[1:]


def _is_unknown(x: Any) -> bool:
    """Say whether there is an array in x whose elements are not the same at every replay."""
    if isinstance(x, list | tuple):
        return any(map(_is_unknown, x))
    return isinstance(x, Recorded) and not x.is_readable()


def _is_readable(x: Any) -> bool:
    """Say whether no array in x depends on an argument; the numbers in it decide the program from here on."""
    if isinstance(x, dict):
        x = tuple(x.values())
    if isinstance(x, list | tuple):
        return all(map(_is_readable, x))
    return fixed(x) is x or type(x) is Number if not isinstance(x, Recorded) else x.is_readable()


def _is_real_of_numpy(x: Any) -> bool:
    return issubclass(type(x), np.ndarray) and not np.iscomplexobj(x)


def _recording_of(x: Any) -> Recording | None:
    """Return the open recording of the first recorded array or number, also inside lists, tuples and dicts."""
    if isinstance(x, Recorded) or type(x) is Number:
        if not x.recording.open:
            raise TypeError(
                "compile: an array of a recording that has ended; return it from the function instead"
            )
        return x.recording
    if isinstance(x, dict):
        x = tuple(x.values())
    if isinstance(x, list | tuple):
        return next((found for found in map(_recording_of, x) if found), None)
    return None


def _note(
    recording: Any, space: Namespace, operation: str, run: Any, args: tuple[Any, ...], kwargs: Any
) -> Any:
    of_numbers = is_ufunc(run) or operation in _OF_NUMBERS | _OF_TWO or operation in SYMBOLS.values()
    if of_numbers and operation != "full":
        args = tuple(x if type(x) is Number else fixed(x) for x in args)
    else:
        args = (*fixed(args[:1]), *args[1:]) if of_numbers else fixed(args)
    kwargs = {name: fixed(x) for name, x in kwargs.items()}
    try:
        out = run(*_values(args), **_values(kwargs))
    except (ArithmeticError, np.linalg.LinAlgError, IndexError) as error:
        if any(map(_is_unknown, (args, *kwargs.values()))):
            refused(recording, f"the {type(error).__name__} of {operation}", "Handle it outside the function")
        raise
    call = recording.add(operation, run, _noted(recording, args), _noted(recording, kwargs))
    return _wrapped(recording, space, out, call)


def _wrapped(recording: Recording, space: Namespace, out: Any, call: Any) -> Any:
    """Return the results of a call as recorded arrays, in a tuple as the library has it."""
    if isinstance(out, tuple | list):
        items = [_wrapped(recording, space, item, call) for item in out]
        return type(out)(*items) if hasattr(out, "_fields") else type(out)(items)
    if not hasattr(out, "dtype"):
        # A number of Python's, as count_nonzero gives.
        out = np.asarray(out)
    call.outs.append(Variable(out, call))
    return space._array(out, call.outs[-1], recording)


def _values(x: Any) -> Any:
    """Return arguments with plain arrays and numbers in the place of the recorded ones."""
    if isinstance(x, Recorded) or type(x) is Number:
        return x.value
    if type(x) in (list, tuple):
        return type(x)(map(_values, x))
    return {name: _values(item) for name, item in x.items()} if type(x) is dict else x


def _noted(recording: Recording, x: Any) -> Any:
    """Return arguments with variables in the place of arrays and numbers."""
    if isinstance(x, Recorded) or type(x) is Number:
        if x.recording is not recording:
            raise TypeError("compile: an array of another recording; pass it in as an argument")
        return x.variable
    if type(x) in (list, tuple):
        return type(x)(_noted(recording, item) for item in x)
    if type(x) is dict:
        return {name: _noted(recording, item) for name, item in x.items()}
    if hasattr(x, "dtype") and hasattr(x, "shape") and not issubclass(type(x), type | np.generic):
        return recording.constant(x)
    return x


def _at(base: Any, path: str) -> Any:
    """Return the function of a library at a path such as linalg.norm; None where there is none."""
    for part in path.split("."):
        base = getattr(base, part, None)
    return base


_namespaces: dict[int, Namespace] = {}


def recorded(xp: Any) -> Namespace:
    """Return the array API namespace `xp` with functions whose calls are noted, inside a recording."""
    if isinstance(xp, Namespace):
        return xp
    if id(xp) not in _namespaces:
        _namespaces[id(xp)] = Namespace(xp)
    return _namespaces[id(xp)]
