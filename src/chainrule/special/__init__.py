"""SciPy's special functions with gradients: on NumPy by scipy.special, on CuPy by cupyx.scipy.special.

`scipy.special.erf(x)` on a traced array is `erf` of this module, as far as SciPy asks its arguments: its universal
functions do, and `logsumexp`, `softmax`, `log_softmax`, `polygamma` and `zeta` do not. On PyTorch and JAX those
functions are there that the library has.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.autodiff.namespace import first_space
from chainrule.autodiff.traced import is_traced
from chainrule.gates import elementwise
from chainrule.gates.helpers import innermost, is_transformed
from chainrule.gates.types import Gate
from chainrule.numpy_names.names import SPECIAL
from chainrule.special import bessel as bessel
from chainrule.special import elementary as elementary
from chainrule.special import error_functions as error_functions
from chainrule.special import incomplete as incomplete
from chainrule.special import zeta_function as zeta_function
from chainrule.special.sums import log_softmax, logsumexp, multigammaln, softmax
from chainrule.special.table import GATES, as_arrays, refuse_complex, values

Rule = Gate | tuple[Gate, ...]
_OF_ORDER = {GATES[name] for name in ("jv", "yn", "yv", "iv", "ive", "polygamma")}
# Functions with rules for complex numbers, whose values SciPy has.
_HOLOMORPHIC = {GATES["erf"], GATES["erfc"]}
_OF_NUMPY = np.ndarray | np.generic


def _as_arrays(rule: Rule, items: tuple[Any, ...]) -> list[Any]:
    """Return the arguments as arrays, but the order of a function, where it is a number, as it is.

    PyTorch and CuPy have some functions of whole orders alone.
    """
    given = as_arrays(items)
    return [items[0], *given[1:]] if rule in _OF_ORDER and type(items[0]) in (int, float) else given


def _recorded(rule: Rule, space: Any, *arrays: Any) -> Any:
    if isinstance(rule, tuple):
        return tuple(_recorded(one, space, *arrays) for one in rule)
    given = _as_arrays(rule, arrays)
    if any(map(is_traced, given)) and not (
        rule in _HOLOMORPHIC and issubclass(type(innermost(given[0])), _OF_NUMPY)
    ):
        refuse_complex(rule.__name__, space, given)
    return space._record(rule, given, {})


def _function(name: str, rule: Rule) -> Callable[..., Any]:
    rules = rule if isinstance(rule, tuple) else (rule,)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    taken = list(inspect.signature(rules[0]).parameters.values())[1:]
    signature = inspect.Signature([p.replace(kind=kind, annotation=inspect.Parameter.empty) for p in taken])

    def function(*arrays: Any, **named: Any) -> Any:
        if named:
            arrays = signature.bind(*arrays, **named).args
        arrays = tuple(_as_arrays(rule, arrays))
        space = first_space(arrays)
        if any(map(is_transformed, arrays)):
            return _recorded(rule, space, *arrays)
        return rule(space._base, *arrays)[0] if callable(rule) else values(name, space._base, *arrays)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "\n\n".join(str(one.__doc__) for one in rules)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


# What NumPy has as well.
_RULES = {**GATES, "expm1": elementwise.expm1, "log1p": elementwise.log1p}
SPECIAL.update({name: functools.partial(_recorded, rule) for name, rule in GATES.items()})
_FUNCTIONS = {name: _function(name, rule) for name, rule in _RULES.items()}
globals().update(_FUNCTIONS)
__all__ = ["log_softmax", "logsumexp", "multigammaln", "softmax"]
__all__ += list(_FUNCTIONS)


# Type checkers learn from it that there are names which are not written here.
def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(__all__))}"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
