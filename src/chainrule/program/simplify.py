"""Simplify a recording: calls that nothing needs are dropped, equal calls shared, and constants folded."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.backend.namespaces import to_numpy
from chainrule.program.recording import Call, Recording, Variable, is_fresh, replaced

# The operators that compute what a function of the library does.
OPERATORS = {
    **{"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "matmul": "@"},
    **{"negative": "u-", "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">"},
    "greater_equal": ">=",
}
_COMMUTATIVE = ("+", "*")
_OF_A_SHAPE = (
    "zeros_like",
    "ones_like",
    "full_like",
)  # what they give is known from the shape of their argument
_POWERS = ("**", "pow", "power")
_INDEXED = ("getitem", "setitem", "add.at", "take", "take_along_axis")
_NOT_SHARED = ("empty", "empty_like", "copy", "guard")


class Simplified(NamedTuple):
    """The calls that are left, and the variables of the results."""

    calls: list[Call]
    results: list[Variable]


def simplified(recording: Recording, results: Iterable[Variable]) -> Simplified:
    """Return the calls that the results need, with each value computed once."""
    owned = {call.args[0] for call in recording.calls if call.writes}
    changing = set(owned)  # what lies in memory that is written later
    known: dict[Variable, Variable] = {}
    seen: dict[Any, Call] = {}

    def resolve(variable: Variable) -> Variable:
        return known.get(variable, variable)

    kept = []
    for call in recording.calls:
        args = replaced(call.args, resolve)
        operation = OPERATORS.get(call.operation, call.operation) if not call.kwargs else call.operation
        new = Call(operation, call.run, args, replaced(call.kwargs, resolve), call.errors)
        new.outs, new.note = call.outs, call.note
        free = not (new.writes or owned.intersection(call.outs))
        if free and _is_constant(new):
            for out in call.outs:
                known[out] = _literal(out)
            continue
        if new.writes or (not is_fresh(new) and changing.intersection(new.inputs)):
            changing.update(call.outs)
        same = _same_as(new) if free and not changing.intersection(new.inputs) else None
        if same is not None:
            known[call.outs[0]] = same
            continue
        key = _key(new) if free else None
        if key is not None and key in seen:
            known.update(zip(call.outs, seen[key].outs, strict=True))
            _name_alike(call, seen[key])
            continue
        if key is not None:
            seen[key] = new
        for out in call.outs:
            out.call = new
        kept.append(new)
    for variable, same in known.items():
        variable.same = same
    outs = [resolve(y) for y in results]
    return Simplified(_alive(kept, outs, recording.handles), outs)


def _name_alike(call: Call, first: Call) -> None:
    for out, kept in zip(call.outs, first.outs, strict=True):
        kept.name = kept.name or out.name
        kept.gradient_of = kept.gradient_of or out.gradient_of


def _literal(out: Variable) -> Variable:
    call = Call("literal", None, (), {})
    call.outs.append(Variable(out.value, call))
    return call.outs[0]


def _is_constant(call: Call) -> bool:
    """Say whether a call gives the same at every replay."""
    if not call.outs or call.operation in ("empty", "empty_like"):
        return False
    inputs = call.inputs[call.operation in _OF_A_SHAPE :]
    return all(x.call.operation == "literal" for x in inputs)


def uniform(variable: Variable) -> Any:
    """Return the number that every element of a literal is, as Python's; None where they differ."""
    call, value = variable.call, variable.value
    if call.operation != "literal":
        return None
    if "uniform" not in call.kwargs:
        numbers = to_numpy(value) if hasattr(value, "dtype") else np.asarray(value)
        alike = numbers == numbers.flat[0] if numbers.size else False
        if numbers.dtype.kind == "f" and numbers.size and np.isnan(numbers.flat[0]):
            alike = np.isnan(numbers)
        same = numbers.dtype.kind in "iuf" and bool(np.all(alike))
        call.kwargs["uniform"] = numbers.flat[0].item() if same else None
    return call.kwargs["uniform"]


def _same_as(call: Call) -> Variable | None:
    """Return the operand that a call gives back unchanged, such as x of 1 * x."""
    if call.operation == "guard":
        return None
    out = call.outs[0]
    if call.operation in ("*", "/") and len(call.args) == 2:
        x, other = call.args if call.operation == "/" else sorted(call.args, key=_is_one)
        if _is_one(other) and _is_alike(x, out):
            return x  # type: ignore[no-any-return]
    if call.operation in _POWERS and _is_one(call.args[1]) and _is_alike(call.args[0], out):
        return call.args[0]  # type: ignore[no-any-return]
    if call.operation in ("reshape", "broadcast_to") and _is_alike(call.args[0], out):
        return call.args[0]  # type: ignore[no-any-return]
    return None


def _is_one(x: Any) -> bool:
    value = uniform(x) if type(x) is Variable else x
    return type(value) in (int, float) and value == 1


def _is_alike(x: Any, out: Variable) -> bool:
    """Say whether an operand has the shape and dtype of a result, or is a number of the same type."""
    if type(x) is not Variable or x.shape != out.shape:
        return False
    if not (hasattr(x.value, "dtype") and hasattr(out.value, "dtype")):
        return type(x.value) is type(out.value)
    return bool(x.value.dtype == out.value.dtype)


def _key(call: Call) -> Any:
    """Return what equal calls have in common; None for one that is not shared."""
    if call.operation in _NOT_SHARED or call.kwargs.get("copy"):
        return None if call.operation != "guard" else ("guard", *map(_part, call.args))
    args = list(map(_part, call.args))
    if call.operation in _COMMUTATIVE and _is_number(call.outs[0]):
        args.sort()
    return call.operation, tuple(args), tuple((n, _part(x)) for n, x in call.kwargs.items()), call.errors


def _is_number(out: Variable) -> bool:
    """Say whether a result is of real numbers; texts have an order, and a complex product may round by it."""
    kind = getattr(getattr(out.value, "dtype", None), "kind", "f")
    return kind in "biuf"


def _part(x: Any) -> Any:
    if type(x) is Variable:
        return f"variable {id(x)}"
    if type(x) is slice:
        return f"slice {[_part(p) for p in (x.start, x.stop, x.step)]}"
    if type(x) in (list, tuple):
        return f"{type(x).__name__} {[_part(item) for item in x]}"
    return f"{type(x).__name__} {x!r}"


def _alive(calls: list[Call], results: list[Variable], handles: bool) -> list[Call]:
    """Return the calls that the results and the guards need, and those whose errors decide what the function does."""
    needed, kept = set(results), []
    for call in reversed(calls):
        if call.operation == "guard" or needed.intersection(call.outs) or _may_raise(call, handles):
            kept.append(call)
            needed.update(call.inputs)
    return kept[::-1]


def _may_raise(call: Call, handles: bool) -> bool:
    """Say whether a call may raise an error for some values, as far as the function handles errors."""
    if call.errors and "raise" in call.errors:
        return True
    with_number = not all(hasattr(x.value, "dtype") for x in call.inputs)
    return handles and (
        call.operation.startswith("linalg.")
        or with_number
        or call.operation in _POWERS  # of integers
        or (call.operation in _INDEXED and len(call.inputs) > 1)
    )


# --- Whose memory ---


def roots(calls: list[Call]) -> Callable[[Variable], frozenset[Variable]]:
    """Return the function that gives the variables in whose memory a variable may lie."""
    found: dict[Variable, frozenset[Variable]] = {}

    def of(variable: Variable) -> frozenset[Variable]:
        return found.get(variable, frozenset((variable,)))

    for call in calls:
        if call.writes:
            lies: frozenset[Variable] = of(call.args[0])
        elif is_fresh(call) or not call.outs:
            continue
        else:
            lies = frozenset().union(*map(of, call.inputs)) or frozenset((call.outs[0],))
        for out in call.outs:
            found[out] = lies
    return of
