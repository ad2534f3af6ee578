"""The names of numpy.linalg, for programs of autograd: those of chainrule.numpy.linalg."""

from typing import Any

import chainrule.numpy.linalg as _ours

__all__ = list(_ours.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)
