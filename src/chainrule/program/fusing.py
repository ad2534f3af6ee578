"""Chains of elementwise calls as one kernel each, on CuPy, where every call of its own would be a kernel."""

from collections.abc import Callable, Iterator

import numpy as np

from chainrule.program.expressions import ATOM, Text, Writer
from chainrule.program.recording import Call, Variable, is_ufunc

_OPERATORS = {*("+", "-", "*", "/", "u-", "abs", "**", "==", "!=", "<", "<=", ">", ">="), "where"}
_LETTERS = "xyzuvwabcdef"  # the parameters of a kernel


class Kernels:
    """The kernels of a program, as text; chains with one formula share a kernel.

    `is_inside` says of a call whether it is written inside the expression of another.
    """

    def __init__(
        self, writer: Writer, unused: Callable[[str], str], is_inside: Callable[[Call], bool]
    ) -> None:
        self._writer, self._unused, self._is_inside = writer, unused, is_inside
        self._names: dict[str, str] = {}
        self.lines: list[str] = []

    def text(self, call: Call) -> str | None:
        """Return the call of a kernel that does what is elementwise in an expression; None for less than two calls."""
        inside = list(self._chain(call)) if is_elementwise(call) else []
        if (
            len(inside) < 2
            or len({_dtype(x) for c in inside for x in (*c.inputs, *c.outs)} - {None, "bool"}) != 1
        ):
            return None
        formula = _Formula(self._writer, {c.outs[0] for c in inside})
        body = formula.call(call)[0]
        if len(formula.leaves) > len(_LETTERS):
            return None
        parameters = ", ".join(formula.leaves.values())
        key = f"({parameters}): return {body}"
        if key not in self._names:
            name = self._names[key] = self._unused("fused")
            library = self._writer.library
            self.lines += [f"@{library}.fuse()", f"def {name}({parameters}):", f"    return {body}", "", ""]
        return f"{self._names[key]}({', '.join(self._writer.operand(x) for x in formula.leaves)})"

    def _chain(self, call: Call) -> Iterator[Call]:
        """Yield the elementwise calls of an expression, down to those that are not."""
        yield call
        for x in call.inputs:
            if self._is_inside(x.call) and is_elementwise(x.call):
                yield from self._chain(x.call)


def is_elementwise(call: Call) -> bool:
    """Say whether a call is one of arrays of real floating numbers, element by element."""
    named = call.operation in _OPERATORS or (is_ufunc(call.run) and "." not in call.operation)
    return (
        named
        and not call.kwargs
        and len(call.outs) == 1
        and _dtype(call.outs[0]) in ("float32", "float64", "bool")
    )


def _dtype(x: Variable) -> str | None:
    """Return the name of a dtype; None for a number of Python's, which takes the dtype beside it."""
    dtype = getattr(x.value, "dtype", None)
    return None if dtype is None else str(np.dtype(dtype).name)


class _Formula(Writer):
    """Writes a chain with letters for what comes from outside it."""

    def __init__(self, writer: Writer, inside: set[Variable]) -> None:
        super().__init__(writer.library, self._letter, str)
        self._inside = inside
        self.leaves: dict[Variable, str] = {}

    def _letter(self, x: Variable) -> Text:
        if x in self._inside:
            return self.call(x.call)
        return self.leaves.setdefault(x, (_LETTERS + "_" * 999)[len(self.leaves)]), ATOM

    def _literal(self, x: Variable) -> Text:
        return self._letter(x)
