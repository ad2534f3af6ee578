"""Nested lists, tuples, dicts and dataclasses of arrays: taken apart, and put together again."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_ROWS = (list, tuple)
_leaf_classes: set[type] = set()


def is_nested(x: Any) -> bool:
    """Say whether x is a list, a tuple, a dict or a dataclass, and so no leaf."""
    kind = type(x)
    if kind in _leaf_classes:
        return False
    if issubclass(kind, list | tuple | dict) or dataclasses.is_dataclass(kind):
        return True
    _leaf_classes.add(kind)
    return False


def leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a tree with the name that leads to it, such as params[0]['W']."""
    if is_nested(tree):
        for step, item in _steps(tree):
            yield from leaves(item, name + step)
    else:
        yield name, tree


def flat(tree: Any) -> list[Any]:
    """Return the leaves of a tree in a list."""
    if not issubclass(type(tree), _ROWS):
        if not is_nested(tree):
            return [tree]
        tree = _items(tree)
    found: list[Any] = []
    for item in tree:
        if type(item) in _leaf_classes:
            found.append(item)
        else:
            found += flat(item)
    return found


def along(tree: Any, like: Any, name: str) -> list[Any]:
    """Return the leaves of a tree in the order of `like`, with the items of dicts matched by key.

    Raises ValueError, with the name that leads to the place, where the tree is not nested as `like` is.
    """
    if not is_nested(like):
        if is_nested(tree):
            raise ValueError(f"{name}: expected one array; got {type(tree).__name__}")
        return [tree]
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = f"a dict with {list(tree)}" if isinstance(tree, dict) else type(tree).__name__
            raise ValueError(f"{name}: expected a dict with {list(like)}; got {got}")
        items: Iterable[Any] = [tree[key] for key in like]
    elif isinstance(like, _ROWS):
        if not isinstance(tree, _ROWS) or len(tree) != len(like):
            got = f"{len(tree)} items" if isinstance(tree, _ROWS) else type(tree).__name__
            raise ValueError(f"{name}: expected {len(like)} items; got {got}")
        items = tree
    else:
        if type(tree) is not type(like):
            raise ValueError(f"{name}: expected {type(like).__name__}; got {type(tree).__name__}")
        items = _items(tree)
    pairs = zip(items, _steps(like), strict=True)
    return [x for item, (step, its) in pairs for x in along(item, its, name + step)]


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """Return a tree like this one with the next value in the place of each leaf."""
    rows = issubclass(type(tree), _ROWS)
    if not rows and not is_nested(tree):
        return next(values)
    items = [
        next(values) if type(item) in _leaf_classes else rebuilt(item, values)
        for item in (tree if rows else _items(tree))
    ]
    if rows:
        kind = type(tree)
        return items if kind is list else kind(*items) if hasattr(tree, "_fields") else kind(items)
    # A copy, because not every dict is made from its items alone (a defaultdict is not), nor every dataclass from
    # its fields: what its __init__ checks or computes holds for the original.
    new = copy.copy(tree)
    if isinstance(tree, dict):
        for key, item in zip(tree, items, strict=True):  # the update of a Counter adds
            new[key] = item
    else:
        for field, item in zip(dataclasses.fields(tree), items, strict=True):
            object.__setattr__(new, field.name, item)  # frozen ones too
    return new


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """Return a tree like this one with f of each leaf."""
    if not is_nested(tree):
        return f(tree)
    return rebuilt(tree, iter([f(leaf) for leaf in flat(tree)]))


def _items(tree: Any) -> Iterable[Any]:
    if isinstance(tree, _ROWS):
        return tree
    return (
        tree.values()
        if isinstance(tree, dict)
        else [getattr(tree, field.name) for field in dataclasses.fields(tree)]
    )


def _steps(tree: Any) -> Iterable[tuple[str, Any]]:
    """Return each item of a nested tree after what leads to it in Python."""
    if isinstance(tree, _ROWS):
        return ((f"[{i}]", item) for i, item in enumerate(tree))
    if isinstance(tree, dict):
        return ((f"[{key!r}]", item) for key, item in tree.items())
    return ((f".{field.name}", getattr(tree, field.name)) for field in dataclasses.fields(tree))
