"""NumPy's names on followed arrays, for programs of autograd: those of chainrule.numpy."""

from typing import Any

import numpy as _numpy

import chainrule.numpy as _ours
from chainrule.autograd.numpy import fft, linalg, numpy_boxes, random
from chainrule.gates.helpers import is_transformed as _is_transformed

__all__ = [name for name in _ours.__all__ if name not in ("fft", "linalg", "random", "where")]
__all__ += ["fft", "linalg", "numpy_boxes", "random", "where"]
__version__ = _numpy.__version__


def where(condition: Any, *given: Any, **named: Any) -> Any:
    """Return numpy.where of its arguments, and numbers and lists of Python where x and y are ones of Python."""
    found = _ours.where(condition, *given, **named)
    plain = not any(map(_holds_array, (condition, *given, *named.values())))
    return found.tolist() if plain and (given or named) else found


def _holds_array(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_holds_array, x))
    return isinstance(x, _numpy.ndarray | _numpy.generic) or _is_transformed(x)


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(_ours, name)
    return found
