"""Functions beyond the standard, for plain and traced arrays of any namespace.

They are the gates and composed functions that gates/ enters as "beyond": activations, losses and a few more.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.custom_gate import gate
from chainrule.autodiff.namespace import first_space
from chainrule.gates import COMPOSED, RULES
from chainrule.gates.helpers import is_transformed


def _composed(composed: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(composed)
    def function(x: Any, *others: Any, **settings: Any) -> Any:
        arrays = (x, *others)
        space = first_space(arrays)
        return composed(space if any(map(is_transformed, arrays)) else space._base, *arrays, **settings)

    signature = inspect.signature(composed)
    without_xp = list(signature.parameters.values())[1:]
    function.__signature__ = signature.replace(parameters=without_xp)  # type: ignore[attr-defined]
    return function


_FUNCTIONS = {name: gate(rule) for name, rule in RULES["beyond"].items()} | {
    name: _composed(function) for name, function in COMPOSED["beyond"].items()
}
globals().update(_FUNCTIONS)
__all__ = list(_FUNCTIONS)


# Type checkers learn from it that there are names which are not written here.
def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(_FUNCTIONS))}"
    )
