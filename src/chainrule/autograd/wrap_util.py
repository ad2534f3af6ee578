"""Operators of a function of one argument, made operators of a function of any."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def unary_to_nary(unary_operator: Callable[..., Any]) -> Callable[..., Any]:
    """Return operator(fun, argnum=0, ...) made from unary_operator(fun of x, x, ...).

    `argnum` is the place of the argument, or several in a tuple or a list: x is then their tuple. What it returns takes
    the arguments of fun. Raises TypeError for another argnum.
    """

    def nary_operator(fun: Callable[..., Any], argnum: Any = 0, *more: Any, **settings: Any) -> Any:
        if type(argnum) not in (int, tuple, list):
            raise TypeError(
                f"{unary_operator.__name__}: expected a whole number, a tuple or a list as argnum; got {argnum!r}"
            )
        several = type(argnum) is not int

        def nary_f(*args: Any, **kwargs: Any) -> Any:
            def unary_f(x: Any) -> Any:
                return fun(
                    *subvals(args, zip(argnum, x, strict=True) if several else [(argnum, x)]), **kwargs
                )

            _named(unary_f, get_name(fun), get_doc(fun))
            x = tuple(args[i] for i in argnum) if several else args[argnum]
            return unary_operator(unary_f, x, *more, **settings)

        operator, name = get_name(unary_operator), get_name(fun)
        doc = (
            f"    {operator} of function {name} with respect to argument number {argnum}. Takes the\n"
            f"    arguments of {name} and returns its {operator}.\n"
        )
        return _named(nary_f, f"{operator}_of_{name}_wrt_argnum_{argnum}", doc)

    return _named(nary_operator, get_name(unary_operator), get_doc(unary_operator))


def _named(f: Callable[..., Any], name: str, doc: str | None) -> Callable[..., Any]:
    with contextlib.suppress(AttributeError, TypeError):
        f.__name__, f.__doc__ = name, doc
    return f


def get_name(f: Any) -> str:
    """Return the name of a function, for messages."""
    return getattr(f, "__name__", "[unknown name]")


def get_doc(f: Any) -> str | None:
    """Return the docstring of a function."""
    return getattr(f, "__doc__", "")


def subvals(x: Sequence[Any], pairs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """Return a tuple like x with other items at some places, given as pairs of a place and an item."""
    items = list(x)
    for i, item in pairs:
        items[i] = item
    return tuple(items)


def subval(x: Sequence[Any], i: int, item: Any) -> tuple[Any, ...]:
    """Return a tuple like x with another item at place i."""
    return subvals(x, [(i, item)])
