"""The functions of SciPy, for the libraries that have a SciPy of their own."""

import importlib
from collections.abc import Callable
from typing import Any

_SCIPY = {"numpy": "scipy", "cupy": "cupyx.scipy"}


def scipy_function(xp: Any, room: str, name: str) -> Callable[..., Any] | None:
    """Return a function of a room of SciPy, such as "linalg", for the plain arrays of a namespace.

    None where the library of the namespace has no SciPy, or its SciPy no such function. Raises ImportError without
    SciPy.
    """
    own = _SCIPY.get(xp.__name__.removeprefix("array_api_compat."))
    if own is None:
        return None
    try:
        found = importlib.import_module(f"{own}.{room}")
    except ImportError as error:
        raise ImportError(
            f"{name} needs {own}, which is not installed: pip install '.[app]' in chainrule's folder"
        ) from error
    return getattr(found, name, None)
