"""The batched array: one leading axis of its value is hidden, and its shape is that of one element of the batch."""

import math
from collections.abc import Iterable
from typing import Any

import array_api_compat
import numpy as np

from chainrule.gates.helpers import is_transformed
from chainrule.gates.types import Array, Gate
from chainrule.numpy_names.array import ArrayMethods, ArrayObject
from chainrule.numpy_names.assignment import Assignable, may_give_views, without_views
from chainrule.numpy_names.coercion import is_foreign
from chainrule.numpy_names.names import FROM_LISTS, INSTEAD
from chainrule.numpy_names.sparse import answer_to_scipy, foreign_product


class NoSingleValueError(TypeError):
    """Raised where Python asks a batched array for one number, and the batch has many."""


# What to write where Python or NumPy asks for one number or one array.
_INSTEAD = {
    "bool": "xp.where(condition, x, y), which computes both branches",
    "index": "xp.take(x, i, axis=0) for x[i]; shapes must be the same for the whole batch",
    "numpy.asarray": f"xp.take(table, x, axis=0) for table[x], with xp = x.__array_namespace__(). {FROM_LISTS}",
}


class Batched(Assignable):
    """An array of a batched namespace: at a level above 0 its `value` has the batch as axis 0.

    At level 0 it is a constant, the same for the whole batch, and its value has no hidden axis. Raises TypeError where
    Python asks for the value of one element: in `if x > 0`, `float(x)` or `numpy.asarray(x)`.
    """

    __slots__ = ("__weakref__", "changes", "level", "own", "space", "value", "view_of", "views")

    def __init__(self, value: Array, space: Any, level: int = 0) -> None:
        self.value, self.space, self.level = value, space, level

    def _plain_class(self) -> type:
        value = self.value
        kind = value._plain_class() if isinstance(value, ArrayObject) else type(value)
        # One element of a batch in one row is a number of NumPy's, as it is in a plain array.
        is_number = kind is np.ndarray and self.level and self._is_number()
        return self.dtype.type if is_number else self._kind(kind)

    def __repr__(self) -> str:
        kind = f"a batch of {self.value.shape[0]}, level {self.level}" if self.level else "constant"
        return f"Batched({self.value!r}, {kind})"

    def __getattr__(self, name: str) -> Any:
        instead = f". Write {INSTEAD[name]}" if name in INSTEAD else ""
        raise AttributeError(
            f"{name}: a batched array has no such attribute; it has those of the array API standard and NumPy's "
            f"commonest methods{instead}"
        )

    def record(self, gate: Gate, arrays: Any, static: dict[str, Any]) -> Any:
        """Run a gate for the batch, through this array's namespace."""
        return self.space._record(gate, arrays, static)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        if api_version is not None:
            # For its check of the version. Arrays of CuPy and PyTorch have no method of this name.
            array_api_compat.array_namespace(self.value, api_version=api_version)
        return self.space

    @property
    def dtype(self) -> Any:
        """The data type of the elements."""
        return self.value.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes of one element of the batch."""
        shape = tuple(self.value.shape)
        return shape[1:] if self.level else shape

    @property
    def ndim(self) -> int:
        """The number of axes of one element of the batch."""
        return self.value.ndim - 1 if self.level else self.value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements of one element of the batch."""
        return math.prod(self.shape)

    @property
    def device(self) -> Any:
        """The device that the value lies on."""
        return self.value.device

    def _item(self, key: Any) -> Any:
        return self.space._getitem(self, key=key)

    def _plain_key(self, key: Any) -> Any:
        return without_constants(key)

    def _become(self, new: Any) -> None:
        if type(new) is Batched:
            self.value, self.level, self.space = new.value, new.level, new.space
        else:
            self.value, self.level = new, 0

    def _as_it_is(self) -> "Batched":
        return Batched(self.value, self.space, self.level)

    def _is_own(self) -> bool:
        return getattr(self, "own", False)

    def __bool__(self) -> bool:
        return bool(self._converted("bool"))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.level and (answer := answer_to_scipy()) is not None:
            return answer
        return self.space._as_numpy(self._converted("numpy.asarray"), dtype, copy)

    def __dlpack__(self, **settings: Any) -> Any:
        given = {name: value for name, value in settings.items() if value is not None}
        return self._converted("__dlpack__").__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self.value.__dlpack_device__()

    def __reduce__(self) -> Any:
        return without_constants, (self._converted("pickle.dumps"),)

    def _converted(self, to: str) -> Array:
        if self.level:
            instead = _INSTEAD.get(to, "the functions of its namespace, x.__array_namespace__()")
            raise NoSingleValueError(
                f"{to}(): inside vmap this array has a value for each of {self.value.shape[0]} elements of the batch, "
                f"and no single one. Write {instead}"
            )
        return self.value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        known = self.space._by_ufunc.get(ufunc)
        if known is not None and method == "__call__" and not settings:
            return known(*inputs)
        if method == "at":
            return self._ufunc_at(ufunc, *inputs)
        if method == "reduce" and ufunc.__name__ == "add":
            # Gates write add.reduce where NumPy has it: it is NumPy's sum without the checks before it.
            return self.space.sum(*inputs, **{"axis": 0, **settings})
        return self.space._numpy_ufunc(ufunc, method, inputs, settings)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        result = self.space._numpy_function(function, args, kwargs)
        if may_give_views(function, args, kwargs, result):
            return result
        return without_views(result, args, function.__name__)


def _deferring(name: str) -> Any:
    """Return an operator that leaves an operand of a foreign class to that class."""
    own = getattr(ArrayMethods, name)
    return lambda self, other: NotImplemented if is_foreign(other) else own(self, other)


def _product(name: str, symbol: str) -> Any:
    """Return an operator that multiplies with sparse matrices too."""
    own = getattr(ArrayMethods, name)
    if name.startswith("__r"):
        return lambda self, other: (
            foreign_product(other, self, symbol) if is_foreign(other) else own(self, other)
        )
    return lambda self, other: foreign_product(self, other, symbol) if is_foreign(other) else own(self, other)


for _name in ("__add__", "__sub__", "__truediv__"):
    setattr(Batched, _name, _deferring(_name))
for _name, _symbol in (("mul", "*"), ("matmul", "@")):
    for _side in ("", "r"):
        setattr(Batched, f"__{_side}{_name}__", _product(f"__{_side}{_name}__", _symbol))

# What most operands are: neither transformed nor nested. Looked up first, because each operation passes through here.
_PLAIN = frozenset({np.ndarray, int, float, bool, complex, str, slice, type(None)})


def of_batch(values: Iterable[Any]) -> Any:
    """Return the transformed array of the highest level among values, lists and tuples included; None without one."""
    top = None
    for x in values:
        if type(x) in _PLAIN:
            continue
        if not is_transformed(x):
            x = of_batch(x) if isinstance(x, list | tuple) else None
            if x is None:
                continue
        if top is None or x.level > top.level:
            top = x
    return top


def without_constants(x: Any) -> Any:
    """Return x with what is below the constants of transformed namespaces, in lists and tuples too."""
    if type(x) in _PLAIN:
        return x
    if type(x) in (list, tuple):
        return type(x)(map(without_constants, x))
    while is_transformed(x) and not x.level:
        x = x.value
    return x
