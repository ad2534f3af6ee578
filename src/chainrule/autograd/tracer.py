"""Traced values, as programs for autograd ask about them; nodes of their own for each function that runs."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.autodiff.namespace import Namespace, call_followed, plain_namespace
from chainrule.autodiff.tape import leaf, new_level
from chainrule.autodiff.traced import Traced, plain_value
from chainrule.autograd.extend import notrace_primitive, primitive
from chainrule.gates.helpers import is_transformed

__all__ = ["Box", "Node", "getval", "isbox", "notrace_primitive", "primitive", "trace"]

Box = Traced


def isbox(x: Any) -> bool:
    """Say whether x is an array that a transform follows."""
    return is_transformed(x)


def getval(x: Any) -> Any:
    """Return the plain value of x: a NumPy scalar for one of shape (), which is a float as that of autograd."""
    return _scalar(plain_value(x)) if is_transformed(x) else x


class Node:
    """What a class of nodes for `trace` stands on.

    It has __init__(value, fun, args, kwargs, parent_argnums, parents), called for each function that runs on followed
    arrays, with plain values and the nodes of those arguments that were followed, and initialize_root(*args).
    """

    def __init__(
        self, value: Any, fun: Any, args: Any, kwargs: Any, parent_argnums: Any, parents: Any
    ) -> None:
        raise NotImplementedError(f"{type(self).__name__}: expected an __init__ of its own")

    def initialize_root(self, *args: Any, **kwargs: Any) -> None:
        """Set up the node of the argument, which no function gave."""
        raise NotImplementedError(f"{type(self).__name__}: expected an initialize_root of its own")

    @classmethod
    def new_root(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the node of an argument."""
        root = cls.__new__(cls)
        root.initialize_root(*args, **kwargs)
        return root


def trace(start_node: Any, fun: Callable[[Any], Any], x: Any) -> tuple[Any, Any]:
    """Return fun(x) and the node of the result, with a node of start_node's class for each function on the way.

    Functions are the engine's: their names are the standard's, and what is written in others shows these. x is an
    array or a number that no transform follows; TypeError for another. The node is None, with a warning, where the
    result does not depend on x.
    """
    if is_transformed(x) or (not hasattr(x, "dtype") and not isinstance(x, float | complex)):
        raise TypeError(f"trace: expected a plain array or a floating number; got {type(x).__name__}")
    x = x if hasattr(x, "dtype") else np.asarray(x)
    space = _Noting(plain_namespace(x), type(start_node))
    out = call_followed(fun, (space.entered(x, start_node),), {})
    node = space.node_of(out)
    if node is None:
        warnings.warn("trace: the result does not depend on the argument", stacklevel=2)
    return (out if node is None else _scalar(out.value)), node


class _Noting(Namespace):
    """The differentiable namespace over `base` that makes a node of a class for each gate that runs at its level."""

    def __init__(self, base: Any, kind: type) -> None:
        self._kind, self._level = kind, new_level()
        self._nodes: dict[Any, Any] = {}  # by the engine's nodes
        super().__init__(base)

    def _bind(self, name: str, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if kind != "gate":
            return function

        @functools.wraps(function)
        def again(*args: Any, **settings: Any) -> Any:
            return getattr(self, name)(args, **settings)

        shown = again if name in ("concat", "stack") else function  # which take a list of plain arrays

        @functools.wraps(function)
        def noting(*args: Any, **settings: Any) -> Any:
            return self._noted(shown, args, settings, function(*args, **settings))

        return noting

    def _record(self, gate: Any, arrays: Any, settings: dict[str, Any]) -> Any:
        @functools.wraps(gate)
        def function(*args: Any, **settings: Any) -> Any:
            return gate(self._base, *args, **settings)[0]

        return self._noted(function, arrays, settings, super()._record(gate, arrays, settings))

    def _noted(self, function: Any, args: Any, settings: dict[str, Any], result: Any) -> Any:
        parents = {i: node for i, x in enumerate(args) if (node := self.node_of(x)) is not None}
        for y in result if isinstance(result, tuple) else (result,):
            if parents and type(y) is Traced and y.level == self._level and y.node not in self._nodes:
                below = tuple(_scalar(x.value) if i in parents else getval(x) for i, x in enumerate(args))
                self._nodes[y.node] = self._kind(
                    _scalar(y.value), function, below, settings, tuple(parents), tuple(parents.values())
                )
        return result

    def entered(self, x: Any, node: Any) -> Traced:
        """Return an array as the followed one whose node is given."""
        followed = leaf(x, self, self._level, self._tape_dtype(x.dtype))
        self._nodes[followed.node] = node
        return followed

    def node_of(self, x: Any) -> Any:
        """Return the node that was made for an array; None for anything else."""
        return self._nodes.get(x.node) if type(x) is Traced and x.level == self._level else None


def _scalar(x: Any) -> Any:
    return x[()] if isinstance(x, np.ndarray) and not x.ndim else x
