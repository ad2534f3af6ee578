"""Build a program: run the function on recorded arguments, simplify what was noted, write it, and load it."""

import builtins
import functools
import inspect
import itertools
import linecache
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.backend.namespaces import namespace
from chainrule.gates.helpers import is_transformed
from chainrule.program.arrays import Recorded
from chainrule.program.code import Code
from chainrule.program.fusing import numba
from chainrule.program.names import Names
from chainrule.program.numbers import Number
from chainrule.program.outside.bytecode import Usage
from chainrule.program.outside.copies import Copies
from chainrule.program.outside.objects import is_array
from chainrule.program.outside.reached import Outside, holds, kept
from chainrule.program.recorded import recorded
from chainrule.program.recording import Call, NotReplayableError, Recording, Variable, started
from chainrule.program.signature import (
    CHECKED_WITH,
    Unpacking,
    children,
    kind_of,
    leaves,
    rebuilder,
    same_objects,
    value_key,
)
from chainrule.program.simplify import Simplified, roots, simplified, uniform

_ATTEMPTS = [(True, True), (True, False), (False, True), (False, False)]
MISS = object()  # what a checked program returns for arguments of another signature
_LIBRARIES = {"numpy": "np", "cupy": "cp", "array_api_compat.cupy": "cp"}
_numbers = itertools.count(1)
_STATIC = (type(None), bool, int, float, complex, str)


class Program:
    """A recorded function for one signature.

    run      takes the arguments of that signature
    checked  takes any positional arguments, and returns MISS for those of another signature
    source   the program as Python
    observer what the function put into its recording, such as what can say which lines belong to what
    pinned   the numbers that decided it, by the place of the argument among all leaves
    same     which arrays are one object, of `others` and the arguments in turn, where the function asks
    parts    the text of each argument of the signature, by its name
    """

    def __init__(self, pinned: dict[int, Any], parts: dict[str, str], outside: Outside) -> None:
        self.handles = outside.usage.handles
        self.pinned, self.parts, self.outside = pinned, parts, outside
        self.watches = bool(outside)
        self.same: tuple[int, ...] | None = None
        self.others: list[Any] = []
        self.source = ""
        self.observer: Any = None
        self.signature = ", ".join(f"{name}: {text}" for name, text in parts.items())
        self.checked: Callable[..., Any]
        self.make_run: Callable[[], Callable[..., Any]]

    @functools.cached_property
    def run(self) -> Callable[..., Any]:
        """The function without checks, made when it is first needed."""
        return self.make_run()

    def holds_for(self, found: list[Any]) -> bool:
        """Say whether leaves of this signature have the numbers that decided the program, and are the same objects."""
        if not all(value_key(found[i]) == value for i, value in self.pinned.items()):
            return False
        return self.same is None or same_objects(*self.others, *found) == self.same

    def is_current(self) -> bool:
        """Say whether what the function reaches outside itself is what it was at recording."""
        return not self.watches or self.outside.unchanged()


def built(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], fused: bool | None
) -> Program:
    """Return the program of f for arguments like these; `fused` joins elementwise calls, as `compile` says."""
    recording, outside, arguments, out, raw = _followed(f, args, kwargs)
    names = _own_names([*parameter_names(f, len(args)), *kwargs])
    given = [*args, *kwargs.values()]
    found = [leaf for name, x in zip(names, given, strict=True) for leaf in leaves(x, name)]
    for variable, leaf in zip(arguments, found, strict=True):
        variable.name = leaf.name if leaf.name in names else variable.name or _as_name(leaf.name)
    plan = _apart(recording, raw)
    base = recording.space._library
    library = _LIBRARIES.get(base.__name__, "xp")
    while library in names:
        library += "_"
    code = Code(plan.calls, plan.results, library, arguments, names, fused)
    code.write()
    pinned = {i: value_key(found[i].value) for i in recording.pinned}
    program = Program(pinned, {leaf.name: _part(leaf, i in pinned) for i, leaf in enumerate(found)}, outside)
    if outside.usage.identity:
        program.others = [x for x in outside.targets.values() if is_array(x)]
        program.same = same_objects(*program.others, *(leaf.value for leaf in found))
    unpacking = Unpacking([code.text(v)[0] for v in arguments], set(pinned))
    for name, x in zip(names, given, strict=True):
        unpacking.argument(x, name)
    _load(program, f, code, unpacking, names, out, base)
    program.observer = recording.observer
    above = program.source.count("\n") - len(code.lines)
    for call in plan.calls:
        if call.line is not None:
            call.line += above
    for call in recording.calls:
        for variable in call.outs:
            variable.value = None  # for its memory
    return program


def _followed(f: Any, args: Any, kwargs: Any) -> tuple[Recording, Outside, Any, Any, Any]:
    """Run f on as much recorded as it takes.

    Compiled code of other libraries takes no recorded arrays: those outside f stay as they are, and are compared. Some
    takes no recorded numbers, which then are part of the signature.
    """
    errors: list[Exception] = []
    has_numbers = "number" in map(kind_of, pytree.flat((args, kwargs)))
    for numbers, hands_over in _ATTEMPTS if has_numbers else _ATTEMPTS[:2]:
        try:
            return _run(f, args, kwargs, hands_over, numbers)
        except Exception as error:
            errors.append(error)
            if isinstance(errors[0], NotReplayableError):
                raise
    raise errors[0]


def _run(
    f: Any, args: Any, kwargs: Any, hands_over: bool = True, numbers: bool = True
) -> tuple[Recording, Outside, Any, Any, Any]:
    """Run f on recorded arguments, also `numbers`; where it `hands_over`, arrays outside f are recorded ones too.

    Returns the recording, what is outside f, the variables of the arguments, the results, and their variables.
    """
    statics = [x for x in pytree.flat((args, kwargs)) if kind_of(x) == "static"]
    outside = Outside([f, *statics], hands_over)
    with started() as recording:
        copies = Copies(outside, functools.partial(_as_recorded, recording))
        tree, arguments = _recorded_arguments(recording, args, kwargs, copies, outside.usage, numbers)
        g = copies.of(f)
        copies.start()
        inner = kept(_containers(tree))
        recording.handles = outside.usage.handles
        recording.names = Names(_run.__code__)
        try:
            out = g(*tree[0], **tree[1])
        except (TypeError, ValueError) as error:  # into which a library turns a refusal
            if recording.refusal and type(error) in (TypeError, ValueError):
                raise recording.refusal from None
            raise
        recording.names.finish()
        raw = _results(f, out, recording)
        if not all(map(holds, inner)):
            raise recording.refuse("a list or a dict among the arguments was changed. Return a new one")
    outside.finish(f, recording, copies.unchanged())
    return recording, outside, arguments, out, raw


def _as_recorded(recording: Recording, array: Any, name: str) -> Any:
    """Return what a function gets in the place of an array outside itself."""
    variable = recording.outside(array)
    variable.name = variable.name or name or None
    return recorded(namespace(array))._array(array, variable, recording)


def _recorded_arguments(
    recording: Recording, args: Any, kwargs: Any, copies: Copies, usage: Usage, numbers: bool
) -> tuple[Any, list[Variable]]:
    """Return the arguments with recorded leaves, and the variable of each leaf.

    Where the function asks if arrays are the same object, those that are get one recorded array.
    """
    new, variables = [], []
    for i, x in enumerate(pytree.flat((args, kwargs))):
        kind = kind_of(x)
        variable = recording.input("argument", x, i)
        variables.append(variable)
        if kind == "array":
            space = recorded(namespace(x))
            recording.space = recording.space or space
            own = space._array(x, variable, recording)
            new.append(copies.made.setdefault(id(x), own) if usage.identity else own)
        elif kind == "number" and not numbers:
            recording.pinned.add(i)
            new.append(x)
        elif kind == "number":
            recording.has_numbers = True
            new.append(Number(x, variable, recording, frozenset((i,))))
        else:
            new.append(copies.of(x))
    recording.space = recording.space or recorded(np)
    return pytree.rebuilt((args, kwargs), iter(new)), variables


def _containers(tree: Any) -> Iterator[Any]:
    """Yield the lists and dicts in a tree, which a function may change."""
    if pytree.is_nested(tree):
        if not isinstance(tree, tuple):
            yield tree
        for item in children(tree):
            yield from _containers(item)


def _results(f: Any, out: Any, recording: Recording) -> list[Variable]:
    """Return the variables of the results; TypeError for a result that is none."""
    if recording.refusal:
        raise recording.refusal
    recording.refuse_changes()
    if recording.pending is not None:
        recording.refuse_pending()
    found = []
    for y in pytree.flat(out):
        while is_transformed(y) and not y.level:
            y = y.value
        if isinstance(y, Recorded) or type(y) is Number:
            if y.recording is not recording:
                raise TypeError("compile: the function returned an array of another recording")
            if y.variable in recording.stale:
                raise TypeError("compile: the function returned a view of an array that was changed since")
            found.append(y.variable)
        elif kind_of(y) == "array" and not is_transformed(y):
            found.append(recording.constant(y))
        elif type(y) in _STATIC:
            found.append(recording.input("static", y))
        else:
            what = "an array that another transform follows" if is_transformed(y) else f"a {type(y).__name__}"
            raise TypeError(
                f"compile: expected {getattr(f, '__name__', 'f')} to return arrays and numbers; got {what}. "
                "Pass in what it uses, and return what is computed of it"
            )
    return found


def _apart(recording: Recording, raw: list[Variable]) -> Simplified:
    """Return the simplified calls, with a copy of each result that would share memory with another or an argument."""
    calls, given = simplified(recording, raw)
    lies = roots(calls)
    shares = Counter(root for y in set(given) for root in lies(_copied(y)))
    used = {x for call in calls for x in call.inputs}
    written = {root for call in calls if call.writes for root in lies(call.args[0])}
    results, taken = [], dict[Variable, Variable]()
    for first, y in zip(raw, given, strict=True):
        inner = _copied(y)
        whole = [root for root in lies(inner) if root.call.operation not in ("argument", "constant")]
        alone = len(whole) == len(lies(inner)) == 1 and shares[whole[0]] == 1
        alone = alone and inner not in taken and not written.intersection(whole)
        # A copy of what nothing else holds is not needed, unless it is a small part of it.
        if y is not inner and alone and y not in used and whole[0].value.nbytes == y.value.nbytes:
            calls.remove(y.call)
            y = inner
        own = y.call.operation == "static" or uniform(y) is not None or not hasattr(y.value, "dtype")
        outside = any(root.call.operation in ("argument", "constant", "literal") for root in lies(y))
        again = any(root in taken for root in lies(y)) and taken.get(y) is not first
        if not own and (outside or again):
            copy = Call("asarray", None, (y,), {"copy": True}, calls[0].errors if calls else None)
            copy.outs.append(Variable(y.value, copy))
            copy.note = calls[-1].note if calls else None
            calls.append(copy)
            y = copy.outs[0]
        taken.update(dict.fromkeys(lies(y), first))
        results.append(y)
    return Simplified(calls, results)


def _copied(y: Variable) -> Variable:
    """Return what a result is a copy of, or the result itself."""
    is_copy = y.call.operation == "asarray" and y.call.kwargs.get("copy") is True and len(y.call.inputs) == 1
    return y.call.inputs[0] if is_copy else y


def _as_name(path: str) -> str:
    """Return a name for a path such as params[0]['W']."""
    return re.sub(r"\W+", "_", path).strip("_")


def _own_names(names: list[str]) -> list[str]:
    """Return names of parameters, other ones for those that begin as the names in the checks of a program do."""
    own: list[str] = []
    for name in names:
        chosen = name.lstrip("_") + "_" if name.startswith("__") else name
        while chosen in own or (chosen != name and chosen in names):
            chosen += "_"
        own.append(chosen)
    return own


def _part(leaf: Any, pinned: bool) -> str:
    """Return what the signature says of one argument."""
    if leaf.kind == "array":
        return f"{leaf.value.dtype}{list(leaf.value.shape)}"
    return type(leaf.value).__name__ if leaf.kind == "number" and not pinned else repr(leaf.value)


# --- From lines to functions ---


def _load(
    program: Program, f: Any, code: Code, unpacking: Unpacking, names: list[str], out: Any, base: Any
) -> None:
    """Write the source of a program, and make its functions."""
    name = getattr(f, "__name__", "f")
    name = name if name.isidentifier() else "f"
    library, objects = code.writer.library, code.writer.objects
    head, shown = f"def {name}({', '.join(names)}):", _returned(out, code)
    special = ["from cupyx.scipy import special" if library == "cp" else "from scipy import special"]
    given = [f"# {key}: {_described(x)}" for key, x in objects.items() if key != "special"]
    program.source = "\n".join(
        [
            *(special if "special" in objects else []),
            *(["import numba"] if code.loops.lines else []),
            f"import {base.__name__.removeprefix('array_api_compat.')} as {library}",
            *(["", *given] if given else []),
            "",
            "",
            *code.kernels.lines,
            *code.loops.lines,
            head,
            *_indented([*unpacking.lines, *code.lines, f"return {shown}"]),
        ]
    )
    exact = _returned(out, code, exact=True, objects=objects)
    last = f"return {exact}"
    scope = {library: base, "__MISS": MISS, **objects, **unpacking.objects, **CHECKED_WITH}
    exec("\n".join(code.kernels.lines), scope)
    if code.loops.lines:
        if numba() is None:
            raise ImportError(
                "compile: fused=True needs Numba on NumPy, which cannot be imported. Install it by "
                "pip install 'chainrule[fast]', or leave fused out"
            )
        scope["numba"] = numba()
        exec("\n".join(code.loops.lines), scope)
    program.make_run = lambda: _made(name, [head, *_indented([*unpacking.lines, *code.lines, last])], scope)
    count = len(names)
    taken = [f"if __len(__args) != {count}: return __MISS"] + (
        [f"{', '.join(names)}, = __args"] if count else []
    )
    last_check = []
    if program.same is not None:
        scope["__holds"], leaves_ = lambda *found: program.holds_for(list(found)), ", ".join(unpacking.names)
        last_check = [f"if not __holds({leaves_}): return __MISS"]
    if program.watches:
        condition, its_names = program.outside.condition()
        scope |= its_names
        taken.append(f"if not ({condition}): return __MISS")
    body = [*taken, *unpacking.checks, *last_check, *code.lines, last]
    program.checked = _made(name, [f"def {name}(*__args):", *_indented(body)], scope)


def _made(name: str, lines: list[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """Return the function that lines of Python define."""
    text = "\n".join([*lines, ""])
    path = f"<compiled {name} {next(_numbers)}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    local: dict[str, Any] = {}
    exec(builtins.compile(text, path, "exec", optimize=0), scope, local)
    return local[name]  # type: ignore[no-any-return]


def _returned(out: Any, code: Code, exact: bool = False, objects: dict[str, Any] | None = None) -> str:
    """Return the text of the results; an exact one has numbers as arrays, and containers of every class."""
    results = iter(code.results)

    def leaf() -> str:
        variable = next(results)
        if variable.call.operation == "static":
            return code.writer.plain(variable.value)[0]
        text = code.writer.operand(variable)
        number = (
            exact
            and code.writer.library == "np"
            and variable.shape == ()
            and hasattr(variable.value, "dtype")
        )
        return f"{code.writer.library}.asarray({text})" if number else text

    def nested(tree: Any) -> str:
        if type(tree) is dict and all(type(key) in (str, int) for key in tree):
            return "{" + ", ".join(f"{key!r}: {nested(item)}" for key, item in tree.items()) + "}"
        if type(tree) is list:
            return "[" + ", ".join(map(nested, tree)) + "]"
        if pytree.is_nested(tree):
            items = children(tree)
            text = "(" + ", ".join(map(nested, items)) + ("," if len(items) == 1 else "") + ")"
            if type(tree) is not tuple and exact and objects is not None:
                name = f"__as{len(objects)}"
                objects[name] = rebuilder(tree)
                return f"{name}({text})"
            return text
        return leaf()

    text = nested(out)
    return text[1:-1] if type(out) is tuple and len(out) > 1 else text


def _described(x: Any) -> str:
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"an array of shape {tuple(x.shape)} and dtype {x.dtype}"
    return repr(x)


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def parameter_names(f: Callable[..., Any], count: int) -> list[str]:
    """Return names for positional arguments: those of the function's parameters."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "x")
    return [*by_place[:count], *(f"{rest}{i}" for i in range(len(by_place), count))]
