"""A copy of a function that is handed recorded arrays in the place of those that it reaches outside itself."""

import functools
import types
from collections.abc import Callable
from typing import Any

from chainrule import pytree
from chainrule.program.numbers import Number
from chainrule.program.outside.bytecode import usage
from chainrule.program.outside.objects import (
    CACHED,
    MISSING,
    content,
    is_array,
    is_compiled,
    is_own,
)
from chainrule.program.outside.reached import Outside, holds, kept


class Copies:
    """Copies of what leads to arrays outside a function, with `wrapped(array, name)` in the place of each."""

    def __init__(self, outside: Outside, wrapped: Callable[[Any, str], Any]) -> None:
        self._outside, self._wrapped = outside, wrapped
        self.made: dict[int, Any] = {}
        self._made_cells: dict[int, types.CellType] = {}
        self._scopes: dict[int, dict[str, Any]] = {}
        self._replaced = set(outside.targets)
        waiting = list(self._replaced)
        while waiting:
            new = set(outside.users.get(waiting.pop(), ())) - self._replaced
            self._replaced |= new
            waiting += new
        self._kept: list[Any] = []

    def of(self, x: Any) -> Any:
        """Return what stands for x while the function is recorded."""
        if id(x) not in self._replaced:
            return x
        if id(x) not in self.made:
            self._make(x)
        return self.made[id(x)]

    def start(self) -> None:
        """Note what the copies hold."""
        self._kept = kept(self.made.values())

    def unchanged(self) -> bool:
        """Say whether the copies hold what they held, as what is outside would then."""
        return all(map(holds, self._kept))

    def _make(self, x: Any) -> None:
        made = self.made
        if is_array(x):
            made[id(x)] = self._wrapped(x, self._outside.names.get(id(x), ""))
        elif is_compiled(x):
            made[id(x)] = self.of(x.__wrapped__)
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, types.MethodType):
            made[id(x)] = types.MethodType(self.of(x.__func__), self.of(x.__self__))
        elif type(x) is functools.partial:
            keywords = {name: self.of(part) for name, part in x.keywords.items()}
            made[id(x)] = functools.partial(self.of(x.func), *map(self.of, x.args), **keywords)
        elif type(x) is CACHED:
            made[id(x)] = self._cached(x)
        elif isinstance(x, list):
            made[id(x)] = []
            made[id(x)] += map(self.of, x)
        elif isinstance(x, tuple):
            items = list(map(self.of, x))
            made[id(x)] = type(x)(*items) if hasattr(x, "_fields") else tuple(items)
        elif type(x) is dict:
            made[id(x)] = {}
            made[id(x)].update((key, self.of(child)) for key, child in x.items())
        else:
            made[id(x)] = new = object.__new__(type(x))
            vars(new).update((name, self.of(child)) for name, child in vars(x).items())

    def _function(self, f: types.FunctionType) -> None:
        old_cells = f.__closure__ or ()
        cells = [self._cell(cell) for cell in old_cells]
        scope, names = self._scope(f)
        new = types.FunctionType(f.__code__, scope, f.__name__, None, tuple(cells) or None)
        self.made[id(f)] = new  # before what leads back to it
        for name in names:
            scope[name] = self.of(f.__globals__[name])
        for cell, old in zip(cells, old_cells, strict=True):
            if cell is not old and content(cell) is MISSING:
                cell.cell_contents = self.of(old.cell_contents)
        new.__defaults__ = None if f.__defaults__ is None else tuple(map(self.of, f.__defaults__))
        new.__kwdefaults__ = f.__kwdefaults__ and {k: self.of(x) for k, x in f.__kwdefaults__.items()}
        new.__module__, new.__qualname__, new.__doc__ = f.__module__, f.__qualname__, f.__doc__
        vars(new).update((name, self.of(x)) for name, x in vars(f).items())

    def _cell(self, cell: Any) -> Any:
        """Return the cell of a copy: an empty one, to be filled, where another object stands for what is in it."""
        if id(content(cell)) not in self._replaced:
            return cell
        return self._made_cells.setdefault(id(cell), types.CellType())

    def _scope(self, f: types.FunctionType) -> tuple[dict[str, Any], list[str]]:
        """Return the globals of a copy, another dict where names stand for something else, and these names."""
        used, scope = usage(f.__code__), f.__globals__
        if not is_own(f):
            return scope, []
        names = [name for name in used.globals if id(scope.get(name, MISSING)) in self._replaced]
        if not names and not used.types:
            return scope, []
        new = self._scopes.setdefault(id(scope), dict(scope))
        if used.types:
            new.setdefault("type", _type)
        return new, names

    def _cached(self, f: Any) -> Callable[..., Any]:
        """Return a function whose arrays came out of a cache, as they will at each call."""

        def g(*args: Any, **kwargs: Any) -> Any:
            # A number that is computed with belongs to the recording: the cache gets it as it is.
            given = pytree.mapped(lambda y: y.pinned() if type(y) is Number else y, (args, kwargs))
            out = f(*given[0], **given[1])
            return pytree.mapped(lambda y: self._wrapped(y, "") if is_array(y) else y, out)

        return g


def _type(x: Any, *more: Any) -> Any:
    """Return the class that x has outside a recording."""
    if not more and (type(x) is Number or hasattr(type(x), "recording")):
        return type(x.value)
    return type(x, *more)
