"""Functions whose calls do not depend on the values of their arguments, recorded once."""

from collections.abc import Callable
from typing import Any

from chainrule.program.compiled import compile


def const_graph(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return fun with some of its arguments given, recorded at its first call and replayed after it."""
    return compile(lambda *more: fun(*args, *more, **kwargs))  # type: ignore[no-any-return]
