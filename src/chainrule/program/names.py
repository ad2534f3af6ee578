"""Names for the values of a recording, as far as the code that ran has some: `W`, and `dW` for its gradient.

Names make a program readable and change nothing else. They are the local variables of the caller's own functions, read
whenever a call is noted; those of the backward pass say whose gradient a value is.
"""

import functools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.program.recording import Call, Variable

_PACKAGE = str(Path(__file__).parents[1])
_TAPE = str(Path(_PACKAGE, "autodiff", "tape.py"))
# Where code lies that is no caller's: this package, what is installed, and Python itself.
_NOT_OF_CALLERS = (
    *(_PACKAGE, str(Path(np.__file__).parents[1]), str(Path(os.__file__).parent)),
    *("<frozen", "<__array"),
)
# Of this package, what names its values as the notes do.
_MATHEMATICS = (str(Path(_PACKAGE, "models")), str(Path(_PACKAGE, "explain", "code.py")))
_MOST = 2000  # calls; a longer program is not read


class Names:
    """Reads names from the functions that run while a recording grows."""

    def __init__(self, stop: Any) -> None:
        self._stop = stop  # the function that runs the recording
        self._count, self._note = 0, "forward"
        self._frames: list[Any] = []
        self._of_node: dict[
            int, tuple[Any, Variable]
        ] = {}  # by the id of a node of the tape, which is kept alive
        # The calls that the backward pass makes at a node of the tape, which is kept alive, by the ids of the node and
        # of the parent whose gradient they give.
        self.backward: dict[int, tuple[Any, dict[int, list[Call]]]] = {}
        self._latest: Call | None = None
        self._parent: Any = None

    def note(self, call: Call) -> None:
        """Say which part of the program a call belongs to, and name what exists so far."""
        self._count += 1
        if self._count > _MOST:
            return
        frame: Any = sys._getframe(1)
        frames, parent = [], None
        call.note = self._note
        while frame is not None and frame.f_code is not self._stop:
            kind = _kind(frame.f_code)
            if kind == "own":
                frames.append(frame)
            elif kind == "backward_pass" and parent is None:
                inside = frame.f_locals
                node, parent = inside.get("node"), inside.get("parent")
                gate = getattr(node, "gate", None)
                if parent is not None:
                    _, calls = self.backward.setdefault(id(node), (node, {}))
                    calls.setdefault(id(parent), []).append(call)
                call.note = f"backward of {gate.__name__}" if gate is not None else "backward"
            frame = frame.f_back
        if parent is None and frames and self._note.startswith("backward"):
            call.note = "after the backward pass"
        self._note = call.note
        for own in {id(f): f for f in (*frames, *self._frames)}.values():
            self._read(own)
        if parent is not self._parent:
            self._name_gradient()
        self._frames, self._parent, self._latest = frames, parent, call

    def finish(self) -> None:
        """Name what the last calls left."""
        self._name_gradient()
        for frame in self._frames:
            self._read(frame)
        self._frames = []

    def _name_gradient(self) -> None:
        """Note that what the latest call gave is the gradient of the parent that the backward pass was at."""
        _, of = self._of_node.get(id(self._parent), (None, None))
        for out in self._latest.outs if self._latest is not None else ():
            # The gradient of an operand that was broadcast comes in the shape of the result first.
            if self._parent is not None and self._parent.shape == out.shape:
                out.gradient_of = of or out

    def _read(self, frame: Any) -> None:
        """Name the values that the local variables of a function hold."""
        for name, x in frame.f_locals.items():
            if type(x) in (list, tuple):
                for item in x:
                    self._know(item, variable_of(item))
                continue
            variable = variable_of(x)
            if (
                variable is not None
                and variable.name is None
                and name.isidentifier()
                and not name.startswith("__")
            ):
                variable.name = name
                self._know(x, variable)

    def _know(self, x: Any, variable: Variable | None) -> None:
        """Note which value a node of the tape belongs to."""
        node = getattr(x, "node", None) if variable is not None else None
        if node is not None and variable is not None:
            self._of_node[id(node)] = node, variable


def variable_of(x: Any) -> Variable | None:
    """Return the variable of a recorded array, below every level of a traced one."""
    while hasattr(type(x), "node") and hasattr(type(x), "level"):
        x = x.value
    variable = getattr(x, "variable", None) if hasattr(type(x), "recording") else None
    return variable if type(variable) is Variable else None


@functools.cache
def _kind(code: Any) -> str:
    """Return what a function is: the caller's "own", "backward_pass" of the tape, or another."""
    if code.co_filename == _TAPE:
        return str(code.co_name)
    if code.co_filename.startswith(_MATHEMATICS):
        return "own"
    is_of_caller = not code.co_filename.startswith(_NOT_OF_CALLERS)
    return "own" if is_of_caller and code.co_name != "<module>" else ""
