"""The traced array: the standard's array object, with NumPy's and CuPy's dispatch protocols.

It computes nothing. Operators, methods and protocols call functions of its namespace, `space`, under the names of the
standard or, with a leading underscore, under those that the engine gave it.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.gates.types import Array, Gate
from chainrule.numpy.names import INSTEAD, METHODS


def level_of(x: Any) -> int:
    """Return the level of a traced array, and 0 for a constant, a plain array or anything else."""
    return x.level if type(x) is Traced else 0


def is_traced(x: Any) -> bool:
    """Say whether x is a traced array: one that has a level."""
    return level_of(x) > 0


def plain_value(x: Any) -> Any:
    """Return the array below every level of x."""
    while type(x) is Traced:
        x = x.value
    return x


def unwrapped(x: Any) -> Any:
    """Return x with plain arrays in the place of traced ones and constants, also inside lists and tuples."""
    if type(x) is Traced:
        return plain_value(x)
    if isinstance(x, list | tuple):
        items = map(unwrapped, x)
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return x


def any_traced(values: Iterable[Any]) -> bool:
    """Say whether there is a traced array among values, also inside lists and tuples."""
    return any(is_traced(x) or (isinstance(x, list | tuple) and any_traced(x)) for x in values)


def refuse_captured(who: str, x: Any) -> None:
    """Raise TypeError where below the level of x there is the same or a higher one.

    Levels fall from the outside to the inside, unless a rule uses a traced array that is not among its arguments.
    """
    while type(x) is Traced:
        if level_of(x.value) >= x.level > 0:
            raise TypeError(f"{who}: uses a traced array that is not among its arguments; pass it in")
        x = x.value


class Traced:
    """An array whose operations are recorded, or, at level 0, a constant among such arrays.

    `is_traced(x)` tells the first; `type(x) is Traced` holds for both, the arrays of a differentiable namespace.
    `value` is the array one level below, `node` its place on the tape (None for a constant), and `space` the
    differentiable namespace. It has the attributes, methods and operators of the standard, and NumPy's commonest
    methods. Comparisons give constants, so `if x > 0:` works.
    """

    __slots__ = ("__weakref__", "level", "node", "space", "taken", "value")

    taken: Any  # the node that the items taken from this array share; set by the tape alone

    __array_priority__ = 1000.0  # CuPy then leaves `array + traced` to us
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Array, space: Any, level: int = 0, node: Any = None) -> None:
        self.value = value
        self.space = space
        self.level = level
        self.node = node

    def __repr__(self) -> str:
        kind = f"level {self.level}" if self.level else "constant"
        return f"Traced({plain_value(self)!r}, {kind})"

    @property
    def grad(self) -> Array:
        """The gradient that the last `backward` brought here."""
        try:
            g, holds = self.node.grad
        except AttributeError:
            raise AttributeError("grad: not computed yet; call chainrule.backward(out) first") from None
        if not holds[0]:
            raise AttributeError(
                "grad: the last backward did not reach this array, and its gradient from an earlier one is no longer "
                "valid; read .grad before the next chainrule.backward, or differentiate the sum of both results"
            )
        return g

    def record(self, gate: Gate, arrays: Sequence[Any], static: dict[str, Any]) -> Any:
        """Run a gate inside the rule of another, through this array's namespace."""
        return self.space._record(gate, arrays, static)

    def constant(self) -> "Traced":
        """Return the value as a constant at every level."""
        return Traced(plain_value(self), self.space)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        # Called for its check of the version: the namespace that it returns is the one below `space`.
        plain_value(self).__array_namespace__(api_version=api_version)
        return self.space

    @property
    def dtype(self) -> Any:
        """The data type of the elements."""
        return self.value.dtype

    @property
    def shape(self) -> Any:
        """The lengths of the axes."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> Any:
        """The number of elements."""
        return self.value.size

    @property
    def device(self) -> Any:
        """The device that the value lies on."""
        return plain_value(self).device

    @property
    def T(self) -> Any:
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ValueError(f"T: expected a matrix, 2 axes; got shape {self.shape}. Use mT or permute_dims")
        return self.space.matrix_transpose(self)

    @property
    def mT(self) -> Any:
        """The transpose of each matrix in a stack."""
        return self.space.matrix_transpose(self)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Return a copy on another device, traced like this array."""
        return self.space._to_device(self, device, stream=stream)

    def __getitem__(self, key: Any) -> Any:
        key = self._plain_key(key)
        return (
            self.space._getitem(self, key=key) if self.level else Traced(plain_value(self)[key], self.space)
        )

    def _plain_key(self, key: Any) -> Any:
        """Return a key with Python's integers, and copies of arrays, which the caller may change before backward."""
        if isinstance(key, int | slice):
            return key
        if isinstance(key, tuple):
            return tuple(map(self._plain_key, key))
        if isinstance(key, np.integer):
            return int(key)
        key = plain_value(key)
        return self.space._base.asarray(key, copy=True) if hasattr(key, "dtype") else copy.deepcopy(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.level or getattr(value, "level", 0):
            raise TypeError(
                "item assignment: a traced array cannot be changed in place. Write "
                "x = xp.where(mask, value, x), or build the parts and join them with xp.concat or xp.stack"
            )
        plain_value(self)[unwrapped(key)] = unwrapped(value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len(): an array of shape () has no length")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over an array of shape ()")
        return (self[i, ...] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        return bool(plain_value(self))

    def __float__(self) -> float:
        return float(self._converted("float"))

    def __int__(self) -> int:
        return int(self._converted("int"))

    def __complex__(self) -> complex:
        return complex(self._converted("complex"))

    def __index__(self) -> int:
        return self._converted("index").__index__()  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.space._as_numpy(self._converted("numpy.asarray"), dtype, copy)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        settings = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        given = {name: value for name, value in settings.items() if value is not None}
        return self._converted("__dlpack__").__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return plain_value(self).__dlpack_device__()

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.shape:
            raise TypeError(f"format: expected one number for {spec!r}; got an array of shape {self.shape}")
        value = plain_value(self)
        return format(value.item() if hasattr(value, "item") else float(value), spec)

    def __round__(self, ndigits: int | None = None) -> Any:
        return self.space.round(self) if ndigits is None else np.round(self, ndigits)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __copy__(self) -> Any:
        return self.space.asarray(self, copy=True)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.space.asarray(self, copy=True)

    def __reduce__(self) -> Any:
        return plain_value, (self._converted("pickle.dumps"),)

    def item(self, *place: Any) -> Any:
        """Return one element of a constant as a number of Python's own; TypeError for a traced array."""
        return self._converted("item", method=True).item(*place)

    def tolist(self) -> Any:
        """Return the elements of a constant as numbers in nested lists; TypeError for a traced array."""
        return self._converted("tolist", method=True).tolist()

    def _converted(self, to: str, method: bool = False) -> Any:
        if self.level:
            constant = "chainrule.stop_gradient(x)"
            raise TypeError(
                f"{to}(): this array is traced, and its gradient would be lost. Compute with the array itself, "
                f"or write {f'{constant}.{to}()' if method else f'{to}({constant})'} where no gradient is meant to flow"
                + (". To make one array of several write xp.stack" if to == "numpy.asarray" else "")
            )
        return plain_value(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        # One that was looked up before is called here, without a further call in between.
        known = self.space._by_ufunc.get(ufunc)
        if known is not None and method == "__call__" and not settings:
            return known(*inputs)
        if not self.level and self._is_alone((*inputs, *settings.values())):
            return self._plain_call(getattr(ufunc, method), inputs, settings)
        return self.space._numpy_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not self.level and self._is_alone((*args, *kwargs.values())):
            return self._plain_call(function, args, kwargs)
        return self.space._numpy_function(function, args, kwargs)

    def _is_alone(self, operands: Iterable[Any]) -> bool:
        """Say whether a constant is among constants, and its library has the functions of NumPy's names."""
        has_them = self.space._base is np or hasattr(plain_value(self), "__array_ufunc__")
        return has_them and not any_traced(operands)

    def _plain_call(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function gives for plain arrays, with arrays as constants; `out` is the one that was given."""
        result = function(*unwrapped(args), **{name: unwrapped(value) for name, value in kwargs.items()})
        out = kwargs.get("out")
        if out is None:
            return self._as_constants(result)
        return out[0] if isinstance(out, tuple) and len(out) == 1 else out

    def _as_constants(self, result: Any) -> Any:
        if isinstance(result, list | tuple):
            items = map(self._as_constants, result)
            return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
        is_array = isinstance(result, np.generic) or hasattr(result, "__array_namespace__")
        return Traced(result, self.space) if is_array else result

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *inputs: Any, **settings: Any) -> Any:
        return self.space._numpy_ufunc(kernel, "__call__", inputs, settings)

    def reshape(self, *shape: Any) -> Any:
        """Return the same elements in another shape, given as one tuple or list or as integers."""
        return self.space.reshape(self, self.space._integers(_one_or_all(shape)))

    def transpose(self, *axes: Any) -> Any:
        """Return the axes in another order, reversed unless one is given."""
        order = self.space._integers(_one_or_all(axes))
        return self.space.permute_dims(self, order or tuple(reversed(range(self.ndim))))

    def flatten(self, order: str = "C") -> Any:
        """Return all elements in a row."""
        return self.ravel(order)  # type: ignore[attr-defined]

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """Return the array in another dtype, which may be named as NumPy names it."""
        if isinstance(dtype, str | type):
            dtype = getattr(self.space._base, np.dtype(dtype).name)
        return self.space.astype(self, dtype, copy=copy)

    def __add__(self, other: Any) -> Any:
        return self.space.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return self.space.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return self.space.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.space.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return self.space.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.space.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.space.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.space.divide(other, self)

    def __matmul__(self, other: Any) -> Any:
        return self.space.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.space.matmul(other, self)


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


def _one_or_all(given: tuple[Any, ...]) -> Any:
    """Return the lengths or axes given to a method, in one argument or in several."""
    return given[0] if len(given) == 1 and not isinstance(given[0], int | np.integer) else given


def _method(name: str, reflected: bool = False) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: getattr(self.space, name)(other, self)
    return lambda self, *other: getattr(self.space, name)(self, *other)


def _numpy_method(name: str) -> Callable[..., Any]:
    def method(self: Traced, *args: Any, **settings: Any) -> Any:
        return self.__array_function__(getattr(np, name), (), (self, *args), settings)

    method.__name__, method.__doc__ = name, f"Return numpy.{name}(self, ...)."
    method.__qualname__ = f"Traced.{name}"
    return method


def _reduction(name: str) -> Callable[..., Any]:
    def method(self: Traced, axis: Any = None, **settings: Any) -> Any:
        if axis is not None and type(axis) is not int:
            axis = self.space._integers(axis)
        if "ddof" in settings and name in ("std", "var"):
            if "correction" in settings:
                raise TypeError(f"{name}(): got ddof= and correction=, which are the same; write one of them")
            settings["correction"] = settings.pop("ddof")
        return getattr(self.space, name)(self, axis=axis, **settings)

    method.__name__, method.__doc__ = name, f"Return xp.{name}(self, axis=axis)."
    method.__qualname__ = f"Traced.{name}"  # what an error about its arguments calls it
    return method


def _of_the_array(name: str) -> property:
    """Return the attribute of NumPy's arrays that is read from the array below, where nothing is traced."""

    def read(self: Traced) -> Any:
        if not self.level or name in ("itemsize", "nbytes", "strides"):
            return getattr(plain_value(self), name)
        if name in ("imag", "real"):
            return self.space._numpy_function(getattr(np, name), (self,), {})
        instead = INSTEAD.get(name, f"chainrule.stop_gradient(x).{name} where no gradient is meant to flow")
        raise AttributeError(f"{name}: a traced array has no such attribute. Write {instead}")

    return property(read)


for _dunder, _name in (_BINARY | _COMPARISONS | _UNARY).items():
    setattr(Traced, f"__{_dunder}__", _method(_name))
for _dunder, _name in _BINARY.items():
    setattr(Traced, f"__r{_dunder}__", _method(_name, reflected=True))
for _name in METHODS:
    setattr(Traced, _name, _numpy_method(_name))
for _name in _REDUCTIONS:
    setattr(Traced, _name, _reduction(_name))
for _name in dir(np.ndarray):
    if not _name.startswith("_") and not hasattr(Traced, _name):
        setattr(Traced, _name, _of_the_array(_name))
