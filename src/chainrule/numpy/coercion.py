"""Numbers and lists among arrays, as NumPy's functions take them."""

from collections.abc import Iterable
from typing import Any

from chainrule.gates.types import Array


def as_arrays(xp: Any, items: Iterable[Any]) -> list[Array]:
    """Return items as arrays; what is a number or a list comes to lie where the traced arrays among them do."""
    items = list(items)
    device = _device(items)
    return [_array(xp, item, device) for item in items]


def weak(xp: Any, *items: Any) -> list[Any]:
    """Return lists as arrays beside the others; a number stays one, and takes the dtype of what it meets."""
    device = _device(items)
    return [_array(xp, x, device) if isinstance(x, list | tuple) else x for x in items]


def _array(xp: Any, x: Any, device: Any) -> Array:
    if hasattr(x, "dtype"):
        return x
    if isinstance(x, list | tuple) and any(hasattr(y, "dtype") or isinstance(y, list | tuple) for y in x):
        return xp.stack([_array(xp, y, device) for y in x])
    return xp.asarray(x, device=device)


def _device(items: Iterable[Any]) -> Any:
    """Return the device of the first traced array, which alone of all arrays has a `record`."""
    for x in items:
        found = _device(x) if isinstance(x, list | tuple) else x.device if hasattr(x, "record") else None
        if found is not None:
            return found
    return None
