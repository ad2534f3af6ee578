"""Small things of autograd's that programs import from here."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def subvals(x: Sequence[Any], pairs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """Return a tuple like x with other items at some places, given as pairs of a place and an item."""
    items = list(x)
    for i, item in pairs:
        items[i] = item
    return tuple(items)


def subval(x: Sequence[Any], i: int, item: Any) -> tuple[Any, ...]:
    """Return a tuple like x with another item at place i."""
    return subvals(x, [(i, item)])


def func(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f itself."""
    return f


def quick_grad_check(
    fun: Callable[..., Any],
    arg0: Any,
    extra_args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    **settings: Any,
) -> None:
    """Check the gradient of fun in its first argument, once and in reverse; `test_util.check_grads` replaces it."""
    from chainrule.autograd.test_util import check_grads

    check_grads(lambda x: fun(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
