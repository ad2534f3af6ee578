"""The names of numpy.fft, for programs of autograd: those of chainrule.numpy.fft."""

from typing import Any

import chainrule.numpy.fft as _ours

__all__ = list(_ours.__all__)


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)
