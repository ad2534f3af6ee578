"""The table of what each function of a differentiable namespace is.

A gate enters itself under its own name, with a decorator that returns it unchanged: `@rule("main")` for the namespace
itself, `@rule("linalg")` and `@rule("fft")` for its parts. `@composed("main")` does the same for a function that is
written in the others and needs no rule. WITHOUT_RULE has the rest of the standard.
"""

import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from chainrule.gates.types import Gate

# By the part of the namespace. "beyond" is what the standard does not have, also found in chainrule.functions;
# "internal" is what has no name there: the operations of the array object, and the adjoints of gathering.
RULES: dict[str, dict[str, Gate]] = {"main": {}, "linalg": {}, "fft": {}, "beyond": {}, "internal": {}}
COMPOSED: dict[str, dict[str, Callable[..., Any]]] = {"main": {}, "linalg": {}, "fft": {}, "beyond": {}}


_F = TypeVar("_F", bound=Callable[..., Any])


# What a gate does with the elements of a gradient, which the masks of the backward pass go by:
# elementwise   an element of the gradient comes from one of the result, times a slope that may be infinite or NaN
# moves         an element comes from some of the result, each times a positive number: sums, copies, other places
# selects       as moves, and some elements of the operand were not picked: nothing comes to these
# picks         as selects, element by element, and a NaN among the operands makes the slope NaN
FLOWS: dict[Gate, str] = {}
SELECTING: set[Gate] = set()


# Gates of several results whose pullbacks are given None as the gradient of a result that nothing uses; others, as
# those of users, are given zeros.
PARTIAL: set[Gate] = set()


# Gates whose pullbacks are right for complex results as they are written: those of "moves" and its kin, and those with
# complex rules of their own. Of others, which are holomorphic, the tape conjugates g on the way in and the answer on
# the way out. Weak, because gates of checkpointed functions come and go.
ADJOINT: weakref.WeakSet[Gate] = weakref.WeakSet()
# Gates whose formulas hold for real numbers alone.
REAL: set[Gate] = set()


def rule(
    *parts: str, flow: str | None = None, partial: bool = False, adjoint: bool = False, real: bool = False
) -> Callable[[_F], _F]:
    """Enter a gate in parts of the namespace, how it passes its gradient on, and how it takes complex numbers."""
    enter = _entering(RULES, parts)

    def with_flow(gate: _F) -> _F:
        note_flow(gate, flow)
        for noted, its in ((partial, PARTIAL), (adjoint, ADJOINT), (real, REAL)):
            if noted:
                its.add(gate)
        return enter(gate)

    return with_flow


def note_flow(gate: Gate, flow: str | None) -> None:
    """Note how a gate passes its gradient on."""
    if flow:
        FLOWS[gate] = flow
    if flow not in (None, "elementwise"):
        ADJOINT.add(gate)
    if flow in ("selects", "picks"):
        SELECTING.add(gate)


def composed(*parts: str) -> Callable[[_F], _F]:
    """Enter a function composed(xp, *arrays, **settings) -> result in parts of the namespace."""
    return _entering(COMPOSED, parts)


def _entering(table: dict[str, dict[str, Any]], parts: tuple[str, ...]) -> Callable[[_F], _F]:
    def enter(function: _F) -> _F:
        for part in parts:
            table[part][function.__name__] = function
        return function

    return enter


# The kinds of what has no rule:
# constant   results are integers, booleans, or constant between jumps: no gradient flows
# creation   arrays made of numbers, shapes and dtypes
# no rule    a gradient could be asked for, and no rule gives it
# dtype      answers are dtypes, shapes or properties of a dtype, and no arrays
# value      dtypes and numbers, taken over as they are
WITHOUT_RULE: dict[str, dict[str, str]] = {
    "main": {
        "all": "constant",
        "any": "constant",
        "argmax": "constant",
        "argmin": "constant",
        "argsort": "constant",
        "bitwise_and": "constant",
        "bitwise_invert": "constant",
        "bitwise_left_shift": "constant",
        "bitwise_or": "constant",
        "bitwise_right_shift": "constant",
        "bitwise_xor": "constant",
        "ceil": "constant",
        "count_nonzero": "constant",
        "empty_like": "constant",
        "equal": "constant",
        "floor": "constant",
        "floor_divide": "constant",
        "greater": "constant",
        "greater_equal": "constant",
        "isfinite": "constant",
        "isin": "constant",
        "isinf": "constant",
        "isnan": "constant",
        "less": "constant",
        "less_equal": "constant",
        "logical_and": "constant",
        "logical_not": "constant",
        "logical_or": "constant",
        "logical_xor": "constant",
        "nonzero": "constant",
        "not_equal": "constant",
        "ones_like": "constant",
        "round": "constant",
        "searchsorted": "constant",
        "sign": "constant",
        "signbit": "constant",
        "trunc": "constant",
        "zeros_like": "constant",
        "arange": "creation",
        "empty": "creation",
        "eye": "creation",
        "from_dlpack": "creation",
        "full": "creation",
        "ones": "creation",
        "zeros": "creation",
        "nextafter": "no rule",
        "unique_all": "no rule",
        "unique_counts": "no rule",
        "unique_inverse": "no rule",
        "unique_values": "no rule",
        "broadcast_shapes": "dtype",
        "can_cast": "dtype",
        "finfo": "dtype",
        "iinfo": "dtype",
        "isdtype": "dtype",
        "result_type": "dtype",
        "bool": "value",
        "int8": "value",
        "int16": "value",
        "int32": "value",
        "int64": "value",
        "uint8": "value",
        "uint16": "value",
        "uint32": "value",
        "uint64": "value",
        "float32": "value",
        "float64": "value",
        "complex64": "value",
        "complex128": "value",
        "e": "value",
        "inf": "value",
        "nan": "value",
        "newaxis": "value",
        "pi": "value",
    },
    "linalg": {
        "matrix_rank": "constant",
    },
    "fft": {
        "fftfreq": "creation",
        "rfftfreq": "creation",
    },
}


def functions(part: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (name, kind, function) for all of a part; kind is "gate", "composed" or the word in WITHOUT_RULE."""
    yield from ((name, "gate", gate) for name, gate in RULES.get(part, {}).items())
    yield from ((name, "composed", function) for name, function in COMPOSED.get(part, {}).items())
    yield from ((name, kind, None) for name, kind in WITHOUT_RULE.get(part, {}).items())


def names(kind: str, *parts: str) -> tuple[str, ...]:
    """Return the names of one kind in some parts of the namespace."""
    return tuple(name for part in parts for name, its, _ in functions(part) if its == kind)
