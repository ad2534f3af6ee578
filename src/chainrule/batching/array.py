"""The batched array: one leading axis of its value is hidden, and its shape is that of one element of the batch."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from chainrule.autodiff.traced import Traced
from chainrule.gates.helpers import is_transformed
from chainrule.gates.types import Array, Gate


class NoSingleValueError(TypeError):
    """Raised where Python asks a batched array for one number, and the batch has many."""


class Batched(Traced):
    """An array of a batched namespace: at a level above 0 its `value` has the batch as axis 0.

    At level 0 it is a constant, the same for the whole batch, and its value has no hidden axis. It has the attributes,
    methods and operators of the standard, and NumPy's commonest methods. Raises TypeError where Python asks for the
    value of one element: in `if x > 0`, `float(x)` or `numpy.asarray(x)`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        kind = f"a batch of {self.value.shape[0]}, level {self.level}" if self.level else "constant"
        return f"Batched({self.value!r}, {kind})"

    def record(self, gate: Gate, arrays: Any, static: dict[str, Any]) -> Any:
        """Run a gate for the batch, through this array's namespace."""
        return self.space._record(gate, arrays, static)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        # Called for its check of the version; the arrays of PyTorch and CuPy have no such method.
        check = getattr(self.value, "__array_namespace__", None)
        if check is not None:
            check(api_version=api_version)
        return self.space

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

    def __getitem__(self, key: Any) -> Any:
        return self.space._getitem(self, key=key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.level or any(map(is_transformed, (key, value))):
            raise TypeError(
                "item assignment: a batched array cannot be changed in place. Write "
                "x = xp.where(mask, value, x), or build the parts and join them with xp.concat or xp.stack"
            )
        self.value[key] = value

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over an array of shape ()")
        return (self[i, ...] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        return bool(self._one_value("bool", "xp.where(condition, x, y), which computes both branches"))

    def __float__(self) -> float:
        return float(self._one_value("float"))

    def __int__(self) -> int:
        return int(self._one_value("int"))

    def __complex__(self) -> complex:
        return complex(self._one_value("complex"))

    def __index__(self) -> int:
        advice = "xp.take(x, i, axis=0) for x[i], with xp = i.__array_namespace__(); shapes must be the same for the whole batch"
        return self._one_value("index", advice).__index__()  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        advice = "functions of xp = x.__array_namespace__(): xp.take(table, x, axis=0) for table[x], xp.stack for a list"
        return self.space._as_numpy(self._one_value("numpy.asarray", advice), dtype, copy)

    def __dlpack__(self, **settings: Any) -> Any:
        given = {name: value for name, value in settings.items() if value is not None}
        return self._one_value("__dlpack__").__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self.value.__dlpack_device__()

    def _one_value(self, to: str, instead: str = "the functions of the array's namespace") -> Array:
        if self.level:
            raise NoSingleValueError(
                f"{to}(): inside vmap this array has a value for each of {self.value.shape[0]} elements of the batch, "
                f"and no single one. Write {instead}"
            )
        return self.value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if method == "reduce" and ufunc.__name__ in _REDUCED:
            # Gates write add.reduce where NumPy has it: it is NumPy's sum without the checks before it.
            return getattr(self.space, _REDUCED[ufunc.__name__])(*inputs, **{"axis": 0, **settings})
        return super().__array_ufunc__(ufunc, method, *inputs, **settings)


_REDUCED = {"add": "sum"}


def of_batch(values: Iterable[Any]) -> Any:
    """Return the transformed array of the highest level among values, lists and tuples included; None without one."""
    top = None
    for x in values:
        if isinstance(x, list | tuple):
            x = of_batch(x)
            if x is None:
                continue
        elif not is_transformed(x):
            continue
        if top is None or x.level > top.level:
            top = x
    return top


def without_constants(x: Any) -> Any:
    """Return x with plain arrays in the place of the constants of batched namespaces, in lists and tuples too."""
    if type(x) is Batched:
        return x if x.level else x.value
    if type(x) in (list, tuple):
        return type(x)(map(without_constants, x))
    return x
