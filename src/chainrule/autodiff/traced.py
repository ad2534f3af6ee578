"""The traced array: the standard's array object, with NumPy's and CuPy's dispatch protocols.

It computes nothing. Operators, methods and protocols call functions of its namespace, `space`, under the names of the
standard or, with a leading underscore, under those that the engine gave it.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import array_api_compat
import numpy as np

from chainrule.gates.helpers import device_of, highest, is_transformed
from chainrule.gates.types import Array, Gate
from chainrule.numpy_names.assignment import (
    Assignable,
    may_give_views,
    note_unknown_views,
    root_of,
    without_views,
)
from chainrule.numpy_names.names import FROM_LISTS, INSTEAD, VIEWS
from chainrule.numpy_names.sparse import answer_to_scipy


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


_METHODS = ("item", "tolist")  # the conversions that are written behind the array


class Traced(Assignable):
    """An array whose operations are recorded, or, at level 0, a constant among such arrays.

    `is_traced(x)` tells the first; `type(x) is Traced` holds for both, the arrays of a differentiable namespace.
    `value` is the array one level below, `node` its place on the tape (None for a constant), and `space` the
    differentiable namespace. It has the attributes, methods and operators of the standard, and NumPy's commonest
    methods. Comparisons give constants, so `if x > 0:` works.
    """

    __slots__ = (
        *("__weakref__", "changes", "level", "node", "origin", "own", "space", "taken", "value"),
        *("view_of", "views"),
    )

    taken: Any  # the node that the items taken from this array share; set by the tape alone
    origin: Any  # the node that an argument had before `x += a` gave it another

    def __init__(self, value: Array, space: Any, level: int = 0, node: Any = None) -> None:
        self.value = value
        self.space = space
        self.level = level
        self.node = node

    def _plain_class(self) -> type:
        value = self.value
        return self._kind(value._plain_class() if hasattr(value, "_plain_class") else type(value))

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
        if api_version is not None:
            # For its check of the version. Arrays of CuPy and PyTorch have no method of this name.
            array_api_compat.array_namespace(plain_value(self), api_version=api_version)
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
        return math.prod(self.value.shape)  # PyTorch's arrays have a method of the name

    @property
    def device(self) -> Any:
        """The device that the value lies on."""
        return device_of(plain_value(self))

    def _item(self, key: Any) -> Any:
        other = highest(key if isinstance(key, tuple) else (key,))
        if other is not None and other.level > self.level:
            return self.space._wrap(other.space._getitem(self, key=key))
        return self.space._getitem(self, key=key) if self.level else self.space._made(plain_value(self)[key])

    def _become(self, new: Any) -> None:
        if self.level and not self.node.edges and not hasattr(self, "origin"):
            self.origin = self.node
        if type(new) is Traced:
            self.value, self.level, self.node, self.space = new.value, new.level, new.node, new.space
        else:
            self.value, self.level, self.node = new, 0, None
        self.taken = False

    def _as_it_is(self) -> "Traced":
        return Traced(self.value, self.space, self.level, self.node)

    def _is_own(self) -> bool:
        return bool(self.node.edges) if self.level else getattr(self, "own", False)

    def _plain_key(self, key: Any) -> Any:
        """Return a key with Python's integers, and copies of arrays, which the caller may change before backward."""
        if isinstance(key, int | slice):
            return key
        if isinstance(key, tuple):
            return tuple(map(self._plain_key, key))
        if issubclass(type(key), np.integer):
            return int(key)
        key = plain_value(key)
        if is_transformed(key):
            return key
        return self.space._base.asarray(key, copy=True) if hasattr(key, "dtype") else copy.deepcopy(key)

    def __bool__(self) -> bool:
        return bool(plain_value(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.level and (answer := answer_to_scipy()) is not None:
            return answer
        plain = self._converted("numpy.asarray")
        if copy is not True:
            root_of(self).own = False  # from here on its memory may be another's too
        return self.space._as_numpy(plain, dtype, copy)

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

    def __reduce__(self) -> Any:
        return plain_value, (self._converted("pickle.dumps"),)

    def _converted(self, to: str) -> Any:
        if self.level:
            constant = "chainrule.stop_gradient(x)"
            written = f"{constant}.{to}()" if to in _METHODS else f"{to}({constant})"
            raise TypeError(
                f"{to}(): this array is traced, and its gradient would be lost. Compute with the array itself, "
                f"or write {written} where no gradient is meant to flow"
                + (f". {FROM_LISTS}" if to == "numpy.asarray" else "")
                + (
                    "; an array of chainrule.numpy.zeros takes it as an item"
                    if to in ("float", "numpy.asarray")
                    else ""
                )
            )
        return plain_value(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        # One that was looked up before is called here, without a further call in between.
        known = self.space._by_ufunc.get(ufunc)
        if known is not None and method == "__call__" and not settings:
            return known(*inputs)
        if method == "at":
            return self._ufunc_at(ufunc, *inputs)
        if not self.level and self._is_alone((*inputs, *settings.values())):
            return self._plain_call(getattr(ufunc, method), inputs, settings)
        return self.space._numpy_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not self.level and function.__name__ not in VIEWS and self._is_alone((*args, *kwargs.values())):
            return self._plain_call(function, args, kwargs)
        result = self.space._numpy_function(function, args, kwargs)
        if may_give_views(function, args, kwargs, result):
            return result
        return without_views(result, args, function.__name__)

    def _is_alone(self, operands: Iterable[Any]) -> bool:
        """Say whether a constant is among constants, and its library has the functions of NumPy's names."""
        has_them = self.space._base is np or hasattr(plain_value(self), "__array_ufunc__")
        return has_them and not any_traced(operands)

    def _plain_call(self, function: Any, args: Any, kwargs: Any) -> Any:
        """Return what a function gives for plain arrays, with arrays as constants; `out` is the one that was given."""
        result = function(*unwrapped(args), **{name: unwrapped(value) for name, value in kwargs.items()})
        out = kwargs.get("out")
        if out is None:
            return note_unknown_views(self._as_constants(result), args, f"numpy.{function.__name__}")
        return out[0] if isinstance(out, tuple) and len(out) == 1 else out

    def _as_constants(self, result: Any) -> Any:
        if isinstance(result, list | tuple):
            items = map(self._as_constants, result)
            return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
        # CuPy's arrays have no __array_namespace__.
        is_array = hasattr(result, "dtype") and hasattr(result, "shape")
        return self.space._made(result) if is_array else result


def _of_the_array(name: str) -> property:
    """Return the attribute of NumPy's arrays that is read from the array below, where nothing is traced."""

    def read(self: Traced) -> Any:
        if not self.level or name in ("itemsize", "nbytes", "strides"):
            return getattr(plain_value(self), name)
        instead = INSTEAD.get(name, f"chainrule.stop_gradient(x).{name} where no gradient is meant to flow")
        raise AttributeError(f"{name}: a traced array has no such attribute. Write {instead}")

    return property(read)


for _name in dir(np.ndarray):
    if not _name.startswith("_") and not hasattr(Traced, _name):
        setattr(Traced, _name, _of_the_array(_name))
