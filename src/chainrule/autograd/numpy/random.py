"""The names of numpy.random, for programs of autograd: those of chainrule.numpy.random."""

from typing import Any

import chainrule.numpy.random as _ours

__all__ = list(_ours.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)
