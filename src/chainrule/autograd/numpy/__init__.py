"""NumPy's names on traced arrays, for programs of autograd: those of chainrule.numpy."""

from typing import Any

import numpy as _numpy

import chainrule.numpy as _ours
from chainrule.autograd.numpy import fft, linalg, numpy_boxes, numpy_vjps, random
from chainrule.autograd.numpy.numpy_vjps import metadata
from chainrule.gates.helpers import innermost as _innermost
from chainrule.gates.helpers import is_transformed as _is_transformed

__all__ = [name for name in _ours.__all__ if name not in ("fft", "linalg", "random", "where")]
__all__ += ["fft", "linalg", "make_diagonal", "metadata", "numpy_boxes", "numpy_vjps", "random", "where"]
__version__ = _numpy.__version__


def where(condition: Any, *given: Any, **named: Any) -> Any:
    """Return numpy.where of its arguments, and numbers and lists of Python where all of them are ones of Python."""
    given += tuple(named[name] for name in ("x", "y") if name in named)
    found = _ours.where(condition, *given)
    return found.tolist() if given and not any(map(_holds_array, (condition, *given))) else found


def _of_any_iterable(name: str) -> Any:
    """Return a function of a sequence of arrays that takes any iterable of them."""
    joined = getattr(_ours, name)

    def function(arrays: Any, *args: Any, **kwargs: Any) -> Any:
        is_sequence = isinstance(arrays, list | tuple) or hasattr(arrays, "shape")
        return joined(arrays if is_sequence else list(arrays), *args, **kwargs)

    function.__name__, function.__doc__ = name, joined.__doc__
    return function


for _name in ("column_stack", "concatenate", "hstack", "stack", "vstack"):
    globals()[_name] = _of_any_iterable(_name)


def make_diagonal(D: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the matrices whose diagonals are the last axis of D; for offset 0 and the axes -1 and -2 alone."""
    if (offset, axis1, axis2) != (0, -1, -2):
        raise NotImplementedError("make_diagonal: expected offset=0, axis1=-1, axis2=-2")
    return _ours.expand_dims(D, -1) * _numpy.eye(_numpy.shape(D)[-1])


def _holds_array(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_holds_array, x))
    return issubclass(type(x), _numpy.ndarray | _numpy.generic) or _is_transformed(x)


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(_ours, name)
    return found


class _OfPlainValue(type):
    """The class of a class of whole numbers of NumPy's, called with a traced array too: it takes the plain value."""

    def __call__(cls, *args: Any) -> Any:
        return cls.__mro__[1](*map(_innermost, args))

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, cls.__mro__[1])


for _name in ("int8", "int16", "int32", "int64", "integer"):
    globals()[_name] = _OfPlainValue(_name, (getattr(_numpy, _name),), {})
