"""Operators and methods of an array of a transformed namespace: each calls the function of its name there."""

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.gates.helpers import innermost
from chainrule.numpy_names.coercion import ForeignOperandError, dtype_of, is_foreign
from chainrule.numpy_names.names import METHODS
from chainrule.numpy_names.sparse import foreign_product


@functools.cache
def _like(kind: type) -> type:
    """Return what an array answers as its class: one below NumPy's, whose memory nobody may take."""
    # NumPy's booleans have no class below.
    return kind if kind is np.bool else type(kind.__name__, (kind,), {"__slots__": ()})


class ArrayObject:
    """What an array of any namespace of ours is to Python: it has a length, rows and, where it has one value, a number.

    A class that stands on it has the namespace `space`, a `shape`, operators, items by x[key], the `_plain_class()` of
    the plain array, and `_converted(to)`: that array, or a TypeError where there is no single one.
    """

    __slots__ = ()

    __hash__ = None  # type: ignore[assignment]

    space: Any
    shape: Any
    dtype: Any
    __getitem__: Callable[..., Any]
    _converted: Callable[..., Any]
    _plain_class: Callable[[], type]

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # So that code which asks by isinstance takes the branch of NumPy's array or number, whoever asks. Code in C
        # looks at the type itself, as this package does.
        kind: Any = self._plain_class()
        return _like(kind) if issubclass(kind, np.ndarray | np.generic) else type(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len(): an array of shape () has no length")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over an array of shape ()")
        # The items of a row are numbers, which later writes do not reach.
        return (self[i] if len(self.shape) == 1 else self[i, ...] for i in range(self.shape[0]))

    def __float__(self) -> float:
        return float(self._converted("float"))

    def __int__(self) -> int:
        return int(self._converted("int"))

    def __complex__(self) -> complex:
        return complex(self._converted("complex"))

    def __index__(self) -> int:
        # NumPy 2.2 asks every exponent; what is no whole number is none for any value.
        if self.shape or not self.space.isdtype(self.dtype, "integral"):
            got = f"{self.dtype} of shape {self.shape}"
            raise TypeError(f"index: expected one whole number, got {got}; give a plain int")
        return operator.index(self._converted("index"))

    def __copy__(self) -> Any:
        return self.space.asarray(self, copy=True)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.space.asarray(self, copy=True)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """Return numpy.compress(condition, self, axis): the elements along an axis where a row of conditions holds."""
        return np.compress(condition, self, axis)  # type: ignore[call-overload]

    def item(self, *place: Any) -> Any:
        """Return one element of a constant as a number of Python's own; TypeError for a traced array."""
        return self._converted("item").item(*place)

    def tolist(self) -> Any:
        """Return the elements of a constant as numbers in nested lists; TypeError for a traced array."""
        return self._converted("tolist").tolist()


class ArrayMethods(ArrayObject):
    """The standard's array object, and NumPy's commonest methods, of an array whose namespace is `space`.

    It computes nothing. A class that stands on it has what ArrayObject asks for but operators, an `ndim` and a `dtype`.
    """

    __slots__ = ()

    __array_priority__ = 1000.0  # CuPy then leaves `array + x` to us

    ndim: Any
    dtype: Any
    __array_function__: Callable[..., Any]

    @property
    def T(self) -> Any:
        """The array with its axes in reverse order; where the library follows the standard's rule, a matrix alone."""
        if self.ndim == 2:
            return self.space.matrix_transpose(self)
        if not hasattr(innermost(self), "transpose"):
            raise ValueError(f"T: expected a matrix, 2 axes; got shape {self.shape}. Use mT or permute_dims")
        return self.space.permute_dims(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Any:
        """The transpose of each matrix in a stack."""
        return self.space.matrix_transpose(self)

    @property
    def real(self) -> Any:
        """The real part, which is the array itself for a real one."""
        return self.space.real(self) if self._is_complex() else self

    @property
    def imag(self) -> Any:
        """The imaginary part, which is 0 for a real array."""
        return self.space.imag(self) if self._is_complex() else self.space.zeros_like(self)

    def _is_complex(self) -> bool:
        return bool(self.space.isdtype(self.dtype, "complex floating"))

    def __contains__(self, value: Any) -> bool:
        return bool(self.space.any(self == value))

    def __round__(self, ndigits: int | None = None) -> Any:
        return self.space.round(self) if ndigits is None else np.round(self, ndigits)  # type: ignore[call-overload]

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Return a copy on another device."""
        return self.space._to_device(self, device, stream=stream)

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *inputs: Any, **settings: Any) -> Any:
        if len(inputs) > kernel.nin:
            # An output by its place: CuPy's own arrays have `x += y` that way.
            inputs, settings["out"] = inputs[: kernel.nin], inputs[kernel.nin :]
        return self.space._numpy_ufunc(kernel, "__call__", inputs, settings)

    def reshape(self, *shape: Any, order: str | None = None, copy: bool | None = None) -> Any:
        """Return the same elements in another shape, given as one tuple or list or as integers."""
        if order not in (None, "C"):
            return self.space._numpy_function(np.reshape, (self, one_or_all(shape)), {"order": order})
        return self.space.reshape(self, self.space._integers(one_or_all(shape)), copy=copy)

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order, reversed unless one is given."""
        order = self.space._integers(one_or_all(axes))
        return self.space.permute_dims(self, order or tuple(reversed(range(self.ndim))))

    def conj(self) -> Any:
        """Return the conjugate, which is the array itself for a real one."""
        return self.space.conj(self) if self._is_complex() else self

    conjugate = conj

    def flatten(self, order: str = "C") -> Any:
        """Return all elements in a row."""
        return self.ravel(order)  # type: ignore[attr-defined]

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """Return the array in another dtype, which may be named as NumPy names it."""
        return self.space.astype(self, dtype_of(self.space, dtype), copy=copy)

    def __add__(self, other: Any) -> Any:
        try:
            return self.space.add(self, other)
        except ForeignOperandError:
            return NotImplemented

    def __radd__(self, other: Any) -> Any:
        return self.space.add(other, self)

    def __sub__(self, other: Any) -> Any:
        try:
            return self.space.subtract(self, other)
        except ForeignOperandError:
            return NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return self.space.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        try:
            return self.space.multiply(self, other)
        except ForeignOperandError:
            return foreign_product(self, other, "*")

    def __rmul__(self, other: Any) -> Any:
        try:
            return self.space.multiply(other, self)
        except ForeignOperandError:
            return foreign_product(other, self, "*")

    def __truediv__(self, other: Any) -> Any:
        try:
            return self.space.divide(self, other)
        except ForeignOperandError:
            return NotImplemented

    def __rtruediv__(self, other: Any) -> Any:
        return self.space.divide(other, self)

    def __matmul__(self, other: Any) -> Any:
        try:
            return self.space.matmul(self, other)
        except ForeignOperandError:
            return foreign_product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        try:
            return self.space.matmul(other, self)
        except ForeignOperandError:
            return foreign_product(other, self)


_BINARY = {
    "pow": "pow",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
_COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}
_REDUCTIONS = ("all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "std", "sum", "var")


def one_or_all(given: tuple[Any, ...]) -> Any:
    """Return the lengths or axes given to a method, in one argument or in several."""
    return given[0] if len(given) == 1 and not isinstance(given[0], int | np.integer) else given


def _method(name: str, reflected: bool = False) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: getattr(self.space, name)(other, self)
    # pow(x, n, modulus) has two others.
    return lambda self, *other: (
        NotImplemented
        if other and (len(other) > 1 or is_foreign(other[0]))
        else getattr(self.space, name)(self, *other)
    )


def _numpy_method(name: str) -> Callable[..., Any]:
    def method(self: ArrayMethods, *args: Any, **settings: Any) -> Any:
        return self.__array_function__(getattr(np, name), (), (self, *args), settings)

    method.__name__, method.__doc__ = name, f"Return numpy.{name}(self, ...)."
    method.__qualname__ = f"ArrayMethods.{name}"
    return method


# The arguments of NumPy's and CuPy's reductions after the axis, by their places; CuPy's functions fill them all in.
_BY_PLACE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sum", "prod", "mean"), ("dtype", "out", "keepdims")),
    **dict.fromkeys(("std", "var"), ("dtype", "out", "ddof", "keepdims")),
}


def _reduction(name: str) -> Callable[..., Any]:
    places = _BY_PLACE.get(name, ("out", "keepdims"))

    def method(self: ArrayMethods, axis: Any = None, *by_place: Any, **settings: Any) -> Any:
        if len(by_place) > len(places):
            raise TypeError(f"{name}(): expected at most axis, {', '.join(places)} by place; got more")
        if by_place or settings:
            settings |= zip(places, by_place, strict=False)
            settings = {k: v for k, v in settings.items() if v is not None or k not in ("dtype", "out")}
        if "where" in settings or "initial" in settings:
            return self.space._numpy_function(getattr(np, name), (self, axis), settings)
        if axis is not None and type(axis) is not int:
            axis = self.space._integers(axis)
        if "ddof" in settings and name in ("std", "var"):
            if "correction" in settings:
                raise TypeError(f"{name}(): got ddof= and correction=, which are the same; write one of them")
            settings["correction"] = settings.pop("ddof")
        if settings.keys() - {"correction", "keepdims"}:
            return self.__array_function__(getattr(np, name), (), (self, axis), settings)
        return getattr(self.space, name)(self, axis=axis, **settings)

    method.__name__, method.__doc__ = name, f"Return xp.{name}(self, axis=axis)."
    method.__qualname__ = f"ArrayMethods.{name}"  # what an error about its arguments calls it
    return method


for _dunder, _name in (_BINARY | _COMPARISONS | _UNARY).items():
    setattr(ArrayMethods, f"__{_dunder}__", _method(_name))
for _dunder, _name in _BINARY.items():
    setattr(ArrayMethods, f"__r{_dunder}__", _method(_name, reflected=True))
for _name in METHODS:
    if _name not in vars(ArrayMethods):
        setattr(ArrayMethods, _name, _numpy_method(_name))
for _name in _REDUCTIONS:
    setattr(ArrayMethods, _name, _reduction(_name))
