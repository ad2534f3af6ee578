"""The gates: one function each, forward and local gradient on one screen.

    gate(xp, *arrays, **static) -> (output, one pullback per array)

`xp` is the array API namespace of the arrays; a gate uses nothing else, so it runs wherever they live.
In a pullback g stands on the left of an operator: g may be traced where the saved arrays are plain, and not
every plain array lets a stranger on its right answer.
"""

from types import ModuleType
from typing import Any

from chainrule.gates import (
    activations,
    composed,
    elementwise,
    indexing,
    linear_algebra,
    losses,
    manipulation,
    statistical,
)
from chainrule.gates.types import Gate


def _public(module: ModuleType) -> dict[str, Any]:
    return {
        name: f
        for name, f in vars(module).items()
        if not name.startswith("_") and getattr(f, "__module__", None) == module.__name__
    }


_ADJOINTS = ("getitem", "scatter", "put", "to_device")
_BEYOND = ("maxout", "norm", "safe_divide")
_MAIN_TOO = ("matmul", "matrix_transpose", "tensordot", "vecdot")
_LINALG = _public(linear_algebra) | {"matrix_transpose": manipulation.matrix_transpose}
_MOVERS = _public(manipulation) | _public(indexing)

MAIN: dict[str, Gate] = {
    **_public(elementwise),
    **_public(statistical),
    **{name: gate for name, gate in _MOVERS.items() if name not in _ADJOINTS},
    "matmul": linear_algebra.matmul,
}
LINALG: dict[str, Gate] = _LINALG
BEYOND: dict[str, Gate] = _public(activations) | _public(losses)
INTERNAL: dict[str, Gate] = {name: _MOVERS[name] for name in _ADJOINTS}

_COMPOSED = _public(composed)
_COMPOSED_LINALG = (
    "cross",
    "diagonal",
    "matrix_norm",
    "matrix_power",
    "outer",
    "trace",
    "tensordot",
    "vecdot",
)
COMPOSED_MAIN = {
    name: f
    for name, f in _COMPOSED.items()
    if name not in _BEYOND and (name not in _COMPOSED_LINALG or name in _MAIN_TOO)
}
COMPOSED_LINALG = {name: _COMPOSED[name] for name in _COMPOSED_LINALG}
COMPOSED_BEYOND = {name: _COMPOSED[name] for name in _BEYOND}

SEVERAL_RESULTS = ("eigh", "qr", "slogdet", "svd")
