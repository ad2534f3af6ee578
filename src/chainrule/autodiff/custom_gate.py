"""gate: a rule of your own, callable like any function of arrays."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.tape import check_settings
from chainrule.gates import FLOWS
from chainrule.gates.helpers import is_transformed
from chainrule.gates.standard import note_flow
from chainrule.validation import check_function


def gate(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Make rule(xp, *arrays, **settings) -> (output, pullbacks) callable on plain and traced arrays.

    `xp` is the namespace of the arrays and all that the rule may use. There is one pullback per array, from the
    gradient g of the output, of its shape, to the gradient of that array; None for an array that gets none. Each is
    linear in its g, with g on the left of operators. The gradient of a broadcast operand may keep the shape of the
    output. Raises TypeError for a rule that is no function, for a rule's result of another form, and for a traced
    array among the settings.
    """
    check_function("gate", rule)

    @functools.wraps(rule)
    def function(*arrays: Any, **settings: Any) -> Any:
        check_settings(rule, settings)
        space = first_space(arrays)
        if not any(map(is_transformed, arrays)):
            return rule(space._base, *arrays, **settings)[0]
        return space._record(checked, arrays, settings)

    @functools.wraps(rule)
    def checked(xp: Any, *arrays: Any, **settings: Any) -> Any:
        result = rule(xp, *arrays, **settings)
        if not (isinstance(result, tuple) and len(result) == 2 and len(result[1]) == len(arrays)):
            raise TypeError(
                f"gate {rule.__name__}: expected (output, {len(arrays)} pullbacks), one per array; got {result!r}"
            )
        return result

    note_flow(checked, FLOWS.get(rule))
    signature = inspect.signature(rule)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    return function
