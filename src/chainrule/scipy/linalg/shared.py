"""What the functions of linear algebra share."""

from typing import Any

from chainrule.gates.types import Array
from chainrule.scipy.arguments import prepared, refuse_infinite


def of_namespace(name: str, a: Array, check_finite: bool, **settings: Any) -> Any:
    """Return the function of that name in the linalg of the namespace, of a."""
    xp, a = prepared(a)
    refuse_infinite(name, check_finite, a)
    return getattr(xp.linalg, name)(a, **settings)
