"""Nested lists, tuples and dicts of arrays: taken apart, and put together again."""

import copy
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


def along(tree: Any, like: Any, name: str) -> list[Any]:
    """Return the leaves of a tree in the order of `like`, with the items of dicts matched by key.

    Raises ValueError, with the name that leads to the place, where the tree is not nested as `like` is.
    """
    if isinstance(like, dict):
        if not isinstance(tree, dict) or tree.keys() != like.keys():
            got = f"a dict with {list(tree)}" if isinstance(tree, dict) else type(tree).__name__
            raise ValueError(f"{name}: expected a dict with {list(like)}; got {got}")
        return [x for key, item in like.items() for x in along(tree[key], item, f"{name}[{key!r}]")]
    if isinstance(like, _ROWS):
        if not isinstance(tree, _ROWS) or len(tree) != len(like):
            got = f"{len(tree)} items" if isinstance(tree, _ROWS) else type(tree).__name__
            raise ValueError(f"{name}: expected {len(like)} items; got {got}")
        pairs = enumerate(zip(tree, like, strict=True))
        return [x for i, (item, its) in pairs for x in along(item, its, f"{name}[{i}]")]
    if isinstance(tree, _NESTED):
        raise ValueError(f"{name}: expected one array; got {type(tree).__name__}")
    return [tree]


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """Return a tree like this one with the next value in the place of each leaf."""
    if isinstance(tree, dict):
        # A copy, because not every dict is made from its items alone (a defaultdict is not).
        new = copy.copy(tree)
        for key, item in tree.items():
            new[key] = rebuilt(item, values)
        return new
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
