"""Small things of autograd's that programs import from here."""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.autograd.test_util import check_grads
from chainrule.autograd.wrap_util import subval, subvals

__all__ = ["func", "quick_grad_check", "subval", "subvals"]


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
    check_grads(lambda x: fun(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
