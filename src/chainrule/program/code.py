"""Write a simplified recording as Python: one statement a line, memory given back and written over at its last use."""

import keyword
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from chainrule.program.expressions import ATOM, Text, Writer
from chainrule.program.fusing import MOST, Kernels, Loops, dtype_of, is_elementwise, is_exact
from chainrule.program.recording import Call, Variable, is_fresh, is_ufunc
from chainrule.program.simplify import roots

# Arrays from this many bytes on are written over where nothing needs them any more; a smaller one is quicker to make.
LARGE = 8192
# Arrays from this many bytes on are given back as soon as nothing needs them any more.
HUGE = 65536
# How many operations a line may have.
_LONGEST = 6
_FUNCTIONS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "u-": "negative"}
_VIEWS = {
    ".T",
    ".mT",
    "matrix_transpose",
    "reshape",
    "broadcast_to",
    "permute_dims",
    "expand_dims",
    "squeeze",
}
_ERRORS = ("divide", "over", "under", "invalid")


def is_large(variable: Variable, bound: int | None = None) -> bool:
    """Say whether the memory of an array is worth a second use: from `bound` bytes on, or from LARGE."""
    return variable.shape != () and getattr(variable.value, "nbytes", 0) >= (bound or LARGE)


class Code:
    """The lines of one program, the names in them, and the objects that it is given."""

    def __init__(
        self,
        calls: list[Call],
        results: list[Variable],
        library: str,
        arguments: list[Variable],
        parameters: list[str],
        fused: bool | None = None,
    ) -> None:
        self.calls, self.results = calls, results
        self.writer = Writer(library, self.text, self._unused)
        self.lines: list[str] = []
        self._warns = library.startswith("np")  # only NumPy has warnings to turn off
        self._names: dict[Variable, str] = {}
        self._taken = {library, "abs", "special", "numba", *keyword.kwlist}
        self._numbers: Counter[str] = Counter()
        self._roots = roots(calls)
        written = {root for call in calls if call.writes for root in self._roots(call.args[0])}
        fixed = {call for call in calls if written and any(written & self._roots(x) for x in call.inputs)}
        fuses = library.startswith("cp") and fused is not False
        self._statement = _statements(calls, results, fixed, fuses)
        self.kernels = Kernels(
            self.writer, self._unused, lambda call: self._statement.get(call, call) is not call
        )
        self.loops = Loops(self.writer, self._unused)
        self._chains = self._loopable() if library.startswith("np") and fused else {}
        self._fuses = fuses
        self._uses = Counter(results) + Counter(x for call in calls for x in call.inputs)
        self._last = self._last_uses()
        self._buffers: dict[Variable, list[str]] = {}  # the names of each memory, by its latest owner
        self._dying: dict[Any, list[Variable]] = {}  # and which are used for the last time where
        # What the caller's own code calls it, numbered where several have one name.
        shown = [*arguments, *(y for call in calls if self._statement.get(call) is call for y in call.outs)]
        self._shared = {name for name, count in Counter(v.name for v in shown).items() if count > 1}
        self._taken.update(parameters)
        for variable in arguments:
            own = variable.name if variable.name in parameters else None
            self._names[variable] = own or self._unused(variable.name or "x")

    # --- Names ---

    def text(self, variable: Variable) -> Text:
        """Return what stands for a variable: its name, or the expression that gives it."""
        if variable in self._names:
            return self._names[variable], ATOM
        call = variable.call
        if call.operation == "constant":
            self._names[variable] = self.writer.object(variable.value, variable.name or "c")
            return self._names[variable], ATOM
        written = self.writer.call(call)
        call.text = written[0]
        return written

    def _unused(self, name: str) -> str:
        name = name.lstrip("_") or "x" if name.startswith("__") else name
        chosen = name
        while chosen in self._taken or (chosen == name and (name in self._shared or name in ("c", "g", "t"))):
            self._numbers[name] += 1
            chosen = f"{name}{self._numbers[name]}"
        self._taken.add(chosen)
        return chosen

    def _named(self, variable: Variable) -> str:
        """Name the result of a statement."""
        of = variable.gradient_of
        derived = (
            "t" if of is None else f"d{self._names[of]}" if of is not variable and of in self._names else "g"
        )
        self._names[variable] = self._unused(variable.name or derived)
        self._own(variable, [self._names[variable]])
        return self._names[variable]

    def _own(self, variable: Variable, names: list[str]) -> None:
        """Note that a variable holds memory, under these names."""
        self._buffers[variable] = names
        if is_large(variable, HUGE):
            for i in {self._last.get(root) for root in self._roots(variable)} - {None, math.inf}:
                self._dying.setdefault(i, []).append(variable)

    # --- Which memory is in use until when ---

    def tree(self, call: Call) -> Iterator[Call]:
        """Yield a statement's call and all that are written inside its expression."""
        yield call
        for variable in call.inputs:
            inner = variable.call
            if self._statement.get(inner, inner) is not inner:
                yield from self.tree(inner)

    def _last_uses(self) -> dict[Variable, float]:
        last: dict[Variable, float] = {}
        for i, call in enumerate(self.calls):
            if self._statement[call] is call:
                for part in self.tree(call):
                    for variable in part.inputs:
                        last.update(dict.fromkeys(self._roots(variable), i))
        for variable in self.results:
            last.update(dict.fromkeys(self._roots(variable), math.inf))
        return last

    def _reusable(self, i: int, call: Call) -> Variable | None:
        """Return an operand of a call that is used there for the last time, and whose memory can take the result."""
        out = call.outs[0]
        elementwise = call.operation in _FUNCTIONS or (
            is_ufunc(call.run) and getattr(call.run, "signature", None) is None
        )
        if not elementwise or call.kwargs or not is_large(out) or not hasattr(out.value, "strides"):
            return None
        return next((x for x in self._free({i: call}) if _fits(x, out)), None)

    def _free(self, chain: dict[int, Call]) -> list[Variable]:
        """Return the operands of statements, by their places, whose memory nothing needs after them."""
        seen_in_views = {
            root
            for call in chain.values()
            for part in self.tree(call)
            if part is not call and not is_fresh(part)
            for x in part.inputs
            for root in self._roots(x)
        }
        operands = dict.fromkeys(x for call in chain.values() for x in call.args if type(x) is Variable)
        return [
            x
            for x in operands
            if x in self._buffers
            and x not in seen_in_views
            and self._roots(x) == {x}
            and not any(x in self._roots(other) for other in operands if other is not x)
            and self._last.get(x) in chain
            and is_fresh(x.call)
        ]

    # --- Loops ---

    def _loopable(self) -> dict[int, dict[int, Call]]:
        """Return the chains of statements that are written as loops, {place: call} by the place of the first."""
        chains: list[dict[int, Call]] = [{}]
        for i, call in enumerate(self.calls):
            if self._statement[call] is call:
                if not self._continues(chains[-1], call):
                    chains.append({})
                if is_exact(call) and _is_huge(call):
                    chains[-1][i] = call
        return {min(chain): chain for chain in chains if len(chain) > 1}

    def _continues(self, chain: dict[int, Call], call: Call) -> bool:
        """Say whether a loop can go on with a call."""
        calls = [*chain.values(), call]
        outs = {x for c in chain.values() for x in c.outs}
        within = {x for part in self.tree(call) if part is not call for x in part.inputs}
        return (
            is_exact(call)
            and len({y.shape for c in calls for y in c.outs}) == 1
            and dtype_of(calls) is not None
            and len(chain) < MOST
            and not within & outs
        )

    def _loop(self, chain: dict[int, Call]) -> list[str]:
        """Return the statements that do a chain by a loop, and give back what it used for the last time."""
        within = Counter(x for call in chain.values() for x in call.inputs)
        outer = self._uses - within  # that stand elsewhere too
        named = dict.fromkeys(x for call in chain.values() for x in call.inputs if x in self._names)
        free, lines = self._free(chain), []
        into: dict[Variable, Any] = {}
        for y in (y for call in chain.values() for y in call.outs if y in outer):
            into[y] = next((x for x in free if _fits(x, y)), None)
            if into[y] is None:
                memory = self._memory(y, next((x for x in named if _fits(x, y)), None))
                into[y] = self._named(y)
                lines.append(f"{into[y]} = {memory}{_shape_of(y)}")
            else:
                free.remove(into[y])
        for part in (part for call in chain.values() for part in self.tree(call)):
            part.line = len(self.lines) + len(lines)
        lines.append(self.loops.text([*chain.values()], into))
        for y, x in into.items():
            if type(x) is Variable:
                old, new = self._names[x], self._takes_over(y, x)
                lines += [f"{new} = {old}"] * (new != old)
        return [*lines, *(line for i in chain for line in self._freed(i))]

    def _memory(self, y: Variable, like: Variable | None) -> str:
        """Return an expression of a new array for a result, in the memory order of a variable where there is one."""
        if like is not None:
            return f"{self.writer.function('empty_like')}({self._names[like]})"
        return f"{self.writer.function('empty')}({self.writer.listed((y.shape, y.value.dtype))})"

    def _takes_over(self, out: Variable, reused: Variable) -> str:
        """Give a result the memory of an operand, and return its name: the operand's where it has none of its own."""
        names = self._buffers.pop(reused)
        if out.name is None or out.name == reused.name:
            self._names[out] = self._names[reused]
            self._own(out, names)
        else:
            self._named(out)
            self._buffers[out][:0] = names
        return self._names[out]

    # --- Lines ---

    def write(self) -> None:
        """Write every statement."""
        note: str | None = None
        before: Any = None
        quiet = Counter(call.errors for call in self.calls if call.errors and "raise" not in call.errors)
        usual = max(quiet, key=quiet.__getitem__, default=None)
        inside = {i for chain in self._chains.values() for i in chain} - self._chains.keys()
        for i, call in enumerate(self.calls):
            if self._statement[call] is not call or i in inside:
                continue
            if call.note != note and call.note:
                self.lines.append(f"# {call.note}")
                before = None
            note = call.note or note
            if i in self._chains:
                self.lines += self._loop(self._chains[i])
                before = None
                continue
            at = len(self.lines)
            lines = [*self._lines_of(i, call), *self._freed(i)]
            if self._warns and call.errors and call.errors != usual:
                if call.errors != before:
                    settings = ", ".join(
                        f"{n}={s!r}" for n, s in zip(_ERRORS, call.errors, strict=True) if s != "warn"
                    )
                    self.lines.append(f"with {self.writer.library}.errstate({settings}):")
                at = len(self.lines)
                lines = [f"    {line}" for line in lines]
            before = call.errors
            self.lines += lines
            for part in self.tree(call):
                part.line = at

    def _lines_of(self, i: int, call: Call) -> list[str]:
        writer = self.writer
        if call.operation == "guard":
            condition, holds = call.args
            if not isinstance(holds, bool):
                return [f"assert {writer.operand(condition, 2)} == {writer.operand(holds, 2)}"]
            binds = 0 if holds else 8
            return [f"assert {'' if holds else 'not '}{writer.operand(condition, binds)}"]
        if call.writes:
            whole, key, value = call.args
            (out,) = call.outs
            name = self._names[out] = self._names[whole]
            if call.operation == "setitem":
                return [f"{name}[{writer.key(key)}] = {writer.operand(value)}"]
            return [f"{writer.function('add.at')}({writer.listed((whole, key, value))})"]
        if len(call.outs) > 1 or call.operation == "numbers":
            text = writer.call(call)[0]
            return [f"{', '.join(map(self._named, call.outs))}{',' * (len(call.outs) == 1)} = {text}"]
        (out,) = call.outs
        kernel = self.kernels.text(call) if self._fuses else None
        if kernel is not None:
            return [f"{self._named(out)} = {kernel}{_shape_of(out)}"]
        reused = self._reusable(i, call)
        if reused is not None:
            return [self._written_over(call, out, reused) + _shape_of(out)]
        text = writer.call(call)[0]
        return [f"{self._named(out)} = {text}{_shape_of(out)}"]

    def _written_over(self, call: Call, out: Variable, reused: Variable) -> str:
        """Return the statement that puts a result into the memory of an operand."""
        writer, old = self.writer, self._names[reused]
        arguments = [writer.beside(x, call.args[1 - i], out) if len(call.args) == 2 else writer.text(x)
                     for i, x in enumerate(call.args)]  # fmt: skip
        new = self._takes_over(out, reused)
        if new == old and call.operation in "+-*/" and call.args[0] is reused:
            return f"{old} {call.operation}= {arguments[1][0]}"
        function = writer.function(_FUNCTIONS.get(call.operation, call.operation))
        text = f"{function}({', '.join(text for text, _ in arguments)}, out={old})"
        return text if new == old else f"{new} = {text}"

    def _freed(self, i: int) -> list[str]:
        """Return the line that gives back what this statement used for the last time."""
        waiting = [v for v in self._dying.pop(i, []) if v in self._buffers]
        dead = [v for v in waiting if all(self._last.get(root, i) <= i for root in self._roots(v))]
        names = [name for v in dead for name in self._buffers.pop(v)]
        return [f"del {', '.join(names)}"] if names and i + 1 < len(self.calls) else []

    def returned(self, variable: Variable) -> str:
        """Return the text of a result."""
        return self.writer.operand(variable)


def _shape_of(variable: Variable) -> str:
    return f"  # {variable.shape}" if variable.shape else ""


def _fits(x: Variable, out: Variable) -> bool:
    """Say whether the memory of an array can take a result."""
    if not hasattr(x.value, "strides"):
        return False
    return bool((x.shape, x.value.dtype, x.value.strides) == (out.shape, out.value.dtype, out.value.strides))


def _is_huge(call: Call) -> bool:
    """Say whether a call goes through so many numbers that a loop of them is worth it."""
    return bool(math.prod(call.outs[0].shape) * np.dtype(dtype_of([call])).itemsize >= HUGE)


def _statements(
    calls: list[Call], results: Iterable[Variable], fixed: set[Call], fuses: bool
) -> dict[Call, Call]:
    """Return for each call the one on whose line it is written: its own, or that of the only call which needs it.

    Those of `fixed` read what is changed in place, and stay where they are.
    """
    place = {call: i for i, call in enumerate(calls)}
    uses = Counter(x for call in calls for x in call.inputs)
    user = {x: call for call in calls for x in call.inputs}
    for y in results:
        uses[y] += 2
    line: dict[Call, Call] = {}
    length: Counter[Call] = Counter()
    following: Call | None = None  # the next call that has a place of its own in the order
    for call in reversed(calls):
        line[call] = call
        length[call] = 1
        is_view = call.operation in _VIEWS or call.operation == "getitem"
        single = len(call.outs) == 1 and call.operation != "numbers"  # which gives a tuple
        if single and uses[call.outs[0]] == 1 and not call.writes and call not in fixed:
            (out,) = call.outs
            root = line[user[out]]
            floats = is_view or not hasattr(out.value, "dtype")
            near = floats or (following is not None and line[following] is root)
            fits = length[call] + length[root] <= _LONGEST * (1 + fuses) and call.errors == root.errors
            joins = fuses and is_elementwise(call) and is_elementwise(root)
            worth = is_view or not (out.name or out.gradient_of or (is_large(out) and not joins))
            owned = user[out].writes and user[out].args[0] is out
            if near and fits and worth and not owned and call.note == root.note:
                line[call] = root
                length[root] += length[call]
        if not (is_view and line[call] is not call):
            following = call
    del place
    return line
