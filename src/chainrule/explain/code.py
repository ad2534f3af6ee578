"""A computation that explain was given, written as Python: forward and backward, and which lines each step became."""

import ast
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import plain_namespace
from chainrule.autodiff.traced import Traced, plain_value
from chainrule.autodiff.transforms import value_and_grad
from chainrule.explain.graph import Graph, Lines, Part, Program
from chainrule.explain.recorder import Recorder
from chainrule.program.build import built
from chainrule.program.names import Names, variable_of
from chainrule.program.recording import Variable, current


def with_program(graph: Graph, f: Callable[..., Any], name: str, inputs: dict[str, Any], dtype: Any) -> Graph:
    """Return a graph with the program of f and its gradient in the floating ones of the inputs, taken in their order.

    f takes a recorder, and then the inputs; the graph is what it gave. `dtype` is that of its numbers.
    """
    return replace(graph, program=functools.cache(lambda: _program(graph, f, name, inputs, dtype)))


def _program(graph: Graph, f: Callable[..., Any], name: str, inputs: dict[str, Any], dtype: Any) -> Program:
    arrays = [pytree.mapped(plain_value, x) for x in inputs.values()]
    traced = [i for i, x in enumerate(arrays) if pytree.flat(x) and all(map(_is_floating, pytree.flat(x)))]

    def summed(*arrays: Any) -> Any:
        space = _Steps(arrays, dtype)
        out = f(space, *[pytree.mapped(space.entered_as_it_is, x) for x in arrays])
        out = space.sum(out) if getattr(out, "shape", ()) != () else out
        space.end(out)
        return out

    summed.__name__ = name
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    summed.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(key, kind) for key in inputs]
    )

    with np.errstate(all="ignore"):
        made = built(value_and_grad(summed, traced) if traced else summed, tuple(arrays), {}, True)
    return Program(made.source, made.observer.lines(graph, made.source.split("\n")))


def source_of(f: Callable[..., Any], arguments: Sequence[Any]) -> Program:
    """Return the program of a function for such arguments, whose lines belong to no steps."""
    return Program(built(f, tuple(arguments), {}, True).source)


class _Steps(Recorder):
    """A recorder of the arrays of a program that is being written, which finds the lines of each step."""

    def __init__(self, arrays: Any, dtype: Any) -> None:
        leaves = [x for x in pytree.flat(arrays) if hasattr(x, "dtype")]
        level = max((x.level for x in leaves if type(x) is Traced), default=0)
        super().__init__(plain_namespace(leaves[0]) if leaves else np, level or None)
        self.dtype = dtype

    def entered_as_it_is(self, x: Any) -> Any:
        """Return an array that is traced in another namespace, or not at all, as an input of the recorder."""
        if not hasattr(x, "dtype"):
            return x
        own = Traced(x.value, self, x.level, x.node) if type(x) is Traced and x.level else Traced(x, self)
        self._keep(own, "input", (), (), {})
        return own

    def name(self, x: Any, name: str, again: bool = True) -> None:
        """Name an array in the program."""
        variable = variable_of(x)
        if variable is not None and (again or variable.name is None):
            variable.name = name

    def end(self, out: Any) -> None:
        """Note the result, and tell the recording who wants to know its lines."""
        recording: Any = current()
        self._out, self._calls = out, recording.names
        recording.observer = self

    def lines(self, graph: Graph, source: list[str]) -> tuple[Lines, ...]:
        """Return the lines of each node of the graph of the same computation, or none where another way was gone."""
        last = self._index(self._out)
        order = [] if last is None else self._needed(last, [])
        number_of = {index: k for k, index in enumerate(order)}
        steps = [self._steps[index] for index in order]
        ran = [(step.gate, tuple(number_of[i] for i in step.inputs)) for step in steps]
        if ran != [(node.gate, node.inputs) for node in graph.nodes]:
            return ()
        values = [variable_of(step.result) for step in steps]
        own = {variable.same for variable in values if variable is not None}
        return tuple(
            _lines(s.result, v, own, self._calls, source) for s, v in zip(steps, values, strict=True)
        )


def _lines(result: Any, value: Variable | None, own: set[Variable], names: Names, source: list[str]) -> Lines:
    """Return the lines of a step; `own` are the values of all steps."""
    node = result.node if type(result) is Traced and result.level else None
    _, calls_by_parent = names.backward.get(id(node), (None, {}))
    back = calls_by_parent.values()
    pulled = {y.same for calls in back for call in calls for y in call.outs} - own
    values = {value.same} if value is not None else set()
    return Lines(
        _numbers(_behind(values, own)),
        _parts(values, source),
        _numbers(pulled),
        _parts({calls[-1].outs[0].same for calls in back} & pulled, source),
    )


def _behind(values: set[Variable], own: set[Variable]) -> set[Variable]:
    """Return variables and what they were computed from since the values of other steps."""
    found, waiting = set(values), list(values)
    while waiting:
        new = set(waiting.pop().call.inputs) - own - found
        found |= new
        waiting += new
    return found


def _numbers(variables: Iterable[Variable]) -> tuple[int, ...]:
    return tuple(sorted({x.call.line for x in variables if x.call.line is not None}))


def _parts(variables: Iterable[Variable], source: list[str]) -> tuple[Part, ...]:
    """Return where the expressions of variables are that have no line of their own."""
    calls = {x.call for x in variables if x.call.line is not None and x.call.text}
    found = [_part(call.line, source[call.line], call.text) for call in calls if call.line is not None]
    return tuple(sorted(part for part in found if part is not None))


def _part(number: int, line: str, text: str) -> Part | None:
    """Return where an expression is in a line; equal ones have equal values, so the first will do."""
    wanted, statement = ast.dump(ast.parse(text, mode="eval").body), line.strip()
    for inner in ast.walk(ast.parse(statement)):
        if isinstance(inner, ast.expr) and ast.dump(inner) == wanted and inner.end_col_offset is not None:
            ends = (inner.col_offset, inner.end_col_offset)  # in bytes
            start, end = (len(statement.encode()[:k].decode()) + line.index(statement) for k in ends)
            return number, start, end
    return None  # in a kernel


def _is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and bool(plain_namespace(x).isdtype(x.dtype, "real floating"))
