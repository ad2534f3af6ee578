"""The names of numpy.linalg, for programs of autograd: those of chainrule.numpy.linalg."""

from typing import Any

import chainrule.numpy as _ours_numpy
import chainrule.numpy.linalg as _ours

__all__ = list(_ours.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)


def T(x: Any) -> Any:
    """Return the transpose of each matrix in a stack."""
    return _ours_numpy.swapaxes(x, -1, -2)


_dot = _ours_numpy.matmul
