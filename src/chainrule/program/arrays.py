"""The recorded array: the standard's array object, with NumPy's dispatch protocols, whose operations are noted.

A recorded array has the value that the plain library computed, for its shape and dtype. Whatever would read the value
itself, such as a branch, is refused: the program would hold for that value alone.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gates.helpers import is_transformed
from chainrule.numpy_names.array import ArrayMethods, ArrayObject, one_or_all
from chainrule.numpy_names.names import FROM_LISTS
from chainrule.program.numbers import Number
from chainrule.program.recording import (
    Recording,
    Variable,
    is_fresh,
    is_own_branch,
    is_own_text,
    not_followed,
    refused,
)

SYMBOLS = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "matmul": "@", "pow": "**", "floordiv": "//"},
    **{"mod": "%", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"},
    **{"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
}
_UNARY = {"neg": "u-", "abs": "abs", "invert": "~", "pos": "positive"}


class Recorded(ArrayObject):
    """An array whose operations are noted: the standard's array object, with NumPy's dispatch protocols.

    `value` is the array of the library, and `variable` what it is in the program. Each library has a class of its
    own, whose `space` is the recorded namespace.
    """

    __slots__ = ("__weakref__", "recording", "value", "variable")

    space: Any  # the recorded namespace
    __array_priority__ = 2000.0

    def __init__(self, value: Any, variable: Variable, recording: Recording) -> None:
        self.value, self.variable, self.recording = value, variable, recording

    def __repr__(self) -> str:
        if self.recording.open and self.is_readable():
            return repr(self.value)
        if self.recording.open and is_own_text():
            raise refused(self.recording, "the text of an array", "Print the array itself")
        return f"Recorded(shape={self.shape}, dtype={self.dtype})"

    def __str__(self) -> str:
        return str(self.value) if self.recording.open and self.is_readable() else repr(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.space

    def _plain_class(self) -> type:
        return type(self.value)

    dtype = property(lambda self: self.value.dtype)
    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    device = property(lambda self: self.value.device)
    itemsize = property(lambda self: self.value.itemsize)
    nbytes = property(lambda self: self.value.nbytes)

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        return self.space._noted(self, ".T", _transposed, (self,), {})

    @property
    def mT(self) -> Any:
        """The transpose of each matrix in a stack."""
        return self.space._noted(self, ".mT", lambda x: x.mT, (self,), {})

    @property
    def real(self) -> Any:
        """The real part."""
        return self.space._noted(self, ".real", lambda x: x.real, (self,), {})

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return self.space._noted(self, ".imag", lambda x: x.imag, (self,), {})

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Return the array on another device."""
        if device == self.device:
            return self
        return self.space._noted(self, ".to_device", lambda x, d: x.to_device(d), (self, device), {})

    def __getitem__(self, key: Any) -> Any:
        key = _key(self, key)
        return self.space._noted(self, "getitem", operator.getitem, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self._write("setitem", _setitem, key, value)

    def _write(self, operation: str, run: Callable[..., Any], key: Any, value: Any) -> None:
        recording, old = self.recording, self.variable
        if not (is_fresh(old.call) or old.call.writes):
            raise recording.refuse(
                "item assignment is followed on an array that the function itself made. "
                "Write x = xp.where(mask, value, x), or join the parts with xp.concat or xp.stack"
            )
        # One value has no shape that has to fit a mask.
        one = (
            operation == "setitem"
            and not isinstance(value, list | tuple)
            and getattr(value, "shape", ()) == ()
        )
        place = fixed(key) if one else _key(self, key)
        written = self.space._noted(self, operation, run, (self, place, value), {})
        self.value, self.variable = written.value, written.variable
        if old in recording.viewed:
            recording.stale |= recording.views_of(old) - {self.variable}

    def __bool__(self) -> bool:
        if self.variable.known:
            return bool(self.value)
        if self.size == 1 and is_own_branch():
            return bool(self._guarded(bool(self.value)))
        if self.is_readable():
            return bool(self.value)
        raise refused(self.recording, "a branch", "Write xp.where(condition, a, b)")

    def is_readable(self) -> bool:
        """Say whether the value is that of every replay: of literal numbers, or of arrays that are compared."""
        return self.variable.known or self.recording.reads(self.variable)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(self.value, name) or is_own_branch():
            raise AttributeError(f"a recorded array has no {name!r}")
        if self.is_readable():
            return getattr(self.value, name)
        raise not_followed(self.recording, f"the attribute {name} of an array")

    def _guarded(self, value: Any) -> Any:
        """Return a value that this package asks for; where a replay has another one, the function itself runs."""
        self.recording.add("guard", None, (self.variable, value), {})
        return value

    def _converted(self, to: str) -> Any:
        if self.variable.known:
            return self.value
        if to in ("float", "int") and is_own_branch():
            return self._guarded(float(self.value) if to == "float" else int(self.value))
        if self.is_readable():
            return self.value
        raise refused(self.recording, f"{to}(x)", "Compute with the array itself")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.is_readable():
            return np.array(self.value, dtype=dtype)
        raise refused(
            self.recording,
            "numpy.asarray",
            "Compute with the array itself; for A[x] of another array A write xp.take(A, x, axis=0) with "
            f"xp = x.__array_namespace__(). {FROM_LISTS}",
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        return self.space._numpy_ufunc(ufunc, method, inputs, settings)

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *inputs: Any, **settings: Any) -> Any:
        above = next((x for x in inputs if is_transformed(x)), None)
        if above is not None:
            return above.__cupy_override_elementwise_kernel__(kernel, *inputs, **settings)
        if len(inputs) > kernel.nin:
            settings["out"] = inputs[
                kernel.nin :
            ]  # an output by its place, as in `x += y` of CuPy's own arrays
        return self.space._numpy_ufunc(kernel, "__call__", inputs[: kernel.nin], settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, ArrayMethods) for kind in types):
            return NotImplemented  # a traced or batched array answers, by its place or by name
        return self.space._numpy_function(self.recording, function, args, kwargs)

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._converted("round")) if ndigits is None else np.round(self, ndigits)

    def reshape(self, *shape: Any, order: str | None = None, copy: bool | None = None) -> Any:
        """Return the same elements in another shape, given as one tuple or as integers."""
        if order not in (None, "C"):
            return np.reshape(self, one_or_all(shape), order=order)  # type: ignore[call-overload]
        settings = {} if copy is None else {"copy": copy}
        return self.space.reshape(self, one_or_all(shape), **settings)

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order, reversed unless one is given."""
        return self.space.permute_dims(self, one_or_all(axes) or tuple(reversed(range(self.ndim))))

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """Return the array in another dtype."""
        return self.space.astype(self, dtype, copy=copy)

    def copy(self, *order: Any, **settings: Any) -> Any:
        """Return a copy; a number of NumPy's is its own."""
        is_number = issubclass(type(self.value), np.generic)
        return self if is_number else self.space.copy(self, *order, **settings)

    def flatten(self, order: str = "C") -> Any:
        """Return a copy of all elements in a row."""
        return self.space.asarray(self.reshape((-1,), order=order), copy=True)


def _transposed(x: Any) -> Any:
    return x.T


def _setitem(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


def _key(x: Recorded, key: Any) -> Any:
    """Return a key with its numbers fixed; one whose result has a shape that depends on values is refused."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Recorded) and part.dtype == bool and not part.is_readable():
            raise refused(x.recording, "the shape of x[mask]", "Write xp.where(mask, x, 0)")
    return fixed(key)


def fixed(x: Any) -> Any:
    """Return settings with Python's own numbers, which thereby decide the program."""
    if type(x) is Number:
        return x.pinned()
    if type(x) is slice:
        return slice(*(None if part is None else operator.index(part) for part in (x.start, x.stop, x.step)))
    if type(x) in (list, tuple):
        return type(x)(map(fixed, x))
    return tuple(map(fixed, x)) if isinstance(x, tuple) and hasattr(x, "_fields") else x


def _method(name: str) -> Callable[..., Any]:
    def method(self: Recorded, *args: Any, **settings: Any) -> Any:
        return getattr(self.space, name)(self, *args, **settings)

    method.__name__, method.__doc__ = name, f"Return xp.{name}(self, ...)."
    return method


def _refusing(name: str) -> Callable[..., Any]:
    def method(self: Recorded, *args: Any) -> Any:
        return getattr(self._converted(name.strip("_")), name)(*args)

    method.__name__ = name
    return method


def _operator(name: str, reflected: bool) -> Callable[..., Any]:
    symbol, run = SYMBOLS[name], getattr(operator, f"__{name}__")

    def binary(self: Recorded, other: Any, *modulus: Any) -> Any:
        if modulus or is_transformed(other):
            return NotImplemented
        return self.space._noted(self, symbol, run, (other, self) if reflected else (self, other), {})

    return binary


def _unary(symbol: str, run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self: self.space._noted(self, symbol, run, (self,), {})


def _in_place(name: str) -> Callable[..., Any]:
    symbol, plain = SYMBOLS[name], _operator(name, False)

    def changed(self: Recorded, other: Any) -> Any:
        if issubclass(type(self.value), np.generic):
            return plain(self, other)  # which has no place of its own
        variable, recording = self.variable, self.recording
        if variable.call.operation == "getitem" and variable not in recording.viewed:
            result = plain(self, other)
            if isinstance(self.dtype, np.dtype) and not np.can_cast(result.dtype, self.dtype, "same_kind"):
                raise recording.refuse(f"the {result.dtype} of x {symbol}= a does not go into {self.dtype}")
            recording.pending = result.variable
            return result
        new = plain(self, other) if is_fresh(variable.call) and variable not in recording.viewed else None
        if new is None or new is NotImplemented or (new.shape, new.dtype) != (self.shape, self.dtype):
            raise recording.refuse(
                f"x {symbol}= a is followed where x is an array of the function's own, of which there is no "
                f"view, and the result has its shape and dtype. Write x = x {symbol} a"
            )
        self.value, self.variable = new.value, new.variable
        return self

    return changed


for _name in (
    *(
        "all",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "clip",
        "conj",
        "cumprod",
        "cumsum",
        "diagonal",
        "dot",
    ),
    *("max", "mean", "min", "prod", "ravel", "repeat", "round", "searchsorted", "squeeze", "std", "sum"),
    *("swapaxes", "take", "trace", "var"),
):
    setattr(Recorded, _name, _method(_name))
Recorded.conjugate = Recorded.conj  # type: ignore[attr-defined]
for _name in ("tobytes", "__format__", "__contains__", "__dlpack__"):
    setattr(Recorded, _name, _refusing(_name))
for _name in SYMBOLS:
    setattr(Recorded, f"__{_name}__", _operator(_name, False))
    if _name not in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Recorded, f"__r{_name}__", _operator(_name, True))
        setattr(Recorded, f"__i{_name}__", _in_place(_name))
for _name, _symbol in _UNARY.items():
    setattr(Recorded, f"__{_name}__", _unary(_symbol, getattr(operator, _name)))
