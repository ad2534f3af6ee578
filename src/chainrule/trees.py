"""Nested lists, tuples and dicts of arrays: taken apart, and put together again."""

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a tree with the name that leads to it, such as params[0]['W']."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from leaves(item, f"{name}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for i, item in enumerate(tree):
            yield from leaves(item, f"{name}[{i}]")
    else:
        yield name, tree


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """Return a tree like this one with the next value in the place of each leaf."""
    if isinstance(tree, dict):
        return type(tree)((key, rebuilt(item, values)) for key, item in tree.items())
    if isinstance(tree, list | tuple):
        items = [rebuilt(item, values) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return next(values)


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """Return a tree like this one with f of each leaf."""
    return rebuilt(tree, iter([f(leaf) for _, leaf in leaves(tree, "")]))
