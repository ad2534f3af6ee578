"""A recording: the calls of an array library that one run of a function makes, in order.

A call has variables among its arguments and for its results. A variable keeps the value that it had at recording, from
which shapes and dtypes are known.
"""

import contextlib
import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.program.outside.objects import is_library

_PACKAGE = str(Path(__file__).parents[1])
_HERE = (
    str(Path(__file__).parent),
    str(Path(_PACKAGE, "autodiff", "traced.py")),
    str(Path(_PACKAGE, "numpy_names", "array.py")),
    str(Path(np.__file__).parent),
)
# This package, and other installed and standard ones.


class Variable:
    """A value of the program: an argument, an array that the function closes over, or a result of a call.

    `known` says that it is the same at every replay, as what is made of literal numbers alone; `same`, which variable
    the simplified program has in its place.
    """

    __slots__ = ("call", "gradient_of", "known", "name", "same", "value")

    def __init__(self, value: Any, call: "Call") -> None:
        self.value, self.call = value, call
        self.known: bool = call.operation not in ("argument", "constant") and all(
            x.known for x in call.inputs
        )
        self.name: str | None = None
        self.gradient_of: Variable | None = None
        self.same = self

    @property
    def shape(self) -> Any:
        """The lengths of the axes; those of a number of Python's are ()."""
        return getattr(self.value, "shape", ())


class Call:
    """One call: an operation, its arguments with variables among them, and the variables that it gives.

    The operation is a function's path in the library (`tanh`, `linalg.inv`), an operator's symbol (`+`, `@`), an
    attribute with a leading dot (`.T`), or one of "argument", "constant", "getitem", "setitem" and "guard".
    """

    __slots__ = ("args", "errors", "inputs", "kwargs", "line", "note", "operation", "outs", "run", "text")

    def __init__(self, operation: str, run: Any, args: Any, kwargs: Any, errors: Any = None) -> None:
        self.operation, self.run, self.args, self.kwargs, self.errors = operation, run, args, kwargs, errors
        self.inputs = (
            *_variables(args),
            *_variables(kwargs),
        )  # every variable, as often as it is an argument
        self.outs: list[Variable] = []
        self.note: str | None = None  # the part of the program that it belongs to, such as "backward of tanh"
        self.line: int | None = None  # on which it is written; None before, and where no line has it
        self.text = ""  # the part of that line which it is; "" for all of it

    @property
    def writes(self) -> bool:
        """Whether the call changes its first argument, of which its result is the next version."""
        return self.operation in ("setitem", "add.at")


def _variables(x: Any) -> Iterator[Variable]:
    if type(x) is Variable:
        yield x
    elif type(x) is slice:
        yield from _variables((x.start, x.stop, x.step))
    elif isinstance(x, dict):
        yield from _variables(tuple(x.values()))
    elif isinstance(x, list | tuple):
        for item in x:
            yield from _variables(item)


# What always gives an array of its own, whatever the layout of its arguments.
_FRESH = {
    *("+", "-", "*", "/", "@", "**", "//", "%", "u-", "abs", "~", "&", "|", "^"),
    *("==", "!=", "<", "<=", ">", ">="),
    *(
        "arange",
        "empty",
        "empty_like",
        "eye",
        "full",
        "full_like",
        "ones",
        "ones_like",
        "zeros",
        "zeros_like",
    ),
    *("add.reduce", "cumulative_prod", "cumulative_sum", "max", "mean", "min", "prod", "std", "sum", "var"),
    *("concat", "concatenate", "copy", "matmul", "repeat", "roll", "stack", "tile", "tril", "triu", "where"),
    *("argsort", "linalg.inv", "linalg.solve", "sort", "take", "take_along_axis"),
}
# Of any library; some hand back the argument itself where these have nothing to do.
_ELEMENTWISE = {name for name, f in vars(np).items() if isinstance(f, np.ufunc)} - {
    *("conj", "conjugate", "positive")
}


def is_fresh(call: Call) -> bool:
    """Say whether the results of a call are in memory that no earlier array has."""
    if call.operation in ("array", "asarray", "astype"):
        return call.kwargs.get("copy", call.operation != "asarray") is True
    return call.operation in _FRESH or call.operation in _ELEMENTWISE or is_ufunc(call.run)


def is_ufunc(run: Any) -> bool:
    """Say whether a function is a universal one, of NumPy or of CuPy."""
    return type(run).__name__ == "ufunc"


class Recording:
    """The calls so far, the constants, and the arguments whose numbers decided the program."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.constants: dict[int, Variable] = {}
        self.read: dict[int, Any] = {}  # constants whose values the function read
        self._contents: dict[int, int] = {}
        self.pinned: set[int] = set()
        self.stale: set[Variable] = set()  # views of what was changed since
        self.pending: Variable | None = None  # the x[key] + a of x[key] += a, which has to be assigned next
        self.viewed: set[Variable] = set()  # whose memory another may share
        self.has_numbers = False  # whether numbers of Python's own are among the arguments
        self.handles = False  # whether the function handles errors
        self.refusal: Exception | None = None
        self.open = True
        self.names: Any = None  # is told of each call, to name what exists
        self.space: Any = None  # the recorded namespace of its arrays
        self.observer: Any = None  # what the function put here, for who asked for the program

    def input(self, operation: str, value: Any, place: Any = None) -> Variable:
        """Return a variable that no call of the library gives: an argument or a constant."""
        call = Call(operation, None, (place,), {})
        call.outs.append(Variable(value, call))
        return call.outs[0]

    def constant(self, array: Any) -> Variable:
        """Return the variable of an array that did not come from an argument. The array itself is kept."""
        if id(array) not in self.constants:
            self.outside(array)
            self._contents[id(array)] = _contents(array)
        elif id(array) in self._contents and _contents(array) != self._contents[id(array)]:
            self.refuse_changes()
        return self.constants[id(array)]

    def outside(self, array: Any) -> Variable:
        """Return the variable of an array outside the function, which gets it as a recorded one."""
        if id(array) not in self.constants:
            self.constants[id(array)] = self.input("constant", array)
        return self.constants[id(array)]

    def reads(self, variable: Variable) -> bool:
        """Say whether a value depends on no argument, and if so note the constants of which it was read."""
        found, waiting = {variable}, [variable]
        while waiting:
            new = set(waiting.pop().call.inputs) - found
            found |= new
            waiting += new
        if any(x.call.operation == "argument" for x in found):
            return False
        for x in found:
            if x.call.operation == "constant" and id(x.value) not in self.read:
                self.read[id(x.value)] = x.value
                self._contents.setdefault(id(x.value), _contents(x.value))
        return True

    def refuse(self, text: str) -> "NotReplayableError":
        """Return an error, which is raised when the function returns even where it is handled there."""
        self.refusal = self.refusal or NotReplayableError(f"compile: {text}")
        return NotReplayableError(f"compile: {text}")

    def refuse_pending(self) -> None:
        """Raise TypeError for a view that was changed in place, and with it the array that it is a view of."""
        raise self.refuse(
            "y = x[key]; y += a changes a part of x through a view, which is not followed. Write x[key] += a"
        )

    def views_of(self, variable: Variable) -> set[Variable]:
        """Return the variables that may lie in the memory of another."""
        found = {variable}
        for call in self.calls:
            if not is_fresh(call) and found.intersection(call.inputs):
                found.update(call.outs)
        return found - {variable}

    def refuse_changes(self) -> None:
        """Raise TypeError where a constant was changed since the recording met it, which no replay would do."""
        for key, variable in self.constants.items():
            if key in self._contents and _contents(variable.value) != self._contents[key]:
                raise self.refuse(
                    f"an array of shape {tuple(variable.value.shape)} that is no argument was changed in "
                    "place while the function ran, which is not followed. Make a new array, or pass it in"
                )

    def add(self, operation: str, run: Any, args: Any, kwargs: Any) -> Call:
        """Note a call."""
        call = Call(operation, run, args, kwargs, tuple(np.geterr().values()))
        if self.names is not None:
            self.names.note(call)
        if self.pending is not None and (operation != "setitem" or self.pending not in call.inputs):
            self.refuse_pending()
        self.pending = None
        if not is_fresh(call):
            self.viewed.update(call.inputs)
        if self.stale and self.stale.intersection(call.inputs):
            raise self.refuse(
                "a view was used after the array that it is a view of was changed in place, which is not "
                "followed. Take x[key] anew"
            )
        self.calls.append(call)
        return call


def _contents(array: Any) -> int:
    """Return a hash of the elements of a NumPy array; others are on a device."""
    if not issubclass(type(array), np.ndarray) or array.dtype == object:
        return 0
    return hash(array.tobytes())


_thread = threading.local()


def current() -> Recording | None:
    """Return the recording that runs in this thread."""
    return getattr(_thread, "recording", None)


@contextlib.contextmanager
def started() -> Iterator[Recording]:
    """Record in this thread what runs within the block."""
    before, recording = current(), Recording()
    _thread.recording = recording
    try:
        yield recording
    finally:
        _thread.recording = before
        recording.open = False


def replaced(x: Any, f: Callable[[Variable], Any]) -> Any:
    """Return arguments of a call with f of each variable in its place."""
    if type(x) is Variable:
        return f(x)
    if type(x) is slice:
        return slice(*(replaced(part, f) for part in (x.start, x.stop, x.step)))
    if isinstance(x, dict):
        return {name: replaced(item, f) for name, item in x.items()}
    if type(x) in (list, tuple):
        return type(x)(replaced(item, f) for item in x)
    return x


# --- What a program cannot replay ---


class NotReplayableError(TypeError):
    """What a function did while it was recorded depends on the values of its arrays."""


def refused(recording: Any, what: str, instead: str) -> NotReplayableError:
    """Return the error about a value that the program would be built on; the recording keeps it."""
    return recording.refuse(  # type: ignore[no-any-return]
        f"{what} at {_line()} depends on the values of an array, and a program is the same for all values. "
        f'{instead}, or compile with on_branch="eager"'
    )


def not_followed(recording: Any, name: str) -> NotReplayableError:
    """Return the error about a function of which it is not known whether a program may have it."""
    return recording.refuse(  # type: ignore[no-any-return]
        f"{name} at {_line()} is not followed. Write it with the functions of the array API standard, or "
        'compile with on_branch="eager"'
    )


def is_own_branch() -> bool:
    """Say whether the line that asks for a value is one of this package's own."""
    return bool(_asking(_HERE).f_code.co_filename.startswith(_PACKAGE))


def is_own_text() -> bool:
    """Say whether the caller's own code asks for the text of an array, other than to print it."""
    frame = _asking(_HERE)
    names = frame.f_code.co_names
    printed = "print" in names and not {"str", "repr"}.intersection(names)
    return not printed and not is_library(frame.f_globals.get("__name__"))


def _line() -> str:
    frame = _asking((_PACKAGE, *_HERE))
    path, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, number).strip()
    return f"{path}:{number}" + (f" ({text})" if text else "")


def _asking(inside: tuple[str, ...]) -> Any:
    """Return the innermost frame whose file is not inside these folders."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((*inside, "<__array", "<frozen")):
        frame = frame.f_back
    return frame
