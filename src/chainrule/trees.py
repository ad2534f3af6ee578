"""Nested lists, tuples and dicts of arrays: taken apart, and put together again."""

from collections.abc import Callable, Iterator
from typing import Any

_ROWS = (list, tuple)
_NESTED = (list, tuple, dict)


def leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a tree with the name that leads to it, such as params[0]['W']."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from leaves(item, f"{name}[{key!r}]")
    elif isinstance(tree, _ROWS):
        for i, item in enumerate(tree):
            yield from leaves(item, f"{name}[{i}]")
    else:
        yield name, tree


def flat(tree: Any) -> list[Any]:
    """Return the leaves of a tree in a list."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, _ROWS):
        return [tree]
    found: list[Any] = []
    for item in tree:
        if isinstance(item, _NESTED):
            found += flat(item)
        else:
            found.append(item)
    return found


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """Return a tree like this one with the next value in the place of each leaf."""
    if isinstance(tree, dict):
        return type(tree)((key, rebuilt(item, values)) for key, item in tree.items())
    if isinstance(tree, _ROWS):
        items = [rebuilt(item, values) if isinstance(item, _NESTED) else next(values) for item in tree]
        kind = type(tree)
        return items if kind is list else kind(*items) if hasattr(tree, "_fields") else kind(items)
    return next(values)


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """Return a tree like this one with f of each leaf."""
    if not isinstance(tree, _NESTED):
        return f(tree)
    return rebuilt(tree, iter([f(leaf) for leaf in flat(tree)]))
