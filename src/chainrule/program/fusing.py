"""Chains of elementwise calls as one kernel each on CuPy, and on NumPy as one loop each, which Numba compiles.

A loop goes through memory once, where each call of NumPy's own does. It has those calls alone that every processor
rounds alike, so its numbers are NumPy's bit for bit.
"""

import functools
import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.program.expressions import ATOM, Text, Writer
from chainrule.program.recording import Call, Variable, is_ufunc
from chainrule.program.simplify import uniform

_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
_OPERATORS = {*("+", "-", "*", "/", "u-", "abs", "**", "where"), *_COMPARISONS}
_EXACT = {*("+", "-", "*", "/", "u-", "abs", "absolute", "sqrt", "square"), *_COMPARISONS}
_EXACT |= {"maximum", "minimum", "where", "astype"}
_FLOATS = ("float32", "float64")
_LETTERS = "xyzuvwabcdef"  # the parameters of a kernel
_INDICES = "ijkl"  # of a loop
MOST = 64  # calls in a loop, because a compiler takes long for long ones


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
    return named and not call.kwargs and len(call.outs) == 1 and _dtype(call.outs[0]) in (*_FLOATS, "bool")


def is_exact(call: Call) -> bool:
    """Say whether a call may stand in a loop: rounded alike everywhere, of numbers of one floating dtype."""
    if (
        call.operation not in _EXACT
        or len(call.outs) != 1
        or not 0 < len(call.outs[0].shape) <= len(_INDICES)
    ):
        return False
    masks = [x for x in call.inputs if _dtype(x) == "bool"]
    fitting = {"where": masks == [*call.inputs[:1]], "astype": _dtype(call.outs[0]) in _FLOATS}
    numbers = all(_dtype(x) is not None or type(x.value) in (int, float) for x in call.inputs)
    known = call.kwargs.keys() <= ({"copy"} if call.operation == "astype" else set())
    usual = fitting.get(call.operation, not masks) and "raise" not in (call.errors or ())
    return numbers and known and usual and dtype_of([call]) in _FLOATS


def dtype_of(chain: Iterable[Call]) -> str | None:
    """Return the one floating dtype of the arrays of calls, beside which there may be masks; None for another."""
    found = {_dtype(x) for call in chain for x in (*call.inputs, *call.outs)} - {None, "bool"}
    return found.pop() if len(found) == 1 else None


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


@functools.cache
def numba() -> Any:
    """Return Numba, or None where it cannot be imported."""
    try:
        return importlib.import_module("numba")
    except (ImportError, OSError):  # the latter: LLVM's library cannot be loaded
        return None


class Loops:
    """The loops of a program, as text; chains with one formula share a loop."""

    def __init__(self, writer: Writer, unused: Callable[[str], str]) -> None:
        self._writer, self._unused = writer, unused
        self._names: dict[str, str] = {}
        self.lines: list[str] = []

    def text(self, chain: Sequence[Call], into: dict[Variable, Any]) -> str:
        """Return the call of a loop that does a chain; `into` has where each result goes that is used elsewhere.

        It goes into an operand that is in use no more, or into an array of its own, given by its name.
        """
        formula = _Loop(self._writer, chain, into)
        body = [f"{name} = {formula.call(x.call)[0]}" for x, name in formula.kept.items()]
        places = {x: formula.place(target, x) for x, target in into.items()}
        body += [f"{place} = {formula.kept[x]}" for x, place in places.items()]
        axes = range(len(chain[0].outs[0].shape))
        like = next(iter(places.values())).partition("[")[0]
        loops = [f"{'    ' * (a + 1)}for {_INDICES[a]} in range({like}.shape[{a}]):" for a in axes]
        key = "\n".join(
            [f"({', '.join(formula.letters)}):", *loops, *("    " * (len(axes) + 1) + line for line in body)]
        )
        if key not in self._names:
            name = self._names[key] = self._unused("loop")
            self.lines += ['@numba.njit(error_model="numpy", nogil=True)', f"def {name}{key}", "", ""]
        return f"{self._names[key]}({', '.join(formula.letters.values())})"


class _Loop(_Formula):
    """Writes a chain for one element, with letters for what comes from outside it.

    letters   the text of each argument, by its letter
    kept      the names of the results that are used more than once
    """

    def __init__(self, writer: Writer, chain: Sequence[Call], into: Iterable[Variable]) -> None:
        super().__init__(writer, {call.outs[0] for call in chain})
        self._outer, self._shape, self._dtype = writer, chain[0].outs[0].shape, dtype_of(chain)
        self.letters: dict[str, str] = {}
        uses = Counter(x for call in chain for x in call.inputs)
        many = [x for call in chain for x in call.outs if x in into or uses[x] > 1]
        self.kept = {x: f"t{number}" for number, x in enumerate(many, 1)}
        self._written: set[Variable] = set()

    def call(self, call: Call) -> Text:
        """Return a call as an expression of numbers."""
        self._written.update(call.outs)
        if call.operation == "astype":
            return f"{self.library}.{self._dtype}({self.operand(call.args[0])})", ATOM
        return super().call(call)

    def plain(self, x: Any) -> Text:
        """Return a number of Python's as one of the dtype, which Numba would make wider."""
        text, binds = super().plain(x)
        return (f"{self.library}.{self._dtype}({text})", ATOM) if type(x) in (int, float) else (text, binds)

    def _literal(self, x: Variable) -> Text:
        value = uniform(x)
        return self._letter(x) if value is None or _dtype(x) not in _FLOATS else self.plain(value)

    def place(self, target: Any, result: Variable) -> str:
        """Return where a result goes."""
        if type(target) is Variable:
            return self._letter(target)[0]
        return self._indexed(self._new(target), result)

    def _letter(self, x: Variable) -> Text:
        if x in self.kept and x in self._written:
            return self.kept[x], ATOM
        if x in self._inside:
            return self.call(x.call)
        if x not in self.leaves:
            text = self._outer.operand(x)
            number = f"{self.library}.{_dtype(x) or self._dtype}({text})"
            self.leaves[x] = self._indexed(self._new(text if x.shape else number), x)
        return self.leaves[x], ATOM

    def _new(self, text: str) -> str:
        count = len(self.letters)
        letter = _LETTERS[count] if count < len(_LETTERS) else f"x{count}"
        self.letters[letter] = text
        return letter

    def _indexed(self, letter: str, x: Variable) -> str:
        """Return the element of an array that is broadcast to the shape of the chain."""
        axes = range(len(self._shape) - len(x.shape), len(self._shape))
        at = [_INDICES[a] if n == self._shape[a] else "0" for a, n in zip(axes, x.shape, strict=True)]
        return f"{letter}[{', '.join(at)}]" if at else letter
