"""Names for the values of a recording, as far as the code that ran has some: `W`, and `dW` for its gradient.

Names make a program readable and change nothing else. A profile function sees each function return while the
recording runs: the local variables of the caller's own functions give names, and those of the backward pass say whose
gradient a value is.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.program.recorded import Recorded
from chainrule.program.recording import Recording, Variable

_PACKAGE = str(Path(__file__).parents[1])
# Whose local variables give no names: this package, and other installed and standard ones.
_LIBRARIES = (_PACKAGE, str(Path(np.__file__).parents[1]), str(Path(os.__file__).parent), "<")
_TAPE = str(Path(_PACKAGE, "autodiff", "tape.py"))


@contextlib.contextmanager
def naming(recording: Recording) -> Iterator[None]:
    """Name the values of a recording while the block runs."""
    before = sys.getprofile()
    sys.setprofile(_Names(recording).on_event)
    try:
        yield
    finally:
        sys.setprofile(before)


class _Names:
    """What is known of the values, from one event to the next."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._of_node: dict[int, tuple[Any, Variable]] = {}  # by the id of a node of the tape, which is kept alive
        recording.note = "forward"

    def on_event(self, frame: Any, event: str, result: Any) -> None:
        """Take names from a function that calls another one or returns."""
        if event == "return":
            code = frame.f_code
            if code.co_filename == _TAPE:
                self._of_tape(code.co_name, result)
            caller = frame.f_back
            if caller is not None and caller.f_code.co_filename == _TAPE and caller.f_code.co_name == "backward_pass":
                self._gradient(caller.f_locals, result)
            if not code.co_filename.startswith(_LIBRARIES):
                self._locals(frame)
        elif event == "call":
            caller = frame.f_back
            if caller is not None and not caller.f_code.co_filename.startswith(_LIBRARIES):
                self._locals(caller)
            if caller is not None and caller.f_code.co_filename == _TAPE and caller.f_code.co_name == "backward_pass":
                gate = getattr(caller.f_locals.get("node"), "gate", None)
                if gate is not None:
                    self._recording.note = f"backward of {gate.__name__}"

    def _of_tape(self, name: str, result: Any) -> None:
        """Note which value a node of the tape belongs to."""
        if name == "_traced":
            variable = variable_of(result)
            if variable is not None and result.node is not None:
                self._of_node[id(result.node)] = result.node, variable
        elif name == "backward_pass":
            self._recording.note = "forward" if self._recording.note is None else self._recording.note

    def _gradient(self, inside: dict[str, Any], result: Any) -> None:
        """Name what a pullback of the backward pass returned: the gradient of a parent."""
        variable = variable_of(result)
        if variable is None or variable.name is not None or variable.call.operation in ("argument", "constant"):
            return
        _, parent = self._of_node.get(id(inside.get("parent")), (None, None))
        # The gradient of an operand that was broadcast comes in the shape of the result first.
        if parent is not None and parent.shape == variable.shape and variable.gradient_of is None:
            variable.gradient_of = parent

    def _locals(self, frame: Any) -> None:
        """Name the values that local variables of the caller's own code hold."""
        for name, x in frame.f_locals.items():
            kind = type(x)
            if kind is list or kind is tuple:
                continue
            variable = variable_of(x)
            if variable is not None and variable.name is None and name.isidentifier():
                variable.name = name


def variable_of(x: Any) -> Variable | None:
    """Return the variable of a recorded array, below every level of a traced one."""
    for _ in range(10):
        if isinstance(x, Recorded):
            return x.variable
        if not hasattr(type(x), "level") or not hasattr(type(x), "node"):
            return None
        x = x.value
    return None
