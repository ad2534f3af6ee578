"""Vector instructions for code that Numba compiles: LLVM has them, and Numba's arrays do not offer them.

Source: LLVM Language Reference Manual, "Vector Type", "llvm.prefetch", "llvm.vector.reduce.fadd" (LLVM 20, 2025).
"""

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

LINE = 64  # bytes of a cache line, and of a vector: LLVM splits a vector where registers are shorter


class Vectors:
    """Vectors of 64 bytes, 16 floats or 8 doubles, in the code of one intrinsic."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder, self.bytes = builder, dtype.bitwidth // 8
        self.width = LINE // self.bytes
        self.number = context.get_value_type(dtype)
        self.type = ir.VectorType(self.number, self.width)

    def over(self, array: Any, body: Callable[[Any, Any], None]) -> None:
        """Emit body(column, None) for every `width` columns of an array, and body(column, mask) for the rest."""
        columns = cgutils.unpack_tuple(self.builder, array.shape)[0]
        zero, width = columns.type(0), columns.type(self.width)
        whole = self.builder.sub(columns, self.builder.srem(columns, width))
        with cgutils.for_range_slice(self.builder, zero, whole, width, inc=True) as (column, _):
            body(column, None)
        with self.builder.if_then(self.builder.icmp_signed("<", whole, columns)):
            lanes = ir.VectorType(columns.type, self.width)
            each = ir.Constant(lanes, list(range(self.width)))
            left = self._all(lanes, self.builder.sub(columns, whole))
            body(whole, self.builder.icmp_signed("<", each, left))

    def zeros(self) -> Any:
        """Return a variable that holds a vector of zeros; LLVM keeps it in a register."""
        return cgutils.alloca_once_value(self.builder, ir.Constant(self.type, [0.0] * self.width))

    def load(self, data: Any, at: Any, mask: Any) -> Any:
        """Return the vector that begins at data[at], with 0 where the mask hides a number."""
        place = self._place(data, at)
        if mask is None:
            return self.builder.load(place, align=self.bytes)
        zeros = ir.Constant(self.type, [0.0] * self.width)
        return self._call("llvm.masked.load", self.type, place, ir.IntType(32)(self.bytes), mask, zeros)

    def store(self, vector: Any, data: Any, at: Any, mask: Any) -> None:
        """Store a vector from data[at] on, except the numbers that the mask hides."""
        place = self._place(data, at)
        if mask is None:
            self.builder.store(vector, place, align=self.bytes)
        else:
            self._call("llvm.masked.store", ir.VoidType(), vector, place, ir.IntType(32)(self.bytes), mask)

    def all(self, number: Any) -> Any:
        """Return a vector that repeats one number."""
        return self._all(self.type, number)

    def add_product(self, total: Any, x: Any, y: Any) -> Any:
        """Return total + x y, rounded once where the processor can."""
        b, flags = self.builder, ("contract",)
        return b.fadd(b.fmul(x, y, flags=flags), total, flags=flags)

    def sum(self, vector: Any) -> Any:
        """Return the sum of a vector's numbers, taken in any order."""
        zero = ir.Constant(self.number, 0.0)
        return self._call("llvm.vector.reduce.fadd", self.number, zero, vector, fastmath=["reassoc"])

    def fetch(self, data: Any, at: Any) -> None:
        """Prefetch the cache line of data[at] into the core's second cache; the place may lie beyond the array."""
        number, read, second_cache, of_data = ir.IntType(32), 0, 2, 1
        place = self.builder.bitcast(self.builder.gep(data, [at]), ir.IntType(8).as_pointer())
        words = (number(word) for word in (read, second_cache, of_data))
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [place, *words])

    def _place(self, data: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), self.type.as_pointer())

    def _all(self, kind: Any, number: Any) -> Any:
        none, word = ir.Constant(kind, ir.Undefined), ir.IntType(32)
        first = self.builder.insert_element(none, number, word(0))
        return self.builder.shuffle_vector(
            first, none, ir.Constant(ir.VectorType(word, kind.count), [0] * kind.count)
        )

    def _call(self, name: str, result: Any, *arguments: Any, **settings: Any) -> Any:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        suffix = f".v{self.width}f{8 * self.bytes}" + (".p0" if "masked" in name else "")
        function = cgutils.get_or_insert_function(self.builder.module, kind, name + suffix)
        return self.builder.call(function, arguments, **settings)


def opened(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """Return an intrinsic's arguments; an array becomes a structure with its address `data` and its `shape`."""
    return [
        context.make_array(kind)(context, builder, argument) if isinstance(kind, types.Array) else argument
        for kind, argument in zip(signature.args, arguments, strict=True)
    ]


def places(builder: Any, start: Any, step: Any, column: Any, rows: int) -> Iterator[Any]:
    """Yield where a column lies in each of so many rows, which begin `step` numbers apart."""
    place = builder.add(start, column)
    for _ in range(rows):
        yield place
        place = builder.add(place, step)
