"""Signatures: what of the arguments a program holds for, and the code that takes arguments apart and checks them."""

import copy
import dataclasses
import decimal
import enum
import fractions
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from chainrule import pytree
from chainrule.validation import check_array_class

# Values that are told apart by their text: 0.0 and -0.0 differ, and NaN is itself.
_BY_TEXT = (float, complex, fractions.Fraction, decimal.Decimal)
# Classes of values that never change and hold nothing that does.
_ATOMS = {
    *(type(None), bool, int, str, bytes, range, type(...), *_BY_TEXT),
    *(types.CodeType, np.ufunc),
}


class Leaf(NamedTuple):
    """A leaf of the arguments: an array, a number of Python's own, or a value that is part of the signature."""

    kind: str
    value: Any
    name: str


def leaves(tree: Any, name: str) -> Iterator[Leaf]:
    """Yield the leaves of a tree of lists, tuples, dicts and dataclasses."""
    for path, x in pytree.leaves(tree, name):
        yield Leaf(kind_of(x), x, path)


def kind_of(x: Any) -> str:
    """Return "array", "number" or "static"."""
    if type(x) in (int, float):
        return "number"
    if hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type | str | bytes):
        check_array_class(type(x))
        return "array"
    return "static"


def key_of(tree: Any) -> Any:
    """Return what two calls must have in common to be computed by one program, numbers of Python's own left out."""
    if isinstance(tree, dict):
        return type(tree), tuple((exact(name), key_of(item)) for name, item in tree.items())
    if isinstance(tree, list | tuple):
        return type(tree), tuple(map(key_of, tree))
    if pytree.is_nested(tree):
        return type(tree), tuple(map(key_of, children(tree))), _beside_fields(tree)
    kind = kind_of(tree)
    if kind == "array":
        return type(tree), tuple(tree.shape), tree.dtype, str(getattr(tree, "device", ""))
    return type(tree) if kind == "number" else exact(tree)


def children(tree: Any) -> list[Any]:
    """Return what a list, a tuple, a dict or a dataclass holds."""
    if isinstance(tree, list | tuple):
        return list(tree)
    return list((tree if isinstance(tree, dict) else _fields(tree)).values())


def rebuilder(tree: Any) -> Callable[[Any], Any]:
    """Return the function that puts items into a container of the class of `tree`."""
    kind = type(tree)
    if isinstance(tree, list | tuple):
        return (lambda items: kind(*items)) if hasattr(tree, "_fields") else kind
    empty, names = copy.copy(tree), list(tree if isinstance(tree, dict) else _fields(tree))
    put = operator.setitem if isinstance(tree, dict) else object.__setattr__  # frozen dataclasses too
    for name, y in getattr(tree, "__dict__", {}).items():
        if name not in names and hasattr(y, "recording"):
            raise TypeError(
                f"compile: {kind.__name__}.{name} is no field of the result. Make it a field or a property"
            )
    for name in names:
        put(empty, name, None)

    def filled(items: Any) -> Any:
        new = copy.copy(empty)
        for name, item in zip(names, items, strict=True):
            put(new, name, item)
        return new

    return filled


def _fields(x: Any) -> dict[str, Any]:
    return {field.name: getattr(x, field.name) for field in dataclasses.fields(x)}


def _beside_fields(x: Any) -> Any:
    """Return the values of the attributes of a dataclass that are no fields."""
    fields = _fields(x)
    return tuple((name, exact(y)) for name, y in getattr(x, "__dict__", {}).items() if name not in fields)


def exact(x: Any) -> Any:
    """Return what only a value of the same type, with the same effect on a program, has."""
    return type(x), value_key(x)


def is_atom(x: Any) -> bool:
    """Say whether x is a value that never changes, and holds nothing that does."""
    if type(x) is types.BuiltinFunctionType:  # not one that is bound to an object, such as `table.get`
        return x.__self__ is None or isinstance(x.__self__, types.ModuleType | type)
    known = type(x) in _ATOMS or issubclass(type(x), np.generic | np.dtype | enum.Enum)
    return known and not issubclass(type(x), np.void)  # a row of a structured array may change


def value_key(x: Any) -> Any:
    """Return a value that decides a program, as what it is equal to: 0.0 and -0.0 differ, and NaN is itself.

    An object is equal to itself alone, and so is what has values of other types. TypeError for what is not hashable.
    """
    if type(x) in _BY_TEXT:
        return repr(x)
    if type(x) in (tuple, frozenset):
        return type(x)(map(exact, x))
    if type(x) is slice:
        return exact(x.start), exact(x.stop), exact(x.step)
    hash(x)
    if dataclasses.is_dataclass(x) and not isinstance(x, type) and not _is_itself(x):
        return tuple(map(exact, _fields(x).values())), _beside_fields(x)
    if hasattr(type(x), "__next__"):
        raise TypeError(f"what a {type(x).__name__} gives differs from call to call")
    return x if is_atom(x) or _is_itself(x) else _Same(x)


def same_objects(*found: Any) -> tuple[int, ...]:
    """Return for each array the place of the first that is the same object."""
    first: dict[int, int] = {}
    return tuple(first.setdefault(id(x), i) for i, x in enumerate(found) if hasattr(x, "dtype"))


def _is_itself(x: Any) -> bool:
    """Say whether an object is equal to no other."""
    return getattr(type(x), "__eq__", None) is getattr(object, "__eq__", None)


class _Same:
    """A key that is equal where it stands for the same object."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __hash__(self) -> int:
        return id(self.x)

    def __eq__(self, other: Any) -> bool:
        return type(other) is _Same and other.x is self.x


# --- The same as code: arguments taken apart, and checked on the way ---


def _exact_or_none(x: Any) -> Any:
    try:
        return exact(x)
    except TypeError:
        return None


# What the checks call, under names that no argument has.
CHECKED_WITH = {
    "__type": type,
    "__len": len,
    "__list": list,
    "__tuple": tuple,
    "__exact": _exact_or_none,
    "__beside": _beside_fields,
}


class Unpacking:
    """The lines that take the arguments of a program apart; with `checks`, those that return __MISS for others.

    `names` are those of the leaves, in order, and `pinned` the numbers of those that decided the program.
    """

    def __init__(self, names: list[str], pinned: set[int]) -> None:
        self.names, self.pinned = names, pinned
        self.objects: dict[str, Any] = {}
        self.lines: list[str] = []
        self.checks: list[str] = []
        self._next = 0

    def argument(self, tree: Any, name: str) -> None:
        """Write the lines for one argument."""
        kind = _nested(tree)
        if kind is None:
            self._leaf(tree, name)
        elif kind == "dict":
            keys = self._object(tuple(tree))
            same = f"__list({name}) == {list(tree)!r}"
            if not all(type(key) is str for key in tree):
                same = f"__exact(__tuple({name})) == {self._object(exact(tuple(tree)))}"
            self._expect(f"__type({name}) is {self._object(type(tree))} and {same}")
            for i, (key, item) in enumerate(tree.items()):
                self.argument(item, f"{name}[{key!r}]" if type(key) in (str, int) else f"{name}[{keys}[{i}]]")
        elif kind == "dataclass":
            self._expect(f"__type({name}) is {self._object(type(tree))}")
            if _beside_fields(tree):
                self._expect(f"__beside({name}) == {self._object(_beside_fields(tree))}")
            for field, item in _fields(tree).items():
                self.argument(item, f"{name}.{field}")
        else:
            self._row(tree, name)

    def _row(self, tree: Any, name: str) -> None:
        if any(map(_has_names, tree)):
            self._expect_row(tree, name)
            for i, item in enumerate(tree):
                self.argument(item, f"{name}[{i}]")
            return
        first = self._next
        pattern = self._pattern(tree, name)
        if self._next > first:
            self._line(f"{pattern.removeprefix('(').removesuffix(')')} = {name}")
        for number, (_, item, _) in zip(range(first, self._next), leaves(tree, ""), strict=True):
            self._check(item, self.names[number], number)

    def _pattern(self, tree: Any, name: str) -> str:
        """Return the targets that take a row apart; the check of its form comes before."""
        if _nested(tree) is None:
            self._next += 1
            return self.names[self._next - 1]
        self._expect_row(tree, name)
        targets = [self._pattern(item, f"{name}[{i}]") for i, item in enumerate(tree)]
        return f"({', '.join(targets)}{',' if len(targets) == 1 else ''})"

    def _expect_row(self, tree: Any, name: str) -> None:
        self._expect(f"__type({name}) is {self._object(type(tree))} and __len({name}) == {len(tree)}")

    def _leaf(self, x: Any, name: str) -> None:
        number, self._next = self._next, self._next + 1
        if self.names[number] != name:
            self._line(f"{self.names[number]} = {name}")
        self._check(x, self.names[number], number)

    def _check(self, x: Any, name: str, number: int) -> None:
        kind = self._object(type(x))
        if kind_of(x) == "array":
            self._expect(
                f"__type({name}) is {kind} and {name}.dtype is {self._object(x.dtype)} "
                f"and {name}.shape == {tuple(x.shape)}"
            )
            if hasattr(x, "device") and str(x.device) != "cpu":
                self._expect(f"{name}.device == {self._object(x.device)}")
        elif kind_of(x) == "number" and number not in self.pinned:
            self._expect(f"__type({name}) is {kind}")
        elif type(x) is float:
            self._expect(f"__type({name}) is {kind} and {name}.hex() == {x.hex()!r}")
        elif type(x) in (int, str):
            self._expect(f"__type({name}) is {kind} and {name} == {self._object(x)}")
        else:
            # An equal value may be another object.
            self._expect(f"{name} is {self._object(x)} or __exact({name}) == {self._object(exact(x))}")

    def _line(self, line: str) -> None:
        self.lines.append(line)
        self.checks.append(line)

    def _expect(self, condition: str) -> None:
        self.checks.append(f"if not ({condition}): return __MISS")

    def _object(self, x: Any) -> str:
        for name, other in self.objects.items():
            if other is x:
                return name
        name = f"__{len(self.objects)}"
        self.objects[name] = x
        return name


def _has_names(tree: Any) -> bool:
    kind = _nested(tree)
    return kind in ("dict", "dataclass") or (kind == "row" and any(map(_has_names, tree)))


def _nested(tree: Any) -> str | None:
    if isinstance(tree, list | tuple):
        return "row"
    return ("dict" if isinstance(tree, dict) else "dataclass") if pytree.is_nested(tree) else None
